"""A split of a data set: in memory, or read as it is needed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fnn.data.source import Examples


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
        check_labels(self.labels, len(self.images), self.class_names)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """`(height, width, channels)`."""
        _, height, width, channels = self.images.shape
        return height, width, channels

    def read(self, chosen: np.ndarray) -> np.ndarray:
        """Returns the chosen images."""
        return self.images[chosen]

    def take(self, chosen: Sequence[int] | np.ndarray) -> "Split":
        """Returns a split of the chosen samples, in that order."""
        chosen = np.asarray(chosen)
        return replace(self, images=self.images[chosen], labels=self.labels[chosen])


@dataclass(frozen=True, eq=False)
class Streamed:
    """Images that are read as they are needed, with their labels, which are all there.

    Raises:
      ValueError: if a label is of no class.
    """

    examples: Examples
    class_names: tuple[str, ...]
    source: str
    """Where the samples come from, in words."""

    def __post_init__(self) -> None:
        check_labels(self.examples.labels, len(self.examples), self.class_names)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def labels(self) -> np.ndarray:
        """`(samples,)`, int32."""
        return self.examples.labels

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """`(height, width, channels)`."""
        return self.examples.image_shape

    def read(self, chosen: np.ndarray) -> np.ndarray:
        """Reads the chosen images: `(n, height, width, channels)`, uint8."""
        return self.examples.read(chosen)

    @property
    def nbytes(self) -> int:
        """How many bytes all images take."""
        return len(self) * math.prod(self.image_shape)

    def in_memory(self) -> Split:
        """Reads all images."""
        return Split(self.read(np.arange(len(self))), self.labels, self.class_names, self.source)


def check_labels(labels: np.ndarray, samples: int, class_names: Sequence[str]) -> None:
    """Checks that there is one label an image, and a class for each.

    Raises:
      ValueError: if not.
    """
    if labels.shape != (samples,) or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"a Split of {samples} images expects as many integer labels, one an image, "
            f"got {labels.dtype} {labels.shape}."
        )
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(class_names):
        raise ValueError(
            f"a Split of {len(class_names)} classes expects labels from 0 to {len(class_names) - 1}, "
            f"got {labels.min()} to {labels.max()}."
        )
