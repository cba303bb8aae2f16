"""Accuracies and how sure they are."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Estimate(NamedTuple):
    """An accuracy, and how sure it is."""

    accuracy: float
    standard_error: float

    def agrees(self, other: "Estimate") -> bool:
        """Says whether two estimates differ by at most two standard errors of their difference."""
        error = math.hypot(self.standard_error, other.standard_error)
        return abs(self.accuracy - other.accuracy) <= 2 * error


def of_folds(accuracies: Sequence[float]) -> Estimate:
    """Returns the mean over folds, with its standard error from their spread."""
    return Estimate(float(np.mean(accuracies)), float(np.std(accuracies, ddof=1) / math.sqrt(len(accuracies))))


def of_samples(accuracy: float, samples: int) -> Estimate:
    """Returns an accuracy on so many samples, with a share's standard error; all right counts as half a sample less."""
    share = min(max(accuracy, 0.5 / samples), 1 - 0.5 / samples)
    return Estimate(accuracy, math.sqrt(share * (1 - share) / samples))
