"""Intervals of a mean, one for each kind of data. `stages.core.significance` chooses among them.

Rows of one group are no independent witnesses: groups are drawn and counted as a whole.
`bench/coverage.py` measures what each interval holds under a known truth.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite, sqrt
from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    from numpy import ndarray

# Where fewer groups than this differ at all, sign flips cannot tell them from none either
# (2 / 2**5 > 0.05), and a bootstrap has too little to draw from.
SPARSE = 6
# More groups are drawn and flipped in so many bundles: as good, and memory and time stay small.
BUNDLES = 500
# A resample without variation lies this many of its errors off, instead of infinitely many.
FAR = 1e9
Ends = tuple[float, float]


@dataclass(frozen=True)
class Sampling:
    """How intervals and tests are made: of the section `compare` of params.yaml, and a name.

    confidence: of the intervals, in (0, 1)
    resamples:  draws of the bootstrap, and sign flips
    name:       decides the draws: same name and same number of groups, same draws, on every run
    """

    confidence: float
    resamples: int
    name: str = ""


class Rows:
    """Values of rows, summed by group or bundle of groups: all that intervals and tests need.

    values:  (n,) each row's value, or difference
    groups:  (n,) which rows belong together; None: each row is a group of its own
    weights: (n,) of the mean; None: all alike
    sums, sizes: (bundles,) of weights * values, of weights

    Raises: ValueError for no rows, columns of other lengths, a value that is no finite number, or
        a weight that is not above 0.
    """

    def __init__(
        self,
        values: Sequence[float],
        groups: Sequence[Hashable] | None = None,
        weights: Sequence[float] | None = None,
    ) -> None:
        import numpy as np

        self.values = np.asarray(values, dtype=np.float64)
        self.n = len(self.values)
        self.weights = np.ones(self.n) if weights is None else np.asarray(weights, np.float64)
        groups = range(self.n) if groups is None else groups
        if not self.n or not self.n == len(self.weights) == len(groups):
            raise ValueError("values, groups and weights of the same rows, one at least")
        if not (np.isfinite(self.values).all() and np.isfinite(self.weights).all()):
            raise ValueError("a value is no finite number")
        if self.weights.min() <= 0:
            raise ValueError("a weight is not above 0")
        numbers: dict[Hashable, int] = {}
        self.of_row = [numbers.setdefault(group, len(numbers)) for group in groups]
        self.names = list(numbers)
        self.groups = len(numbers)
        bundle = np.asarray(self.of_row) % BUNDLES
        self.sums = np.bincount(bundle, self.weights * self.values)
        self.sizes = np.bincount(bundle, self.weights)
        self.mean = float(self.sums.sum() / self.sizes.sum())

    @property
    def residuals(self) -> "ndarray":
        """Return what each bundle adds to the mean's error: (bundles,)."""
        return (self.sums - self.mean * self.sizes) / self.sizes.sum()

    def by_group(self) -> dict[Hashable, float]:
        """Return what each group adds to the mean's error, by the group's name."""
        import numpy as np

        off = np.bincount(self.of_row, self.weights * (self.values - self.mean))
        return dict(zip(self.names, (off / self.weights.sum()).tolist(), strict=True))

    @property
    def error(self) -> float:
        """Return the mean's standard error, of groups drawn as a whole.

        Source: Taylor linearization of a ratio, https://doi.org/10.3368/jhr.50.2.317 (CR1)
        """
        bundles = len(self.sums)
        return sqrt(bundles / max(bundles - 1, 1) * float((self.residuals**2).sum()))

    def with_rows(self, *values: float, weight: float = 1.0) -> "Rows":
        """Return these rows and one more for each value, each a group of its own."""
        of_row = [*self.of_row, *range(self.groups, self.groups + len(values))]
        weights = [*self.weights, *(weight for _ in values)]
        return Rows([*self.values, *values], of_row, weights)

    def only(self, *allowed: float) -> bool:
        """Tell whether all rows weigh the same and their values are among these."""
        import numpy as np

        return bool((self.weights == 1).all() and np.isin(self.values, allowed).all())


@lru_cache(maxsize=2)
def _draws(name: str, bundles: int, resamples: int) -> "ndarray":
    """Return how often each bundle is drawn in each resample: (resamples, bundles)."""
    import numpy as np

    stream = np.random.default_rng([crc32(name.encode()), bundles])
    drawn = stream.integers(0, bundles, size=(resamples, bundles))
    drawn += np.arange(resamples)[:, None] * bundles  # counted at once, and faster than multinomial
    return np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape).astype(np.float64)


@lru_cache(maxsize=2)
def _shares(name: str, bundles: int, resamples: int) -> "tuple[ndarray, ndarray]":
    """Return shares of the Bayesian bootstrap, not normed, and those of one group not seen."""
    import numpy as np

    stream = np.random.default_rng([crc32(name.encode()), bundles, 2])
    return stream.exponential(size=(resamples, bundles)), stream.exponential(size=resamples)


def _normal(confidence: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf((1 + confidence) / 2)


def _student(confidence: float, freedom: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + confidence) / 2))


