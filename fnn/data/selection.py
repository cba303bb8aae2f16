"""Which examples of a source a split's name chooses, in the slicing syntax of TensorFlow Datasets.

    train     test[:500]     train[:90%]     train[-10%:]     train[:1000]+train[50%:]     train+test

Percentages are rounded to the nearest example, as TensorFlow Datasets does.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fnn.data.source import Examples

_PART = re.compile(r"(?P<split>[\w-]+)(\[(?P<start>-?[\d_]+%?)?:(?P<stop>-?[\d_]+%?)?\])?")


class Slice(NamedTuple):
    """Examples `start` to `stop − 1` of a split."""

    split: str
    start: int
    stop: int


def parse(selection: str, sizes: Mapping[str, int]) -> list[Slice]:
    """Reads a selection.

    Args:
      selection: slices joined by `+`.
      sizes: how many examples each split has.

    Raises:
      ValueError: if a split does not exist, a boundary lies outside of it, a slice is empty or mixes percentages and
        numbers, two slices overlap, or the text is none of the syntax.
    """
    slices: list[Slice] = []
    for text in re.split(r"\s*\+\s*", selection.strip()):
        match = _PART.fullmatch(text)
        if not match:
            raise ValueError(
                f"{text!r} is no selection of examples: expected something like train, train[:90%] or test[100:200]."
            )
        split = match["split"]
        if split not in sizes:
            raise ValueError(f"there is no split {split!r}; choose one of {', '.join(sizes)}, or join some by '+'.")
        units = {bound.endswith("%") for bound in (match["start"], match["stop"]) if bound}
        if len(units) > 1:
            raise ValueError(f"{text!r} mixes percentages and numbers of examples; use one of them in a slice.")
        size = sizes[split]
        start, stop = _boundary(match["start"] or "0", size, text), _boundary(match["stop"] or str(size), size, text)
        if start >= stop:
            raise ValueError(f"{text!r} chooses nothing: it goes from {start} to {stop} of {size} examples.")
        slices.append(Slice(split, start, stop))
    for number, later in enumerate(slices):
        for earlier in slices[:number]:
            if overlap(earlier, later):
                raise ValueError(
                    f"{selection!r} chooses examples of {later.split} twice; none belongs twice in a split."
                )
    return slices


def overlap(a: Slice, b: Slice) -> int:
    """Returns how many examples two slices share."""
    return max(0, min(a.stop, b.stop) - max(a.start, b.start)) if a.split == b.split else 0


def _boundary(text: str, size: int, where: str) -> int:
    number = int(text.rstrip("%").replace("_", ""))
    if text.endswith("%"):
        if abs(number) > 100:
            raise ValueError(f"{where!r} goes beyond 100 %.")
        number = round(number * size / 100)
    elif abs(number) > size:
        raise ValueError(f"{where!r} goes beyond the {size} examples that there are.")
    return number + size if text.startswith("-") else number


@dataclass(frozen=True, eq=False)
class Selection:
    """Some examples of some splits, as `Examples` of their own. Nothing is read before it is asked for."""

    parts: tuple[tuple[Examples, np.ndarray], ...]
    """Where from, and which, in order."""
    labels: np.ndarray
    """`(examples,)`, int32."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """`(height, width, channels)`."""
        return self.parts[0][0].image_shape

    def read(self, chosen: np.ndarray) -> np.ndarray:
        """Reads the chosen images, each from where it lies."""
        images = np.empty((len(chosen), *self.image_shape), np.uint8)
        start = 0
        for examples, of in self.parts:
            here = (chosen >= start) & (chosen < start + len(of))
            if here.any():
                images[here] = examples.read(of[chosen[here] - start])
            start += len(of)
        return images


def select(splits: Mapping[str, Examples], selection: str) -> Selection:
    """Chooses examples of a source's splits.

    Args:
      splits: those of a `Source`.
      selection: in the syntax of this file.

    Raises:
      ValueError: as `parse`, or if the chosen splits hold images of different shapes.
    """
    slices = parse(selection, {name: len(examples) for name, examples in splits.items()})
    shapes = {splits[part.split].image_shape for part in slices}
    if len(shapes) > 1:
        raise ValueError(f"{selection!r} joins images of different shapes: {', '.join(map(str, sorted(shapes)))}.")
    parts = tuple((splits[part.split], np.arange(part.start, part.stop)) for part in slices)
    return Selection(parts, np.concatenate([examples.labels[chosen] for examples, chosen in parts]))
