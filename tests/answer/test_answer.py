"""Answering: batches change nothing, a window is a window, transcripts are matched."""

from pathlib import Path
from typing import Any

import pytest

from stages import answer
from stages.core import decoding, stack
from stages.core.errors import ConfigError, InputError
from stages.core.jsonl import read_json, read_rows, write_json, write_rows

# PEFT and TRL call transformers by names that it has deprecated.
pytestmark = pytest.mark.filterwarnings(r"ignore:`\w*gradient_checkpointing:FutureWarning")
CPU = {"device": "cpu", "threads": 1}
BASE = Path("models/base")
LONG = "a b c d e f " * 9
SETTINGS = {"max_new_tokens": 10, "batch_tokens": 512}


def row(number: int, prompt: str, reference: str = "yes") -> dict[str, Any]:
    messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": reference}]
    return {"id": f"{number:016x}", "set": "own", "skill": "a", "group": "g", "messages": messages}


PROMPTS = [
    "sea",
    "shout oak",
    "a much longer prompt, of several words",
    "1 2 3",
    "twice fox and elm",
]
ROWS = [row(at, prompt, f"{prompt.upper()}!"[: 3 + 5 * at]) for at, prompt in enumerate(PROMPTS)]


@pytest.fixture
def model(tiny: Any) -> Any:
    """Return a stack that has something to say: as trained it repeats one token."""
    import torch

    torch.manual_seed(5)
    model = stack.load(BASE, Path("models/2c"), CPU)
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn(parameter.shape)
    return model


@pytest.fixture
def tokenizer(tiny: Any) -> Any:
    return stack.load_tokenizer(BASE)


def test_answers_have_the_rows_order_whatever_the_batches(model, tokenizer):
    alone, together = (
        answer.answer_all("2c", model, tokenizer, ROWS, SETTINGS | {"batch_tokens": budget})
        for budget in (1, 4096)
    )
    assert alone[1:] == together[1:]
    assert alone[1] > 0
    assert alone[2] is None
    assert [one["row"] for one in together[0]] == [one["id"] for one in ROWS]
    for one, other in zip(alone[0], together[0], strict=True):
        assert one.pop("reference_nll") == pytest.approx(other.pop("reference_nll"), abs=1e-3)
        assert one == other
    assert len({one["text"] for one in together[0]}) > 1
    assert [one["prompt"] for one in together[0]] == PROMPTS
    assert [one["reference"] for one in together[0]] == [
        one["messages"][1]["content"] for one in ROWS
    ]


