"""Verdicts at rest: one reader that tells every fault, and what holds for the present answers."""

import json
import re

import pytest

from stages.core.errors import InputError
from stages.core.verdicts import inspected, judged, merged, read_verdicts, write_verdicts

LINE = {"row": "r1", "set": "probes", "prompt": "What is it?", "model": "2b", "answer": "A cake.",
        "verdict": "right", "note": "it is"}  # fmt: skip


def line(**changes):
    return {key: value for key, value in (LINE | changes).items() if value is not None}


@pytest.fixture
def file(tmp_path):
    def write(*lines):
        path = tmp_path / "verdicts.jsonl"
        spelled = (each if isinstance(each, str) else json.dumps(each) for each in lines)
        path.write_text("".join(f"{each}\n" for each in spelled), encoding="utf-8")
        return path

    return write


def test_a_blank_file_holds_none_and_is_written_so(file):
    path = file("")
    assert read_verdicts(path) == []
    write_verdicts(path, [])
    assert path.read_bytes() == b"\n"


def test_what_is_written_is_read(file):
    path = file(line(), line(row="r2", set=None, note=None, kind="answer"))
    verdicts = read_verdicts(path)
    assert [each["note"] for each in verdicts] == ["it is", ""]
    assert "set" not in verdicts[1]
    write_verdicts(path, verdicts)
    assert read_verdicts(path) == verdicts


FAULTS = {
    "no JSON": ("{", r":2: not JSON"),
    "no object": ('["r1"]', r":2: holds \['r1'\]"),
    "another kind": (line(kind="pair"), r":2: kind: 'pair' is none\n  expected: one of: answer"),
    "a typo": (line(notes="x"), r":2: unknown keys: notes\n  expected: some of: row, prompt"),
    "a key missing": (line(answer=None), r":2: answer: is missing"),
    "no text": (line(answer=3), r":2: answer: 3 is no text"),
    "no row": (line(row=" "), r":2: row: is empty"),
    "no model": (line(model=""), r":2: model: is empty"),
    "another verdict": (
        line(verdict="good"),
        r":2: verdict: 'good' is none\n  expected: one of: right, partly, wrong",
    ),
    "judged twice": (
        line(verdict="wrong"),
        r":2: judges the answer that line 1 judges: 2b on row r1\n  expected: each answer once",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_with_its_line(file, name):
    broken, pattern = FAULTS[name]
    verdicts, [fault] = inspected(path := file(line(), broken))
    assert len(verdicts) == 1
    assert re.search(pattern, str(fault)), fault
    with pytest.raises(InputError, match=pattern):
        read_verdicts(path)


def test_all_faults_are_told_at_once(file):
    assert len(FAULTS) == 10
    path = file(line(), *(broken for broken, _ in FAULTS.values()), line(row="r9"))
    verdicts, faults = inspected(path)
    assert len(faults) == 10
    assert [each["row"] for each in verdicts] == ["r1", "r9"]


def test_a_verdict_holds_for_exactly_the_answer_that_was_judged():
    verdicts = [line(), line(row="r2"), line(row="r3", model="2c"), line(row="gone")]
    verdicts += [line(answer="A cake", verdict="wrong"), line(row="r4")]
    answers = [
        {"row": "r1", "text": "A cake."},
        {"row": "r2", "text": "A cake. "},
        {"row": "r3", "text": "A cake."},
    ]
    found = judged(verdicts, "2b", answers)
    assert {row: each["verdict"] for row, each in found.held.items()} == {"r1": "right"}
    assert [each["row"] for each in found.stale] == ["r2", "gone", "r4"]
    back = judged(verdicts, "2b", [{"row": "r1", "text": "A cake"}])
    assert back.held["r1"]["verdict"] == "wrong"


def test_a_new_verdict_takes_the_place_of_the_one_on_the_same_text():
    before = [line(), line(row="r2")]
    new = [line(row="r3"), line(verdict="partly"), line(row="r2", answer="Another.")]
    after = merged(before, new)
    said = [(each["row"], each["answer"], each["verdict"]) for each in after]
    assert said == [
        ("r1", "A cake.", "partly"), ("r2", "A cake.", "right"), ("r3", "A cake.", "right"),
        ("r2", "Another.", "right"),
    ]  # fmt: skip
