"""Decoding: the same tokens as transformers' generate, whatever the batch, the draft, the way."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stages.core import decoding, stack
from stages.core.contract import stop_tokens
from stages.core.decoding import generated, underway, wanted
from stages.core.decoding.next_token import NextToken, Sampling
from stages.core.decoding.wanted import Wanted
from stages.core.errors import InputError
from stages.core.jsonl import write_json

# PEFT and TRL call transformers by names that it has deprecated.
pytestmark = pytest.mark.filterwarnings(r"ignore:`\w*gradient_checkpointing:FutureWarning")
CPU = {"device": "cpu", "threads": 1}
BASE = Path("models/base")
PROMPTS = ["sea", "shout oak", "a much longer prompt, of several words", "1 2 3", "twice fox", "e"]
ASKED = [[{"role": "user", "content": prompt}] for prompt in PROMPTS]
LIMIT = 12
WARM = Sampling(temperature=0.8, top_p=0.9, seed=5)


def shaken(model: Any) -> Any:
    """Give a model something to say: as trained, a tiny one repeats one token."""
    import torch

    torch.manual_seed(5)
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn(parameter.shape)
    return model.eval()


@pytest.fixture
def model(tiny: Any) -> Any:
    """Return a stack of two adapters."""
    return shaken(stack.load(BASE, Path("models/2c"), CPU))


@pytest.fixture
def tokenizer(tiny: Any) -> Any:
    return stack.load_tokenizer(BASE)


def by_generate(model: Any, tokenizer: Any, prompt: list[int], stops: set[int]) -> list[int]:
    """Return what transformers' generate says after a prompt alone, its end included."""
    import torch

    ids = torch.tensor([prompt], device=model.device)
    out = model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=LIMIT,
        do_sample=False,
        eos_token_id=sorted(stops),
        pad_token_id=tokenizer.pad_token_id,
    )
    return out[0, len(prompt) :].tolist()


def wanting(model: Any, tokenizer: Any, stops: set[int]) -> tuple[list[Wanted], list[list[int]]]:
    """Return answers that are wanted, with drafts of every kind, and what they must be."""
    found, expected = [], []
    for at, messages in enumerate(ASKED):
        prompt = decoding.prompt_tokens(tokenizer, messages)
        said = by_generate(model, tokenizer, prompt, stops)
        other = [token % 200 + 50 for token in said]
        # Right to the end, wrong at once, right for a while, not known, longer than the limit.
        drafts = [said, other, said[:3] + other[3:], [], [*said, 7, 8, 9]]
        for draft in drafts[at % 2 :]:
            found.append(Wanted(prompt, LIMIT, draft))
            expected.append(said)
    return found, expected


def answers(way: Any, *words: Any) -> list[Any]:
    """Return all answers in order: each comes once."""
    pairs = list(way(*words))
    assert sorted(at for at, _ in pairs) == list(range(len(pairs)))
    return [made for _, made in sorted(pairs, key=lambda pair: pair[0])]


@pytest.mark.parametrize("budget", [1, 100, 4096])
def test_answers_are_those_of_generate_with_any_draft_and_batch(model, tokenizer, budget):
    usual = by_generate(model, tokenizer, decoding.prompt_tokens(tokenizer, ASKED[0]), {299})
    stops = {usual[5], tokenizer.eos_token_id}
    asked, expected = wanting(model, tokenizer, stops)
    assert decoding.unfit(model, asked) is None
    made = answers(underway.decode, model, asked, stops, budget, NextToken(None, [""] * 99))
    ended = Counter()
    for one, said in zip(made, expected, strict=True):
        stopped = said[-1] in stops
        assert one.tokens == (said[:-1] if stopped else said)
        assert one.reason == ("stop" if stopped else "length")
        ended[one.reason] += 1
    assert min(ended["stop"], ended["length"]) >= 4
    pad = tokenizer.pad_token_id
    other = answers(generated.decode, model, asked, stops, pad, budget, NextToken(None, [""] * 99))
    for one, its in zip(made, other, strict=True):
        assert its.nll == pytest.approx(one.nll, abs=1e-3)
        assert replace(its, nll=0.0) == replace(one, nll=0.0)


def test_the_likelihood_of_a_reference_is_that_of_its_tokens(model, tokenizer):
    import torch

    asked, _ = wanting(model, tokenizer, {299})
    found = dict(decoding.decode(model, tokenizer, asked, 300))
    hits = set()
    for at, each in enumerate(asked):
        by_hand, first = 0.0, 0
        for size, token in enumerate(each.reference):
            ids = torch.tensor([each.prompt + each.reference[:size]])
            with torch.inference_mode():
                logits = model(input_ids=ids).logits[0, -1].double()
            by_hand -= logits.log_softmax(-1)[token].item()
            first += int(logits.argmax()) == token
        assert found[at].nll == pytest.approx(by_hand, rel=1e-4)
        assert found[at].hits == first
        hits.add(first)
    assert len(hits) > 3


