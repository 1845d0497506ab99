"""How surely two models differ: paired bootstrap, McNemar's test, sign-flip permutation test."""

from typing import TYPE_CHECKING, Any
from zlib import crc32

if TYPE_CHECKING:
    from numpy import ndarray


class Resampling:
    """Draws rows with replacement and flips signs, the same way for every key of a section.

    counts: (resamples, n), how often each row was drawn; signs: (resamples, n), -1 or 1
    """

    def __init__(self, section: str, n: int, resamples: int) -> None:
        """Draw from a stream of the section's own: same rows, same interval, on every run."""
        import numpy as np

        stream = np.random.default_rng([crc32(section.encode()), n])
        self.counts = stream.multinomial(n, np.full(n, 1 / n), size=resamples).astype(np.float64)
        self.signs = stream.integers(0, 2, size=(resamples, n)).astype(np.float64) * 2 - 1

    def means(self, values: "ndarray", weights: "ndarray") -> "ndarray":
        """Return the weighted mean of `values` (n,) in each resample: (resamples,)."""
        return (self.counts @ (values * weights)) / (self.counts @ weights)

    def p(self, differences: "ndarray", weights: "ndarray") -> float:
        """Return the two-sided p of no difference, in (0, 1].

        McNemar's exact test where all scores are 0 or 1 (differences -1, 0, 1), otherwise a
        sign-flip permutation test, never below 1 / (resamples + 1).
        Source: https://doi.org/10.1007/BF02295996; https://arxiv.org/abs/1809.01448
        """
        import numpy as np

        if np.isin(differences, (-1.0, 0.0, 1.0)).all() and (weights == 1).all():
            return mcnemar(int((differences > 0).sum()), int((differences < 0).sum()))
        weighted = differences * weights
        observed = abs(weighted.sum())
        flipped = np.abs(self.signs @ weighted)
        # Sums of the same numbers in another order differ in the last digits.
        as_large = int((flipped >= observed * (1 - 1e-12)).sum())
        return (as_large + 1) / (len(flipped) + 1)


class Section:
    """One section's rows, and their resamplings: one for each number of rows that have a key."""

    def __init__(self, name: str, rows: list[str], settings: dict[str, Any]) -> None:
        self.name, self.rows, self.settings = name, rows, settings
        self.by_n: dict[int, Resampling] = {}

    def resampling(self, n: int) -> Resampling:
        """Return the resampling of n rows."""
        if n not in self.by_n:
            self.by_n[n] = Resampling(self.name, n, self.settings["resamples"])
        return self.by_n[n]


def interval(drawn: "ndarray", confidence: float) -> dict[str, float]:
    """Return low and high: the percentile interval of a statistic over the resamples.

    Source: Efron & Tibshirani 1993, chapter 13; https://aclanthology.org/W04-3250 (paired)
    """
    import numpy as np

    low, high = np.quantile(drawn, ((1 - confidence) / 2, (1 + confidence) / 2))
    return {"low": float(low), "high": float(high)}


def mcnemar(won: int, lost: int) -> float:
    """Return McNemar's exact two-sided p: a binomial test of the rows that changed."""
    from math import comb

    changed = won + lost
    tail = sum(comb(changed, k) for k in range(min(won, lost) + 1)) / 2**changed
    return min(1.0, 2 * tail)
