"""From images and labels that were read to a source, with all the checks that every format shares."""

from collections.abc import Mapping, Sequence

import numpy as np

from fnn.data.source import DataError, Examples, Source

CLASS_LIMIT = 100_000
"""A label beyond is taken for something else than a class."""

_SPLIT_NAMES = {
    "training": "train",
    "t10k": "test",
    "testing": "test",
    "val": "validation",
    "valid": "validation",
}


def split_name(name: str) -> str:
    """Returns what a split is called here: `"t10k"` is `"test"`, `"val"` is `"validation"`."""
    return _SPLIT_NAMES.get(name.lower(), name.lower())


def check_images(dtype: np.dtype, shape: tuple[int, ...], where: object) -> None:
    """Checks what is known of an array of images before it is read.

    Raises:
      DataError: if it is not uint8 `(n, height, width)` or `(n, height, width, channels)` with 1, 3 or 4 channels.
    """
    if dtype != np.uint8:
        advice = "store each pixel as a byte from 0 to 255"
        if dtype.kind == "f":
            advice = "turn values from 0 to 1 into bytes by np.rint(images * 255).astype(np.uint8)"
        raise DataError(f"{where}: expected images as uint8, got {dtype}; {advice}.")
    if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (1, 3, 4)):
        advice = ""
        if len(shape) == 4 and shape[1] in (1, 3, 4):
            advice = "; the channels come last here: images.transpose(0, 2, 3, 1)"
        raise DataError(
            f"{where}: expected images of shape (n, height, width) or (n, height, width, channels) with 1, 3 or 4 "
            f"channels, got {shape}{advice}."
        )
    if 0 in shape:
        raise DataError(f"{where}: expected at least one image of at least one pixel, got shape {shape}.")


def check_labels(dtype: np.dtype, shape: tuple[int, ...], images: int, where: object, images_from: object) -> None:
    """Checks what is known of an array of labels before it is read.

    Raises:
      DataError: if it is not integers of shape `(images,)` or `(images, 1)`.
    """
    if len(shape) == 2 and shape[1] > 1:
        raise DataError(
            f"{where}: expected one label an image, got shape {shape}; for one-hot labels store labels.argmax(axis=1)."
        )
    if len(shape) not in (1, 2):
        raise DataError(f"{where}: expected labels of shape ({images},), got {shape}.")
    if dtype.kind not in "iu":
        raise DataError(f"{where}: expected labels as integers, got {dtype}; store them as labels.astype(np.int32).")
    if shape[0] != images:
        raise DataError(f"{where}: expected a label for each of the {images} images in {images_from}, got {shape[0]}.")


def as_images(array: np.ndarray) -> np.ndarray:
    """Returns images that were checked as `(n, height, width, channels)`, without a copy."""
    return array[..., np.newaxis] if array.ndim == 3 else array


def as_labels(array: np.ndarray, where: object, classes: int = CLASS_LIMIT) -> np.ndarray:
    """Returns labels that were checked as `(n,)`, int32.

    Raises:
      DataError: if one is negative or not below `classes`; it names the first.
    """
    labels = array.reshape(-1)
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(wrong):
        raise DataError(
            f"{where}: expected labels from 0 to {classes - 1}, got {labels[wrong[0]]} for example {wrong[0]} "
            f"(and {len(wrong) - 1} more of that kind); correct the labels or fetch the file anew."
        )
    return labels.astype(np.int32)


def make_source(
    splits: Mapping[str, Examples], class_names: Sequence[str] | None, description: str, where: object
) -> Source:
    """Puts splits together.

    Args:
      splits: by name.
      class_names: by label; none for `"0"`, `"1"`, … up to the highest label of all splits.
      description: see `Source`.
      where: the file or folder, for errors.

    Raises:
      DataError: if there is no split, the splits' images differ in shape, or a class has no example in `"train"`.
    """
    if not splits:
        raise DataError(f"{where}: expected at least one split, got none.")
    shapes = {name: examples.image_shape for name, examples in splits.items()}
    if len(set(shapes.values())) > 1:
        told = ", ".join(f"{shape} in {name!r}" for name, shape in shapes.items())
        raise DataError(f"{where}: expected images of one shape (height, width, channels), got {told}.")
    classes = len(class_names or ()) or 1 + max(int(examples.labels.max()) for examples in splits.values())
    if "train" in splits:
        _check_classes(splits["train"].labels, classes, class_names, where)
    return Source(dict(splits), tuple(class_names or map(str, range(classes))), description)


def _check_classes(labels: np.ndarray, classes: int, names: Sequence[str] | None, where: object) -> None:
    empty = np.flatnonzero(np.bincount(labels, minlength=classes) == 0)
    if not len(empty):
        return
    first = f"class {empty[0]}"
    if names and names[empty[0]] != str(empty[0]):
        first += f" ({names[empty[0]]})"
    advice = "a class that is never seen is never learnt: add examples, or renumber the labels without gaps"
    if empty.tolist() == [0]:
        advice = "the labels seem to count from 1: subtract 1 from each"
    raise DataError(
        f"{where}: expected examples of each of the {classes} classes in the split 'train', got none of {first}"
        + (f" and of {len(empty) - 1} more" if len(empty) > 1 else "")
        + f"; {advice}."
    )
