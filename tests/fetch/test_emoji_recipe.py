"""The recipe `emoji`: what its sources and sets come to, without a model."""

from collections import Counter
from pathlib import Path

import pytest

from stages.core.choices import chosen
from stages.core.params import read_yaml
from stages.fetch.__main__ import rows_of
from stages.split.__main__ import split

RECIPE = Path(__file__).parents[2] / "recipes/emoji"


@pytest.fixture(scope="module")
def params():
    return read_yaml(RECIPE / "params.yaml")


@pytest.fixture(scope="module")
def rows(params):
    files, seed = RECIPE / "sources", params["seed"]["data"]
    return {
        name: rows_of(name, params["sources"][name], {}, files, seed)[0]
        for name in ("chats", "emoji", "glyphs", "described", "probes")
    }


def test_every_emoji_is_asked_both_ways(rows):
    made = {(row["skill"], row["messages"][0]["content"]): row for row in rows["emoji"]}
    assert Counter(row["skill"] for row in rows["emoji"]) == {
        "naming_toned": 2920,
        "naming_plain": 2324,
        "finding_toned": 2040,
        "finding_plain": 1923,
    }
    assert len(made) == len(rows["emoji"])
    answers = {row["messages"][1]["content"] for row in rows["emoji"]}
    assert {"waving hand dark skin tone", "👋🏿", "🇺🇸", "panda"} <= answers


def test_the_mistakes_of_the_seed_are_among_the_cases_to_judge(params, rows):
    asked = {row["messages"][-2]["content"]: row for row in rows["probes"]}
    assert len(asked) == len(rows["probes"]) == 13
    four = {
        "🇺🇸": "United States", "🎂": "birthday cake", "🐼": "panda",
        "🤌🏽": "pinched fingers medium skin tone",
    }  # fmt: skip
    for emoji, name in four.items():
        row = asked[f"What does this emoji show?\n{emoji}"]
        assert row["messages"][-1]["content"] == name
    assert params["evaluate"]["sections"]["probes"]["metrics"][0] == "judged"


def test_emoji_stands_on_finetome_for_one_epoch_in_both_sizes(params):
    for file in ("params.yaml", "params.full.yaml"):
        adapters = read_yaml(RECIPE / file)["adapters"]
        assert [(each["name"], each["on"]) for each in adapters.values()] == [
            ("finetome", "base"),
            ("emoji", "finetome"),
        ]
        assert adapters["finetome"]["mix"] == {"chats": 1.0}
        assert adapters["emoji"]["mix"] == {"own": 1.0}
        assert adapters["emoji"]["sft"]["num_train_epochs"] == 1
    full = read_yaml(RECIPE / "params.full.yaml")
    assert full["sources"]["emoji"]["rows"] == 5000
    assert chosen(full["base"] | {"id": "3b"})["id"] == "meta-llama/Llama-3.2-3B-Instruct"


def test_the_conversations_are_those_of_the_recipe_finetome(rows):
    """A recipe's folder is all that DVC knows of it, so the file is there twice."""
    file = "sources/conversations.jsonl"
    assert (RECIPE / file).read_bytes() == (RECIPE.parent / "finetome" / file).read_bytes()
    assert {row["skill"] for row in rows["chats"]} == {"single", "follow_up"}
    assert sum(len(row["messages"]) > 3 for row in rows["chats"]) >= 200


def test_an_emoji_is_on_one_side_and_a_fifth_is_test(params, rows):
    sets = {"own": params["sets"]["own"] | {"cap": {}}}
    parts, counts = split({"own": rows["emoji"]}, sets, params["split"], params["seed"]["data"])
    assert counts["own"]["test"] / len(rows["emoji"]) == pytest.approx(0.2, abs=0.01)
    names = {side: {row["group"] for row in part} for side, part in parts["own"].items()}
    assert not names["train"] & (names["test"] | names["val"])
    assert sum(counts["own"]["leaking"].values()) == 0


def test_the_base_is_told_the_name_of_no_emoji_that_is_held_out(params, rows):
    copied = [[turn["content"] for turn in row["messages"]] for row in rows["glyphs"]]
    assert len(copied) >= 2500
    assert all(asked == f"Repeat:\n{answer}" for asked, answer in copied)
    sets = {name: params["sets"][name] | {"cap": {}} for name in ("own", "original")}
    read = {"own": rows["emoji"], "original": rows["glyphs"] + rows["described"]}
    parts, counts = split(read, sets, params["split"], params["seed"]["data"])
    held = {row["group"] for side in ("val", "test") for row in parts["own"][side]}
    told = [row for row in parts["original"]["train"] if row["skill"] in ("describe", "draw")]
    assert len(told) >= 3500
    assert not held & {row["group"] for row in told}
    assert counts["original"]["leaking"]["group"] >= 500
