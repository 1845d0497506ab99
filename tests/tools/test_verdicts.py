"""Cases to judge and the way back: by name and blind, as CSV and as JSON Lines."""

import csv
import re

import pytest

from stages.core.errors import ConfigError, InputError
from stages.core.jsonl import read_rows, write_json, write_rows
from stages.core.verdicts import read_verdicts
from tools import verdicts

TEXTS = {
    "base": ["a cat,\nor so ", "-- \"what\"", "hm"],
    "2b": ["a red panda", "cake", "hm"],
    "2c": ["panda", "cake", ""],
}  # fmt: skip


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    models = {f"m{at}": {"name": name} for at, name in enumerate(TEXTS)}
    write_json(
        tmp_path / "params.yaml",
        {"recipe": "mine", "models": models, "evaluate": {"probes": "probes"}},
    )
    rows = [
        {"id": f"r{at}", "set": "probes" if at < 2 else "own", "skill": "s", "group": "g",
         "messages": [{"role": "user", "content": f"Case {at}?"},
                      {"role": "assistant", "content": "panda"}]}
        for at in range(3)
    ]  # fmt: skip
    write_rows(tmp_path / "data/test.jsonl", rows)
    for name, texts in TEXTS.items():
        answers = [
            {"model": name, "set": row["set"], "skill": "s", "row": row["id"], "text": text,
             "prompt": row["messages"][0]["content"], "reference": "panda", "finish_reason": "stop"}
            for row, text in zip(rows, texts, strict=True)
        ]  # fmt: skip
        write_rows(tmp_path / f"data/answers/{name}.jsonl", answers)
    (tmp_path / "recipes/mine").mkdir(parents=True)
    (tmp_path / "recipes/mine/verdicts.jsonl").write_text("\n")
    return tmp_path


