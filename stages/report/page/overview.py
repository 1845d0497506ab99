"""What the build shows, in words, before any figure."""

from itertools import groupby
from typing import Any

from markupsafe import Markup

from stages.core.scores import arrow
from stages.report.build import Build
from stages.report.first_table import ROOM, best
from stages.report.page.frame import render
from stages.report.words import about, tell

TITLE = "At a glance"


def plural(count: int, what: str) -> str:
    """Spell a count with its noun."""
    return f"{count:,} {what}{'s' * (count != 1)}"


def facts(build: Build) -> list[tuple[str, str, str]]:
    """Return few figures of the build: what, how much, of what."""
    data, pasted = build.data, len(build.names) - len(build.trained)
    kinds = ["the base"] * ("base" in build.names) + [plural(len(build.adapters), "adapter")]
    kinds += [f"{pasted} from elsewhere"] * bool(pasted)
    told = [("models", str(len(build.names)), ", ".join(kinds))]
    if asked := data.get("requested"):
        told.append(("rows from teachers", f"{data['rows']:,}", f"of {asked:,} requested"))
    trained = [rows for found in build.splits.values() if (rows := found.get("train"))]
    told.append(("training rows", f"{sum(trained):,}", f"in {plural(len(trained), 'set')}"))
    rows = tested(build)
    same = all(of == rows[0] for of in rows)
    whom = "the same for every model" if same else "answers from elsewhere are to some of them"
    told.append(("test rows", f"{len(set().union(*rows)):,}", whom))
    spent = build.costs.values()
    if paid := ["teachers"] * bool(asked) + ["judges"] * bool(build.judge):
        now, before = (sum(of.get(key) or 0 for of in spent) for key in ("usd", "found_usd"))
        what = f"paid to {' and '.join(paid)}"
        told.append((what, f"${now + before:,.2f}", f"${now:,.2f} of it in these runs"))
    minutes = sum(of.get("wall_s") or 0 for of in spent) / 60
    return [*told, ("computing", f"{minutes:,.1f} min", "each stage in its own run")]


def tested(build: Build) -> list[set[str]]:
    """Return the test rows that each model answered; a sample of training rows is none of them."""
    return [
        {answer["row"] for answer in answers if answer["set"] in build.splits}
        for answers in build.answers.values()
    ]


def table(build: Build) -> dict[str, Any]:
    """Return the recipe's first table: columns (section, key, arrow, n) and rows of cells."""
    asked = build.params["evaluate"]["table"]
    found = {(f"{line['section']}.{line['metric']}", line["model"]): line for line in build.figures}
    columns, rows = [], {name: [] for name in build.names}
    for column in asked:
        section, _, key = column.rpartition(".")
        lines = {name: found[column, name] for name in rows if (column, name) in found}
        n = max((line["n"] for line in lines.values()), default=0)
        columns.append({"section": section, "key": key, "arrow": arrow(key), "n": n})
        top = best(key, lines.values(), n)
        for name, cells in rows.items():
            line = lines.get(name)
            if line is None:
                cells.append(None)
                continue
            is_best = line["n"] == n and round(line["value"], 3) == top
            cells.append(line | {"best": is_best, "fewer": line["n"] != n})
    return {"columns": columns, "rows": rows, "ends": len(asked) <= ROOM}


def part(build: Build) -> Markup:
    """Return the part."""
    told = tell(build.sections, build.comparisons, build.confidence)
    return render(
        "overview.html",
        alarms=build.diversity.get("alarms", []),
        rises=[each for each in build.rose if not each.kept],
        facts=facts(build),
        about=about(build.confidence),
        told=[(pair, list(of)) for pair, of in groupby(told, key=lambda each: each.pair)],
        table=table(build),
        names=build.names,
    )
