"""The prompts to paste, and the way back: what is filled in is scored as a model's answers."""

import csv
import json
import sys
from pathlib import Path

import pytest

from stages.core.digest import digest
from stages.core.errors import ConfigError, InputError
from stages.core.jsonl import read_json, read_rows, write_json, write_rows
from tools import prompts

ASKED = [
    ("probes", "What's “this”,\nand that?", "this"), ("probes", "And, again: -- this?", "that"),
    ("probes", "Third…", "third"), ("own", "Not a probe", "no"),
]  # fmt: skip
ASSISTANTS = {"Claude Opus": "opus", "ChatGPT": "gpt", "Gemini 3": "gemini"}


@pytest.fixture
def rows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = []
    for set_, prompt, answer in ASKED:
        turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
        made.append({"id": digest(turns), "set": set_, "skill": "talk", "group": prompt})
        made[-1]["messages"] = turns
    write_rows(tmp_path / "data/test.jsonl", made)
    sections = {"probes": {"set": "probes", "metrics": ["exact", "empty"]}}
    evaluate = {"encoder": "none", "bertscore": {}, "code": {"run": False}, "sections": sections}
    params = {
        "transcripts": {
            key: {"name": key, "file": "pasted.csv", "model": model}
            for model, key in ASSISTANTS.items()
        },
        "answer": {"max_new_tokens": 8, "batch_tokens": 512},
        "compute": {"device": "cpu", "threads": 1},
        "ablation": {"set": "own", "rows": 0, "variants": {}},
        "profile": {"set": "probes", "rows": 3, "samples": 2, "temperature": 0.8, "top_p": 0.95}
        | {"seed": 13, "attributes": {}},
        "evaluate": evaluate | {"probes": "probes", "headline": []},
    }
    write_json(tmp_path / "params.yaml", params)
    return made


def test_prompts_are_printed_with_their_ids(rows, capsys):
    prompts.main(None)
    told = capsys.readouterr().out
    assert told.count("== ") == 3
    assert f"== {rows[0]['id']} (talk)\n{ASKED[0][1]}\n\n" in told
    prompts.main("own")
    assert "Not a probe" in capsys.readouterr().out
    rows[3]["messages"][0]["content"] = "clears\x1b[2J the screen"
    write_rows(Path("data/test.jsonl"), rows)
    prompts.main("own")
    assert "clears\\u001b[2J the screen" in capsys.readouterr().out


