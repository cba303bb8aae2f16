"""Many models, trained."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import jax
import numpy as np

from fnn.data import Normalization, Split
from fnn.train.many.models import Model, Way
from fnn.train.step import TrainState


class Trained(NamedTuple):
    """One of many models, trained."""

    model: Model
    train_state: TrainState
    """In the host's memory."""
    normalization: Normalization
    history: np.ndarray
    """`(epochs, 4)`: mean training loss and accuracy, validation loss and accuracy; NaN without validation, and from
    the epoch on in which the model was halted."""
    halted: int | None = None
    """The step, counted from 0, that was not finite and before which the model stands still, if it was halted."""


class Many(NamedTuple):
    """Many models, trained."""

    trained: list[Trained]
    way: Way
    why: str
    """Why they were trained in that way, in words."""
    apply: Callable[[Trained, Split], np.ndarray]
    """What one of them makes of a split: `(samples, classes)`."""

    def outputs(self, split: Split) -> np.ndarray:
        """Returns what every model makes of a split: `(models, samples, classes)`."""
        return np.stack([self.apply(one, split) for one in self.trained])

    def accuracies(self, split: Split) -> np.ndarray:
        """Returns each model's accuracy on a split: `(models,)`."""
        return (self.outputs(split).argmax(axis=-1) == split.labels).mean(axis=-1)

    def ensemble(self, split: Split, chosen: Sequence[int] | None = None) -> np.ndarray:
        """Returns the mean of the models' class probabilities: `(samples, classes)`.

        Args:
          split: what is predicted.
          chosen: which models; all by default.
        """
        models = self.trained if chosen is None else [self.trained[number] for number in chosen]
        return mean_probabilities([self.apply(one, split) for one in models])


def mean_probabilities(outputs: Iterable[np.ndarray]) -> np.ndarray:
    """Returns the mean of class probabilities, `(samples, classes)`, of the outputs of some models, as logits."""
    return np.mean([np.asarray(jax.nn.softmax(made, axis=-1)) for made in outputs], axis=0)
