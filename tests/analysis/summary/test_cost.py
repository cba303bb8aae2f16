"""Multiply-adds and FLOPs, by hand and against XLA's own count."""

from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax import lax

import fnn

IMAGE = jax.ShapeDtypeStruct((2, 8, 9, 4), jnp.float32)
VECTOR = jax.ShapeDtypeStruct((3, 5), jnp.float32)


def layer_of(function: Any) -> fnn.Layer:
    return fnn.stateless(lambda key, x: {}, lambda params, x: function(x), name="mine")


def cost(layer: fnn.Layer, x: Any) -> tuple[int, int]:
    summary = fnn.summarize(layer, x)
    assert summary.notes == ()
    return summary.multiply_adds, summary.flops


@pytest.mark.parametrize(
    ("layer", "multiply_adds", "others"),
    [
        # examples · places · window · channels a group · features; and a sum a result for the bias
        (fnn.Conv(6, 3), 2 * 72 * 9 * 4 * 6, 2 * 72 * 6),
        (fnn.Conv(6, 3, bias=False), 2 * 72 * 9 * 4 * 6, 0),
        (fnn.Conv(6, (3, 2), strides=2, padding="VALID", bias=False), 2 * (3 * 4) * 6 * 4 * 6, 0),
        (fnn.Conv(6, 3, dilation=2, groups=2, bias=False), 2 * 72 * 9 * 2 * 6, 0),
        # each pixel is spread over a window once
        (fnn.ConvTranspose(6, 4, strides=2, bias=False), 2 * 72 * 16 * 4 * 6, 0),
        (fnn.MaxPool(2), 0, 2 * (4 * 4) * 4 * 3),
        (fnn.AvgPool(2), 0, 2 * (4 * 4) * 4 * (3 + 1)),
        (fnn.GlobalAvgPool, 0, 2 * 4 * (71 + 1)),
        (fnn.Relu, 0, 2 * 72 * 4),
        (fnn.Flatten, 0, 0),
        (fnn.Subsample(), 0, 0),
        # x − mean, · rsqrt(var + epsilon), · scale, + bias; for each channel a sum and a root
        (fnn.BatchNorm(), 0, 2 * 72 * 4 * 4 + 2 * 4),
    ],
)
def test_layers_by_hand(layer: fnn.Layer, multiply_adds: int, others: int) -> None:
    assert cost(layer, IMAGE) == (multiply_adds, 2 * multiply_adds + others)


def test_dense_by_hand() -> None:
    assert cost(fnn.Dense(7), VECTOR) == (3 * 5 * 7, 2 * 3 * 5 * 7 + 3 * 7)


@pytest.mark.parametrize(
    ("function", "multiply_adds"),
    [
        (jax.jit(lambda x: x @ jnp.ones((5, 5))), 75),
        (jax.checkpoint(lambda x: x @ jnp.ones((5, 5))), 75),
        (lambda x: lax.scan(lambda x, _: (x @ jnp.ones((5, 5)), None), x, length=4)[0], 4 * 75),
        (lambda x: lax.scan(lambda x, w: (x @ w, None), x, jnp.ones((2, 5, 5)))[0], 2 * 75),
        (lambda x: lax.fori_loop(0, 3, lambda i, x: x @ jnp.ones((5, 5)), x), 3 * 75),
        (lambda x: lax.cond(x.shape[0] > jnp.arange(3).sum(), lambda x: x @ jnp.ones((5, 5)), lambda x: x, x), 75),
        (jax.vmap(lambda x: jnp.ones((5, 5)) @ x), 75),
        (jax.vmap(lambda x: jnp.outer(x, x) @ x), 75),  # the outer product itself is no matrix product in JAX
        (lambda x: jnp.einsum("bi,bj->ij", x, x), 75),
        (jax.grad(lambda x: jnp.sum(jnp.square(x @ jnp.ones((5, 5))))), 2 * 75),
    ],
)
def test_programs_of_your_own(function: Any, multiply_adds: int) -> None:
    assert cost(layer_of(function), VECTOR)[0] == multiply_adds


