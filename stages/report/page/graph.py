"""The stages and what they depend on, as dvc.yaml says it."""

import re
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from stages.report.build import Build
from stages.report.page import dag
from stages.report.page.axes import cut, place, wide
from stages.report.page.frame import render

TITLE = "The graph"
WRITES = ("outs", "metrics", "plots")
NAME, ITEM = 12, 11  # sizes of the texts
SHOWN = 3  # items of a stage that have a line of their own
LINE, PAD = 14, 7
VARIABLE = re.compile(r"\$\{([^}]*)\}")


@dataclass
class Stage:
    """A stage of dvc.yaml: one box.

    items: the names of what a `foreach` goes through; None for a stage that stands once
    reads, writes: paths, each as it stands there, without what all stages have (stages/)
    of: the paths, a pair (reads, writes) for each item, filled in as far as params.yaml says
    """

    name: str
    says: str
    items: list[str] | None
    reads: list[str]
    writes: list[str]
    of: list[tuple[list[str], list[str]]]


def paths(entries: Any) -> list[str]:
    """Return the paths of deps, outs, metrics or plots, options apart."""
    if not isinstance(entries, list):
        return []
    return [str(next(iter(each))) if isinstance(each, dict) else str(each) for each in entries]


def filled(path: str, values: dict[str, Any]) -> str:
    """Fill in the variables of a path; what is not known stays as it is written."""

    def known(match: re.Match[str]) -> str:
        found: Any = values
        for key in match.group(1).split("."):
            found = found.get(key) if isinstance(found, dict) else None
        return match.group(0) if found is None else str(found)

    return VARIABLE.sub(known, path)


def stages(graph: dict[str, Any], params: dict[str, Any]) -> list[Stage]:
    """Return the stages of dvc.yaml, in its order."""
    found = []
    for name, entry in graph.get("stages", {}).items():
        what = entry.get("do", entry)
        reads = [path for path in paths(what.get("deps")) if not path.startswith("stages/")]
        writes = [path for kind in WRITES for path in paths(what.get(kind))]
        items: list[str] | None = None
        of = [dict(params)]
        if "foreach" in entry:
            section = VARIABLE.fullmatch(str(entry["foreach"]))
            of_items = params.get(section.group(1), {}) if section else entry["foreach"]
            pairs = of_items.items() if isinstance(of_items, dict) else enumerate(of_items)
            of = [params | {"key": key, "item": item} for key, item in pairs]
            items = [
                str(each["item"].get("name", each["key"])) if isinstance(each["item"], dict)
                else str(each["item"])
                for each in of
            ]  # fmt: skip
        both = [
            ([filled(path, values) for path in reads], [filled(path, values) for path in writes])
            for values in of
        ]
        says = " ".join(str(what.get("desc", "")).split())
        found.append(Stage(str(name), says, items, reads, writes, both))
    return found


def meets(read: str, written: str) -> bool:
    """Tell whether a stage that reads this depends on one that writes that.

    They are one path, or one is a folder that the other lies in. A variable that nobody filled in
    stands for anything within a folder's name.
    """
    parts = [
        [VARIABLE.sub("\0", part) for part in path.strip("/").split("/")]
        for path in (read, written)
    ]
    for one, other in zip(*parts, strict=False):
        if "\0" in one + other:
            patterns = ["[^/]*".join(map(re.escape, part.split("\0"))) for part in (one, other)]
            if re.fullmatch(patterns[0], other) or re.fullmatch(patterns[1], one):
                continue
        if one != other:
            return False
    return True


def edges(found: list[Stage]) -> set[dag.Edge]:
    """Return which stage feeds which: (from, to), by the paths that one writes and one reads."""
    return {
        (source.name, target.name)
        for source in found
        for target in found
        if source.name != target.name
        for _, written in source.of
        for read, _ in target.of
        if any(meets(one, other) for one in read for other in written)
    }


def lines(stage: Stage, width: float) -> list[dict[str, str]]:
    """Return the lines of a box below its name: the items, the last for those beyond."""
    items = stage.items or []
    shown = items if len(items) <= SHOWN else items[: SHOWN - 1]
    told = [cut(item, width, ITEM) for item in shown]
    if len(items) > len(shown):
        told.append(f"+{len(items) - len(shown)} more")
    return [{"text": text} for text in told]


