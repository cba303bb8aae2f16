"""Maxima and sums under windows: values and gradients against NumPy and `lax.reduce_window`."""

import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import thorough
from jax import lax
from ops.problems import Array, assert_near, geometry_of, padded_with, places, run

from fnn import ops
from fnn.ops.cpu import pooling as cpu_pooling
from fnn.ops.geometry import Geometry

SEEDS = range(2)

POOLS = {"max": ops.max_pool, "sum": ops.sum_pool}


def pool(kind: str, geometry: Geometry, x: Any) -> jax.Array:
    return POOLS[kind](x, geometry.window, geometry.strides, geometry.padding)


def plain_pool(kind: str, geometry: Geometry, x: Any) -> jax.Array:
    start, reducer = {"max": (-np.inf, lax.max), "sum": (0, lax.add)}[kind]
    window, strides = (1, *geometry.window, 1), (1, *geometry.strides, 1)
    padding = ((0, 0), *geometry.padding, (0, 0))
    return lax.reduce_window(x, np.array(start, x.dtype), reducer, window, strides, padding)


def with_gradient(function: Any, kind: str, geometry: Geometry, x: Any, w: Any) -> tuple[Any, Any]:
    y, pull = jax.vjp(partial(function, kind, geometry), x)
    return y, pull(w)[0]


def oracle(kind: str, geometry: Geometry, x: Array, w: Array) -> tuple[Array, Array]:
    """One window after another, and in each the first of its largest values."""
    padded = padded_with(x.astype(np.float64), geometry.padding, -np.inf if kind == "max" else 0)
    y, by_padded = np.zeros(w.shape), np.zeros(padded.shape)
    for n, *place, channel in np.ndindex(*w.shape):
        corner = [p * s for p, s in zip(place, geometry.strides, strict=True)]
        window = (n, *(slice(c, c + k) for c, k in zip(corner, geometry.window, strict=True)), channel)
        cotangent = w[(n, *place, channel)]
        if kind == "sum":
            y[(n, *place, channel)] = padded[window].sum()
            by_padded[window] += cotangent
            continue
        y[(n, *place, channel)] = padded[window].max()
        # Padding is minus infinity: where there is nothing else, it may be the first, and the cotangent is lost.
        by_padded[window][np.unravel_index(padded[window].argmax(), geometry.window)] += cotangent
    return y, padded_with(by_padded, [(-low, -high) for low, high in geometry.padding])


def random_pools(seed: int, count: int) -> Iterator[tuple[Geometry, int, int]]:
    """Windows side by side, overlapping and apart, with padding and without; none sees nothing but padding."""
    rng = np.random.default_rng(seed)
    while count:
        rank = int(rng.choice([1, 2, 2, 3]))
        sizes = [int(n) for n in rng.integers(1, (20, 10, 6)[rank - 1], rank)]
        window = [int(n) for n in rng.integers(1, 5, rank)]
        strides = window if rng.random() < 0.4 else [int(n) for n in rng.integers(1, 4, rank)]
        padding = [(0, 0)] * rank
        if rng.random() < 0.6:
            padding = [(int(rng.integers(0, k)), int(rng.integers(0, k))) for k in window]
        geometry = geometry_of(sizes, window, strides, padding)
        # A window that begins in the padding at the low end reaches the image; at the high end it may not.
        last = [(count - 1) * s - low for count, s, (low, _) in zip(places(geometry), strides, padding, strict=True)]
        if min(places(geometry)) < 1 or any(start >= n for start, n in zip(last, sizes, strict=True)):
            continue
        count -= 1
        yield geometry, int(rng.integers(1, 4)), int(rng.integers(1, 6))


def draw(geometry: Geometry, batch: int, channels: int, *, ties: bool = False) -> tuple[Array, Array]:
    rng = np.random.default_rng(1)
    shape = (batch, *geometry.sizes, channels)
    x = rng.integers(-1, 2, shape).astype(np.float32) if ties else rng.normal(size=shape).astype(np.float32)
    return x, rng.normal(size=(batch, *places(geometry), channels)).astype(np.float32)


