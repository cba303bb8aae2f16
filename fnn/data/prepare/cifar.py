"""CIFAR-10 and CIFAR-100: files of records, each its label bytes and then 3 × 32 × 32 pixels."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fnn.data.prepare.png import encode_png
from fnn.data.source import DataError

_PIXELS = 3 * 32 * 32
_MOST_OF_A_NAMES_FILE = 64 * 1024
IMAGES = {f"data_batch_{number}.bin": 10_000 for number in range(1, 6)}
IMAGES |= {"test_batch.bin": 10_000, "train.bin": 50_000, "test.bin": 10_000}
"""How many records each file holds."""


def examples(
    builder: Any, split_prefix: str, filepaths: Iterable[str]
) -> Iterator[tuple[int, dict[str, bytes | int | str]]]:
    """Yields what TFDS's own generator yields, keys and ids and all, with the images encoded.

    Args:
      builder: TFDS's.
      split_prefix: what an example's id begins with.
      filepaths: the split's files.

    Raises:
      DataError: if a file has another size than its records need, or a label is of no class.
    """
    label_keys = builder._cifar_info.label_keys
    index = 0
    for path in filepaths:
        records = _records(Path(path), len(label_keys))
        for place, key in enumerate(label_keys):
            classes = builder.info.features[key].num_classes
            if records[:, place].max() >= classes:
                raise DataError(
                    f"{path} has the {key} {records[:, place].max()}; the {classes} classes go to {classes - 1}."
                )
        for record in records:
            labels = dict(zip(label_keys, record[: len(label_keys)].tolist(), strict=True))
            image = record[len(label_keys) :].reshape(3, 32, 32).transpose(1, 2, 0)
            yield index, {**labels, "id": f"{split_prefix}{index:05d}", "image": encode_png(image)}
            index += 1


def members(builder: Any) -> dict[str, int]:
    """Returns what the archive is opened for: the names within it and how many bytes each may have."""
    info = builder._cifar_info
    record = len(info.label_keys) + _PIXELS
    sizes = {name: IMAGES[name] * record for name in (*info.train_files, *info.test_files)}
    sizes |= dict.fromkeys(info.label_files, _MOST_OF_A_NAMES_FILE)
    return {info.prefix + name: size for name, size in sizes.items()}


def check_names(builder: Any, folder: Path) -> None:
    """Checks the files of class names before TFDS reads them.

    Raises:
      DataError: if one has not as many names as there are classes.
    """
    info = builder._cifar_info
    for key, name in zip(info.label_keys, info.label_files, strict=True):
        path = folder / info.prefix / name
        try:
            names = [line for line in path.read_text("utf-8").split("\n") if line]
        except UnicodeDecodeError as error:
            raise DataError(f"{path} should hold class names, one a line; it is no text.") from error
        classes = builder.info.features[key].num_classes
        if len(set(names)) != classes or len(names) != classes:
            raise DataError(f"{path} should hold {classes} different class names, one a line; it has {len(names)}.")


def _records(path: Path, labels: int) -> np.ndarray:
    """Returns the records of a file, `(images, labels + pixels)`."""
    record, expected = labels + _PIXELS, IMAGES[path.name]
    found = path.stat().st_size
    if found != expected * record:
        raise DataError(
            f"{path.resolve()} should have {expected} records of {record} bytes, {expected * record} in all; "
            f"it has {found}."
        )
    return np.fromfile(path, np.uint8).reshape(expected, record)
