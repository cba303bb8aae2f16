"""From bytes to numbers around zero."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fnn.data.split import Split, Streamed

_AT_ONCE = 1000
"""Images that are counted at a time."""


class Normalization(NamedTuple):
    """The mean and standard deviation of each channel of the training images, in units of 0 to 1."""

    mean: np.ndarray
    """`(channels,)`, float32."""
    std: np.ndarray
    """`(channels,)`, float32, never zero."""

    def __call__(self, images: jax.Array | np.ndarray) -> jax.Array:
        """Turns images `(batch, height, width, channels)` into numbers of about mean 0 and variance 1.

        Args:
          images: uint8, which become float32; or floating, from 0 (black) to 1, as augmentation leaves them.

        Raises:
          ValueError: if the images have another rank or number of channels.
        """
        if len(images.shape) != 4 or images.shape[-1] != len(self.mean):
            raise ValueError(
                f"this normalization expects images of shape (batch, height, width, {len(self.mean)}), "
                f"got {tuple(images.shape)}."
            )
        images = jnp.asarray(images)
        if not jnp.issubdtype(images.dtype, jnp.floating):
            images = images.astype(jnp.float32) / 255
        mean, std = (jnp.asarray(moment, images.dtype).reshape(1, 1, 1, -1) for moment in self)
        return (images - mean) / std


def normalization_of(split: Split | Streamed) -> Normalization:
    """Measures the moments of each channel of a split; use the training split's everywhere.

    Counts how often each channel has each of the 256 values, so that the moments are those of all pixels, exactly
    rounded, however many there are; what is not in memory is read once, a thousand images at a time.

    Raises:
      ValueError: if the split is empty.
    """
    if len(split) == 0:
        raise ValueError("normalization_of expects a split with at least one sample.")
    channels = split.image_shape[-1]
    counts = np.zeros((channels, 256), np.int64)
    for start in range(0, len(split), _AT_ONCE):
        images = split.read(np.arange(start, min(start + _AT_ONCE, len(split))))
        for channel in range(channels):
            counts[channel] += np.bincount(images[..., channel].ravel(), minlength=256)
    values, pixels = np.arange(256) / 255, counts.sum(axis=-1)
    mean = counts @ values / pixels
    std = np.sqrt((counts * (values - mean[:, np.newaxis]) ** 2).sum(axis=-1) / pixels)
    # A channel that never changes says nothing: dividing by 1 leaves it at zero.
    return Normalization(mean.astype(np.float32), np.where(np.count_nonzero(counts, -1) > 1, std, 1).astype(np.float32))