@pytest.mark.parametrize("seed", [*SEEDS, *thorough(range(2, 5))])
@pytest.mark.parametrize("kind", list(POOLS))
def test_values_and_gradients_equal_lax_and_the_oracle(kind: str, seed: int) -> None:
    for geometry, batch, channels in random_pools(seed, 20):

        def both(*drawn: tuple[Any, Any], geometry: Any = geometry) -> Any:
            return [
                [with_gradient(function, kind, geometry, *given) for function in (pool, plain_pool)] for given in drawn
            ]

        drawn = [draw(geometry, batch, channels, ties=ties) for ties in (False, True)]
        for (x, w), ((y, by_x), (lax_y, lax_by_x)) in zip(drawn, run(both, *drawn), strict=True):
            assert_near(y, lax_y, 1e-6, geometry)
            assert_near(by_x, lax_by_x, 1e-6, geometry)
            wanted_y, wanted_by_x = oracle(kind, geometry, x, w)
            assert_near(y, wanted_y, 1e-6, geometry)
            assert_near(by_x, wanted_by_x, 1e-6, geometry)


def test_random_pools_cover_what_they_should() -> None:
    geometries = [g for seed in SEEDS for g, _, _ in random_pools(seed, 20)]
    assert {g.rank for g in geometries} == {1, 2, 3}
    padded = [any(map(any, g.padding)) for g in geometries]
    side_by_side = [g.window == g.strides and max(g.window) > 1 for g in geometries]
    overlapping = [any(s < k for s, k in zip(g.strides, g.window, strict=True)) for g in geometries]
    apart = [any(s > k for s, k in zip(g.strides, g.window, strict=True)) for g in geometries]
    uncovered = [any((n - k) % s for n, k, s in zip(g.padded, g.window, g.strides, strict=True)) for g in geometries]
    for present in (padded, overlapping, apart):
        assert sum(present) >= 8
    for one in (padded, uncovered):
        both = [a and b for a, b in zip(one, side_by_side, strict=True)]
        neither = [not a and b for a, b in zip(one, side_by_side, strict=True)]
        assert min(sum(both), sum(neither)) >= 3


def operations(function: Any, *arrays: Any) -> list[str]:
    return [str(equation.primitive) for equation in jax.make_jaxpr(function)(*arrays).eqns]


@pytest.mark.parametrize(("channels", "images"), [(16, 0), (48, 0), (15, 1), (17, 1), (1, 1)])
def test_each_maximum_is_found_once_and_an_image_of_few_channels_made_once_for_it(channels: int, images: int) -> None:
    geometry = geometry_of((6, 6), (2, 2), 2)
    x, w = draw(geometry, 2, channels)
    function = jax.jit(lambda x, w: cpu_pooling.max_pool_cotangent(jnp.maximum(x + 1, 0), w, geometry=geometry))
    program = function.lower(x, w).compile().as_text() or ""
    entry = program[program.index("ENTRY") :]
    assert len(re.findall(r"= s8\[[\d,]*\]\S* fusion", entry)) == 1  # the places of the maxima
    assert len(re.findall(r"(?<!ROOT )%\S+ = f32\[[\d,]*\]\S* fusion\(%x", entry)) == images


@pytest.mark.parametrize("function", [cpu_pooling.max_pool, cpu_pooling.sum_pool])
@pytest.mark.parametrize("geometry", [geometry_of((9,), (4,), 3), geometry_of((4, 5, 4), (2, 2, 2), 2)], ids=str)
def test_each_axis_is_reduced_before_the_next(function: Any, geometry: Geometry) -> None:
    made = operations(partial(function, geometry=geometry), draw(geometry, 2, 3)[0])
    assert made.count("optimization_barrier") == geometry.rank
    assert made.count("max") + made.count("add") == sum(window - 1 for window in geometry.window)


SHAPES = [
    geometry_of((6, 6), (2, 2), 2),
    geometry_of((7, 7), (2, 2), 2),
    geometry_of((7, 6), (3, 2), (2, 1)),
    geometry_of((6, 6), (3, 3), 2, 1),
    geometry_of((6, 6), (3, 3), 1, 1),
    geometry_of((9,), (4,), 3, ((2, 1),)),
    geometry_of((4, 5, 4), (2, 2, 2), 2),
]


@pytest.mark.parametrize("geometry", SHAPES, ids=str)
@pytest.mark.parametrize("value", [0.0, -3.0, -np.inf, np.inf])
def test_of_equal_maxima_the_first_gets_the_gradient(value: float, geometry: Geometry) -> None:
    x, w = draw(geometry, 2, 3)
    x[:] = value

    def both(x: Any, w: Any) -> Any:
        return [with_gradient(function, "max", geometry, x, w) for function in (pool, plain_pool)]

    (y, by_x), (lax_y, lax_by_x) = run(both, x, w)
    assert (y == value).all()
    assert (lax_y == value).all()
    np.testing.assert_allclose(by_x, oracle("max", geometry, x, w)[1], atol=1e-6)
    np.testing.assert_allclose(by_x, lax_by_x, atol=1e-6)


