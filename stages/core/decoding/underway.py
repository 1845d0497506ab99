"""Answers under way: many rows of one cache, which come and go on their own.

    prompts ──┐ one pass: the prompts' keys and values, the likelihood of the references, and how
    references┘ far each reference is what the model says by itself
                  │
                  └─► rows of the cache ──► one token a step ──► rows that ended leave at once,
                            ▲                                    others take their place
                            └── left-padded: prompt and answer so far stand at the right end

The likelihood of a reference needs the pass over prompt and reference anyway. Its logits tell what
the model says next at every place of the reference, so that a greedy answer is known up to the
first token in which it differs from the reference; only from there on it is made token by token.
That is speculative decoding (https://arxiv.org/abs/2211.17192) with the reference as the draft. No
token comes from a reference: each is the model's first choice after its own tokens before.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stages.core.decoding.growing import growing_cache
from stages.core.decoding.next_token import NextToken
from stages.core.decoding.reading import read, vocabulary
from stages.core.decoding.wanted import Answered, Wanted, fits, parts

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


@dataclass
class Cache:
    """Keys and values of rows under way, padded on the left.

    rows:  which answer each row is of
    held:  a cache of `stages.core.decoding.growing`
    mask:  `(batch, length)`, 1 where a row has a token
    last:  `(batch,)`, the token of each that is not in the cache yet
    """

    rows: list[int]
    held: Any
    mask: "torch.Tensor"
    last: "torch.Tensor"

    def keep(self, at: list[int]) -> None:
        """Keep these rows only, and no column that is padding in all of them."""
        import torch

        with torch.inference_mode():
            chosen = torch.tensor(at, device=self.mask.device)
            mask = self.mask[chosen]
            empty = self.mask.shape[1] - int(mask.sum(1).max())
            for layer in self.held.layers:
                layer.keep(chosen, empty)
            self.mask, self.last = mask[:, empty:], self.last[chosen]
        self.rows = [self.rows[index] for index in at]

    def join(self, other: "Cache") -> None:
        """Take in the rows of another cache."""
        import torch
        from torch.nn.functional import pad

        length = max(self.mask.shape[1], other.mask.shape[1])
        with torch.inference_mode():
            for layer, more in zip(self.held.layers, other.held.layers, strict=True):
                layer.join(more)
            masks = [pad(each.mask, (length - each.mask.shape[1], 0)) for each in (self, other)]
            self.mask, self.last = torch.cat(masks), torch.cat([self.last, other.last])
        self.rows += other.rows


def decode(
    model: "PreTrainedModel",
    wanted: list[Wanted],
    stops: set[int],
    batch_tokens: int,
    next_token: NextToken,
) -> Iterator[tuple[int, Answered]]:
    """Yield each answer, by its place in `wanted`, when it has ended."""
    answers = [Answered() for _ in wanted]
    # Few begin at once: they are of more like length, and take the place of those that leave soon.
    waiting = parts(wanted, batch_tokens // 8, batch_tokens, vocabulary(model))[::-1]
    under: Cache | None = None
    while waiting or under:
        if waiting and (not under or fits(wanted, under.rows + waiting[-1], batch_tokens)):
            part = waiting.pop()
            opened = begin(model, wanted, part, answers, stops, next_token)
            yield from ((row, answers[row]) for row in part if answers[row].reason)
            if under and opened:
                under.join(opened)
            under = under or opened
            continue
        step(model, under, wanted, answers, stops, next_token)
        ended = [row for row in under.rows if answers[row].reason]
        yield from ((row, answers[row]) for row in ended)
        if len(ended) == len(under.rows):
            under = None
        elif ended:
            under.keep([at for at, row in enumerate(under.rows) if not answers[row].reason])


def begin(
    model: "PreTrainedModel",
    wanted: list[Wanted],
    rows: list[int],
    answers: list[Answered],
    stops: set[int],
    next_token: NextToken,
) -> Cache | None:
    """Run prompts and references once; return those whose answers go on, or None."""
    import torch

    held = growing_cache()
    seen = read(model, wanted, rows, answers, held)
    first = next_token(seen.logits[seen.places, 0], rows, [0] * len(rows)).tolist()
    going: list[tuple[int, int, int, int]] = []
    for row, at, token in zip(rows, seen.places, first, strict=True):
        reference, limit = wanted[row].reference, wanted[row].limit
        drafted = seen.said[at][1 : len(reference) + 1] if next_token.greedy else []
        last, agreed = follow(answers[row], token, reference, drafted, limit, stops)
        if not answers[row].reason:
            going.append((row, at, len(wanted[row].prompt) + agreed, last))
    if not going:
        return None
    with torch.inference_mode():
        at, filled, last = (
            torch.tensor(each, device=model.device) for each in list(zip(*going, strict=True))[1:]
        )
        width = int(filled.max())
        columns = torch.arange(width, device=model.device)
        # What a row has begins in some column of the old cache; it ends in the last of the new one.
        begins = torch.tensor([seen.before - len(wanted[row].prompt) for row, *_ in going])
        taken = columns + (begins.to(model.device) + filled - width)[:, None]
        taken = taken.clamp(min=0)
        for layer in held.layers:
            layer.hold(
                *(
                    part[at[:, None], :, taken].transpose(1, 2)
                    for part in (layer.keys, layer.values)
                )
            )
        mask = (columns >= width - filled[:, None]).long()
    return Cache([row for row, *_ in going], held, mask, last)


def follow(
    answer: Answered,
    token: int,
    reference: list[int],
    drafted: list[int],
    limit: int,
    stops: set[int],
) -> tuple[int, int]:
    """Add an answer's first token, and what follows as long as it is the reference's own.

    drafted: the model's first choice after each token of the reference
    Returns the last token and how many of the reference's came before it.
    """
    agreed = 0
    while answer.add(token, limit, stops) and agreed < len(drafted) and token == reference[agreed]:
        token = drafted[agreed]
        agreed += 1
    return token, agreed


def step(
    model: "PreTrainedModel",
    under: Cache,
    wanted: list[Wanted],
    answers: list[Answered],
    stops: set[int],
    next_token: NextToken,
) -> None:
    """Make the next token of every answer under way."""
    import torch

    made = [len(answers[row].tokens) for row in under.rows]
    with torch.inference_mode():
        under.mask = torch.cat([under.mask, torch.ones_like(under.mask[:, :1])], dim=1)
        logits = model(
            input_ids=under.last[:, None],
            attention_mask=under.mask,
            position_ids=under.mask.sum(1, keepdim=True) - 1,
            past_key_values=under.held,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
        under.last = next_token(logits, under.rows, made)
    for row, token in zip(under.rows, under.last.tolist(), strict=True):
        answers[row].add(token, wanted[row].limit, stops)
