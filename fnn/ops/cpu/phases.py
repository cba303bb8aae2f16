"""The gradient of a convolution in its input, as convolutions at stride 1.

A window at stride `s` that reaches pixel `i` of the padded image does so with those of its weights whose offset leaves
the same remainder as `i` when divided by `s`. So each remainder, a phase, is a convolution of its own of the output's
gradient, with a part of the flipped kernel; and the gradient is the phases interleaved. At stride 1 there is one phase.
"""

import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from fnn.ops.cpu.images import transposed
from fnn.ops.geometry import Geometry


class Phase(NamedTuple):
    """One axis of one phase."""

    taps: tuple[int, int]
    """The first weight of this phase, and the step to the next."""
    window: int
    """How many weights; none where no window reaches these pixels."""
    dilation: int
    padding: tuple[int, int]
    """Of the output's gradient."""


def phases(geometry: Geometry, axis: int) -> list[Phase]:
    """Returns the phases of the pixels `0, 1, …, stride − 1` along an axis; each gives `ceil(size / stride)` pixels."""
    stride, dilation, window = geometry.strides[axis], geometry.dilation[axis], geometry.window[axis]
    low, count = geometry.padding[axis][0], -(-geometry.sizes[axis] // stride)
    common = math.gcd(stride, dilation)
    made = []
    for pixel in range(stride):
        place, remainder = divmod(pixel + low, stride)
        taps = [t for t in range(window) if t * dilation % stride == remainder]
        if not taps:
            made.append(Phase((0, 1), 0, 1, (0, 0)))
            continue
        reach = (len(taps) - 1) * dilation // common
        before = (taps[0] * dilation - remainder) // stride + reach - place
        after = count + reach - geometry.places[axis] - before
        made.append(Phase((taps[0], stride // common), len(taps), dilation // common, (before, after)))
    return made


def convolutions(geometry: Geometry) -> list[tuple[tuple[Phase, ...], Geometry | None]]:
    """Returns each combination of the axes' phases with the convolution that computes it; none, where it is zero."""
    made = []
    for combined in itertools.product(*(phases(geometry, axis) for axis in range(geometry.rank))):
        if not all(phase.window for phase in combined):
            made.append((combined, None))
            continue
        part = Geometry(
            geometry.places,
            tuple(phase.window for phase in combined),
            (1,) * geometry.rank,
            tuple(phase.padding for phase in combined),
            tuple(phase.dilation for phase in combined),
            geometry.groups,
        )
        made.append((combined, part))
    return made


def input_gradient(
    y: jax.Array, kernel: jax.Array, geometry: Geometry, convolve: Callable[..., jax.Array]
) -> jax.Array:
    """Computes the gradient in the input, `(batch, *sizes, channels)`, through `convolve`.

    Args:
      y: the output's gradient.
      kernel: `(*window, channels of a group, features)`.
      geometry: of the convolution whose gradient this is.
      convolve: called for each phase with `y`, the phase's part of the kernel turned around (flipped, its channels and
        features exchanged), `geometry`, and `unturned`, that part as it was.
    """
    swapped = _swap_channels(kernel, geometry.groups)
    counts = tuple(-(-n // s) for n, s in zip(geometry.sizes, geometry.strides, strict=True))
    parts = []
    for combined, part in convolutions(geometry):
        if part is None:
            parts.append(jnp.zeros((y.shape[0], *counts, swapped.shape[-1]), y.dtype))
            continue
        taps = tuple(slice(p.taps[0], p.taps[0] + (p.window - 1) * p.taps[1] + 1, p.taps[1]) for p in combined)
        turned = jnp.flip(swapped[taps], range(geometry.rank))
        parts.append(convolve(y, turned, geometry=part, unturned=kernel[taps]))
    for axis in reversed(range(geometry.rank)):
        stride = geometry.strides[axis]
        parts = [_interleave(parts[i : i + stride], axis + 1) for i in range(0, len(parts), stride)]
    return lax.slice(parts[0], [0] * y.ndim, [y.shape[0], *geometry.sizes, swapped.shape[-1]])


def _interleave(parts: list[jax.Array], axis: int) -> jax.Array:
    if len(parts) == 1:
        return parts[0]
    stacked = jnp.stack(parts, axis + 1)
    return stacked.reshape(*stacked.shape[:axis], len(parts) * stacked.shape[axis], *stacked.shape[axis + 2 :])


def _swap_channels(kernel: jax.Array, groups: int) -> jax.Array:
    """`(*window, channels of a group, features)` to `(*window, features of a group, channels)`."""
    *window, per_group, features = kernel.shape
    if groups == 1:
        return transposed(kernel)
    kernel = kernel.reshape(*window, per_group, groups, features // groups)
    return jnp.moveaxis(kernel, -1, -3).swapaxes(-1, -2).reshape(*window, features // groups, groups * per_group)
