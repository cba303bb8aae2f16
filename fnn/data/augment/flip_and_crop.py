"""Changes of place by whole pixels: no pixel gets a value that was not there."""

import jax
import jax.numpy as jnp

from fnn.data.augment.augmentation import Augmentation, check_strength, draw, draw_uniform, on_images, unchanged

PADDINGS = ("zero", "reflect")
"""What lies around an image: black, or its mirror image, the pixels at the edge not repeated."""


def flip(probability: float = 0.5) -> Augmentation:
    """Exchanges left and right.

    Args:
      probability: of each image to be flipped, from 0 to 1.

    Raises:
      ValueError: if it is no probability.
    """
    check_strength("flip", probability, 1, "a probability")
    if not probability:
        return unchanged

    def change(key: jax.Array, images: jax.Array) -> jax.Array:
        # Uniform on [0, 1): a probability of 1 flips all.
        return flip_where(images, draw_uniform(key, "flip", len(images), 1, 0) < probability)

    return on_images("flip", change)


def flip_where(images: jax.Array, flipped: jax.Array) -> jax.Array:
    """Exchanges left and right of those images `(batch, height, width, channels)` that `(batch,)` booleans name."""
    return jnp.where(flipped.reshape(-1, 1, 1, 1), images[:, :, ::-1], images)


def crop(pixels: int, padding: str = "zero") -> Augmentation:
    """Pads an image on all sides and takes a window of its old size from a random place.

    All `(2·pixels + 1)²` places are equally likely. It moves whole pixels, so it does not blur, as `translation` does.

    Args:
      pixels: how many rows and columns are added at each side, less than the images have.
      padding: what is added: `"zero"` or `"reflect"`.

    Raises:
      ValueError: if `pixels` is negative or no whole number, or there is no such padding; when applied, if the images
        are too small.
    """
    check_strength("crop", pixels, float("inf"), "a padding in pixels", whole=True)
    if padding not in PADDINGS:
        raise ValueError(f"crop knows the paddings {', '.join(PADDINGS)}, got {padding!r}.")
    if not pixels:
        return unchanged
    most = int(pixels)

    def change(key: jax.Array, images: jax.Array) -> jax.Array:
        if most >= min(images.shape[1:3]):
            raise ValueError(f"crop by {most} pixels expects images of more rows and columns, got {images.shape}.")
        places = draw(key, "crop", len(images), lambda key: jax.random.randint(key, (2,), 0, 2 * most + 1))
        return crop_at(images, places, most, padding)

    return on_images("crop", change)


def crop_at(images: jax.Array, places: jax.Array, pixels: int, padding: str = "zero") -> jax.Array:
    """Takes a window from each padded image.

    Args:
      images: `(batch, height, width, channels)`.
      places: `(batch, 2)`, integers: the row and the column of the padded image at which the window of
        `(height, width)` begins, each from 0 to `2·pixels`; `pixels` is where it was.
      pixels: how many rows and columns are added at each side.
      padding: `"zero"` or `"reflect"`.
    """
    _, height, width, _ = images.shape
    rows = jnp.arange(height).reshape(1, -1) + places[:, :1] - pixels
    columns = jnp.arange(width).reshape(1, -1) + places[:, 1:] - pixels
    if padding == "zero":
        around = ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0))
        images, rows, columns = jnp.pad(images, around), rows + pixels, columns + pixels
    else:
        rows, columns = _mirror(rows, height), _mirror(columns, width)
    # Whole rows first: they lie together in memory.
    images = jnp.take_along_axis(images, rows[:, :, None, None], axis=1, mode="promise_in_bounds")
    return jnp.take_along_axis(images, columns[:, None, :, None], axis=2, mode="promise_in_bounds")


def _mirror(index: jax.Array, size: int) -> jax.Array:
    """Folds indices from `1 − size` to `2·size − 2` back into 0 to `size − 1`."""
    return (size - 1) - jnp.abs((size - 1) - jnp.abs(index))
