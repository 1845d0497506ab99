"""A flow from top to bottom: the width of each band is a count, all to one scale.

Vertical, because it is read on a phone, too: each level is a row of nodes with their labels below.
"""

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from stages.report.page.axes import cut, place, spread, wide

WIDTH, MARGIN = 300, 2
LEVEL, TOP, BAR = 80, 4, 9  # from level to level, above the first one, of a node
BETWEEN = 11  # nodes of one level
LEAST = 1.0  # so wide is what counts at least one
TEXT, BOLD = 12, 1.1  # size of the texts; so much wider are the bold ones
FAR = 10  # from its node may a label be moved
LINE, LINES = 15, 6  # from line to line of labels; as many are taken to keep leaders free


@dataclass
class Node:
    """Rows, or replies, that something became of.

    kind: "" for what goes on, `out` for what ends here, or `train`, `val`, `test`
    """

    key: str
    label: str
    count: int
    level: int
    kind: str = ""
    note: str = ""


@dataclass
class Flow:
    """Nodes and what flows between them: (from, to, count), by key, from a level to the next."""

    nodes: list[Node] = field(default_factory=list)
    links: list[tuple[str, str, int]] = field(default_factory=list)

    def node(self, key: str, label: str, count: int, level: int, **more: str) -> None:
        """Add a node that counts anything."""
        if count > 0:
            self.nodes.append(Node(key, label, count, level, **more))

    def link(self, source: str, target: str, count: int) -> None:
        """Add a band that counts anything."""
        if count > 0:
            self.links.append((source, target, count))


def odd(flow: Flow) -> list[str]:
    """Return the nodes whose bands do not add up to them, in words; none where all is well."""
    told = []
    for node in flow.nodes:
        into = sum(count for _, target, count in flow.links if target == node.key)
        out = sum(count for source, _, count in flow.links if source == node.key)
        for way, total in (("come in", into), ("go on", out)):
            if total and total != node.count:
                told.append(f"{node.label}: {node.count:,} are counted, {total:,} {way}")
    return told


def levels(flow: Flow) -> list[list[Node]]:
    """Return the nodes of each level that has some, in the order in which they were added."""
    there = sorted({node.level for node in flow.nodes})
    return [[node for node in flow.nodes if node.level == level] for level in there]


def folded(flow: Flow, most: int = 5) -> Flow:
    """Return a flow with about `most` nodes a level: the least of those that begin there are one.

    What begins in a level and flows on to one node alone can be one with its like.
    """
    reached = {target for _, target, _ in flow.links}
    to = {source: target for source, target, _ in flow.links}
    for row in levels(flow):
        begun = [node for node in row if node.key not in reached and node.key in to]
        begun = [node for node in begun if to[node.key] == to[begun[0].key]]
        keep = max(1, most - 1 - (len(row) - len(begun)))
        if len(row) <= most or len(begun) - keep < 2:
            continue
        rest = sorted(begun, key=lambda node: -node.count)[keep:]
        note = ", ".join(f"{node.label} ({node.count:,})" for node in rest)
        total, key, end = (
            sum(node.count for node in rest),
            f"more of {row[0].level}",
            to[rest[0].key],
        )
        one = Node(key, f"{len(rest)} more", total, row[0].level, note=note)
        gone = {node.key for node in rest}
        nodes = [node for node in flow.nodes if node.key not in gone]
        links = [link for link in flow.links if link[0] not in gone]
        place_ = max(nodes.index(node) for node in row if node in nodes) + 1
        flow = Flow([*nodes[:place_], one, *nodes[place_:]], [*links, (key, end, total)])
    return flow


def scale(rows: list[list[Node]]) -> float:
    """Return the units for one count, so that the widest level fits."""
    return min(
        (WIDTH - 2 * MARGIN - BETWEEN * (len(row) - 1) - LEAST * len(row))
        / max(1, sum(node.count for node in row))
        for row in rows
    )


def drawn(flow: Flow) -> dict[str, Any]:
    """Return what the macro `flow` of svg.html draws."""
    rows = levels(flow)
    unit = scale(rows)
    at: dict[str, dict[str, Any]] = {}
    y = TOP
    for row in rows:
        lengths = [max(LEAST, node.count * unit) for node in row]
        x = (WIDTH - sum(lengths) - BETWEEN * (len(row) - 1)) / 2
        for node, length in zip(row, lengths, strict=True):
            at[node.key] = {"x": x, "y": y, "length": length, "in": 0.0, "out": 0.0, "node": node}
            x += length + BETWEEN
        _label(row, at)
        lines = max(2 if at[node.key]["line"] is None else at[node.key]["line"] + 1 for node in row)
        y += max(LEVEL, BAR + 22 + LINE * lines)
        height = at[row[0].key]["y"] + BAR + 8 + LINE * lines
    links = [_band(*link, at, unit) for link in _in_order(flow, at)]
    return {
        "width": WIDTH,
        "height": height,
        "bar": BAR,
        "links": links,
        "nodes": [
            {
                "x": place(each["x"]), "y": place(each["y"]), "length": place(each["length"]),
                "count": f"{each['node'].count:,}", "label": each["label"],
                "title": each["node"].label, "note": each["node"].note, "kind": each["node"].kind,
                "text_x": place(each["text_x"]), "text_y": place(each["y"] + BAR + 18),
                "middle": place(each["x"] + each["length"] / 2),
                "line": each["line"], "left": each.get("left"),
                "line_y": place(each["y"] + BAR + 18 + LINE * (each["line"] or 0)),
            }
            for each in at.values()
        ],
    }  # fmt: skip


