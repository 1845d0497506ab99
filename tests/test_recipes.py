"""Every recipe is whole, passes the checks in both versions, and its README says what it is."""

import re
from pathlib import Path

import pytest

from stages.check import faults
from stages.core.jsonl import read_json
from stages.core.params import read_yaml

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / "recipes").glob("*/params*.yaml"))
RECIPES = ["dev_plans", "emoji", "finetome", "image_prompts", "profiles", "reviews"]
PATHS = (
    *("params.yaml", "params.full.yaml", "README.md", "schema.json", "noise.json"),
    *("prompts/generate.md", "prompts/instruction.md", "prompts/answer.md", "prompts/judge.md"),
    *("overrides.jsonl", "replies.jsonl", "verdicts.jsonl"),
)
# What a README has to name of what its seed did: a parameter, a command or a word of each point.
POINTS = {
    "dev_plans": (
        *("ids", "system", "ablation", "trebuie", "numai", "nfc", "comma_below", "language"),
        *("--format dataset", "--push", "mobil"),
    ),
    "emoji": ("finetome", "verdicts.jsonl", "3b", "use_rslora", "learning_rate", "mistakes"),
    "finetome": (
        *("mlabonne/FineTome-100k", "conversations", "turns", "base.id=3b", "learning_rate"),
        *("lora_alpha", "use_rslora", "warmup", "packing", "metrics/costs"),
    ),
    "image_prompts": (
        *("replies.jsonl", ".csv", "cluster_alarm", "stratify", "4bit", "metrics/curves"),
        *("overfit_alarm", "similarity_to_base", "own_train", "layers", "refusal", "source"),
    ),
    "profiles": (
        *("original", "augmented", "nulls", "drop", "unknown", "omit", "transcripts", "val"),
        *("template", "profile", "attributes", "mps", "bitsandbytes"),
    ),
    "reviews": (
        *("combined", "code_prompts", "any", "probes", "earlier", "tunegraph rows"),
        *("evaluate.table", "overrides.jsonl", "CodeBLEU", "BERTScore"),
    ),
}
BUILD = re.compile(r"<!-- build -->\n\n```\nCPU-seconds: (\d+) for the base, (\d+) for all else\n")
MOST_CPU_S = 600


def page(recipe: str) -> str:
    """Return a recipe's README."""
    return (ROOT / "recipes" / recipe / "README.md").read_text(encoding="utf-8")


def test_the_recipes_are_the_ones_that_the_readme_speaks_of():
    assert sorted(path.name for path in (ROOT / "recipes").iterdir() if path.is_dir()) == RECIPES
    assert sorted(POINTS) == RECIPES
    assert [f"{path.parent.name}/{path.name}" for path in FILES] == [
        f"{recipe}/params{full}.yaml" for recipe in RECIPES for full in (".full", "")
    ]
    said = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [recipe for recipe in RECIPES if f"recipes/{recipe}" not in said] == []


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_has_every_path(recipe: str):
    folder = ROOT / "recipes" / recipe
    assert [path for path in PATHS if not (folder / path).is_file()] == []
    assert list((folder / "sources").iterdir())
    assert isinstance(read_json(folder / "noise.json"), dict)
    assert not list(folder.rglob("*.py")), "a recipe is data"


@pytest.mark.parametrize("file", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_recipe_has_no_fault_and_its_own_name(file: Path):
    assert read_yaml(file)["recipe"] == file.parent.name
    assert [str(fault) for fault in faults(file, file.parent)] == []


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_readme_names_every_point_of_its_seed(recipe: str):
    said = page(recipe).casefold()
    assert len(said) > 2000
    assert [point for point in POINTS[recipe] if point.casefold() not in said] == []


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_readme_holds_what_a_whole_build_printed(recipe: str):
    """`make recipes WRITE=1` puts it there; a build keeps to its CPU-minutes without the base."""
    said = page(recipe)
    assert said.count("<!-- build -->") == said.count("<!-- /build -->") == 1
    found = BUILD.search(said)
    assert found, f"make recipes NAME={recipe} WRITE=1"
    assert 0 < int(found[1]) < MOST_CPU_S
    assert 0 < int(found[2]) <= MOST_CPU_S
    block = said[found.start() : said.index("<!-- /build -->")]
    params = read_yaml(ROOT / "recipes" / recipe / "params.yaml")
    lacking = [one["name"] for one in params["models"].values() if one["name"] not in block]
    assert lacking == [], f"it is of other models: make recipes NAME={recipe} WRITE=1"


def test_what_is_built_is_the_default_recipe():
    present = (ROOT / "params.yaml").read_bytes()
    assert present == (ROOT / "recipes/reviews/params.yaml").read_bytes()
