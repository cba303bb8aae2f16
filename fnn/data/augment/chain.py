"""Augmentations one after another, by hand or from a line of names and strengths."""

import inspect

import jax

from fnn.data.augment import colour, erase, flip_and_crop, mixing, warping
from fnn.data.augment.augmentation import Augmentation, unchanged


def compose(*augmentations: Augmentation) -> Augmentation:
    """Makes one augmentation of several, applied in this order.

    Raises:
      ValueError: if two draw under one name: they would draw the same.
    """
    acting = [augmentation for augmentation in augmentations if augmentation.names]
    names = tuple(name for augmentation in acting for name in augmentation.names)
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"compose expects each augmentation once, got {name} {names.count(name)} times.")
    if len(acting) < 2:
        return acting[0] if acting else unchanged

    def apply(key: jax.Array, images: jax.Array, targets: jax.Array) -> tuple[jax.Array, jax.Array]:
        for augmentation in acting:
            images, targets = augmentation(key, images, targets)
        return images, targets

    return Augmentation(names, apply, mixes=any(augmentation.mixes for augmentation in acting))


def chain(
    *,
    flip: float = 0,
    crop: int = 0,
    rotation: float = 0,
    translation: float = 0,
    scale: float = 0,
    shear: float = 0,
    elastic: float = 0,
    brightness: float = 0,
    contrast: float = 0,
    saturation: float = 0,
    noise: float = 0,
    cutout: int = 0,
    mixup: float = 0,
    cutmix: float = 0,
) -> Augmentation:
    """Makes the usual chain, in the order of the arguments, which is always the same.

    First geometry, as the camera moves; the image is read once for rotation to elastic. Then colour, as the light
    changes. Then what is painted over, in a colour that nothing changes again. Mixing comes last: both examples are
    complete by then.

    Args:
      flip: probability.
      crop: pixels of black padding.
      rotation: degrees, at most.
      translation: share of the sides, at most.
      scale: share by which it is larger, at most.
      shear: degrees, at most.
      elastic: α in pixels; see `warp`.
      brightness: shift of pixels from 0 to 1, at most.
      contrast: change of the factor, at most.
      saturation: change of the factor, at most.
      noise: standard deviation.
      cutout: side of the square in pixels.
      mixup: α.
      cutmix: α.

    Raises:
      ValueError: if a strength is out of range.
    """
    return compose(
        flip_and_crop.flip(flip),
        flip_and_crop.crop(crop),
        warping.warp(rotation=rotation, translation=translation, scale=scale, shear=shear, elastic=elastic),
        colour.brightness(brightness),
        colour.contrast(contrast),
        colour.saturation(saturation),
        colour.noise(noise),
        erase.cutout(cutout),
        mixing.mixup(mixup),
        mixing.cutmix(cutmix),
    )


NAMES = tuple(inspect.signature(chain).parameters)
"""Of all augmentations, in the order in which they act."""


def from_flag(text: str) -> Augmentation:
    """Makes a `chain` from a flag's value.

    Args:
      text: names and strengths such as `"flip=0.5,crop=4,mixup=0.2"`; their order means nothing. `""` changes nothing.

    Raises:
      ValueError: if something else is written there, a name is unknown or comes twice, or a strength is out of range.
    """
    strengths: dict[str, float] = {}
    for part in text.split(",") if text.strip() else []:
        name, _, value = (piece.strip() for piece in part.partition("="))
        if name not in NAMES:
            raise ValueError(f"no augmentation is called {name!r}; choose from {', '.join(NAMES)}.")
        if name in strengths:
            raise ValueError(f"the augmentation {name} is given twice.")
        try:
            strengths[name] = float(value)
        except ValueError:
            raise ValueError(f"{name} expects a number, such as {name}=1, got {part.strip()!r}.") from None
    return chain(**strengths)  # pyright: ignore[reportArgumentType]  # whole numbers are checked where they must be
