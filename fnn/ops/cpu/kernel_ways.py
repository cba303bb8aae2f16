"""The ways to compute a convolution's gradient in its kernel. Each does what `fnn.ops.xla.kernel_gradient` does."""

import functools
import math
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from fnn.ops import xla
from fnn.ops.cpu import tiles, ways, winograd
from fnn.ops.cpu.alike import beside, shifts_alike
from fnn.ops.cpu.images import IN_CACHE, pad, row_major, shifts, split_batch, summed_in_rounds, transposed
from fnn.ops.cpu.neighbours import neighbours_of_gradient, widen_geometry
from fnn.ops.geometry import Geometry


def direct(x: jax.Array, y: jax.Array, *, geometry: Geometry) -> jax.Array:
    """XLA's own: a convolution in which the batch is summed over as channels are, and channels are what batch was.

    Written with its transpositions, so that XLA need not find them: inside a loop it does not, and is 10 times slower.
    """
    if geometry.groups > 1:
        return xla.kernel_gradient(x, y, geometry=geometry)
    reach = [span + extent - 1 for span, extent in zip(geometry.span, geometry.extent, strict=True)]
    padding = [(low, n - low - size) for n, size, (low, _) in zip(reach, geometry.sizes, geometry.padding, strict=True)]
    turned = Geometry(
        sizes=tuple(x.shape[1:-1]),
        window=geometry.places,
        strides=geometry.dilation,
        padding=tuple(padding),
        dilation=geometry.strides,
    )
    # In two steps, of which the first stays within a pixel and the second moves whole rows.
    images = row_major(jnp.moveaxis(row_major(x), 0, -1))  # (*sizes, channels, batch)
    images = row_major(jnp.moveaxis(images, -2, 0))  # (channels, *sizes, batch)
    gradients = row_major(jnp.moveaxis(y, 0, -2))  # (*places, batch, features)
    return jnp.moveaxis(ways.direct(images, gradients, geometry=turned), 0, -2)


