"""Dropout: how many numbers it drops, what becomes of the others, and what depends on the key."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnn

SHAPE = (200, 500)
N = 200 * 500
RATES = [0.1, 0.5, 0.8]


def dropped(rate: float, x: jax.Array, seed: int = 0) -> jax.Array:
    return fnn.Dropout(rate).apply({}, {}, x, train=True, key=jax.random.key(seed))[0]


@pytest.mark.parametrize("rate", RATES)
def test_fraction_and_expectation(rate: float) -> None:
    """Within five standard deviations of a binomial distribution."""
    y = np.asarray(dropped(rate, jnp.ones(SHAPE)), np.float64)
    assert abs((y == 0).mean() - rate) < 5 * np.sqrt(rate * (1 - rate) / N)
    assert abs(y.mean() - 1) < 5 * np.sqrt(rate / (1 - rate) / N)


@pytest.mark.parametrize("axis", [0, 1])
def test_every_number_is_dropped_by_itself(axis: int) -> None:
    """No row or column is dropped as one: the fractions of rows and columns spread as a binomial distribution does."""
    fractions = np.asarray(dropped(0.5, jnp.ones(SHAPE)) == 0).mean(axis)
    expected = np.sqrt(0.25 / SHAPE[axis])
    assert 0.8 * expected < fractions.std() < 1.2 * expected


@pytest.mark.parametrize("rate", RATES)
def test_what_is_kept_is_scaled(rate: float) -> None:
    x = jax.random.normal(jax.random.key(1), SHAPE)
    y = dropped(rate, x)
    kept = np.asarray(y != 0)
    np.testing.assert_allclose(np.asarray(y)[kept], np.asarray(x, np.float64)[kept] / (1 - rate), rtol=1e-6)


def test_gradient_is_the_mask() -> None:
    x = jax.random.normal(jax.random.key(1), (20, 30))
    y, pull = jax.vjp(lambda x: dropped(0.2, x), x)
    np.testing.assert_allclose(pull(jnp.ones_like(y))[0], np.where(np.asarray(y) != 0, 1.25, 0), rtol=1e-6)


def test_what_is_dropped_is_zero_whatever_it_was() -> None:
    y = dropped(0.5, jnp.full(SHAPE, jnp.inf))
    assert set(np.unique(y)) == {0, np.inf}


def test_the_key_decides() -> None:
    x = jnp.ones((20, 30))
    assert (dropped(0.5, x, seed=1) == dropped(0.5, x, seed=1)).all()
    assert not (dropped(0.5, x, seed=1) == dropped(0.5, x, seed=2)).all()


@pytest.mark.parametrize("key", [None, jax.random.key(0)])
def test_evaluation_is_the_identity(key: jax.Array | None) -> None:
    x = jax.random.normal(jax.random.key(1), (20, 30))
    y, state = fnn.Dropout(0.9).apply({}, {}, x, train=False, key=key)
    assert (y == x).all()
    assert state == {}


def test_rate_zero_drops_nothing_and_needs_no_key() -> None:
    x = jnp.arange(1.0, 5.0)
    assert (fnn.Dropout(0).apply({}, {}, x, train=True)[0] == x).all()


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precision(dtype: Any) -> None:
    """The mask does not depend on the dtype, and the values are near those of float32."""
    x = jax.random.normal(jax.random.key(1), (20, 30)).astype(dtype)
    y, wanted = dropped(0.3, x), dropped(0.3, x.astype(jnp.float32))
    assert y.dtype == dtype
    np.testing.assert_allclose(np.asarray(y, np.float32), wanted, rtol=1e-2)


def test_float64() -> None:
    with jax.enable_x64(True):
        y = dropped(0.3, jnp.ones((20, 30), jnp.float64))
        assert y.dtype == jnp.float64
        np.testing.assert_allclose(y[y != 0], 1 / 0.7, rtol=1e-15)


def test_missing_key_names_dropout() -> None:
    with pytest.raises(ValueError, match="Dropout needs a key when train=True"):
        fnn.Dropout().apply({}, {}, jnp.ones(3), train=True)


@pytest.mark.parametrize("rate", [1.0, 1, -0.1, 1.5, "0.5", None, float("nan")])
def test_rate_out_of_range_fails(rate: Any) -> None:
    with pytest.raises(ValueError, match=r"Dropout expects rate as a number from 0 up to, not including, 1, got"):
        fnn.Dropout(rate)


@pytest.mark.parametrize("misspelt", ["p", "keep", "mode"])
def test_misspelt_keywords_fail(misspelt: str) -> None:
    make: Any = fnn.Dropout
    with pytest.raises(TypeError, match=misspelt):
        make(**{misspelt: 0.5})
