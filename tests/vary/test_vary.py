"""A model answers chosen rows again, the same way in every run."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stages.core.errors import ConfigError, InputError
from stages.core.jsonl import read_json, read_rows, write_rows
from stages.core.lineage import write_manifest
from stages.core.records import Variation

VARIANTS = {"kind": {"system": "be kind"}, "must": {"instruction": "must {{ prompt }}"}}


def params(tiny: Any, rows: int = 4, repeated: int = 3, **answer: int) -> None:
    """Write params.yaml with an ablation and a profile."""
    tiny.params["ablation"] = {"set": "original", "rows": rows, "variants": VARIANTS}
    tiny.params["profile"] = {
        **{"set": "original", "rows": repeated, "samples": 3, "temperature": 1.5},
        **{"top_p": 0.9, "seed": 5, "attributes": {}},
    }
    tiny.params["answer"] |= answer
    tiny.write_params()


def vary(tiny: Any, name: str = "2b") -> list[Variation]:
    """Run the stage vary for one model."""
    tiny.run(
        "stages.vary.__main__",
        *("--name", name, "--base", "models/base", "--model", f"models/{name}"),
        *("--test", "data/test.jsonl", "--variations", f"data/variations/{name}.jsonl"),
        *("--costs", f"metrics/costs/vary.{name}.json"),
    )
    return read_rows(Path(f"data/variations/{name}.jsonl"))


def test_chosen_rows_are_answered_under_each_wording_and_several_times(tiny, capsys):
    params(tiny)
    found = vary(tiny)
    assert capsys.readouterr().out == (
        "vary: 2b: 8 answers in other wordings (4 rows); 9 answers to repeated prompts (3 rows)\n"
    )
    kinds = [(each["variant"], each["sample"]) for each in found]
    assert kinds == [("kind", 0)] * 4 + [("must", 0)] * 4 + [("", 0), ("", 1), ("", 2)] * 3
    rows = {row["id"]: row for row in read_rows(Path("data/test.jsonl"))}
    prompts = {variant: set() for variant in ("must", "kind", "")}
    for each in found:
        own = rows[each["row"]]["messages"]
        assert each["reference"] == own[-1]["content"]
        prompts[each["variant"]].add(each["prompt"].replace(own[0]["content"], "..."))
    assert prompts == {"must": {"must ..."}, "kind": {"be kind\n..."}, "": {"..."}}
    # The rows that are answered several times are among those that are asked in other words.
    assert {e["row"] for e in found if not e["variant"]} < {e["row"] for e in found if e["variant"]}
    assert read_json(Path("metrics/costs/vary.2b.json"))["answers"] == 17


def test_answers_are_the_same_in_every_run_and_batch_and_differ_between_samples(tiny):
    params(tiny)
    first = vary(tiny)
    params(tiny, batch_tokens=40)
    assert vary(tiny) == first
    sampled = [each["text"] for each in first if not each["variant"]]
    assert len(set(sampled)) > 3
    tiny.params["profile"]["seed"] = 6
    tiny.write_params()
    again = vary(tiny)
    assert [e["text"] for e in again if not e["variant"]] != sampled
    assert [e for e in again if e["variant"]] == [e for e in first if e["variant"]]


def test_more_rows_than_there_are_takes_all_and_says_so(tiny, capsys):
    params(tiny, rows=99, repeated=99)
    found = vary(tiny, "base")
    assert len(found) == 2 * 10 + 3 * 10
    said = capsys.readouterr().out
    assert "fewer of original than the 99 rows of ablation" in said
    assert "fewer of original than the 99 rows of profile" in said


def test_each_part_can_be_switched_off_alone(tiny):
    params(tiny, rows=0)
    assert [each["variant"] for each in vary(tiny)] == [""] * 9
    params(tiny, repeated=0)
    assert [each["variant"] for each in vary(tiny)] == ["kind"] * 4 + ["must"] * 4


def test_a_wording_that_changes_nothing_is_told(tiny, capsys):
    params(tiny)
    tiny.params["ablation"]["variants"] = {"bare": {"system": None}}
    tiny.write_params()
    found = vary(tiny, "base")
    assert "bare changes nothing in 4 rows" in capsys.readouterr().out
    # It is what the stage answer gives, to the last digit: that is what ablate compares with.
    tiny.answer("base")
    answers = {each["row"]: each for each in read_rows(Path("data/answers/base.jsonl"))}
    same = [each for each in found if each["variant"]]
    assert len(same) == 4
    for each in same:
        own = {key: value for key, value in each.items() if key not in ("variant", "sample")}
        assert own == {key: answers[each["row"]][key] for key in own}


def test_a_wording_that_is_too_long_for_the_model_is_named(tiny):
    params(tiny)
    tiny.params["ablation"]["variants"] = {"long": {"instruction": "{{ (prompt ~ ' ') * 60 }}"}}
    tiny.write_params()
    with pytest.raises(InputError, match=r"row \w{16}, wording long: \d+ tokens") as raised:
        vary(tiny)
    assert len(raised.value.faults) == 4


def test_a_template_that_fails_is_told_before_a_model_is_loaded(tiny, monkeypatch):
    params(tiny)
    tiny.params["ablation"]["variants"] = {"odd": {"instruction": "{{ prompt.split()[9] }}"}}
    tiny.write_params()
    monkeypatch.setattr("stages.core.stack.load", None)
    with pytest.raises(ConfigError, match=r"ablation\.variants\.odd\.instruction"):
        vary(tiny)


@pytest.fixture
def pasted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a transcript of three answers, two of them to one prompt."""
    from tests.conftest import Tiny, tiny_rows

    monkeypatch.chdir(tmp_path)
    made = Tiny(tmp_path)
    params(made)
    rows = tiny_rows(6)
    for row in rows[4:]:
        row["set"] = "other"
    write_rows(Path("data/test.jsonl"), rows)
    answers = [
        {"row": rows[1]["id"], "text": "second", "model": "Chat 1", "sample": 1},
        {"row": rows[1]["id"], "text": "first", "model": "Chat 1"},
        {"prompt": rows[0]["messages"][0]["content"], "text": "alone", "model": "Chat 1"},
        {"row": rows[5]["id"], "text": "of another set", "model": "Chat 1"},
    ]
    write_rows(Path("models/chat/answers.jsonl"), answers)
    manifest = {"name": "chat", "kind": "transcript", "on": None, "chain": ["chat"]}
    write_manifest(Path("models/chat"), manifest)
    return tmp_path


