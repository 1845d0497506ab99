"""Run prompts and references through a model once: what it says next at every place of them."""

from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING, Any

from stages.core.decoding.wanted import Answered, Wanted

if TYPE_CHECKING:
    import torch
    from transformers import Cache, PreTrainedModel


@dataclass(frozen=True)
class Read:
    """What a model says after prompts, and at every place of their references.

    places: for each row that was asked for, where it is: rows with the same tokens are one
    before: the column in which all references begin
    logits: `(batch, longest reference + 1, vocabulary)`, from the last token of the prompt on
    said:   the first choices there
    """

    places: list[int]
    before: int
    logits: "torch.Tensor"
    said: list[list[int]]


def takes(model: "PreTrainedModel") -> set[str]:
    """Return the names of what a model's forward pass takes."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    return set(signature(inner.forward).parameters)


def vocabulary(model: "PreTrainedModel") -> int:
    """Return how many logits a model makes for a token."""
    return model.config.get_text_config().vocab_size


def read(
    model: "PreTrainedModel",
    wanted: list[Wanted],
    rows: list[int],
    answers: list[Answered],
    held: "Cache | None" = None,
) -> Read:
    """Read prompts and references; give each answer the likelihood of its reference.

    Prompts are padded on the left and references on the right, so that all references begin in one
    column.
    held: a cache that gets the keys and values, in the same columns
    """
    import torch
    from torch.nn.functional import cross_entropy

    found: dict[tuple[tuple[int, ...], tuple[int, ...]], int] = {}
    places = [
        found.setdefault((tuple(wanted[row].prompt), tuple(wanted[row].reference)), len(found))
        for row in rows
    ]
    before = max(len(prompt) for prompt, _ in found)
    after = max(len(reference) for _, reference in found)
    ids = torch.zeros((len(found), before + after), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for at, (prompt, reference) in enumerate(found):
        stands = slice(before - len(prompt), before + len(reference))
        ids[at, stands] = torch.tensor(prompt + reference)
        mask[at, stands] = 1
    ids, mask = ids.to(model.device), mask.to(model.device)
    known: dict[str, Any] = {
        "position_ids": (mask.cumsum(1) - 1).clamp(min=0),
        "logits_to_keep": after + 1,
    }
    named = takes(model)
    with torch.inference_mode():
        logits = model(
            input_ids=ids,
            attention_mask=mask,
            past_key_values=held,
            use_cache=held is not None,
            **{name: value for name, value in known.items() if name in named},
        ).logits[:, -after - 1 :]
        losses = [
            cross_entropy(
                logits[at, : len(reference)].float(),
                ids[at, before : before + len(reference)],
                reduction="sum",
            )
            for at, (_, reference) in enumerate(found)
        ]
        said = logits.argmax(-1).tolist()
    for row, at in zip(rows, places, strict=True):
        answers[row].nll = losses[at].item()
        answers[row].hits = sum(map(int.__eq__, said[at], wanted[row].reference))
    return Read(places, before, logits, said)
