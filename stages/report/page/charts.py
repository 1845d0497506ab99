"""Line charts: what is drawn where. The macros of svg.html draw it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from stages.report.page.axes import Scale, cut, log_ticks, place, rounded_span, spread, ticks, wide

Point = tuple[float, float]
WIDTH, TEXT = 300, 12  # about a phone's width; the size of the labels
BOLD = 1.1  # so much wider
TALL = {"small": 130, "large": 200}
DENSE = 40  # points from which on a line is thin, without dots and dashes
MOST = 240  # points of a line that are drawn: more than there are units
LABEL = 112  # units at most for the labels at the ends of the lines


@dataclass
class Line:
    """One line of a chart.

    series: 1 to 8, its colour; points: (x, y) in the order of x
    dashed: drawn with gaps, so that no colour is needed to tell it from another
    band:   (x, low, high), an interval around it
    """

    label: str
    series: int
    points: list[Point]
    dashed: bool = False
    band: list[tuple[float, float, float]] = field(default_factory=list)


@dataclass
class Mark:
    """A point with a ring around it, and where a rise from it ends."""

    at: Point
    to: Point | None = None


def thinned(points: Sequence[Point], most: int = MOST) -> list[Point]:
    """Return so many points at most: of each stretch the lowest and the highest, in their order."""
    if len(points) <= most:
        return list(points)
    stretch = math.ceil(2 * len(points) / (most - 2))
    kept = {0, len(points) - 1}
    for begin in range(0, len(points), stretch):
        places = range(begin, min(begin + stretch, len(points)))
        kept |= {min(places, key=lambda at: points[at][1])}
        kept |= {max(places, key=lambda at: points[at][1])}
    return [points[at] for at in sorted(kept)]


def path(points: Sequence[Point], x: Scale, y: Scale) -> str:
    """Return the path of a line."""
    return "M" + "L".join(f"{x.at(at)},{y.at(value)}" for at, value in points)


def spelled(value: float) -> str:
    """Spell a tick's figure: no more digits than it has."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.6g}"


def chart(
    lines: list[Line],
    x_label: str,
    y_label: str,
    *,
    log: bool = False,
    size: str = "large",
    marks: Sequence[Mark] = (),
    span: tuple[float, float] | None = None,
    whole: bool = False,
) -> dict[str, object]:
    """Return what the macro `chart` of svg.html draws.

    log:   the y axis is logarithmic; all y must be positive then
    span:  what the y axis must show in any case
    whole: x has whole numbers only, a tick each where there is room
    """
    height = TALL[size]
    lines = [Line(**{**vars(each), "points": thinned(each.points)}) for each in lines]
    label_room = min(LABEL, max(wide(each.label, TEXT) * BOLD for each in lines))
    left, right, top, bottom = 38, WIDTH - 10 - label_room, 24, height - 34
    xs = [at for line in lines for at, _ in line.points]
    ys = [value for line in lines for _, value in line.points]
    ys += [end for line in lines for band in line.band for end in band[1:]]
    x_low, x_high = min(xs), max(xs)
    if x_low == x_high:
        x_low, x_high = x_low - 1, x_high + 1
    x = Scale(x_low, x_high, left + 6, right - 6)
    low, high = min([*ys, *(span or ())]), max([*ys, *(span or ())])
    if log:
        low, high = (low, high) if low < high else (low / 2, high * 2)
        y = Scale(low / 1.15, high * 1.15, bottom, top, log=True)
        y_ticks = log_ticks(y.low, y.high)
    else:
        low, high = rounded_span(low, high)
        y = Scale(low, high, bottom, top)
        y_ticks = ticks(low, high)
    x_ticks = ticks(x_low, x_high, 4)
    if whole:
        x_ticks = [at for at in x_ticks if at == int(at)]
    drawn = [
        {
            "label": cut(line.label, label_room / BOLD + 0.5, TEXT),
            "title": line.label,
            "series": line.series,
            "dashed": line.dashed and len(line.points) <= DENSE,
            "dense": len(line.points) > DENSE,
            "path": path(line.points, x, y),
            "dots": _dots(line, x, y),
            "band": _band(line, x, y),
        }
        for line in lines
    ]
    _label_ends(drawn, lines, x, y, (top, bottom))
    return {
        "width": WIDTH,
        "height": height,
        "left": left,
        "right": place(right),
        "top": top,
        "bottom": bottom,
        "x_label": x_label,
        "y_label": y_label + (" (log scale)" if log else ""),
        "x_ticks": [(x.at(at), spelled(at)) for at in x_ticks],
        "y_ticks": [(y.at(at), spelled(at)) for at in y_ticks],
        "lines": drawn,
        "marks": [_mark(each, x, y) for each in marks],
    }


def _dots(line: Line, x: Scale, y: Scale) -> list[tuple[float, float, str]]:
    """Return a line's points, to be pointed at, where they are few; where it has one, that one."""
    if len(line.points) > DENSE:
        return []
    return [
        (x.at(at), y.at(value), f"{line.label}: {value:.4g} at {spelled(at)}")
        for at, value in line.points
    ]


def _band(line: Line, x: Scale, y: Scale) -> str:
    """Return the path around a line's interval."""
    if not line.band:
        return ""
    upper = [(at, high) for at, _, high in line.band]
    lower = [(at, low) for at, low, _ in reversed(line.band)]
    return path([*upper, *lower], x, y) + "Z"


def _label_ends(
    drawn: list[dict[str, object]],
    lines: list[Line],
    x: Scale,
    y: Scale,
    ends: tuple[float, float],
) -> None:
    """Put each label beside the end of its line, none upon another."""
    order = sorted(range(len(lines)), key=lambda at: (y.at(lines[at].points[-1][1]), at))
    wanted = [float(y.at(lines[at].points[-1][1])) for at in order]
    found = spread(wanted, [14.0] * len(order), ends[0] + 4, ends[1] - 6)
    for at, to in zip(order, found, strict=True):
        end = lines[at].points[-1]
        drawn[at]["end"] = {"x": x.at(end[0]), "y": y.at(end[1]), "label_y": place(to)}


def _mark(mark: Mark, x: Scale, y: Scale) -> dict[str, object]:
    """Return where a mark is drawn."""
    to = (x.at(mark.to[0]), y.at(mark.to[1])) if mark.to else None
    return {"x": x.at(mark.at[0]), "y": y.at(mark.at[1]), "to": to}
