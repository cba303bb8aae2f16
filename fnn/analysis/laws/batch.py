"""The law of the batch: examples do not see each other."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fnn.analysis.laws.law import BrokenError, Law, NotApplicableError, difference_of, is_floating, name_of
from fnn.analysis.laws.subject import Subject
from fnn.intermediates import Passage


def _examples_do_not_leak(subject: Subject) -> None:
    size = subject.batch()
    if size < 2:
        raise NotApplicableError("the batch holds one example; give at least 2")
    for mode in subject.modes:
        if mode == "train" and len(subject.modes) == 2 and subject.options.batch_dependent:
            continue  # what a layer that normalizes over the batch is for
        y, _ = subject.outcome[mode]
        for path, leaf in jax.tree.leaves_with_path(y):
            if np.shape(leaf)[:1] != (size,):
                raise BrokenError(
                    f"{subject.in_words(mode)} must give one output an example, {size} along the first axis, but "
                    f"{name_of(path, 'y')} has shape {np.shape(leaf)}.{_HINT}"
                )
        _require_apart(subject, mode, y, size)
    _require_order_is_free(subject)


def _require_apart(subject: Subject, mode: str, y: Any, size: int) -> None:
    """Replaces the first and the last example, and looks at the others."""
    for place in (0, size - 1):
        x = _replaced(subject.x, subject.other_x, place)
        got, _ = subject.ran(x)[mode]
        others = np.delete(np.arange(size), place)

        def rest(tree: Any, others: np.ndarray = others) -> Any:
            return jax.tree.map(lambda leaf: np.asarray(leaf)[others], tree)

        if difference := difference_of(rest(got), rest(y), 1e-6):

            def mixes(before: Passage, after: Passage) -> bool:
                batched = all(np.shape(leaf)[:1] == (size,) for leaf in jax.tree.leaves((before, after)))
                return not batched or bool(difference_of(rest(after.y), rest(before.y), 1e-6))

            raise BrokenError(
                f"{subject.in_words(mode)}, example {place} of the batch changed what became of another: once "
                f"it is replaced, {difference}" + subject.culprit(mixes, subject.x, x, train=mode == "train") + _HINT
            )


def _require_order_is_free(subject: Subject) -> None:
    """Moves each example on by one place, in evaluation: the outputs must move with it."""
    mode = subject.modes[0]
    x = jax.tree.map(lambda leaf: jnp.asarray(np.roll(np.asarray(leaf), 1, 0)), subject.x)
    turned = jax.tree.map(lambda leaf: np.roll(np.asarray(leaf), 1, 0), subject.outcome[mode][0])
    if difference := difference_of(subject.ran(x)[mode][0], turned, subject.tolerance):
        raise BrokenError(
            f"{subject.in_words(mode)}, an example's place in the batch changed what became of it: {difference}"
        )


def _replaced(x: Any, other: Any, place: int) -> Any:
    """`x` with one example of `other`, ten times as large; examples without floats as they are."""

    def replace(a: jax.Array, b: jax.Array) -> jax.Array:
        if not is_floating(a):
            return a
        replaced = np.array(a)
        replaced[place] = 10 * np.asarray(b)[place]
        return jnp.asarray(replaced)

    return jax.tree.map(replace, x, other)


_HINT = " A layer that looks at its batch in training on purpose, as BatchNorm, is told: batch_dependent=True."

LAWS = (
    Law(
        "examples do not see each other",
        "A prediction must not depend on what else was asked, and a gradient is a mean over independent examples.",
        _examples_do_not_leak,
    ),
)
