"""Which pixels of an input one number of an array depends on, along one axis of that input.

The number at index `i` of the array sees the pixels from `low + Σ strides[k]·i[k]` to `high + Σ strides[k]·i[k]`. Both
ends are fractions where the array is finer than the input: of the pixels there are only the whole ones. Ends may lie
outside of the image where a window hangs over its border.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import prod
from typing import NamedTuple

Number = int | Fraction


class Reach(NamedTuple):
    """What the numbers of one array see of one axis of one input."""

    low: Number
    high: Number
    strides: tuple[Number, ...]
    """One for each axis of the array: how far the window moves with a step along it."""
    spread: tuple[bool, ...]
    """The axes along which numbers see parts of the window in no such order, after a reshape or a sort."""
    length: int
    """How many pixels the input has."""

    @property
    def still(self) -> bool:
        """Whether all numbers of the array see the same."""
        return not any(self.strides) and not any(self.spread)


def along(axis: int, shape: Sequence[int]) -> Reach:
    """The reach of an input itself along one of its axes."""
    return Reach(0, 0, tuple(int(i == axis) for i in range(len(shape))), (False,) * len(shape), shape[axis])


def slide(reach: Reach, axis: int, first: Number, last: Number, step: Number) -> Reach:
    """The reach of an array that at index `i` of an axis sees the indices `i·step + first` to `i·step + last`."""
    stride = reach.strides[axis]
    ends = (stride * first, stride * last)
    return reach._replace(
        low=reach.low + min(ends), high=reach.high + max(ends), strides=_put(reach.strides, axis, stride * step)
    )


def fold(reach: Reach, shape: Sequence[int], axes: Iterable[int]) -> Reach:
    """The reach of an array that sees whole axes at once; they stay, as axes along which nothing moves."""
    low, high, strides, spread = reach.low, reach.high, list(reach.strides), list(reach.spread)
    for axis in axes:
        length = strides[axis] * (shape[axis] - 1)
        low, high = low + min(0, length), high + max(0, length)
        strides[axis], spread[axis] = 0, False
    folded = reach._replace(low=low, high=high, strides=tuple(strides), spread=tuple(spread))
    if folded.still:  # then nothing hangs over a border any more
        folded = folded._replace(low=max(low, 0), high=min(high, reach.length - 1))
    return folded


def scatter(reach: Reach, shape: Sequence[int], axes: Iterable[int]) -> Reach:
    """The reach of an array in which the numbers along these axes came into some other order."""
    axes = list(axes)
    disordered = any(reach.strides[axis] or reach.spread[axis] for axis in axes)
    folded = fold(reach, shape, axes) if disordered else reach
    return folded._replace(spread=tuple((i in axes and disordered) or s for i, s in enumerate(folded.spread)))


def lose(reach: Reach, shape: Sequence[int], rank: int) -> Reach:
    """The reach of an array of another rank that was made in some unknown way."""
    still = reach.still
    folded = fold(reach, shape, range(len(shape)))
    return folded._replace(strides=(0,) * rank, spread=(not still,) * rank)


def arrange(reach: Reach, axes: Sequence[int | None]) -> Reach:
    """Puts the axes in another order; None is a new one."""
    return reach._replace(
        strides=tuple(0 if axis is None else reach.strides[axis] for axis in axes),
        spread=tuple(axis is not None and reach.spread[axis] for axis in axes),
    )


def join(reaches: Sequence[Reach | None], shape: Sequence[int]) -> Reach | None:
    """The reach of an array of this shape that sees at each index what each of several arrays sees there."""
    there = [reach for reach in reaches if reach is not None]
    if not there:
        return None
    total = there[0]
    for other in there[1:]:
        total = _join_two(total, other, shape)
    return total


def _join_two(a: Reach, b: Reach, shape: Sequence[int]) -> Reach:
    for one, other in ((a, b), (b, a)):
        if one.still:
            one, whole = (fold(reach, shape, range(len(shape))) for reach in (one, other))
            if one.low <= whole.low and whole.high <= one.high:
                return one  # sees everything that the other sees anywhere
    differ = [axis for axis, (s, t) in enumerate(zip(a.strides, b.strides, strict=True)) if s != t]
    a, b = (fold(reach, shape, differ) for reach in (a, b))
    return a._replace(
        low=min(a.low, b.low),
        high=max(a.high, b.high),
        spread=tuple(s or t or i in differ for i, (s, t) in enumerate(zip(a.spread, b.spread, strict=True))),
    )


def reshape(reach: Reach, old: Sequence[int], new: Sequence[int]) -> Reach:
    """The reach after a reshape in row-major order: axes are split and merged, and what fits no order is spread."""
    if 0 in old:
        return lose(reach, old, len(new))
    strides, spread = [Fraction(0)] * len(new), [False] * len(new)
    for olds, news in _groups(old, new):
        if len(olds) == len(news) == 1:
            strides[news[0]], spread[news[0]] = Fraction(reach.strides[olds[0]]), reach.spread[olds[0]]
            continue
        step = _flat_step(reach, old, olds, len(news))
        if step is None:
            reach = fold(reach._replace(spread=(False,) * len(old)), old, olds)
            for axis in news:
                spread[axis] = True
            continue
        stride, repeats = step
        if repeats > 1:  # neighbours that see the same: the window stands still and then jumps
            back = stride * (repeats - 1)
            reach = reach._replace(low=reach.low - max(0, back), high=reach.high - min(0, back))
        for axis in reversed(news):
            strides[axis] = stride if new[axis] > 1 else Fraction(0)
            stride *= new[axis]
    return reach._replace(strides=tuple(strides), spread=tuple(spread))


def _flat_step(reach: Reach, shape: Sequence[int], axes: Sequence[int], into: int) -> tuple[Fraction, int] | None:
    """How far the window moves from one number to the next of some axes in row-major order, and after how many it does.

    None if it does not move evenly.
    """
    if any(reach.spread[axis] for axis in axes):
        return None
    long = [axis for axis in axes if shape[axis] > 1]
    while long and not reach.strides[long[-1]]:
        long.pop()
    if not long:
        return Fraction(0), 1
    repeats = prod(shape[axis] for axis in axes if axis > long[-1])
    stride = reach.strides[long[-1]]
    steps = [stride * prod(shape[i] for i in long if i > axis) for axis in long]
    if [reach.strides[axis] for axis in long] != steps or (repeats > 1 and into > 1):
        return None
    return Fraction(stride) / repeats, repeats


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


def _put(values: tuple[Number, ...], axis: int, value: Number) -> tuple[Number, ...]:
    return (*values[:axis], value, *values[axis + 1 :])
