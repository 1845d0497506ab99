"""Pages of parts, as plain text that no terminal acts on, or as Markdown for a pull request."""

import re
from typing import Any, NamedTuple

from stages.core.visible import CONTROLS
from stages.report.markdown import escape, fenced, table

# C1, marks that turn the direction of writing, halves of surrogate pairs: no picture of their own.
UNSEEN = re.compile("[\x80-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


class Part(NamedTuple):
    """A heading, what is said below it, a table, and lines below that; cells are raw text.

    left: how many of the table's columns hold words
    """

    title: str
    said: list[str]
    head: list[str]
    cells: list[list[str]]
    left: int = 1
    below: list[str] = []  # noqa: RUF012 (never written)


def shown(value: Any) -> str:
    """Return a text on one line in which control characters are pictures."""
    flat = " ".join(str(value).replace("\t", " ").split(" "))
    pictures = flat.replace("\n", "␊").translate(CONTROLS)
    return UNSEEN.sub("�", pictures)


def aligned(rows: list[list[str]], left: int) -> list[str]:
    """Return rows as plain text: the first `left` columns and the last to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    last = len(widths) - 1
    lines = []
    for cells in rows:
        padded = [
            cell.ljust(width) if at < left or at == last else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        lines.append("  ".join(padded).rstrip())
    return lines


def text(every: list[Part]) -> str:
    """Return the parts as plain text."""
    lines: list[str] = []
    for part in every:
        lines += [shown(part.title), *(f"  {shown(line)}" for line in part.said)]
        if part.cells:
            rows = [[shown(cell) for cell in row] for row in [part.head, *part.cells]]
            lines += [f"  {line}" for line in aligned(rows, part.left)]
        lines += [*(f"  {shown(line)}" for line in part.below), ""]
    return "\n".join(lines).rstrip()


def markdown(every: list[Part]) -> str:
    """Return the parts as Markdown."""
    lines: list[str] = []
    for at, part in enumerate(every):
        lines += [f"{'#' if not at else '##'} {escape(part.title)}", ""]
        if part.title == "Examples":
            lines += fenced("\n".join(map(shown, part.said)))
        else:
            said = [f"- {escape(shown(line))}" for line in part.said]
            lines += [*said, ""] if said else []
        if part.cells:
            rows = [[escape(shown(cell)) for cell in row] for row in part.cells]
            lines += table(part.head, rows, part.left)
        lines += [*(f"- {escape(shown(line))}" for line in part.below), ""] if part.below else []
    return "\n".join(lines).rstrip()
