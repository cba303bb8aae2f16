"""A split of a data set: images and labels as two arrays."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Split:
    """Images with their labels, in memory."""

    images: np.ndarray
    """`(samples, height, width, channels)`, uint8."""
    labels: np.ndarray
    """`(samples,)`, int32, each below `len(class_names)`."""
    class_names: tuple[str, ...]
    source: str
    """Where the samples came from, in words."""

    def __len__(self) -> int:
        return len(self.labels)
