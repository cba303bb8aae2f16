"""Activations and their derivatives against float64 NumPy, over a grid and where a careless formula overflows."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles import Array, assert_close
from scipy.special import erf

import fnn

Function = Callable[[Array], Array]


def sigmoid(x: Array) -> Array:
    return np.where(x < 0, np.exp(np.minimum(x, 0)), 1) / (1 + np.exp(-np.abs(x)))


def normal_cdf(x: Array) -> Array:
    return (1 + erf(x / np.sqrt(2))) / 2


def normal_density(x: Array) -> Array:
    return np.exp(-np.square(x) / 2) / np.sqrt(2 * np.pi)


def elu(alpha: float) -> tuple[fnn.Layer, Function, Function, tuple[float, ...]]:
    return (
        fnn.Elu(alpha),
        lambda x: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))),
        lambda x: np.where(x > 0, 1, alpha * np.exp(np.minimum(x, 0))),
        () if alpha == 1 else (0,),
    )


def leaky_relu(layer: fnn.Layer, slope: float) -> tuple[fnn.Layer, Function, Function, tuple[float, ...]]:
    return layer, lambda x: np.where(x > 0, x, slope * x), lambda x: np.where(x > 0, 1, slope), (0,)


# Layer, function, derivative, and where there is no derivative to compare.
ACTIVATIONS: dict[str, tuple[fnn.Layer, Function, Function, tuple[float, ...]]] = {
    "identity": (fnn.Identity, lambda x: x, np.ones_like, ()),
    "relu": (fnn.Relu, lambda x: np.maximum(x, 0), lambda x: (x > 0) * 1.0, ()),  # 0 at 0, as its docstring says
    "sigmoid": (fnn.Sigmoid, sigmoid, lambda x: sigmoid(x) * sigmoid(-x), ()),
    "tanh": (fnn.Tanh, np.tanh, lambda x: 1 / np.cosh(np.clip(x, -300, 300)) ** 2, ()),
    "hard_tanh": (fnn.HardTanh, lambda x: np.clip(x, -1, 1), lambda x: (np.abs(x) < 1) * 1.0, (-1, 1)),
    "softplus": (fnn.Softplus, lambda x: np.logaddexp(x, 0), sigmoid, ()),
    "gelu": (fnn.Gelu, lambda x: x * normal_cdf(x), lambda x: normal_cdf(x) + x * normal_density(x), ()),
    "silu": (fnn.Silu, lambda x: x * sigmoid(x), lambda x: sigmoid(x) * (1 + x * sigmoid(-x)), ()),
    "leaky_relu": leaky_relu(fnn.LeakyRelu(), 0.1),
    "leaky_relu 0.3": leaky_relu(fnn.LeakyRelu(0.3), 0.3),
    "elu": elu(1.0),
    "elu 0.5": elu(0.5),
}

GRID = np.array([*np.linspace(-12, 12, 193), -1e4, 1e4, -100, 100, -88.8, 88.8, 1e-4, -1e-4], np.float32)


def value_and_derivative(layer: fnn.Layer, x: Array) -> tuple[jax.Array, jax.Array]:
    def both(x: jax.Array) -> Any:
        y, pull = jax.vjp(lambda x: layer.apply({}, {}, x, train=False)[0], x)
        return y, pull(jnp.ones_like(y))[0]

    return jax.jit(both)(x)


def test_grid_has_zero_and_the_kinks() -> None:
    assert {-1e4, -1, 0, 1, 1e4} < set(GRID.tolist())


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_equals_numpy(name: str) -> None:
    layer, function, derivative, kinks = ACTIVATIONS[name]
    y, slope = value_and_derivative(layer, GRID)
    x = GRID.astype(np.float64)
    assert y.dtype == slope.dtype == jnp.float32
    np.testing.assert_allclose(y, function(x), rtol=2e-6, atol=1e-6)
    smooth = ~np.isin(x, kinks)
    np.testing.assert_allclose(np.asarray(slope)[smooth], derivative(x)[smooth], rtol=2e-6, atol=1e-6)
    assert np.isfinite(np.asarray(slope)).all()


@pytest.mark.parametrize("name", ["sigmoid", "softplus", "elu", "silu"])
def test_small_values_keep_their_digits(name: str) -> None:
    """1 − 1 + 1e-9 would be 0: where the value is small, the relative error must be as well."""
    layer, function, derivative, _ = ACTIVATIONS[name]
    x = np.array([-1e-6, 1e-6]) if name == "elu" else np.array([-20.0, -50.0, -80.0])
    y, slope = value_and_derivative(layer, x.astype(np.float32))
    x = x.astype(np.float32).astype(np.float64)
    np.testing.assert_allclose(y, function(x), rtol=2e-5)
    np.testing.assert_allclose(slope, derivative(x), rtol=2e-5)


@pytest.mark.parametrize(("dtype", "tolerance"), [(jnp.bfloat16, 3e-2), (jnp.float16, 4e-3)])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_half_precision_is_near(name: str, dtype: Any, tolerance: float) -> None:
    layer, function, derivative, kinks = ACTIVATIONS[name]
    given = np.array([-1e4, -5, -1.5, -0.5, 0, 0.5, 1.5, 5, 1e4]).astype(dtype)
    y, slope = value_and_derivative(layer, given)
    assert y.dtype == slope.dtype == dtype
    x = given.astype(np.float64)
    np.testing.assert_allclose(np.asarray(y, np.float64), function(x), rtol=tolerance, atol=tolerance)
    smooth = ~np.isin(x, kinks)
    slope = np.asarray(slope, np.float64)
    np.testing.assert_allclose(slope[smooth], derivative(x)[smooth], rtol=tolerance, atol=tolerance)
    assert np.isfinite(slope).all()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_float64_keeps_its_digits(name: str) -> None:
    layer, function, derivative, kinks = ACTIVATIONS[name]
    x = GRID.astype(np.float64)
    with jax.enable_x64(True):
        y, slope = value_and_derivative(layer, x)
        smooth = ~np.isin(x, kinks)
        np.testing.assert_allclose(y, function(x), rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(np.asarray(slope)[smooth], derivative(x)[smooth], rtol=1e-10, atol=1e-12)


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def log_softmax(x: Array) -> Array:
    shifted = x - x.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def softmax_pull(x: Array, w: Array) -> Array:
    p = softmax(x)
    return p * (w - (p * w).sum(-1, keepdims=True))


def log_softmax_pull(x: Array, w: Array) -> Array:
    return w - softmax(x) * w.sum(-1, keepdims=True)


SOFTMAXES = {
    "softmax": (fnn.Softmax, softmax, softmax_pull),
    "log_softmax": (fnn.LogSoftmax, log_softmax, log_softmax_pull),
}

ROWS = np.array(
    [[0, 0, 0, 0], [1, 2, 3, 4], [1e4, -1e4, 0, 1], [1e4, 1e4, 1e4, 1e4], [-1e4, -1e4, -1e4, 0], [-3, 0.5, 80, 79]],
    np.float32,
)


def softmax_outcome(name: str, x: Array, w: Array) -> tuple[jax.Array, jax.Array]:
    layer = SOFTMAXES[name][0]

    def both(x: jax.Array, w: jax.Array) -> Any:
        y, pull = jax.vjp(lambda x: layer.apply({}, {}, x, train=False)[0], x)
        return y, pull(w)[0]

    return jax.jit(both)(x, w)


@pytest.mark.parametrize("shape", [(6, 4), (2, 3, 4), (1, 2, 3, 4)])
@pytest.mark.parametrize("name", SOFTMAXES)
def test_softmax_is_over_the_last_axis(name: str, shape: tuple[int, ...]) -> None:
    _, function, derivative = SOFTMAXES[name]
    x = ROWS.reshape(-1)[: np.prod(shape)].reshape(shape)
    w = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    y, by_x = softmax_outcome(name, x, w)
    np.testing.assert_allclose(y, function(x.astype(np.float64)), rtol=2e-6, atol=1e-6)
    np.testing.assert_allclose(by_x, derivative(x.astype(np.float64), w.astype(np.float64)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("dtype", "tolerance"), [(jnp.bfloat16, 2e-2), (jnp.float16, 3e-3)])
@pytest.mark.parametrize("name", SOFTMAXES)
def test_softmax_in_half_precision(name: str, dtype: Any, tolerance: float) -> None:
    _, function, derivative = SOFTMAXES[name]
    x, w = ROWS.astype(dtype), np.ones_like(ROWS).astype(dtype)
    w[:, 0] = 2
    y, by_x = softmax_outcome(name, x, w)
    assert y.dtype == by_x.dtype == dtype
    assert_close(y, function(x.astype(np.float64)), tolerance)
    assert_close(by_x, derivative(x.astype(np.float64), w.astype(np.float64)), tolerance)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_softmax_sums_in_float32(dtype: Any) -> None:
    """The sum over 4096 classes is exact: each has a probability of 2⁻¹²."""
    y = jax.jit(lambda x: fnn.Softmax.apply({}, {}, x, train=False)[0])(jnp.zeros((1, 4096), dtype))
    assert set(np.asarray(y, np.float64).ravel()) == {2.0**-12}


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("layer", [fnn.Softmax, fnn.LogSoftmax], ids=lambda layer: layer.name)
def test_softmax_is_rounded_once(layer: fnn.Layer, dtype: Any) -> None:
    x = jax.random.normal(jax.random.key(0), (40, 10)).astype(dtype)
    half, wide = (layer.apply({}, {}, x.astype(as_type), train=False)[0] for as_type in (dtype, jnp.float32))
    assert (half == wide.astype(dtype)).all()


@pytest.mark.parametrize("layer", [layer for layer, *_ in (ACTIVATIONS | SOFTMAXES).values()], ids=lambda x: x.name)
def test_has_no_parameters_and_wants_floats(layer: fnn.Layer) -> None:
    assert layer.init(jax.random.key(0), jnp.ones((2, 3))) == ({}, {})
    with pytest.raises(TypeError, match="expects floating-point x, got int32"):
        layer.init(jax.random.key(0), jnp.ones((2, 3), jnp.int32))


@pytest.mark.parametrize(("make", "misspelt"), [(fnn.LeakyRelu, "alpha"), (fnn.Elu, "slope")])
def test_misspelt_keywords_fail(make: Callable[..., fnn.Layer], misspelt: str) -> None:
    with pytest.raises(TypeError, match=misspelt):
        make(**{misspelt: 0.1})
