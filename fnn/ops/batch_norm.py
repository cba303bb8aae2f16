"""Batch normalization as one differentiable operation, so that its gradient reads the image as seldom as it can."""

import math

import jax
import jax.numpy as jnp
from jax import lax

from fnn.ops.channels import channel_broadcast, channel_sum

Normalized = tuple[jax.Array, jax.Array, jax.Array]


@jax.custom_jvp
def batch_norm(x: jax.Array, scale: jax.Array, bias: jax.Array, epsilon: jax.Array) -> Normalized:
    """Normalizes each channel by its own moments: `y = scale · (x − mean) / sqrt(var + epsilon) + bias`.

    The variance is taken from the centred values: the mean of squares minus the square of the mean would cancel where
    the mean is large.

    Args:
      x: `(…, channels)`, at least float32.
      scale: `(channels,)`, of x's dtype; so is `bias`.
      bias: see `scale`.
      epsilon: `()`, added to the variance; not differentiated.

    Returns:
      `y` like `x`, and the mean and the biased variance, `(channels,)`.
    """
    count = math.prod(x.shape[:-1])
    mean = channel_sum(x) / count
    centred = x - channel_broadcast(mean, x.shape)
    var = channel_sum(jnp.square(centred)) / count
    factor = scale * lax.rsqrt(var + epsilon)
    return centred * channel_broadcast(factor, x.shape) + channel_broadcast(bias, x.shape), mean, var


@batch_norm.defjvp
def _(primals: tuple[jax.Array, ...], tangents: tuple[jax.Array, ...]) -> tuple[Normalized, Normalized]:
    """Ioffe & Szegedy 2015, arXiv 1502.03167, section 3, as a tangent; its transpose sums over the pixels twice."""
    x, scale, _, epsilon = primals
    x_dot, scale_dot, bias_dot, _ = tangents
    y, mean, var = batch_norm(*primals)
    count = math.prod(x.shape[:-1])
    rate = lax.rsqrt(var + epsilon)
    standard = (x - channel_broadcast(mean, x.shape)) * channel_broadcast(rate, x.shape)
    mean_dot = channel_sum(x_dot) / count
    standard_dot = channel_sum(standard * x_dot) / count
    along = scale_dot - scale * rate * standard_dot
    shift = bias_dot - scale * rate * mean_dot
    y_dot = (
        channel_broadcast(scale * rate, x.shape) * x_dot
        + standard * channel_broadcast(along, x.shape)
        + channel_broadcast(shift, x.shape)
    )
    return (y, mean, var), (y_dot, mean_dot, 2 * standard_dot / rate)
