"""IDX, the format of MNIST and its relatives: a header of dimensions, then the values.

Reference: LeCun, Cortes & Burges 1998, "The MNIST database of handwritten digits".
"""

import gzip
import io
import re
import struct
from collections.abc import Sequence
from math import prod
from pathlib import Path

import numpy as np

from fnn.data.files.foreign import Listing, list_folder, reading, size_of, unpack
from fnn.data.files.labelled import as_images, as_labels, check_images, check_labels, make_source, split_name
from fnn.data.source import DataError, InMemory, Source

FILES = "*-images-idx3-ubyte and *-labels-idx1-ubyte, plain or .gz (IDX, as MNIST's)"

_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_NAME = re.compile(r"(?P<prefix>.+)-(?P<kind>images|labels)[-.]idx\d-ubyte(?P<packed>\.gz)?")
_GZIP = b"\x1f\x8b"
_DIMENSIONS = 8
_MAPPING_BYTES = 2**20


def read_idx(path: Path) -> np.ndarray:
    """Reads one IDX file, plain or packed by gzip, whatever it is called.

    A plain file is mapped into memory, not read; its values are in its own byte order.

    Args:
      path: of the file.

    Raises:
      DataError: if it is no IDX file, or holds fewer or more values than its header says.
    """
    size = size_of(path)
    with reading(path), path.open("rb") as file:
        packed = file.read(2) == _GZIP
        file.seek(0)
        if packed:
            with gzip.GzipFile(fileobj=file) as stream:
                dtype, shape, _ = _read_header(stream, path)
                values = unpack(stream, prod(shape) * dtype.itemsize, size, path)
            return values.view(dtype).reshape(shape)
        dtype, shape, offset = _read_header(file, path)
        expected = offset + prod(shape) * dtype.itemsize
        if size != expected:
            raise DataError(
                f"{path}: its header promises {expected} bytes for {dtype} {shape}, got {size}; "
                "it is cut short or corrupt, fetch it anew."
            )
        return np.asarray(np.memmap(path, dtype, mode="r", offset=offset, shape=shape))


def _read_header(stream: io.BufferedIOBase, path: Path) -> tuple[np.dtype, tuple[int, ...], int]:
    """Returns dtype, shape and the size of the header."""
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _DTYPES or not 1 <= magic[3] <= _DIMENSIONS:
        raise DataError(
            f"{path}: expected an IDX file, which starts with 0, 0, a type and the number of dimensions "
            f"(MNIST's images: 00 00 08 03), got {magic.hex(' ') or 'nothing'}."
        )
    dimensions = stream.read(4 * magic[3])
    if len(dimensions) < 4 * magic[3]:
        raise DataError(f"{path}: ends within its header; it is cut short, fetch it anew.")
    shape = struct.unpack(f">{magic[3]}I", dimensions)
    if 0 in shape:
        raise DataError(f"{path}: its header says shape {shape}, which holds nothing; fetch it anew.")
    return np.dtype(_DTYPES[magic[2]]), shape, 4 + len(dimensions)


def looks_like_idx(listing: Listing) -> Sequence[str]:
    """Returns the files of a folder that are called like images or labels in IDX."""
    return [name for name in listing.files if _NAME.fullmatch(name)]


def open_idx(folder: Path) -> Source:
    """Opens a folder of IDX files.

    `PREFIX-images-idx3-ubyte` and `PREFIX-labels-idx1-ubyte` are the split PREFIX, `t10k` is `"test"`; what comes
    before the last dash of PREFIX (`emnist-letters-train`) is the data set's name. Where EMNIST's
    `emnist-letters-mapping.txt` lies beside them, it names the classes and its order numbers them from 0. Of a file
    that is there plain and packed, the plain one is read.

    Raises:
      DataError: if images or labels are missing, do not fit together, or belong to several data sets.
    """
    listing = list_folder(folder)
    pairs: dict[str, dict[str, str]] = {}
    for name in sorted(looks_like_idx(listing), reverse=True):  # the plain one comes after NAME.gz
        match = _NAME.fullmatch(name)
        assert match
        pairs.setdefault(match["prefix"], {})[match["kind"]] = name
    sets = {prefix.rpartition("-")[0] for prefix in pairs}
    if len(sets) > 1:
        raise DataError(
            f"{folder}: expected one data set, got {len(sets)} ({', '.join(sorted(sets))}); "
            "move each into a folder of its own."
        )
    mapping = _read_mapping(folder, f"{sets.pop()}-mapping.txt", listing)
    splits = {}
    for prefix in sorted(pairs, key=_train_first):
        for kind in ("images", "labels"):
            if kind not in pairs[prefix]:
                raise DataError(f"{folder}: there is no file of {kind} beside {next(iter(pairs[prefix].values()))}.")
        split = split_name(prefix.rpartition("-")[2])
        if split in splits:
            raise DataError(f"{folder}: expected one pair of files for the split {split!r}, got two; remove one.")
        splits[split] = _read_pair(folder / pairs[prefix]["images"], folder / pairs[prefix]["labels"], mapping)
    return make_source(
        splits, None if mapping is None else list(mapping.values()), f"the IDX files in {folder}", folder
    )


def _train_first(prefix: str) -> tuple[bool, str]:
    split = split_name(prefix.rpartition("-")[2])
    return split != "train", split


def _read_pair(images_path: Path, labels_path: Path, mapping: dict[int, str] | None) -> InMemory:
    images = read_idx(images_path)
    check_images(images.dtype, images.shape, images_path)
    labels = read_idx(labels_path)
    check_labels(labels.dtype, labels.shape, len(images), labels_path, images_path)
    labels = as_labels(labels, labels_path)
    if mapping is not None:
        known = list(mapping)
        strange = np.setdiff1d(labels, known)
        if len(strange):
            raise DataError(f"{labels_path}: expected the labels that the mapping names, {known}, got {strange[0]}.")
        renumbered = np.zeros(1 + max(known), np.int32)
        renumbered[known] = np.arange(len(known))
        labels = renumbered[labels]
    return InMemory(as_images(images), labels)


def _read_mapping(folder: Path, name: str, listing: Listing) -> dict[int, str] | None:
    """Returns the class names by label, in ascending order; none without EMNIST's file of labels and ASCII codes."""
    if name not in listing.files:
        return None
    path = folder / name
    if size_of(path) > _MAPPING_BYTES:
        raise DataError(f"{path}: expected lines of a label and its ASCII codes, got more than {_MAPPING_BYTES} bytes.")
    mapping = {}
    for line in path.read_bytes().splitlines():
        words = line.split()
        if not words:
            continue
        if len(words) < 2 or not all(word.isdigit() and len(word) < 6 for word in words):
            raise DataError(f"{path}: expected lines of a label and its ASCII codes, got {line[:80]!r}.")
        label, code = int(words[0]), int(words[1])
        if label in mapping or not chr(code).isprintable():
            raise DataError(f"{path}: expected each label once with a letter's code, got {line[:80]!r}.")
        mapping[label] = chr(code)
    if not mapping:
        raise DataError(f"{path}: expected lines of a label and its ASCII codes, got none.")
    return dict(sorted(mapping.items()))
