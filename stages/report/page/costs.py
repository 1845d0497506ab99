"""What was paid, in money and in time."""

from typing import Any, NamedTuple

from markupsafe import Markup

from stages.report.build import Build
from stages.report.data import several
from stages.report.page.frame import render
from stages.report.price import HOW_TO_READ, chain, each, gain

TITLE = "Cost"


class Spent(NamedTuple):
    """What one stage took: seconds by the clock, of processors, of graphics cards; MB; dollars.

    share: of the longest stage's seconds by the clock, 0 to 1
    """

    stage: str
    wall_s: float | None
    cpu_s: float | None
    gpu_s: float | None
    peak_memory_mb: float | None
    usd: float | None
    found_usd: float | None
    share: float


class Point(NamedTuple):
    """What a point of the chosen metric cost, as words: on the model below, on the base."""

    model: str
    stands_on: str
    gain: str
    cost: str
    gain_on_base: str
    cost_by_chain: str


FIGURES = ("wall_s", "cpu_s", "gpu_s", "peak_memory_mb", "usd", "found_usd")


def spent(costs: dict[str, dict[str, Any]]) -> list[Spent]:
    """Return what each stage took that took anything; a teacher apart where there are several."""
    lines: dict[str, dict[str, Any]] = {}
    for stage, found in costs.items():
        if found:
            lines[stage] = found
            lines |= {f"{stage}: {name}": of for name, of in several(found).items()}
    longest = max((found.get("wall_s") or 0 for found in lines.values()), default=0)
    return [
        Spent(
            stage,
            *(found.get(key) for key in FIGURES),
            share=(found.get("wall_s") or 0) / longest if longest else 0,
        )
        for stage, found in lines.items()
    ]


def summed(costs: dict[str, dict[str, Any]], key: str) -> float | None:
    """Return a sum over all stages; None where none has it."""
    found = [of[key] for of in costs.values() if of.get(key) is not None]
    return sum(found) if found else None


def minus(said: str) -> str:
    """Return figures with the sign that stands elsewhere on the page."""
    return said.replace("-", "\u2212")


def points(build: Build) -> list[Point]:
    """Return what a point of each adapter's gain cost."""
    found = []
    for name, price in build.prices.items():
        on, base = price.get("on"), price.get("base", price.get("on"))
        of_base = each(base, chain(name, build.prices), build.confidence)
        own = each(on, price["spent"], build.confidence)
        found.append(
            Point(name, price["stands_on"], minus(gain(on)), own, minus(gain(base)), of_base)
        )
    return found


def part(build: Build) -> Markup:
    """Return the part."""
    lines = spent(build.costs)
    if not lines:
        return Markup("")
    first = next(iter(build.prices.values()), None)
    told = HOW_TO_READ.format(first["metric"], first["section"]) if first else ""
    totals = {key: summed(build.costs, key) for key in FIGURES if key != "peak_memory_mb"}
    peak = max((line.peak_memory_mb or 0 for line in lines), default=0)
    return render(
        "costs.html",
        lines=lines,
        totals=totals | {"peak_memory_mb": peak or None},
        told=told.replace("`", ""),
        points=points(build),
        names=build.names,
        gpu=any(line.gpu_s is not None for line in lines),
        money=any(line.usd or line.found_usd for line in lines),
    )
