"""Parts of images taken away, so that a network learns to do with the rest."""

import math

import jax
import jax.numpy as jnp

from fnn.data.augment.augmentation import Augmentation, check_strength, on_images, unchanged
from fnn.keys import named_key


def cutout(size: int, fill: float = 0.0) -> Augmentation:
    """Paints a square over each image.

    Its middle is any pixel with equal probability, so that near an edge only a part of the square is inside, as
    DeVries & Taylor found important (2017, "Improved regularization of convolutional neural networks with Cutout",
    arXiv 1708.04552). They paint after normalization, in the mean colour; here 0 is black.

    Args:
      size: the side, in pixels; at most the images' shorter side.
      fill: the colour, from 0 to 1.

    Raises:
      ValueError: if `size` is negative or no whole number, or `fill` no colour; when applied, if images are smaller.
    """
    check_strength("cutout", size, math.inf, "a side in pixels", whole=True)
    check_strength("fill", fill, 1, "a colour")
    if not size:
        return unchanged
    side = int(size)

    def change(key: jax.Array, images: jax.Array) -> jax.Array:
        batch, height, width, _ = images.shape
        if side > min(height, width):
            raise ValueError(f"cutout of {side}×{side} pixels expects larger images, got {images.shape}.")
        middles = draw_middles(named_key(key, "cutout"), batch, height, width)
        starts, sides = middles - side // 2, jnp.full_like(middles, side)
        return jnp.where(inside(starts, sides, height, width), jnp.asarray(fill, images.dtype), images)

    return on_images("cutout", change)


def draw_middles(key: jax.Array, examples: int, height: int, width: int) -> jax.Array:
    """Draws a row and a column for each example, all with equal probability: `(examples, 2)`, int32."""
    return jax.random.randint(key, (examples, 2), 0, jnp.array([[height, width]], jnp.int32), jnp.int32)


def inside(starts: jax.Array, sides: jax.Array, height: int, width: int) -> jax.Array:
    """Says which pixels lie in a box, which may reach beyond the image.

    Args:
      starts: `(batch, 2)`: each box's first row and column.
      sides: `(batch, 2)`: how many rows and columns it has.
      height: of the images.
      width: of the images.

    Returns:
      `(batch, height, width, 1)`, booleans.
    """

    def along(axis: int, size: int) -> jax.Array:
        place = jnp.arange(size, dtype=starts.dtype).reshape(1, -1) - starts[:, axis, None]
        return (place >= 0) & (place < sides[:, axis, None])

    return along(0, height)[:, :, None, None] & along(1, width)[:, None, :, None]
