"""Several steps as one compiled program: Python waits once for all of them, and feeds none of them.

On the CPU a step inside a loop on the device is never slower than one that Python starts (`docs/convolution.md` has the
networks' numbers, `python -m benchmarks.training` measures it), and a small network's is half again as fast. How a run
is cut into stretches changes no bit of it: the loop's bounds are inputs of one program.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from fnn.train.step import Batch, Metrics, TrainState

SECONDS = 0.2
"""How long a stretch should take: signals are heeded, bars moved and checkpoints begun between two stretches."""

GROWTH = 8
"""A stretch has at most so many times the steps of the one before it."""


class Supply(NamedTuple):
    """What a few steps read, on the device."""

    images: jax.Array
    """All samples, `(samples, height, width, channels)`; without `order` batches, `(steps, batch, height, …)`."""
    labels: jax.Array
    """`(samples,)`, or `(steps, batch)`."""
    order: jax.Array | None
    """`(steps, batch)`, int32: which samples each step sees."""

    @property
    def steps(self) -> int:
        """How many steps it has."""
        return len(self.labels if self.order is None else self.order)

    def batch(self, step: Any) -> Batch:
        """Returns what step `step` sees, counted from 0."""
        if self.order is None:
            return Batch(self.images[step], self.labels[step])
        chosen = self.order[step]
        return Batch(*(jnp.take(array, chosen, axis=0, mode="clip") for array in (self.images, self.labels)))


def make_stretch(
    step: Callable[[TrainState, Batch], tuple[TrainState, Metrics]], *, stops: bool
) -> Callable[[TrainState, Supply, Any, Any], tuple[TrainState, jax.Array]]:
    """Makes `(train_state, supply, start, stop) -> (train_state, measured)` of a step.

    It takes the supply's steps from `start` to before `stop`. `measured` is `(supply.steps, 3)`: loss, accuracy
    and finiteness of those steps, and zeros of the others.

    Args:
      step: as `make_step` makes it.
      stops: whether no further step is taken after the first that is not finite.
    """

    def stretch(train_state: TrainState, supply: Supply, start: Any, stop: Any) -> tuple[TrainState, jax.Array]:
        def goes_on(carried: Any) -> jax.Array:
            at, finite, _, _ = carried
            return (at < stop) & finite if stops else at < stop

        def take(carried: Any) -> Any:
            at, _, before, measured = carried
            after, metrics = step(before, supply.batch(at))
            row = jnp.stack([number.astype(measured.dtype) for number in metrics])
            return at + 1, metrics.finite, after, measured.at[at].set(row)

        measured = jnp.zeros((supply.steps, len(Metrics._fields)))
        first = (jnp.int32(start), jnp.bool_(True), train_state, measured)
        _, _, train_state, measured = jax.lax.while_loop(goes_on, take, first)
        return train_state, measured

    return stretch


class Pace:
    """How many steps a stretch should have, learnt from those before it."""

    def __init__(self) -> None:
        self.steps = 1

    def took(self, steps: int, seconds: float) -> None:
        """Takes note of a stretch. One that was cut short says nothing, and the first, which compiles, only little."""
        if steps == self.steps:
            self.steps = max(1, min(GROWTH * steps, int(SECONDS * steps / seconds)))
