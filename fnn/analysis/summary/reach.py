"""Which pixels of an input one number of an array depends on, along one axis of that input.

The number at index `i` of the array sees the pixels from `low + Σ strides[k]·i[k]` to `high + Σ strides[k]·i[k]`. Both
ends are fractions where the array is finer than the input: of the pixels there are only the whole ones. Ends may lie
outside of the image where a window hangs over its border.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
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


def stack(parts: Sequence[Reach | None], shape: Sequence[int], axis: int) -> Reach | None:
    """The reach of an array of this shape whose parts along one axis see these."""
    there = [part for part in parts if part is not None]
    if not there:
        return None
    first = there[0]
    stride = there[1].low - first.low if len(there) > 1 else 0
    even = [first._replace(low=first.low + i * stride, high=first.high + i * stride) for i in range(len(parts))]
    spread = list(parts) != even
    whole = join(there, [n for i, n in enumerate(shape) if i != axis]) if spread else first
    assert whole is not None
    return whole._replace(
        strides=(*whole.strides[:axis], 0 if spread else stride, *whole.strides[axis:]),
        spread=(*whole.spread[:axis], spread, *whole.spread[axis:]),
    )


def _put(values: tuple[Number, ...], axis: int, value: Number) -> tuple[Number, ...]:
    return (*values[:axis], value, *values[axis + 1 :])
