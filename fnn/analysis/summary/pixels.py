"""From what single numbers see to what pixels see: all channels at one place."""

import math
from collections.abc import Sequence
from fractions import Fraction

from fnn.analysis.summary.reach import Reach, fold
from fnn.analysis.summary.rows import ReceptiveField


def receptive_field(
    reaches: Sequence[Reach | None], shape: Sequence[int], source: str = "", result: str = ""
) -> ReceptiveField | None:
    """Returns what one pixel of an array of this shape sees, from what its numbers see along each axis of an input.

    None if they see nothing of it, or it has no spatial axes.
    """
    axes = [_one_axis(reach, shape) for reach in reaches if reach is not None]
    return ReceptiveField(*zip(*axes, strict=True), input=source, output=result) if axes else None


def _one_axis(reach: Reach, shape: Sequence[int]) -> tuple[int | None, float | None, float | None, bool]:
    pixel = _of_pixel(reach, shape)
    moving = [stride for stride in pixel.strides if stride]
    if any(pixel.spread) or len(moving) > 1:
        return None, None, None, False
    stride = Fraction(moving[0]) if moving else Fraction(0)
    ends = [(pixel.low + i * stride, pixel.high + i * stride) for i in range(stride.denominator)]
    size = max(math.floor(high) - math.ceil(low) + 1 for low, high in ends)  # only whole pixels are there
    centre = float(pixel.low + pixel.high) / 2
    return size, float(moving[0]) if moving else None, centre, not moving and size == reach.length


def unseen(reach: Reach | None, shape: Sequence[int]) -> int:
    """Counts the pixels along an input's axis that no pixel of an array of this shape sees."""
    if reach is None:
        return 0
    pixel = _of_pixel(reach, shape)
    moving = [axis for axis, stride in enumerate(pixel.strides) if stride]
    if any(pixel.spread) or len(moving) > 1:
        return 0
    stride, places = (pixel.strides[moving[0]], shape[moving[0]]) if moving else (0, 1)
    seen: set[int] = set()
    for i in range(places):
        low, high = pixel.low + i * stride, pixel.high + i * stride
        seen.update(range(max(0, math.ceil(low)), min(reach.length - 1, math.floor(high)) + 1))
    return reach.length - len(seen)


def spatial_axes(shape: Sequence[int]) -> range:
    """The axes between the first, the batch, and the last, the channels."""
    return range(1, len(shape) - 1)


def _of_pixel(reach: Reach, shape: Sequence[int]) -> Reach:
    """What all channels at one place see together; an array of less than three axes is one place."""
    places = spatial_axes(shape)
    return fold(reach, shape, [axis for axis in range(len(shape)) if axis not in places])
