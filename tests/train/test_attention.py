"""Flattened batches: no row sees another, and the gradient is that of the padded batch."""

import functools
import inspect
import itertools
from typing import Any

import pytest
import torch
import transformers
from torch.nn.attention import varlen
from torch.nn.functional import cross_entropy, scaled_dot_product_attention
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from stages.train.attention import BY_ROW, attend_by_row, flatten, keeps_apart

SIZES: dict[str, Any] = {
    "vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64,
    "pad_token_id": 0,
}  # fmt: skip
ROWS = [list(range(3, 3 + length)) for length in (7, 1, 19, 12)]


def model_of(kind: str, attention: str = "sdpa", **more: Any) -> Any:
    """Return a tiny model of a family, large enough in its weights to have sharp attention."""
    torch.manual_seed(5)
    config = getattr(transformers, f"{kind}Config")(**SIZES | more)
    made = getattr(transformers, f"{kind}ForCausalLM")(config)
    made.set_attn_implementation(attention)
    with torch.no_grad():
        for each in made.parameters():
            if each.dim() > 1:
                each.normal_(0, 0.3)
    return made.eval()


def batch(padding_free: bool, rows: list[list[int]] = ROWS) -> dict[str, Any]:
    collate = DataCollatorForLanguageModeling(pad_token_id=0, padding_free=padding_free)
    return collate([{"input_ids": row} for row in rows])


def gradients(model: Any, inputs: dict[str, Any]) -> tuple[float, list[torch.Tensor]]:
    """Return the mean loss of all tokens but the first of each row, and its gradients."""
    labels = inputs.pop("labels")
    model.zero_grad()
    logits = model(**inputs, use_cache=False).logits
    loss = cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)
    loss.backward()
    return loss.item(), [each.grad.clone() for each in model.parameters()]


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("Llama", {}),
        ("Qwen3", {"head_dim": 8}),
        ("Mistral", {"sliding_window": 5}),
        ("Gemma3", {"head_dim": 8, "sliding_window": 5, "layer_types": None}),
    ],
)
@pytest.mark.filterwarnings("ignore:It is strongly recommended to train Gemma")
def test_a_flattened_batch_has_the_gradient_of_the_padded_one(kind, more):
    made = model_of(kind, **more) if kind != "Gemma3" else gemma(**more)
    padded, expected = gradients(made, batch(padding_free=False))
    assert flatten(made)
    assert made.config._attn_implementation == BY_ROW
    flat, found = gradients(made, batch(padding_free=True))
    assert flat == pytest.approx(padded, rel=1e-6)
    assert len(found) > 10
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("kind", "more"), [("Llama", {}), ("Mistral", {"sliding_window": 5})])
def test_the_kernel_of_a_gpu_is_asked_for_the_same(monkeypatch, kind, more):
    """torch's varlen_attn, in its own signature, by what its documentation says of each argument.

    In place of the kernel, which needs a GPU, stands the definition of attention.
    """
    made = model_of(kind, **more)
    assert flatten(made)
    expected_loss, expected = gradients(made, batch(padding_free=True))
    asked = []

    def defined(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, **told):
        bound = inspect.signature(varlen.varlen_attn).bind(
            query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, **told
        )
        asked.append(bound.arguments)
        assert (cu_seq_q.dtype, cu_seq_k.dtype, query.dim()) == (torch.int32, torch.int32, 3)
        left, right = told["window_size"]
        groups = query.shape[1] // key.shape[1]
        assert told["enable_gqa"] == (groups > 1)
        rows = []
        for begin, end in itertools.pairwise(cu_seq_q.tolist()):
            one, other, last = (each[begin:end].transpose(0, 1) for each in (query, key, value))
            assert end - begin <= max_q == max_k
            at = torch.arange(end - begin)
            ahead = at[None, :] - at[:, None]
            mask = (ahead <= right) & (ahead >= (-left if left >= 0 else -len(at)))
            other, last = (each.repeat_interleave(groups, 0) for each in (other, last))
            scores = (one @ other.transpose(1, 2) * told["scale"]).masked_fill(~mask, -torch.inf)
            rows.append((scores.softmax(-1) @ last).transpose(0, 1))
        return torch.cat(rows)

    monkeypatch.setattr("stages.train.attention._has_varlen", lambda *_: True)
    genuine = varlen.varlen_attn
    monkeypatch.setattr(varlen, "varlen_attn", functools.wraps(genuine)(defined))
    loss, found = gradients(made, batch(padding_free=True))
    assert len(asked) == SIZES["num_hidden_layers"]
    assert loss == pytest.approx(expected_loss, rel=1e-6)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def gemma(**more: Any) -> Any:
    """Return a Gemma 3, whose text model has a config of its own."""
    torch.manual_seed(5)
    config = transformers.Gemma3TextConfig(**SIZES | more, attn_implementation="sdpa")
    return transformers.Gemma3ForCausalLM(config).eval()


def test_gradient_checkpointing_keeps_rows_apart_too():
    made = model_of("Llama")
    assert flatten(made)
    _, expected = gradients(made, batch(padding_free=True))
    made.train()
    made.activation_checkpointing_enable({"use_reentrant": False})
    _, found = gradients(made, batch(padding_free=True))
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)


def test_a_padded_batch_still_has_its_mask():
    made = model_of("Llama")
    expected = made(**batch(padding_free=False)).logits
    assert flatten(made)
    torch.testing.assert_close(made(**batch(padding_free=False)).logits, expected)


def test_what_would_mix_rows_is_seen_and_left_as_it_was(monkeypatch):
    made = model_of("Llama")
    assert keeps_apart(made)  # by transformers' own mask

    def mixing(module: Any, query: Any, key: Any, value: Any, mask: Any, **_: Any) -> Any:
        groups = query.shape[1] // key.shape[1]
        key, value = (each.repeat_interleave(groups, 1) for each in (key, value))
        out = scaled_dot_product_attention(query, key, value, is_causal=True)
        return out.transpose(1, 2), None

    monkeypatch.setattr("stages.train.attention.attend_by_row", mixing)
    assert not flatten(made)
    assert made.config._attn_implementation == "sdpa"


def test_positions_that_go_on_are_seen():
    """GPT-2 learns positions, and its rows must each begin at the first."""
    torch.manual_seed(5)
    sizes = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64, "vocab_size": 64}
    told = {"bos_token_id": 1, "eos_token_id": 2, "attn_implementation": "sdpa"}
    made = transformers.GPT2LMHeadModel(transformers.GPT2Config(**sizes, **told))
    apart = keeps_apart(made)
    forward = made.forward
    made.forward = lambda position_ids, **told: forward(**told)
    assert apart
    assert not keeps_apart(made)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_only_what_is_known_is_flattened(attention):
    """Eager attention is asked for by name; linear attention has no rows."""
    made = model_of("Llama", attention)
    if attention == "sdpa":
        made.config.layer_types = ["full_attention", "chunked_attention"]
    assert not flatten(made)
    assert made.config._attn_implementation == attention


def test_without_rows_it_is_plain_attention():
    module = model_of("Llama").model.layers[0].self_attn
    query, key, value = (torch.randn(2, heads, 6, 8) for heads in (4, 2, 2))
    found, _ = attend_by_row(module, query, key, value, None, scaling=None)
    key, value = (each.repeat_interleave(2, 1) for each in (key, value))
    expected = scaled_dot_product_attention(query, key, value, is_causal=True)
    torch.testing.assert_close(found, expected.transpose(1, 2))
