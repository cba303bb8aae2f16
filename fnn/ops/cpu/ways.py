"""The ways to compute a convolution. Each takes what `fnn.ops.xla.convolve` takes and gives the same."""

import functools
import math
from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import jaxlib.version
from jax import lax

from fnn.ops import xla
from fnn.ops.cpu import tiles, winograd
from fnn.ops.cpu.alike import as_data, shifts_alike
from fnn.ops.cpu.images import IN_CACHE, in_rounds, pad, shifts, split_batch
from fnn.ops.cpu.neighbours import missing_channels, neighbours, widen_geometry
from fnn.ops.geometry import Geometry

FFT_IS_SAFE = jaxlib.version.__version_info__ < (0, 11)
"""Whether XLA's FFT always ends. Since openxla/xla pull request 46347 it waits, on one of XLA's threads, for others of
them, which may wait for it: two FFTs of one program at the same time can stand still for ever (seen with 0.11.2)."""


def direct(x: jax.Array, kernel: jax.Array, *, geometry: Geometry) -> jax.Array:
    """XLA's own, kept from exchanging image and kernel.

    Where the kernel has more pixels than the image, XLA's simplifier swaps the two, and the convolution that results
    is up to 80 times slower. Padding the image beforehand, out of the simplifier's sight, prevents it.
    """
    cut = [(low, high) if min(low, high) < 0 else (0, 0) for low, high in geometry.padding]
    if any(map(any, cut)):  # negative padding, over which XLA has crashed
        x = pad(x, cut)
        rest = tuple((0, 0) if any(c) else pair for c, pair in zip(cut, geometry.padding, strict=True))
        geometry = geometry._replace(sizes=tuple(x.shape[1:-1]), padding=rest)
    if math.prod(geometry.window) > math.prod(geometry.sizes):
        x = lax.optimization_barrier(pad(x, geometry.padding))
        geometry = geometry._replace(sizes=geometry.padded, padding=((0, 0),) * geometry.rank)
    return xla.convolve(x, kernel, geometry=geometry)


def patches(x: jax.Array, kernel: jax.Array, *, geometry: Geometry) -> jax.Array:
    """Copies what each window sees into one row, a few images at a time, and multiplies by the kernel's matrix."""
    window, features = math.prod(geometry.window), kernel.shape[-1]
    groups = geometry.groups
    per_group = x.shape[-1] // groups
    matrix = kernel.reshape(window, per_group, groups, features // groups)

    def some(x: jax.Array) -> jax.Array:
        if groups == 1:
            rows = jnp.concatenate(shifts_alike(x, geometry), -1)
            return xla.product(rows, matrix.reshape(window * per_group, features))
        rows = jnp.stack(shifts(x, geometry), -2).reshape(-1, window, groups, per_group)
        y = lax.dot_general(rows, matrix, (((1, 3), (0, 1)), ((2,), (2,))))
        return jnp.moveaxis(y, 0, 1).reshape(x.shape[0], *geometry.places, features)

    each = math.prod(geometry.places) * window * x.shape[-1] * x.dtype.itemsize
    rounds = split_batch(x.shape[0], each, IN_CACHE)
    return in_rounds(some, rounds, pad(x, geometry.padding))


def shifted(x: jax.Array, kernel: jax.Array, *, geometry: Geometry) -> jax.Array:
    """Adds up one product for each position of the kernel: channel by channel where a group is one channel."""
    matrices = kernel.reshape(-1, *kernel.shape[-2:])
    x = pad(x, geometry.padding)
    if geometry.groups > 1:
        made = (_scaled(view, matrix) for view, matrix in zip(shifts(x, geometry), matrices, strict=True))
    else:
        numbers = (as_data([i], jnp.int32)[0] for i in range(len(matrices)))
        alike = (lax.dynamic_index_in_dim(matrices, i, keepdims=False, allow_negative_indices=False) for i in numbers)
        made = (xla.product(view, matrix) for view, matrix in zip(shifts_alike(x, geometry), alike, strict=True))
    return functools.reduce(jnp.add, made)


def by_winograd(x: jax.Array, kernel: jax.Array, *, geometry: Geometry, outputs: int) -> jax.Array:
    """Winograd's `F(outputs, 3)` along the first axis that allows it, a few images at a time."""
    axis = winograd.axis_of(geometry)
    assert axis is not None, f"no axis of {geometry} has a window of 3 at stride 1"
    kernels = winograd.transform_kernel(kernel, axis, outputs)
    inside = winograd.inner(geometry, axis, winograd.tiles_of(geometry, axis, outputs))

    def some(x: jax.Array) -> jax.Array:
        x = winograd.pad_input(x, geometry, axis, outputs)
        images = winograd.transform_input(x, axis, outputs)
        products = [direct(v, u, geometry=inside) for v, u in zip(images, kernels, strict=True)]
        y = winograd.transform_output(products, axis, outputs)
        return lax.slice_in_dim(y, 0, geometry.places[axis], axis=axis + 1)

    entries = math.prod(geometry.sizes) * x.shape[-1] + math.prod(geometry.places) * kernel.shape[-1]
    each = entries * x.dtype.itemsize * (outputs + 2) // outputs
    rounds = split_batch(x.shape[0], each, 2 * IN_CACHE)
    return in_rounds(some, rounds, x)


def by_tiles(
    x: jax.Array, kernel: jax.Array, *, geometry: Geometry, tile: tiles.Tile, turned: bool = False
) -> jax.Array:
    """Winograd's `F(·, 3)` along both axes of an image, a few images at a time.

    With `turned`, by the kernel flipped and its channels and features exchanged: `(3, 3, features, channels of x)`.
    """
    matrices = tiles.transform_kernel(kernel, tile)

    def some(x: jax.Array) -> jax.Array:
        points = tiles.transform_input(x, geometry, tile, turned)
        products = lax.dot_general(points, matrices, (((2,), (2 if turned else 1,)), ((0,), (0,))))
        return tiles.transform_output(products, geometry, tile, turned)

    each = tiles.points_of(geometry, tile) * sum(kernel.shape[-2:]) * x.dtype.itemsize
    return in_rounds(some, split_batch(x.shape[0], each, 2 * IN_CACHE), x)


def widened(x: jax.Array, kernel: jax.Array, *, geometry: Geometry) -> jax.Array:
    """Computes several neighbouring outputs along the last axis as if they were features.

    For few features, which would leave most of a vector instruction idle and for which XLA takes a slower kernel. The
    kernel is repeated at the neighbours' offsets, with zeros around; so a NaN or infinity spreads to the neighbours.
    An odd number of channels gets one more, of zeros.
    """
    more = missing_channels(*kernel.shape[-2:])
    if more:
        x = jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, more)])
        kernel = jnp.pad(kernel, [(0, 0)] * geometry.rank + [(0, more), (0, 0)])
    outputs = neighbours(geometry, kernel.shape[-1])
    inside = widen_geometry(geometry, outputs)
    stride, features = geometry.strides[-1], kernel.shape[-1]
    places = [(0, 0)] * (geometry.rank - 1)
    shifted_kernels = [_pad_kernel(kernel, [*places, (i * stride, (outputs - 1 - i) * stride)]) for i in range(outputs)]
    wide = jnp.stack(shifted_kernels, -2).reshape(*inside.window, kernel.shape[-2], outputs * features)
    y = direct(x, wide, geometry=inside)
    y = y.reshape(*y.shape[:-2], -1, features)
    return lax.slice_in_dim(y, 0, geometry.places[-1], axis=geometry.rank)


