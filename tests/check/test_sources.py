"""Whom rows come from: a teacher and a source are told apart by their names."""

from pathlib import Path

from stages.check import faults
from stages.core.params import PATH


def test_a_teacher_named_like_a_source_is_a_fault(project):
    text = Path("params.yaml").read_text(encoding="utf-8")
    assert text.count("{name: offline, ") == 1
    PATH.write_text(text.replace("{name: offline, ", "{name: skills, "), encoding="utf-8")
    [fault] = faults(PATH, Path("recipes/reviews"))
    assert fault.where == "params.yaml: teachers[0].name"
    assert "the name 'skills' is that of a source" in fault.what


def test_a_set_can_be_stratified_by_source(project):
    text = Path("params.yaml").read_text(encoding="utf-8")
    before = "  probes: {from: probes, "
    assert text.count(before) == 1
    PATH.write_text(text.replace(before, before + "stratify: source, "), encoding="utf-8")
    assert faults(PATH, Path("recipes/reviews")) == []
