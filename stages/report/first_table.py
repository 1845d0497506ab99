"""The first table of metrics/report.md: a row a model, a column an entry of `evaluate.table`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stages.core.scores import KEYS, arrow
from stages.report.markdown import escape, table

HEADING = "## The models in one table"
ABOUT = (
    "In bold the best of a column, of the models that answered all of its rows. It need not be "
    "better than the next one: which differences are shown stands below, in words."
)
WITH_ENDS = "In brackets the interval of the value; those of two models may overlap all the same."
ROOM = 5  # columns that leave room for intervals; they are in metrics/scores.csv anyway


def spell(line: Mapping[str, Any], n: int, bold: bool, ends: bool) -> str:
    """Spell a cell: the value, its interval, and its n where the column's is larger."""
    told = f"{line['value']:.3f}"
    told = f"**{told}**" if bold else told
    if ends and line.get("low") is not None:
        told += f" [{line['low']:.3f}, {line['high']:.3f}]"
    return told if line["n"] == n else f"{told}, n = {line['n']}"


def best(key: str, lines: Iterable[Mapping[str, Any]], n: int) -> float | None:
    """Return the best value of a column as it is shown; None where there is none.

    There is none without a direction, of fewer than two models that answered all n rows, and where
    all of these come to the same.
    """
    values = {round(line["value"], 3) for line in lines if line["n"] == n}
    if KEYS[key].higher_is_better is None or len(values) < 2:
        return None
    return max(values) if KEYS[key].higher_is_better else min(values)


def first_table(
    asked: Sequence[str], models: Iterable[str], figures: Iterable[Mapping[str, Any]]
) -> list[str]:
    """Return the table's lines of Markdown; nothing where nothing is asked.

    asked:   `evaluate.table`: section.key, a column each; one that no model has is left empty
    models:  their names, a row each
    figures: the lines of metrics/scores.csv: section, metric, model, value, low, high, n
    """
    if not asked:
        return []
    found = {(f"{line['section']}.{line['metric']}", line["model"]): line for line in figures}
    ends = len(asked) <= ROOM
    heads, counts = ["model"], ["rows"]
    rows: dict[str, list[str]] = {model: [escape(model)] for model in models}
    for column in asked:
        section, _, key = column.rpartition(".")
        heads.append(f"{escape(section)} `{key}` {arrow(key)}".strip())
        lines = {model: found[column, model] for model in rows if (column, model) in found}
        n = max((line["n"] for line in lines.values()), default=0)
        counts.append(f"n = {n}")
        top = best(key, lines.values(), n)
        for model, cells in rows.items():
            if (line := lines.get(model)) is None:
                cells.append("")
            else:
                bold = line["n"] == n and round(line["value"], 3) == top
                cells.append(spell(line, n, bold, ends))
    about = f"{ABOUT} {WITH_ENDS}" if ends else ABOUT
    return [HEADING, "", about, "", *table(heads, [counts, *rows.values()])]
