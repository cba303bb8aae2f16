"""Changes of place by whole pixels: no pixel gets a value that was not there."""

import jax
import jax.numpy as jnp

from fnn.data.augment.augmentation import Augmentation, check_strength, draw_uniform, on_images, unchanged
from fnn.keys import named_key

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
        places = jax.random.randint(named_key(key, "crop"), (len(images), 2), 0, 2 * most + 1, jnp.int32)
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
    around = ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0))
    padded = jnp.pad(images, around, mode="constant" if padding == "zero" else "reflect")

    def window(image: jax.Array, place: jax.Array) -> jax.Array:
        return jax.lax.dynamic_slice(image, (*place, jnp.zeros_like(place[0])), images.shape[1:])

    return jax.vmap(window)(padded, places)
