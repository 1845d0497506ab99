"""How surely a figure holds for other rows like these: intervals, tests, and their correction.

    mean      of one model's rows      scores: bootstrap-t and Student's t, the farther end of both,
    paired    of differences           within Gaffke's bound; pass/fail: Wilson, Bonett and Price
    unpaired  of two samples           MOVER of both means; pass/fail: this is Newcombe's
    total     of independent figures   MOVER
    average   over several sections    MOVER, with the correlations of those that share rows
    share     of what was lost         MOVER-R (recovery)
    p         McNemar's exact test for pass/fail, sign flips for scores, Student's t for few groups,
              Welch's t for two samples
    holm      the correction for the number of tests

Usage:  found = paired(Rows(differences, groups), Sampling(0.95, 9999, "section"), span=(0, 1))
        found.value, found.low, found.high, found.p, found.n, found.groups
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import comb, inf, sqrt
from typing import TYPE_CHECKING
from zlib import crc32

from stages.core.intervals import Ends, Rows, Sampling, bonett_price, of_scores, wilson

if TYPE_CHECKING:
    from numpy import ndarray

__all__ = [
    "Estimate", "Rows", "Sampling", "average", "correct", "correlation", "holm", "mean", "paired",
    "share", "shown", "total", "unpaired",
]  # fmt: skip

# Sign flips of fewer groups cannot give a p below 2**(1 - 14), about 1 / 8192.
FEW = 14
UNBOUNDED = (-inf, inf)


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


def shown(found: Mapping[str, float], confidence: float) -> bool:
    """Tell whether a difference is shown: its interval excludes 0 and so does the corrected p.

    found: low, high and p_holm, or p where nothing else was tested; not shown where one is absent
    """
    if "low" not in found or found["low"] <= 0 <= found["high"]:
        return False
    # A p of 0.0504 stands in a file as 0.05, and 1 - 0.95 is a little more than that.
    return found.get("p_holm", found.get("p", 1.0)) < round(1 - confidence, 9)


def correct(family: Iterable[dict[str, float]]) -> None:
    """Add p_holm to all that were tested together, beside their p."""
    tested = [found for found in family if "p" in found]
    for found, p in zip(tested, holm([found["p"] for found in tested]), strict=True):
        found["p_holm"] = p


def holm(ps: Sequence[float]) -> list[float]:
    """Correct p-values for their number: that any of them is falsely small has at most level p.

    Source: Holm 1979, https://www.jstor.org/stable/4615733
    """
    order = sorted(range(len(ps)), key=lambda at: ps[at])
    corrected, largest = [0.0] * len(ps), 0.0
    for rank, at in enumerate(order):
        largest = max(largest, min(1.0, ps[at] * (len(ps) - rank)))
        corrected[at] = largest
    return corrected


def mean(rows: Rows, sampling: Sampling, span: Ends = UNBOUNDED) -> Estimate:
    """Return the mean of rows with its interval. `span`: the range that a value can have."""
    if span == (0, 1) and rows.only(0, 1):
        ends: Ends | tuple[None, None] = wilson(rows, sampling.confidence)
    else:
        ends = of_scores(rows, span, sampling)
    return Estimate(rows.mean, *ends, rows.n, rows.groups)


def paired(rows: Rows, sampling: Sampling, span: Ends = UNBOUNDED) -> Estimate:
    """Return the mean of differences over the same rows, with its interval and p.

    rows: its values are differences; span: the range of a score, not of a difference
    """
    width = span[1] - span[0]
    if width == 1 and rows.only(-1, 0, 1):
        ends: Ends | tuple[None, None] = bonett_price(rows, sampling.confidence)
    else:
        ends = of_scores(rows, (-width, width), sampling)
    return Estimate(rows.mean, *ends, rows.n, rows.groups, p_paired(rows, sampling))


@lru_cache(maxsize=2)
def _flips(name: str, bundles: int, resamples: int) -> "ndarray":
    """Return random signs: (bundles, resamples)."""
    import numpy as np

    stream = np.random.default_rng([crc32(name.encode()), bundles, 1])
    return stream.integers(0, 2, size=(bundles, resamples), dtype=np.int8) * 2.0 - 1.0


@lru_cache
def _patterns(bundles: int) -> "ndarray":
    """Return all patterns of signs: (bundles, 2**bundles)."""
    import numpy as np

    return (np.arange(2**bundles) >> np.arange(bundles)[:, None] & 1) * 2.0 - 1.0


def p_paired(rows: Rows, sampling: Sampling) -> float:
    """Return the two-sided p of no difference, in (0, 1].

    Pass/fail, each row a group of its own: McNemar's exact test. Otherwise the signs of whole
    groups are flipped: that tests the very mean that is shown, keeps weights and groups, and has
    no trouble with ties, as Wilcoxon's ranks have. Few groups of several rows: `p_student`.
    Source: McNemar 1947, https://doi.org/10.1007/BF02295996; Fisher 1935, section 21; for systems
    on the same rows Dror et al. 2018, https://aclanthology.org/P18-1128
    """
    import numpy as np

    if rows.groups == rows.n and rows.only(-1, 0, 1):
        return mcnemar(int((rows.values > 0).sum()), int((rows.values < 0).sum()))
    if rows.groups < min(FEW, rows.n):
        return p_student(rows)
    differing = rows.sums[rows.sums != 0]
    every = 2 ** len(differing) <= sampling.resamples
    if every:
        signs = _patterns(len(differing))
    else:
        flips = _flips(sampling.name, len(rows.sums), sampling.resamples)
        signs = flips[: len(differing)]
    # Sums of the same numbers in another order differ in the last digits.
    alike = 1e-12 * np.abs(differing).sum()
    as_large = np.abs(differing @ signs) >= abs(differing.sum()) - alike
    return float(as_large.mean() if every else (as_large.sum() + 1) / (len(as_large) + 1))


def p_student(rows: Rows) -> float:
    """Return the p of Student's t over groups, one more of no difference among them.

    Without that one, few groups that all agree would make p as small as one likes.
    Source: Cameron & Miller 2015, section VI, https://doi.org/10.3368/jhr.50.2.317
    """
    from scipy.special import stdtr

    zero = rows.with_rows(0.0, weight=float(rows.sizes.mean()))
    return float(2 * stdtr(rows.groups, -abs(zero.mean) / zero.error)) if zero.error else 1.0


def mcnemar(won: int, lost: int) -> float:
    """Return McNemar's exact two-sided p: a binomial test of the rows that changed."""
    changed = won + lost
    tail = sum(comb(changed, k) for k in range(min(won, lost) + 1)) / 2**changed
    return min(1.0, 2 * tail)


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