@pytest.mark.parametrize("geometry", SHAPES, ids=str)
def test_minus_infinity_among_numbers_never_wins(geometry: Geometry) -> None:
    x, w = draw(geometry, 2, 3)
    x[np.random.default_rng(2).random(x.shape) < 0.6] = -np.inf
    y, by_x = run(partial(with_gradient, pool, "max", geometry), x, w)
    wanted_y, wanted_by_x = oracle("max", geometry, x, w)
    np.testing.assert_array_equal(y, wanted_y)
    np.testing.assert_allclose(by_x, wanted_by_x, atol=1e-6)


@pytest.mark.parametrize("geometry", SHAPES, ids=str)
@pytest.mark.parametrize("kind", list(POOLS))
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_where_it_is(kind: str, geometry: Geometry, value: float) -> None:
    x, w = draw(geometry, 2, 3)
    x[(0, *(n // 2 for n in geometry.sizes), 1)] = value

    def both(x: Any, w: Any) -> Any:
        return [with_gradient(function, kind, geometry, x, w) for function in (pool, plain_pool)]

    (y, by_x), (lax_y, _) = run(both, x, w)
    if value != -np.inf or kind == "sum":
        assert not np.isfinite(lax_y).all()
    np.testing.assert_allclose(y, lax_y, atol=1e-5)
    assert np.isfinite(by_x).all()
    # Each window's cotangent goes to one pixel of it, or under a sum to all: none is lost but in padding.
    if kind == "max" and not any(map(any, geometry.padding)):
        np.testing.assert_allclose(by_x.sum(), w.sum(), atol=1e-4)


@pytest.mark.parametrize("dtype", [np.int32, np.int8, np.uint8])
@pytest.mark.parametrize("geometry", [SHAPES[1], SHAPES[3]], ids=str)
@pytest.mark.parametrize("kind", list(POOLS))
def test_integers_are_pooled(kind: str, geometry: Geometry, dtype: Any) -> None:
    x = np.random.default_rng(0).integers(0, 9, (2, *geometry.sizes, 3)).astype(dtype)
    x = x if dtype == np.uint8 else -x
    y = run(partial(pool, kind, geometry), x)
    assert y.dtype == dtype
    wanted = np.lib.stride_tricks.sliding_window_view(
        padded_with(x, geometry.padding, int(np.iinfo(dtype).min) if kind == "max" else 0), geometry.window, (1, 2)
    )[:, :: geometry.strides[0], :: geometry.strides[1]]
    np.testing.assert_array_equal(y, (np.max if kind == "max" else np.sum)(wanted, (-2, -1)).astype(dtype))


@pytest.mark.parametrize("sizes", [(130,), (12, 13)])
def test_windows_of_more_positions_than_a_byte_counts(sizes: Sequence[int]) -> None:
    for geometry in (geometry_of(sizes, sizes, 1), geometry_of(sizes, sizes, 1, 2), geometry_of(sizes, sizes, sizes)):
        x, w = draw(geometry, 2, 2)
        y, by_x = run(partial(with_gradient, pool, "max", geometry), x, w)
        wanted_y, wanted_by_x = oracle("max", geometry, x, w)
        np.testing.assert_array_equal(y, wanted_y)
        np.testing.assert_allclose(by_x, wanted_by_x, atol=1e-5)


@pytest.mark.parametrize("kind", list(POOLS))
@pytest.mark.parametrize("geometry", [SHAPES[0], SHAPES[1], SHAPES[3]], ids=str)
def test_no_images_are_pooled_to_none(kind: str, geometry: Geometry) -> None:
    x, w = draw(geometry, 0, 3)
    y, by_x = run(partial(with_gradient, pool, kind, geometry), x, w)
    assert y.shape == w.shape
    assert by_x.shape == x.shape


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("geometry", [SHAPES[0], SHAPES[3]], ids=str)
def test_maxima_of_half_precision_are_exact(geometry: Geometry, dtype: Any) -> None:
    x, w = (a.astype(dtype) for a in draw(geometry, 2, 3, ties=True))
    y, by_x = run(partial(with_gradient, pool, "max", geometry), x, w)
    assert y.dtype == by_x.dtype == dtype
    wanted_y, wanted_by_x = oracle("max", geometry, x.astype(np.float64), w.astype(np.float64))
    np.testing.assert_array_equal(y.astype(np.float64), wanted_y)
    np.testing.assert_allclose(by_x.astype(np.float64), wanted_by_x, atol=0.1)
