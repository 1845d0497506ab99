"""What check says of answers judged by hand: every fault with its line, before anything runs."""

import json
import re
from pathlib import Path

from stages.check import faults
from stages.check.verdicts import check_verdicts

LINE = {"row": "r1", "prompt": "What?", "model": "2b", "answer": "A cake.", "verdict": "right"}


def test_a_broken_line_of_the_recipe_is_a_fault(project: Path):
    path = Path("recipes/reviews/verdicts.jsonl")
    before = [str(fault) for fault in faults(Path("params.yaml"), path.parent)]
    lines = [LINE, LINE | {"row": "r2", "verdict": "fine"}, LINE | {"row": "r3", "notes": ""}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = [str(fault) for fault in faults(Path("params.yaml"), path.parent)]
    new = [fault for fault in found if fault not in before]
    patterns = (
        r"verdicts\.jsonl:2: verdict: 'fine' is none\n  expected: one of: right, partly, wrong",
        r"verdicts\.jsonl:3: unknown keys: notes",
    )
    assert len(new) == len(patterns)
    for fault, pattern in zip(new, patterns, strict=True):
        assert re.search(pattern, fault), fault


def test_a_recipe_without_the_file_is_told(tmp_path: Path):
    [fault] = check_verdicts(tmp_path / "verdicts.jsonl")
    assert fault.what == "there is no such file"
    (tmp_path / "verdicts.jsonl").write_text("\n")  # what `echo >`, as it says, makes of it
    assert check_verdicts(tmp_path / "verdicts.jsonl") == []


def test_a_new_recipe_begins_without_the_verdicts_of_the_other_one(project: Path):
    from tools import recipe

    Path("recipes/reviews/verdicts.jsonl").write_text(json.dumps(LINE) + "\n")
    recipe.new("mine")
    assert Path("recipes/mine/verdicts.jsonl").read_text() == "\n"