def unpaired(one: Rows, other: Rows, sampling: Sampling, span: Ends = UNBOUNDED) -> Estimate:
    """Return the difference of the means of two samples, `one` - `other`, with interval and p.

    Source: for pass/fail Newcombe 1998, method 10,
    https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I
    """
    sides = [
        mean(rows, replace(sampling, name=f"{sampling.name} {side}"), span)
        for side, rows in (("one", one), ("other", other))
    ]
    return replace(total(sides, (1.0, -1.0)), p=p_unpaired(one, other))


def p_unpaired(one: Rows, other: Rows) -> float:
    """Return the p of Welch's t; pass/fail with a row more of each kind on both sides.

    Source: Welch 1947, https://doi.org/10.2307/2332510; Agresti & Caffo 2000,
    https://doi.org/10.1080/00031305.2000.10474560
    """
    from scipy.special import stdtr

    if one.mean == other.mean or min(one.groups, other.groups) < 2:
        return 1.0  # one group alone does not tell how far another would be off
    if one.only(0, 1) and other.only(0, 1):
        one, other = (rows.with_rows(0.0, 1.0) for rows in (one, other))
    errors = one.error**2, other.error**2
    if not sum(errors):
        return 2 / comb(one.groups + other.groups, one.groups)
    freedom = sum(errors) ** 2 / sum(
        error**2 / max(of.groups - 1, 1) for error, of in zip(errors, (one, other), strict=True)
    )
    return float(2 * stdtr(freedom, -abs(one.mean - other.mean) / sqrt(sum(errors))))


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
