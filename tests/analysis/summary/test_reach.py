"""The algebra of what arrays see, against looking at every single number."""

import math
from collections.abc import Callable
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from fnn.analysis.summary.reach import Reach, fold, join, lose, scatter, slide, stack
from fnn.analysis.summary.reshape import reshape

Seen = dict[tuple[int, ...], tuple[int, int]]
"""The first and the last pixel that the number at each index sees."""

LENGTH = 10**6
EXACT = settings(max_examples=200, deadline=None, derandomize=True, database=None)


def indices(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    return list(product(*map(range, shape)))


def told(reach: Reach, shape: tuple[int, ...]) -> Seen:
    ends = {}
    for index in indices(shape):
        at = sum(s * i for s, i in zip(reach.strides, index, strict=True))
        ends[index] = math.ceil(reach.low + at), math.floor(reach.high + at)
    return ends


def hull(*seen: Seen) -> tuple[int, int]:
    ends = [end for one in seen for end in one.values()]
    return min(low for low, _ in ends), max(high for _, high in ends)


@st.composite
def reaches(draw: st.DrawFn, shape: tuple[int, ...]) -> Reach:
    low = draw(st.integers(1000, 1010))
    strides = tuple(draw(st.integers(-3, 6)) for _ in shape)
    return Reach(low, low + draw(st.integers(0, 4)), strides, (False,) * len(shape), LENGTH)


SHAPES = [
    ((12,), (3, 4)), ((3, 4), (12,)), ((2, 3, 4), (6, 4)), ((2, 6), (4, 3)), ((4, 3), (2, 6)), ((2, 3), (3, 2)),
    ((2, 1, 3), (2, 3)), ((2, 3), (2, 1, 3)), ((1, 6, 2), (3, 4)), ((2, 2, 3), (2, 2, 3)), ((2, 3, 2), (12,)),
    ((1, 4, 2), (1, 8)), ((2, 4, 3), (2, 2, 6)), ((1, 2, 2, 2, 3), (1, 4, 2, 3)),
]  # fmt: skip


@EXACT
@given(st.data(), st.sampled_from(SHAPES))
def test_reshape(data: st.DataObject, shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    old, new = shapes
    # Most strides are those of one axis cut in two, which fit an order, or zero.
    reach = data.draw(reaches(old))
    step = data.draw(st.integers(1, 3))
    strides = data.draw(
        st.sampled_from(
            [
                reach.strides,
                tuple(step * math.prod(old[i + 1 :]) for i in range(len(old))),
                tuple(step * (i == len(old) - 1) for i in range(len(old))),
                tuple(step * (i == 1) for i in range(len(old))),
            ]
        )
    )
    reach = reach._replace(strides=strides)
    before = told(reach, old)
    after: Seen = dict(zip(indices(new), (before[index] for index in indices(old)), strict=True))
    result = reshape(reach, old, new)
    loose = (result.low, result.high) != (
        reach.low,
        reach.high,
    )  # for a window that stands still and jumps
    if not any(result.spread):
        for index, (low, high) in told(result, new).items():
            first, last = after[index]
            assert low <= first <= last <= high
            assert loose or (low, high) == (first, last)
    everything, (low, high) = fold(result, new, range(len(new))), hull(before)
    assert everything.low <= low <= high <= everything.high
    assert (everything.low, everything.high) == (low, high) or (loose and any(result.strides))
    orderly = strides[:-1] == tuple(step * math.prod(old[i + 1 :]) for i in range(len(old) - 1)) and strides[-1] == step
    assert not (orderly and any(result.spread))


@EXACT
@given(st.data(), st.integers(-3, 3), st.integers(0, 3), st.integers(1, 3))
def test_slide_and_fold(data: st.DataObject, first: int, more: int, step: int) -> None:
    shape = (9, 4)
    reach = data.draw(reaches(shape))
    slid = slide(reach, 0, first, first + more, step)
    at = lambda i, j: reach.low + reach.strides[0] * i + reach.strides[1] * j  # noqa: E731
    for (i, j), (low, high) in told(slid, (3, 4)).items():
        under = [at(i * step + k, j) for k in range(first, first + more + 1)]
        assert low == min(under)
        assert high == max(under) + reach.high - reach.low
    everything = told(reach, shape)
    rows = told(fold(reach, shape, [0]), shape)
    for (_, j), ends in rows.items():
        assert ends == hull({index: seen for index, seen in everything.items() if index[1] == j})


@EXACT
@given(st.data())
def test_join_sees_what_each_sees(data: st.DataObject) -> None:
    shape = (3, 4)
    a, b = data.draw(reaches(shape)), data.draw(reaches(shape))
    if data.draw(st.booleans()):
        b = b._replace(strides=a.strides)
    both = join([a, None, b], shape)
    assert both is not None
    ends, left, right = told(both, shape), told(a, shape), told(b, shape)
    for index, (low, high) in ends.items():
        wanted = min(left[index][0], right[index][0]), max(left[index][1], right[index][1])
        assert (low <= wanted[0] and wanted[1] <= high) or any(both.spread)
        assert a.strides != b.strides or (low, high) == wanted
    whole = fold(both, shape, range(2))
    assert (whole.low, whole.high) == hull(left, right)
    assert any(both.spread) or a.strides == b.strides or both.still


def check_whole(change: Callable[[Reach], Reach], shape: tuple[int, ...], rank: int, reach: Reach) -> None:
    changed = change(reach)
    everything = fold(changed, (1,) * rank, range(rank))
    assert (everything.low, everything.high) == hull(told(reach, shape))
    assert any(changed.spread) == any(reach.strides)


@EXACT
@given(reaches((3, 4)))
def test_what_is_out_of_order_still_sees_the_same_as_a_whole(reach: Reach) -> None:
    check_whole(lambda reach: lose(reach, (3, 4), 3), (3, 4), 3, reach)
    check_whole(lambda reach: scatter(reach, (3, 4), [0, 1]), (3, 4), 2, reach)


def test_stack_finds_an_even_step() -> None:
    part = Reach(5, 7, (1,), (False,), LENGTH)
    parts = [part._replace(low=5 + 2 * i, high=7 + 2 * i) for i in range(3)]
    even = stack(parts, (4, 3), 1)
    assert even is not None
    assert (even.low, even.strides, even.spread) == (5, (1, 2), (False, False))
    uneven = stack([*parts, part], (4, 4), 1)
    assert uneven is not None
    assert (uneven.low, uneven.high, uneven.spread) == (5, 11, (False, True))
    assert stack([None, None], (4, 2), 1) is None


def test_what_all_see_hangs_over_no_border() -> None:
    reach = Reach(-3, 3, (1, 0), (False, False), 10)
    assert fold(reach, (10, 2), [1])[:2] == (-3, 3)
    assert fold(reach, (10, 2), [0])[:2] == (0, 9)
