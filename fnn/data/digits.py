"""The embedded data set: 1,797 handwritten digits of 8×8 pixels that scikit-learn carries. Nothing is downloaded."""

from functools import cache
from typing import Any

import numpy as np

from fnn.data.source import InMemory, Source

SHARES = {"train": 0.75, "validation": 0.05, "test": 0.2}
"""How the digits, which come whole, are cut."""


@cache
def open_digits(seed: int = 0) -> Source:
    """Returns the digits as three splits: disjoint, complete, each class in the same proportion in all three.

    The pixels have 17 grey levels, 0 to 16, which are spread here over 0 to 255.

    Args:
      seed: of the cut.

    Reference: Alpaydin & Kaynak 1998, "Optical recognition of handwritten digits", UCI machine learning repository.
    """
    from sklearn import datasets  # takes seconds: only who asks for digits waits for it

    digits: Any = datasets.load_digits()
    images = np.rint(digits["images"] * (255 / 16)).astype(np.uint8)[..., np.newaxis]
    labels = digits["target"].astype(np.int32)
    splits = {name: InMemory(images[chosen], labels[chosen]) for name, chosen in _cut(labels, seed).items()}
    return Source(splits, tuple(str(name) for name in digits["target_names"]), "scikit-learn's digits")


def _cut(labels: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Returns the indices of each split, in ascending order."""
    from sklearn.model_selection import train_test_split

    rest, parts = np.arange(len(labels)), {}
    left = 1.0
    for name in ("test", "validation"):
        share = SHARES[name] / left  # of what the splits before it have left
        rest, parts[name] = train_test_split(rest, test_size=share, stratify=labels[rest], random_state=seed)
        left -= SHARES[name]
    parts["train"] = rest
    return {name: np.sort(parts[name]) for name in SHARES}
