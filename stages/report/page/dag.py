"""Lay out a directed acyclic graph: its nodes in layers, few of its arrows crossing."""

from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import NamedTuple

Edge = tuple[str, str]  # from, to
SWEEPS = 12  # of the search for an order
SETTLING = 100  # moves of each layer
STRAIGHT = 20.0  # pulls a bend of a long arrow another one, where a node pulls 1


class Via(NamedTuple):
    """Where a long arrow passes a layer: it takes part in the order as a node does."""

    source: str
    target: str
    layer: int


Spot = str | Via


@dataclass
class Layout:
    """Where everything stands, in layers and, within a layer, in units from its beginning.

    layers: the spots of each layer, in their order
    ways:   of each arrow the spots that it passes, both ends included
    at:     the middle of each spot
    length: of the longest layer
    """

    layers: list[list[Spot]]
    ways: dict[Edge, list[Spot]]
    at: dict[Spot, float] = field(default_factory=dict)
    length: float = 0.0


def reduced(nodes: list[str], edges: set[Edge]) -> set[Edge]:
    """Return the edges that no longer way says already (the transitive reduction)."""
    after = {node: {to for source, to in edges if source == node} for node in nodes}
    reached: dict[str, set[str]] = {}
    for node in reversed(in_order(nodes, edges)):
        reached[node] = set().union(*({to} | reached[to] for to in after[node]))
    return {
        (source, to)
        for source, to in edges
        if not any(to in reached[other] for other in after[source] - {to})
    }


def in_order(nodes: list[str], edges: set[Edge]) -> list[str]:
    """Return the nodes so that every edge leads on; of equals in the order given.

    Raises: graphlib.CycleError when a node depends on itself.
    """
    before = {node: [source for source in nodes if (source, node) in edges] for node in nodes}
    return list(TopologicalSorter(before).static_order())


def acyclic(nodes: list[str], edges: set[Edge]) -> bool:
    """Tell whether no node depends on itself."""
    try:
        in_order(nodes, edges)
    except CycleError:
        return False
    return True


def layered(nodes: list[str], edges: set[Edge]) -> dict[str, int]:
    """Return the layer of each node: one after the last of those that it depends on.

    What depends on nothing stands just before the first that depends on it.
    """
    layer: dict[str, int] = {}
    for node in in_order(nodes, edges):
        layer[node] = 1 + max((layer[source] for source, to in edges if to == node), default=-1)
    for node in nodes:
        after = [layer[to] for source, to in edges if source == node]
        if layer[node] == 0 and after:
            layer[node] = min(after) - 1
    return layer


def _ways(layer: dict[str, int], edges: set[Edge]) -> dict[Edge, list[Spot]]:
    """Return the spots that each arrow passes."""
    return {
        (source, to): [
            source,
            *(Via(source, to, at) for at in range(layer[source] + 1, layer[to])),
            to,
        ]
        for source, to in sorted(edges)
    }


def crossings(layers: list[list[Spot]], ways: dict[Edge, list[Spot]]) -> int:
    """Count how often arrows cross between layers."""
    place = {spot: at for layer in layers for at, spot in enumerate(layer)}
    steps = [pair for way in ways.values() for pair in pairwise(way)]
    number = {spot: at for at, layer in enumerate(layers) for spot in layer}
    found = 0
    for at, (source, to) in enumerate(steps):
        for other, end in steps[at + 1 :]:
            if number[source] == number[other]:
                found += (place[source] - place[other]) * (place[to] - place[end]) < 0
    return found


def _ordered(layers: list[list[Spot]], ways: dict[Edge, list[Spot]]) -> list[list[Spot]]:
    """Return the layers with fewer crossings: each spot at the mean of its neighbours' places.

    Source: the barycentre method, Sugiyama et al. 1981, https://doi.org/10.1109/TSMC.1981.4308636
    """
    steps = [pair for way in ways.values() for pair in pairwise(way)]
    before: dict[Spot, list[Spot]] = {}
    after: dict[Spot, list[Spot]] = {}
    for source, to in steps:
        before.setdefault(to, []).append(source)
        after.setdefault(source, []).append(to)
    best, least = layers, crossings(layers, ways)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        layers = [list(layer) for layer in layers]
        for number in range(len(layers)) if down else reversed(range(len(layers))):
            beside = layers[number - 1 if down else number + 1 : number if down else number + 2]
            place = {spot: at for at, spot in enumerate(beside[0])} if beside else {}
            mean = {}
            for at, spot in enumerate(layers[number]):
                near = [place[other] for other in (before if down else after).get(spot, [])]
                mean[spot] = sum(near) / len(near) if near else float(at)
            layers[number].sort(key=lambda spot: mean[spot])
        if (found := crossings(layers, ways)) < least:
            best, least = layers, found
    return best


