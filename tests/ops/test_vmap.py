"""`vmap` of every operation and of its derivatives, over any axes of any operands, is a loop."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ops.problems import Problem, assert_near, cast, choose_at_random, draw, geometry_of, outcome, run
from ops.test_pools import pool

from fnn import ops

Axes = tuple[int | None, ...]
SIZE = 3

PROBLEMS = {
    "plain": Problem(geometry_of((5, 4), (3, 3), padding=1), 2, 2, 3),
    "grouped": Problem(geometry_of((5, 6), (3, 2), (2, 1), ((1, 0), (0, 2)), (1, 2), 2), 2, 4, 6),
    "depthwise": Problem(geometry_of((5, 4), (3, 3), padding=1, groups=4), 2, 4, 4),
    "1-D": Problem(geometry_of((7,), (3,), 2, ((2, 0),)), 2, 2, 3),
    "3-D": Problem(geometry_of((3, 4, 3), (2, 3, 2), 1, 1), 2, 2, 3),
}


def assert_is_a_loop(function: Callable[..., Any], axes: Axes, *given: np.ndarray, tolerance: float = 3e-6) -> None:
    """Stacks variations of what is given on new axes, and compares with one call after another."""
    rng = np.random.default_rng(0)
    variations = [
        [a if axis is None else (a + rng.normal(size=a.shape)).astype(a.dtype) for _ in range(SIZE)]
        for a, axis in zip(given, axes, strict=True)
    ]
    stacked = [each[0] if axis is None else np.stack(each, axis) for each, axis in zip(variations, axes, strict=True)]

    def both(*stacked: Any) -> Any:
        each = [
            [jnp.take(a, i, axis) if axis is not None else a for a, axis in zip(stacked, axes, strict=True)]
            for i in range(SIZE)
        ]
        loop = [function(*operands) for operands in each]
        return jax.vmap(function, axes)(*stacked), jax.tree.map(lambda *leaves: jnp.stack(leaves), *loop)

    got, wanted = run(both, *stacked)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        assert_near(a, b, tolerance, axes, terms=1)


@pytest.mark.parametrize(
    "axes",
    [
        (0, None, None),
        (None, 0, None),
        (None, None, 0),
        (0, 0, 0),
        (1, None, 2),
        (None, 2, 1),
        (2, 1, None),
        (-1, -2, -1),
    ],
)
@pytest.mark.parametrize("name", list(PROBLEMS))
def test_convolution_and_both_gradients(name: str, axes: Axes, monkeypatch: pytest.MonkeyPatch) -> None:
    choose_at_random(monkeypatch)
    problem = PROBLEMS[name]
    with ops.exact(True):
        assert_is_a_loop(partial(outcome, problem.geometry), axes, *cast(draw(problem)))


@pytest.mark.parametrize("outer", [(0, None, 0), (None, 0, None), (1, 1, 1)])
@pytest.mark.parametrize("inner", [(0, None, None), (None, -1, 0), (0, 2, 1)])
@pytest.mark.parametrize("name", ["grouped", "1-D"])
def test_nested_vmap(name: str, inner: Axes, outer: Axes) -> None:
    problem = PROBLEMS[name]
    given = [
        a if axis is None else np.stack([a, a[::-1]], axis) for a, axis in zip(cast(draw(problem)), inner, strict=True)
    ]
    assert_is_a_loop(jax.vmap(partial(outcome, problem.geometry), inner), outer, *given)


def test_a_batch_of_one_and_of_none() -> None:
    problem = PROBLEMS["grouped"]
    x, kernel, w = cast(draw(problem))
    function = partial(outcome, problem.geometry)
    for axes in ((0, None, 0), (None, 0, None), (0, 0, 0)):
        given = [a if axis is None else a[None] for a, axis in zip((x, kernel, w), axes, strict=True)]
        for a, b in zip(run(jax.vmap(function, axes), *given), run(function, x, kernel, w), strict=True):
            assert_near(a, b[None], 3e-6, axes)


POOL = geometry_of((5, 6), (2, 3), (2, 2), ((1, 0), (1, 1)))
TILES = geometry_of((5, 6), (2, 3), (2, 3))


@pytest.mark.parametrize(
    "axes", [(0, None, None), (None, 0, None), (None, None, 0), (0, 0, 0), (1, None, 2), (2, 1, -1)]
)
@pytest.mark.parametrize("geometry", [POOL, TILES], ids=["overlapping", "side by side"])
@pytest.mark.parametrize("kind", ["max", "sum"])
def test_pools_and_their_derivatives(kind: str, geometry: Any, axes: Axes) -> None:
    function = partial(pool, kind, geometry)

    def derivatives(x: Any, tangent: Any, w: Any) -> Any:
        y, dy = jax.jvp(function, (x,), (tangent,))
        return y, dy, jax.vjp(function, x)[1](w), function(x)

    rng = np.random.default_rng(1)
    x = rng.normal(size=(2, 5, 6, 3)).astype(np.float32)
    y = np.asarray(jax.eval_shape(function, x).shape)
    assert_is_a_loop(derivatives, axes, x, x[::-1], rng.normal(size=y).astype(np.float32))


@pytest.mark.parametrize(
    "axes", [(0, None, None, None), (None, 0, None, None), (None, None, 0, None), (2, 1, 0, 1), (-1, None, 1, None)]
)
def test_batch_norm_and_its_gradients(axes: Axes) -> None:
    rng = np.random.default_rng(2)
    x, w = (rng.normal(size=(3, 4, 5)).astype(np.float32) for _ in range(2))
    scale, bias = (rng.normal(size=5).astype(np.float32) for _ in range(2))

    def both(x: Any, scale: Any, bias: Any, w: Any) -> Any:
        (y, mean, var), pull = jax.vjp(lambda *a: ops.batch_norm(*a, jnp.float32(1e-2)), x, scale, bias)
        return y, mean, var, pull((w, 2 * mean, 3 * var))

    assert_is_a_loop(both, axes, x, scale, bias, w, tolerance=1e-5)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_channel_sums(axis: int) -> None:
    x = np.random.default_rng(3).normal(size=(3, 4, 5)).astype(np.float32)
    assert_is_a_loop(ops.channel_sum, (axis,), x)
    assert_is_a_loop(jax.grad(lambda x: jnp.sum(jnp.sin(ops.channel_sum(x)))), (axis,), x)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_channel_broadcasts(axis: int) -> None:
    v = np.random.default_rng(4).normal(size=5).astype(np.float32)
    function = partial(ops.channel_broadcast, shape=(3, 4, 5))
    assert_is_a_loop(function, (axis,), v)
    assert_is_a_loop(jax.grad(lambda v: jnp.sum(jnp.sin(function(v)))), (axis,), v)


def test_gradients_of_single_examples() -> None:
    """As they are needed for differential privacy: `vmap` of `grad`, with the kernel shared."""
    problem = PROBLEMS["plain"]._replace(batch=4)
    x, kernel, w = cast(draw(problem))

    def of_one(kernel: Any, x: Any, w: Any) -> Any:
        return outcome(problem.geometry, x[None], kernel, w[None]).by_kernel

    each = run(jax.vmap(of_one, (None, 0, 0)), kernel, x, w)
    assert each.shape == (4, *kernel.shape)
    assert_near(each.sum(0), run(partial(outcome, problem.geometry), x, kernel, w).by_kernel, 3e-6, "sum")


@pytest.mark.parametrize("axes", [(0, None), (None, 0), (1, -1), (-1, 1)])
def test_products_and_their_gradients(axes: Axes) -> None:
    rng = np.random.default_rng(5)
    x, matrix = rng.normal(size=(3, 4, 5)).astype(np.float32), rng.normal(size=(5, 2)).astype(np.float32)
    assert_is_a_loop(ops.product, axes, x, matrix)
    assert_is_a_loop(jax.grad(lambda a, b: jnp.sum(jnp.sin(ops.product(a, b))), (0, 1)), axes, x, matrix)
