"""How surely a figure holds for other rows like these: intervals, tests, and their correction.

`stages.core.estimates` puts several figures together.

    mean      of one model's rows      scores: bootstrap-t and Student's t, the farther end of both,
    paired    of differences           within Gaffke's bound; pass/fail: Wilson, Bonett and Price
    unpaired  of two samples           MOVER of both means; pass/fail: this is Newcombe's
    p         McNemar's exact test for pass/fail, sign flips for scores, Student's t for few groups,
              Welch's t for two samples
    holm      the correction for the number of tests

Usage:  found = paired(Rows(differences, groups), Sampling(0.95, 9999, "section"), span=(0, 1))
        found.value, found.low, found.high, found.p, found.n, found.groups
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from math import comb, inf, sqrt
from typing import TYPE_CHECKING
from zlib import crc32

from stages.core.estimates import Estimate, total
from stages.core.intervals import Ends, Rows, Sampling, bonett_price, of_scores, wilson

if TYPE_CHECKING:
    from numpy import ndarray

__all__ = [
    "Rows", "Sampling", "correct", "holm", "mean", "paired", "shown", "unpaired",
]  # fmt: skip

# Sign flips of fewer groups cannot give a p below 2**(1 - 14), about 1 / 8192.
FEW = 14
UNBOUNDED = (-inf, inf)


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
