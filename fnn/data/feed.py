"""Reading the batches of a run ahead of the step that needs them."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from fnn.data.batches import Batches
from fnn.data.split import Split, Streamed


class Reading(NamedTuple):
    """How a split that is not in memory is read."""

    threads: int = 8
    """How many read and decode at the same time."""
    ahead: int = 8
    """How many batches are read before they are needed."""
    processes: int = 0
    """How many processes share the work, each with that many threads; 0 for threads of this process alone. They pay
    where decoding holds Python's lock, and cost seconds to start."""


READING = Reading()
"""How it is read unless told otherwise."""


def feed(
    split: Split | Streamed, batches: Batches, steps: range, reading: Reading = READING
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields the images `(batch, height, width, channels)`, uint8, and the labels `(batch,)` of one step after another.

    What a step gets depends on `batches` and the step alone: not on where reading begins, nor on who reads it.

    Args:
      split: the samples. Those in memory are gathered when they are asked for, which takes less than a millisecond;
        others are read ahead by Grain.
      batches: which samples each step sees.
      steps: the steps, counted from 0 over all epochs, one by one.
      reading: how to read what is not in memory.

    Raises:
      ValueError: if `batches` are of another number of samples, or `steps` does not count up by one.
      DataError: when a file is not what it should be.
    """
    if batches.samples != len(split):
        raise ValueError(f"these batches are of {batches.samples} samples, but the split has {len(split)}.")
    if steps.step != 1:
        raise ValueError(f"feed expects steps that count up by 1, got {steps}.")
    if isinstance(split, Split):
        return (_gather(split, batches.indices(step)) for step in steps)
    return iter(_pipeline(split, batches, steps, reading)) if steps else iter(())


def to_device(batches: Iterable[Any], ahead: int = 2, put: Callable[[Any], Any] = jax.device_put) -> Iterator[Any]:
    """Puts batches on the device before they are asked for, so that copying one overlaps the step before it.

    Args:
      batches: trees of arrays.
      ahead: how many are on their way at most.
      put: begins to copy a batch; to JAX's default device unless told otherwise.

    Raises:
      ValueError: if `ahead` is negative.
    """
    if ahead < 0:
        raise ValueError(f"to_device expects a number of batches of at least 0, got {ahead}.")
    return _ahead(batches, ahead, put)


def _ahead(batches: Iterable[Any], ahead: int, put: Callable[[Any], Any]) -> Iterator[Any]:
    waiting: deque[Any] = deque()
    for batch in batches:
        waiting.append(put(batch))
        if len(waiting) > ahead:
            yield waiting.popleft()
    yield from waiting


def _gather(split: Split | Streamed, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return split.read(chosen), split.labels[chosen]


def _pipeline(split: Streamed, batches: Batches, steps: range, reading: Reading) -> Any:
    import grain  # only for what does not fit into memory

    one_by_one = grain.MapDataset.range(steps.start, steps.stop).map(
        lambda step: _gather(split, batches.indices(int(step)))
    )
    options = grain.ReadOptions(num_threads=reading.threads, prefetch_buffer_size=max(reading.ahead, reading.threads))
    dataset = one_by_one.to_iter_dataset(options)
    if reading.processes:
        from absl import flags

        if not flags.FLAGS.is_parsed():
            flags.FLAGS.mark_as_parsed()  # Grain reads flags of its own, also where the program is no absl program
        dataset = dataset.mp_prefetch(grain.MultiprocessingOptions(num_workers=reading.processes))
    return dataset
