"""Layers that give their input mean 0 and variance 1, then a learned scale and bias for each channel."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from fnn import expect, ops
from fnn.layer import Layer, Params, State, stateless
from fnn.layers import arguments

_SHAPE = "(batch, …, channels)"


def BatchNorm(*, momentum: float = 0.9, epsilon: float = 1e-5, scale: bool = True, bias: bool = True) -> Layer:
    """Normalizes each channel over the batch and all spatial axes; in evaluation, by running moments.

    Maps `(batch, …, channels)` to the same shape. In training `y = scale · (x − mean) / sqrt(var + epsilon) + bias`
    with the batch's own mean and biased variance, computed in at least float32. The state keeps running moments,
    `new = momentum · old + (1 − momentum) · batch`, the variance there unbiased.

    Args:
      momentum: the share of the old running moment that is kept: 0.9 is what PyTorch calls `momentum=0.1`.
      epsilon: added to the variance.
      scale: whether to learn a factor for each channel, 1 at first.
      bias: whether to learn a summand for each channel, 0 at first.

    Raises:
      ValueError: if `momentum` is not in [0, 1) or `epsilon` is negative; when initialized or applied, if `x` has
        fewer than two axes, or in training only one value for each channel, which has no variance.

    Reference: Ioffe & Szegedy 2015, arXiv 1502.03167, algorithms 1 and 2.
    """
    momentum = arguments.fraction(momentum, "BatchNorm", "momentum")
    epsilon = arguments.not_negative(epsilon, "BatchNorm", "epsilon")

    def check(x: Any) -> jax.Array:
        return expect.array(x, "BatchNorm", _SHAPE, range(2, 9))

    def init(key: jax.Array, x: Any, /) -> tuple[Params, State]:
        del key
        channels = check(x).shape[-1]
        state = {"mean": jnp.zeros(channels, jnp.float32), "var": jnp.ones(channels, jnp.float32)}
        return _init_affine(channels, scale, bias), state

    def apply(
        params: Params, state: State, x: Any, /, *, train: bool, key: jax.Array | None = None
    ) -> tuple[jax.Array, State]:
        del key
        x = jnp.asarray(check(x))
        channels = x.shape[-1]
        affine = _affine_entries(params, "BatchNorm", channels, scale, bias)
        old_mean, old_var = expect.entries(state, "BatchNorm", "state", mean=(channels,), var=(channels,))
        if not train:
            mean, var = (expect.broadcastable(moment, x.ndim) for moment in (old_mean, old_var))
            return _standardize(x, mean, var, epsilon, affine), state
        count = math.prod(x.shape[:-1])
        if count < 2:
            raise ValueError(
                f"BatchNorm in training expects more than one value for each channel, got x of shape {x.shape}. "
                "Use a larger batch, or GroupNorm or LayerNorm, which do not look at the batch."
            )
        wide = ops.widen(x)
        factor = affine.get("scale", jnp.ones(channels, wide.dtype)).astype(wide.dtype)
        summand = affine.get("bias", jnp.zeros(channels, wide.dtype)).astype(wide.dtype)
        y, mean, var = ops.batch_norm(wide, factor, summand, jnp.asarray(epsilon, wide.dtype))

        def update(old: jax.Array, batch: jax.Array) -> jax.Array:
            return momentum * old + (1 - momentum) * batch.astype(old.dtype)

        new_state = {"mean": update(old_mean, mean), "var": update(old_var, var * (count / (count - 1)))}
        return y.astype(x.dtype), new_state

    return Layer(init, apply, "batch_norm")


def LayerNorm(*, epsilon: float = 1e-5, scale: bool = True, bias: bool = True) -> Layer:
    """Normalizes each position of each example over its channels, the last axis.

    Maps `(…, channels)` to the same shape. Arguments as `BatchNorm`'s.

    Raises:
      ValueError: if `epsilon` is negative; when initialized or applied, if `x` is a scalar or the parameters have the
        wrong shape.

    Reference: Ba et al. 2016, arXiv 1607.06450, eq. 3.
    """
    epsilon = arguments.not_negative(epsilon, "LayerNorm", "epsilon")

    def check(x: Any) -> jax.Array:
        return expect.array(x, "LayerNorm", "(…, channels)", range(1, 9))

    def init(key: jax.Array, x: Any) -> Params:
        del key
        return _init_affine(check(x).shape[-1], scale, bias)

    def apply(params: Params, x: Any) -> jax.Array:
        x = jnp.asarray(check(x))
        affine = _affine_entries(params, "LayerNorm", x.shape[-1], scale, bias)
        return _standardize(x, *ops.moments(x, (-1,)), epsilon, affine)

    return stateless(init, apply, name="layer_norm")


def GroupNorm(groups: int = 32, *, epsilon: float = 1e-5, scale: bool = True, bias: bool = True) -> Layer:
    """Normalizes each example over its spatial axes and groups of neighbouring channels.

    Maps `(batch, …, channels)` to the same shape. With one group a channel it is instance normalization.

    Args:
      groups: into how many groups the channels are split.
      epsilon: added to the variance.
      scale: whether to learn a factor for each channel, 1 at first.
      bias: whether to learn a summand for each channel, 0 at first.

    Raises:
      ValueError: if `groups` is not positive or `epsilon` negative; when initialized or applied, if the channels are
        no multiple of `groups`.

    Reference: Wu & He 2018, arXiv 1803.08494.
    """
    groups = arguments.positive(groups, "GroupNorm", "groups")
    epsilon = arguments.not_negative(epsilon, "GroupNorm", "epsilon")

    def check(x: Any) -> jax.Array:
        x = expect.array(x, "GroupNorm", _SHAPE, range(2, 9))
        if x.shape[-1] % groups:
            raise ValueError(f"GroupNorm cannot split the {x.shape[-1]} channels of x into {groups} groups.")
        return x

    def init(key: jax.Array, x: Any) -> Params:
        del key
        return _init_affine(check(x).shape[-1], scale, bias)

    def apply(params: Params, x: Any) -> jax.Array:
        x = jnp.asarray(check(x))
        channels = x.shape[-1]
        affine = _affine_entries(params, "GroupNorm", channels, scale, bias)
        grouped = x.reshape(*x.shape[:-1], groups, channels // groups)
        mean, var = ops.moments(grouped, [*range(1, x.ndim - 1), x.ndim])
        normalized = _standardize(ops.widen(grouped), mean, var, epsilon, {})
        return _transform(normalized.reshape(x.shape), affine).astype(x.dtype)

    return stateless(init, apply, name="group_norm")


def _init_affine(channels: int, scale: bool, bias: bool) -> Params:
    params = {"scale": jnp.ones(channels, jnp.float32)} if scale else {}
    return params | ({"bias": jnp.zeros(channels, jnp.float32)} if bias else {})


def _affine_entries(params: Params, layer: str, channels: int, scale: bool, bias: bool) -> dict[str, jax.Array]:
    names = [name for name, wanted in (("scale", scale), ("bias", bias)) if wanted]
    arrays = expect.entries(params, layer, **dict.fromkeys(names, (channels,)))
    return dict(zip(names, arrays, strict=True))


def _standardize(
    x: jax.Array, mean: jax.Array, var: jax.Array, epsilon: float, affine: dict[str, jax.Array]
) -> jax.Array:
    wide = ops.widen(x)
    mean, var = mean.astype(wide.dtype), var.astype(wide.dtype)
    return _transform((wide - mean) * jax.lax.rsqrt(var + epsilon), affine).astype(x.dtype)


def _transform(y: jax.Array, affine: dict[str, jax.Array]) -> jax.Array:
    if "scale" in affine:
        y = y * expect.broadcastable(affine["scale"], y.ndim).astype(y.dtype)
    if "bias" in affine:
        y = y + expect.broadcastable(affine["bias"], y.ndim).astype(y.dtype)
    return y
