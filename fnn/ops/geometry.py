"""What a convolution knows about itself once it is traced, apart from batch and channels."""

import itertools
from typing import NamedTuple


class Geometry(NamedTuple):
    """Where the windows stand; one entry for each spatial axis. Hashable, so a static argument."""

    sizes: tuple[int, ...]
    """Of the input."""
    window: tuple[int, ...]
    strides: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    """Zeros (low, high) around the input; a negative number cuts."""
    dilation: tuple[int, ...]
    """Steps between the pixels that one window reads."""
    groups: int = 1
    """Into how many independent groups channels and features are split."""

    @property
    def rank(self) -> int:
        """The number of spatial axes."""
        return len(self.sizes)

    @property
    def extent(self) -> tuple[int, ...]:
        """How many pixels a window covers."""
        return tuple((w - 1) * d + 1 for w, d in zip(self.window, self.dilation, strict=True))

    @property
    def padded(self) -> tuple[int, ...]:
        """The input's sizes with the padding."""
        return tuple(n + low + high for n, (low, high) in zip(self.sizes, self.padding, strict=True))

    @property
    def places(self) -> tuple[int, ...]:
        """The output's sizes."""
        axes = zip(self.padded, self.extent, self.strides, strict=True)
        return tuple(max(0, (n - extent) // stride + 1) for n, extent, stride in axes)

    @property
    def offsets(self) -> list[tuple[int, ...]]:
        """The pixel of the padded input that the first window reads at each of its positions, in the kernel's order."""
        return list(itertools.product(*(range(0, w * d, d) for w, d in zip(self.window, self.dilation, strict=True))))

    @property
    def span(self) -> tuple[int, ...]:
        """How many pixels there are from what the first window reads at a position to what the last one does."""
        return tuple((places - 1) * stride + 1 for places, stride in zip(self.places, self.strides, strict=True))
