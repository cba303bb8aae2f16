"""MNIST and the sets in its format: one IDX file of images and one of labels a split."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fnn.data.files.idx import read_idx
from fnn.data.prepare.png import encode_png
from fnn.data.source import DataError

_SIDE = 28


def examples(
    builder: Any, num_examples: int, data_path: str, label_path: str
) -> Iterator[tuple[int, dict[str, bytes | int]]]:
    """Yields what TFDS's own generator yields, keys and all, with the images encoded.

    Args:
      builder: TFDS's.
      num_examples: how many the split has.
      data_path: the IDX file of the images, `(num_examples, 28, 28)`, plain or compressed.
      label_path: the IDX file of the labels, `(num_examples,)`, plain or compressed.

    Raises:
      DataError: if a file has another shape or is damaged, or a label is of no class.
    """
    images = _read(data_path, (num_examples, _SIDE, _SIDE))
    labels = _read(label_path, (num_examples,))
    classes = builder.info.features["label"].num_classes
    if labels.max() >= classes:
        raise DataError(f"{label_path} has the label {labels.max()}; the {classes} classes go to {classes - 1}.")
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        yield index, {"image": encode_png(image[..., np.newaxis]), "label": int(label)}


def members(builder: Any) -> dict[str, int]:
    """Returns what EMNIST's archive is opened for: the names within it and how many bytes each may have."""
    config = builder.builder_config
    if config is None:
        return {}
    counts = {"train": config.train_examples, "test": config.test_examples}
    kinds = {"images-idx3": _SIDE * _SIDE, "labels-idx1": 1}
    return {
        # Compressing may add a little: 5 bytes in 16 KiB, and the header.
        f"gzip/emnist-{config.name}-{split}-{kind}-ubyte.gz": int(1.01 * count * size) + 1024
        for split, count in counts.items()
        for kind, size in kinds.items()
    }


def _read(path: str, shape: tuple[int, ...]) -> np.ndarray:
    """Reads an IDX file whose shape is known."""
    file_path = Path(path).resolve()  # the name that its owner knows, where the workplace has a link
    _check_header(file_path, shape)
    return read_idx(file_path)


def _check_header(path: Path, shape: tuple[int, ...]) -> None:
    """Compares a file's header with the one that it must have, so that no other can ask for any amount of memory."""
    expected = b"\0\0\x08" + bytes([len(shape)]) + np.array(shape, ">u4").tobytes()
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            found = (gzip.GzipFile(fileobj=file) if packed else file).read(len(expected))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is cut short or damaged: {error}. Fetch it anew.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    if found[:4] != expected[:4]:
        raise DataError(
            f"{path} should be an IDX file of bytes in {len(shape)} dimensions, which begins with "
            f"{expected[:4].hex(' ')}; it begins with {found[:4].hex(' ') or 'nothing'}."
        )
    if len(found) < len(expected):
        raise DataError(f"{path} is cut short: it ends within its header. Fetch it anew.")
    if found != expected:
        sizes = tuple(int(size) for size in np.frombuffer(found[4:], ">u4"))
        raise DataError(f"{path} should hold numbers of shape {shape}, its header tells {sizes}.")