def test_several_tokens_can_end_an_answer(tiny):
    write_json(BASE / "generation_config.json", {"eos_token_id": [2, 17], "pad_token_id": 0})
    tokenizer = stack.load_tokenizer(BASE)
    model = stack.load_base(BASE, CPU)
    assert stop_tokens(tokenizer, model.generation_config) == {2, 17}
    for named, stops in ((7, {7, 2}), (None, {2}), ([2], {2})):
        told = SimpleNamespace(generation_config=SimpleNamespace(eos_token_id=named))
        assert stop_tokens(tokenizer, told.generation_config) == stops


def test_a_drawn_answer_depends_on_seed_and_conversation_alone(model, tokenizer):
    def drawn(asked: Any, budget: int, sampling: Sampling | None = WARM) -> Any:
        return decoding.answer_rows(model, tokenizer, asked, LIMIT, budget, sampling)

    four = [messages for messages in ASKED for _ in range(4)]
    together = drawn(four, 4096)
    assert len(together) == 24
    assert drawn(four, 60) == together
    assert drawn(four[::-1], 500)[::-1][0::4] == together[3::4]  # the n-th time, counted anew
    assert drawn(ASKED, 4096) == together[::4]
    assert len(set(together)) > 12
    assert drawn(four, 4096, replace(WARM, seed=6)) != together
    cold = replace(WARM, top_p=1e-9)
    assert drawn(ASKED, 4096, cold) == drawn(ASKED, 4096, None) != together[::4]


def test_generate_draws_the_same(model, tokenizer):
    asked = [
        Wanted(decoding.prompt_tokens(tokenizer, messages), LIMIT, name=f"{at}")
        for at, messages in enumerate(ASKED * 2)
    ]
    names, stops = [each.name for each in asked], {tokenizer.eos_token_id}
    pad = tokenizer.pad_token_id
    own = answers(underway.decode, model, asked, stops, 4096, NextToken(WARM, names))
    other = answers(generated.decode, model, asked, stops, pad, 4096, NextToken(WARM, names))
    assert own == other
    assert own[:6] != own[6:]


def test_draws_follow_the_distribution_and_leave_out_its_tail():
    import torch

    shares = torch.tensor([0.05, 0.4, 0.15, 0.3, 0.1])
    count = 4000
    names = [str(at) for at in range(count)]
    logits = shares.log().expand(count, -1)
    for top_p, allowed in ((1.0, {0, 1, 2, 3, 4}), (0.8, {1, 2, 3}), (0.7, {1, 3}), (0.1, {1})):
        choose = NextToken(Sampling(1.0, top_p, 3), names)
        said = choose(logits, list(range(count)), [0] * count)
        assert set(said.tolist()) == allowed
        expected = torch.tensor([shares[at] if at in allowed else 0.0 for at in range(5)])
        drawn = said.bincount(minlength=5) / count
        assert (drawn - expected / expected.sum()).abs().max() < 0.03
    warm = NextToken(Sampling(2.0, 1.0, 3), names)(logits, list(range(count)), [0] * count)
    expected = shares.sqrt() / shares.sqrt().sum()
    assert (warm.bincount(minlength=5) / count - expected).abs().max() < 0.03


def made_of(kind: str, **sizes: Any) -> Any:
    """Return a tiny model of random weights."""
    import transformers

    config = getattr(transformers, f"{kind}Config")(
        vocab_size=300, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=128,
        eos_token_id=2, bos_token_id=1, pad_token_id=0, **sizes,
    )  # fmt: skip
    return shaken(getattr(transformers, f"{kind.removesuffix('Text')}ForCausalLM")(config))


