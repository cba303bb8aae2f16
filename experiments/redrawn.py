"""Sets made from a set: some of its classes alone, its images drawn anew, moved and on pieces of a photograph."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from fnn.data import Split
from fnn.data.augment import Augmentation
from fnn.keys import named_key, number_of

PHOTOGRAPH = "china.jpg"
"""Of those that scikit-learn carries."""

SHRUNK = 4
"""How many of the photograph's pixels become one, along each side, where it is large enough: else it is too smooth."""

_AT_ONCE = 256
"""Images that are drawn at a time."""


def of_classes(split: Split, classes: Sequence[int]) -> Split:
    """Returns the samples of some classes, which are counted from 0 in that order.

    Args:
      split: the samples.
      classes: class numbers, each once.
    """
    new = np.full(len(split.class_names), -1, np.int32)
    new[list(classes)] = np.arange(len(classes))
    kept = np.flatnonzero(new[split.labels] >= 0)
    names = tuple(split.class_names[number] for number in classes)
    return replace(split, images=split.images[kept], labels=new[split.labels[kept]], class_names=names)


def join(splits: Sequence[Split]) -> Split:
    """Puts splits of the same classes one behind the other."""
    images, labels = (np.concatenate([getattr(split, name) for split in splits]) for name in ("images", "labels"))
    return replace(splits[0], images=images, labels=labels)


def redraw(
    split: Split, augmentation: Augmentation, name: str, *, seed: int, margin: int = 0, texture: float = 0.0
) -> Split:
    """Draws every image of a split anew, once: a pure function of its arguments.

    Args:
      split: the images.
      augmentation: what is done to each, with draws of its own.
      name: under which is drawn: other names, other draws.
      seed: of all draws.
      margin: pixels of black that are put around each image first.
      texture: the share of a piece of a photograph, from 0 to 1, that is mixed into each image in the end.

    Raises:
      ValueError: if the augmentation mixes images, whose labels would then be mixtures too, or they are larger than the
        photograph whose pieces are wanted.
    """
    if augmentation.mixes:
        raise ValueError(f"redraw keeps the labels, and {', '.join(augmentation.names)} mixes them.")
    key = named_key(jax.random.key(seed), name)
    drawn = []
    for start in range(0, len(split), _AT_ONCE):
        some = np.arange(start, start + _AT_ONCE) % len(split)  # filled up, so that all are drawn by one program
        images = np.pad(split.images[some], ((0, 0), (margin, margin), (margin, margin), (0, 0)))
        drawn.append(np.asarray(_change(augmentation, jax.random.fold_in(key, start), images, split.labels[some])))
    images = np.concatenate(drawn)[: len(split)]
    if texture:
        generator = np.random.default_rng([seed, number_of(name)])
        images = (1 - texture) * images + texture * pieces(images.shape, generator)
    return replace(split, images=np.rint(255 * images.clip(0, 1)).astype(np.uint8))


@partial(jax.jit, static_argnums=0)
def _change(augmentation: Augmentation, key: jax.Array, images: jax.Array, labels: jax.Array) -> jax.Array:
    return augmentation(key, images.astype(jnp.float32) / 255, labels)[0]


def pieces(shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """Cuts pieces out of a photograph, at random: `shape`, from 0 to 1, in colour if it has 3 channels, else in grey.

    Args:
      shape: `(pieces, height, width, channels)`.
      generator: of the places.

    Raises:
      ValueError: if the photograph is smaller.
    """
    from sklearn.datasets import load_sample_image

    count, height, width, channels = shape
    photograph = load_sample_image(PHOTOGRAPH).astype(np.float32) / 255
    if channels != 3:
        photograph = np.repeat(photograph.mean(axis=-1, keepdims=True), channels, axis=-1)
    shrunk = min(SHRUNK, photograph.shape[0] // height, photograph.shape[1] // width)
    if not shrunk:
        raise ValueError(f"a photograph of {photograph.shape[:2]} pixels has no pieces of {height}×{width}.")
    tall, wide = photograph.shape[0] // shrunk, photograph.shape[1] // shrunk
    small = photograph[: tall * shrunk, : wide * shrunk].reshape(tall, shrunk, wide, shrunk, channels).mean(axis=(1, 3))
    windows = np.lib.stride_tricks.sliding_window_view(small, (height, width), axis=(0, 1))
    rows = generator.integers(0, windows.shape[0], count)
    columns = generator.integers(0, windows.shape[1], count)
    return np.moveaxis(windows[rows, columns], 1, -1)
