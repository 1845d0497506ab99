"""Choose the next token of each answer of a batch: the likeliest, or one that is drawn."""

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Sampling:
    """How answers are drawn; what the model's generation_config says about that is not used.

    temperature: above 0
    top_p:       the smallest set of tokens with this share of the probability is drawn from
    seed:        of the draws
    """

    temperature: float
    top_p: float
    seed: int


class NextToken:
    """The next tokens of answers.

    An answer draws its own numbers, by its name and nothing else: who else is in the batch, and
    where it stands there, changes none of them.
    """

    def __init__(self, sampling: Sampling | None, names: list[str]) -> None:
        self.greedy = sampling is None
        self._sampling = sampling
        self._names = names
        self._sources: dict[int, random.Random] = {}
        self._numbers: dict[int, list[float]] = {}

    def __call__(self, logits: "torch.Tensor", rows: list[int], made: list[int]) -> "torch.Tensor":
        """Return tokens `(batch,)`.

        logits: `(batch, vocabulary)`
        rows:   which answer each is of
        made:   how many tokens that answer has
        """
        import torch

        if self._sampling is None:
            return logits.argmax(-1)
        likely = (logits.float() / self._sampling.temperature).softmax(-1)
        ordered = likely.sort(dim=-1, descending=True).values
        # The likeliest is always among them: before it there is nothing.
        outside = ordered.cumsum(-1) - ordered >= self._sampling.top_p
        outside[:, 0] = False
        least = ordered.masked_fill(outside, 2.0).amin(-1, keepdim=True)
        # Summed by token id: two that are as likely as each other do not change places.
        sums = likely.masked_fill(likely < least, 0.0).cumsum(-1)
        numbers = [self._number(row, at) for row, at in zip(rows, made, strict=True)]
        drawn = torch.tensor(numbers, device=sums.device)[:, None] * sums[:, -1:]
        # Rounding must not carry a draw past the last token that has a share.
        last = (sums < sums[:, -1:]).sum(-1)
        return (sums <= drawn).sum(-1).minimum(last)

    def _number(self, row: int, at: int) -> float:
        """Return the number in [0, 1) that draws a token."""
        if row not in self._sources:
            # Seeded by text, Python's generator gives the same numbers on every machine.
            self._sources[row] = random.Random(f"{self._sampling.seed} {self._names[row]}")
            self._numbers[row] = []
        numbers = self._numbers[row]
        while len(numbers) <= at:
            numbers.append(self._sources[row].random())
        return numbers[at]
