"""Sums over the pixels: as float64's, however many pixels and channels, rounded once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fnn.ops import channel_sum
from fnn.ops.channels import _pixels_beside


@settings(max_examples=40, deadline=None)
@given(
    shape=st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple),
    channels=st.integers(1, 140),
    dtype=st.sampled_from([jnp.float32, jnp.bfloat16, jnp.float16]),
)
def test_sum_of_float64_rounded_once(shape: tuple[int, ...], channels: int, dtype: jnp.dtype) -> None:
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.standard_normal((*shape, channels)) + 0.5, dtype)
    wide = np.asarray(x, np.float64)
    axes = tuple(range(len(shape)))
    expected, size = wide.sum(axes), np.abs(wide).sum(axes)
    got = channel_sum(x)
    assert got.dtype == dtype
    rounding = float(jnp.finfo(dtype).eps) / 2 * np.abs(expected) if dtype != jnp.float32 else 0.0
    assert (np.abs(np.asarray(got, np.float64) - expected) <= rounding + 1e-6 * size).all()


@pytest.mark.parametrize(
    ("shape", "beside"),
    [
        ((128, 28, 28, 6), 16),  # 21 pixels of 6 channels would fit; 16 is the most that divides 784
        ((7, 11, 3), 11),
        ((64, 7, 7, 2), 49),
        ((64, 7, 7, 4), 7),
        ((128, 2), 1),
        ((4, 4, 64), 2),
        ((4, 4, 65), 1),
        ((4, 4, 500), 1),
    ],
)
def test_rows_are_as_long_as_divides(shape: tuple[int, ...], beside: int) -> None:
    assert _pixels_beside(shape) == beside
    np.testing.assert_array_equal(channel_sum(jnp.ones(shape)), np.full(shape[-1], np.prod(shape[:-1])))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.int32])
@pytest.mark.parametrize("shape", [(0, 4, 6), (4, 4, 0)])
def test_of_nothing(shape: tuple[int, ...], dtype: jnp.dtype) -> None:
    np.testing.assert_array_equal(channel_sum(jnp.ones(shape, dtype)), np.zeros(shape[-1]))


def test_of_a_batch_that_export_leaves_open() -> None:
    batch = jax.export.symbolic_shape("batch, 4, 6")
    program = jax.export.export(jax.jit(channel_sum), platforms=["cpu"])(jax.ShapeDtypeStruct(batch, jnp.float32))
    np.testing.assert_array_equal(program.call(jnp.ones((3, 4, 6))), np.full(6, 12))


def test_integers_stay_integers() -> None:
    x = jnp.arange(48, dtype=jnp.int32).reshape(4, 2, 6) + (1 << 24)  # which float32 could not tell apart
    np.testing.assert_array_equal(channel_sum(x), np.asarray(x).sum((0, 1)))


def test_nothing_is_lost_of_what_is_not_finite() -> None:
    x = jnp.ones((8, 6)).at[3, 2].set(jnp.nan).at[5, 4].set(-jnp.inf)
    sums = jax.jit(channel_sum)(x)
    assert jnp.isnan(sums[2])
    assert sums[4] == -jnp.inf
    np.testing.assert_array_equal(np.delete(sums, [2, 4]), 8)
