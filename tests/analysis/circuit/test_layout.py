"""Columns are as good as any others that one could choose, and wires lead from column to column."""

import itertools

import numpy as np
import pytest

from fnn.analysis.circuit.layout import SPACE, Box, Lane, Wire, assign_columns, lay_out


def random_wires(seed: int, boxes: int) -> list[Wire]:
    random = np.random.default_rng(seed)
    pairs = [(i, j) for i, j in itertools.combinations(range(boxes), 2) if random.random() < 0.4]
    inputs = [sum(other[1] == j and other < (i, j) for other in pairs) for i, j in pairs]
    return [Wire(i, 0, j, at) for (i, j), at in zip(pairs, inputs, strict=True)]


def length(columns: tuple[int, ...] | list[int], wires: list[Wire]) -> int:
    """How many columns all values pass on the way to the last of their readers."""
    return sum(
        max(columns[wire.target] for wire in wires if wire.source == source) - columns[source]
        for source in {wire.source for wire in wires}
    )


@pytest.mark.parametrize("seed", range(6))
def test_columns_are_the_best_of_all(seed: int) -> None:
    wires = random_wires(seed, 5)
    found = assign_columns(5, wires)
    assert all(found[wire.source] < found[wire.target] for wire in wires)
    possible = [
        columns
        for columns in itertools.product(range(5), repeat=5)
        if all(columns[wire.source] < columns[wire.target] for wire in wires)
    ]
    assert length(found, wires) == min(length(columns, wires) for columns in possible)
    assert min(found) == 0


@pytest.mark.parametrize("seed", range(6))
def test_nothing_overlaps_and_every_wire_arrives(seed: int) -> None:
    wires = random_wires(seed, 12)
    count = [sum(wire.target == i for wire in wires) for i in range(12)]
    boxes = [Box(40, 20 + 12 * n, tuple(6 + 12.0 * k for k in range(n)), (10.0,)) for n in count]
    columns = assign_columns(12, wires)
    layout = lay_out(boxes, wires, columns)
    places = [(columns[i], y, y + box.height) for i, (y, box) in enumerate(zip(layout.ys, boxes, strict=True))]
    for (column, top, bottom), (other, above, below) in itertools.combinations(places, 2):
        assert column != other or bottom + SPACE <= above + 1e-6 or below + SPACE <= top + 1e-6
    arrived = set()
    for piece in layout.pieces:
        ends = [end.column if isinstance(end, Lane) else columns[end] for end in (piece.source, piece.target)]
        assert ends[1] == ends[0] + 1
        for end, y in ((piece.source, piece.start), (piece.target, piece.end)):
            if isinstance(end, Lane):
                assert y == pytest.approx(end.y)
                assert not any(c == end.column and top < y < bottom for c, top, bottom in places)
        if not isinstance(piece.target, Lane):
            at = boxes[piece.target].ins.index(pytest.approx(piece.end - layout.ys[piece.target]))
            arrived.add((piece.target, at))
    assert arrived == {(wire.target, wire.input) for wire in wires}


def test_a_chain_is_straight_and_a_crossing_is_undone() -> None:
    box = Box(40, 20, (10.0,), (10.0,))
    chain = lay_out([box] * 3, [Wire(0, 0, 1, 0), Wire(1, 0, 2, 0)], [0, 1, 2])
    assert all(piece.start == piece.end for piece in chain.pieces)
    crossed = lay_out([box] * 4, [Wire(0, 0, 3, 0), Wire(1, 0, 2, 0)], [0, 0, 1, 1])
    assert all(piece.start == piece.end for piece in crossed.pieces)
