"""What DVC cannot edit apart is told, because a sweep over it would change nothing."""

from pathlib import Path

from stages.check import notices
from stages.check.aliases import shared
from stages.core.params import read_yaml

PARAMS = Path("params.yaml")


def test_a_mapping_under_two_names_is_worth_a_word(project: Path):
    text = PARAMS.read_text(encoding="utf-8")
    assert text.count("lora: {<<: *lora}") == 1
    assert notices(read_yaml(PARAMS)) == []
    PARAMS.write_text(text.replace("lora: {<<: *lora}", "lora: *lora"), encoding="utf-8")
    (notice,) = notices(read_yaml(PARAMS))
    assert notice.where == "params.yaml: adapters.m2c.lora"
    assert "is adapters.m2b.lora itself" in notice.what
    assert "{<<: *name}" in notice.then


def test_only_mappings_that_hold_something_and_each_place_once():
    same = {"r": 16, "rank_pattern": {"q": 2}}
    params = {"a": [same, {"lora": same}], "b": same, "none": {}, "others": {}, "c": dict(same)}
    assert [fault.where for fault in shared(params)] == ["a.1.lora", "b", "c.rank_pattern"]
