"""SVHN's cropped digits: a MATLAB file a split, with the images in `X` and the labels in `y`."""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fnn.data.prepare.png import encode_png
from fnn.data.source import DataError

IMAGES = {"train_": 73_257, "test_": 26_032, "extra_": 531_131}
"""How many each split has, by what its ids begin with."""


def examples(_: Any, split_prefix: str, filepath: str) -> Iterator[tuple[int, dict[str, bytes | int | str]]]:
    """Yields what TFDS's own generator yields, keys and ids and all, with the images encoded.

    The largest split takes some gigabytes of memory: its pixels alone are 1.6.

    Args:
      _: TFDS's builder, not asked for anything.
      split_prefix: what an example's id begins with.
      filepath: the split's file.

    Raises:
      DataError: if the file is damaged or has other variables, or a label is none of 1 to 10.
    """
    images, labels = _read(Path(filepath), IMAGES[split_prefix])
    if not 1 <= labels.min() <= labels.max() <= 10:
        raise DataError(f"{filepath} should have labels from 1 to 10, it has {labels.min()} to {labels.max()}.")
    for index, label in enumerate(labels):
        image = encode_png(images[..., index])
        # The digit 0 has the label 10 in the file.
        yield index, {"image": image, "label": int(label) % 10, "id": f"{split_prefix}{index:06d}"}


def members(_: Any) -> dict[str, int]:
    """Returns nothing: the files are no archives."""
    return {}


def _read(path: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns `(32, 32, 3, count)` pixels and `(count,)` labels, shapes checked before they are read."""
    from scipy import io  # late: importing fnn stays light

    expected = {"X": ((32, 32, 3, count), "uint8"), "y": ((count, 1), "uint8")}
    try:
        found = {name: (shape, kind) for name, shape, kind in io.whosmat(path) if name in expected}
        if found != expected:
            raise DataError(f"{path} should hold {expected}, it has {found}.")
        arrays = io.loadmat(path, variable_names=list(expected))
    except DataError:
        raise
    # SciPy meets a damaged file with whatever breaks first.
    except (ValueError, TypeError, KeyError, IndexError, EOFError, OSError, NotImplementedError, zlib.error) as error:
        raise DataError(f"{path} is no readable MATLAB file: {error}. Fetch it anew.") from error
    return arrays["X"], arrays["y"].reshape(-1)
