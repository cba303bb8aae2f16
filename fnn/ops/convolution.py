"""Convolution over channels-last arrays, as the field means it: the kernel is not flipped (cross-correlation)."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from fnn.ops.bilinear import convolve_p
from fnn.ops.exactness import exact
from fnn.ops.geometry import Geometry
from fnn.ops.program import leave_to_xla, vary_alike


def convolve(
    x: jax.Array,
    kernel: jax.Array,
    *,
    strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    dilation: Sequence[int],
    groups: int = 1,
) -> jax.Array:
    """Slides a kernel over the spatial axes of `x`.

    Args:
      x: `(batch, *spatial, channels)` with 1, 2 or 3 spatial axes.
      kernel: `(*window, channels / groups, features)`.
      strides: steps between windows, one for each spatial axis.
      padding: zeros (low, high) around each spatial axis.
      dilation: steps between the pixels that one window reads.
      groups: into how many independent groups channels and features are split.

    Returns:
      `(batch, *places, features)`.
    """
    geometry = Geometry(
        tuple(x.shape[1:-1]),
        tuple(kernel.shape[:-2]),
        tuple(strides),
        tuple((low, high) for low, high in padding),
        tuple(dilation),
        groups,
    )
    convolve = partial(convolve_p.bind, geometry=geometry, exact=exact.value)
    return leave_to_xla(convolve, *vary_alike(x, kernel), rank=x.ndim, leading=1)


def convolve_transposed(
    x: jax.Array,
    kernel: jax.Array,
    *,
    strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    dilation: Sequence[int],
    groups: int = 1,
) -> jax.Array:
    """Spreads each pixel of `x` over a window: the gradient of `convolve` with respect to its input.

    The arguments are `convolve`'s; `padding` is what is cut from the result, and a negative number adds zeros. The
    output is `(size − 1)·stride + window − low − high` long on each axis.
    """
    window = [(k - 1) * d + 1 for k, d in zip(kernel.shape, dilation, strict=False)]
    # An explicit pad between the pixels and not lhs_dilation, whose gradient is slow on GPUs (jax issue 31662).
    spread = [
        (w - 1 - low, w - 1 - high, stride - 1) for w, (low, high), stride in zip(window, padding, strides, strict=True)
    ]
    x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *spread, (0, 0, 0)])
    rank = len(strides)
    ones, no_padding = [1] * rank, [(0, 0)] * rank
    flipped = jnp.flip(kernel, range(rank))
    return convolve(x, flipped, strides=ones, padding=no_padding, dilation=dilation, groups=groups)
