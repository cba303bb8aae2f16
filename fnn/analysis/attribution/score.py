"""What is asked of a network: one number an image. Saliency, occlusion and ascent take any such function."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from fnn.intermediates import intermediates
from fnn.layer import Layer, Params, State

Score = Callable[[jax.Array], jax.Array]
"""`(batch, height, width, channels) -> (batch,)`; no image's number depends on another image."""


def class_score(layer: Layer, params: Params, state: State, classes: Any) -> Score:
    """Returns the function that gives each image's output for one class, in evaluation mode.

    It is the score before the softmax. A probability can also rise because other classes fall, and where it is near 1
    its gradient is near 0 (Simonyan et al. 2014, section 2).

    Args:
      layer: maps images to `(batch, classes)`.
      params: its parameters.
      state: its state.
      classes: `(batch,)`, integers: which class is asked of each image.
    """

    def score(images: jax.Array) -> jax.Array:
        return pick(layer.apply(params, state, images, train=False)[0], classes)

    return score


def unit_score(
    layer: Layer, params: Params, state: State, path: str, channels: Any, place: tuple[int, ...] | None = None
) -> Score:
    """Returns the function that gives the activation of a unit inside of a network, in evaluation mode.

    Args:
      layer: the network.
      params: its parameters.
      state: its state.
      path: of the layer that the unit is of, as in `fnn.intermediates`; it makes `(batch, *spatial, channels)`.
      channels: `(batch,)`, integers: which channel is asked of each image.
      place: one index for each spatial axis; the middle by default.

    Raises:
      ValueError: when called, if the network has no such layer or `place` is not in what the layer makes.
    """

    def score(images: jax.Array) -> jax.Array:
        made = output_of(layer, params, state, images, path)
        sizes = made.shape[1:-1]
        chosen = tuple(size // 2 for size in sizes) if place is None else place
        if len(chosen) != len(sizes) or not all(0 <= i < size for i, size in zip(chosen, sizes, strict=True)):
            raise ValueError(f"unit_score expects a place in {sizes}, what {path!r} makes of an image, got {chosen}.")
        return pick(made[(slice(None), *chosen)], channels)

    return score


def pick(outputs: jax.Array, chosen: Any) -> jax.Array:
    """Returns of each row of `(batch, outputs)` the one that is asked for: `(batch,)`.

    Raises:
      ValueError: if it is not one output an image that is asked for.
    """
    chosen = jnp.asarray(chosen)
    if outputs.ndim != 2 or chosen.shape != outputs.shape[:1] or not jnp.issubdtype(chosen.dtype, jnp.integer):
        raise ValueError(
            f"expected an integer for each image, {outputs.shape[:1]}, to choose from outputs (batch, outputs), got "
            f"{chosen.dtype} of shape {chosen.shape} for outputs of shape {outputs.shape}."
        )
    return jnp.take_along_axis(outputs, chosen[:, jnp.newaxis], axis=1)[:, 0]


def output_of(layer: Layer, params: Params, state: State, images: jax.Array, path: str) -> jax.Array:
    """Returns what the layer of that path makes of images, in evaluation mode.

    Raises:
      ValueError: if there is none, or it does not make one array.
    """
    passages = intermediates(layer, params, state, images, train=False)[2]
    made = {passage.path: passage.y for passage in passages}
    if path not in made:
        raise ValueError(f"this network has no layer {path!r}; there are {', '.join(made) or 'none'}.")
    if not hasattr(made[path], "shape"):
        raise ValueError(f"{path!r} makes {len(jax.tree.leaves(made[path]))} arrays; expected one.")
    return made[path]
