"""Maps of what matters in an image, and what covering what they point at does."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

import fnn
from fnn import analysis


class Explanation(NamedTuple):
    """What was found out about a batch of images. Dicts are by what points at a square."""

    probability: jax.Array
    """`(batch,)`: of the class, when nothing is covered."""
    maps: dict[str, jax.Array]
    """`(batch, height, width)`: saliency, occlusion and Grad-CAM."""
    rows: dict[str, jax.Array]
    """`(batch,)`: of the middle of the square that each map likes best."""
    columns: dict[str, jax.Array]
    """`(batch,)`: its column."""
    falls: dict[str, jax.Array]
    """`(batch,)`: by how much the probability falls when that square is covered; also the mean over all squares, and
    the most that any square comes to."""
    changes: dict[str, jax.Array]
    """`(batch,)`: whether the highest output is then another class's: 1 or 0; the mean over all squares, and whether
    any does it."""


SALIENCY, OCCLUSION, GRAD_CAM = MAPS = "saliency", "occlusion", "Grad-CAM"
ANYWHERE, WORST = "any square", "the worst square"


def explain(
    network: fnn.Layer, path: str, window: int, stride: int, params: Any, state: Any, x: jax.Array, classes: jax.Array
) -> Explanation:
    """Makes three maps of each image, lets each choose a square, and covers that with zeros, the mean grey.

    Args:
      network: maps images to `(batch, classes)`.
      path: of the layer whose maps Grad-CAM adds up.
      window: how many pixels long the square is.
      stride: every how many pixels along both axes a square is tried.
      params: the network's parameters.
      state: its state.
      x: `(batch, height, width, channels)`, normalized.
      classes: `(batch,)`, integers: the class that is asked of each image.
    """

    def measure(of_outputs: Callable[[jax.Array], jax.Array], images: jax.Array) -> jax.Array:
        outputs = of_outputs(network.apply(params, state, images, train=False)[0])
        return jnp.take_along_axis(outputs, classes[:, jnp.newaxis], axis=1)[:, 0]

    probability = partial(measure, jax.nn.softmax)
    is_highest = partial(measure, lambda outputs: (outputs == outputs.max(axis=1, keepdims=True)).astype(x.dtype))
    score = analysis.class_score(network, params, state, classes)

    size = x.shape[:3]
    occlusion, falls, changes = (
        analysis.occlusion(of, x, window, stride=stride) for of in (score, probability, is_highest)
    )
    grad_cam = analysis.grad_cam(network, params, state, x, classes, path)
    maps = {
        SALIENCY: analysis.saliency(score, x),
        OCCLUSION: spread(occlusion, stride, size),
        GRAD_CAM: jax.image.resize(grad_cam, size, "bilinear"),
    }
    wants = {name: sum_of_squares(of, window) for name, of in maps.items()} | {OCCLUSION: maps[OCCLUSION]}
    tried = {name: of[:, ::stride, ::stride].reshape(len(x), -1) for name, of in wants.items()}
    best = {name: of.argmax(axis=1) for name, of in tried.items()}

    def at_best(grid: jax.Array) -> dict[str, jax.Array]:
        flat = grid.reshape(len(x), -1)
        chosen = {name: jnp.take_along_axis(flat, at[:, jnp.newaxis], axis=1)[:, 0] for name, at in best.items()}
        return chosen | {ANYWHERE: flat.mean(axis=1), WORST: flat.max(axis=1)}

    across = falls.shape[2]
    return Explanation(
        probability(x),
        maps,
        {name: at // across * stride for name, at in best.items()},
        {name: at % across * stride for name, at in best.items()},
        at_best(falls),
        at_best(changes),
    )


def spread(grid: jax.Array, stride: int, size: tuple[int, ...]) -> jax.Array:
    """Gives each place that was tried the pixels up to the next: from `(batch, rows, columns)` to `size`."""
    wide = jnp.repeat(jnp.repeat(grid, stride, axis=1), stride, axis=2)
    return wide[:, : size[1], : size[2]]


def sum_of_squares(maps: jax.Array, window: int) -> jax.Array:
    """Adds up what of a map, `(batch, height, width)`, is in the square around each pixel."""
    return fnn.SumPool(window, strides=1, padding="SAME").apply({}, {}, maps[..., jnp.newaxis], train=False)[0][..., 0]


def square(row: int, column: int, window: int) -> tuple[slice, slice]:
    """Returns the pixels that `fnn.analysis.cover` covers."""
    first, last = (window - 1) // 2, window // 2
    return slice(max(row - first, 0), row + last + 1), slice(max(column - first, 0), column + last + 1)
