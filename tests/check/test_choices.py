"""What check knows of a base that is chosen among several."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from stages.check import faults_of
from stages.core.params import read_yaml

ROOT = Path(__file__).resolve().parents[2]
ONE, OTHER = "9213176726f574b556790deb65791e0c5aa438b6", "0cb88a4f764b7a12671c53f0838cd831a0843b95"
CHOICES = {"1b": {"id": "some/1B", "revision": ONE}, "3b": {"id": "some/3B", "revision": OTHER}}
HUB = {"source": "hub", "id": "1b", "choices": CHOICES}


@pytest.fixture(scope="module")
def default() -> dict[str, Any]:
    params = read_yaml(ROOT / "params.yaml")
    del params["base"]["scratch"]
    return params


def told(default: dict[str, Any], base: dict[str, Any]) -> list[str]:
    params = json.loads(json.dumps(default))
    params["base"] |= base
    return [str(fault) for fault in faults_of(params)[0]]


@pytest.mark.parametrize(
    "base",
    [
        HUB,
        HUB | {"id": "3b"},
        HUB | {"revision": None},
        HUB | {"id": "other/7B", "revision": "abc1234"},
    ],
)
def test_a_choice_or_another_id_of_the_hub_is_sound(default, base):
    assert told(default, base) == []


EDITS: dict[str, tuple[dict[str, Any], str]] = {
    "a typo": (
        {"id": "3bb"},
        r"base\.id: there is no choice '3bb'; did you mean '3b'\?\n  expected: one of: 1b, 3b\n"
        r"  to do: or an id of the hub",
    ),
    "a second revision": (
        {"revision": "abc1234"},
        r"base\.revision: 'abc1234', but '1b' is a choice, which has a revision of its own\n"
        r"  expected: none beside a choice\n  to do: leave it out",
    ),
    "another id without a revision": (
        {"id": "other/7B"},
        r"base\.revision: is missing: 'other/7B' is none of base\.choices \(1b, 3b\)",
    ),
    "a revision that moves": (
        {"id": "other/7B", "revision": "main"},
        r"base\.revision: 'main' cannot be used here\n  expected: .*of an id that is no choice",
    ),
    "a local folder": (
        {"source": "local", "id": "mine"},
        r"base\.choices: are of the hub, but base\.source is local\n  expected: source: hub\n"
        r"  to do: write source: hub; a folder is named by id itself, without choices",
    ),
    "no id": ({"id": None}, r"base\.id: null names no base\n  expected: one of: 1b, 3b"),
    "a choice whose revision moves": (
        {"choices": {"1b": {"id": "some/1B", "revision": "main"}}},
        r"base\.choices\.1b\.revision: 'main' cannot be used here\n  expected: .*a commit's hash",
    ),
    "a choice without a revision": (
        {"choices": {"1b": {"id": "some/1B"}}},
        r"base\.choices\.1b\.revision: is missing",
    ),
    "no choice": ({"choices": {}}, r"base\.choices: is empty"),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_fault_of_a_choice_is_told(default, name):
    edit, pattern = EDITS[name]
    [found] = told(default, HUB | edit)
    assert re.search(pattern, found), found


def test_there_is_a_test_for_each_fault_of_choices():
    assert len(EDITS) == 9


def test_without_choices_a_hub_base_needs_its_revision(default):
    [found] = told(default, {"source": "hub", "id": "some/1B"})
    assert re.search(r"base\.revision: is missing", found)
