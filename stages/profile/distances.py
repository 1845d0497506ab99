"""How far two distributions of classes are apart, and whether that is more than chance.

`bench/distances.py` measures what the intervals hold and how often a test errs.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Any
from zlib import crc32

from stages.core.intervals import Sampling
from stages.profile.attributes import Distribution

if TYPE_CHECKING:
    from numpy import ndarray

BUNDLES = 500
ENOUGH = 2000  # resamples for the ends of an interval; a p corrected for many tests needs more


def total_variation(one: "ndarray", other: "ndarray") -> Any:
    """Return the total-variation distance of distributions (..., classes): 0 the same, 1 disjoint.

    It is the share of answers that would have to change class.
    Source: Levin & Peres 2017, Markov Chains and Mixing Times, proposition 4.2
    """
    return abs(one - other).sum(-1) / 2


def chi_square(table: "ndarray") -> Any:
    """Return Pearson's statistic of tables of counts (..., rows, columns), against independence.

    Source: Pearson 1900, https://doi.org/10.1080/14786440009463897
    """
    import numpy as np

    rows, columns = table.sum(-1, keepdims=True), table.sum(-2, keepdims=True)
    expected = rows * columns / np.maximum(rows.sum(-2, keepdims=True), 1e-300)
    seen = expected > 0
    return (np.where(seen, table - expected, 0) ** 2 / np.where(seen, expected, 1)).sum((-1, -2))


def normal(counts: "ndarray") -> "ndarray":
    """Return shares of counts (..., classes)."""
    import numpy as np

    return counts / np.maximum(counts.sum(-1, keepdims=True), 1e-300)


def stream(sampling: Sampling, *also: int) -> Any:
    """Return random numbers: the same for the same name and sizes, on every run."""
    import numpy as np

    return np.random.default_rng([crc32(sampling.name.encode()), *also])


@lru_cache(maxsize=8)
def draws(groups: int, resamples: int, side: str) -> "ndarray":
    """Return how often each group is drawn in each resample: (resamples, groups).

    side: model or dataset; two sides of a comparison are drawn apart
    """
    import numpy as np

    numbers = stream(Sampling(0.0, resamples, side), groups)
    found = numbers.multinomial(groups, np.full(groups, 1 / groups), size=resamples)
    return found.astype(np.float64)


def drawn(counts: "ndarray", sampling: Sampling, side: str) -> "ndarray":
    """Return the counts of each class when groups are drawn again: (resamples, classes).

    Of many groups, bundles are drawn: that says the same, and does not grow with the dataset.
    """
    import numpy as np

    if len(counts) > BUNDLES:
        counts = np.stack([counts[at::BUNDLES].sum(0) for at in range(BUNDLES)])
    return draws(len(counts), min(sampling.resamples, ENOUGH), side) @ counts


def widening(groups: int, confidence: float) -> float:
    """Return by how much the errors of a bootstrap of few groups are too small.

    Source: Hesterberg 2015, https://doi.org/10.1080/00031305.2015.1089789 (narrowness bias)
    """
    from math import sqrt

    from scipy.special import stdtrit

    tail = (1 + confidence) / 2
    if groups < 2:
        return 1.0
    return float(stdtrit(groups - 1, tail) / stdtrit(10**9, tail)) * sqrt(groups / (groups - 1))


def errors(counts: "ndarray", sampling: Sampling, side: str) -> "ndarray":
    """Return by how much the shares of resamples are off: (resamples, classes).

    Drawn from these groups and one that was not seen, of average size, all classes alike: else a
    class that few prompts happen never to name were known for certain not to be there.
    """
    import numpy as np

    unseen = np.full((1, counts.shape[1]), counts.mean())
    counts = np.concatenate([counts, unseen])
    wider = widening(len(counts), sampling.confidence)
    return wider * (normal(drawn(counts, sampling, side)) - normal(counts.sum(0)))


def around(value: float, off: "ndarray", confidence: float) -> dict[str, float]:
    """Return low and high of a distance: as far around it as resamples are off, at most.

    off: (resamples, classes), of the difference of two distributions
    The distance of two estimates is off by no more than the estimates are (triangle inequality), so
    that the interval holds at least as often as it says; and it leaves out 0 only where that
    difference is shown. A percentile interval never holds 0: noise alone is some distance.
    """
    import numpy as np

    reach = float(np.quantile(abs(off).sum(-1) / 2, confidence))
    return {"low": max(0.0, value - reach), "high": min(1.0, value + reach)}


def to_dataset(model: Distribution, dataset: Distribution, sampling: Sampling) -> dict[str, float]:
    """Return how far a model's distribution is from the dataset's: value, n, low, high, chance, p.

    n:      groups of prompts
    chance: the distance to be expected if both were draws of one distribution
    p:      of Pearson's chi-square, each side counted as so many answers as its design effect
            leaves, by simulation, since small counts do not follow the chi-square distribution
    Source: Rao & Scott 1984, https://doi.org/10.1214/aos/1176346391; Hope 1968,
    https://doi.org/10.1111/j.2517-6161.1968.tb00759.x (Monte Carlo tests)
    """
    import numpy as np

    value = float(total_variation(model.shares, dataset.shares))
    numbers = stream(sampling, len(model.groups), len(dataset.groups))
    off = errors(model.counts, sampling, "model") - errors(dataset.counts, sampling, "dataset")
    told = {"value": value, "n": len(model.groups)} | around(value, off, sampling.confidence)
    sizes = [max(1, round(each.n / each.design_effect)) for each in (model, dataset)]
    pooled = normal(sizes[0] * model.shares + sizes[1] * dataset.shares)
    fake = [numbers.multinomial(size, pooled, size=sampling.resamples) for size in sizes]
    observed = chi_square(np.stack([model.shares * sizes[0], dataset.shares * sizes[1]]))
    told["chance"] = float(total_variation(*map(normal, fake)).mean())
    as_large = int((chi_square(np.stack(fake, axis=-2)) >= observed * (1 - 1e-9)).sum())
    return told | {"p": (as_large + 1) / (sampling.resamples + 1)}


def to_model(one: Distribution, other: Distribution, sampling: Sampling) -> dict[str, float]:
    """Return how far two models are apart over the prompts that both answered, as `to_dataset`.

    p: of the distance itself, by permutation: whose answers to a group of prompts are whose is
       swapped, all ways where they are few
    Source: Good 2005, Permutation, Parametric and Bootstrap Tests of Hypotheses, section 3.7
    """
    import numpy as np

    common = [group for group in one.groups if group in set(other.groups)]
    if not common:
        return {}
    own, its = (
        side.counts[[side.groups.index(group) for group in common]] for side in (one, other)
    )
    value = float(total_variation(normal(own.sum(0)), normal(its.sum(0))))
    numbers, groups = stream(sampling, len(common), 2), len(common)
    # The same groups are drawn for both: that is what makes them paired.
    off = errors(own, sampling, "model") - errors(its, sampling, "model")
    told = {"value": value, "n": groups} | around(value, off, sampling.confidence)
    if every := 2**groups <= sampling.resamples:
        swaps = np.arange(2**groups)[:, None] >> np.arange(groups) & 1
    else:
        swaps = numbers.integers(0, 2, size=(sampling.resamples, groups))
    swapped = total_variation(
        normal(swaps @ own + (1 - swaps) @ its), normal(swaps @ its + (1 - swaps) @ own)
    )
    as_large = int((swapped >= value - 1e-9).sum())
    p = as_large / len(swaps) if every else (as_large + 1) / (len(swaps) + 1)
    return told | {"chance": float(swapped.mean()), "p": p}
