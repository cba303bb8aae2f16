"""Images read between their pixels."""

import jax
import jax.numpy as jnp

from fnn.data.augment.augmentation import working_dtype


def bilinear(images: jax.Array, rows: jax.Array, columns: jax.Array) -> jax.Array:
    """Reads images at any places, each as the weighted mean of the four pixels around it; outside is black.

    Args:
      images: `(batch, height, width, channels)`, floating.
      rows: `(batch, …)`: where to read, in pixels; 0 is the middle of the first row. Must be finite.
      columns: the same shape.

    Returns:
      `(batch, …, channels)`, of the images' dtype. At whole coordinates exactly the pixel.
    """
    # What `jax.scipy.ndimage.map_coordinates(image, …, order=1, mode="constant")` computes, which is the oracle in the
    # tests, but several times faster on the CPU (`python -m benchmarks.augmentation`): it checks
    # each of the four pixels for being outside, and its indices are computed anew for each channel. Here a black frame
    # is laid around the image, so that every index is inside, and one number says which pixel of which image it is.
    batch, height, width, channels = images.shape
    dtype = working_dtype(images)
    rows, columns = (jnp.clip(rows.astype(dtype), -1, height), jnp.clip(columns.astype(dtype), -1, width))
    top, left = jnp.floor(rows), jnp.floor(columns)
    down, right = ((at - floor)[..., None] for at, floor in ((rows, top), (columns, left)))
    framed = jnp.pad(images, ((0, 0), (1, 2), (1, 2), (0, 0)))
    pixels = framed.reshape(-1, channels)
    stride = width + 3
    first = jnp.arange(batch).reshape(-1, *(1,) * (rows.ndim - 1)) * (height + 3) * stride
    index = first + (top.astype(jnp.int32) + 1) * stride + left.astype(jnp.int32) + 1

    def pixel(offset: int) -> jax.Array:
        return pixels.at[index + offset].get(mode="promise_in_bounds").astype(dtype)

    above = (1 - right) * pixel(0) + right * pixel(1)
    below = (1 - right) * pixel(stride) + right * pixel(stride + 1)
    return ((1 - down) * above + down * below).astype(images.dtype)
