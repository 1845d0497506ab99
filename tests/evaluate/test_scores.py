"""The one table of keys, and the page that is written from it."""

from pathlib import Path

import pytest

from stages.core.keys import NEEDS, UNASKED
from stages.core.params import read_yaml
from stages.core.scores import KEYS, arrow, better, table

ROOT = Path(__file__).resolve().parents[2]
NO_SOURCE = "n", "empty", "any", "length", "judged", "preferred"


def test_the_page_is_what_the_command_writes():
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert page == table(), "run: python -m stages.core.scores > docs/metrics.md"


def test_every_key_says_all_of_itself():
    assert len(KEYS) == 40
    for name, key in KEYS.items():
        assert key.low < key.high, name
        assert key.unit, name
        assert key.definition.endswith("."), name
        assert key.source or name in NO_SOURCE, name
        assert key.needs is None or key.needs in NEEDS, name
        assert key.over == "row" or key.weight is None, name
        assert "|" not in key.definition + key.source, name


def test_every_recipe_asks_for_keys_that_there_are():
    recipes = sorted(ROOT.glob("recipes/*/params*.yaml"))
    assert recipes
    for path in recipes:
        sections = read_yaml(path)["evaluate"]["sections"]
        asked = {key for section in sections.values() for key in section["metrics"]}
        assert asked, path
        assert asked <= set(KEYS) - UNASKED, path


def test_better_is_positive_whatever_the_direction():
    assert better("exact", 0.9, 0.5) == pytest.approx(0.4)
    assert better("loss", 0.5, 0.9) == pytest.approx(0.4)
    assert (arrow("exact"), arrow("loss"), arrow("n")) == ("↑", "↓", "")
    with pytest.raises(ValueError, match="no better direction"):
        better("n", 1, 2)
