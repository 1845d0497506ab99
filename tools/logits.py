"""Measure whether an exported folder says the same as the stack: logits over real prompts."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from stages.core.errors import Fault, InputError, LineageError
from tools.origin import Origin

if TYPE_CHECKING:
    from torch import Tensor

TEST = "data/test.jsonl"
ROWS = 16
# Of each row its end: a vocabulary is large, and later positions depend on all before them.
TOKENS, POSITIONS = 512, 32
# In float32 nothing but the order of sums differs. Where 16 bits hold weights and activations, or
# the stack rounds its activations to 8, only a part of the logits' own spread can be asked for.
EXACT = 1e-4
ROUNDED = {"16 bits": 0.05, "8 bits": 0.1}


class Difference(NamedTuple):
    """How far the logits of an exported folder are from those of the stack.

    largest, mean: of the absolute differences; deviation: the standard deviation of the stack's
    agreement: share of the positions at which both have the same likeliest token
    rows, positions: how many were compared; of: what the rows are
    """

    largest: float
    mean: float
    deviation: float
    agreement: float
    rows: int
    positions: int
    of: str

    def __str__(self) -> str:
        """Spell it in one sentence."""
        return (
            f"largest logit difference {self.largest:.2g}, mean {self.mean:.2g}, where the logits' "
            f"standard deviation is {self.deviation:.3g}; the same likeliest token at "
            f"{self.agreement:.1%} of {self.positions} positions of {self.rows} {self.of}"
        )

    def too_far(self, precision: str) -> str:
        """Return which limit it breaks, or nothing.

        precision: what the stack computes in: float32, 16 bits or 8 bits
        """
        if precision == "float32":
            seen, limit, kind = self.largest, EXACT * max(1.0, self.deviation), "largest"
        else:
            seen, limit, kind = self.mean, ROUNDED[precision] * self.deviation, "mean"
        told = f"the {kind} difference is {seen:.2g}, above {limit:.2g}, the limit for {precision}"
        return "" if seen <= limit else told


def conversations(origin: Origin, params: dict[str, Any]) -> tuple[list[Any], str]:
    """Return the messages of some test rows, spread over all, and what they are.

    The recipe's probes where the test rows are not to be had (an old revision's may be gone).
    Raises: InputError where there are neither.
    """
    probes = params.get("sources", {}).get("probes", {}).get("file", "")
    places = {
        "test rows": TEST,
        "probes": f"recipes/{params.get('recipe')}/sources/{probes}",
    }
    for kind, path in places.items():
        lines = [line for line in (origin.read(path) or b"").splitlines() if line.strip()]
        if lines:
            step = -(-len(lines) // ROWS)
            try:
                return [json.loads(line)["messages"] for line in lines[::step]], kind
            except (ValueError, TypeError, KeyError) as error:
                what = f"a line is no row: {type(error).__name__}: {error}"
                raise InputError(Fault(f"{origin.said}: {path}", what, then="dvc repro")) from error
    paths = " or ".join(places.values())
    what = "no rows to compare the exported model on"
    raise InputError(Fault(f"{origin.said}: {paths}", what, "a row at least", "dvc repro split"))


def encode(tokenizer: Any, messages: Sequence[Any]) -> list[list[int]]:
    """Return the tokens of whole conversations, as they are trained on, cut at TOKENS."""
    return [
        tokenizer.apply_chat_template(each, tokenize=True, return_dict=False)[:TOKENS]
        for each in messages
    ]


def last_logits(model: Any, sequences: Sequence[list[int]]) -> list["Tensor"]:
    """Return each sequence's logits at its last positions, float32 `(positions, vocabulary)`."""
    import torch

    model.eval()
    found = []
    for ids in sequences:
        with torch.inference_mode():
            out = model(input_ids=torch.tensor([ids], device=model.device), use_cache=False)
        found.append(out.logits[0, -POSITIONS:].float().cpu())
    return found


def compare(stack: list["Tensor"], other: list["Tensor"], of: str) -> Difference:
    """Return how far the second one's logits are from the first one's."""
    import torch

    ours, theirs = torch.cat(stack), torch.cat(other)
    apart = (ours - theirs).abs()
    same = (ours.argmax(-1) == theirs.argmax(-1)).float().mean()
    return Difference(
        apart.max().item(),
        apart.mean().item(),
        ours.std().item(),
        same.item(),
        len(stack),
        len(ours),
        of,
    )


def same_tokens(written: Path, ours: list[list[int]], messages: Sequence[Any]) -> None:
    """Hold that the written tokenizer and chat template spell conversations as those trained on.

    Raises: LineageError when they do not.
    """
    from transformers import AutoTokenizer

    theirs = encode(AutoTokenizer.from_pretrained(written), messages)
    if wrong := sum(one != other for one, other in zip(ours, theirs, strict=True)):
        what = f"its tokenizer spells {wrong} of {len(ours)} conversations differently"
        raise LineageError(Fault(str(written), what, "the tokens that the model was trained on"))
