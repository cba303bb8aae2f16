"""Which samples a step sees: a pure function of (seed, step), so that a run can be continued at any step."""

from typing import NamedTuple

import numpy as np

from fnn.keys import number_of


def epoch_order(samples: int, seed: int, epoch: int) -> np.ndarray:
    """Returns the order of epoch `epoch`, counted from 0: each of `samples` indices once."""
    return np.random.default_rng([seed, number_of("order"), epoch]).permutation(samples)


class Batches(NamedTuple):
    """How a split is cut into the batches of a run. The last batch of an epoch may be smaller; none is dropped."""

    samples: int
    size: int
    seed: int

    @property
    def per_epoch(self) -> int:
        """How many steps show every sample once."""
        return -(-self.samples // self.size)

    def indices(self, step: int) -> np.ndarray:
        """Returns the samples of step `step`, counted from 0 over all epochs."""
        epoch, place = divmod(step, self.per_epoch)
        return epoch_order(self.samples, self.seed, epoch)[place * self.size : (place + 1) * self.size]

    def epoch(self, epoch: int) -> list[np.ndarray]:
        """Returns the samples of all steps of epoch `epoch`."""
        order = epoch_order(self.samples, self.seed, epoch)
        return [order[start : start + self.size] for start in range(0, self.samples, self.size)]


def make_batches(samples: int, size: int, seed: int) -> Batches:
    """Checks that batches of `size` can be taken from `samples`.

    Args:
      samples: how many samples the split has.
      size: how many a step sees; `samples` of them is full-batch gradient descent.
      seed: of the order.

    Raises:
      ValueError: if `size` is not from 1 to `samples`, or `seed` is negative.
    """
    if not 1 <= size <= samples:
        raise ValueError(f"the batch size must be from 1 to {samples}, the number of samples in the split, got {size}.")
    if seed < 0:
        raise ValueError(f"the seed must not be negative, got {seed}.")
    return Batches(samples, size, seed)
