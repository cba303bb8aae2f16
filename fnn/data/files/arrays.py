"""NumPy's files: one `.npz`, or a folder of `.npy`, with an array of images and one of labels for each split."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile

import numpy as np

from fnn.data.files.foreign import Listing, list_folder, reading, size_of
from fnn.data.files.labelled import as_images, as_labels, check_images, check_labels, make_source, split_name
from fnn.data.files.npy import Header, map_npy, member_header, npy_header, read_member
from fnn.data.source import DataError, InMemory, Source

FILES = (
    "one .npz of x_train, y_train, … or train_images, train_labels, … or images, labels; "
    "or .npy files called so (NumPy arrays)"
)

_KINDS = {"x": "images", "images": "images", "y": "labels", "labels": "labels"}


class _Stored(NamedTuple):
    """An array that was not read yet."""

    where: str
    header: Header
    read: Callable[[], np.ndarray]


def looks_like_arrays(listing: Listing) -> Sequence[str]:
    """Returns the files of a folder that NumPy writes."""
    return [name for name in listing.files if name.lower().endswith((".npy", ".npz"))]


def open_arrays(path: Path) -> Source:
    """Opens a `.npz` file, a folder with one, or a folder of `.npy` files.

    The arrays are called `x_SPLIT` and `y_SPLIT`, as Keras does, or `SPLIT_images` and `SPLIT_labels`; plain `images`
    and `labels` (or `x` and `y`) are the split `"train"`. Images are uint8, `(n, height, width)` or
    `(n, height, width, channels)` with 1, 3 or 4 channels; labels are integers, `(n,)` or `(n, 1)`. `.npy` files are
    mapped and need no memory; the arrays of a `.npz` file are read.

    Args:
      path: of the file or the folder.

    Raises:
      DataError: if an array is missing, of another name, dtype or shape, pickled, or does not fit to its labels.
    """
    if path.is_dir():
        names = looks_like_arrays(list_folder(path))
        packed = [name for name in names if name.lower().endswith(".npz")]
        if packed and len(names) > 1:
            raise DataError(f"{path}: expected one .npz file or several .npy files, got {', '.join(names)}; name one.")
        if not packed:
            stored = {}
            for name in names:
                header = npy_header(path / name)
                stored[name[:-4]] = _Stored(str(path / name), header, partial(map_npy, path / name, header))
            return _source_of(stored, path)
        path = path / packed[0]
    size_of(path)
    with reading(path), ZipFile(path) as archive:
        stored = {}
        for member in archive.infolist():
            key = member.filename.removesuffix(".npy")
            if key in stored:
                raise DataError(f"{path}: expected each array once, got {key!r} twice; save it anew.")
            where = f"{path}: {key!r}"
            if key == member.filename:
                raise DataError(f"{where}: expected arrays as numpy.savez stores them, got another file.")
            header = member_header(archive, member, where)
            stored[key] = _Stored(where, header, partial(read_member, archive, member, header, where))
        return _source_of(stored, path)


def _source_of(stored: Mapping[str, _Stored], path: Path) -> Source:
    pairs: dict[str, dict[str, _Stored]] = {}
    for key, array in stored.items():
        split, kind = _meaning(key, stored, path)
        if kind in pairs.setdefault(split, {}):
            raise DataError(f"{path}: expected one array of {kind} for the split {split!r}, got two; remove one.")
        pairs[split][kind] = array
    # All headers before the first array: what does not fit is told before anything is read.
    for split, pair in pairs.items():
        if len(pair) < 2:
            (there,) = pair
            missing = "labels" if there == "images" else "images"
            raise DataError(f"{path}: the split {split!r} has {there}, but no {missing}; add them.")
        images, labels = pair["images"], pair["labels"]
        check_images(images.header.dtype, images.header.shape, images.where)
        check_labels(labels.header.dtype, labels.header.shape, images.header.shape[0], labels.where, images.where)
    splits = {}
    for split in sorted(pairs, key=lambda split: (split != "train", split)):
        images, labels = pairs[split]["images"], pairs[split]["labels"]
        known = as_labels(labels.read(), labels.where)
        splits[split] = InMemory(as_images(images.read()), known)
    return make_source(splits, None, f"the arrays in {path}", path)


def _meaning(key: str, stored: Mapping[str, _Stored], path: Path) -> tuple[str, str]:
    """Returns the split that an array belongs to, and whether it holds `"images"` or `"labels"`."""
    words = re.split(r"[_-]", key.lower())
    kinds = [word for word in words if word in _KINDS]
    splits = [word for word in words if word not in _KINDS]
    if len(kinds) != 1 or len(splits) > 1 or "" in words:
        raise DataError(
            f"{path}: expected arrays called x_train, y_train, … or train_images, train_labels, … or images, labels, "
            f"got {', '.join(sorted(stored))[:500]}; {key!r} is none of these, rename or remove it."
        )
    return split_name(splits[0]) if splits else "train", _KINDS[kinds[0]]
