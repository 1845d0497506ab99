"""A policy for nulls is held against the recipe's own table before anything is built."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from stages.check import faults

PARAMS, RECIPE = Path("params.yaml"), Path("recipes/reviews")
CARDS = [{"name": "Ana", "home": {"city": "Faro"}}, {"name": None, "age": 3}]
CARD = {"skill": "card", "instruction": "Who?", "answer": "{{ record | tojson }}"}


def told(nulls: dict[str, Any], **more: Any) -> list[str]:
    """Return the faults of the default recipe with a source of cards."""
    params = YAML(typ="safe", pure=True).load(PARAMS)
    source = {"kind": "file", "file": "cards.json", "examples": [CARD], "nulls": nulls} | more
    params["sources"]["cards"] = {key: of for key, of in source.items() if of is not None}
    PARAMS.write_text(json.dumps(params), encoding="utf-8")  # JSON is YAML
    (RECIPE / "sources/cards.json").write_text(json.dumps(CARDS), encoding="utf-8")
    return [str(fault) for fault in faults(PARAMS, RECIPE)]


@pytest.mark.parametrize(
    "policy", [{"name": "drop"}, {"default": "omit"}, {"home.city": "unknown", "age": "omit"}]
)
def test_a_sound_policy_is_no_fault(project: Path, policy: dict[str, str]):
    assert told({"policy": policy}) == []


@pytest.mark.parametrize(
    ("nulls", "more", "expected"),
    [
        (
            {"policy": {"nam": "drop"}},
            {},
            "sources.cards.nulls.policy.nam: no row has a column `nam`\n.*\n  to do: write name",
        ),
        (
            {"policy": {"home.cty": "drop"}},
            {},
            r"nulls.policy.home.cty: no row has .*\n.*home.city.*\n  to do: write home.city",
        ),
        ({"policy": {"age": "drop", "name": "drop"}}, {}, "drops all 2 rows: age, name"),
        ({"policy": {"name.first": "omit"}}, {}, "no row has a column `name.first`"),
        ({"policy": {"name": "skip"}}, {}, "nulls.policy.name"),
        ({"policy": {}}, {}, "nulls.policy"),
        ({"policy": {"name": "drop"}}, {"examples": [CARD | {"answer": "{{ nam }}"}]}, "'nam'"),
    ],
)
def test_a_fault_is_told_and_no_other(
    project: Path, nulls: dict[str, Any], more: dict[str, Any], expected: str
):
    found = told(nulls, **more)
    assert len(found) == 1, "\n".join(found)
    assert re.search(expected, found[0]), found[0]


def test_rows_that_are_examples_already_have_no_columns(project: Path):
    found = told({"policy": {"name": "drop"}}, examples=None)
    assert any("sources.cards.nulls: the file holds seeds or examples" in each for each in found)


def test_a_column_of_a_later_row_is_one(project: Path):
    assert told({"policy": {"age": "omit"}}, examples=[CARD | {"answer": "{{ age }}"}]) == []
