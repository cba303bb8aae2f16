"""What a score loses when a part of the image is covered."""

import jax
import jax.numpy as jnp
from jax import lax

from fnn.analysis.attribution.score import Score

AT_ONCE = 16
"""How many covered copies of the images are scored at a time."""


def cover(images: jax.Array, rows: jax.Array, columns: jax.Array, window: int, fill: float = 0.0) -> jax.Array:
    """Covers a square of each image.

    Args:
      images: `(batch, height, width, channels)`.
      rows: `(batch,)`, integers: the row in the square's middle; of an even square the upper one of the two.
      columns: `(batch,)`: its column; of an even square the left one of the two.
      window: how many pixels long the square is. What hangs over the border covers nothing.
      fill: what every covered number becomes.
    """
    covered = [
        (axis >= middle[:, jnp.newaxis] - (window - 1) // 2) & (axis <= middle[:, jnp.newaxis] + window // 2)
        for axis, middle in ((jnp.arange(images.shape[1])[jnp.newaxis], rows),
                             (jnp.arange(images.shape[2])[jnp.newaxis], columns))
    ]  # fmt: skip
    mask = covered[0][:, :, jnp.newaxis, jnp.newaxis] & covered[1][:, jnp.newaxis, :, jnp.newaxis]
    return jnp.where(mask, jnp.asarray(fill, images.dtype), images)


def occlusion(score: Score, images: jax.Array, window: int, *, stride: int = 1, fill: float = 0.0) -> jax.Array:
    """How much a score falls when a square around each pixel is covered.

    Args:
      score: one number an image, such as a `class_score`.
      images: `(batch, height, width, channels)`.
      window: how many pixels long the square is, as for `cover`.
      stride: every how many pixels, along both axes, a square is tried; from the first.
      fill: what every covered number becomes; 0 is the mean of normalized images.

    Returns:
      `(batch, ⌈height / stride⌉, ⌈width / stride⌉)`: the score of the whole image less that of the covered one.

    Raises:
      ValueError: if `window` or `stride` is below 1.

    Reference: Zeiler & Fergus 2014, "Visualizing and understanding convolutional networks", section 4.2.
    """
    if window < 1 or stride < 1:
        raise ValueError(f"occlusion expects a window and a stride of at least 1, got {window} and {stride}.")
    batch, height, width, _ = images.shape
    rows, columns = jnp.meshgrid(jnp.arange(0, height, stride), jnp.arange(0, width, stride), indexing="ij")

    def left(middle: tuple[jax.Array, jax.Array]) -> jax.Array:
        row, column = (jnp.broadcast_to(at, (batch,)) for at in middle)
        return score(cover(images, row, column, window, fill))

    scores = lax.map(left, (rows.reshape(-1), columns.reshape(-1)), batch_size=min(AT_ONCE, rows.size))
    return (score(images)[jnp.newaxis] - scores).T.reshape(batch, *rows.shape)
