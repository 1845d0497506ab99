"""The part of metrics/report.md about cells that say nothing, and what became of them."""

from typing import Any

from stages.report.markdown import escape, number, table

POLICIES = {
    "drop": "the row was dropped",
    "unknown": "says that it is not known",
    "omit": "the field is left out",
    "left": "left empty: the policy does not name the column",
}


def section(sources: dict[str, dict[str, Any]]) -> list[str]:
    """Return a line for each column with its policy; nothing where no source has one.

    sources: what metrics/sources.json holds
    """
    rows, told = [], []
    for name, found in sources.items():
        if not (nulls := found.get("nulls")):
            continue
        kept = nulls["rows"] - nulls["dropped"]
        told.append(f"{kept} of {nulls['rows']} rows of {escape(name)}")
        rows += [
            [escape(name), escape(column), POLICIES[policy], number(count)]
            for column, of in nulls["columns"].items()
            for policy, count in of.items()
        ]
    if not rows:
        return []
    lines = ["## Cells that said nothing", "", f"What is left: {', '.join(told)}.", ""]
    return lines + table(["source", "column", "policy", "cells"], rows, left=3)
