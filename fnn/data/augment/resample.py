"""Images read between their pixels."""

import jax
from jax.scipy.ndimage import map_coordinates

from fnn.data.augment.augmentation import working_dtype


def bilinear(images: jax.Array, rows: jax.Array, columns: jax.Array) -> jax.Array:
    """Reads images at any places, each as the weighted mean of the four pixels around it; outside is black.

    Args:
      images: `(batch, height, width, channels)`, floating.
      rows: `(batch, …)`: where to read, in pixels; 0 is the middle of the first row.
      columns: the same shape.

    Returns:
      `(batch, …, channels)`, of the images' dtype. At whole coordinates exactly the pixel.
    """
    dtype = working_dtype(images)
    places = [rows.astype(dtype), columns.astype(dtype)]

    def read(channel: jax.Array, places: list[jax.Array]) -> jax.Array:
        return map_coordinates(channel, places, order=1, mode="constant")

    # All channels of an image are read at the same places.
    read_image = jax.vmap(read, in_axes=(-1, None), out_axes=-1)
    return jax.vmap(read_image)(images.astype(dtype), places).astype(images.dtype)
