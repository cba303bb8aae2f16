"""Where the boxes of a layered drawing stand, and where their wires run (Sugiyama, Tagawa & Toda 1981).

Every box is put into a column to the right of all that it reads; a wire that passes columns gets a place of its own in
each of them, so that it runs through no box; the order in the columns is chosen so that few wires cross; and then the
boxes are shifted so that wires run straight where they can. scipy is imported where it is used.
"""

from bisect import bisect_left, insort
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

SWEEPS = 24
"""How often the columns are sorted by the places of their neighbours; the best order is kept."""
SPACE = 14.0
"""Between two boxes of a column, in pixels; wires that pass need less."""
LANE = 8.0
"""The height that a passing wire takes."""


class Box(NamedTuple):
    """What is to be placed: its size, and at which heights wires come in and go out."""

    width: float
    height: float
    ins: tuple[float, ...]
    outs: tuple[float, ...]


class Wire(NamedTuple):
    """From the output of one box to the input of another, each by its place in the box."""

    source: int
    output: int
    target: int
    input: int


class Lane(NamedTuple):
    """A wire's passage through a column."""

    column: int
    y: float


class Piece(NamedTuple):
    """A part of a wire, from something in one column to something in the next."""

    source: int | Lane
    """A box, by its number, or a passage."""
    target: int | Lane
    start: float
    """The height at which it leaves the source."""
    end: float
    """The height at which it arrives."""


class Layout(NamedTuple):
    """Where everything stands."""

    ys: list[float]
    """The upper edge of each box."""
    pieces: list[Piece]


def lay_out(boxes: Sequence[Box], wires: Sequence[Wire], column_of: Sequence[int]) -> Layout:
    """Places boxes, of which each has a column, and the wires between them, of which each leads to the right."""
    graph = _split_wires(boxes, wires, column_of)
    ys = _shift(graph, order_columns(graph))

    def item(i: int) -> int | Lane:
        return i if i < len(boxes) else Lane(graph.column_of[i], ys[i] + LANE / 2)

    pieces = [
        Piece(item(link.source), item(link.target), ys[link.source] + link.out, ys[link.target] + link.into)
        for link in graph.links
    ]
    return Layout(ys[: len(boxes)], pieces)


def assign_columns(count: int, wires: Sequence[Wire]) -> list[int]:
    """Returns each box's column, to the right of all that it reads, such that wires pass as few columns as possible.

    A linear program, whose best corner is integral (Gansner et al. 1993, "A technique for drawing directed graphs",
    section 2). What is minimized is, for each value, the way to the last of its readers.
    """
    values = {value: count + i for i, value in enumerate(dict.fromkeys((w.source, w.output) for w in wires))}
    cost = [1e-3] * count + [1.0] * len(values)  # and, all else equal, as far to the left as possible
    for source, _ in values:
        cost[source] -= 1
    after = [({wire.source: 1.0, wire.target: -1.0}, -1.0) for wire in wires]
    last = [({wire.target: 1.0, values[wire.source, wire.output]: -1.0}, 0.0) for wire in wires]
    return [round(column) for column in _minimize(cost, after + last)[:count]]


class _Link(NamedTuple):
    """A wire, or a part of one, from an item of one column to an item of the next: boxes first, then passages."""

    source: int
    target: int
    out: float
    into: float


class _Graph(NamedTuple):
    """Boxes and passing wires, whose links lead from one column to the next only."""

    boxes: int
    column_of: list[int]
    heights: list[float]
    links: list[_Link]

    def is_lane(self, item: int) -> bool:
        return item >= self.boxes


def _split_wires(boxes: Sequence[Box], wires: Sequence[Wire], column_of: Sequence[int]) -> _Graph:
    """Gives each wire an item in every column that it passes; wires of one value share them as long as they can."""
    graph = _Graph(len(boxes), list(column_of), [box.height for box in boxes], [])
    lanes: dict[tuple[int, int, int], int] = {}
    for wire in sorted(wires, key=lambda wire: column_of[wire.target]):
        last, out = wire.source, boxes[wire.source].outs[wire.output]
        for column in range(column_of[wire.source] + 1, column_of[wire.target]):
            lane = lanes.get((wire.source, wire.output, column))
            if lane is None:
                lane = lanes[wire.source, wire.output, column] = len(graph.column_of)
                graph.column_of.append(column)
                graph.heights.append(LANE)
                graph.links.append(_Link(last, lane, out, LANE / 2))
            last, out = lane, LANE / 2
        graph.links.append(_Link(last, wire.target, out, boxes[wire.target].ins[wire.input]))
    return graph


