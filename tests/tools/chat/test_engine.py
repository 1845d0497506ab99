"""Answers stream, stop, wait their turn and fail well, whichever model is asked."""

import gc
import itertools
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from stages.core import stack
from stages.core.errors import InputError, UserError
from stages.core.jsonl import read_rows
from tests.tools.chat.conftest import BASE, CPU, MODELS, listed
from tools.chat import weights
from tools.chat.engine import Engine, Piece, Sampling
from tools.chat.streaming import partial, stream

NEVER = threading.Event()
NAMES = ("base", "2b", "2c", "d3", "m2")
SHORT = Sampling(8)
LONG = Sampling(60, temperature=100.0, seed=1)
HOT = Sampling(40, temperature=100.0)  # any token, so that it hardly ever ends by itself


@pytest.fixture(scope="module")
def engine(project: Path) -> Iterator[Engine]:
    """Return one engine, its base loaded, for all tests that leave it as it is."""
    made = Engine(BASE, list(listed(*NAMES).values()), CPU)
    yield made
    made.close()


def ask(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def whole(engine: Engine, model: str, text: str, sampling: Sampling = SHORT) -> Piece:
    """Return an answer's last piece."""
    *_, last = engine.answer(model, ask(text), sampling, NEVER)
    return last


@contextmanager
def slow(engine: Engine, model: str) -> Iterator[list[int]]:
    """Let a model take some milliseconds a token, as real ones do; gets a 1 for each it reads."""
    whole(engine, model, "hi", Sampling(1))
    steps: list[int] = []

    def wait(*_: Any) -> None:
        steps.append(1)
        time.sleep(0.005)

    hook = weights.bare(engine._weights._loaded).register_forward_pre_hook(wait)
    try:
        yield steps
    finally:
        hook.remove()


def test_greedy_answers_are_those_of_the_stage(engine):
    from stages.answer import answer_all

    rows = read_rows(Path("data/test.jsonl"))
    tokenizer = stack.load_tokenizer(BASE)
    settings = {"max_new_tokens": 8, "batch_tokens": 512}
    for name in ("base", "2c", "d3", "m2"):
        loaded = stack.load(BASE, MODELS / name, CPU)
        theirs, _, _ = answer_all(name, loaded, tokenizer, rows, settings)
        assert len(theirs) == 10
        for row, answer in zip(rows, theirs, strict=True):
            *_, last = engine.answer(name, row["messages"][:-1], Sampling(8), NEVER)
            assert (last.text, last.finish_reason) == (answer["text"], answer["finish_reason"])


def test_a_seed_draws_the_same_answer_again(engine):
    def drawn(seed: int, **more: Any) -> str:
        sampling = Sampling(20, temperature=5.0, seed=seed, **more)
        return whole(engine, "2b", "twice oak", sampling).text

    first = drawn(1)
    assert drawn(1) == first
    assert len({first, drawn(2), drawn(3)}) == 3
    assert drawn(1, top_k=1) == drawn(2, top_p=1e-6) == whole(engine, "2b", "twice oak").text


def test_draws_are_those_of_the_project_s_own_sampling(engine):
    from stages.core.decoding import Sampling as Drawing
    from stages.core.decoding import answer_rows

    model, tokenizer = stack.load(BASE, MODELS / "2c", CPU), stack.load_tokenizer(BASE)
    asked = [ask("twice oak"), ask("shout elm")]
    ours = [
        whole(engine, "2c", each[0]["content"], Sampling(12, 3.0, 0.9, seed=7)) for each in asked
    ]
    theirs = answer_rows(model, tokenizer, asked, 12, 512, Drawing(3.0, 0.9, 7))
    assert [(each.text, each.finish_reason) for each in ours] == theirs


def test_a_penalty_for_repetition_is_that_of_generate(engine):
    import torch

    model, tokenizer = stack.load(BASE, MODELS / "2c", CPU), stack.load_tokenizer(BASE)
    ids = torch.tensor([tokenizer.encode(engine.prompt("2c", ask("twice oak")))])
    found = []
    for penalty in (1.0, 0.5, 2.0):
        made = model.generate(
            input_ids=ids, do_sample=False, max_new_tokens=12, repetition_penalty=penalty
        )
        theirs = tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True)
        ours = whole(engine, "2c", "twice oak", Sampling(12, repetition_penalty=penalty))
        assert ours.text == theirs
        found.append(theirs)
    assert len(set(found)) > 1


