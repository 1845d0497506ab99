"""What check knows of `layers` before a model is looked at."""

import json
from pathlib import Path
from typing import Any

import pytest

from stages.check import faults_of
from stages.core.params import read_yaml

ROOT = Path(__file__).resolve().parents[2]


def told(recipe: str = "reviews", **edits: Any) -> list[str]:
    """Return the faults of a recipe whose `layers` is edited."""
    params = json.loads(json.dumps(read_yaml(ROOT / f"recipes/{recipe}/params.yaml")))
    for dotted, value in edits.items():
        name, key = dotted.split("__")
        params["layers" if name == "layers" else "sets"].update(
            {key: value} if name == "layers" else {name: params["sets"][name] | {key: value}}
        )
    return [str(fault) for fault in faults_of(params)[0]]


@pytest.mark.parametrize("name", ["probes", "own", "own_train"])
def test_a_set_with_test_rows_is_no_fault(name: str):
    assert told(layers__set=name) == []


def test_an_unknown_set_is_named_with_the_nearest():
    (fault,) = told(layers__set="probs")
    assert "params.yaml: layers.set: there is no set 'probs'; did you mean 'probes'?" in fault


def test_a_set_that_is_all_training_has_nothing_to_look_at():
    found = told(layers__set="own", own__test=0.0)
    assert any("layers.set: the set 'own' has no test rows" in fault for fault in found)


def test_too_few_prompts():
    (fault,) = told(layers__rows=1)
    assert "layers.rows: one prompt is too few: how alike a model sees prompts takes two" in fault
    assert "0 switches it off" in fault
    assert told(layers__rows=2) == []


def test_switched_off_it_may_name_what_is_not_there():
    assert told(layers__rows=0, layers__set="nothing") == []


def test_the_schema_knows_its_keys():
    (fault,) = told(layers__which="middle")
    assert "layers.which" in fault
    assert "ends" in fault
    (fault,) = told(layers__head=1)
    assert "layers.head: unknown key" in fault