def order_columns(graph: _Graph) -> list[list[int]]:
    """Orders each column from top to bottom: sorts by the mean place of the neighbours, to the right and back."""
    columns: list[list[int]] = [[] for _ in range(max(graph.column_of, default=-1) + 1)]
    for item, column in enumerate(graph.column_of):
        columns[column].append(item)
    lefts: dict[int, list[_Link]] = {}
    rights: dict[int, list[_Link]] = {}
    for link in graph.links:
        lefts.setdefault(link.target, []).append(link)
        rights.setdefault(link.source, []).append(link)

    best, fewest = [list(column) for column in columns], count_crossings(graph, columns)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        place = {item: float(i) for column in columns for i, item in enumerate(column)}
        rightwards = sweep % 2 == 0
        for column in columns if rightwards else reversed(columns):
            mean = {}
            for item in column:
                links = (lefts if rightwards else rights).get(item, [])
                ends = [
                    place[link.source] + link.out / (graph.heights[link.source] + 1)
                    if rightwards
                    else place[link.target] + link.into / (graph.heights[link.target] + 1)
                    for link in links
                ]
                mean[item] = sum(ends) / len(ends) if ends else place[item]
            column.sort(key=mean.__getitem__)
            place.update((item, float(i)) for i, item in enumerate(column))
        crossings = count_crossings(graph, columns)
        if crossings < fewest:
            best, fewest = [list(column) for column in columns], crossings
    return best


def count_crossings(graph: _Graph, columns: Sequence[Sequence[int]]) -> int:
    """Counts how many pairs of links cross."""
    place = {item: i for column in columns for i, item in enumerate(column)}
    by_column: dict[int, list[tuple[tuple[int, float], tuple[int, float]]]] = {}
    for link in graph.links:
        ends = (place[link.source], link.out), (place[link.target], link.into)
        by_column.setdefault(graph.column_of[link.source], []).append(ends)
    crossings = 0
    for links in by_column.values():
        arrived: list[tuple[float, ...]] = []
        for _, end in sorted(links):
            # Those that start above and end below; links that share a start are in the order of their ends.
            crossings += len(arrived) - bisect_left(arrived, (end[0], end[1] + 1e-9))
            insort(arrived, end)
    return crossings


def _shift(graph: _Graph, columns: Sequence[Sequence[int]]) -> list[float]:
    """Returns the height of each item's upper edge: in order, without overlaps, and with wires as straight as can be.

    A linear program again (the same, section 4): what is minimized is by how much wires rise and fall.
    """
    count = len(graph.heights)
    cost = [1e-4] * count
    limits: list[tuple[dict[int, float], float]] = []
    for i, link in enumerate(graph.links):
        # A bend in a passing wire is worse than one next to a box.
        cost.append((1.0, 2.0, 8.0)[graph.is_lane(link.source) + graph.is_lane(link.target)])
        limits.append(({link.source: 1.0, link.target: -1.0, count + i: -1.0}, link.into - link.out))
        limits.append(({link.source: -1.0, link.target: 1.0, count + i: -1.0}, link.out - link.into))
    for column in columns:
        for above, below, room in zip(column, column[1:], _rooms(graph, column), strict=False):
            limits.append(({above: 1.0, below: -1.0}, -room))
    return _minimize(cost, limits)[:count]


def _rooms(graph: _Graph, column: Sequence[int]) -> list[float]:
    """Returns by how much each item of a column but the first must start below the one before it."""
    return [
        graph.heights[above] + (SPACE / 2 if graph.is_lane(above) and graph.is_lane(below) else SPACE)
        for above, below in pairwise(column)
    ]


def _minimize(cost: Sequence[float], limits: Sequence[tuple[dict[int, float], float]]) -> list[float]:
    """Returns the numbers, none below 0, of least cost whose weighted sums stay within limits."""
    from scipy.optimize import linprog
    from scipy.sparse import csr_array

    if not limits:
        return [0.0] * len(cost)
    weights = [weight for sums, _ in limits for weight in sums.values()]
    rows = [row for row, (sums, _) in enumerate(limits) for _ in sums]
    places = [place for sums, _ in limits for place in sums]
    sums = csr_array((weights, (rows, places)), shape=(len(limits), len(cost)))
    found = linprog(cost, A_ub=sums, b_ub=[limit for _, limit in limits], bounds=(0, None), method="highs-ds")
    return found.x.tolist()