def by_fft(x: jax.Array, kernel: jax.Array, *, geometry: Geometry) -> jax.Array:
    """The convolution theorem: as fast for a large kernel as for a small one.

    A NaN or infinity anywhere in an image makes all of that image's output NaN.
    """
    axes = tuple(range(1, geometry.rank + 1))
    kernel = lax.pad(
        kernel, jnp.zeros((), kernel.dtype), [*((0, 0, d - 1) for d in geometry.dilation), (0, 0, 0), (0, 0, 0)]
    )
    sizes = [_fast_length(n) for n in geometry.padded]
    groups = geometry.groups
    spectrum = jnp.fft.rfftn(pad(x, geometry.padding), sizes, axes)
    weights = jnp.conj(jnp.fft.rfftn(kernel, sizes, tuple(range(geometry.rank))))
    spectrum = spectrum.reshape(*spectrum.shape[:-1], groups, -1)
    weights = weights.reshape(*weights.shape[:-1], groups, -1)
    product = jnp.einsum("n...gc,...cgo->n...go", spectrum, weights)
    y = jnp.fft.irfftn(product.reshape(*product.shape[:-2], -1), sizes, axes)
    limits = [y.shape[0], *geometry.span, y.shape[-1]]
    return lax.slice(y, [0] * y.ndim, limits, [1, *geometry.strides, 1])


def _fast_length(n: int) -> int:
    """Returns the next number that is no smaller than `n` and has no prime factor above 5."""
    while True:
        rest = n
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return n
        n += 1


def _pad_kernel(kernel: jax.Array, padding: Sequence[tuple[int, int]]) -> jax.Array:
    """Adds zeros around the kernel's window."""
    return lax.pad(kernel, jnp.zeros((), kernel.dtype), [*((*pair, 0) for pair in padding), (0, 0, 0), (0, 0, 0)])


def _scaled(x: jax.Array, factors: jax.Array) -> jax.Array:
    """Scales each channel by its features' factors, `(1, features)`: the product where a group is one channel."""
    features = factors.shape[-1]
    x = jnp.repeat(x, features // x.shape[-1], axis=-1) if features > x.shape[-1] else x
    return x * jnp.broadcast_to(factors[0], x.shape)


WAYS = {
    "direct": direct,
    "patches": patches,
    "shifted": shifted,
    "winograd of 2": partial(by_winograd, outputs=2),
    "winograd of 4": partial(by_winograd, outputs=4),
    **{way: partial(by_tiles, tile=tile) for way, tile in tiles.TILES.items()},
    "widened": widened,
} | ({"fft": by_fft} if FFT_IS_SAFE else {})
"""Name to way."""
