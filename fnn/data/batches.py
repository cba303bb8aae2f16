"""Which samples a step sees: a pure function of (seed, step), so that a run can be continued at any step."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from fnn.keys import number_of


@lru_cache(maxsize=8)
def epoch_order(samples: int, seed: int, epoch: int) -> np.ndarray:
    """Returns the order of epoch `epoch`, counted from 0: each of `samples` indices once. It cannot be written to."""
    order = np.random.default_rng([seed, number_of("order"), epoch]).permutation(samples)
    order.flags.writeable = False
    return order


class Shard(NamedTuple):
    """Which part of each batch is whose: part `number`, counted from 0, of `parts`."""

    number: int
    parts: int


class Batches(NamedTuple):
    """How a split is cut into the batches of a run."""

    samples: int
    size: int
    """Of a batch, over all shards."""
    seed: int
    drop_last: bool = False
    """Whether an epoch's last batch, if it is smaller than the others, is left out. Else it is kept as it is."""
    shard: Shard = Shard(0, 1)
    """What `indices` and `epoch` give: every shard of a batch together are the batch, and no two share a sample."""

    @property
    def per_epoch(self) -> int:
        """How many steps an epoch has."""
        return self.samples // self.size if self.drop_last else -(-self.samples // self.size)

    def indices(self, step: int) -> np.ndarray:
        """Returns the samples of step `step`, counted from 0 over all epochs."""
        epoch, place = divmod(step, self.per_epoch)
        whole = epoch_order(self.samples, self.seed, epoch)[place * self.size : (place + 1) * self.size]
        number, parts = self.shard
        return whole[len(whole) * number // parts : len(whole) * (number + 1) // parts]

    def epoch(self, epoch: int) -> list[np.ndarray]:
        """Returns the samples of all steps of epoch `epoch`."""
        return [self.indices(step) for step in range(epoch * self.per_epoch, (epoch + 1) * self.per_epoch)]

    def order(self, epoch: int) -> np.ndarray:
        """Returns the samples of all steps of epoch `epoch`, one step after another in one array."""
        if self.shard.parts == 1:  # much faster than cutting and joining
            return epoch_order(self.samples, self.seed, epoch)[: self.per_epoch * self.size]
        return np.concatenate(self.epoch(epoch))


def make_batches(
    samples: int, size: int, seed: int, *, drop_last: bool = False, shard: tuple[int, int] = (0, 1)
) -> Batches:
    """Checks that batches of `size` can be taken from `samples`.

    Args:
      samples: how many samples the split has.
      size: how many a step sees; `samples` of them is full-batch gradient descent.
      seed: of the order.
      drop_last: whether an epoch's last batch is left out if it is smaller; a different one in every epoch.
      shard: `(number, parts)`: which part of each batch is taken, such as that of one of several processes.

    Raises:
      ValueError: if `size` is not from 1 to `samples`, `seed` is negative, or the shard does not exist or would be
        without a sample.
    """
    if not 1 <= size <= samples:
        raise ValueError(f"the batch size must be from 1 to {samples}, the number of samples in the split, got {size}.")
    if seed < 0:
        raise ValueError(f"the seed must not be negative, got {seed}.")
    number, parts = shard
    if not 0 <= number < parts:
        raise ValueError(f"there is no shard {number} of {parts}: they are counted from 0 to {parts - 1}.")
    batches = Batches(samples, size, seed, drop_last, Shard(number, parts))
    smallest = size if drop_last else samples - (batches.per_epoch - 1) * size
    if smallest < parts:
        raise ValueError(
            f"a batch of {smallest} samples cannot be shared by {parts}; "
            + ("take larger batches." if drop_last or smallest == size else "drop the last batch of an epoch.")
        )
    return batches
