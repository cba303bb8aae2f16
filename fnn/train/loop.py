"""The loop over steps and epochs: where a run is saved, interrupted, and stopped at a step that is not finite."""

import time
from collections.abc import Callable, Iterable
from typing import Any

import jax
import numpy as np

from fnn.train.course import Course, Epoch, NonfiniteError
from fnn.train.evaluate import Evaluation
from fnn.train.interrupt import Interrupted, Signals
from fnn.train.keeping import Keeper
from fnn.train.step import TrainState
from fnn.train.stretch import Pace, Supply


def run_epochs(
    course: Course,
    epochs: int,
    *,
    stretch: Callable[[TrainState, Supply, int, int], tuple[TrainState, jax.Array]],
    supplies: Callable[[range], Iterable[tuple[Supply, int]]],
    judge: Callable[[TrainState], Evaluation] | None,
    keeper: Keeper | None,
    signals: Signals,
    agree: Callable[..., np.ndarray],
    on_steps: Callable[[int], Any],
    on_epoch: Callable[[Epoch], None] | None,
    patience: int | None = None,
) -> None:
    """Runs a course from where it is to the end of an epoch, and leaves it saved.

    Args:
      course: what is moved on.
      epochs: how many there are in all.
      stretch: several steps, compiled, as `make_stretch` makes them.
      supplies: yields what the steps of a range read, in order, and where in it they begin.
      judge: evaluates on the validation split, if there is one.
      keeper: keeps the checkpoints, if any.
      signals: those that came.
      agree: says what each of several processes says, `(processes, numbers)`.
      on_steps: called with their number after some steps were taken.
      on_epoch: called after each epoch.
      patience: the run ends after so many epochs in a row that were not the best.

    Raises:
      NonfiniteError: at a step that ends the run; the course stands before it.
      Interrupted: after a signal.
    """
    pace = Pace()
    try:
        while len(course.history) < epochs and (patience is None or (course.epochs_since_best() or 0) < patience):
            start = time.perf_counter()
            for supply, at in supplies(course.rest_of_epoch()):
                while at < supply.steps:
                    most = min(pace.steps, keeper.steps_until_due(course.step)) if keeper else pace.steps
                    count = min(most, supply.steps - at)
                    began = time.perf_counter()
                    _advance(course, stretch, supply, at, at + count)
                    pace.took(count, time.perf_counter() - began)
                    at += count
                    on_steps(count)
                    said = agree(signals.signum, bool(keeper and keeper.is_due(course.step)), pace.steps)
                    if said[:, 0].any():
                        raise Interrupted(int(said[:, 0].max()))
                    _, due, pace.steps = said[0].tolist()
                    if keeper and due:
                        keeper.save(course)
            loss, accuracy, skipped = course.means()
            judged = judge(course.train_state) if judge else None
            of_validation = (judged.loss, judged.accuracy) if judged else (None, None)
            seconds = time.perf_counter() - start
            best = course.close(Epoch(len(course.history) + 1, loss, accuracy, *of_validation, seconds, skipped))
            if keeper and best:
                keeper.remember_best(course)
            if on_epoch is not None:
                on_epoch(course.history[-1])
    except Interrupted as interruption:
        _save(keeper, course)
        raise Interrupted(interruption.signum, f"{interruption}; saved after {course.step} steps") from None
    except NonfiniteError:
        _save(keeper, course)
        raise
    _save(keeper, course)


def _advance(course: Course, stretch: Callable[..., Any], supply: Supply, start: int, stop: int) -> None:
    """Takes the steps from `start` to before `stop`; those before one that ends the run are taken a second time."""
    after, measured = stretch(course.train_state, supply, start, stop)
    rows = np.asarray(measured)[start:stop]
    if course.halts and not rows[:, -1].all():
        good = int(np.argmin(rows[:, -1]))
        if good:
            after, _ = stretch(course.train_state, supply, start, start + good)
            course.add(after, rows[:good])
        raise NonfiniteError(course.step)
    course.add(after, rows)


def _save(keeper: Keeper | None, course: Course) -> None:
    if keeper:
        keeper.save(course)
        keeper.finish()