def _settle(layout: Layout, sizes: dict[Spot, float], gap: float) -> None:
    """Put each spot near the mean of its neighbours, none upon another, in the given order."""
    near: dict[Spot, list[Spot]] = {}
    for way in layout.ways.values():
        for one, other in pairwise(way):
            near.setdefault(one, []).append(other)
            near.setdefault(other, []).append(one)
    for layer in layout.layers:  # packed, around the middle
        total = sum(sizes[spot] for spot in layer) + gap * (len(layer) - 1)
        layout.length = max(layout.length, total)
    for layer in layout.layers:
        total = sum(sizes[spot] for spot in layer) + gap * (len(layer) - 1)
        begin = (layout.length - total) / 2
        for spot in layer:
            layout.at[spot] = begin + sizes[spot] / 2
            begin += sizes[spot] + gap
    for sweep in range(SETTLING):
        for layer in layout.layers if sweep % 2 else reversed(layout.layers):
            wanted = [
                sum(layout.at[other] * _pull(spot, other) for other in near[spot])
                / sum(_pull(spot, other) for other in near[spot])
                if near.get(spot)
                else layout.at[spot]
                for spot in layer
            ]
            _apart(layer, wanted, sizes, gap, layout)


def _pull(spot: Spot, other: Spot) -> float:
    """Return how much a spot wants to stand as another one: long arrows are to be straight."""
    return STRAIGHT if isinstance(spot, Via) and isinstance(other, Via) else 1.0


def _apart(
    layer: list[Spot], wanted: list[float], sizes: dict[Spot, float], gap: float, layout: Layout
) -> None:
    """Move spots to where they want to be, as far as their neighbours and the ends let them.

    Spots that would overlap become a block that stands at the mean of what its spots want.
    Source: pool adjacent violators, https://doi.org/10.18637/jss.v032.i05
    """
    offsets, length = [], 0.0
    for spot in layer:
        offsets.append(length + sizes[spot] / 2)
        length += sizes[spot] + gap
    # Blocks: the mean of wanted places less offsets, their weight, how many spots.
    blocks: list[tuple[float, float, int]] = []
    for spot, at, offset in zip(layer, wanted, offsets, strict=True):
        blocks.append((at - offset, STRAIGHT if isinstance(spot, Via) else 1.0, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (one, weight, few), (other, heavy, more) = blocks[-2:]
            mean = (one * weight + other * heavy) / (weight + heavy)
            blocks[-2:] = [(mean, weight + heavy, few + more)]
    shifts = [shift for shift, _, count in blocks for _ in range(count)]
    most = layout.length - length + gap
    for spot, offset, shift in zip(layer, offsets, shifts, strict=True):
        layout.at[spot] = offset + min(max(shift, 0.0), most)


def lay(nodes: list[str], edges: set[Edge], sizes: dict[str, float], gap: float) -> Layout:
    """Lay out a graph.

    sizes: of each node along its layer; gap: between two spots of one layer
    Raises: graphlib.CycleError when a node depends on itself.
    """
    layer = layered(nodes, edges)
    ways = _ways(layer, edges)
    layers: list[list[Spot]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    for node in nodes:
        layers[layer[node]].append(node)
    for way in ways.values():
        for spot in way[1:-1]:
            layers[spot.layer].append(spot)  # type: ignore[union-attr]
    layout = Layout(_ordered(layers, ways), ways)
    _settle(layout, {spot: sizes.get(spot, 0.0) for row in layers for spot in row}, gap)  # type: ignore[arg-type]
    return layout
