"""What an array sees after a reshape: axes are cut into pieces, and the pieces merged into axes, in row-major order."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from math import prod
from typing import NamedTuple

from fnn.analysis.summary.reach import Number, Reach, lose


class _Piece(NamedTuple):
    """A part of an axis."""

    length: int
    stride: Number
    """How many pixels the window moves with a step along it."""


def reshape(reach: Reach, old: Sequence[int], new: Sequence[int]) -> Reach:
    """Returns the reach of an array of shape `old` once its shape is `new`.

    What fits no order is spread. Where spatial neighbours see the same, as in an enlarged image, the window stands
    still and then jumps; it is told as one that moves evenly and is large enough.
    """
    if 0 in old:
        return lose(reach, old, len(new))
    low, high = reach.low, reach.high
    strides, spread = [Fraction(0)] * len(new), [False] * len(new)
    for olds, news in _groups(old, new):
        if len(olds) == len(news) == 1:
            strides[news[0]], spread[news[0]] = Fraction(reach.strides[olds[0]]), reach.spread[olds[0]]
            continue
        pieces = _cut([(old[axis], reach.strides[axis]) for axis in olds], [new[axis] for axis in news])
        whole = any(reach.spread[axis] for axis in olds) or pieces is None
        for axis, part in zip(news, [None] * len(news) if pieces is None else pieces, strict=True):
            merged = None if whole or part is None else _merge(part)
            if merged is None or (merged[1] > 1 and axis in (0, len(new) - 1)):
                spread[axis] = True
                for length, stride in part or ():
                    end = stride * (length - 1)
                    low, high = low + min(0, end), high + max(0, end)
                continue
            strides[axis], repeats = merged
            back = strides[axis] * (repeats - 1)
            low, high = low - max(0, back), high - min(0, back)
        if pieces is None:
            for axis in olds:
                end = reach.strides[axis] * (old[axis] - 1)
                low, high = low + min(0, end), high + max(0, end)
    return reach._replace(low=low, high=high, strides=tuple(strides), spread=tuple(spread))


def _groups(old: Sequence[int], new: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """Cuts both shapes into the smallest groups of neighbouring axes that hold equally many numbers each."""
    groups = []
    olds, news = list(range(len(old))), list(range(len(new)))
    while olds and news:
        left, right = [olds.pop(0)], [news.pop(0)]
        while (a := prod(old[i] for i in left)) != (b := prod(new[i] for i in right)):
            if a < b:
                left.append(olds.pop(0))
            else:
                right.append(news.pop(0))
        groups.append((left, right))
    return groups  # what is left over are axes of length 1, along which nothing can move


def _cut(old: Sequence[tuple[int, Number]], new: Sequence[int]) -> list[list[_Piece]] | None:
    """Cuts axes, of which lengths and strides are given, so that each new one is made of whole pieces.

    Returns:
      The pieces of each new axis, the innermost first; None if the axes do not fit into each other.
    """
    befores = [prod(n for n, _ in old[i + 1 :]) for i in range(len(old))]  # numbers between two steps along an axis
    afters = [prod(new[i + 1 :]) for i in range(len(new))]
    marks = sorted({*befores, *afters, prod(new)})
    if any(right % left for left, right in pairwise(marks)):
        return None
    pieces = {}
    for mark, following in pairwise(marks):
        ((before, stride),) = [
            (before, stride)
            for before, (length, stride) in zip(befores, old, strict=True)
            if before <= mark < before * length
        ]
        pieces[mark] = _Piece(following // mark, stride * (mark // before))
    return [
        [piece for mark, piece in pieces.items() if after <= mark < after * length]
        for after, length in zip(afters, new, strict=True)
    ]


def _merge(pieces: Sequence[_Piece]) -> tuple[Fraction, int] | None:
    """Merges pieces, the innermost first, into one axis.

    Returns:
      How far the window moves from one number to the next on average, and how many neighbours see the same; None if it
      does not move evenly.
    """
    repeats = 1
    moving = list(pieces)
    while moving and not moving[0].stride:
        repeats *= moving.pop(0).length
    if not moving:
        return Fraction(0), 1
    step = moving[0].stride
    for length, stride in moving:
        if stride != step:
            return None
        step = stride * length
    return Fraction(moving[0].stride) / repeats, repeats
