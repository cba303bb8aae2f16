"""One function for all data sets."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from fnn.data.digits import load_digits
from fnn.data.split import Split

SOURCES: dict[str, Callable[[], Split]] = {"digits": load_digits}
"""The data sets that are there without a download, whole."""

SHARES = {"train": 0.75, "validation": 0.05, "test": 0.2}
"""How a set that comes whole is cut, in this order."""


def load(name: str, split: str, *, seed: int = 0) -> Split:
    """Loads one split of a data set.

    A set that comes whole is cut into `train` (75 %), `validation` (5 %) and `test` (20 %): disjoint, complete, each
    class in the same proportion in all three, and always the same for the same `seed`.

    Args:
      name: the data set: `"digits"`.
      split: `"train"`, `"validation"`, `"test"`, or several joined: `"train+validation"`.
      seed: of the cut, not of the training: runs with different seeds are compared on the same test split.

    Raises:
      ValueError: if the set or the split does not exist; the message lists those that do.
    """
    if name not in SOURCES:
        raise ValueError(f"no data set is called {name!r}; choose one of {', '.join(SOURCES)}.")
    parts = split.split("+")
    for part in parts:
        if part not in SHARES:
            raise ValueError(f"{name} has no split {part!r}; choose one of {', '.join(SHARES)}, or join some by '+'.")
    if len(set(parts)) < len(parts):
        raise ValueError(f"{split!r} names a split twice; no sample belongs twice in one split.")
    whole = SOURCES[name]()
    cut = _cut(whole.labels, seed)
    chosen = np.concatenate([cut[part] for part in parts])
    return replace(whole, images=whole.images[chosen], labels=whole.labels[chosen])


def _cut(labels: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Returns the indices of each split, in ascending order."""
    from sklearn.model_selection import train_test_split  # takes seconds, so late

    rest, parts = np.arange(len(labels)), {}
    left = 1.0
    for name in reversed(SHARES):
        if name == "train":
            parts[name] = rest
            break
        share = SHARES[name] / left  # of what the splits before it have left
        rest, parts[name] = train_test_split(rest, test_size=share, stratify=labels[rest], random_state=seed)
        left -= SHARES[name]
    return {name: np.sort(indices) for name, indices in parts.items()}
