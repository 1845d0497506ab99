"""A recipe's shipped replies are checked with the rest of it: file and line of every fault."""

from pathlib import Path

from stages.check import faults
from stages.core.params import PATH

RECIPE = Path("recipes/reviews")


def test_the_lines_at_fault_are_among_the_recipe_s_faults(project):
    (RECIPE / "replies.jsonl").write_text('{"entry": {}}\n\nnot JSON\n')
    assert [fault.where for fault in faults(PATH, RECIPE)] == [
        "recipes/reviews/replies.jsonl:1",
        "recipes/reviews/replies.jsonl:3",
    ]


def test_a_recipe_without_the_file_is_told_how_to_make_one(project):
    (RECIPE / "replies.jsonl").unlink()
    [fault] = faults(PATH, RECIPE)
    assert fault.then == "echo > recipes/reviews/replies.jsonl"