def picture(found: list[Stage], arrows: set[dag.Edge], *, down: bool) -> dict[str, Any]:
    """Return what the template draws.

    down: layer below layer, for narrow screens; else from left to right
    """
    names = [stage.name for stage in found]
    broad = {stage.name: max(wide(stage.name, NAME) * 1.08, 34) + 2 * PAD for stage in found}
    broad = {name: min(width, 110.0) for name, width in broad.items()}
    tall = {
        stage.name: 2 * PAD + LINE * (1 + len(lines(stage, broad[stage.name]))) - 3.0
        for stage in found
    }
    layout = dag.lay(names, arrows, broad if down else tall, 6.0 if down else 12.0)
    along, thick = (tall, 18.0) if down else (broad, 13.0)
    layers, begin, starts, depth = layout.layers, 4.0, [], []
    for layer in layers:
        deep = max([along[spot] for spot in layer if isinstance(spot, str)] or [0.0])
        starts.append(begin)
        depth.append(deep)
        begin += deep + thick
    margin = 4.0
    size = begin - thick + margin, layout.length + 2 * margin
    number = {spot: at for at, layer in enumerate(layers) for spot in layer}

    def point(across: float, at: float) -> tuple[float, float]:
        x, y = (at + margin, across) if down else (across, at + margin)
        return float(place(x)), float(place(y))

    boxes = []
    for stage in found:
        name = stage.name
        center = starts[number[name]] + (0 if down else depth[number[name]] / 2)
        x, y = point(center, layout.at[name])
        if down:
            x, y = x - broad[name] / 2, y
        else:
            x, y = x - broad[name] / 2, y - tall[name] / 2
        boxes.append(
            {
                "name": cut(name, broad[name] - PAD, NAME),
                "title": f"{name}: {stage.says}" + (f" ({', '.join(stage.items)})" if stage.items else ""),
                "x": place(x), "y": place(y), "width": place(broad[name]), "height": place(tall[name]),
                "middle": place(x + broad[name] / 2),
                "name_y": place(y + PAD + 10),
                "lines": [
                    each | {"y": place(y + PAD + 10 + LINE * at)}
                    for at, each in enumerate(lines(stage, broad[name] - PAD), 1)
                ],
            }
        )  # fmt: skip
    ways = []
    for (source, to), way in layout.ways.items():
        begin_at = starts[number[source]] + (
            tall[source] if down else (depth[number[source]] + broad[source]) / 2
        )
        end_at = starts[number[to]] + (0 if down else (depth[number[to]] - broad[to]) / 2)
        stops = [point(begin_at, layout.at[source])]
        for spot in way[1:-1]:
            layer = number[spot]
            stops += [
                point(starts[layer], layout.at[spot]),
                point(starts[layer] + depth[layer], layout.at[spot]),
            ]
        stops.append(point(end_at, layout.at[to]))
        ways.append({"path": bent(stops, down=down), "from": source, "to": to, "end": stops[-1]})
    return {
        "width": place(size[1] if down else size[0]),
        "height": place(size[0] if down else size[1]),
        "boxes": boxes,
        "ways": ways,
        "down": down,
    }


def bent(stops: list[tuple[float, float]], *, down: bool) -> str:
    """Return the path of an arrow: from stop to stop, leaving and arriving along the layers' way."""
    (x, y), *rest = stops
    said = f"M{place(x)},{place(y)}"
    for to_x, to_y in rest:
        if down:
            half = place((y + to_y) / 2)
            said += f"C{place(x)},{half} {place(to_x)},{half} {place(to_x)},{place(to_y)}"
        else:
            half = place((x + to_x) / 2)
            said += f"C{half},{place(y)} {half},{place(to_y)} {place(to_x)},{place(to_y)}"
        x, y = to_x, to_y
    return said


def part(build: Build) -> Markup:
    """Return the part; nothing where dvc.yaml has no stages."""
    found = stages(build.graph, build.params)
    there = [stage for stage in found if stage.of]
    arrows = edges(there)
    names = [stage.name for stage in there]
    if not there or not dag.acyclic(names, arrows):
        return Markup("")
    drawn = dag.reduced(names, arrows)
    told = "; ".join(
        f"{stage.name} after {', '.join(before) or 'nothing'}"
        for stage in there
        if (before := [source for source in names if (source, stage.name) in arrows]) or True
    )
    pictures = [
        {"id": f"graph-{'narrow' if down else 'wide'}", "of": picture(there, drawn, down=down)}
        for down in (False, True)
    ]
    return render("graph.html", pictures=pictures, stages=found, told=told + ".")
