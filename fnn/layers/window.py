"""The window that `Conv` and the pools slide over their input, with its arguments checked and its places found."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax

from fnn import expect, ops
from fnn.layers import arguments

PerAxis = int | Sequence[int]
"""One number for every spatial axis, or one for each."""

_AXES = {
    1: "(batch, length, channels)",
    2: "(batch, height, width, channels)",
    3: "(batch, height, width, depth, channels)",
}

RANK_HINT = "One and three spatial axes work too."


class Placed(NamedTuple):
    """A window over an input of known size: one entry for each spatial axis."""

    size: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    extent: tuple[int, ...]
    """How many pixels the window covers: `(size − 1) · dilation + 1`."""


class Window(NamedTuple):
    """A window as a user described it: ints count for every spatial axis, however many the input has."""

    layer: str
    size: int | tuple[int, ...]
    strides: int | tuple[int, ...]
    padding: str | int | tuple[tuple[int, int], ...]
    dilation: int | tuple[int, ...]

    def check(self, x: Any) -> jax.Array:
        """Returns `x` as an array with as many spatial axes as the window's arguments speak of."""
        ranks = self._ranks()
        any_rank = len(ranks) > 1
        axes = _AXES[2 if any_rank else min(ranks)]
        x = expect.array(x, self.layer, axes, [n + 2 for n in ranks], RANK_HINT if any_rank else "")
        return expect.pixels(x, self.layer)

    def place(self, sizes: Sequence[int]) -> Placed:
        """Places the window on an input of these spatial sizes."""
        size, strides, dilation = (
            (value,) * len(sizes) if isinstance(value, int) else value
            for value in (self.size, self.strides, self.dilation)
        )
        extent = tuple((n - 1) * d + 1 for n, d in zip(size, dilation, strict=True))
        padding = ops.explicit_padding(self.padding, sizes, extent, strides)
        return Placed(size, strides, dilation, padding, extent)

    def slide(self, sizes: Sequence[int]) -> Placed:
        """Places the window where it must fit into the padded input.

        Raises:
          ValueError: if it does not fit even once.
        """
        placed = self.place(sizes)
        for size, extent, (low, high) in zip(sizes, placed.extent, placed.padding, strict=True):
            if extent > size + low + high:
                raise ValueError(
                    f"{self.layer}'s window covers {placed.extent} pixels, more than x of spatial shape "
                    f"{tuple(sizes)} has with padding {placed.padding}. "
                    "Use a smaller window, more padding or larger images."
                )
        return placed

    def _ranks(self) -> tuple[int, ...]:
        for value in (self.size, self.strides, self.padding, self.dilation):
            if isinstance(value, tuple):
                return (len(value),)
        return (1, 2, 3)


def window(
    layer: str,
    size: Any,
    size_name: str,
    strides: Any,
    padding: Any,
    dilation: Any = 1,
    *,
    lowest: float = 0,
    strides_name: str = "strides",
) -> Window:
    """Checks the arguments of a window.

    Raises:
      ValueError: if one is out of range, or two are for different numbers of spatial axes.
    """
    made = Window(
        layer,
        arguments.per_axis(size, layer, size_name),
        arguments.per_axis(strides, layer, strides_name),
        arguments.padding(padding, layer, lowest=lowest),
        arguments.per_axis(dilation, layer, "dilation"),
    )
    names = {size_name: made.size, strides_name: made.strides, "padding": made.padding, "dilation": made.dilation}
    axes = {name: len(value) for name, value in names.items() if isinstance(value, tuple)}
    if len(set(axes.values())) > 1:
        raise ValueError(f"{layer} got arguments for different numbers of spatial axes: {axes}.")
    return made
