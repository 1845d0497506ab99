"""Draw rows by the hash of their ids: the same ones always, and a larger draw only adds some.

Whoever draws from the same rows begins with the same ones: what `split` samples of the training
rows, every mix that takes as many of them trains on.
"""

from stages.core.holdout import position
from stages.core.records import Row


def draw(rows: list[Row], count: int, seed: int) -> list[Row]:
    """Return `count` of the rows; more than there are repeat them all, and then some once more."""
    if not rows:
        return []
    whole, rest = divmod(count, len(rows))
    ordered = sorted(rows, key=lambda row: position(f"draw {row['id']}", seed))
    return rows * whole + ordered[:rest]


def train_sample(name: str) -> str:
    """Return what the sampled training rows of a set are called as a set of their own."""
    return f"{name}_train"
