"""From bytes to numbers around zero."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fnn.data.split import Split


class Normalization(NamedTuple):
    """The mean and standard deviation of each channel of the training images, in units of 0 to 1."""

    mean: np.ndarray
    """`(channels,)`, float32."""
    std: np.ndarray
    """`(channels,)`, float32, never zero."""

    def __call__(self, images: jax.Array | np.ndarray) -> jax.Array:
        """Turns uint8 images `(batch, height, width, channels)` into float32 of about mean 0 and variance 1.

        Raises:
          ValueError: if the images have another rank or number of channels.
        """
        if len(images.shape) != 4 or images.shape[-1] != len(self.mean):
            raise ValueError(
                f"this normalization expects images of shape (batch, height, width, {len(self.mean)}), "
                f"got {tuple(images.shape)}."
            )
        mean, std = (jnp.asarray(moment).reshape(1, 1, 1, -1) for moment in self)
        return (jnp.asarray(images).astype(jnp.float32) / 255 - mean) / std


def normalization_of(split: Split) -> Normalization:
    """Measures the moments of each channel of a split; use the training split's everywhere."""
    pixels = split.images.reshape(-1, split.images.shape[-1])
    std = pixels.std(axis=0, dtype=np.float64) / 255
    mean = pixels.mean(axis=0, dtype=np.float64) / 255
    # A channel that never changes says nothing: dividing by 1 leaves it at zero.
    return Normalization(mean.astype(np.float32), np.where(std > 0, std, 1).astype(np.float32))
