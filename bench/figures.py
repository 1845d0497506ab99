"""A measurement's verdict: the figures with their bounds, as one small table and an exit status."""

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.show import aligned


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    unit:   what `value` counts, as a word behind it
    at_least, at_most: the bound, one of them or neither; goal: what it should be, same direction
    """

    name: str
    value: float
    unit: str = ""
    at_least: float | None = None
    at_most: float | None = None
    goal: float | None = None

    @property
    def met(self) -> bool:
        """Whether the bound holds; a NaN holds none."""
        least = self.at_least is None or self.value >= self.at_least
        return least and (self.at_most is None or self.value <= self.at_most)

    @property
    def goal_met(self) -> bool:
        """Whether there is a goal, and it is reached: in the direction of the bound."""
        if self.goal is None:
            return False
        return self.value >= self.goal if self.at_most is None else self.value <= self.goal

    def cells(self) -> tuple[str, str, str, str, str]:
        """Return the row of the table: figure, value, bound, goal, verdict."""
        bound, verdict = "", ""
        if self.at_least is not None:
            bound = f"at least {self.at_least:g}"
        if self.at_most is not None:
            bound = f"at most {self.at_most:g}"
        if bound:
            verdict = "goal" if self.goal_met else "ok" if self.met else "MISSED"
        goal = "" if self.goal is None else f"{self.goal:g}"
        return (self.name, f"{self.value:.4g} {self.unit}".strip(), bound, goal, verdict)


def table(figures: Iterable[Figure]) -> str:
    """Return the table as plain text."""
    head = ("figure", "measured", "bound", "goal", "")
    return aligned([head, *(figure.cells() for figure in figures)])


def report(figures: list[Figure], keep: Path | None, **more: Any) -> None:
    """Print the table, keep the figures, exit 1 when a bound is missed.

    keep: a file that gets them as JSON, together with `more`
    """
    print(table(figures), flush=True)
    if keep:
        values = {figure.name: {"value": figure.value, "met": figure.met} for figure in figures}
        keep.parent.mkdir(parents=True, exist_ok=True)
        keep.write_text(json.dumps({"figures": values, **more}, indent=2) + "\n", encoding="utf-8")
    assert any(figure.cells()[2] for figure in figures), "no figure has a bound"
    sys.exit(not all(figure.met for figure in figures))