def _label(row: list[Node], at: dict[str, dict[str, Any]]) -> None:
    """Put the labels of a level below its nodes, none upon another.

    Each is in the middle below its node, its count above its name; where that would move them away
    from narrow nodes, those have theirs in one line, and each line ends below its node.
    """
    spots = [at[node.key] for node in row]
    longest = [wide(f"{node.count:,}", TEXT) * BOLD for node in row]
    needed = [max(wide(node.label, TEXT), each) for node, each in zip(row, longest, strict=True)]
    middles = [spot["x"] + spot["length"] / 2 for spot in spots]
    gaps = [0.0, *((one + other) / 2 + 6 for one, other in pairwise(needed))]
    found = spread(middles, gaps, needed[0] / 2 + 1, WIDTH - needed[-1] / 2 - 1)
    far = max(
        abs(to - middle) - spot["length"] / 2
        for spot, middle, to in zip(spots, middles, found, strict=True)
    )
    for spot, node, x in zip(spots, row, found, strict=True):
        spot |= {"text_x": x, "label": node.label, "line": None}
    if far > FAR or found[-1] + needed[-1] / 2 > WIDTH:
        _stairs(spots, needed)


def _stairs(spots: list[dict[str, Any]], needed: list[float]) -> None:
    """Put the labels of narrow nodes one below the other, each line ending below its node.

    A label goes to the left of its node's middle, or, too near to the edge, to the right; what does
    not fit there is cut.
    """
    taken: list[tuple[float, float, int, float]] = []  # from, to, line, where its node is
    for spot, width in zip(spots, needed, strict=True):  # the broad ones have both lines
        if width <= spot["length"] + BETWEEN:
            middle = spot["x"] + spot["length"] / 2
            middle = min(max(middle, width / 2 + 1), WIDTH - width / 2 - 1)
            spot["text_x"] = middle
            begin, end = middle - width / 2, middle + width / 2
            taken += [(begin, end, line, -WIDTH) for line in (0, 1)]  # nothing leads there
    for spot, width in zip(spots, needed, strict=True):
        if width <= spot["length"] + BETWEEN:
            continue
        node, middle = spot["node"], spot["x"] + spot["length"] / 2
        count = wide(f"{node.count:,} ", TEXT) * BOLD
        left = middle + 3 > WIDTH / 3
        room = (middle if left else WIDTH - middle) - count - 4
        spot["label"] = cut(node.label, room, TEXT)
        length = count + wide(spot["label"], TEXT)
        begin = middle + 3 - length if left else middle - 3
        end = begin + length
        line = _line(begin, end, middle, taken)
        taken.append((begin, end, line, middle))
        spot |= {"text_x": end if left else begin, "line": line, "left": left}


def _line(
    begin: float, end: float, middle: float, taken: list[tuple[float, float, int, float]]
) -> int:
    """Return the first line with room for a label, best where no leader crosses a label."""
    beside = {at for since, to, at, _ in taken if begin < to + 6 and end > since - 6}
    led = max((at + 1 for _, _, at, x in taken if begin - 3 < x < end + 3), default=0)
    under = min((at for since, to, at, _ in taken if since - 2 < middle < to + 2), default=LINES)
    free = [line for line in range(len(taken) + 2) if line not in beside]
    return next((line for line in free if led <= line <= min(under, LINES)), free[0])


def _in_order(flow: Flow, at: dict[str, dict[str, Any]]) -> list[tuple[str, str, int]]:
    """Return the bands so that none of one node crosses another of it."""
    return sorted(flow.links, key=lambda link: (at[link[0]]["x"], at[link[1]]["x"]))


def _band(
    source: str, target: str, count: int, at: dict[str, dict[str, Any]], unit: float
) -> dict[str, Any]:
    """Return a band's path, from below one node to above another, and move on along both."""
    one, other = at[source], at[target]
    width = max(LEAST, count * unit)
    left, to = one["x"] + one["out"], other["x"] + other["in"]
    one["out"], other["in"] = one["out"] + width, other["in"] + width
    top, bottom = one["y"] + BAR, other["y"]
    half = (top + bottom) / 2
    a, b, c, d = (place(each) for each in (left, to, to + width, left + width))
    top, half, bottom = place(top), place(half), place(bottom)
    path = f"M{a},{top}C{a},{half} {b},{half} {b},{bottom}H{c}C{c},{half} {d},{half} {d},{top}Z"
    says = f"{one['node'].label} → {other['node'].label}: {count:,}"
    return {"path": path, "says": says, "kind": other["node"].kind, "width": width}


def table(flow: Flow) -> list[list[str]]:
    """Return the table's rows: from, to, how many."""
    names = {node.key: node.label for node in flow.nodes}
    return [[names[source], names[target], f"{count:,}"] for source, target, count in flow.links]


def told(flow: Flow) -> str:
    """Say a flow in words, level by level."""
    rows = levels(flow)
    said = (", ".join(f"{node.count:,} {node.label}" for node in row) for row in rows)
    return "; then ".join(said) + "."


def finite(value: Any) -> int:
    """Read a count of a JSON file; 0 for what is none."""
    number = value if isinstance(value, int | float) and math.isfinite(value) else 0
    return max(0, int(number))