def test_what_cannot_be_is_named(rows, tmp_path):
    with pytest.raises(ConfigError, match=r"--set prob: no test row is of that set\n.*own, probes"):
        prompts.main("prob")
    with pytest.raises(ConfigError, match="--samples: 0"):
        prompts.main(None, 0)
    with pytest.raises(InputError, match=r"`\.txt` is not the ending"):
        prompts.main(None, table=tmp_path / "a.txt")
    (tmp_path / "a.csv").write_text("filled in")
    with pytest.raises(InputError, match="is there already"):
        prompts.main(None, table=tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == "filled in"
    with pytest.raises(InputError, match=r"(?s)a\.csv: is there already.*b\.txt: `\.txt` is not"):
        prompts.main(None, table=tmp_path / "a.csv", objects=tmp_path / "b.txt")
    (tmp_path / "data/test.jsonl").unlink()
    with pytest.raises(InputError, match="there is no such file"):
        prompts.main(None)


def test_a_set_is_asked_for_where_the_recipe_names_none(rows, tmp_path):
    params = read_json(tmp_path / "params.yaml")
    params["evaluate"]["probes"] = None
    write_json(tmp_path / "params.yaml", params)
    with pytest.raises(ConfigError, match="--set one of own, probes"):
        prompts.main(None)


@pytest.fixture
def run(monkeypatch):
    """Return a function that runs a stage's `main`."""

    def of(main, **flags):
        words = []
        for flag, value in flags.items():
            words += [f"--{flag.replace('_', '-')}", str(value)]
        monkeypatch.setattr(sys, "argv", ["stage", *words])
        main()

    return of


def test_a_table_of_three_assistants_goes_through_the_stages(rows, run, tmp_path):
    """As a person does it: print, paste, save with a spreadsheet, build."""
    from stages import answer, transcript
    from stages.evaluate import __main__ as evaluate
    from stages.vary import __main__ as vary

    prompts.main(None, samples=2, table=tmp_path / "empty.csv")
    with (tmp_path / "empty.csv").open(encoding="utf-8-sig", newline="") as file:
        printed = list(csv.DictReader(file))
    assert [line["sample"] for line in printed] == ["0", "1"] * 3
    filled = []
    for model in ASSISTANTS:
        for at, line in enumerate(printed):
            line = line | {"model": model, "date": "2026-01-31"}
            right = rows[at // 2]["messages"][-1]["content"]
            line["text"] = {"Claude Opus": right, "ChatGPT": ""}.get(model, f"no\n{right}")
            if model == "Gemini 3":  # who pastes by the words of the prompt, and leaves some out
                line |= {"row": "", "prompt": line["prompt"].replace("“", '"').replace("…", "...")}
                if at == 5:
                    line |= {"text": "", "model": "", "date": ""}
            filled.append(line)
    with (tmp_path / "pasted.csv").open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, prompts.COLUMNS)  # with \r\n, as spreadsheets do
        writer.writeheader()
        writer.writerows(filled)
    write_rows(tmp_path / "data/answers/base.jsonl", [])
    write_json(tmp_path / "schema.json", {})
    write_rows(tmp_path / "verdicts.jsonl", [])
    for name in ASSISTANTS.values():
        model, given = tmp_path / "models" / name, tmp_path / f"data/answers/{name}.jsonl"
        varied = tmp_path / f"data/variations/{name}.jsonl"
        test, costs = tmp_path / "data/test.jsonl", tmp_path / "costs.json"
        run(transcript.main, transcript=name, name=name, file="pasted.csv", model=model)
        asked = {"name": name, "base": "models/base", "model": model, "test": test, "costs": costs}
        run(answer.main, **asked, answers=given)
        run(vary.main, **asked, variations=varied)
        run(
            evaluate.main,
            **{"name": name, "base": "data/answers/base.jsonl", "answers": given, "test": test},
            **{"variations": varied, "schema": "schema.json", "metrics": f"{name}.json"},
            **{"scores": "scores.jsonl", "variation_scores": "variation_scores.jsonl"},
            verdicts="verdicts.jsonl",
            manifest=model / "manifest.json",
        )
    figures = {name: read_json(tmp_path / f"{name}.json")["probes"] for name in ASSISTANTS.values()}
    assert {name: (of["n"], of["exact"], of["empty"]) for name, of in figures.items()} == {
        "opus": (3, 1.0, 0.0), "gpt": (3, 0.0, 1.0), "gemini": (3, 0.0, 0.0),
    }  # fmt: skip
    [first, *_] = read_rows(tmp_path / "data/answers/gemini.jsonl")
    assert first["pasted"] == {"model": "Gemini 3", "date": "2026-01-31"}
    counts = {name: len(read_rows(tmp_path / f"data/variations/{name}.jsonl")) for name in figures}
    assert counts == {"opus": 6, "gpt": 6, "gemini": 5}


def test_the_table_is_a_transcript_as_it_is_in_json_too(rows, run, tmp_path):
    from stages.transcript import main

    prompts.main(None, objects=tmp_path / "pasted.json")
    params = read_json(tmp_path / "params.yaml")
    params["transcripts"] = {"chat": {"name": "chat", "file": "pasted.json"}}
    write_json(tmp_path / "params.yaml", params)
    flags = {"transcript": "chat", "name": "chat", "file": "pasted.json", "model": "models/chat"}
    with pytest.raises(InputError, match="no answer is filled in"):
        run(main, **flags)
    table = json.loads((tmp_path / "pasted.json").read_text())
    write_json(tmp_path / "pasted.json", [row | {"text": "so", "model": "m"} for row in table])
    run(main, **flags)
    assert len(read_rows(tmp_path / "models/chat/answers.jsonl")) == 3
