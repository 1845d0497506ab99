"""Rows of a batch one behind the other, without padding, none of which sees another.

TRL's collator flattens a batch and says where each row begins (`cu_seq_lens_q`), which
FlashAttention takes. Under SDPA transformers builds a mask over the whole flattened length instead,
quadratic in it. Here SDPA runs over each row by itself: no mask, no padding, the same gradient.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel

BY_ROW = "sdpa_by_row"  # the name under which transformers knows it
KINDS = {"full_attention", "sliding_attention"}  # of layers that it can do
SEEN = 12  # tokens of each of the two rows that a model is tried on


def flatten(model: "PreTrainedModel") -> bool:
    """Make a model take flattened batches, if it can; return whether it can.

    model: its attention is replaced where it is SDPA, and stays what it was where that fails.
           FlashAttention keeps rows apart by itself; eager attention is not replaced.
    """
    own = model.config._attn_implementation
    if own == "sdpa" and _kinds(model) <= KINDS:
        _register()
        model.set_attn_implementation(BY_ROW)
        if keeps_apart(model):
            return True
        model.set_attn_implementation(own)
        return False
    return own.startswith("flash_attention") and keeps_apart(model)


def keeps_apart(model: "PreTrainedModel") -> bool:
    """Tell whether the second of two flattened rows is what it is alone, whatever the first is.

    Two short rows of made-up tokens are tried, with two different first rows: what leaks changes
    the second. A model whose layers do not know flattened rows at all says so, or leaks.
    """
    import torch
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    collate = DataCollatorForLanguageModeling(pad_token_id=0, padding_free=True)
    tokens = list(range(1, SEEN + 1))
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            after, after_other, alone = (
                model(
                    **{
                        name: each.to(model.device) if torch.is_tensor(each) else each
                        for name, each in collate([{"input_ids": ids} for ids in rows]).items()
                        if name != "labels"
                    },
                    use_cache=False,
                )
                .logits[0, -SEEN:]
                .float()
                for rows in ([tokens, tokens], [tokens[::-1], tokens], [tokens])
            )
    except (RuntimeError, TypeError, ValueError):  # so a kernel or a forward refuses its arguments
        return False
    finally:
        model.train(training)
    rounding = alone.std()
    return bool(
        (after - after_other).abs().max() <= 1e-3 * rounding
        and (after - alone).abs().max() <= 0.1 * rounding
    )


def attend_by_row(
    module: "nn.Module",
    query: "Tensor",
    key: "Tensor",
    value: "Tensor",
    attention_mask: "Tensor | None",
    cu_seq_lens_q: "Tensor | None" = None,
    **kwargs: Any,
) -> tuple["Tensor", None]:
    """Attend as transformers' SDPA does, within each row of a flattened batch.

    query:         (1, heads, tokens, head size); key and value may have fewer heads
    cu_seq_lens_q: where rows begin, and the end of the last, (rows + 1,); None: nothing is flat
    Returns: (1, tokens, heads, head size)
    Source: https://huggingface.co/docs/transformers/attention_interface
    """
    import torch
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    if cu_seq_lens_q is None and attention_mask is None:
        attention_mask = _window(query.shape[2], kwargs.get("sliding_window"), query)
    if cu_seq_lens_q is None or attention_mask is not None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
    if _has_varlen(query, key, value, kwargs):
        return _varlen(query, key, value, cu_seq_lens_q, kwargs), None
    lengths = cu_seq_lens_q.diff().tolist()
    attended = [
        sdpa_attention_forward(
            module, *row, _window(length, kwargs.get("sliding_window"), query), **kwargs
        )[0]
        for length, *row in zip(
            lengths, *(each.split(lengths, dim=2) for each in (query, key, value)), strict=True
        )
    ]
    return torch.cat(attended, dim=1), None


def _window(length: int, size: int | None, like: "Tensor") -> "Tensor | None":
    """Return the mask of a sliding window, or None where a row is no longer than the window."""
    import torch

    if size is None or length <= size:
        return None
    at = torch.arange(length, device=like.device)
    back = at[:, None] - at[None, :]
    return ((back >= 0) & (back < size))[None, None]


def _has_varlen(query: "Tensor", key: "Tensor", value: "Tensor", kwargs: dict[str, Any]) -> bool:
    """Tell whether torch's own kernel for rows of different length takes these: on CUDA, in half.

    Source: https://docs.pytorch.org/docs/stable/nn.attention.varlen.html
    """
    import torch

    return (
        query.is_cuda
        and torch.version.cuda is not None
        and query.dtype == key.dtype == value.dtype
        and query.dtype in (torch.float16, torch.bfloat16)
        and torch.cuda.get_device_capability(query.device) >= (8, 0)
        and query.shape[-1] == value.shape[-1] <= 256
        and query.shape[-1] % 8 == 0
        and not kwargs.get("dropout")
        and kwargs.get("position_bias") is None
        and kwargs.get("softcap") is None
    )


def _varlen(
    query: "Tensor", key: "Tensor", value: "Tensor", starts: "Tensor", kwargs: dict[str, Any]
) -> "Tensor":
    """Attend to all rows in one call: (1, heads, tokens, size) -> (1, tokens, heads, size)."""
    from torch.nn.attention.varlen import varlen_attn

    longest, size = kwargs["max_length_q"], kwargs.get("sliding_window")
    return varlen_attn(
        *(each[0].transpose(0, 1) for each in (query, key, value)),
        starts,
        starts,
        longest,
        longest,
        scale=kwargs.get("scaling"),
        window_size=(-1 if size is None else size - 1, 0),
        enable_gqa=query.shape[1] != key.shape[1],
    )[None]


def _mask(*sizes: Any, attention_mask: "Tensor | None" = None, **kwargs: Any) -> "Tensor | None":
    """Return no mask for flattened batches, and SDPA's own for padded ones."""
    from transformers.masking_utils import sdpa_mask

    return (
        None
        if attention_mask is None
        else sdpa_mask(*sizes, attention_mask=attention_mask, **kwargs)
    )


def _kinds(model: "PreTrainedModel") -> set[str]:
    """Return the kinds of a model's attention layers, as its config names them."""
    return set(getattr(model.config.get_text_config(), "layer_types", None) or KINDS)


def _register() -> None:
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(BY_ROW, attend_by_row)
    AttentionMaskInterface.register(BY_ROW, _mask)
