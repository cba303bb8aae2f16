"""The operations inside loops, `checkpoint` and `cond`."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from ops.problems import Problem, assert_near, cast, choose_at_random, convolve_at, draw, geometry_of, run

from fnn import ops

PROBLEM = Problem(geometry_of((6, 6), (3, 3), padding=1), 3, 4, 4)


def block(x: Any, kernel: Any, bias: Any) -> Any:
    """Every operation once; gives what it takes."""
    y = convolve_at(PROBLEM.geometry, x, kernel)
    y = y + ops.channel_broadcast(bias, y.shape)
    y, _, _ = ops.batch_norm(y, jnp.ones(4), ops.channel_sum(x) / 100, jnp.float32(1e-3))
    pooled = ops.max_pool(y, (2, 2), (2, 2), ((0, 0), (0, 0)))
    spread = ops.sum_pool(y, (3, 3), (1, 1), ((1, 1), (1, 1))) / 9
    return jnp.tanh(spread + jnp.repeat(jnp.repeat(pooled, 2, 1), 2, 2))


def given() -> tuple[np.ndarray, ...]:
    x, kernel, _ = cast(draw(PROBLEM))
    return x, np.stack([kernel, kernel[::-1], kernel[:, ::-1]]) / 3, np.arange(12, dtype=np.float32).reshape(3, 4)


def unrolled(x: Any, kernels: Any, biases: Any) -> Any:
    for i in range(3):
        x = block(x, kernels[i], biases[i])
    return x


def scanned(x: Any, kernels: Any, biases: Any) -> Any:
    return lax.scan(lambda x, layer: (block(x, *layer), None), x, (kernels, biases))[0]


def remembered(x: Any, kernels: Any, biases: Any) -> Any:
    for i in range(3):
        x = jax.checkpoint(block)(x, kernels[i], biases[i])
    return x


def scanned_and_remembered(x: Any, kernels: Any, biases: Any) -> Any:
    return lax.scan(lambda x, layer: (jax.checkpoint(block)(x, *layer), None), x, (kernels, biases))[0]


def looped(x: Any, kernels: Any, biases: Any) -> Any:
    return lax.fori_loop(0, 3, lambda i, x: block(x, kernels[i], biases[i]), x)


def branched(x: Any, kernels: Any, biases: Any) -> Any:
    for i in range(3):
        x = lax.cond(jnp.sum(x) < 1e9, block, lambda x, *_: x, x, kernels[i], biases[i])
    return x


def in_while_loop(x: Any, kernels: Any, biases: Any) -> Any:
    def step(carry: Any) -> Any:
        i, x = carry
        return i + 1, block(x, kernels[i], biases[i])

    return lax.while_loop(lambda carry: carry[0] < 3, step, (jnp.int32(0), x))[1]


def assert_same(got: Any, wanted: Any) -> None:
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        assert_near(a, b, 3e-5, "leaf")


@pytest.mark.parametrize("function", [scanned, remembered, scanned_and_remembered, looped, branched])
def test_values_and_gradients_are_those_of_the_unrolled_program(function: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    choose_at_random(monkeypatch)

    def gradients(function: Any, *given: Any) -> Any:
        y, pull = jax.vjp(function, *given)
        return y, pull(jnp.cos(y))

    assert_same(run(partial(gradients, function), *given()), run(partial(gradients, unrolled), *given()))


@pytest.mark.parametrize("function", [in_while_loop, scanned])
def test_values_and_tangents_are_those_of_the_unrolled_program(function: Any) -> None:
    def tangents(function: Any, *given: Any) -> Any:
        return jax.jvp(function, given, tuple(a + 1 for a in given))

    assert_same(run(partial(tangents, function), *given()), run(partial(tangents, unrolled), *given()))


def test_checkpoint_computes_again() -> None:
    """Nothing but what goes in is kept for the gradient."""
    x, kernels, biases = given()

    def convolutions(function: Any) -> int:
        program = jax.make_jaxpr(jax.grad(lambda *a: jnp.sum(function(*a))))(x, kernels[0], biases[0])
        return str(program).count("fnn_convolve[")

    assert convolutions(block) == 1
    assert convolutions(jax.checkpoint(block)) == 2


def test_eager_calls_equal_compiled_ones() -> None:
    assert_same(
        block(*(jnp.asarray(a) for a in (given()[0], given()[1][0], given()[2][0]))),
        run(block, given()[0], given()[1][0], given()[2][0]),
    )
