"""Laws of evaluation and training: what each mode may change and what it needs."""

from typing import Any

import jax

from fnn.analysis.laws.law import BrokenError, Law, difference_of, require_same, shapes_of
from fnn.analysis.laws.subject import Subject


def _evaluation_repeats_itself(subject: Subject) -> None:
    def evaluated(key: jax.Array | None) -> Any:
        return subject.layer.apply(subject.params, subject.state, subject.x, train=False, key=key)[0]

    one = subject.eager[subject.modes[0]][0]
    require_same(evaluated(None), one, 0, "evaluation called twice must give the same")
    require_same(evaluated(subject.other_key), one, 0, "evaluation must give the same with a key as without")


def _evaluation_keeps_state(subject: Subject) -> None:
    for made in (subject.eager, subject.outcome):
        _, after = made[subject.modes[0]]
        require_same(after, subject.state, 0, "evaluation must return the state as it came")


def _training_keeps_form(subject: Subject) -> None:
    _, state = subject.initial
    for _ in range(2):  # the second step is given what the first one made
        _, after = subject.run(subject.params, state, subject.x, subject.key)["train"]
        if shapes_of(after) != shapes_of(state):
            raise BrokenError(
                "training must return state of the structure, shapes and dtypes that it was given, but "
                + (difference_of(after, state, float("inf")) or "they differ.")
            )
        state = after


def _key_only_where_random(subject: Subject) -> None:
    other = subject.run(subject.params, subject.state, subject.x, subject.other_key)["train"]
    random = bool(difference_of(other, subject.outcome["train"], 0))
    try:
        subject.abstract(subject.x, train=True, key=False)
    except Exception as error:
        if not random:
            raise BrokenError(f"training without a key failed, though nothing in it is random: {error}") from error
        if not isinstance(error, ValueError) or "key" not in str(error):
            raise BrokenError(
                "training without a key must raise a ValueError that asks for one, but raised "
                f"{type(error).__name__}: {error}"
            ) from error
        return
    if random:
        raise BrokenError("training is random but did not ask for a key when it was given none: raise a ValueError.")


_FORM = Law(
    "training keeps the state's form",
    "A step is compiled once and scanned over; a state that changes shape or dtype cannot be carried.",
    _training_keeps_form,
)

LAWS = (
    Law(
        "evaluation is deterministic",
        "A test accuracy that changes when it is measured again is none.",
        _evaluation_repeats_itself,
    ),
    Law(
        "evaluation leaves the state alone",
        "Otherwise the order of the test samples decides the result.",
        _evaluation_keeps_state,
    ),
    _FORM,
    Law(
        "training asks for a key only where it is random",
        "A key that is forgotten must be an error, and one that is not needed no burden.",
        _key_only_where_random,
    ),
)

SHAPE_LAWS = (_FORM,)
"""Those that are also examined at every shape."""
