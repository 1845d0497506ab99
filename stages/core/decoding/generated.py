"""Answer by transformers' own `generate`: for models that our own loop does not know."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from stages.core.decoding.next_token import NextToken
from stages.core.decoding.reading import read, takes, vocabulary
from stages.core.decoding.wanted import Answered, Wanted, parts

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


def decode(
    model: "PreTrainedModel",
    wanted: list[Wanted],
    stops: set[int],
    pad: int,
    batch_tokens: int,
    next_token: NextToken,
) -> Iterator[tuple[int, Answered]]:
    """Yield each answer, by its place in `wanted`: batch after batch."""
    answers = [Answered() for _ in wanted]
    if any(each.reference for each in wanted):
        whole = "logits_to_keep" not in takes(model)
        for rows in parts(wanted, batch_tokens, batch_tokens, vocabulary(model), whole):
            read(model, wanted, rows, answers)
    for rows in parts(wanted, batch_tokens, batch_tokens, 1):
        # `generate` has one limit for a batch; a window may leave the longest prompts less.
        for limit in sorted({wanted[row].limit for row in rows}):
            some = [row for row in rows if wanted[row].limit == limit]
            made = generate(
                model, [wanted[row].prompt for row in some], limit, stops, pad, some, next_token
            )
            for row, tokens in zip(some, made, strict=True):
                for token in tokens:
                    if not answers[row].add(token, limit, stops):
                        break
                yield row, answers[row]


def generate(
    model: "PreTrainedModel",
    prompts: list[list[int]],
    limit: int,
    stops: set[int],
    pad: int,
    rows: list[int],
    next_token: NextToken,
) -> list[list[int]]:
    """Return what `generate` says after each prompt: up to `limit` tokens, padded after the end.

    rows: which answers they are, for their draws
    """
    import torch
    from transformers import LogitsProcessor, LogitsProcessorList

    longest = max(map(len, prompts))
    ids = torch.full((len(prompts), longest), pad)
    mask = torch.zeros_like(ids)
    for index, prompt in enumerate(prompts):
        ids[index, longest - len(prompt) :] = torch.tensor(prompt)
        mask[index, longest - len(prompt) :] = 1

    class Drawn(LogitsProcessor):
        """Leave the likeliest to be what our own draws say."""

        def __call__(self, input_ids: "torch.Tensor", scores: "torch.Tensor") -> "torch.Tensor":
            made = [input_ids.shape[1] - longest] * len(rows)
            tokens = next_token(scores, rows, made)
            return torch.zeros_like(scores).scatter(1, tokens[:, None], 1.0)

    more: dict[str, Any] = {}
    if not next_token.greedy:
        more["logits_processor"] = LogitsProcessorList([Drawn()])
    with torch.inference_mode():
        out = model.generate(
            input_ids=ids.to(model.device),
            attention_mask=mask.to(model.device),
            max_new_tokens=limit,
            do_sample=False,
            pad_token_id=pad,
            eos_token_id=sorted(stops),
            **more,
        )
    return out[:, longest:].tolist()
