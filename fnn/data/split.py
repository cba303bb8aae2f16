"""A split of a data set: images and labels as two arrays."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Split:
    """Images with their labels, in memory.

    Raises:
      ValueError: if images and labels differ in number, have another rank or dtype, or a label is of no class.
    """

    images: np.ndarray
    """`(samples, height, width, channels)`, uint8."""
    labels: np.ndarray
    """`(samples,)`, integers (int32 from `load`), each below `len(class_names)`."""
    class_names: tuple[str, ...]
    source: str
    """Where the samples came from, in words."""

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.dtype != np.uint8:
            raise ValueError(
                "a Split expects uint8 images of shape (samples, height, width, channels), "
                f"got {self.images.dtype} {self.images.shape}."
            )
        if self.labels.shape != self.images.shape[:1] or not np.issubdtype(self.labels.dtype, np.integer):
            raise ValueError(
                f"a Split of {len(self.images)} images expects as many integer labels, one an image, "
                f"got {self.labels.dtype} {self.labels.shape}."
            )
        if len(self.labels) and not 0 <= self.labels.min() <= self.labels.max() < len(self.class_names):
            raise ValueError(
                f"a Split of {len(self.class_names)} classes expects labels from 0 to {len(self.class_names) - 1}, "
                f"got {self.labels.min()} to {self.labels.max()}."
            )

    def __len__(self) -> int:
        return len(self.labels)
