"""stax's layers without windows: `Dense`, `BatchNorm`, `Dropout`, the elementwise ones, `Flatten`, `Identity`."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import random
from jax.nn import (
    elu,
    gelu,
    leaky_relu,
    log_softmax,
    relu,
    selu,
    sigmoid,
    softmax,
    softplus,
    standardize,
)
from jax.nn.initializers import glorot_normal, normal, ones, zeros

from fnn import ops

InitFun = Callable[..., tuple[Any, Any]]
"""`(rng, input_shape) -> (output_shape, params)`."""

ApplyFun = Callable[..., Any]
"""`(params, inputs, **kwargs) -> outputs`; `rng` is the one keyword that is read."""

Pair = tuple[InitFun, ApplyFun]
"""What stax calls a layer."""


def Dense(out_dim: int, W_init: Callable = glorot_normal(), b_init: Callable = normal()) -> Pair:  # noqa: B008
    """Fully connected: `inputs W + b`, with parameters `(W, b)`.

    Args:
      out_dim: how many outputs.
      W_init: initial `W`, `(inputs, out_dim)`, a function `(rng, shape) -> array`.
      b_init: initial `b`, `(out_dim,)`.
    """

    def init_fun(rng: jax.Array, input_shape: tuple[int, ...]) -> tuple[Any, Any]:
        output_shape = (*input_shape[:-1], out_dim)
        k1, k2 = random.split(rng)
        return output_shape, (W_init(k1, (input_shape[-1], out_dim)), b_init(k2, (out_dim,)))

    def apply_fun(params: Any, inputs: Any, **kwargs: Any) -> jax.Array:
        del kwargs
        W, b = params
        return add_bias(jnp.dot(inputs, W), b)

    return init_fun, apply_fun


def add_bias(y: jax.Array, b: Any) -> jax.Array:
    """`y + b`. Where `b` is one number for each entry of the last axis, its gradient is a fast sum on the CPU."""
    b = jnp.asarray(b)
    if y.ndim and b.shape in (y.shape[-1:], (1,) * (y.ndim - 1) + y.shape[-1:]):
        b = ops.channel_broadcast(b.reshape(y.shape[-1:]), y.shape)
    return y + b


def BatchNorm(
    axis: int | Sequence[int] = (0, 1, 2),
    epsilon: float = 1e-5,
    center: bool = True,
    scale: bool = True,
    beta_init: Callable = zeros,
    gamma_init: Callable = ones,
) -> Pair:
    """Batch normalization by the moments of the batch at hand, in training and in evaluation alike.

    Parameters `(beta, gamma)`, each `()` where it is left out. Over all axes but the last, the variance is that of the
    centred values; stax takes the mean of squares minus the square of the mean, which rounds worse where the mean is
    large.

    Args:
      axis: over which axes the moments are taken.
      epsilon: added to the variance.
      center: whether to add `beta`.
      scale: whether to multiply by `gamma`.
      beta_init: initial `beta`, of the shape of the other axes.
      gamma_init: initial `gamma`.
    """
    axes: Any = (axis,) if jnp.isscalar(axis) else axis

    def init_fun(rng: jax.Array, input_shape: Sequence[int]) -> tuple[Any, Any]:
        shape = tuple(d for i, d in enumerate(input_shape) if i not in axes)
        k1, k2 = random.split(rng)
        return input_shape, (beta_init(k1, shape) if center else (), gamma_init(k2, shape) if scale else ())

    def apply_fun(params: Any, x: Any, **kwargs: Any) -> jax.Array:
        del kwargs
        beta, gamma = params
        x = jnp.asarray(x)
        if _is_wide(x) and sorted(axes) == list(range(x.ndim - 1)):
            beta = beta if center else jnp.zeros(x.shape[-1:], x.dtype)
            gamma = gamma if scale else jnp.ones(x.shape[-1:], x.dtype)
            if all(a.shape == x.shape[-1:] and a.dtype == x.dtype for a in (beta, gamma)):
                return ops.batch_norm(x, jnp.asarray(gamma), jnp.asarray(beta), jnp.asarray(epsilon, x.dtype))[0]
        spread = tuple(None if i in axes else slice(None) for i in range(x.ndim))
        z = standardize(x, axes, epsilon=epsilon)
        z = gamma[spread] * z if scale else z
        return z + beta[spread] if center else z

    return init_fun, apply_fun


def _is_wide(x: jax.Array) -> bool:
    return bool(jnp.issubdtype(x.dtype, jnp.floating)) and jnp.finfo(x.dtype).bits >= 32 and 0 not in x.shape


def Dropout(rate: float, mode: str = "train") -> Pair:
    """Keeps each number with probability `rate` and divides it by `rate`; sets the others to zero.

    `fnn.Dropout`'s rate is the share that is dropped: this one's is the share that is kept.

    Args:
      rate: the probability of being kept.
      mode: `"train"`, or anything else for a layer that gives back its input. It wants a key all the same.

    Raises:
      ValueError: when applied without `rng`.
    """

    def init_fun(rng: jax.Array, input_shape: Any) -> tuple[Any, Any]:
        del rng
        return input_shape, ()

    def apply_fun(params: Any, inputs: Any, **kwargs: Any) -> jax.Array:
        del params
        rng = kwargs.get("rng")
        if rng is None:
            raise ValueError(
                "Dropout expects a random key, in either mode: call apply_fun(params, inputs, rng=key), where key is "
                "jax.random.key(seed), for example."
            )
        if mode != "train":
            return inputs
        keep = random.bernoulli(rng, rate, inputs.shape)
        return jnp.where(keep, inputs / rate, 0)

    return init_fun, apply_fun


def elementwise(fun: Callable, **fun_kwargs: Any) -> Pair:
    """Makes a layer without parameters of a function of one array that keeps its shape.

    Args:
      fun: array to array.
      **fun_kwargs: given to `fun` as they are.
    """
    return (
        lambda rng, input_shape: (input_shape, ()),  # noqa: ARG005 - as all pairs are called
        lambda params, inputs, **kwargs: fun(inputs, **fun_kwargs),  # noqa: ARG005
    )


Tanh = elementwise(jnp.tanh)
Relu = elementwise(relu)
Exp = elementwise(jnp.exp)
LogSoftmax = elementwise(log_softmax, axis=-1)
Softmax = elementwise(softmax, axis=-1)
Softplus = elementwise(softplus)
Sigmoid = elementwise(sigmoid)
Elu = elementwise(elu)
LeakyRelu = elementwise(leaky_relu)
Selu = elementwise(selu)
Gelu = elementwise(gelu)
Identity = elementwise(lambda inputs: inputs)


def _flat_shape(rng: jax.Array, input_shape: Sequence[int]) -> tuple[Any, Any]:
    del rng
    return (input_shape[0], math.prod(input_shape[1:])), ()


def _flatten(params: Any, inputs: Any, **kwargs: Any) -> jax.Array:
    del params, kwargs
    return jnp.reshape(inputs, (inputs.shape[0], math.prod(inputs.shape[1:])))


Flatten: Pair = (_flat_shape, _flatten)
