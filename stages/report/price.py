"""What a point of the chosen metric cost: a part of metrics/report.md."""

from typing import Any

from stages.core.significance import shown
from stages.report.markdown import escape, table

HOW_TO_READ = """\
A point is a hundredth of the highest value of `{}` (of 1 where there is none), in the section {}.
The cost of a point is what the adapter itself cost (the replies that became its rows, whenever they
were paid, and its training in its own run) by its gain on the model it stands on; the cost by the
chain is what it and all adapters below it cost, rows that several share paid once, by its gain on
the base. The base itself, answering and judging are not counted. In square brackets the gain's
interval. A cost in round brackets is of a gain that is not shown: it may be the price of noise.
"""
KINDS = {"usd": "$", "cpu_s": "CPU-s", "gpu_s": "GPU-s"}


def chain(name: str, prices: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Return what an adapter and all those it stands on cost: sums of seconds, one purchase."""
    summed: dict[str, float] = {}
    while found := prices.get(name):
        for kind, value in found["spent"].items():
            so_far = summed.get(kind, 0.0)
            summed[kind] = max(so_far, value) if kind == "usd" else so_far + value
        name = found["stands_on"]
    return summed


def gain(found: dict[str, Any] | None) -> str:
    """Spell a gain: points, interval, n."""
    if not found:
        return ""
    around = f" [{found['low']:.1f}, {found['high']:.1f}]" if "low" in found else ""
    return f"{found['points']:+.1f}{around}, n = {found['n']}"


def each(found: dict[str, Any] | None, cost: dict[str, float], confidence: float) -> str:
    """Spell what a point cost, or that there is no gain to pay for."""
    if not found:
        return ""
    if found["points"] <= 0:
        return "no gain to pay for"
    per = [
        f"{unit}{cost[kind] / found['points']:.3g}"
        if unit == "$"
        else f"{cost[kind] / found['points']:.3g} {unit}"
        for kind, unit in KINDS.items()
        if kind in cost
    ]
    return ", ".join(per) if shown(found, confidence) else f"({', '.join(per)})"


def section(prices: dict[str, dict[str, Any]], confidence: float) -> list[str]:
    """Return the part's lines of Markdown; none where nothing is trained.

    prices: adapter's name -> what metrics/costs/price.<name>.json holds
    """
    if not prices:
        return []
    first = next(iter(prices.values()))
    rows = []
    for name, found in prices.items():
        on, base = found.get("on"), found.get("base", found.get("on"))
        rows.append(
            [
                f"{escape(name)} on {escape(found['stands_on'])}", gain(on),
                each(on, found["spent"], confidence), gain(base),
                each(base, chain(name, prices), confidence),
            ]
        )  # fmt: skip
    told = HOW_TO_READ.format(first["metric"], escape(first["section"]))
    head = ["adapter", "gain on that", "cost of a point", "gain on the base", "cost by the chain"]
    return ["## What a point cost", "", *told.split("\n"), *table(head, rows)]
