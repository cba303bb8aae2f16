"""Changes of the values of pixels. All stay from 0 to 1: what goes beyond is cut off, as in an overexposed photograph.

Each is two functions: one that does it by given amounts, and the augmentation, which draws them.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from fnn.data.augment.augmentation import (
    Augmentation,
    check_strength,
    draw_pixels,
    draw_uniform,
    on_images,
    per_example,
    unchanged,
    working_dtype,
)

LUMA = (0.299, 0.587, 0.114)
"""How bright red, green and blue look (ITU-R BT.601)."""


def brightness(strength: float) -> Augmentation:
    """Adds to each image one number uniform from `-strength` to `strength`, at most 1."""
    check_strength("brightness", strength, 1, "the highest shift of pixels from 0 to 1")
    if not strength:
        return unchanged
    return on_images(
        "brightness",
        lambda key, images: adjust_brightness(images, draw_uniform(key, "brightness", len(images), strength)),
    )


def contrast(strength: float) -> Augmentation:
    """Moves each image's pixels away from their mean by a factor uniform from `1 - strength` to `1 + strength`.

    A strength of at most 1, so that nothing turns into its negative.
    """
    check_strength("contrast", strength, 1, "the largest change of the factor")
    if not strength:
        return unchanged
    return on_images(
        "contrast",
        lambda key, images: adjust_contrast(images, 1 + draw_uniform(key, "contrast", len(images), strength)),
    )


def saturation(strength: float) -> Augmentation:
    """Moves each RGB image's pixels away from grey by a factor uniform from `1 - strength` to `1 + strength`.

    A strength of at most 1. Images of other than 3 channels are refused with a `ValueError` when it is applied.
    """
    check_strength("saturation", strength, 1, "the largest change of the factor")
    if not strength:
        return unchanged
    return on_images(
        "saturation",
        lambda key, images: adjust_saturation(images, 1 + draw_uniform(key, "saturation", len(images), strength)),
    )


def noise(std: float) -> Augmentation:
    """Adds to each value an independent normal number of mean 0 and standard deviation `std`."""
    check_strength("noise", std, math.inf, "a standard deviation")
    if not std:
        return unchanged

    def change(key: jax.Array, images: jax.Array) -> jax.Array:
        normal = draw_pixels(key, "noise", images.shape, lambda key, shape: jax.random.normal(key, shape, jnp.float32))
        dtype = working_dtype(images)
        return _in_range(images.astype(dtype) + std * normal.astype(dtype), images)

    return on_images("noise", change)


def adjust_brightness(images: jax.Array, shifts: jax.Array) -> jax.Array:
    """Adds to each image `(batch, height, width, channels)` its number of `(batch,)`, and cuts off at 0 and 1."""
    return _in_range(images.astype(working_dtype(images)) + per_example(shifts, images), images)


def adjust_contrast(images: jax.Array, factors: jax.Array) -> jax.Array:
    """Multiplies each image's differences from the mean of their channel by a factor, and cuts off at 0 and 1."""
    wide = images.astype(working_dtype(images))
    return _away_from(jnp.mean(wide, axis=(1, 2), keepdims=True), factors, images)


def adjust_saturation(images: jax.Array, factors: jax.Array) -> jax.Array:
    """Multiplies each RGB image's differences from grey of equal luma by a factor, and cuts off at 0 and 1."""
    if images.shape[-1] != 3:
        raise ValueError(f"saturation expects images of 3 channels, red, green and blue, got {images.shape}.")
    wide = images.astype(working_dtype(images))
    luma = jnp.asarray(np.array(LUMA), wide.dtype).reshape(1, 1, 1, 3)
    return _away_from(jnp.sum(wide * luma, axis=-1, keepdims=True), factors, images)


def _away_from(centre: jax.Array, factors: jax.Array, images: jax.Array) -> jax.Array:
    # Written so that a factor of 1 adds exactly nothing.
    difference = images.astype(centre.dtype) - centre
    return _in_range(images.astype(centre.dtype) + (per_example(factors, images) - 1) * difference, images)


def _in_range(pixels: jax.Array, images: jax.Array) -> jax.Array:
    return jnp.clip(pixels, 0, 1).astype(images.dtype)
