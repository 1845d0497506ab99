"""How two attributes hang together: in a model's answers, and in the dataset."""

from typing import TYPE_CHECKING, Any

from stages.core.intervals import Sampling
from stages.profile.attributes import INVALID, MISSING, OTHER, Distribution, Held, class_of
from stages.profile.distances import chi_square, drawn, stream, widening

if TYPE_CHECKING:
    from numpy import ndarray

ROUNDS = 50  # of proportional fitting
Attribute = tuple[dict[str, Any], list[str]]  # as `profile.attributes` has it, and its classes


def joint(held: Held, one: Attribute, other: Attribute) -> Distribution:
    """Count the pairs of classes of two attributes by group; counts: (groups, rows * columns).

    An answer that has no class of either is left out, and counted as invalid.
    """
    import numpy as np

    groups = {group: at for at, group in enumerate(dict.fromkeys(group for group, _ in held))}
    counts = np.zeros((len(groups), len(one[1]), len(other[1])))
    left_out = 0
    for group, record in held:
        found = [class_of(record, asked) for asked, _ in (one, other)]
        if {MISSING, INVALID} & set(found):
            left_out += 1
            continue
        places = (
            names.index(each if each in names else OTHER)
            for each, (_, names) in zip(found, (one, other), strict=True)
        )
        counts[(groups[group], *places)] += 1
    filled = counts.sum((1, 2)) > 0
    kept = [group for group, any_ in zip(groups, filled, strict=True) if any_]
    return Distribution(
        counts[filled].reshape(len(kept), len(one[1]) * len(other[1])), kept, 0, left_out
    )


def cramers_v(table: "ndarray", n: float) -> Any:
    """Return Cramér's V of tables (..., rows, columns), bias-corrected, 0 to 1.

    n: how many independent answers the table is worth
    0 where either attribute has one class only.
    Source: Bergsma 2013, https://doi.org/10.1016/j.jkss.2012.10.002
    """
    import numpy as np

    if n <= 1:
        return np.zeros(table.shape[:-2])
    rows = (table.sum(-1) > 0).sum(-1)
    columns = (table.sum(-2) > 0).sum(-1)
    square = chi_square(table) / np.maximum(table.sum((-1, -2)), 1e-300)
    square = np.maximum(0.0, square - (rows - 1) * (columns - 1) / (n - 1))
    least = np.minimum(rows - (rows - 1) ** 2 / (n - 1), columns - (columns - 1) ** 2 / (n - 1)) - 1
    told = np.sqrt(square / np.where(least > 0, least, 1))
    return np.where(least > 0, np.minimum(told, 1.0), 0.0)


def raked(table: "ndarray", rows: "ndarray", columns: "ndarray") -> "ndarray":
    """Return a table with the odds ratios of `table` and these margins, by proportional fitting.

    Source: Deming & Stephan 1940, https://doi.org/10.1214/aoms/1177731829
    """
    import numpy as np

    fitted = table.astype(float)
    for _ in range(ROUNDS):
        fitted *= (rows / np.maximum(fitted.sum(1), 1e-300))[:, None]
        fitted *= columns / np.maximum(fitted.sum(0), 1e-300)
    return fitted / max(float(fitted.sum()), 1e-300)


def association(
    model: Distribution, dataset: Distribution, shape: tuple[int, int], sampling: Sampling
) -> dict[str, float]:
    """Return how strongly two attributes hang together, and how much stronger than in the dataset.

    shape: rows and columns of a table
    Returns: value, n (groups of prompts); with a dataset: dataset (its value), delta, low, high, p
    p: of the odds ratios being the dataset's, whatever the margins: how often two tables that share
    them differ as much, each drawn as many times as its design effect leaves
    """
    import numpy as np

    if model.n == 0:
        return {}
    sides = [each for each in (model, dataset) if each.n]
    tables = [each.counts.sum(0).reshape(shape) for each in sides]
    worth = [each.n / each.design_effect for each in sides]
    values = [float(cramers_v(table, n)) for table, n in zip(tables, worth, strict=True)]
    told: dict[str, float] = {"value": values[0], "n": len(model.groups)}
    if not dataset.n:
        return told
    delta = values[0] - values[1]
    numbers = stream(sampling, len(model.groups), len(dataset.groups), 3)
    # Weighed by what they are worth, not by how often a prompt was answered.
    pooled = sum(n * table / table.sum() for table, n in zip(tables, worth, strict=True))
    off, fake = [], []
    for each, side, table, n in zip(sides, ("model", "dataset"), tables, worth, strict=True):
        again = drawn(each.counts, sampling, side).reshape(-1, *shape)
        wider = widening(len(each.groups), sampling.confidence)
        off.append(wider * (cramers_v(again, n) - cramers_v(table, n)))
        same = raked(pooled, table.sum(1), table.sum(0)).ravel()
        counts = numbers.multinomial(max(1, round(n)), same, size=sampling.resamples)
        fake.append(cramers_v(counts.reshape(-1, *shape), n))
    # Both ways: V is above 0 by chance alone, and that of a resample once more so.
    reach = float(np.quantile(abs(off[0] - off[1]), sampling.confidence))
    ends = {"low": max(-1.0, delta - reach), "high": min(1.0, delta + reach)}
    differences = fake[0] - fake[1]
    tails = [int((side * differences >= side * delta - 1e-9).sum()) + 1 for side in (1, -1)]
    p = min(1.0, 2 * min(tails) / (sampling.resamples + 1))
    return told | {"dataset": values[1], "delta": delta, **ends, "p": p}