CASES = {
    "grouped heads": ("Llama", {}, None),
    "biases": ("Qwen2", {}, None),
    "a wide window": ("Mistral", {"sliding_window": 60}, None),
    "a narrow window": ("Mistral", {"sliding_window": 12}, "its sliding window of 12"),
    "mixed windows": ("Gemma3Text", {"sliding_window": 9, "head_dim": 16}, "sliding window of 9"),
    "stretched": (
        "Llama", {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}},
        "embeddings are of type dynamic",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_other_models_answer_as_generate_does(tokenizer, case):
    kind, sizes, reason = CASES[case]
    model = made_of(kind, **sizes)
    stops = {tokenizer.eos_token_id}
    asked, expected = wanting(model, tokenizer, stops)
    why = decoding.unfit(model, asked)
    assert why is None if reason is None else reason in why
    found = dict(decoding.decode(model, tokenizer, asked, 400))
    assert len(found) == len(expected)
    for at, said in enumerate(expected):
        assert found[at].tokens == (said[:-1] if said[-1] in stops else said)


def test_what_a_model_s_settings_ask_for_is_left_to_generate(model, tokenizer):
    before = decoding.answer_rows(model, tokenizer, ASKED, LIMIT, 400)
    model.generation_config.repetition_penalty = 5.0
    model.generation_config.top_k = 20
    asked, expected = wanting(model, tokenizer, {tokenizer.eos_token_id})
    assert decoding.unfit(model, asked) == "its generation_config sets repetition_penalty"
    found = dict(decoding.decode(model, tokenizer, asked, 400))
    assert [found[at].tokens for at in range(len(asked))] == [
        said[:-1] if said[-1] == tokenizer.eos_token_id else said for said in expected
    ]
    assert decoding.answer_rows(model, tokenizer, ASKED, LIMIT, 400) != before


def test_a_model_that_takes_no_positions_is_left_to_generate(tokenizer):
    from transformers import BloomConfig, BloomForCausalLM

    config = BloomConfig(vocab_size=300, hidden_size=32, n_layer=2, n_head=2, eos_token_id=2)
    model = shaken(BloomForCausalLM(config))
    asked, expected = wanting(model, tokenizer, {2})
    assert decoding.unfit(model, asked) == "BloomForCausalLM takes no position_ids"
    found = dict(decoding.decode(model, tokenizer, asked, 400))
    for at, said in enumerate(expected):
        assert found[at].tokens == (said[:-1] if said[-1] == 2 else said)


def test_what_is_read_together_holds_to_both_budgets(monkeypatch):
    asked = [Wanted([1] * (at % 40 + 1), 20, [2] * (at % 23)) for at in range(200)]
    together = wanted.parts(asked, 300, 500, 10)
    assert sorted(row for part in together for row in part) == list(range(200))
    assert len(together) > 10
    for part in together:
        prompt = max(len(asked[row].prompt) for row in part)
        reference = max(len(asked[row].reference) for row in part)
        assert len(part) * (prompt + reference) <= 300
        assert len(part) * max(asked[row].most for row in part) <= 500
    cells = sum(
        len(part) * max(len(asked[row].prompt) + len(asked[row].reference) for row in part)
        for part in together
    )
    assert cells < 1.5 * sum(len(each.prompt) + len(each.reference) for each in asked)
    monkeypatch.setattr(wanted, "LOGITS", 600)
    for whole, kept in ((False, 1), (True, 40)):
        for part in wanted.parts(asked, 300, 500, 10, whole):
            reference = max(len(asked[row].reference) for row in part)
            prompt = max(len(asked[row].prompt) for row in part) if whole else 1
            assert len(part) == 1 or len(part) * (reference + prompt) * 10 <= 600
            assert kept >= prompt


def test_conversations_beyond_the_window_are_all_named(model, tokenizer):
    long = [{"role": "user", "content": "a b c d e f " * 30}]
    with pytest.raises(InputError) as told:
        decoding.answer_rows(model, tokenizer, [long, ASKED[0], long], LIMIT, 400)
    assert [fault.where for fault in told.value.faults] == ["conversation 0", "conversation 2"]


@pytest.mark.slow
def test_a_stack_on_a_4_bit_base_answers_as_generate_does(tiny):
    pytest.importorskip("bitsandbytes")
    tiny.params["base"]["quantize"] = "4bit"
    sizes = {"hidden_size": 128, "intermediate_size": 128}
    tiny.params["base"]["scratch"]["architecture"] |= sizes
    tiny.write_params()
    tiny.base()
    for key in ("m2b", "m2c"):
        tiny.train(key)
    tokenizer, model = stack.load_tokenizer(BASE), stack.load(BASE, Path("models/2c"), CPU)
    stops = stop_tokens(tokenizer, model.generation_config)
    asked, expected = wanting(model, tokenizer, stops)
    assert decoding.unfit(model, asked) is None
    found = dict(decoding.decode(model, tokenizer, asked, 400))
    assert len(found) == len(expected) > 20
    for at, said in enumerate(expected):
        assert found[at].tokens == (said[:-1] if said[-1] in stops else said)
    assert len({tuple(said) for said in expected}) > 1


@pytest.mark.gpu
def test_a_gpu_answers_as_its_generate_does(model, tokenizer):
    model.to("cuda")
    asked, expected = wanting(model, tokenizer, {tokenizer.eos_token_id})
    found = dict(decoding.decode(model, tokenizer, asked, 400))
    for at, said in enumerate(expected):
        assert found[at].tokens == (said[:-1] if said[-1] == tokenizer.eos_token_id else said)
    drawn = decoding.answer_rows(model, tokenizer, ASKED * 3, LIMIT, 400, WARM)
    assert drawn == decoding.answer_rows(model, tokenizer, ASKED * 3, LIMIT, 60, WARM)
