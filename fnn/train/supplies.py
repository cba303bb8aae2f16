"""Bringing a run's samples to the device: all at once where they fit, else a batch at a time, ahead of its step."""

from collections.abc import Callable, Iterator

import numpy as np

from fnn.data import Batches, Reading, Split, Streamed, feed, to_device
from fnn.train.placement import Placement
from fnn.train.stretch import Supply

RESIDENT_BYTES = 2**30
"""A split in memory of at most so many bytes lies on the device for the whole run."""


def make_supplies(
    split: Split | Streamed, batches: Batches, reading: Reading, placement: Placement
) -> Callable[[range], Iterator[tuple[Supply, int]]]:
    """Makes a function that yields what the steps of a range read, in order, and where in each supply they begin.

    The range must lie in one epoch and reach to its end. What a step sees does not depend on how it is brought.

    Args:
      split: the samples.
      batches: which of them each step sees.
      reading: how a split that is not in memory is read.
      placement: where arrays belong.
    """
    if isinstance(split, Split) and split.images.nbytes <= RESIDENT_BYTES:
        return _resident(split, batches, placement)

    def streamed(steps: range) -> Iterator[tuple[Supply, int]]:
        read = ((images[None], labels[None]) for images, labels in feed(split, batches, steps, reading))
        return ((Supply(images, labels, None), 0) for images, labels in to_device(read, put=placement.batches))

    return streamed


def _resident(split: Split, batches: Batches, placement: Placement) -> Callable[[range], Iterator[tuple[Supply, int]]]:
    images, labels = placement.whole((split.images, split.labels))

    def supplies(steps: range) -> Iterator[tuple[Supply, int]]:
        if not steps:
            return
        epoch, start = divmod(steps.start, batches.per_epoch)
        chosen = batches.order(epoch).astype(np.int32)
        whole = len(chosen) // batches.size * batches.size
        # The second is the epoch's last batch where it is smaller.
        for part in (chosen[:whole].reshape(-1, batches.size), chosen[None, whole:]):
            if start < len(part) and part.size:
                (order,) = placement.batches((part,))
                yield Supply(images, labels, order), start
            start = max(start - len(part), 0)

    return supplies
