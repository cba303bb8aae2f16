"""What every data set looks like before a split of it is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np


class Examples(Protocol):
    """One named split, in memory, in a file or in a folder of files. Any example can be read at any time."""

    def __len__(self) -> int:
        """Returns how many there are: known without reading an image or a label."""
        ...

    @property
    def labels(self) -> np.ndarray:
        """`(examples,)`, int32: known without reading an image."""
        ...

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """`(height, width, channels)` of every image."""
        ...

    def read(self, chosen: np.ndarray) -> np.ndarray:
        """Reads images.

        Args:
          chosen: `(n,)`, integers: which examples, in which order.

        Returns:
          `(n, height, width, channels)`, uint8. May be called from several threads at once.

        Raises:
          fnn.data.DataError: if a file is missing, cut short or holds something else.
        """
        ...


@dataclass(frozen=True)
class Source:
    """A data set: its splits by name, none of whose images was read yet."""

    splits: Mapping[str, Examples]
    """By name, such as `"train"` and `"test"`, in the set's own order."""
    class_names: tuple[str, ...]
    """By label."""
    description: str
    """Where the samples come from, in words: it is printed and stored with results."""


class DataError(ValueError):
    """A data file is not what it should be. The message names the file, what is wrong with it and what to do."""


@dataclass(frozen=True, eq=False)
class InMemory:
    """Examples that are there already, as one array."""

    images: np.ndarray
    """`(examples, height, width, channels)`, uint8."""
    labels: np.ndarray
    """`(examples,)`, int32."""

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
