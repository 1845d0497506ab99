"""What each adapter forgot of the base, and what came back."""

from collections.abc import Mapping
from itertools import pairwise
from math import isinf
from typing import Any

from markupsafe import Markup

from stages.core.scores import KEYS, arrow
from stages.core.significance import shown
from stages.report.build import Build
from stages.report.forgetting import Loss, losses
from stages.report.markdown import counted
from stages.report.page.frame import chains, figure, render
from stages.report.words import verdict

TITLE = "Forgotten and won back"

# Of one picture, in its own units: room for the figures above, and for the models' names below.
WIDE, HIGH = 164, 128
LEFT, RIGHT, TOP, FOOT = 36, 30, 12, 24
LETTER = 5.9  # of a model's name below its point


def places(of: list[Mapping[str, Any]], key: str) -> tuple[float, float]:
    """Return the ends of a picture's scale: the metric's range, or what the models reach."""
    known = KEYS[key]
    low = min(found.get("low") or found["value"] for found in of)
    high = max(found.get("high") or found["value"] for found in of)
    low = low if isinf(known.low) else known.low
    high = high if isinf(known.high) else known.high
    return low, high if high > low else low + 1


def picture(build: Build, models: list[str], section: str, key: str) -> dict[str, Any] | None:
    """Return one section's way through a chain of models, as points and the steps between them.

    Up is better, whatever the metric's direction. None where a model has no figure.
    """
    found = {line["model"]: line for line in build.figures
             if (line["section"], line["metric"]) == (section, key)}  # fmt: skip
    if not set(models) <= found.keys():
        return None
    lines = [found[model] for model in models]
    ends = places(lines, key)
    lowest_on_top = KEYS[key].higher_is_better is False

    def at(value: float) -> float:
        share = min(max((value - ends[0]) / (ends[1] - ends[0]), 0.0), 1.0)
        share = 1 - share if lowest_on_top else share
        return round(HIGH - FOOT - share * (HIGH - TOP - FOOT), 1)

    apart = (WIDE - LEFT - RIGHT) / max(len(models) - 1, 1)
    longest = max(1, int(min(apart, 2 * RIGHT) / LETTER))
    points = [
        {
            "model": model,
            "name": model if len(model) <= longest else f"{model[: longest - 1]}\u2026",
            "value": line["value"],
            "ends": [at(line[end]) for end in ("low", "high")]
            if line.get("low") is not None
            else [],
            "x": round(LEFT + apart * place, 1),
            "y": at(line["value"]),
        }
        for place, (model, line) in enumerate(zip(models, lines, strict=True))
    ]
    steps = []
    for one, other in pairwise(points):
        of_section = build.comparisons[other["model"]]["sections"].get(section, {})
        on = of_section.get("keys", {}).get(key, {}).get("on", {})
        step = {"from": one, "to": other, "delta": on.get("delta")}
        step["says"] = verdict(on, build.confidence) if on.get("n") else "not tested"
        step["back"] = of_section.get("recovery", {}).get("value")
        steps.append(step)
    told = "; ".join(f"{point['model']} {figure(point['value'])}" for point in points)
    grid = [
        (at(value), f"{value:g}".replace("-", "\u2212") if value in ends else "")
        for value in (*ends, sum(ends) / 2)
    ]
    return {"section": section, "key": key, "arrow": arrow(key), "points": points, "steps": steps,
            "grid": grid, "told": told}  # fmt: skip


def pictures(build: Build) -> list[dict[str, Any]]:
    """Return the pictures of each way from the base to an adapter that nothing is on top of.

    A way without a picture is left out.
    """
    told = []
    for models in chains(build):
        drawn = [
            picture(build, models, name, section["primary"])
            for name, section in build.sections.items()
            if section.get("primary")
        ]
        told.append({"models": models, "drawn": [each for each in drawn if each]})
    return [way for way in told if way["drawn"]]


def came_back(back: Mapping[str, Any]) -> str:
    """Return what the interval of a recovery says."""
    if back["low"] is None or back["low"] <= 0 <= back["high"]:
        return "not shown"
    return "won back" if back["low"] > 0 else "lost more"


def said(loss: Loss) -> dict[str, Any]:
    """Return a loss as the template wants it."""
    back = {"low": None, "high": None} | dict(loss.back) if loss.back else None
    return {
        "model": loss.model,
        "section": loss.section,
        "of": loss.of,
        "n": counted(loss.lost),
        "lost": {"low": None, "high": None, "p_holm": None} | dict(loss.lost),
        "says": loss.says,
        "back": back,
        "back_says": came_back(back) if back else "",
    }


def gaps(build: Build) -> list[dict[str, Any]]:
    """Return what each adapter is better by on rows that it was trained on."""
    return [
        {"model": name, "section": section, "key": key, "arrow": arrow(key)}
        | {"train": of["train"], "test": of["test"], "gap": of["gap"], "low": of.get("low")}
        | {"high": of.get("high"), "p": of.get("p_holm"), "shown": shown(of, build.confidence)}
        for name, comparison in build.comparisons.items()
        for section, found in comparison.get("gap", {}).items()
        for key, of in found["keys"].items()
    ]


def part(build: Build) -> Markup:
    """Return the part."""
    lost = [said(loss) for loss in losses(build.sections, build.comparisons, build.confidence)]
    found, kept = gaps(build), [each for each in build.rose if each.kept]
    if not (lost or found or kept or build.transfers):
        return Markup("")
    return render(
        "forgetting.html",
        lost=lost,
        chains=pictures(build),
        transfers=build.transfers,
        counted=counted,
        gaps=found,
        kept=kept,
        names=build.names,
        size=(WIDE, HIGH, LEFT, RIGHT, TOP, FOOT),
    )
