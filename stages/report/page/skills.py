"""The primary metric of each section by model, as a heat map that is a table."""

from typing import Any

from markupsafe import Markup

from stages.core.scores import KEYS, arrow
from stages.report.build import Build
from stages.report.page.frame import render

TITLE = "Skills by model"


def heats(key: str, lines: list[dict[str, Any] | None]) -> list[int | None]:
    """Return each model's heat, 0 the worst to 100 the best; None where there is none to tell.

    Of the metric's range; of what the models reach, where the range has no end.
    """
    values = [line["value"] for line in lines if line]
    known = KEYS[key].higher_is_better
    told: list[int | None] = []
    for line in lines:
        if line is None or known is None:
            told.append(None)
        elif (level := line["level"]) is not None:
            told.append(round(100 * min(max(level, 0.0), 1.0)))
        elif (width := max(values) - min(values)) > 0:
            share = (line["value"] - min(values)) / width
            told.append(round(100 * (share if known else 1 - share)))
        else:
            told.append(None)
    return told


def rows(build: Build) -> list[dict[str, Any]]:
    """Return a row a section that has a primary metric: its figures, with their heat."""
    found = {(line["section"], line["model"]): line for line in build.figures if line["primary"]}
    told = []
    for name, section in build.sections.items():
        lines = [found.get((name, model)) for model in build.names]
        if not any(lines):
            continue
        key = section["primary"]
        n = max(line["n"] for line in lines if line)
        cells = list(zip(lines, heats(key, lines), strict=True))
        told.append({"section": name, "key": key, "arrow": arrow(key), "n": n, "cells": cells})
    return told


def part(build: Build) -> Markup:
    """Return the part."""
    if not (told := rows(build)):
        return Markup("")
    return render("skills.html", rows=told, names=build.names)
