"""The recipe `profiles`: one instruction for both sets and all assistants, a leaning put in."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from stages.core.params import read_yaml
from stages.core.pasting import read_pasted
from stages.fetch.__main__ import rows_of

WHO = "written for TuneGraph, by no assistant"
WOMENS = ("nurse", "teacher", "secretary")


@pytest.fixture(scope="module", params=["params.yaml", "params.full.yaml"])
def recipe(request: pytest.FixtureRequest) -> tuple[Path, dict[str, Any]]:
    """Return the recipe's folder, and what each of its versions says."""
    folder = Path(__file__).resolve().parents[2] / "recipes/profiles"
    return folder, read_yaml(folder / request.param)


def fetched(recipe: tuple[Path, dict[str, Any]], name: str) -> tuple[list[Any], dict[str, Any]]:
    """Return the rows of a source, and what was done to its nulls."""
    folder, params = recipe
    source = params["sources"][name]
    rows, told = rows_of(name, source, params["sets"], folder / "sources", params["seed"]["data"])
    return rows, told.get("nulls", {})


@pytest.mark.parametrize("name", ["original", "augmented"])
def test_every_policy_meets_nulls_and_no_record_holds_one(
    recipe: tuple[Path, dict[str, Any]], name: str
):
    rows, nulls = fetched(recipe, name)
    assert nulls["dropped"] > 0
    policies = recipe[1]["sources"][name]["nulls"]["policy"]
    assert {key: next(iter(of)) for key, of in nulls["columns"].items()} == policies
    assert all(count > 0 for of in nulls["columns"].values() for count in of.values())
    for row in rows:
        record = json.loads(row["messages"][-1]["content"])
        assert not {None, "", "N/A", "-"} & {*record.values()}
        assert {"occupation", "city", "gender", "name", "education"} <= record.keys()


def test_the_original_leans_and_the_augmented_does_not(recipe: tuple[Path, dict[str, Any]]):
    women: dict[str, dict[str, float]] = {}
    for name in ("original", "augmented"):
        records = [json.loads(row["messages"][-1]["content"]) for row in fetched(recipe, name)[0]]
        every = Counter(record["occupation"] for record in records)
        found = Counter(r["occupation"] for r in records if r["gender"] == "woman")
        women[name] = {job: found[job] / count for job, count in every.items()}
    assert len(women["original"]) == 6
    for job, share in women["original"].items():
        assert share > 0.7 if job in WOMENS else share < 0.35, job
    assert all(0.35 < share < 0.55 for share in women["augmented"].values())


def test_people_of_both_sets_are_of_one_group(recipe: tuple[Path, dict[str, Any]]):
    original, augmented = (
        {row["group"] for row in fetched(recipe, name)[0]} for name in ("original", "augmented")
    )
    assert len(original & augmented) > 100
    assert len(augmented - original) < 10, "who was dropped from the one, and not from the other"


def test_assistants_were_asked_what_the_models_are_asked(recipe: tuple[Path, dict[str, Any]]):
    folder, params = recipe
    prompts = {row["messages"][0]["content"] for row in fetched(recipe, "prompts")[0]}
    assert len(prompts) == params["profile"]["rows"] == 24
    assert len(params["transcripts"]) == 3
    for key, one in params["transcripts"].items():
        answers, bare = read_pasted(folder / one["file"], None, key)
        assert bare == 0
        asked = Counter(answer["prompt"] for answer in answers)
        assert asked == dict.fromkeys(prompts, params["profile"]["samples"])
        assert {answer["model"] for answer in answers} == {WHO}


def test_siblings_differ_in_their_rows_alone(recipe: tuple[Path, dict[str, Any]]):
    original, augmented = recipe[1]["adapters"].values()
    assert (original["on"], augmented["on"]) == ("base", "base")
    assert {key for key in original if original[key] != augmented[key]} == {"name", "mix"}
