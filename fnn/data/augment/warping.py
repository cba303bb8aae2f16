"""Rotation, translation, scale, shear and elastic deformation: each moves the places at which an image is read.

Used together they move the same places, and the image is read once: every reading between pixels blurs.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fnn.data.augment.augmentation import (
    Augmentation,
    check_strength,
    draw_pixels,
    draw_uniform,
    on_images,
    unchanged,
    working_dtype,
)
from fnn.data.augment.resample import bilinear
from fnn.keys import named_key

ELASTIC_SIGMA = 4.0
"""Pixels: what Simard et al. found best on MNIST's 28×28, with an `elastic` of 34."""


class Affine(NamedTuple):
    """How each image of a batch is moved about its middle: sheared first, then scaled, rotated and shifted."""

    rotation: jax.Array
    """`(batch,)`: radians, counter-clockwise."""
    down: jax.Array
    """`(batch,)`: pixels."""
    right: jax.Array
    """`(batch,)`: pixels."""
    scale: jax.Array
    """`(batch,)`: the factor by which both sides grow."""
    shear: jax.Array
    """`(batch,)`: how many pixels to the right each row moves against the row above it."""


def rotation(degrees: float) -> Augmentation:
    """Turns each image about its middle by an angle uniform from `-degrees` to `degrees`, at most 180."""
    return warp(rotation=degrees)


def translation(share: float) -> Augmentation:
    """Moves each image by shares of its height and width, each uniform from `-share` to `share`, at most 1."""
    return warp(translation=share)


def scale(share: float) -> Augmentation:
    """Magnifies each image by a factor from `1 / (1 + share)` to `1 + share`, uniform in its logarithm."""
    return warp(scale=share)


def shear(degrees: float) -> Augmentation:
    """Slants each image sideways by an angle uniform from `-degrees` to `degrees`, at most 80."""
    return warp(shear=degrees)


def elastic(pixels: float, sigma: float = ELASTIC_SIGMA) -> Augmentation:
    """Moves every pixel by a smooth random field: see `warp`."""
    return warp(elastic=pixels, sigma=sigma)


def warp(
    *,
    rotation: float = 0,
    translation: float = 0,
    scale: float = 0,
    shear: float = 0,
    elastic: float = 0,
    sigma: float = ELASTIC_SIGMA,
) -> Augmentation:
    """Reads each image once at places that all of these have moved, bilinearly; what comes from outside is black.

    Each draws under its own name the same numbers, whichever others there are.

    Args:
      rotation: degrees about the middle, at most, either way; up to 180.
      translation: share of the height and of the width, at most, in all directions; up to 1.
      scale: how much larger at most; a factor from `1 / (1 + scale)` to `1 + scale`, uniform in its logarithm.
      shear: degrees by which upright lines lean, at most, either way; up to 80.
      elastic: α in pixels: the displacement, downwards and to the right, is drawn for each pixel uniformly from -1 to
        1, smoothed by a Gaussian and multiplied by α (Simard, Steinkraus & Platt 2003, "Best practices for
        convolutional neural networks applied to visual document analysis", without the normalization of the field).
        Its standard deviation is about `α / (6.1 · sigma)`, less near the edges.
      sigma: of that Gaussian, in pixels; positive.

    Raises:
      ValueError: if a strength is out of range.
    """
    check_strength("rotation", rotation, 180, "degrees")
    check_strength("translation", translation, 1, "a share of the image")
    check_strength("scale", scale, math.inf, "a share of the image")
    check_strength("shear", shear, 80, "degrees")
    check_strength("elastic", elastic, math.inf, "pixels")
    check_strength("sigma", sigma, math.inf, "pixels")
    if not sigma:
        raise ValueError("elastic expects a positive sigma, got 0.")
    strengths = {"rotation": rotation, "translation": translation, "scale": scale, "shear": shear, "elastic": elastic}
    names = tuple(name for name, strength in strengths.items() if strength)
    if not names:
        return unchanged

    def change(key: jax.Array, images: jax.Array) -> jax.Array:
        batch, height, width, _ = images.shape
        angle, shift, larger, lean = (
            draw_uniform(key, "rotation", batch, math.radians(rotation)),
            _uniform(named_key(key, "translation"), (batch, 2)),
            jnp.exp(draw_uniform(key, "scale", batch, math.log1p(scale))),
            jnp.tan(draw_uniform(key, "shear", batch, math.radians(shear))),
        )
        down, right = (shift * translation * np.array([[height, width]], np.float32)).T
        affine = Affine(angle, down, right, larger, lean)
        rows, columns = affine_places(affine, height, width, working_dtype(images))
        if elastic:
            fields = draw_pixels(key, "elastic", (batch, 2, height, width), _uniform)
            moved = elastic * smooth(fields, sigma).astype(rows.dtype)
            rows, columns = rows + moved[:, 0], columns + moved[:, 1]
        return bilinear(images, rows, columns)

    return on_images(names, change)


def affine_places(
    affine: Affine, height: int, width: int, dtype: jnp.dtype | type = jnp.float32
) -> tuple[jax.Array, jax.Array]:
    """Says from where each pixel of moved images comes.

    Returns:
      Rows and columns, each `(batch, height, width)`, in pixels, for `bilinear`.
    """
    turn, down, right, factor, lean = (value.astype(dtype).reshape(-1, 1, 1) for value in affine)
    middle = ((height - 1) / 2, (width - 1) / 2)
    row = jnp.arange(height, dtype=dtype).reshape(1, -1, 1) - middle[0] - down
    column = jnp.arange(width, dtype=dtype).reshape(1, 1, -1) - middle[1] - right
    # Backwards: the shift is undone first, the shear last.
    cos, sin = jnp.cos(turn) / factor, jnp.sin(turn) / factor
    row, column = cos * row + sin * column, cos * column - sin * row
    return row + middle[0], column - lean * row + middle[1]


def smooth(fields: jax.Array, sigma: float) -> jax.Array:
    """Smooths fields `(batch, 2, height, width)` by a Gaussian of `sigma` pixels, cut off at 4 sigma; 0 outside."""
    # As two matrix products: shorter than a convolution, and no convolution of XLA is fast in a loop on the CPU.
    down, right = (jnp.asarray(_gaussian(size, sigma), fields.dtype) for size in fields.shape[2:])
    return jnp.einsum("ij,bfjk,lk->bfil", down, fields, right, precision="highest")


def _uniform(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    return jax.random.uniform(key, shape, jnp.float32, -1, 1)


def _gaussian(size: int, sigma: float) -> np.ndarray:
    """Returns the matrix `(size, size)` that smooths a column; the weights inside and outside sum to 1."""
    radius = int(4 * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    distance = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
    near = np.minimum(distance, radius)
    return np.where(distance <= radius, weights[radius + near], 0) / weights.sum()
