"""Verdicts at rest: one reader that tells every fault, and what holds for the present answers."""

import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from stages.core.errors import InputError
from stages.core.verdicts import (
    inspected,
    judged,
    keep,
    key_of,
    merged,
    read_all,
    read_pairs,
    read_verdicts,
    write_verdicts,
)

LINE = {"row": "r1", "set": "probes", "prompt": "What is it?", "model": "2b", "answer": "A cake.",
        "verdict": "right", "note": "it is"}  # fmt: skip

PAIR = {"kind": "pair", "prompt": "What is it?", "model": "2c", "answer": "A cake.", "digest": "c1",
        "other": "2b", "other_answer": "Cake", "other_digest": "b1", "verdict": "better",
        "note": "it is a sentence"}  # fmt: skip
HISTORY = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]


def line(**changes):
    return {key: value for key, value in (LINE | changes).items() if value is not None}


def pair(**changes):
    return {key: value for key, value in (PAIR | changes).items() if value is not None}


def mirrored(said, verdict):
    swap = {"model": "other", "answer": "other_answer", "digest": "other_digest"}
    swap |= {after: before for before, after in swap.items()}
    return {swap.get(key, key): value for key, value in said.items()} | {"verdict": verdict}


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
    "another kind": (line(kind="trio"), r":2: kind: 'trio' is none\n  .*: one of: answer, pair"),
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
    "a pair without its other side": (pair(other_digest=None), r":2: other_digest: is missing"),
    "a pair's other verdict": (
        pair(verdict="right"),
        r":2: verdict: 'right' is none\n  expected: one of: better, same, worse",
    ),
    "a pair of one": (pair(other="2c"), r":2: other: '2c' is compared with itself"),
    "a pair of no one": (pair(digest=" "), r":2: digest: is empty\n  expected: which two models"),
    "no history": (
        pair(history=[{"role": "user", "content": "Hi", "at": 1}]),
        r":2: history: \[\{'role': .* is no list of turns\n  .*: a list of \{role, content\}",
    ),
    "no sampling": (pair(sampling="greedy"), r":2: sampling: 'greedy' is no object"),
    "a key of the other kind": (pair(reference="x"), r":2: unknown keys: reference"),
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
    assert len(FAULTS) == 17
    path = file(line(), *(broken for broken, _ in FAULTS.values()), line(row="r9"))
    verdicts, faults = inspected(path)
    assert len(faults) == 17
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


def test_both_kinds_stand_in_one_file_and_each_reader_has_its_own(file):
    path = file(line(), pair(note=None, history=HISTORY, system="Be brief."), line(row="r2"))
    assert [each["row"] for each in read_verdicts(path)] == ["r1", "r2"]
    [found] = read_pairs(path)
    assert found == pair(note="", history=HISTORY, system="Be brief.")
    write_verdicts(path, everything := read_all(path))
    assert len(everything) == 3
    assert read_all(path) == everything


def test_a_pair_is_the_same_from_either_side_and_another_one_under_another_conversation(file):
    turned = mirrored(pair(), "worse")
    assert turned["model"] == "2b"
    assert key_of(turned) == key_of(pair())
    [fault] = inspected(file(pair(), turned))[1]
    assert re.search(
        r":2: judges the pair that line 1 judges: of 2b and 2c\n.*pair once", str(fault)
    )
    others = [{"prompt": "What?"}, {"answer": "Cake."}, {"digest": "c2"}, {"other_digest": "b2"}]
    others += [{"history": HISTORY}, {"system": "Be brief."}, {"other": "base"}]
    keys = {key_of(pair(**changes)) for changes in others} | {key_of(pair())}
    assert len(keys) == 8
    assert key_of(pair(note="", sampling={"seed": 1}, verdict="same")) == key_of(pair())
    after = merged([line(), pair(), line(row="r2")], [mirrored(pair(), "same")])
    assert [each["verdict"] for each in after] == ["right", "same", "right"]
    assert after[1]["model"] == "2b"


def test_a_verdict_is_kept_beside_the_others_or_in_the_place_of_the_one_on_the_same(file, tmp_path):
    path = file("", line())
    assert keep(path, pair(sampling={"temperature": 0.7})) is False
    assert keep(path, mirrored(pair(), "worse") | {"note": "again"}) is True
    kept = read_all(path)
    assert [each["note"] for each in kept] == ["it is", "again"]
    assert keep(path, line(verdict="wrong")) is True
    assert [each["verdict"] for each in read_all(path)] == ["wrong", "worse"]
    assert keep(tmp_path / "new.jsonl", pair(note=None)) is False
    assert read_pairs(tmp_path / "new.jsonl") == [pair(note="")]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["new.jsonl", "verdicts.jsonl"]


BAD = {
    "a fault of it": (pair(verdict="best", other=3), r"verdicts.jsonl, the new verdict: other: 3"),
    "half a character": (pair(answer="\ud83d"), r"the new verdict: cannot be written: 'utf-8'"),
    "no number": (pair(sampling={"top_p": float("nan")}), r"cannot be written: Out of range float"),
    "no JSON": (pair(sampling={"seed": {1}}), r"cannot be written: Object of type set"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_verdict_that_is_none_is_refused_and_the_file_stays(file, name):
    bad, pattern = BAD[name]
    before = (path := file(line())).read_bytes()
    with pytest.raises(InputError, match=pattern):
        keep(path, bad)
    assert path.read_bytes() == before


def test_nothing_is_added_to_a_file_with_a_fault(file):
    before = (path := file(line(), line(answer=3))).read_bytes()
    with pytest.raises(InputError, match=r"verdicts\.jsonl:2: answer: 3 is no text"):
        keep(path, pair())
    assert path.read_bytes() == before


def test_many_may_keep_at_a_time(file):
    path = file("")
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda at: keep(path, pair(prompt=f"{at % 20}?")), range(40)))
    assert (told.count(False), told.count(True)) == (20, 20)
    assert {each["prompt"] for each in read_pairs(path)} == {f"{at}?" for at in range(20)}


def test_a_folder_that_cannot_be_locked_is_told(file, monkeypatch):
    def refuse(*_):
        raise OSError(37, "No locks available")

    path = file("")
    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(InputError, match="cannot be locked: No locks available"):
        keep(path, pair())
    assert path.read_text() == "\n"
