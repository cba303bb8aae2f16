"""How far a run has come: what it has learned, what it has told, and where it is in its epoch."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from fnn.data import Batches, Normalization
from fnn.train.step import TrainState


class Epoch(NamedTuple):
    """What one epoch came to. The training numbers are means over its steps' samples, measured as it learned."""

    epoch: int
    """Counted from 1."""
    train_loss: float
    train_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    seconds: float
    """From the epoch's start, or where it was taken up again, to its end, compilation and validation included."""
    skipped: int = 0
    """How many of its steps were skipped because their loss or gradient was not finite."""


class NonfiniteError(Exception):
    """A step's loss or gradient is not finite, and that ends the run; `step` is its number."""

    def __init__(self, step: int) -> None:
        super().__init__(f"step {step} is not finite")
        self.step = step


class Course:
    """The moving part of a run, which a checkpoint holds: `tree()` its arrays, `told()` the rest.

    Args:
      train_state: where the run begins.
      normalization: of the training images.
      batches: which samples each step sees.
      halts: whether a step that is not finite ends the run.
      keeps_best: whether what it had learned after the best epoch is kept.
    """

    def __init__(
        self,
        train_state: TrainState,
        normalization: Normalization,
        batches: Batches,
        *,
        halts: bool,
        keeps_best: bool = False,
    ) -> None:
        self.train_state = train_state
        self.normalization = normalization
        self.halts = halts
        self.step = 0
        """How many steps were taken."""
        self.history: list[Epoch] = []
        self.best = _learned(train_state) if keeps_best else None
        self._batches = batches
        # Loss, accuracy and finiteness of the steps of the epoch at hand.
        self._measured = np.zeros((batches.per_epoch, 3))

    def add(self, train_state: TrainState, measured: np.ndarray) -> None:
        """Takes over what some steps gave: the state, and the loss, accuracy and finiteness of each, `(steps, 3)`."""
        place = self.step - len(self.history) * self._batches.per_epoch
        self._measured[place : place + len(measured)] = measured
        self.train_state, self.step = train_state, self.step + len(measured)

    def tree(self) -> dict[str, Any]:
        """Returns all arrays."""
        return {
            "train_state": self.train_state,
            "normalization": self.normalization,
            "measured": self._measured,
        } | ({} if self.best is None else {"best": self.best})

    def told(self) -> dict[str, Any]:
        """Returns the rest, in plain JSON."""
        return {"history": [epoch._asdict() for epoch in self.history]}

    def resume(self, tree: Mapping[str, Any], step: int, told: Mapping[str, Any]) -> None:
        """Goes to where another run was: what its `tree`, `step` and `told` were."""
        self.train_state, self.step = tree["train_state"], step
        self.normalization = tree["normalization"]
        self._measured = np.array(tree["measured"])
        self.best = tree.get("best")
        self.history = [Epoch(**epoch) for epoch in told["history"]]

    def rest_of_epoch(self) -> range:
        """Returns the steps that the epoch at hand still has."""
        return range(self.step, (len(self.history) + 1) * self._batches.per_epoch)

    def means(self) -> tuple[float, float, int]:
        """Returns the epoch's mean loss and accuracy over the samples of its finite steps, and how many were not.

        Raises:
          FloatingPointError: if none was.
        """
        sizes = np.array([len(chosen) for chosen in self._batches.epoch(len(self.history))])
        finite = self._measured[:, 2] > 0
        if not finite.any():
            raise FloatingPointError(f"no step of epoch {len(self.history) + 1} had a finite loss and gradient.")
        loss, accuracy = np.average(self._measured[finite, :2], axis=0, weights=sizes[finite])
        return float(loss), float(accuracy), int((~finite).sum())

    def close(self, epoch: Epoch) -> bool:
        """Ends an epoch; says whether it has the best validation accuracy so far."""
        self.history.append(epoch)
        self._measured[:] = 0
        best = self.epochs_since_best() == 0
        if best and self.best is not None:
            self.best = _learned(self.train_state)
        return best

    def epochs_since_best(self) -> int | None:
        """Returns how many epochs ago the validation accuracy was best, at first if more than once; None without."""
        accuracies = [epoch.validation_accuracy for epoch in self.history if epoch.validation_accuracy is not None]
        if not accuracies:
            return None
        return len(accuracies) - 1 - int(np.argmax(accuracies))


def _learned(train_state: TrainState) -> dict[str, Any]:
    """Copies what a network has learned, since a later step may overwrite it."""
    learned = {"params": train_state.params, "state": train_state.state, "average": train_state.average}
    return jax.tree.map(lambda leaf: leaf.copy(), learned)
