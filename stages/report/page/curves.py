"""Training and validation loss of every model, and how often it said the next token right."""

import math
from typing import Any

from markupsafe import Markup

from stages.report.build import Build
from stages.report.overfitting import Rise
from stages.report.page.charts import Line, Mark, Point, chart
from stages.report.page.frame import render

TITLE = "Loss while training"
SIDES = {"train": "training", "val": "validation"}
MEASURES = ("loss", "token_accuracy")
WIDE_RANGE = 15.0  # the highest loss by the lowest from which on the axis is logarithmic
ROWS = 120  # of the table at most; metrics/curves.csv has all


def points(curve: list[dict[str, Any]], split: str, measure: str) -> list[Point]:
    """Return (step, value) of one split by step; what is absent or no finite number is left out."""
    found = [
        (float(row["step"]), float(row[measure]))
        for row in curve
        if row["split"] == split and row[measure] not in ("", None)
    ]
    return sorted(each for each in found if math.isfinite(each[1]))


def lowest(found: list[Point]) -> Point:
    """Return the first of the lowest points."""
    return min(found, key=lambda each: (each[1], each[0]))


def lines(curve: list[dict[str, Any]], measure: str, series: int) -> list[Line]:
    """Return the lines of a measure; training is dashed."""
    found = {side: points(curve, side, measure) for side in SIDES}
    return [
        Line(SIDES[side], series, its_points, dashed=side == "train")
        for side, its_points in found.items()
        if its_points
    ]


def by_step(curve: list[dict[str, Any]]) -> list[list[str]]:
    """Return the table's rows: step, and both measures of both splits, as they were written."""
    found: dict[int, dict[tuple[str, str], str]] = {}
    for row in curve:
        at = found.setdefault(int(row["step"]), {})
        at |= {(measure, row["split"]): row[measure] or "" for measure in MEASURES}
    columns = [(measure, side) for measure in MEASURES for side in SIDES]
    rows = [[str(at), *(found[at].get(key, "") for key in columns)] for at in sorted(found)]
    every = math.ceil(len(rows) / ROWS) or 1
    return [row for at, row in enumerate(rows) if at % every == 0 or at == len(rows) - 1]


def told(name: str, of: list[Line], rose: Rise | None) -> str:
    """Say in words what a picture of the loss shows."""
    parts = []
    for line in of:
        (first, begun), (last, ended) = line.points[0], line.points[-1]
        said = f"{line.label} loss {begun:.3f} at step {first:.0f}, {ended:.3f} at step {last:.0f}"
        if line.label == SIDES["val"]:
            step, value = lowest(line.points)
            said += f", lowest {value:.3f} at step {step:.0f}"
        parts.append(said)
    if rose:
        parts.append(f"the validation loss rose from {rose.lowest:.3f} to {rose.last:.3f}")
    return f"{name}: {'; '.join(parts)}."


def pictures(build: Build, name: str, number: int) -> dict[str, Any] | None:
    """Return what the template draws and tells of one model; None where it was not trained here."""
    curve = build.curves[name]
    series = build.names.index(name) % 8 + 1
    losses = lines(curve, "loss", series)
    if not losses:
        return None
    rose = next((each for each in build.rose if each.model == name), None)
    values = [value for line in losses for _, value in line.points]
    val = next((line.points for line in losses if line.label == SIDES["val"]), [])
    ring = ((float(rose.step), rose.lowest) if rose else lowest(val)) if len(val) > 1 else None
    marks = [Mark(ring, val[-1] if rose else None)] if ring else []
    log = min(values) > 0 and max(values) / min(values) >= WIDE_RANGE
    axis = "training step"
    drawn = chart(losses, axis, "loss, nats per token", log=log, marks=marks)
    right = lines(curve, "token_accuracy", series)
    return {
        "id": f"curves-{number}",
        "name": name,
        "told": told(name, losses, rose),
        "rose": rose,
        "ring": ring,
        "loss": drawn,
        "accuracy": chart(right, axis, "token accuracy, share", size="small") if right else None,
        "accuracy_told": f"{name}: {right_told(right)}." if right else "",
        "rows": by_step(curve),
        "all": len({row["step"] for row in curve}),
    }


def right_told(of: list[Line]) -> str:
    """Say in words what a picture of the accuracy shows."""
    return "; ".join(f"{each.label} token accuracy ends at {each.points[-1][1]:.3f}" for each in of)


def part(build: Build) -> Markup:
    """Return the part; nothing where no model was trained here."""
    found = [pictures(build, name, at) for at, name in enumerate(build.trained, 1)]
    models = [each for each in found if each]
    return render("curves.html", models=models) if models else Markup("")
