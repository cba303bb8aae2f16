"""Augmentation: batches changed at random, within the compiled step, by pure functions of (key, images, targets).

    augment = from_flag("flip=0.5,rotation=10,mixup=0.2")
    images, targets = jax.jit(augment)(key, images, targets)

Strength 0 is the batch as it was. Read `augmentation.py` first.
"""

from fnn.data.augment.augmentation import Augmentation, AugmentFn, for_bytes, unchanged
from fnn.data.augment.chain import NAMES, chain, compose, from_flag
from fnn.data.augment.colour import brightness, contrast, noise, saturation
from fnn.data.augment.erase import cutout
from fnn.data.augment.flip_and_crop import crop, flip
from fnn.data.augment.mixing import cutmix, mixup
from fnn.data.augment.smoothing import smooth_labels
from fnn.data.augment.warping import elastic, rotation, scale, shear, translation, warp

__all__ = [
    # The one concept.
    "Augmentation",
    "AugmentFn",
    "compose",
    "unchanged",
    # Chains by name.
    "NAMES",
    "chain",
    "for_bytes",
    "from_flag",
    # Geometry.
    "crop",
    "elastic",
    "flip",
    "rotation",
    "scale",
    "shear",
    "translation",
    "warp",
    # Colour.
    "brightness",
    "contrast",
    "noise",
    "saturation",
    # Erasing and mixing.
    "cutmix",
    "cutout",
    "mixup",
    # Labels.
    "smooth_labels",
]
