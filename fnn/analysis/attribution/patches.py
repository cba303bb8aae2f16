"""What of real images excites a unit most."""

from typing import NamedTuple

import numpy as np

from fnn.analysis.summary import ReceptiveField


class TopPatches(NamedTuple):
    """For each channel of a layer the images that excite it most, the first most of all."""

    patches: np.ndarray
    """`(channels, count, size, size, image channels)`: what the unit sees of the image; NaN outside of it."""
    activations: np.ndarray
    """`(channels, count)`: how much it is excited by that."""
    images: np.ndarray
    """`(channels, count)`: which image it is."""
    rows: np.ndarray
    """`(channels, count)`: of the layer's map, where."""
    columns: np.ndarray
    """`(channels, count)`: of the layer's map, where."""


def top_patches(maps: np.ndarray, images: np.ndarray, field: ReceptiveField, count: int = 9) -> TopPatches:
    """Cuts out of images what excites each channel of a layer most: of each image only the best place.

    Args:
      maps: `(images, rows, columns, channels)`: what the layer makes of the images, from `fnn.intermediates`.
      images: `(images, height, width, image channels)`, floating: the pictures to cut from, such as before they were
        normalized.
      field: what a pixel of the layer's maps sees, from the layer's row in `fnn.summarize`.
      count: how many for each channel.

    Raises:
      ValueError: if there are fewer images than `count`, not as many as maps, or the field is not that of one window.

    Reference: Girshick et al. 2014, "Rich feature hierarchies for accurate object detection and semantic segmentation",
    section 3.1; Zeiler & Fergus 2014, "Visualizing and understanding convolutional networks", section 4.
    """
    maps, images = np.asarray(maps), np.asarray(images)
    if maps.ndim != 4 or len(maps) != len(images) or not 1 <= count <= len(maps):
        raise ValueError(
            f"top_patches expects maps (images, rows, columns, channels) of at least {count} images, got maps of shape "
            f"{maps.shape} for images of shape {images.shape}."
        )
    number, height, width, channels = maps.shape
    flat = maps.reshape(number, height * width, channels)
    places = flat.argmax(axis=1)  # (images, channels)
    best = np.take_along_axis(flat, places[:, np.newaxis], axis=1)[:, 0]
    chosen = np.argsort(-best, axis=0, kind="stable")[:count]
    rows, columns = np.divmod(np.take_along_axis(places, chosen, axis=0), width)
    patches = [
        [seen_from(images[image], field, row, column) for image, row, column in zip(*of_channel, strict=True)]
        for of_channel in zip(chosen.T, rows.T, columns.T, strict=True)
    ]
    return TopPatches(
        np.asarray(patches), np.take_along_axis(best, chosen, axis=0).T, chosen.T, rows.T, columns.T
    )  # fmt: skip


def seen_from(image: np.ndarray, field: ReceptiveField, row: int, column: int) -> np.ndarray:
    """Cuts out of an image what one place of a layer's map sees.

    Args:
      image: `(height, width, channels)`, floating.
      field: what a pixel of the layer's maps sees.
      row: of the place.
      column: of the place.

    Returns:
      `(size, size, channels)`; NaN where the window hangs over the image's border.

    Raises:
      ValueError: if the field is not that of one window of whole pixels.
    """
    patch = image
    for axis, (index, size, stride, centre) in enumerate(zip((row, column), *field[:3], strict=True)):
        first = None if centre is None or size is None else centre + index * (stride or 0) - (size - 1) / 2
        if size is None or first is None or first != int(first):
            raise ValueError(f"expected a layer that sees one window of whole pixels, got {field}.")
        patch = _cut(patch, axis, int(first), size)
    return patch


def _cut(image: np.ndarray, axis: int, first: int, size: int) -> np.ndarray:
    """Cuts along one axis; what is outside of the image is NaN."""
    inside = range(max(first, 0), min(first + size, image.shape[axis]))
    around = [(0, 0)] * image.ndim
    around[axis] = (inside.start - first, first + size - inside.stop)
    return np.pad(np.take(image, inside, axis=axis), around, constant_values=np.nan)
