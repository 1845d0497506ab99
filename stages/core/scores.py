"""What the metric keys mean (`stages.core.keys`), for README, report and code alike.

`python -m stages.core.scores > docs/metrics.md` writes the table that people read.
"""

from math import inf

from stages.core.keys import KEYS, NEEDS, Key

__all__ = ["KEYS", "Key", "arrow", "better", "table"]


def better(key: str, value: float, other: float) -> float:
    """Return by how much `value` is better than `other`: positive when better.

    Raises: KeyError for a key that is unknown; ValueError for one without a direction.
    """
    direction = KEYS[key].higher_is_better
    if direction is None:
        raise ValueError(f"{key} has no better direction")
    return value - other if direction else other - value


def arrow(key: str) -> str:
    """Return ↑ where higher is better, ↓ where lower is, nothing where neither."""
    return {True: "↑", False: "↓", None: ""}[KEYS[key].higher_is_better]


HEAD = """\
# The metrics

Written by `python -m stages.core.scores > docs/metrics.md` from `stages/core/keys.py`.

↑ higher is better, ↓ lower is. Each row has a value, and a section's is their mean; a key with
`section` in the column `over` has one for the section as a whole only, and so neither interval
nor p. A key that a kind of model cannot have is absent, never null. A row that lacks what a key
needs has no value of it: `n` says how many rows the model answered, `n_of.<key>` how many of them
have this key, where that is fewer. A key that no section asks for costs nothing.

| key | better | range | unit | over | language | definition | source | by |
|---|---|---|---|---|---|---|---|---|
"""


def table() -> str:
    """Return docs/metrics.md: the table of all keys, in Markdown."""

    def number(value: float) -> str:
        return "∞" if value == inf else f"{value:.3g}"

    lines = []
    for name, key in KEYS.items():
        span = f"{number(key.low)} to {number(key.high)}"
        said = ", ".join(key.languages) or (f"`{key.setting}`" if key.setting else "")
        definition = key.definition
        if key.needs:
            definition += f" A row needs {NEEDS[key.needs]}."
        cells = (
            f"`{name}`", arrow(name), span, key.unit, key.over, said, definition, key.source,
            key.package,
        )  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |\n")
    return HEAD + "".join(lines)


if __name__ == "__main__":
    print(table(), end="")
