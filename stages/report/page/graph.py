"""The stages and what they depend on, as dvc.yaml says it."""

from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from stages.report.build import Build
from stages.report.page import dag
from stages.report.page.axes import cut, place, wide
from stages.report.page.frame import render
from stages.report.page.pipeline import Edge, Stage, edges, stages

TITLE = "The graph"
NAME, ITEM = 12, 11  # sizes of the texts
SHOWN = 3  # items of a stage that have a line of their own
LINE, PAD, WIDEST = 14, 6, 78.0
WIDE = 976.0  # units that fit beside the table of contents on a usual screen
MARGIN = 4.0


def lines(stage: Stage, width: float) -> list[str]:
    """Return the lines of a box below its name: the items, the last for those beyond."""
    items = stage.items or []
    shown = items if len(items) <= SHOWN else items[: SHOWN - 1]
    told = [cut(item, width, ITEM) for item in shown]
    return [*told, f"+{len(items) - len(shown)} more"] if len(items) > len(shown) else told


def size(stage: Stage) -> tuple[float, float]:
    """Return how broad and how tall a stage's box is."""
    texts = [wide(stage.name, NAME) * 1.08, *(wide(item, ITEM) for item in stage.items or [])]
    broad = min(WIDEST, max(texts) + 2 * PAD)
    return broad, 2 * PAD + LINE * (1 + len(lines(stage, broad))) - 3.0


@dataclass
class Canvas:
    """Where the layers of a layout stand.

    down: layer below layer, for narrow screens; else from left to right
    sizes: (broad, tall) of each box
    begins, deep: of each layer, along the way of the arrows
    """

    layout: dag.Layout
    down: bool
    sizes: dict[str, tuple[float, float]]
    begins: list[float]
    deep: list[float]

    def __post_init__(self) -> None:
        self.number = {spot: at for at, layer in enumerate(self.layout.layers) for spot in layer}

    def point(self, along: float, spot: dag.Spot) -> tuple[float, float]:
        """Return (x, y) of what stands so far along the way of the arrows, at a spot's place."""
        across = self.layout.at[spot] + MARGIN
        return (across, along) if self.down else (along, across)

    def corner(self, name: str) -> tuple[float, float]:
        """Return the upper left corner of a box: at the top of its layer, or in its middle."""
        at, (broad, tall) = self.number[name], self.sizes[name]
        if self.down:
            x, y = self.point(self.begins[at], name)
            return x - broad / 2, y
        x, y = self.point(self.begins[at] + self.deep[at] / 2, name)
        return x - broad / 2, y - tall / 2

    def stops(self, way: list[dag.Spot]) -> list[tuple[float, float]]:
        """Return the points of an arrow: it leaves a box, passes layers, reaches a box."""
        source, to = str(way[0]), str(way[-1])
        (x, y), (broad, tall) = self.corner(source), self.sizes[source]
        found = [self.point(y + tall if self.down else x + broad, source)]
        if self.down:  # past the taller boxes beside it
            at = self.number[source]
            found.append(self.point(self.begins[at] + self.deep[at], source))
        for spot in way[1:-1]:
            begin = self.begins[self.number[spot]]
            end = begin + self.deep[self.number[spot]]
            found += [self.point(begin, spot), self.point(end, spot)]
        x, y = self.corner(to)
        return [*found, self.point(y if self.down else x, to)]


def canvas(found: list[Stage], arrows: set[Edge], *, down: bool) -> Canvas:
    """Lay out the stages."""
    sizes = {stage.name: size(stage) for stage in found}
    across = {name: each[0 if down else 1] for name, each in sizes.items()}
    layout = dag.lay([stage.name for stage in found], arrows, across, 6.0 if down else 12.0)
    along = {name: each[1 if down else 0] for name, each in sizes.items()}
    deep = [max([along.get(spot, 0.0) for spot in layer]) for layer in layout.layers]
    # From left to right a bit nearer to each other, where that spares making all smaller.
    room = (WIDE - sum(deep) - 2 * MARGIN) / max(1, len(deep) - 1)
    between = 18.0 if down else min(16.0, max(9.0, room))
    begins = [MARGIN + sum(deep[:at]) + between * at for at in range(len(deep))]
    return Canvas(layout, down, sizes, begins, deep)


def picture(found: list[Stage], arrows: set[Edge], *, down: bool) -> dict[str, Any]:
    """Return what the macro `graph` of svg.html draws."""
    on = canvas(found, arrows, down=down)
    length = on.begins[-1] + on.deep[-1] + MARGIN
    breadth = on.layout.length + 2 * MARGIN
    return {
        "width": place(breadth if down else length),
        "height": place(length if down else breadth),
        "boxes": [box(stage, on) for stage in found],
        "ways": [
            {"path": bent(on.stops(way), down=down), "from": source, "to": to}
            for (source, to), way in on.layout.ways.items()
        ],
        "down": down,
    }


def box(stage: Stage, on: Canvas) -> dict[str, Any]:
    """Return a box with its texts."""
    (x, y), (broad, tall) = on.corner(stage.name), on.sizes[stage.name]
    first = y + PAD + 10
    items = f" ({', '.join(stage.items)})" if stage.items else ""
    return {
        "stage": stage.name,
        "name": cut(stage.name, broad - PAD, NAME),
        "title": f"{stage.name}: {stage.says}{items}",
        "x": place(x),
        "y": place(y),
        "width": place(broad),
        "height": place(tall),
        "middle": place(x + broad / 2),
        "name_y": place(first),
        "lines": [
            {"text": text, "y": place(first + LINE * at)}
            for at, text in enumerate(lines(stage, broad - PAD), 1)
        ],
    }


def bent(stops: list[tuple[float, float]], *, down: bool) -> str:
    """Return the path of an arrow; it leaves and arrives along the way of the layers."""
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


def told(names: list[str], arrows: set[Edge]) -> str:
    """Say in words what the picture shows."""
    said = []
    for name in names:
        before = [source for source in names if (source, name) in arrows]
        said.append(f"{name} after {', '.join(before)}" if before else f"{name} first")
    return "; ".join(said) + "."


def part(build: Build) -> Markup:
    """Return the part; nothing where dvc.yaml has no stages, or they depend on themselves."""
    found = stages(build.graph, build.params)
    there = [stage for stage in found if stage.of]
    names, arrows = [stage.name for stage in there], edges(there)
    if not there or not dag.acyclic(names, arrows):
        return Markup("")
    drawn = dag.reduced(names, arrows)
    pictures = [
        {"id": f"graph-{'narrow' if down else 'wide'}", "of": picture(there, drawn, down=down)}
        for down in (False, True)
    ]
    return render("graph.html", pictures=pictures, stages=found, told=told(names, drawn))
