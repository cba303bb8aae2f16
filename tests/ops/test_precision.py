"""How exact the results are: half and double precision, and `ops.exact`."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ops.problems import (
    Outcome,
    Problem,
    allowed_problems,
    assert_outcome,
    cast,
    choose_at_random,
    convolve_at,
    draw,
    geometry_of,
    oracle,
    outcome,
    random_problems,
    run,
    summands,
)

from fnn import ops
from fnn.ops.cpu import costs, kernel_ways, ways


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precision_is_rounded_once(dtype: Any, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each result is the exact one of the rounded operands, computed as float32 would, and rounded."""
    choose_at_random(monkeypatch)
    for problem in random_problems(400 + seed, 10, wide=True):
        half = cast(draw(problem), dtype)
        wanted = oracle(problem, cast(half, np.float64))
        got = run(partial(outcome, problem.geometry), *half)
        for name, a, b, terms in zip(Outcome._fields, got, wanted, summands(problem), strict=True):
            assert a.dtype == dtype
            rounding = float(jnp.finfo(dtype).eps) / 2 * np.abs(b) + float(jnp.finfo(dtype).smallest_subnormal)
            inexact = 1.2e-5 * max(np.abs(b).max(), np.sqrt(terms))
            error = np.abs(a.astype(np.float64) - b)
            assert (error <= rounding + inexact).all(), f"{name} of {problem}: {error.max()}"


@pytest.mark.parametrize("seed", range(2))
def test_double_precision_keeps_its_digits(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    choose_at_random(monkeypatch)
    with jax.enable_x64(True):
        for problem in random_problems(500 + seed, 12, wide=True):
            operands = draw(problem)
            got = run(partial(outcome, problem.geometry), *operands)
            assert got.y.dtype == got.by_x.dtype == got.by_kernel.dtype == np.float64
            assert_outcome(got, oracle(problem, operands), 1e-13, problem)


@pytest.mark.parametrize("way", ways.WAYS)
def test_each_way_keeps_double_precision(way: str) -> None:
    with jax.enable_x64(True):
        for problem in allowed_problems(way, 600, 4):
            operands = draw(problem)
            y = run(partial(ways.WAYS[way], geometry=problem.geometry), operands.x, operands.kernel)
            by_kernel = None
            if way in kernel_ways.WAYS:
                by_kernel = run(partial(kernel_ways.WAYS[way], geometry=problem.geometry), operands.x, operands.w)
            wanted = oracle(problem, operands)
            got = Outcome(y, wanted.by_x, wanted.by_kernel if by_kernel is None else by_kernel)
            assert_outcome(got, wanted, 1e-13, problem)


CANDIDATES = [
    Problem(geometry_of((size, size), (3, 3), padding=1), batch, channels, channels)
    for batch, size, channels in [(32, 16, 128), (32, 32, 64), (16, 16, 256), (64, 8, 256)]
]


def chosen_rough() -> Problem:
    """A problem that is computed by Winograd's tiles of four, along one axis or two, in all three directions."""

    def rough(problem: Problem) -> bool:
        return all(
            costs.fastest(kind, problem, 4, exact=False).startswith("winograd of 4")
            for kind in ("convolution", "kernel gradient")
        )

    return next(filter(rough, CANDIDATES))


def test_exact_leaves_out_what_rounds_more() -> None:
    problem = chosen_rough()
    operands = draw(problem)
    wanted = oracle(problem, operands)
    function = jax.jit(partial(outcome, problem.geometry))
    given = cast(operands)
    rough = function(*given)
    with ops.exact(True):
        exact = function(*given)
    again = function(*given)
    assert_outcome(Outcome(*exact), wanted, 2e-6, problem)
    assert_outcome(Outcome(*rough), wanted, 1e-5, problem)
    for a, b, c in zip(rough, exact, again, strict=True):
        np.testing.assert_array_equal(a, c)
        assert np.any(np.asarray(a) != np.asarray(b)), "the rough way was not taken"


def test_exact_is_part_of_jits_key() -> None:
    problem = chosen_rough()
    given = cast(draw(problem))
    traces: list[bool] = []

    @jax.jit
    def function(x: Any, kernel: Any, w: Any) -> Any:
        traces.append(ops.exact.value)
        return outcome(problem.geometry, x, kernel, w)

    outside = function.lower(*given).as_text()
    with ops.exact(True):
        inside = function.lower(*given).as_text()
        with ops.exact(False):
            back = function.lower(*given).as_text()
    assert function.lower(*given).as_text() == outside == back != inside
    assert traces == [False, True]


def test_gradients_are_as_exact_as_the_function_was_traced() -> None:
    """What was traced inside stays exact when it is transposed outside."""
    problem = chosen_rough()
    x, kernel, w = (jax.ShapeDtypeStruct(a.shape, jnp.float32) for a in draw(problem))

    def loss(x: Any, kernel: Any, w: Any) -> Any:
        with ops.exact(True):
            y = convolve_at(problem.geometry, x, kernel)
        return jnp.sum(w * y)

    text = str(jax.make_jaxpr(jax.grad(loss, (0, 1)))(x, kernel, w))
    assert text.count("exact=True") >= 2
    assert "exact=False" not in text


def test_exact_and_rough_agree_where_nothing_rough_is_chosen() -> None:
    problem = Problem(geometry_of((5, 5), (2, 2)), 1, 2, 2)
    function = jax.jit(partial(outcome, problem.geometry))
    given = cast(draw(problem))
    outside = function.lower(*given)
    with ops.exact(True):
        inside = function.lower(*given)
    assert outside.as_text() == inside.as_text()
