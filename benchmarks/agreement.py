"""Whether all peers compute the same: before anything is timed, every one takes the same steps as fnn."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks.peers import Running

STEPS = 3
TOLERANCE = 3e-4
"""How far values may be apart, as a share of the largest; seen: up to 1e-6, in sums over many values 1e-5."""

CHANGE_TOLERANCE = 1e-2
"""The same of a loss's change over the first steps, which is the small difference of two losses; seen: up to 1e-5."""


class DisagreementError(ValueError):
    """A peer computes something else than fnn: its times would mean nothing."""


class Agreement(NamedTuple):
    """How far a peer is from fnn."""

    losses: list[float]
    """The peer's own, before each of the first steps."""
    loss_difference: float
    """Of the first loss, as a share of fnn's."""
    change_difference: float
    """The largest of the changes since the first loss, as a share of fnn's largest: it shows a wrong gradient."""
    logits_difference: float | None
    """The largest, as a share of fnn's largest logit; None where the library has no evaluation mode."""


class Trial(NamedTuple):
    """What a network gave from the initial weights on."""

    logits: np.ndarray | None
    """In evaluation mode, before the first step: libraries keep their running moments in different ways."""
    losses: np.ndarray


def try_out(running: Running, steps: int = STEPS) -> Trial:
    """Evaluates a network that was just built, then takes its first steps."""
    logits = None if running.infer is None else to_numpy(running.infer())
    return Trial(logits, np.array([float(running.step()) for _ in range(steps)]))


def compare(
    net: str, trials: Mapping[str, Trial], tolerance: float = TOLERANCE, change_tolerance: float = CHANGE_TOLERANCE
) -> dict[str, Agreement]:
    """Compares every peer with fnn.

    Args:
      net: the network's name, for errors.
      trials: by peer; `"fnn"` is among them.
      tolerance: how large the differences of the first loss and of the logits may be, see `Agreement`.
      change_tolerance: likewise, of the losses' changes.

    Raises:
      DisagreementError: if one is larger, or anything is not finite.
    """
    logits, losses = trials["fnn"]
    agreements = {}
    for peer, trial in trials.items():
        shown = f": {trial.losses.tolist()} in {peer}, {losses.tolist()} in fnn"
        loss = _difference(trial.losses[:1], losses[:1])
        _refuse(f"the first losses of {net}", peer, loss, tolerance, shown)
        change = _difference(trial.losses[1:] - trial.losses[0], losses[1:] - losses[0])
        _refuse(f"the changes of the loss of {net} by the first steps", peer, change, change_tolerance, shown)
        evaluated = None
        if trial.logits is not None and logits is not None:
            evaluated = _difference(trial.logits, logits)
            _refuse(f"the logits of {net} in evaluation mode", peer, evaluated, tolerance)
        agreements[peer] = Agreement(trial.losses.tolist(), loss, change, evaluated)
    return agreements


def compare_outputs(
    what: str, outputs: Mapping[str, Sequence[np.ndarray]], tolerance: float = TOLERANCE
) -> dict[str, float]:
    """Compares the outputs of every peer with fnn's.

    Args:
      what: is compared, for errors.
      outputs: by peer; `"fnn"` is among them.
      tolerance: how large a difference may be, as a share of fnn's largest value in the same output.

    Returns:
      Each peer's largest difference.

    Raises:
      DisagreementError: if one is larger, or anything is not finite.
    """
    differences = {}
    for peer, arrays in outputs.items():
        for number, (array, wanted) in enumerate(zip(arrays, outputs["fnn"], strict=True)):
            difference = _difference(array, wanted)
            _refuse(f"the values (output {number + 1}) of {what}", peer, difference, tolerance)
            differences[peer] = max(difference, differences.get(peer, 0.0))
    return differences


def to_numpy(array: Any) -> np.ndarray:
    """Returns an array of JAX or PyTorch as NumPy's."""
    return np.asarray(array.detach().cpu() if hasattr(array, "detach") else array)


def _difference(array: np.ndarray, wanted: np.ndarray) -> float:
    """Returns the largest difference as a share of the largest wanted value; not a number where one of them is not."""
    if array.shape != wanted.shape:
        return math.nan
    return float(np.abs(array - wanted).max() / max(np.abs(wanted).max(), np.finfo(np.float32).tiny))


def _refuse(what: str, peer: str, difference: float, tolerance: float, shown: str = "") -> None:
    if not difference <= tolerance:  # also where it is not a number
        raise DisagreementError(
            f"{what} differ between {peer} and fnn by {difference:.2g}, more than {tolerance:g}{shown}. "
            "Times of different computations mean nothing."
        )
