"""Which layers moved along the stack, layer by layer."""

import math
from typing import Any

from markupsafe import Markup

from stages.report.build import Build
from stages.report.layers import NOTE
from stages.report.page.charts import Line, chart
from stages.report.page.frame import render

TITLE = "Layers"
# A picture each: measure of metrics/layers.csv, of pairs of models or of one, heading, what the
# axis says, what it must show in any case.
PICTURES = (
    ("cosine", True, "How far the states turned", "cosine, mean over tokens; 1: not at all", 1.0),
    ("cosine_last", True, "The last token's state", "cosine; the answer begins from it", 1.0),
    ("cka", True, "Which prompts lie near each other", "debiased CKA; 1: the same ones", 1.0),
    ("entropy", False, "How widely attention looks", "entropy; 0: at one token, 1: at all", None),
)
SHADED = 4  # lines at most that have their intervals shaded
MEASURES = ("cosine", "cosine_last", "cka", "cka_last", "norm", "norm_last", "entropy")


def number(text: str) -> float | None:
    """Read a figure; None for an absent one and for what is no finite number."""
    value = float(text) if text else math.nan
    return value if math.isfinite(value) else None


def line_of(found: list[dict[str, str]], label: str, series: int, dashed: bool) -> Line | None:
    """Return the line of one measure by layer, with its interval where every layer has one."""
    points, band = [], []
    for row in sorted(found, key=lambda row: int(row["layer"])):
        at, value = float(row["layer"]), number(row["value"])
        if value is None:
            continue
        low, high = number(row["low"]), number(row["high"])
        points.append((at, value))
        band.append((at, value if low is None else low, value if high is None else high))
    known = any(low != high for _, low, high in band)
    return Line(label, series, points, dashed, band if known else []) if points else None


def lines(build: Build, measure: str, pairs: bool) -> list[Line]:
    """Return the lines of a measure: a pair, or a model each, in the order of params.yaml.

    A pair has the colour of its first model; it is dashed where that one is not set beside the
    model that it stands on.
    """
    found: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in build.layer_lines:
        if row["measure"] == measure and bool(row["against"]) == pairs:
            found.setdefault((row["model"], row["against"]), []).append(row)
    on = {each["name"]: each["on"] for each in build.params["adapters"].values()}
    known = {name: at for at, name in enumerate(build.names)}
    drawn = []
    one = len({against for _, against in found}) == 1
    for model, against in sorted(found, key=lambda pair: [known.get(name, -1) for name in pair]):
        label = model if one else f"{model} vs {against}"
        series = known.get(model, 0) % 8 + 1
        dashed = pairs and on.get(model) != against
        drawn.append(line_of(found[model, against], label, series, dashed))
    there = [line for line in drawn if line]
    if len(there) > SHADED:  # their intervals would hide each other, and them
        there = [Line(**{**vars(line), "band": []}) for line in there]
    return there


def told(heading: str, of: list[Line]) -> str:
    """Say in words what a picture shows."""
    ends = (
        f"{line.label} {line.points[0][1]:.3f} at layer {line.points[0][0]:.0f}, "
        f"{line.points[-1][1]:.3f} at layer {line.points[-1][0]:.0f}"
        for line in of
    )
    return f"{heading}: {'; '.join(ends)}."


def table(build: Build) -> list[list[str]]:
    """Return the table's rows: model, against, layer, a cell a measure with its interval."""
    found: dict[tuple[str, str, int], dict[str, str]] = {}
    for row in build.layer_lines:
        if row["measure"] not in MEASURES:
            continue
        cells = found.setdefault((row["model"], row["against"], int(row["layer"])), {})
        value, low, high = (number(row[key]) for key in ("value", "low", "high"))
        said = "" if value is None else f"{value:.3f}"
        span = "" if low is None or high is None else f" [{low:.3f}, {high:.3f}]"
        cells[row["measure"]] = (said + span).replace("-", "\u2212")
    return [
        [model, against, str(layer), *(cells.get(measure, "") for measure in MEASURES)]
        for (model, against, layer), cells in found.items()
    ]


def part(build: Build) -> Markup:
    """Return the part; nothing where `layers` is switched off."""
    if not build.layers or not build.layer_lines:
        return Markup("")
    pictures: list[dict[str, Any]] = []
    shaded = False
    for measure, pairs, heading, axis, must in PICTURES:
        if of := lines(build, measure, pairs):
            span = (must, must) if must is not None else None
            drawn = chart(of, "layer", axis, span=span, whole=True)
            picture = {"id": f"layers-{measure}", "heading": heading, "drawn": drawn}
            shaded |= any(line.band for line in of)
            pictures.append(picture | {"told": told(heading, of)})
    if not pictures:
        return Markup("")
    return render(
        "layers.html",
        pictures=pictures,
        measures=MEASURES,
        rows=table(build),
        found=build.layers,
        shaded=shaded,
        note=NOTE.split("`"),
        against=sorted({row["against"] for row in build.layer_lines if row["against"]}),
    )
