"""Verdicts from the window: lines that `stages.core.verdicts` takes, none of them lost."""

import threading
from pathlib import Path
from typing import Any

import pytest

from stages.core.digest import file_digest
from stages.core.errors import ConfigError, InputError
from stages.core.records import Message
from stages.core.verdicts import read_pairs, read_verdicts
from tools.chat.engine import Piece, Sampling
from tools.chat.kept import answer_of, keep_all, pair_of
from tools.chat.models import Model
from tools.chat.talk import Talk, Turn

MODELS = {
    name: Model(name, "adapter", Path("models") / name, sign * 64, None)
    for name, sign in (("2b", "b"), ("2c", "c"), ("exports/2c", "e"))
}
SAMPLING = Sampling(24)
ROW: Any = {
    "id": "a" * 16, "set": "probes", "skill": "s", "group": "g", "source": "s",
    "messages": [{"role": "system", "content": "Be short."},
                 {"role": "user", "content": "Which city?"},
                 {"role": "assistant", "content": "Paris"}],
}  # fmt: skip


def said(text: str, *turns: str, system: str = "", row: str | None = None) -> Turn:
    """Return a turn: what was sent (questions and answers in turn), and the answer."""
    sent: list[Message] = [{"role": "system", "content": system}] if system else []
    for at, turn in enumerate(turns):
        sent.append({"role": "assistant" if at % 2 else "user", "content": turn})
    return Turn(0, sent, SAMPLING, row, Piece(text, "stop", 3, 0.1, 0.2))


def talk_of(**turns: Turn) -> Talk:
    """Return a chat in which each model has one turn."""
    return Talk(turns={name: [turn] for name, turn in turns.items()}, order=[*turns], asked=1)


def two(**changes: Any) -> Talk:
    """Return a chat of 2b and 2c on one question."""
    return talk_of(**{"2b": said("one", "Why?", **changes), "2c": said("two", "Why?", **changes)})


def test_a_pair_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    line = pair_of(two(), MODELS, "2c", "better", "why", {})
    told = keep_all(path, [line])
    assert told.startswith(
        f"Kept in {path}: 2c is better than 2b. The next `dvc repro` takes it into the report."
    )
    (kept,) = read_pairs(path)
    assert kept == {
        "kind": "pair", "prompt": "Why?", "model": "2c", "answer": "two", "digest": "c" * 64,
        "other": "2b", "other_answer": "one", "other_digest": "b" * 64, "verdict": "better",
        "note": "why", "sampling": SAMPLING._asdict(),
    }  # fmt: skip


