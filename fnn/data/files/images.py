"""Folders of images, a subfolder for each class."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from fnn.data.files.decode import PIXEL_LIMIT, SUFFIXES, Look, decode, look_at
from fnn.data.files.foreign import Listing, list_folder
from fnn.data.files.labelled import make_source, split_name
from fnn.data.source import DataError, Source
from fnn.keys import number_of

FILES = "CLASS/*.png, or train/CLASS/*.png and test/CLASS/*.png (also .jpg, .jpeg, .webp; one subfolder a class)"

_SPLITS = ("train", "validation", "test")
Given = TypeVar("Given")
Made = TypeVar("Made")

_THREADS = 8
_SERIAL = 32
"""Up to so many images are read without starting threads."""


@dataclass(frozen=True, eq=False)
class ImageFiles:
    """Examples each of which is a file of its own, decoded when it is asked for."""

    files: tuple[Path, ...]
    labels: np.ndarray
    """`(examples,)`, int32."""
    image_shape: tuple[int, int, int]
    """`(height, width, channels)`."""
    resize: bool
    """Whether the files may be of other sizes."""

    def __len__(self) -> int:
        return len(self.files)

    def read(self, chosen: np.ndarray) -> np.ndarray:
        """Decodes the chosen images."""
        images = np.empty((len(chosen), *self.image_shape), np.uint8)

        def read_one(place: int) -> None:
            images[place] = decode(self.files[chosen[place]], self.image_shape, self.resize)

        for _ in _in_threads(read_one, range(len(chosen))):
            pass
        return images


def looks_like_images(folder: Path, listing: Listing) -> Sequence[str]:
    """Returns the subfolders that hold images, or subfolders with images."""
    return [name for name in listing.folders if _holds_images(folder / name, deeper=True)]


def _holds_images(folder: Path, deeper: bool) -> bool:
    listing = list_folder(folder)
    return any(map(is_image, listing.files)) or (
        deeper and any(_holds_images(folder / name, deeper=False) for name in listing.folders)
    )


def is_image(name: str) -> bool:
    """Says whether a file is called like an image that can be read."""
    return name.lower().endswith(SUFFIXES)


def open_images(folder: Path, image_size: tuple[int, int] | None = None) -> Source:
    """Opens a folder with one subfolder of images for each class, or one folder of these for each split.

    The classes are numbered in the order of the subfolders' names. A split's examples are in the order of a hash of
    their class and file name, which mixes the classes and is always the same: any slice has some of each. If all images
    are grey, they have one channel; otherwise three. The header of each file is read now, the pixels when they are
    asked for. `fnn/data/files/decode.py` tells what becomes of transparency and the like.

    Args:
      folder: `CLASS/FILE` (the split `"train"`), or `train/CLASS/FILE`, `test/CLASS/FILE`, `validation/CLASS/FILE`.
      image_size: `(height, width)` that every image is brought to; needed where they differ.

    Raises:
      ValueError: if `image_size` is not two positive numbers.
      DataError: if a class is empty, splits have different classes, a file is no image, or sizes differ.
    """
    if image_size is not None and (min(image_size) < 1 or image_size[0] * image_size[1] > PIXEL_LIMIT):
        raise ValueError(f"image_size must be (height, width) of 1 to {PIXEL_LIMIT} pixels, got {image_size}.")
    found = {split: _list_split(path) for split, path in _find_splits(folder).items()}
    names = _common_classes(found, folder)
    files = {split: _mixed([file for name in names for file in classes[name]]) for split, classes in found.items()}
    everything = [file for split in files.values() for file in split]
    looks = list(_in_threads(look_at, everything))
    shape = _common_shape(everything, looks, image_size)
    number = {name: label for label, name in enumerate(names)}
    splits = {}
    for split in found:
        labels = np.array([number[file.parent.name] for file in files[split]], np.int32)
        splits[split] = ImageFiles(tuple(files[split]), labels, shape, image_size is not None)
    return make_source(splits, names, f"the images in {folder}", folder)


def _mixed(files: Sequence[Path]) -> list[Path]:
    """Returns the files in the order of a hash of class and name, the same wherever the folder lies."""
    return sorted(files, key=lambda file: number_of(f"{file.parent.name}/{file.name}"))


def _find_splits(folder: Path) -> dict[str, Path]:
    """Returns the folder of each split: the whole one if its subfolders hold images rather than folders."""
    listing = list_folder(folder)
    loose = [name for name in listing.files if is_image(name)]
    if loose:
        raise DataError(
            f"{folder}: expected images in one subfolder a class, got {_some(loose)} of no class; move them."
        )
    inner = {name: list_folder(folder / name) for name in listing.folders}
    nested = [name for name, inside in inner.items() if inside.folders]
    if not nested:
        return {"train": folder}
    by_split: dict[str, Path] = {}
    for name in listing.folders:
        split = split_name(name)
        if name not in nested or split not in _SPLITS or split in by_split:
            raise DataError(
                f"{folder}: expected subfolders of images, one a class, or train, validation (or val) and test with "
                f"such subfolders, got {_some(listing.folders)}, of which {_some(nested)} hold folders; "
                "move what does not belong."
            )
        by_split[split] = folder / name
    return {split: by_split[split] for split in _SPLITS if split in by_split}


def _list_split(folder: Path) -> dict[str, list[Path]]:
    """Returns the images of each class."""
    classes = {}
    for name in list_folder(folder).folders:
        listing = list_folder(folder / name)
        strange = [file for file in listing.files if not is_image(file)] + [f"{inner}/" for inner in listing.folders]
        if strange:
            raise DataError(
                f"{folder / name}: expected {', '.join(SUFFIXES)} files, got {_some(strange)}; remove them."
            )
        if not listing.files:
            raise DataError(f"{folder / name}: expected images of the class {name!r}, got none; add some or remove it.")
        classes[name] = [folder / name / file for file in listing.files]
    if not classes:
        raise DataError(f"{folder}: expected one subfolder of images a class, got none.")
    return classes


def _common_classes(found: dict[str, dict[str, list[Path]]], folder: Path) -> list[str]:
    first, *others = found
    for other in others:
        differing = sorted(found[first].keys() ^ found[other].keys())
        if differing:
            raise DataError(
                f"{folder}: expected the same classes in {first!r} and {other!r}, "
                f"got {_some(differing)} in one of them only; correct the names or add what is missing."
            )
    return sorted(found[first])


def _common_shape(
    files: Sequence[Path], looks: Sequence[Look], image_size: tuple[int, int] | None
) -> tuple[int, int, int]:
    channels = 1 if all(look.grey for look in looks) else 3
    if image_size is not None:
        return (*image_size, channels)
    height, width, _ = looks[0]
    for file, look in zip(files, looks, strict=True):
        if (look.height, look.width) != (height, width):
            raise DataError(
                f"{file}: expected {height}×{width} pixels as in {files[0]}, got {look.height}×{look.width}; "
                "give the size that all are brought to as image_size (height, width)."
            )
    return height, width, channels


def _in_threads(function: Callable[[Given], Made], given: Sequence[Given]) -> Iterable[Made]:
    if len(given) <= _SERIAL:
        yield from map(function, given)
        return
    with ThreadPoolExecutor(_THREADS) as pool:
        yield from pool.map(function, given)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
