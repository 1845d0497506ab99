"""Whom the answers describe: the classes of an attribute, and how often each was counted."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import TYPE_CHECKING, Any

from stages.profile.consistency import ABSENT, value_of

if TYPE_CHECKING:
    from numpy import ndarray

NONE, OTHER = "none", "other"  # null, or a blank text; none of the declared values
# No classes: the key is not there; no record or no class. No value is spelled with a blank before.
MISSING, INVALID = " missing", " invalid"
LONGEST = 60  # characters of a class: a model may say anything
MOST = 20  # classes of an attribute; the rarer ones count as OTHER

Held = list[tuple[Hashable, Any]]  # group and record of each answer, or training row


def class_of(record: Any, asked: dict[str, Any]) -> str:
    """Return the class that a record falls into, or MISSING, or INVALID.

    asked: field, and bins (where the next class of a number begins) or values (the classes), or
    neither: each text, whatever its case, is a class. null is a class of its own: `none`.
    """
    if not isinstance(record, dict):
        return INVALID
    value = value_of(record, asked["field"])
    if value is ABSENT:
        return MISSING
    if value is None or (isinstance(value, str) and not value.strip()):
        return NONE
    if isinstance(value, dict | list):
        return INVALID
    if bins := asked.get("bins"):
        return _bin(value, bins)
    told = _told(value)
    if "values" in asked:
        return next((_told(each) for each in asked["values"] if _told(each) == told), OTHER)
    return told


def _told(value: Any) -> str:
    """Spell a value so that what differs in case or in white space is the same."""
    if isinstance(value, bool):
        return str(value).lower()
    # Half of a surrogate pair, which JSON can spell, cannot be written to a file.
    whole = str(value).encode("utf-8", "replace").decode()
    told = " ".join(whole.casefold().split())
    return told if len(told) <= LONGEST else told[: LONGEST - 1] + "…"


def _bin(value: Any, bins: list[float]) -> str:
    try:
        number = float(value) if not isinstance(value, bool) else None
    except (ValueError, OverflowError):  # no number; or one of 400 digits
        number = None
    if number is None or not isfinite(number):
        return INVALID
    return bin_names(bins)[bisect_right(bins, number)]


def bin_names(bins: list[float]) -> list[str]:
    """Return what the classes between bins are called, in their order."""
    ends = [f"{each:.12g}" for each in bins]
    between = [f"{low} to <{high}" for low, high in pairwise(ends)]
    return [f"<{ends[0]}", *between, f"≥{ends[-1]}"]


@dataclass(frozen=True)
class Distribution:
    """How often each class was counted, by group.

    counts:  (groups, classes)
    groups:  what the rows of counts are called
    missing, invalid: answers that fell into no class
    """

    counts: "ndarray"
    groups: list[Hashable]
    missing: int
    invalid: int

    @property
    def n(self) -> int:
        """Return how many answers fell into a class."""
        return int(self.counts.sum())

    @property
    def shares(self) -> "ndarray":
        """Return the share of each class, (classes,); 0 throughout without an answer."""
        return self.counts.sum(0) / max(self.n, 1)

    @property
    def design_effect(self) -> float:
        """Return how many answers count as one, since those of one group are alike; 1 at least.

        Source: Rao & Scott 1981, https://doi.org/10.2307/2287815, the first-order correction
        """
        totals, n, groups = self.counts.sum(0), self.n, len(self.groups)
        seen = totals > 0
        if n == 0 or groups < 2 or seen.sum() < 2:
            return n / groups if groups else 1.0
        shares = totals[seen] / n
        off = self.counts[:, seen] - shares * self.counts.sum(1, keepdims=True)
        variances = groups / (groups - 1) * (off**2).sum(0) / n**2
        return max(1.0, float(n / (seen.sum() - 1) * (variances / shares).sum()))


def classes(asked: dict[str, Any], counted: Sequence[Counter[str]]) -> list[str]:
    """Return the classes of an attribute, the same for the dataset and all models.

    counted: class -> how often, of the dataset and of each model
    Bins and declared values in their order; else by how often they were counted, MOST at most.
    """
    every: Counter[str] = sum(counted, Counter())
    for apart in (MISSING, INVALID):
        every.pop(apart, None)
    if bins := asked.get("bins"):
        found = bin_names(bins)
    elif "values" in asked:
        found = [_told(each) for each in asked["values"]]
    else:
        by_count = sorted(every, key=lambda each: (-every[each], each))
        found = [each for each in by_count if each not in (NONE, OTHER)][:MOST]
    last = [OTHER] if set(every) - {*found, NONE} else []
    return [*found, *([NONE] if NONE in every and NONE not in found else []), *last]


def distribution(held: Held, asked: dict[str, Any], names: list[str]) -> Distribution:
    """Count the classes of answers by group."""
    import numpy as np

    place = {name: at for at, name in enumerate(names)}
    groups = {group: at for at, group in enumerate(dict.fromkeys(group for group, _ in held))}
    counts = np.zeros((len(groups), len(names)))
    apart: Counter[str] = Counter()
    for group, record in held:
        found = class_of(record, asked)
        if found in (MISSING, INVALID):
            apart[found] += 1
        else:
            counts[groups[group], place.get(found, place.get(OTHER, 0))] += 1
    filled = counts.sum(1) > 0
    kept = [group for group, any_ in zip(groups, filled, strict=True) if any_]
    return Distribution(counts[filled], kept, apart[MISSING], apart[INVALID])


def entropy(shares: "ndarray") -> float:
    """Return how even a distribution is: 0 one class only, 1 all alike (Shannon, over the most).

    Source: Pielou 1966, https://doi.org/10.1016/0022-5193(66)90013-0 (evenness)
    """
    import numpy as np

    seen = shares[shares > 0]
    most = np.log(len(shares)) if len(shares) > 1 else 1.0
    return float(-(seen * np.log(seen)).sum() / most) + 0.0
