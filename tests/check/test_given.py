"""Seeds that a recipe ships: the offline teacher must know an answer to each, and one that fits."""

import json
from pathlib import Path

import pytest

from stages.check import faults

PARAMS, RECIPE = Path("params.yaml"), Path("recipes/reviews")
TRUTH = {"agree": "I agree, it was dull.", "disagree": "Not for me, it was not dull."}


@pytest.fixture
def shipped(project: Path):
    """Let the recipe ask for rows of a file of its own; return what is told of such rows."""
    text = PARAMS.read_text(encoding="utf-8")
    before = "seeds: {kind: bank, file: bank.yaml, rows: 440}"
    assert text.count(before) == 1
    PARAMS.write_text(text.replace(before, "seeds: {kind: file, file: own.jsonl}"))

    def told(*rows):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (RECIPE / "sources/own.jsonl").write_text(lines, encoding="utf-8")
        return [(fault.where.rpartition("/")[2], fault.what) for fault in faults(PARAMS, RECIPE)]

    return told


def test_seeds_with_a_truth_that_fits_have_no_fault(shipped):
    assert shipped({"fields": {"review": "Dull."}, "truth": TRUTH}) == []


def test_every_seed_without_a_fitting_truth_is_told_with_its_line(shipped):
    assert shipped(
        {"fields": {"review": "One."}, "truth": TRUTH},
        {"fields": {"review": "Two."}},
        {"fields": {"review": "Three."}, "truth": {"agree": TRUTH["agree"]}},
        {"fields": {"review": "Four."}, "turth": TRUTH},
    ) == [
        (
            "own.jsonl:4",
            "not a seed: at $: Additional properties are not allowed ('turth' was unexpected)",
        ),
        ("own.jsonl:2", "no `truth`, which the offline teacher says"),
        (
            "own.jsonl:3",
            "the truth does not fit the schema: $: 'disagree' is a required property",
        ),
        ("own.jsonl:4", "no `truth`, which the offline teacher says"),
    ]


def test_ten_are_told_and_the_others_counted(shipped):
    found = shipped(*({"fields": {"review": f"{n}"}} for n in range(15)))
    assert len(found) == 11
    assert found[-1] == ("own.jsonl", "5 more rows like that")


def test_a_teacher_who_answers_by_itself_needs_no_truth(shipped):
    text = PARAMS.read_text(encoding="utf-8")
    before = "base_url: offline, api_key_env: null"
    assert text.count(before) == 1
    PARAMS.write_text(text.replace(before, "base_url: null, api_key_env: SOME_KEY"))
    assert shipped({"fields": {"review": "One."}}) == []
