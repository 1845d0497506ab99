"""Which of two models was preferred: what the verdicts on pairs say of the models that there are.

A pair holds for exactly the models that answered: where the manifest.json of one of them has
another digest by now, the verdict is stale and counts for nothing. It holds again when that model
comes back. An export is no model of params.yaml: pairs with one are kept and told, and count for
nothing.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from stages.core.verdict_kinds import PREFERENCES, Pair

EXPORTS = "exports/"


class Side(NamedTuple):
    """A pair as one of its models sees it.

    value: 1 where its answer was preferred, 0.5 where both were as good, 0 where the other's was
    """

    model: str
    answer: str
    digest: str
    value: float


def sides(pair: Pair) -> tuple[Side, Side]:
    """Return both sides of a pair, `model`'s first."""
    value = PREFERENCES[pair["verdict"]]
    return (
        Side(pair["model"], pair["answer"], pair["digest"], value),
        Side(pair["other"], pair["other_answer"], pair["other_digest"], 1 - value),
    )


def seen_from(pair: Pair, model: str) -> tuple[Side, Side] | None:
    """Return both sides, a model's own first; None for a pair that it is not in."""
    one, other = sides(pair)
    return {one.model: (one, other), other.model: (other, one)}.get(model)


class Preferred(NamedTuple):
    """The pairs of one model: those that hold, as it sees them, and those that are stale."""

    held: list[tuple[Side, Side]]
    stale: list[Pair]


def of_model(pairs: Iterable[Pair], model: str, digest: str) -> Preferred:
    """Return what holds for a model as it is now.

    digest: of its manifest.json. That of the other side is not looked at: a model that stands on
    another one names it by hash, so that its own digest changes with it.
    """
    told = Preferred([], [])
    for pair in pairs:
        if both := seen_from(pair, model):
            if both[0].digest == digest:
                told.held.append(both)
            else:
                told.stale.append(pair)
    return told


def why_not(pair: Pair, digests: Mapping[str, str]) -> str:
    """Return why a pair counts for nothing; nothing where it holds.

    digests: of the manifest.json of every model of params.yaml, by name
    """
    for side in sides(pair):
        if side.model.startswith(EXPORTS):
            return f"{side.model}: an export"
        if side.model not in digests:
            return f"{side.model}: no such model"
        if side.digest != digests[side.model]:
            return f"{side.model}: another model by now"
    return ""
