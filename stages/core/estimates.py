"""Figures with their intervals, put together: sums, means of sections, a share of what was lost.

total     of independent figures   MOVER
average   over several sections    MOVER, with the correlations of those that share rows
share     of what was lost         MOVER-R (recovery)
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from math import sqrt

from stages.core.intervals import Ends, Rows


@dataclass(frozen=True)
class Estimate:
    """A figure and how surely it holds.

    low, high: its interval; None where the rows cannot tell (no variation in an unbounded score)
    n, groups: rows, and groups of rows that belong together
    p:         two-sided, of no difference, in (0, 1]; None where nothing was tested
    """

    value: float
    low: float | None
    high: float | None
    n: int
    groups: int
    p: float | None = None

    def told(self) -> dict[str, float]:
        """Return n, groups, low, high and p as the metric files have them; absent where None."""
        found = {"n": self.n, "groups": self.groups, "low": self.low, "high": self.high}
        found["p"] = self.p
        return {key: value for key, value in found.items() if value is not None}

    def negated(self) -> "Estimate":
        """Return the same, looked at from the other side."""
        low, high = (None if end is None else -end for end in (self.high, self.low))
        return replace(self, value=-self.value, low=low, high=high)


def correlation(ones: Sequence[Rows], others: Sequence[Rows]) -> float:
    """Return how far the errors of two sums of means hang together, in [-1, 1].

    By what the groups that both sides know add to them; 0 where they have none in common.
    """
    errors: list[dict[Hashable, float]] = [{}, {}]
    for of_side, side in zip(errors, (ones, others), strict=True):
        for rows in side:
            for group, error in rows.by_group().items():
                of_side[group] = of_side.get(group, 0.0) + error
    one, other = errors
    both = sum(error * other[group] for group, error in one.items() if group in other)
    spread = [sum(error**2 for error in of_side.values()) for of_side in errors]
    return max(-1.0, min(1.0, both / sqrt(spread[0] * spread[1]))) if all(spread) else 0.0


def average(estimates: Sequence[Estimate], of_rows: Sequence[Rows]) -> Estimate:
    """Return the mean of figures with its interval, also of figures that share rows or groups.

    of_rows: what each figure is the mean of
    Sections may overlap: their errors add up then, and their groups count once.
    Source: Zou & Donner 2008 (MOVER), https://doi.org/10.1002/sim.3095, with correlations
    """
    found = total(estimates)
    groups = {group for rows in of_rows for group in rows.names}
    if found.low is None or len(groups) == found.groups:  # nothing in common
        return found
    below = above = 0.0
    for of, its in zip(estimates, of_rows, strict=True):
        for other, others in zip(estimates, of_rows, strict=True):
            alike = correlation([its], [others]) if of is not other else 1.0
            below += alike * (of.value - of.low) * (other.value - other.low)
            above += alike * (of.high - of.value) * (other.high - other.value)
    below, above = (sqrt(max(0.0, side)) / len(estimates) for side in (below, above))
    ends = found.value - below, found.value + above
    return Estimate(found.value, *ends, found.n, len(groups))


def total(estimates: Sequence[Estimate], weights: Sequence[float] | None = None) -> Estimate:
    """Return the weighted sum of independent figures with its interval; by default their mean.

    Source: Zou & Donner 2008 (MOVER), https://doi.org/10.1002/sim.3095
    """
    parts = list(zip(weights or [1 / len(estimates)] * len(estimates), estimates, strict=True))
    value = sum(weight * of.value for weight, of in parts)
    n, groups = sum(of.n for of in estimates), sum(of.groups for of in estimates)
    if any(of.low is None or of.high is None for of in estimates):
        return Estimate(value, None, None, n, groups)
    below = above = 0.0
    for weight, of in parts:
        sides = weight * (of.value - of.low), weight * (of.high - of.value)
        below += (sides[0] if weight > 0 else sides[1]) ** 2
        above += (sides[1] if weight > 0 else sides[0]) ** 2
    return Estimate(value, value - sqrt(below), value + sqrt(above), n, groups)


def share(part: Estimate, whole: Estimate, correlation: float) -> Ends | None:
    """Return the interval of part.value / whole.value, or None where `whole` may be nothing.

    correlation: of the two figures' errors
    The ends are where MOVER's interval of part - end * whole just reaches 0: Fieller's theorem
    where both sides are even.
    Source: Newcombe 2016 (MOVER-R), https://doi.org/10.1177/0962280213502144
    """
    if part.low is None or part.high is None or whole.low is None or whole.high is None:
        return None
    if whole.low <= 0:
        return None
    below, above = whole.value - whole.low, whole.high - whole.value

    def end(side: int, off: float, off_whole: float) -> float:
        square = whole.value**2 - off_whole**2
        middle = part.value * whole.value - correlation * off * off_whole
        root = sqrt(max(middle**2 - square * (part.value**2 - off**2), 0.0))
        return (middle + side * root) / square

    low = end(-1, part.value - part.low, above)
    low = low if low >= 0 else end(-1, part.value - part.low, below)
    high = end(1, part.high - part.value, below)
    return low, high if high >= 0 else end(1, part.high - part.value, above)
