"""Where a layer's maps speak for a class."""

from typing import Any

import jax
import jax.numpy as jnp

from fnn.analysis.attribution.score import output_of, pick
from fnn.intermediates import Passage, intermediates
from fnn.layer import Layer, Params, State


def grad_cam(layer: Layer, params: Params, state: State, images: jax.Array, classes: Any, path: str) -> jax.Array:
    """Gradient-weighted class activation maps: `max(0, Σₖ αₖ Aₖ)`.

    `Aₖ` are a layer's maps, and `αₖ` the mean over the map's places of the gradient of the class's score, before the
    softmax, with respect to it. The last convolution's maps, after its activation, are what the paper takes.

    Args:
      layer: maps images to `(batch, classes)`.
      params: its parameters.
      state: its state.
      images: `(batch, height, width, channels)`.
      classes: `(batch,)`, integers: which class is asked of each image.
      path: of the layer that makes the maps, as in `fnn.intermediates`.

    Returns:
      `(batch, rows, columns)`, as many as the layer's maps have; not negative.

    Raises:
      ValueError: if there is no such layer, or it makes no maps.

    Reference: Selvaraju et al. 2017, "Grad-CAM: visual explanations from deep networks via gradient-based
    localization", equations 1 and 2.
    """
    maps = output_of(layer, params, state, images, path)
    if maps.ndim != 4:
        raise ValueError(f"grad_cam expects a layer that makes maps (batch, rows, columns, channels); {path!r} makes "
                         f"{maps.shape}.")  # fmt: skip

    def score(shift: jax.Array) -> jax.Array:
        shifts = [Passage(path, 0, None, shift)]
        return pick(intermediates(layer, params, state, images, train=False, shifts=shifts)[0], classes).sum()

    weights = jax.grad(score)(jnp.zeros_like(maps)).mean(axis=(1, 2), keepdims=True)
    return jnp.maximum((weights * maps).sum(axis=-1), 0)