def patches(x: jax.Array, y: jax.Array, *, geometry: Geometry) -> jax.Array:
    """Copies what each window sees into one row, a few images at a time, and multiplies by the output's gradient."""
    window, groups = math.prod(geometry.window), geometry.groups
    per_group, features = x.shape[-1] // groups, y.shape[-1]

    def some(x: jax.Array, y: jax.Array) -> list[jax.Array]:
        if groups == 1:
            return [_product(jnp.concatenate(shifts_alike(x, geometry), -1), y)]
        rows = jnp.stack(shifts(x, geometry), -2).reshape(-1, window, groups, per_group)
        y = y.reshape(-1, groups, features // groups)
        return [lax.dot_general(rows, y, (((0,), (0,)), ((2,), (1,))))]  # (groups, window, per_group, features of one)

    each = math.prod(geometry.places) * window * x.shape[-1] * x.dtype.itemsize
    rounds = split_batch(x.shape[0], each, IN_CACHE)
    (made,) = summed_in_rounds(some, rounds, pad(x, geometry.padding), y)
    made = made if groups == 1 else jnp.moveaxis(made, 0, 2)
    return made.reshape(*geometry.window, per_group, features)


def shifted(x: jax.Array, y: jax.Array, *, geometry: Geometry) -> jax.Array:
    """One product for each position of the kernel: channel by channel where a group is one channel."""
    channels, features = x.shape[-1], y.shape[-1]
    x = pad(x, geometry.padding)
    if geometry.groups == 1:
        made = [_product(view, y) for view in shifts_alike(x, geometry)]
    else:
        each = y.reshape(*y.shape[:-1], channels, features // channels)
        made = [jnp.sum(view[..., None] * each, range(geometry.rank + 1)) for view in shifts(x, geometry)]
    return jnp.stack(made).reshape(*geometry.window, channels // geometry.groups, features)


def by_winograd(x: jax.Array, y: jax.Array, *, geometry: Geometry, outputs: int) -> jax.Array:
    """The transpose of Winograd's `F(outputs, 3)`: transformed images times transformed gradients."""
    assert geometry.groups == 1, "Winograd's way has no groups"
    axis = winograd.axis_of(geometry)
    assert axis is not None, f"no axis of {geometry} has a window of 3 at stride 1"
    inside = winograd.inner(geometry, axis, winograd.tiles_of(geometry, axis, outputs))

    def some(x: jax.Array, y: jax.Array) -> list[jax.Array]:
        images = winograd.transform_input(winograd.pad_input(x, geometry, axis, outputs), axis, outputs)
        gradients = winograd.transform_output_back(winograd.pad_output(y, geometry, axis, outputs), axis, outputs)
        padded = (lax.optimization_barrier(pad(lax.optimization_barrier(v), inside.padding)) for v in images)
        views = (beside(shifts(v, inside)) for v in padded)
        return [_product(view, g) for g, view in zip(gradients, views, strict=True)]

    window = math.prod(inside.window)
    entries = math.prod(inside.places) * (window * x.shape[-1] + y.shape[-1]) * (outputs + 2)
    rounds = split_batch(x.shape[0], entries * x.dtype.itemsize, 4 * IN_CACHE)
    made = summed_in_rounds(some, rounds, x, y)
    made = [m.reshape(*inside.window, x.shape[-1], y.shape[-1]) for m in made]
    return winograd.transform_kernel_back(made, axis, outputs)


def by_tiles(x: jax.Array, y: jax.Array, *, geometry: Geometry, tile: tiles.Tile) -> jax.Array:
    """The transpose of Winograd's `F(·, 3)` along both axes of an image."""

    def some(x: jax.Array, y: jax.Array) -> list[jax.Array]:
        images = tiles.transform_input(x, geometry, tile)
        gradients = tiles.transform_output_back(y, geometry, tile)
        # Moved, XLA multiplies them two to three times faster than it does where they lie.
        return [lax.dot_general(transposed(images), gradients, (((2,), (1,)), ((0,), (0,))))]

    each = tiles.points_of(geometry, tile) * (x.shape[-1] + y.shape[-1]) * x.dtype.itemsize
    (made,) = summed_in_rounds(some, split_batch(x.shape[0], each, 2 * IN_CACHE), x, y)
    return tiles.transform_kernel_back(made, tile)


def widened(x: jax.Array, y: jax.Array, *, geometry: Geometry) -> jax.Array:
    """The transpose of `fnn.ops.cpu.ways.widened`: sums the gradients of several neighbours' kernels, then those.

    For few features, which would leave most of a vector instruction idle. A NaN or infinity spreads to the neighbours.
    """
    features, stride = y.shape[-1], geometry.strides[-1]
    outputs = neighbours_of_gradient(geometry, features)
    inside = widen_geometry(geometry, outputs)
    tiles = inside.places[-1]
    y = pad(y, [(0, 0)] * (geometry.rank - 1) + [(0, tiles * outputs - geometry.places[-1])])
    wide = direct(x, y.reshape(*y.shape[:-2], tiles, outputs * features), geometry=inside)
    wide = wide.reshape(*wide.shape[:-1], outputs, features)
    taps = (slice(i * stride, i * stride + geometry.window[-1]) for i in range(outputs))
    return functools.reduce(jnp.add, (wide[..., tap, :, i, :] for i, tap in enumerate(taps)))


def _product(a: jax.Array, b: jax.Array) -> jax.Array:
    """Sums the outer products of two batches of pixels: `(…, m)` and `(…, n)` to `(m, n)`."""
    axes = tuple(range(a.ndim - 1))
    return lax.dot_general(a, b, ((axes, axes), ((), ())))


WAYS = {
    "direct": direct,
    "patches": patches,
    "shifted": shifted,
    "winograd of 2": partial(by_winograd, outputs=2),
    "winograd of 4": partial(by_winograd, outputs=4),
    **{way: partial(by_tiles, tile=tile) for way, tile in tiles.TILES.items()},
    "widened gradient": widened,
}
"""Name to way."""
