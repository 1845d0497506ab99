"""The judge's questions are counted by `estimate` and go along with `journal export`."""

import sys
from pathlib import Path

import pytest

from stages.core.jsonl import read_json, write_rows
from tools import estimate, journal

FILE = Path("judge.jsonl")
MODELS = {"base": "no", "2b": "yes", "2c": "yes"}


@pytest.fixture
def judged(project: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that runs the judge over three models' answers; no teacher is asked."""
    text = Path("params.yaml").read_text(encoding="utf-8")
    offline = "[{name: j, weight: 1.0, model: offline-judge, base_url: offline}]"
    for before, after in (
        ("{source: seeds, ", "{source: null, "),
        ("  teachers: []              # as `teachers`", f"  teachers: {offline}"),
        ("malformed: 0.25", "malformed: 0.0"),
    ):
        assert text.count(before) == 1
        text = text.replace(before, after)
    Path("params.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("TUNEGRAPH_JOURNAL", "first.jsonl")

    def answer():
        for model, said in MODELS.items():
            answers = [
                {"model": model, "set": "own", "skill": "own", "row": f"{k:016x}",
                 "prompt": f"q{k}", "reference": "yes", "text": said, "finish_reason": "stop"}
                for k in range(3)
            ]  # fmt: skip
            values = {"content_recall": float(said == "yes")}
            scores = [each | {"group": each["row"], "values": values} for each in answers]
            write_rows(Path(f"data/answers/{model}.jsonl"), answers)
            write_rows(Path(f"data/scores/{model}.jsonl"), scores)

    def run():
        from stages.judge.__main__ import main

        words = ["--answers", "data/answers", "--scores", "data/scores", "--template",
                 "recipes/reviews/prompts/judge.md", "--judgements", "data/judgements",
                 "--judge", "judge.json", "--costs", "costs.json"]  # fmt: skip
        monkeypatch.setattr(sys, "argv", ["judge", *words])
        main()
        return read_json(Path("costs.json"))

    run.answer = answer
    return run


def test_without_answers_it_is_said_that_the_judge_is_not_counted(judged, capsys):
    estimate.main()
    told = capsys.readouterr().out
    assert "estimate: the judge is not counted: it needs data/answers/base.jsonl, " in told
    assert told.endswith("data/scores/2c.jsonl (dvc repro evaluate)\n")


def test_the_judge_is_counted_and_nothing_is_asked(judged, capsys):
    judged.answer()
    estimate.main()
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    [row] = [line for line in lines if line[:1] == ["j"]]
    assert row[:4] == ["j", "0", "$0.00", "6"]  # 2b and 2c say the same
    assert ["budget:", "$1.00", "for", "all", "verdicts"] in [line[:5] for line in lines]
    assert not Path("first.jsonl").exists()
    assert judged()["paid"] == 6
    capsys.readouterr()
    estimate.main()
    told = capsys.readouterr().out
    assert "nothing to ask; 6 are in the journal" in told


def test_a_clone_has_the_verdicts_of_the_export(judged, monkeypatch, capsys):
    judged.answer()
    judged()
    built = Path("judge.json").read_bytes()
    journal.export(FILE, everything=False)
    assert "6 replies in judge.jsonl" in capsys.readouterr().out
    monkeypatch.setenv("TUNEGRAPH_JOURNAL", "clone.jsonl")
    journal.bring(FILE)
    costs = judged()
    assert (costs["paid"], costs["found"], costs["attempts"]) == (0, 6, 0)
    assert Path("judge.json").read_bytes() == built


def test_an_export_without_answers_says_what_it_leaves_out(judged, capsys):
    from stages.core.errors import InputError

    with pytest.raises(InputError, match="holds no reply to the questions of the recipe"):
        journal.export(FILE, everything=False)
    told = capsys.readouterr().out
    assert "journal: without the judge's replies, which need data/answers/base.jsonl" in told
