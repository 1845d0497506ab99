"""Answering: batches change nothing, an end is an end, losses are the reference's alone."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stages import answer
from stages.core import stack
from stages.core.errors import ConfigError, InputError
from stages.core.jsonl import read_json, read_rows, write_json, write_rows

# PEFT and TRL call transformers by names that it has deprecated.
pytestmark = pytest.mark.filterwarnings(r"ignore:`\w*gradient_checkpointing:FutureWarning")
CPU = {"device": "cpu", "threads": 1}
BASE = Path("models/base")


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


def free(model: Any, tokenizer: Any, prompt: str, limit: int = 12) -> list[int]:
    """Return what a model goes on with when nothing ends it."""
    ids, _ = answer.encode(tokenizer, row(0, prompt))
    [(tokens, reason)] = answer.generate(model, tokenizer, [ids], limit, {299})
    assert (len(tokens), reason) == (limit, "length")
    return tokens


def test_batched_answers_are_the_single_ones_in_the_order_of_the_rows(model, tokenizer):
    single, batched = (
        answer.answer_all("2c", model, tokenizer, ROWS, limit=10, batch_size=size)
        for size in (1, 4)
    )
    assert [one["row"] for one in batched] == [one["id"] for one in ROWS]
    for one, other in zip(single, batched, strict=True):
        assert one.pop("reference_nll") == pytest.approx(other.pop("reference_nll"), abs=1e-3)
        assert one == other
    assert len({one["text"] for one in batched}) > 1
    assert [one["prompt"] for one in batched] == PROMPTS
    assert [one["reference"] for one in batched] == [one["messages"][1]["content"] for one in ROWS]


def test_an_answer_ends_before_its_end_token_or_at_the_limit(model, tokenizer):
    tokens = free(model, tokenizer, "sea")
    at = next(at for at, token in enumerate(tokens) if at > 1 and token not in tokens[:at])
    prompts = [answer.encode(tokenizer, row(0, "sea"))[0]]
    assert answer.generate(model, tokenizer, prompts, 12, {tokens[at]}) == [(tokens[:at], "stop")]
    # The end token may be the last one that the limit allows; one less, and it is cut off.
    assert answer.generate(model, tokenizer, prompts, at + 1, {tokens[at]}) == [
        (tokens[:at], "stop")
    ]
    assert answer.generate(model, tokenizer, prompts, at, {tokens[at]}) == [(tokens[:at], "length")]


def test_an_answer_that_ends_early_waits_for_the_longest_of_its_batch(model, tokenizer):
    prompts = [answer.encode(tokenizer, one)[0] for one in ROWS]
    alone = [free(model, tokenizer, prompt) for prompt in PROMPTS]
    stop = next(token for token in alone[1] if token not in alone[0])
    for tokens, (made, reason) in zip(
        alone, answer.generate(model, tokenizer, prompts, 12, {stop}), strict=True
    ):
        ended = stop in tokens
        assert made == (tokens[: tokens.index(stop)] if ended else tokens)
        assert reason == ("stop" if ended else "length")


def test_several_tokens_can_end_an_answer(tiny):
    write_json(BASE / "generation_config.json", {"eos_token_id": [2, 17], "pad_token_id": 0})
    tokenizer = stack.load_tokenizer(BASE)
    model = stack.load_base(BASE, CPU)
    assert answer.stop_tokens(tokenizer, model.generation_config) == {2, 17}
    for named, stops in ((7, {7, 2}), (None, {2}), ([2], {2})):
        told = SimpleNamespace(generation_config=SimpleNamespace(eos_token_id=named))
        assert answer.stop_tokens(tokenizer, told.generation_config) == stops


def test_the_loss_of_a_reference_is_that_of_its_tokens_and_the_end(model, tokenizer):
    import torch

    encoded = [answer.encode(tokenizer, one) for one in ROWS]
    found = answer.reference_nll(
        model, tokenizer, [one[0] for one in encoded], [one[1] for one in encoded]
    )
    assert len(found) == len(ROWS)
    for (prompt, whole), one, (nll, count) in zip(encoded, ROWS, found, strict=True):
        reference = tokenizer(one["messages"][1]["content"], add_special_tokens=False)["input_ids"]
        assert whole == [*prompt, *reference, tokenizer.eos_token_id]
        by_hand = 0.0
        for at in range(len(prompt), len(whole)):
            with torch.inference_mode():
                scores = model(input_ids=torch.tensor([whole[:at]])).logits[0, -1]
            by_hand -= torch.log_softmax(scores.double(), dim=-1)[whole[at]].item()
        assert (nll, count) == (pytest.approx(by_hand, rel=1e-4), len(reference) + 1)


def test_a_template_that_rewrites_the_prompt_is_refused(tokenizer):
    tokenizer.chat_template = (
        "{{ messages | length }}{% for m in messages %}{{ m.content }}{% endfor %}"
    )
    with pytest.raises(ConfigError, match=r"writes the prompt of row 0+ differently"):
        answer.encode(tokenizer, row(0, "sea"))


def test_spaces_of_code_are_left_alone(model, tokenizer):
    import torch

    tokenizer.clean_up_tokenization_spaces = True
    tokenizer.clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output = True
    text = 'x = [ 1 , 2 ] ; print ( "a ." )'
    made = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(made) != text
    end = torch.tensor([[*made, tokenizer.eos_token_id, 0]])
    model.generate = lambda input_ids, **_: torch.cat([input_ids, end], dim=1)
    [said] = answer.answer_all("2c", model, tokenizer, ROWS[:1], limit=99, batch_size=1)
    assert (said["text"], said["finish_reason"]) == (text, "stop")


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
        assert read_json(Path(f"metrics/costs/answer.{name}.json"))["answers"] == 10


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
    assert "'Who?' is no test row or prompt" in said
    assert "'feed' is no test row or prompt" in said
    assert f"'{rows[0]['id']}' is answered already" in said


def test_the_stage_takes_a_transcript_without_loading_a_model(tiny):
    write_rows(Path("models/chat/answers.jsonl"), [{"prompt": "twice cat", "text": "cat cat"}])
    manifest = {"name": "chat", "kind": "transcript", "on": None, "chain": ["chat"]}
    write_json(Path("models/chat/manifest.json"), manifest)
    (BASE / "model.safetensors").unlink()
    tiny.answer("chat")
    [said] = read_rows(Path("data/answers/chat.jsonl"))
    assert (said["model"], said["text"], said["reference"]) == ("chat", "cat cat", "cat cat")