def test_an_answer_comes_piece_by_piece(engine):
    with slow(engine, "2b"):
        pieces = list(engine.answer("2b", ask("twice oak"), HOT, NEVER))
    assert len(pieces) > 5
    *going, last = pieces
    assert {each.finish_reason for each in going} == {""}
    assert last.finish_reason in ("stop", "length")
    assert [each.tokens for each in going] == sorted({each.tokens for each in going})
    for one, other in itertools.pairwise(pieces):
        assert other.text.startswith(one.text)
    assert len({each.first_s for each in pieces}) == 1
    assert 0 < last.first_s < last.seconds
    assert last.tokens >= going[-1].tokens


def test_stop_ends_within_a_token_and_keeps_the_text(engine):
    stop = threading.Event()
    seen = []
    with slow(engine, "2b"):
        for piece in engine.answer("2b", ask("twice oak"), HOT, stop):
            seen.append(piece)
            if piece.tokens >= 3:
                stop.set()
    at = next(piece for piece in seen if piece.tokens >= 3)
    assert seen[-1].finish_reason == "stopped"
    assert at.tokens <= seen[-1].tokens <= at.tokens + 2
    assert seen[-1].text.startswith(at.text)
    assert whole(engine, "2b", "twice oak").finish_reason == "stop"


def test_the_limit_and_the_window_end_an_answer(engine):
    assert whole(engine, "2b", "twice oak", Sampling(1))[1:3] == ("length", 1)
    long = "oak " * 40
    length = len(stack.load_tokenizer(BASE).encode(engine.prompt("2b", ask(long))))
    last = whole(engine, "2b", long, HOT._replace(max_new_tokens=10_000))
    assert last.finish_reason in ("length", "stop")
    assert last.tokens <= 128 - length


def test_every_stop_token_ends_an_answer(engine):
    model, tokenizer = stack.load(BASE, MODELS / "2b", CPU), stack.load_tokenizer(BASE)
    prompt = tokenizer.encode(engine.prompt("2b", ask("twice oak")))
    said: list[int] = []

    def run() -> str:
        return stream(
            model, tokenizer, prompt, 8, Sampling(8), "", lambda: False,
            lambda tokens: said.__setitem__(slice(None), tokens),
        )  # fmt: skip

    assert run() == "stop"
    first, second, *_ = said
    assert first != second
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, second]
    assert run() == "stop"
    assert said == [first]


def test_a_character_is_shown_when_it_is_whole(project):
    tokenizer = stack.load_tokenizer(BASE)
    text = "naïve 🎉 čaj \ufffd"
    tokens = tokenizer.encode(text, add_special_tokens=False)
    shown = [partial(tokenizer, tokens[:count]) for count in range(len(tokens) + 1)]
    assert len(tokens) > len(text)
    assert all(text.startswith(each) and "\ufffd" not in each for each in shown)
    assert "naïve 🎉 č" in shown
    assert not any(each.endswith("\ufffd") for each in shown)


def test_one_answers_the_other_waits_and_may_stop(engine):
    with slow(engine, "2b"):
        going = engine.answer("2b", ask("twice oak"), LONG, NEVER)
        assert next(going).tokens >= 1
        stop = threading.Event()
        found: list[Piece] = []
        waiting = engine.answer("2c", ask("shout elm"), SHORT, stop)
        other = threading.Thread(target=lambda: found.extend(waiting))
        other.start()
        other.join(0.15)
        assert found == []
        stop.set()
        other.join(5)
        assert [each[:4] for each in found] == [("", "stopped", 0, None)]
        third: list[Piece] = []
        other = threading.Thread(target=lambda: third.append(whole(engine, "2c", "shout elm")))
        other.start()
        other.join(0.05)
        assert third == []
        *_, last = going
        other.join(10)
    assert last.tokens > 20
    assert third[0].finish_reason == "stop"


@pytest.mark.parametrize("how", ["close", "forget"])
def test_an_abandoned_answer_ends(engine, how: str):
    with slow(engine, "2b") as steps:
        going = engine.answer("2b", ask("twice oak"), LONG, NEVER)
        next(going)
        if how == "close":
            going.close()
        del going
        gc.collect()
        read = len(steps)
        assert whole(engine, "2b", "shout elm", Sampling(1)).tokens == 1
    assert len(steps) <= read + 3 < 20


def test_an_answer_that_is_never_read_costs_nothing(engine):
    answer = engine.answer("2b", ask("twice oak"), HOT, NEVER)
    assert engine._worker._work_queue.empty()
    answer.close()


