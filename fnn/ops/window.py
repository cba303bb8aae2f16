"""The geometry that convolution and pooling share: where a window stands."""

from collections.abc import Sequence

from jax import lax

Padding = str | int | Sequence[tuple[int, int]]
"""`"SAME"`, `"VALID"`, the same number on every side, or (low, high) pairs, one for each spatial axis."""


def explicit_padding(
    padding: Padding, sizes: Sequence[int], extent: Sequence[int], strides: Sequence[int]
) -> tuple[tuple[int, int], ...]:
    """Returns the (low, high) padding of each spatial axis.

    `"SAME"` makes the output `ceil(size / stride)` long and puts the odd pixel on the high side, as XLA does. At a
    stride of 2 that is not a padding of 1: PyTorch's `padding=1` looks at other pixels.

    Args:
      padding: see `Padding`.
      sizes: the input's spatial sizes.
      extent: how many pixels the window covers, dilation included.
      strides: the steps between windows.
    """
    if isinstance(padding, str):
        pairs = lax.padtype_to_pads(sizes, extent, strides, padding)
    elif isinstance(padding, int):
        pairs = [(padding, padding)] * len(sizes)
    else:
        pairs = padding
    return tuple((int(low), int(high)) for low, high in pairs)