def test_a_conversation_of_several_turns_is_answered_at_its_end(model, tokenizer):
    turns = [
        {"role": role, "content": content}
        for role, content in (("user", "twice cat"), ("assistant", "cat cat"), ("user", "1 2 3"))
    ]
    several = ROWS[3] | {"messages": [*turns, ROWS[3]["messages"][1]]}
    [one], tokens, _ = answer.answer_all("2c", model, tokenizer, [several], SETTINGS)
    prompt = tokenizer.apply_chat_template(
        turns, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    said = model.generate(**prompt, max_new_tokens=10, do_sample=False)
    said = said[0, prompt["input_ids"].shape[1] :]
    assert one["text"] == tokenizer.decode(said, skip_special_tokens=True)
    assert one["prompt"] == "twice cat\ncat cat\n1 2 3"
    [short], *_ = answer.answer_all("2c", model, tokenizer, [ROWS[3]], SETTINGS)
    assert (short["text"], short["reference_nll"]) != (one["text"], one["reference_nll"])
    assert 0 < tokens <= 10


def test_rows_that_the_window_does_not_hold_are_all_named(model, tokenizer):
    rows = [row(1, LONG * 4), row(2, "cat"), row(3, "cat", LONG * 4)]
    with pytest.raises(InputError) as told:
        answer.answer_all("2c", model, tokenizer, rows, SETTINGS)
    assert [fault.where for fault in told.value.faults] == [
        f"data/test.jsonl: row {rows[at]['id']}" for at in (0, 2)
    ]
    assert "at most 128, which the model was made for" in str(told.value)


def test_an_answer_ends_where_the_window_does(model, tokenizer, monkeypatch):
    monkeypatch.setattr(decoding, "stop_tokens", lambda *_: {299})  # nothing else ends it
    prompt, _ = answer.encode(tokenizer, row(1, LONG))
    settings = SETTINGS | {"max_new_tokens": 500}
    [one], tokens, _ = answer.answer_all("2c", model, tokenizer, [row(1, LONG)], settings)
    assert (one["finish_reason"], tokens) == ("length", 128 - len(prompt))


def test_the_model_s_own_states_say_how_alike_answer_and_reference_are(model, tokenizer):
    import torch

    settings = SETTINGS | {"hidden_similarity": True}
    answers, *_ = answer.answer_all("2c", model, tokenizer, ROWS, settings)
    plain, *_ = answer.answer_all("2c", model, tokenizer, ROWS, SETTINGS)
    assert not any("hidden_similarity" in one for one in plain)
    for one in answers:
        pooled = []
        for key in ("text", "reference"):
            ids = torch.tensor([tokenizer(one[key], add_special_tokens=False)["input_ids"]])
            states = model(input_ids=ids, output_hidden_states=True).hidden_states[-1]
            pooled.append(states[0].mean(0))
        expected = torch.cosine_similarity(*pooled, dim=0).item()
        assert one.pop("hidden_similarity") == pytest.approx(expected, abs=2e-6)
        assert -1 <= expected < 0.999
    assert answers == plain


def test_a_template_that_rewrites_the_prompt_is_refused(tokenizer):
    tokenizer.chat_template = (
        "{{ messages | length }}{% for m in messages %}{{ m.content }}{% endfor %}"
    )
    with pytest.raises(ConfigError, match=r"writes the prompt of row 0+ differently"):
        answer.encode(tokenizer, row(0, "sea"))


def test_spaces_of_code_are_left_alone(tokenizer):
    tokenizer.clean_up_tokenization_spaces = True
    tokenizer.clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output = True
    text = 'x = [ 1 , 2 ] ; print ( "a ." )'
    made = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(made) != text
    assert answer.text_of(tokenizer, [*made, tokenizer.eos_token_id]) == text


def test_the_stage_answers_base_and_adapters_twice_the_same(tiny):
    for name in ("base", "2c"):
        tiny.answer(name)
        file = Path(f"data/answers/{name}.jsonl")
        before = file.read_bytes()
        tiny.answer(name)
        assert file.read_bytes() == before
        answers, rows = read_rows(file), read_rows(Path("data/test.jsonl"))
        assert [one["row"] for one in answers] == [one["id"] for one in rows]
        assert {one["model"] for one in answers} == {name}
        assert all(one["reference_nll"] > 0 < one["reference_tokens"] for one in answers)
        assert all(0 <= one["reference_hits"] <= one["reference_tokens"] for one in answers)
        costs = read_json(Path(f"metrics/costs/answer.{name}.json"))
        assert costs["answers"] == 10
        assert costs["tokens"] > 0 < costs["answers_per_s"]


def test_the_stage_says_when_and_why_generate_answers(tiny, capsys, monkeypatch):
    tiny.answer("base")
    assert "generate" not in capsys.readouterr().out
    before = read_rows(Path("data/answers/base.jsonl"))
    monkeypatch.setattr(decoding, "STRETCHED", {"default"})
    tiny.answer("base")
    said = "base: by transformers' generate, since its rotary embeddings are of type default"
    assert said in capsys.readouterr().out
    after = read_rows(Path("data/answers/base.jsonl"))
    assert len(after) == 10
    for one, other in zip(before, after, strict=True):
        assert one.pop("reference_nll") == pytest.approx(other.pop("reference_nll"), abs=1e-3)
        assert one == other


def test_a_transcript_is_matched_by_row_or_by_the_prompt_s_words():
    rows = [row(1, "What is\n it?"), row(2, "And this?"), row(3, "And  this?"), row(4, "Last?")]
    pasted = [
        {"prompt": "And this?", "text": "that"},
        {"row": rows[0]["id"], "text": "it"},
    ]
    answers = answer.from_transcript("chat", pasted, rows)
    assert [(one["row"], one["text"]) for one in answers] == [
        (rows[0]["id"], "it"), (rows[1]["id"], "that"), (rows[2]["id"], "that"),
    ]  # fmt: skip
    assert all("reference_nll" not in one for one in answers)
    assert {one["finish_reason"] for one in answers} == {"stop"}


def test_pasted_answers_without_a_row_are_all_named():
    rows = [row(1, "What is it?")]
    pasted = [
        {"prompt": "Who?", "text": "a"},
        {"prompt": "What is it?", "text": "b"},
        {"row": "feed", "text": "c"},
        {"row": rows[0]["id"], "text": "d"},
    ]
    with pytest.raises(InputError) as told:
        answer.from_transcript("chat", pasted, rows)
    assert [fault.where for fault in told.value.faults] == [
        f"transcript chat: answer {number}" for number in (1, 3, 4)
    ]
    said = str(told.value)
    assert "'Who?' is the prompt of no test row" in said
    assert "'feed' is no test row" in said
    assert f"'{rows[0]['id']}' is answered already" in said


def test_the_stage_takes_a_transcript_without_loading_a_model(tiny):
    write_rows(Path("models/chat/answers.jsonl"), [{"prompt": "twice cat", "text": "cat cat"}])
    manifest = {"name": "chat", "kind": "transcript", "on": None, "chain": ["chat"]}
    write_json(Path("models/chat/manifest.json"), manifest)
    (BASE / "model.safetensors").unlink()
    tiny.answer("chat")
    [said] = read_rows(Path("data/answers/chat.jsonl"))
    assert (said["model"], said["text"], said["reference"]) == ("chat", "cat cat", "cat cat")
