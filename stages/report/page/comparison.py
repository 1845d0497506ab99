"""Every metric by model, with intervals; better and worse in colour and in words."""

from collections.abc import Mapping
from math import isinf
from typing import Any

from markupsafe import Markup

from stages.core.scores import KEYS, arrow
from stages.report.build import Build
from stages.report.markdown import counted
from stages.report.page.frame import render
from stages.report.words import sides, verdict

TITLE = "The models side by side"

Figures = Mapping[tuple[str, str, str], Mapping[str, Any]]


def by_place(figures: list[dict[str, Any]]) -> Figures:
    """Return the figures by section, metric and model."""
    return {(line["section"], line["metric"], line["model"]): line for line in figures}


def marks(build: Build, model: str, section: str, key: str) -> list[tuple[str, str]]:
    """Return what is said of an adapter's figure: (better | worse | not shown, against whom)."""
    comparison = build.comparisons.get(model)
    if comparison is None:
        return []
    found = comparison["sections"].get(section, {}).get("keys", {}).get(key, {})
    tested = {side: found[side] for side in sides(comparison) if found.get(side, {}).get("n")}
    return [(verdict(of, build.confidence), comparison[side]) for side, of in tested.items()]


def scale(key: str, lines: list[Mapping[str, Any]]) -> tuple[float, float]:
    """Return the ends of the bars of a row: the metric's range, or what its models span."""
    known = KEYS[key]
    reached = [line.get("high") or line["value"] for line in lines]
    return known.low, max([known.low, *reached]) if isinf(known.high) else known.high


def share(value: float, ends: tuple[float, float]) -> float:
    """Return where between the ends a value is, in percent."""
    low, high = ends
    return round(100 * min(max((value - low) / (high - low), 0.0), 1.0), 2)


def cell(line: Mapping[str, Any], ends: tuple[float, float], n: int) -> dict[str, Any]:
    """Return a figure with the places of its bar, and its n where the section's is larger."""
    told = {"value": line["value"], "low": line.get("low"), "high": line.get("high")}
    told["n"] = line["n"] if line["n"] != n else None
    if told["low"] is not None and ends[0] < ends[1]:
        from_, to = share(told["low"], ends), share(told["high"], ends)
        told["bar"] = {
            "from": from_,
            "wide": round(to - from_, 2),
            "at": share(line["value"], ends),
        }
    return told


def sections(build: Build) -> list[dict[str, Any]]:
    """Return each section's name, n and rows: a row a metric, the primary one first."""
    figures, told = by_place(build.figures), []
    for name, section in build.sections.items():
        n = max((found.get(name, {}).get("n", 0) for found in build.models.values()), default=0)
        groups = (of["sections"].get(name, {}) for of in build.comparisons.values())
        primary = section.get("primary")
        rows = []
        for key in sorted(section["metrics"], key=lambda key: key != primary):
            lines = {of: figures.get((name, key, of)) for of in build.names}
            there = [line for line in lines.values() if line]
            ends = scale(key, there)
            cells = {
                of: cell(line, ends, n) | {"marks": marks(build, of, name, key)} if line else None
                for of, line in lines.items()
            }
            row = {"key": key, "arrow": arrow(key), "primary": key == primary, "cells": cells}
            rows += [row] * bool(there)
        if rows:
            counts = next(filter(None, map(counted, groups)), "") or str(n)
            told.append({"name": name, "n": counts, "rows": rows, "more": len(rows) - 1})
    return told


def changes(build: Build) -> list[dict[str, Any]]:
    """Return, of each adapter, its differences from the model below it and from the base."""
    told = []
    for name, comparison in build.comparisons.items():
        against = sides(comparison)
        rows = []
        for section, asked in build.sections.items():
            found = comparison["sections"].get(section, {"keys": {}})
            for key in sorted(asked["metrics"], key=lambda key: key != asked.get("primary")):
                if (of := found["keys"].get(key)) is not None:
                    differences = [difference(of.get(side), build.confidence) for side in against]
                    row = {"section": section, "key": key, "arrow": arrow(key)}
                    rows.append(row | {"value": of["value"], "differences": differences})
        against = [comparison[side] for side in against]
        told.append({"model": name, "against": against, "rows": rows})
    return told


def difference(found: Mapping[str, Any] | None, confidence: float) -> dict[str, Any] | None:
    """Return a difference, positive when better, with what is said of it."""
    if not found:
        return None
    tested = bool(found["n"])  # perplexity: rows have none of their own
    told = {"delta": found["delta"], "low": found.get("low"), "high": found.get("high")}
    told |= {"p": found.get("p_holm", found.get("p")), "n": counted(found)}
    return told | {"says": verdict(found, confidence) if tested else "not tested"}


def part(build: Build) -> Markup:
    """Return the part."""
    asked = {key for section in build.sections.values() for key in section["metrics"]}
    return render(
        "comparison.html",
        sections=sections(build),
        changes=changes(build),
        names=build.names,
        meanings={key: known for key, known in KEYS.items() if key in asked},
        confidence=100 * build.confidence,
    )