@pytest.mark.parametrize(
    ("model", "messages", "said"),
    [
        ("2x", ask("hi"), r"there is no '2x' to ask\n  expected: one of: base, 2b"),
        ("2b", [], "its last turn is of nothing"),
        ("2b", [*ask("hi"), {"role": "assistant", "content": "ho"}], "its last turn is of assist"),
        ("2b", ask("oak " * 200), "tokens, which leaves no room for an answer"),
    ],
)
def test_what_cannot_be_answered_is_told(engine, model: str, messages: Any, said: str):
    with pytest.raises(InputError, match=said):
        list(engine.answer(model, messages, Sampling(8), NEVER))
    assert whole(engine, "2b", "twice oak").finish_reason == "stop"


def test_all_values_out_of_range_are_told_at_once(engine):
    with pytest.raises(InputError) as told:
        whole(engine, "2b", "hi", Sampling(0, -1.0, 0.0, -1, 0.0))
    assert [fault.where for fault in told.value.faults] == [
        "max_new_tokens", "temperature", "top_p", "top_k", "repetition_penalty",
    ]  # fmt: skip
    for heat in (1e-9, 1e9, float("nan"), float("inf")):
        with pytest.raises(
            InputError, match=r"temperature: .*\n  expected: 0, or from 0\.01 to 100"
        ):
            whole(engine, "2b", "hi", Sampling(8, heat))


def test_an_error_of_a_library_is_told_and_the_engine_goes_on(engine):
    whole(engine, "2b", "hi")
    loaded = weights.bare(engine._weights._loaded)

    def broken(*_: Any) -> None:
        raise RuntimeError("no \x1b[2J memory")

    hook = loaded.register_forward_pre_hook(broken)
    with pytest.raises(UserError, match=r"the answer of 2b: RuntimeError: no \\u001b") as told:
        whole(engine, "2b", "twice oak")
    hook.remove()
    assert told.value.__cause__ is None
    assert "in broken" in told.value.__notes__[0]
    assert whole(engine, "2b", "twice oak").finish_reason == "stop"


def test_what_ends_the_interpreter_ends_the_caller(engine, monkeypatch):
    def leave(*_: Any) -> None:
        raise SystemExit(3)

    monkeypatch.setattr(engine, "_say", leave)
    with pytest.raises(SystemExit, match="3"):
        whole(engine, "2b", "hi")


def test_a_template_that_refuses_is_told(engine):
    tokenizer = engine._tokenizer(engine._models["2b"])
    template = tokenizer.chat_template
    tokenizer.chat_template = "{{ raise_exception('roles must alternate') }}"
    try:
        with pytest.raises(InputError, match="template refuses it: roles must alternate"):
            whole(engine, "2b", "hi")
        with pytest.raises(InputError, match="template refuses it: roles must alternate"):
            engine.prompt("2b", ask("hi"))
    finally:
        tokenizer.chat_template = template


def test_the_prompt_is_what_the_model_reads(engine):
    messages = [
        {"role": "system", "content": "Be terse."},
        *ask("twice oak"),
        {"role": "assistant", "content": "oak oak"},
        *ask("shout elm"),
    ]
    tokenizer = stack.load_tokenizer(BASE)
    said = engine.prompt("2c", messages)
    assert said.count("Be terse.") == said.count("oak oak") == 1
    assert tokenizer.encode(said, add_special_tokens=False) == tokenizer.apply_chat_template(
        messages, add_generation_prompt=True, return_dict=False
    )


def test_nothing_that_is_said_is_printed(engine, capfd):
    said = whole(engine, "2b", "twice oak", HOT)
    assert said.tokens > 1
    assert capfd.readouterr() == ("", "")


def test_chatting_changes_no_file(engine):
    def files() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in MODELS.rglob("*") if path.is_file()}

    before = files()
    assert len(before) > 50
    for name in NAMES:
        whole(engine, name, "twice oak", HOT._replace(max_new_tokens=3))
    assert files() == before


def test_close_ends_what_runs_and_lets_go(project):
    made = Engine(BASE, list(listed("2b").values()), CPU)
    with slow(made, "2b") as steps:
        going = made.answer("2b", ask("twice oak"), LONG, NEVER)
        next(going)
        loaded = weakref.ref(weights.bare(made._weights._loaded))
        made.close()
        *_, last = going
    assert last.finish_reason == "stopped"
    assert len(steps) < 20
    gc.collect()
    assert loaded() is None
    assert whole(made, "2b", "twice oak").finish_reason == "stop"
    made.close()