def test_the_same_answers_judged_again_from_either_side_replace(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    keep_all(path, [pair_of(two(), MODELS, "2c", "better", "", {})])
    turned = two()
    turned.order.reverse()
    told = keep_all(path, [pair_of(turned, MODELS, "2b", "same", "", {})])
    assert "in place of an earlier verdict" in told
    assert [(line["model"], line["verdict"]) for line in read_pairs(path)] == [("2b", "same")]


def test_a_row_and_a_system_prompt_are_named(tmp_path: Path) -> None:
    talk = two(system="Be short.", row="a" * 16)
    line = pair_of(talk, MODELS, "2c", "worse", "", {"a" * 16: ROW})
    assert (line["row"], line["set"], line["system"]) == ("a" * 16, "probes", "Be short.")
    keep_all(tmp_path / "verdicts.jsonl", [line])


def test_different_system_prompts_stand_with_the_sampling(tmp_path: Path) -> None:
    one, other = said("one", "Why?"), said("two", "Why?", system="Be short.")
    line = pair_of(talk_of(**{"2b": one, "2c": other}), MODELS, "2c", "same", "", {})
    assert "system" not in line
    assert line["sampling"]["systems"] == {"2b": "", "2c": "Be short."}
    keep_all(tmp_path / "verdicts.jsonl", [line])


def test_history_holds_what_both_were_sent() -> None:
    same = [said(text, "Who?", "Me", "Why?") for text in ("one", "two")]
    line = pair_of(
        talk_of(**dict(zip(("2b", "2c"), same, strict=True))), MODELS, "2c", "same", "", {}
    )
    assert [turn["content"] for turn in line["history"]] == ["Who?", "Me"]
    own = [said(text, "Who?", text, "Why?") for text in ("one", "two")]
    talk = talk_of(**dict(zip(("2b", "2c"), own, strict=True)))
    forth = pair_of(talk, MODELS, "2c", "same", "", {})["history"]
    talk.order.reverse()
    back = pair_of(talk, MODELS, "2b", "same", "", {})["history"]
    assert forth == back == [{"role": "user", "content": "Who?"}]


def test_history_is_the_same_from_either_side() -> None:
    twice = said("one", "Who?", "one", "Who?", "I", "Why?")
    once = said("two", "Who?", "two", "Why?")
    talk = talk_of(**{"2b": twice, "2c": once})
    forth = pair_of(talk, MODELS, "2c", "better", "", {})
    talk.order.reverse()
    back = pair_of(talk, MODELS, "2b", "worse", "", {})
    assert forth["history"] == back["history"] == [{"role": "user", "content": "Who?"}]


@pytest.mark.parametrize("piece", [None, Piece("half", "stopped", 1, 0.1, 0.2)])
def test_no_verdict_on_half_an_answer(piece: Piece | None) -> None:
    talk = two()
    talk.turns["2b"][0].piece = piece
    with pytest.raises(ConfigError, match="2b: has no whole answer to the last question"):
        pair_of(talk, MODELS, "2c", "better", "", {})


def test_an_export_is_told_to_count_nowhere(tmp_path: Path) -> None:
    talk = talk_of(**{"2b": said("one", "Why?"), "exports/2c": said("two", "Why?")})
    line = pair_of(talk, MODELS, "exports/2c", "better", "", {})
    told = keep_all(tmp_path / "verdicts.jsonl", [line])
    assert "exports/2c, none of `models`" in told
    assert "dvc repro" not in told


def test_an_answer_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    told = keep_all(path, [answer_of(ROW, "2b", "Rome", "wrong", "the other one")])
    assert "2b is wrong" in told
    assert read_verdicts(path) == [{
        "row": "a" * 16, "set": "probes", "prompt": "Be short.\nWhich city?", "model": "2b",
        "answer": "Rome", "verdict": "wrong", "note": "the other one",
    }]  # fmt: skip


def test_two_windows_lose_no_line(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    path.write_text("\n")

    def many(window: int) -> None:
        for at in range(12):
            talk = talk_of(**{
                "2b": said("one", f"{window}: {at}?"), "2c": said("two", f"{window}: {at}?")
            })  # fmt: skip
            keep_all(path, [pair_of(talk, MODELS, "2c", "better", "", {})])

    threads = [threading.Thread(target=many, args=(window,)) for window in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({line["prompt"] for line in read_pairs(path)}) == 48


def test_a_model_that_was_built_again_is_not_judged(
    tmp_path: Path,
) -> None:
    manifest = tmp_path / "2c" / "manifest.json"
    manifest.parent.mkdir()
    manifest.write_text("{}")
    held = Model("2c", "adapter", manifest.parent, file_digest(manifest), None)
    models = MODELS | {"2c": held}
    assert pair_of(two(), models, "2c", "better", "", {})["digest"] == held.digest
    manifest.write_text("{ }")
    with pytest.raises(ConfigError, match="2c: was built again while the window was open"):
        pair_of(two(), models, "2c", "better", "", {})


def test_what_cannot_be_kept_leaves_the_file(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    path.write_text("\n")
    line = pair_of(two(), MODELS, "2c", "splendid", "", {})
    with pytest.raises(InputError, match="'splendid' is none"):
        keep_all(path, [line])
    assert path.read_text() == "\n"