def test_gradients_of_a_convolution_inside_of_a_layer() -> None:
    conv = fnn.Conv(6, (3, 2), strides=(2, 1), padding="VALID", bias=False)

    def apply(params: Any, x: Any) -> Any:
        def energy(params: Any, x: Any) -> Any:
            return jnp.sum(jnp.square(conv.apply(params, {}, x, train=False)[0]))

        return jax.grad(energy, (0, 1))(params, x)

    both = fnn.stateless(lambda key, x: conv.init(key, x)[0], apply, name="forces")
    # Forward and for the kernel: 3 · 8 places, 3 · 2 taps. For the input: 8 · 9 places, of whose 3 · 2 taps every
    # second along the height is on a zero between two pixels.
    assert cost(both, IMAGE)[0] == 2 * 4 * 6 * (2 * (3 * 8) * (3 * 2) + (8 * 3 // 2) * (9 * 2))


@pytest.mark.parametrize("lhs_dilation", [(1, 1), (2, 3)])
def test_zeros_between_pixels_are_not_multiplied(lhs_dilation: tuple[int, int]) -> None:
    def function(x: jax.Array) -> jax.Array:
        kernel = jnp.ones((3, 3, 4, 5))
        return lax.conv_general_dilated(
            x, kernel, (1, 1), [(0, 0), (0, 0)], lhs_dilation, dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    wanted = 1
    for size, between in zip((8, 9), lhs_dilation, strict=True):
        real = [p for p in range((size - 1) * between + 1) if p % between == 0]
        wanted *= sum(i <= p < i + 3 for i in range((size - 1) * between - 1) for p in real)
    assert cost(layer_of(function), IMAGE)[0] == 2 * wanted * 4 * 5


def test_flops_are_those_that_xla_counts() -> None:
    """Where the two agree on what counts: nothing on padding, no comparisons, one for each function."""
    w1, w2 = jnp.ones((3, 3, 4, 6)), jnp.ones((4 * 6 * 6, 7))

    def function(x: jax.Array) -> jax.Array:
        y = lax.conv_general_dilated(x, w1, (2, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        y = lax.reduce_window(jnp.maximum(y, 0) + 1, -jnp.inf, lax.max, (1, 1, 2, 1), (1, 1, 1, 1), "VALID")
        y = jnp.concatenate([y, y * 2], axis=1)[:, :4]
        return (y.reshape(2, -1) @ w2).sum(axis=1) / 3

    analysis = jax.jit(function).lower(IMAGE).cost_analysis()
    assert analysis is not None
    assert cost(layer_of(function), IMAGE)[1] == analysis["flops"]


def test_what_is_no_floating_point_arithmetic_counts_nothing() -> None:
    def function(x: jax.Array) -> jax.Array:
        order = jnp.argsort(x.astype(jnp.int32) * 3 + 1, axis=1)
        return jnp.where(x > 0, x, jnp.take_along_axis(x, order, axis=1)).astype(jnp.bfloat16)

    assert cost(layer_of(function), VECTOR) == (0, 0)


def test_what_has_no_rule_and_what_turns_unknown_times_is_told() -> None:
    unknown = fnn.summarize(layer_of(lambda x: jnp.linalg.cholesky(x @ x.T)), VECTOR)
    assert unknown.multiply_adds == 3 * 5 * 3
    assert any("cholesky" in note for note in unknown.notes)
    loop = layer_of(lambda x: lax.while_loop(lambda x: jnp.sum(x) > 1, lambda x: x @ jnp.ones((5, 5)), x))
    summary = fnn.summarize(loop, VECTOR)
    assert summary.multiply_adds == 75
    assert any("while" in note and "one turn" in note for note in summary.notes)
