"""Layers over the last axis: `Dense`, and `Maxout` and `RadialBasis`, which weigh the same inputs in other ways."""

from typing import Any

import jax
import jax.numpy as jnp

from fnn import expect, ops
from fnn.layer import Layer, Params, stateless
from fnn.layers import arguments
from fnn.layers.initializers import Initializer, parameters, resolve_initializer


def Dense(
    features: int, *, bias: bool = True, kernel_init: Initializer = "lecun_normal", bias_init: Initializer = "zeros"
) -> Layer:
    """Fully connected: `y = x W + b` over the last axis.

    Maps `(…, inputs)` to `(…, features)` with `inputs · features` weights and `features` biases.

    Args:
      features: how many outputs.
      bias: whether to add `b`.
      kernel_init: initial `kernel`, `(inputs, features)`; by default of variance 1 / inputs (LeCun et al. 1998,
        "Efficient BackProp", section 4.6). Before a ReLU, `"he_normal"` keeps the scale.
      bias_init: initial `bias`, `(features,)`.

    Raises:
      ValueError: if `features` is not positive or an initializer is unknown; when initialized or applied, if `x` or
        the parameters have the wrong shape.
    """
    features = arguments.positive(features, "Dense", "features")
    initializers = {"kernel": resolve_initializer(kernel_init, "Dense")}
    if bias:
        initializers["bias"] = resolve_initializer(bias_init, "Dense")

    def shapes(x: Any) -> dict[str, tuple[int, ...]]:
        inputs = _check(x, "Dense").shape[-1]
        return {"kernel": (inputs, features), "bias": (features,)} if bias else {"kernel": (inputs, features)}

    def init(key: jax.Array, x: Any) -> Params:
        return parameters(key, initializers, shapes(x))

    def apply(params: Params, x: Any) -> jax.Array:
        kernel, *rest = expect.entries(params, "Dense", **shapes(x))
        x = jnp.asarray(x)
        return add_bias(ops.product(x, kernel.astype(x.dtype)), *rest)

    return stateless(init, apply, name="dense")


def Maxout(
    features: int, pieces: int = 2, *, kernel_init: Initializer = "lecun_normal", bias_init: Initializer = "zeros"
) -> Layer:
    """The largest of several linear functions: `y = max(x W₁ + b₁, …, x Wₚ + bₚ)` over the last axis.

    Maps `(…, inputs)` to `(…, features)` with `pieces · (inputs + 1) · features` parameters.

    Args:
      features: how many outputs.
      pieces: of how many linear functions each output is the maximum.
      kernel_init: initial `kernel`, `(inputs, pieces · features)`; see `Dense`.
      bias_init: initial `bias`, `(pieces · features,)`.

    Raises:
      ValueError: as `Dense`.

    Reference: Goodfellow et al. 2013, arXiv 1302.4389.
    """
    features = arguments.positive(features, "Maxout", "features")
    pieces = arguments.positive(pieces, "Maxout", "pieces")
    initializers = {
        "kernel": resolve_initializer(kernel_init, "Maxout"),
        "bias": resolve_initializer(bias_init, "Maxout"),
    }

    def shapes(x: Any) -> dict[str, tuple[int, ...]]:
        return {"kernel": (_check(x, "Maxout").shape[-1], pieces * features), "bias": (pieces * features,)}

    def init(key: jax.Array, x: Any) -> Params:
        return parameters(key, initializers, shapes(x))

    def apply(params: Params, x: Any) -> jax.Array:
        kernel, bias = expect.entries(params, "Maxout", **shapes(x))
        x = jnp.asarray(x)
        y = add_bias(ops.product(x, kernel.astype(x.dtype)), bias)  # (…, pieces · features)
        return jnp.max(y.reshape(*x.shape[:-1], pieces, features), axis=-2)

    return stateless(init, apply, name="maxout")


def RadialBasis(features: int, sigma: float = 1.0, *, center_init: Initializer = "normal") -> Layer:
    """How near the input is to each of several centers: `y = exp(−‖w − x‖² / σ²)` over the last axis.

    Maps `(…, inputs)` to `(…, features)`.

    Args:
      features: how many centers.
      sigma: the width σ, in units of the input.
      center_init: initial `centers`, `(features, inputs)`; by default normal of variance 1, the spread of
        standardized inputs.

    Raises:
      ValueError: if `sigma` is not positive; else as `Dense`.

    Reference: Broomhead & Lowe 1988, "Multivariable functional interpolation and adaptive networks".
    """
    features = arguments.positive(features, "RadialBasis", "features")
    if not sigma > 0:
        raise ValueError(f"RadialBasis expects a positive sigma, got {sigma!r}.")
    initializers = {"centers": resolve_initializer(center_init, "RadialBasis")}

    def shapes(x: Any) -> dict[str, tuple[int, ...]]:
        return {"centers": (features, _check(x, "RadialBasis").shape[-1])}

    def init(key: jax.Array, x: Any) -> Params:
        return parameters(key, initializers, shapes(x))

    def apply(params: Params, x: Any) -> jax.Array:
        (centers,) = expect.entries(params, "RadialBasis", **shapes(x))
        x = jnp.asarray(x)
        # From the differences: ‖w‖² − 2 w·x + ‖x‖² would cancel where the input is near a center.
        wide = ops.widen(x)[..., None, :]  # (…, 1, inputs)
        z = (wide - expect.broadcastable(centers, wide.ndim).astype(wide.dtype)) / sigma
        return jnp.exp(-jnp.sum(jnp.square(z), axis=-1)).astype(x.dtype)

    return stateless(init, apply, name="radial_basis")


def add_bias(y: jax.Array, bias: jax.Array | None = None) -> jax.Array:
    """Adds one number to each feature of `y`, if there is a bias to add."""
    return y if bias is None else y + ops.channel_broadcast(bias.astype(y.dtype), y.shape)


def _check(x: Any, layer: str) -> jax.Array:
    return expect.array(x, layer, "(…, inputs)", range(1, 9))
