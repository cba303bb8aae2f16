"""The loop over steps and epochs: where a run is saved, interrupted, and stopped at a step that is not finite."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import jax

from fnn.train.course import Course, Epoch, NonfiniteError
from fnn.train.evaluate import Evaluation
from fnn.train.interrupt import Interrupted
from fnn.train.keeping import Keeper
from fnn.train.step import Batch, TrainState


def run_epochs(
    course: Course,
    epochs: int,
    *,
    step: Callable[..., tuple[TrainState, jax.Array, jax.Array]],
    batches: Callable[[range], Iterator[tuple[jax.Array, jax.Array]]],
    judge: Callable[[TrainState], Evaluation] | None,
    keeper: Keeper | None,
    pause: Callable[[], None],
    on_step: Callable[[], Any],
    on_epoch: Callable[[Epoch], None] | None,
) -> None:
    """Runs a course from where it is to the end of an epoch, and leaves it saved.

    Args:
      course: what is moved on.
      epochs: how many there are in all.
      step: the compiled step, `(train_state, batch, go) -> (train_state, finite, measured)`.
      batches: yields images and labels of the steps in a range.
      judge: evaluates on the validation split, if there is one.
      keeper: keeps the checkpoints, if any.
      pause: raises `Interrupted` if a signal came.
      on_step: called after each step.
      on_epoch: called after each epoch.

    Raises:
      NonfiniteError: at a step that ends the run; the course stands before it.
      Interrupted: after a signal.
    """
    try:
        while len(course.history) < epochs:
            start = time.perf_counter()
            go: Any = True
            for images, labels in batches(course.rest_of_epoch()):
                train_state, finite, measured = step(course.train_state, Batch(images, labels), go)
                go = finite if course.halts else True
                course.add(train_state, measured)
                on_step()
                pause()
                if keeper and keeper.is_due(course.step):
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
    except NonfiniteError as bad:
        course.go_back(bad.step)
        _save(keeper, course)
        raise
    _save(keeper, course)


def _save(keeper: Keeper | None, course: Course) -> None:
    if keeper:
        keeper.save(course)
        keeper.finish()
