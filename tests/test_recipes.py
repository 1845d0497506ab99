"""Every recipe loads, in both versions, and passes the checks."""

from pathlib import Path

import pytest

from stages.check import faults
from stages.core.params import read_yaml

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / "recipes").glob("*/params*.yaml"))
RECIPES = sorted(path.name for path in (ROOT / "recipes").iterdir() if path.is_dir())


def test_the_recipes_are_the_ones_that_the_readme_speaks_of():
    assert RECIPES == ["emoji", "reviews"]
    assert [f"{path.parent.name}/{path.name}" for path in FILES] == [
        "emoji/params.full.yaml",
        "emoji/params.yaml",
        "reviews/params.full.yaml",
        "reviews/params.yaml",
    ]


@pytest.mark.parametrize("file", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_recipe_has_no_fault_and_its_own_name(file: Path):
    assert read_yaml(file)["recipe"] == file.parent.name
    assert [str(fault) for fault in faults(file, file.parent)] == []


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_says_what_it_is(recipe: str):
    assert len((ROOT / "recipes" / recipe / "README.md").read_text(encoding="utf-8")) > 200


def test_what_is_built_is_the_default_recipe():
    present = (ROOT / "params.yaml").read_bytes()
    assert present == (ROOT / "recipes/reviews/params.yaml").read_bytes()