def filled_in(path, said):
    """Fill in a CSV as a spreadsheet saves it: with other line ends and trimmed cells."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        key = row.get("model") or row["label"], row["row"]
        row["verdict"], row["note"] = said.get(key, ("", ""))
        row["answer"] = row["answer"].strip().replace("\n", "\r\n")
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return rows


def test_cases_are_written_judged_and_taken(project, capsys):
    path = project / "cases.csv"
    verdicts.main(path, None, blind=False, back=False)
    assert (
        "cases.csv: 2 cases, 6 answers; fill in `verdict` (right, partly" in capsys.readouterr().out
    )
    said = {("base", "r0"): ("Wrong ", "a cat"), ("2c", "r0"): ("right", ""),
            ("2b", "r0"): ("partly", "not red")}  # fmt: skip
    assert [row["model"] for row in filled_in(path, said)] == ["base", "2b", "2c"] * 2
    verdicts.main(path, None, blind=False, back=True)
    assert "3 added, 0 changed, 0 as before" in capsys.readouterr().out
    kept = read_verdicts(project / "recipes/mine/verdicts.jsonl")
    assert [(each["model"], each["answer"], each["verdict"]) for each in kept] == [
        ("base", "a cat,\nor so ", "wrong"),
        ("2b", "a red panda", "partly"),
        ("2c", "panda", "right"),
    ]
    assert {each["set"] for each in kept} == {"probes"}


def test_earlier_verdicts_stay_and_a_changed_one_is_replaced(project, capsys):
    path, again = project / "cases.csv", project / "again.jsonl"
    verdicts.main(path, None, blind=False, back=False)
    filled_in(path, {("2b", "r0"): ("partly", "not red"), ("2b", "r1"): ("right", "")})
    verdicts.main(path, None, blind=False, back=True)
    verdicts.main(again, None, blind=False, back=False)
    lines = read_rows(again)
    assert [(each["verdict"], each["note"]) for each in lines if each["verdict"]] == [
        ("partly", "not red"),
        ("right", ""),
    ]
    lines[1]["verdict"] = "wrong"
    write_rows(again, lines)
    capsys.readouterr()
    verdicts.main(again, None, blind=False, back=True)
    assert "0 added, 1 changed, 1 as before" in capsys.readouterr().out
    kept = read_verdicts(project / "recipes/mine/verdicts.jsonl")
    assert [(each["row"], each["verdict"]) for each in kept] == [("r0", "wrong"), ("r1", "right")]


def test_verdicts_on_pairs_stay_when_a_file_is_taken(project):
    pair = {"kind": "pair", "prompt": "?", "model": "2c", "answer": "a", "digest": "1",
            "other": "2b", "other_answer": "b", "other_digest": "2", "verdict": "same",
            "note": ""}  # fmt: skip
    kept = project / "recipes/mine/verdicts.jsonl"
    write_rows(kept, [pair])
    path = project / "cases.csv"
    verdicts.main(path, None, blind=False, back=False)
    filled_in(path, {("2c", "r0"): ("right", "")})
    verdicts.main(path, None, blind=False, back=True)
    assert [each.get("model") for each in read_rows(kept)] == ["2c", "2c"]
    assert read_rows(kept)[0] == pair


def test_blind_cases_name_no_model_and_come_back_to_all_who_answered_so(project):
    path = project / "blind.csv"
    verdicts.main(path, None, blind=True, back=False)
    text = path.read_text(encoding="utf-8-sig")
    assert text.splitlines()[0] == "row,set,prompt,reference,label,answer,verdict,note"
    assert not re.search("base|2b|2c", text)
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == ["A", "B", "C", "A", "B"]  # `cake` is one line
    label = next(row["label"] for row in rows if row["answer"] == "cake")
    filled_in(path, {(label, "r1"): ("right", "a cake")})
    verdicts.main(path, None, blind=False, back=True)
    kept = read_verdicts(project / "recipes/mine/verdicts.jsonl")
    assert [(each["model"], each["answer"]) for each in kept] == [("2b", "cake"), ("2c", "cake")]


@pytest.mark.parametrize("blind", [False, True])
@pytest.mark.parametrize("text", ["one\rtwo", "=1+1", "- a\n- b", "'quoted"])
def test_an_answer_comes_back_whatever_it_holds_and_runs_nowhere(project, text, blind):
    answers = project / "data/answers/2c.jsonl"
    write_rows(answers, [each | {"text": text} for each in read_rows(answers)])
    path = project / "cases.csv"
    verdicts.main(path, None, blind=blind, back=False)
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file, strict=True))
    assert len(rows) == 6
    assert not [row for row in rows if row["answer"].startswith(("=", "-"))]
    for row in rows:
        said = row["row"] == "r0" and row["answer"].strip("'") == text.strip("'")
        row["verdict"] = "right" if said else ""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    verdicts.main(path, None, blind=False, back=True)
    [kept] = read_verdicts(project / "recipes/mine/verdicts.jsonl")
    assert (kept["model"], kept["row"], kept["answer"]) == ("2c", "r0", text)


def test_every_fault_of_a_file_is_told_and_nothing_is_taken(project):
    path = project / "cases.jsonl"
    verdicts.main(path, "own", blind=False, back=False)
    lines = read_rows(path)
    assert len(lines) == 3
    lines[0]["verdict"] = "good"
    lines[1]["note"] = "a note alone"
    lines[2] |= {"verdict": "right", "answer": "another text"}
    lines.append(lines[2] | {"model": "2d"})
    lines.append(lines[2] | {"row": "r7"})
    lines.append(lines[2] | {"verdict": 1})
    blind = {key: value for key, value in lines[2].items() if key != "model"}
    lines += [blind, blind | {"answer": "hm"}, blind | {"answer": "hm", "verdict": "wrong"}]
    write_rows(path, lines)
    with pytest.raises(InputError) as told:
        verdicts.main(path, None, blind=False, back=True)
    found = [str(fault) for fault in told.value.faults]
    patterns = [
        r":1: verdict: 'good' is none\n  expected: one of: right, partly, wrong",
        r":2: verdict: is empty beside a note",
        r":3: answer: 2c answers otherwise now",
        r":4: model: there is no model '2d'\n  expected: one of: base, 2b, 2c",
        r":5: row: 2c answered no row 'r7'",
        r":6: verdict: 1 is no text",
        r":7: answer: no model answers so now",
        r":9: verdict: 'wrong' of an answer that \S+:8 calls 'right'",
        r":9: verdict: 'wrong' of an answer that \S+:8 calls 'right'",
    ]
    assert len(found) == len(patterns)
    for fault, pattern in zip(found, patterns, strict=True):
        assert re.search(pattern, fault), fault
    assert (project / "recipes/mine/verdicts.jsonl").read_text() == "\n"


def test_what_cannot_be_written_or_taken_is_refused(project):
    path = project / "cases.csv"
    with pytest.raises(ConfigError, match="no test row is of that set"):
        verdicts.main(path, "nothing", blind=False, back=False)
    with pytest.raises(InputError, match=r"`.txt` is not the ending"):
        verdicts.main(project / "cases.txt", None, blind=False, back=False)
    verdicts.main(path, None, blind=False, back=False)
    with pytest.raises(InputError, match="is there already"):
        verdicts.main(path, None, blind=False, back=False)
    with pytest.raises(ConfigError, match="holds no verdict"):
        verdicts.main(path, None, blind=False, back=True)
    with pytest.raises(ConfigError, match="--blind: says which cases are written"):
        verdicts.main(path, None, blind=True, back=True)
    (project / "data/answers/2b.jsonl").unlink()
    with pytest.raises(InputError, match=r"2b\.jsonl: there is no such file"):
        verdicts.main(path, None, blind=False, back=True)
