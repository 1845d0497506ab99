"""What is wrong with wordings and attributes is told before anything is asked."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from stages.check import faults

PARAMS = Path("params.yaml")
RECIPE = Path("recipes/reviews")
WORD = {"instruction": "{{ prompt }} Be brief."}


def told(**edits: Any) -> list[str]:
    """Return the faults of params.yaml after edits of sections: ablation={...}, profile={...}."""
    yaml = YAML(typ="safe", pure=True)
    params = yaml.load(PARAMS)
    for dotted, value in edits.items():
        *parents, last = dotted.split("__")
        target = params
        for parent in parents:
            target = target[parent]
        target[last] = value
    PARAMS.write_text(json.dumps(params), encoding="utf-8")  # JSON is YAML
    return [str(fault) for fault in faults(PARAMS, RECIPE)]


GENDER = {"field": "agree", "values": ["a", "b"]}
CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "no such set to ablate": (
        {"ablation__set": "owm"},
        [r"params.yaml: ablation.set: there is no set 'owm'; did you mean 'own'\?"],
    ),
    "no such set to be held against": (
        {"profile__datasets": ["own", "orignal"]},
        [r"profile.datasets: there is no set 'orignal'; did you mean 'original'\?"],
    ),
    "no such set to profile": (
        {"profile__set": "owm"},
        [r"params.yaml: profile.set: there is no set 'owm'; did you mean 'own'\?"],
    ),
    "an unknown variable": (
        {"ablation__variants": {"a": {"instruction": "{{ promt }}"}}},
        [r"variants.a.instruction: there is no variable 'promt'; did you mean 'prompt'\?"],
    ),
    "an unknown variable of a system prompt": (
        {"ablation__variants": {"a": {"system": "{{ review }}"}}},
        [r"variants.a.system: there is no variable 'review'\n  expected: one of: prompt, system"],
    ),
    "a template that is none": (
        {"ablation__variants": {"a": {"instruction": "line\n{{ prompt"}}},
        [r"params.yaml: ablation.variants.a.instruction:2: not a Jinja template"],
    ),
    "a blank instruction": (
        {"ablation__variants": {"a": {"instruction": "  \n"}}},
        [r"ablation.variants.a.instruction: is blank\n  expected: what the model is asked"],
    ),
    "a wording without effect": (
        {"ablation__variants": {"a": {"instruction": "{{ prompt }}", "system": "{{ system }}"}}},
        [r"params.yaml: ablation.variants.a: changes nothing.*\n.*\n  to do: take it out"],
    ),
    "a wording twice": (
        {"ablation__variants": {"a": WORD, "b": WORD}},
        [r"params.yaml: ablation.variants.b: is the same as a"],
    ),
    "rows but no wordings": (
        {"ablation__variants": {}},
        [r"params.yaml: ablation.variants: is empty\n.*\n  to do: write rows: 0"],
    ),
    "a wording that nothing scores": (
        {
            "ablation__set": "probes",
            "evaluate__sections": {"own": {"set": "own", "primary": "exact", "metrics": ["exact"]}},
            "evaluate__headline": ["own"],
            "evaluate__table": [],
            "price__section": "own",
        },
        [r"params.yaml: ablation.set: no section of evaluate.sections scores the set 'probes'"],
    ),
    "a profile without a primary metric": (
        {"profile__set": "probes"},
        [r"params.yaml: profile.set: no section of the set 'probes' has a primary metric"],
    ),
    "one sample": (
        {"profile__samples": 1},
        [r"params.yaml: profile.samples: one answer to a prompt says nothing"],
    ),
    "a field that the schema does not know": (
        {"profile__attributes": {"mood": {"field": "agre"}}},
        [r"profile.attributes.mood.field: there is no field 'agre'; did you mean 'agree'\?"],
    ),
    "by an attribute that there is not": (
        {"profile__attributes": {"g": {**GENDER, "by": "g"}}},
        [r"profile.attributes.g.by: there is no other attribute 'g'"],
    ),
    "bins that do not ascend": (
        {"profile__attributes": {"age": {"field": "agree", "bins": [30, 18, 50]}}},
        [r"attributes.age.bins: \[30, 18, 50\] do not ascend\n  expected: \[18, 30, 50\]"],
    ),
    "bins and values": (
        {"profile__attributes": {"age": {**GENDER, "bins": [18]}}},
        [r"profile.attributes.age: has bins and values"],
    ),
    "a value twice but for its case": (
        {"profile__attributes": {"g": {"field": "agree", "values": ["Male", "male", "x"]}}},
        [r"profile.attributes.g.values: named twice, case apart: male"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_fault_is_told_and_no_other(project: Path, name: str):
    edits, expected = CASES[name]
    found = told(**edits)
    assert len(found) == len(expected), "\n".join(found)
    for one, pattern in zip(found, expected, strict=True):
        assert re.search(pattern, one), one


@pytest.mark.parametrize("section", ["ablation", "profile"])
def test_a_set_without_test_rows_cannot_be_answered_again(project: Path, section: str):
    found = told(
        sets__train_only={"from": "skills", "val": 0.1, "test": 0.0, "near_duplicates": "keep",
                          "cap": {}},
        **{f"{section}__set": "train_only"},
    )  # fmt: skip
    assert any(f"{section}.set: the set 'train_only' has no test rows" in each for each in found)


def test_what_is_switched_off_needs_no_samples_and_no_wordings(project: Path):
    off = {"ablation__rows": 0, "ablation__variants": {}, "profile__rows": 0, "profile__samples": 1}
    assert told(**off) == []


def test_more_rows_than_there_are_are_no_fault(project: Path):
    assert told(ablation__rows=100_000, profile__rows=100_000) == []


def test_a_template_for_prompts_of_one_make_and_a_bare_wording_are_no_fault(project: Path):
    made = {"instruction": "{{ prompt.splitlines()[7] }}"}
    assert told(ablation__variants={"a": made, "bare": {"system": None}}) == []


def test_nested_fields_are_looked_up_as_far_as_the_schema_says(project: Path):
    schema = json.loads((RECIPE / "schema.json").read_text())
    schema["properties"]["who"] = {"type": "object", "properties": {"age": {"type": "integer"}}}
    (RECIPE / "schema.json").write_text(json.dumps(schema))
    assert told(profile__attributes={"age": {"field": "who.age", "bins": [18]}}) == []
    assert "there is no field 'aeg'" in told(profile__attributes={"a": {"field": "who.aeg"}})[0]
