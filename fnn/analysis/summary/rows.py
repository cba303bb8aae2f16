"""What a summary holds: a row for each layer, and the whole network's."""

from typing import Any, NamedTuple


class ReceptiveField(NamedTuple):
    """Which pixels of an input one pixel of an output depends on; one entry for each spatial axis of the input.

    A pixel is all channels at one place. Padding is not cut off: windows at the border hang over it.
    """

    size: tuple[int | None, ...]
    """How many pixels long it is. None where pixels see different parts in no order that a stride could describe."""
    stride: tuple[float | None, ...]
    """How many pixels it moves from one output pixel to the next. None where all of the output sees the same."""
    centre: tuple[float | None, ...]
    """Where the first output pixel's middle is; the first pixel of the input is at 0."""
    whole: tuple[bool, ...]
    """Whether all of the input is seen."""
    input: str = ""
    """Which of several inputs."""
    output: str = ""
    """Which of several outputs."""


class Row(NamedTuple):
    """One layer; of a layer that holds others, all of them together."""

    path: str
    """The layer's names from the outside in, as in `fnn.intermediates`; a second turn is `"conv1#2"`."""
    output: Any
    """Shape and dtype of what it makes, a `jax.ShapeDtypeStruct` or a tree of them."""
    parameters: int
    """How many numbers it learns; a second turn has the same, and they count once in the total."""
    multiply_adds: int
    """Of convolutions and matrix products, for all examples of the input."""
    flops: int
    """Floating-point operations: see `fnn.summarize`."""
    training_bytes: int | None
    """What it makes that is kept for the gradient. None if the layer cannot be differentiated."""
    inference_bytes: int
    """The most that is alive at once while it runs, the input and other layers' outputs that are still needed included.
    """
    receptive_fields: tuple[ReceptiveField, ...]
    """For each output array and input array with spatial axes of which something is seen."""
    unseen: tuple[int, ...]
    """How many pixels of its own input, along each spatial axis, no output sees: a stride does not divide, or is longer
    than its window. Empty where there is no such axis."""

    @property
    def receptive_field(self) -> ReceptiveField | None:
        """The only receptive field; None if there is none or more than one."""
        return self.receptive_fields[0] if len(self.receptive_fields) == 1 else None
