"""Markdown that nothing can break out of: cells, tables, fences."""

import re
from collections.abc import Mapping
from typing import Any

from stages.core.visible import CONTROLS, visible

SPECIAL = re.compile(r"([\\`*{}\[\]<>#|~&!]|(?<!\w)_|_(?!\w))")


def escape(text: Any) -> str:
    """Return a text that Markdown shows as it stands, on one line."""
    return SPECIAL.sub(r"\\\1", " ".join(str(text).split()).translate(CONTROLS))


def number(value: Any) -> str:
    """Spell a figure: to three decimals at most, six where it is small, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.{3 if abs(value) >= 0.1 else 6}f}".rstrip("0").rstrip(".")
    return escape(value)


def counted(found: Mapping[str, Any]) -> str:
    """Spell n, how many rows, and in how many groups of them where these are fewer.

    Nothing where an older build did not tell.
    """
    n, groups = found.get("n"), found.get("groups")
    return f"{n} in {groups} groups" if n and groups and groups < n else number(n)


def table(head: list[str], rows: list[list[str]], left: int = 1) -> list[str]:
    """Return a table's lines; cells are Markdown already. The first `left` columns hold words."""
    rule = ["---"] * left + ["---:"] * (len(head) - left)
    return ["| " + " | ".join(cells) + " |" for cells in [head, rule, *rows]] + [""]


def fenced(text: str) -> list[str]:
    """Return a text as a block whose fence is longer than any run of backticks inside."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}text", visible(text), fence, ""]