def _effective(rows: Rows, variance: float, confidence: float) -> tuple[float, float]:
    """Return how many independent rows these are worth, and the quantile for so many groups.

    variance: of the mean, were the rows independent
    Source: Korn & Graubard 1998, Survey Methodology 24(2), 193-201
    """
    if rows.groups == rows.n or variance <= 0:  # all rows alike: as many witnesses as groups
        return rows.groups, _normal(confidence)
    effective = rows.n / max(1.0, rows.error**2 / variance)
    return effective, _student(confidence, max(rows.groups - 1, 1))


def wilson(rows: Rows, confidence: float) -> Ends:
    """Return the interval of a share of rows that pass.

    Source: Wilson 1927; Brown, Cai & DasGupta 2001, https://doi.org/10.1214/ss/1009213286
    """
    share = rows.mean
    n, z = _effective(rows, share * (1 - share) / max(rows.n - 1, 1), confidence)
    centre = (share + z * z / 2 / n) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / 4 / n / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def bonett_price(rows: Rows, confidence: float) -> Ends:
    """Return the interval of a difference of two shares over the same rows: one row more each way.

    Source: Bonett & Price 2012, https://doi.org/10.3102/1076998611411915; recommended by
    Fagerland, Lydersen & Laake 2014, https://doi.org/10.1002/sim.6148
    """
    spread = float((rows.values**2).mean()) - rows.mean**2
    n, z = _effective(rows, spread / max(rows.n - 1, 1), confidence)
    won, lost = (((rows.values == side).mean() * n + 1) / (n + 2) for side in (1, -1))
    half = z * sqrt(max(won + lost - (won - lost) ** 2, 0) / (n + 2))
    return max(-1.0, won - lost - half), min(1.0, won - lost + half)


def bootstrap_t(rows: Rows, sampling: Sampling) -> Ends | None:
    """Return the bootstrap-t interval of a mean, or None where the resamples do not vary enough.

    Source: Efron & Tibshirani 1993, section 12.5; Hesterberg 2015,
    https://doi.org/10.1080/00031305.2015.1089789
    """
    import numpy as np

    if rows.error == 0:
        return None
    bundles = len(rows.sums)
    counts = _draws(sampling.name, bundles, sampling.resamples)
    residuals, sizes = rows.residuals * rows.sizes.sum(), rows.sizes
    columns = np.stack([residuals, sizes, residuals**2, residuals * sizes, sizes**2], axis=1)
    off, size, square, cross, sizes_square = (counts @ columns).T
    off = off / size
    variance = (square - 2 * off * cross + off**2 * sizes_square) / size**2
    error = np.sqrt(np.maximum(variance, 0) * bundles / max(bundles - 1, 1))
    drawn = off / np.maximum(error, rows.error / FAR)
    tails = (1 - sampling.confidence) / 2, (1 + sampling.confidence) / 2
    low, high = np.quantile(drawn, tails)
    if max(abs(low), abs(high)) > FAR / 1000:
        return None
    return rows.mean - float(high) * rows.error, rows.mean - float(low) * rows.error


def bounded(rows: Rows, span: Ends, sampling: Sampling) -> Ends | None:
    """Return an interval for any values in `span`: what was not seen may lie at either end.

    Each end is a quantile of the Bayesian bootstrap with one group more, at that end; for
    pass/fail that is Clopper and Pearson's interval. Wide, but it needs no variation.
    Source: Gaffke 2005; Learned-Miller & Thomas 2019, https://arxiv.org/abs/1905.06208
    """
    import numpy as np

    if not (isfinite(span[0]) and isfinite(span[1])):
        return None
    shares, of_unseen = _shares(sampling.name, len(rows.sums), sampling.resamples)
    sums, sizes = shares @ rows.sums, shares @ rows.sizes
    unseen = of_unseen * rows.sizes.sum() / rows.groups
    tails = (1 - sampling.confidence) / 2, (1 + sampling.confidence) / 2
    low, high = (
        float(np.quantile((sums + unseen * end) / (sizes + unseen), tail))
        for end, tail in zip(span, tails, strict=True)
    )
    return low, high


def of_scores(rows: Rows, span: Ends, sampling: Sampling) -> Ends | tuple[None, None]:
    """Return the interval of a mean of scores, where there is one.

    Each end is the farther of `bootstrap_t`, which leans to a long tail, and Student's t, which is
    longer where few rows differ both ways. None goes beyond `bounded`, which stands alone where
    next to no rows differ.
    """
    import numpy as np

    usual = np.median(rows.sums / rows.sizes)
    varied = int((np.abs(rows.sums / rows.sizes - usual) > 1e-12).sum())
    bound = bounded(rows, span, sampling)
    found = bootstrap_t(rows, sampling) if varied >= SPARSE or not bound else None
    if not varied or (bound and not found):
        return bound or (None, None)
    half = _student(sampling.confidence, len(rows.sums) - 1) * rows.error
    low, high = rows.mean - half, rows.mean + half
    if found:
        low, high = min(low, found[0]), max(high, found[1])
    return (max(low, bound[0]), min(high, bound[1])) if bound else (low, high)