def test_a_transcript_passes_its_repeated_answers_through(pasted: Path):
    from tests.conftest import Tiny

    found = vary(Tiny(pasted), "chat")
    assert [(e["text"], e["variant"], e["sample"]) for e in found] == [
        ("alone", "", 0),
        ("first", "", 0),
        ("second", "", 1),
    ]
    assert {each["set"] for each in found} == {"original"}


OFF = """
import sys
from stages.vary.__main__ import main
main()
sys.exit("torch" in sys.modules or "transformers" in sys.modules)
"""


@pytest.mark.parametrize("name", ["chat", "base"])
def test_switched_off_it_writes_an_empty_file_and_loads_no_torch(pasted: Path, name: str):
    from tests.conftest import Tiny

    params(Tiny(pasted), rows=0, repeated=0)
    manifest = {"name": "base", "kind": "base", "on": None, "chain": ["base"]}
    write_manifest(pasted / "models/base", manifest)
    command = [
        *(sys.executable, "-c", OFF, "--name", name, "--base", "models/base"),
        *("--model", f"models/{name}", "--test", "data/test.jsonl"),
        *("--variations", "v.jsonl", "--costs", "c.json"),
    ]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": str(root)})
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"vary: {name}: nothing to answer again\n"
    assert Path("v.jsonl").read_text() == ""
