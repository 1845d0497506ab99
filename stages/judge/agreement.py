"""How far two raters of the same rows agree: a judge and a metric, or two judges."""

from collections import Counter


def sign(value: float) -> int:
    """Return -1, 0 or 1."""
    return (value > 0) - (value < 0)


def kappa(pairs: list[tuple[int, int]]) -> float | None:
    """Return Cohen's kappa of two raters, in [-1, 1]; None where chance alone would agree.

    Source: Cohen 1960, https://doi.org/10.1177/001316446002000104
    """
    n = len(pairs)
    one, two = (Counter(side) for side in zip(*pairs, strict=True)) if pairs else ({}, {})
    chance = sum(count * two[said] for said, count in one.items()) / n**2 if n else 1.0
    if chance >= 1:
        return None
    return (sum(a == b for a, b in pairs) / n - chance) / (1 - chance)


def agreement(pairs: list[tuple[int, int]]) -> dict[str, float]:
    """Return how often two raters (1, 0, -1 a row) prefer the same model.

    agree: the share of the `n` rows where both prefer one ("setup S2" of Zheng et al. 2023)
    kappa: over all `rows`, ties as a third answer; absent where it is not defined
    """
    both = [(one, two) for one, two in pairs if one and two]
    told: dict[str, float] = {"rows": len(pairs), "n": len(both)}
    if both:
        told["agree"] = sum(one == two for one, two in both) / len(both)
    if (found := kappa(pairs)) is not None:
        told["kappa"] = found
    return told
