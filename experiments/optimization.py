"""What an experiment minimizes, and by what rule, by flags."""

from collections.abc import Mapping
from typing import Any

import optax
from absl import flags

from experiments import ranges
from experiments.command import FlagError
from fnn import losses, train

LOSSES = {"softmax_cross_entropy": losses.softmax_cross_entropy, "multiclass_hinge": losses.multiclass_hinge}

LOSS = flags.DEFINE_enum("loss", "softmax_cross_entropy", list(LOSSES), "What is minimized.")
OPTIMIZER = flags.DEFINE_enum("optimizer", "sgd", list(train.OPTIMIZERS), "optax's optimizer.")
LEARNING_RATE = ranges.floats("learning_rate", 0.05, "The schedule's highest learning rate.")
SCHEDULE = flags.DEFINE_enum("schedule", "warmup_cosine", list(train.SCHEDULES), "The learning rate over the run.")
MOMENTUM = ranges.floats(
    "momentum", None, "The share of the last update that is kept, for optimizers that have one; 0.9 for sgd."
)
WEIGHT_DECAY = ranges.floats("weight_decay", 0.001, "λ of the decay of kernels.")
CLIP_NORM = ranges.floats(
    "clip_norm", None, "The gradient's longest norm; longer ones are shortened to it.", lower_bound=0
)
ACCUMULATE = flags.DEFINE_integer(
    "accumulate", 1, "Over how many steps gradients are averaged before one update is made of them.", lower_bound=1
)
LABEL_SMOOTHING = flags.DEFINE_float(
    "label_smoothing", 0.0, "The share of each training label that is spread over all classes.", lower_bound=0
)
AVERAGE = flags.DEFINE_float(
    "average",
    None,
    "Keep a moving average of the parameters, of which each step keeps this share, such as 0.999; it is what is judged "
    "and written.",
    lower_bound=0,
)
EARLY_STOPPING = flags.DEFINE_integer(
    "early_stopping",
    None,
    "End after so many epochs in a row whose validation accuracy was not the best, and take what the best one left.",
    lower_bound=1,
)

HYPERPARAMETERS = (LEARNING_RATE, WEIGHT_DECAY, MOMENTUM, CLIP_NORM)
"""What may have several values where an experiment trains a grid."""


def hyperparameters() -> dict[str, tuple[Any, ...]]:
    """Returns all values of each hyperparameter by flag."""
    return {flag.name: ranges.several(flag.value) for flag in HYPERPARAMETERS}


def make_optimizer(
    steps: int, chosen: Mapping[str, Any] | None = None, rate: optax.Schedule | None = None
) -> optax.GradientTransformation:
    """Makes the optimizer that the flags describe.

    Args:
      steps: how many steps the run takes.
      chosen: by flag, the hyperparameters whose flags have several values; numbers, or traced ones.
      rate: a schedule instead of the flags' one, of which each step is an update.

    Raises:
      FlagError: if a flag has several values and none is chosen, or one cannot be.
    """
    values = hyperparameters() | {name: (value,) for name, value in (chosen or {}).items()}
    for name, found in values.items():
        if len(found) > 1:
            raise FlagError(f"--{name}: one number here; `python -m experiments.classify` trains several at once")
    learning_rate, weight_decay, momentum, clip_norm = (values[flag.name][0] for flag in HYPERPARAMETERS)
    try:
        return train.make_optimizer(
            OPTIMIZER.value,
            learning_rate if rate is None else rate,
            steps,
            schedule=SCHEDULE.value,
            momentum=0.9 if momentum is None and OPTIMIZER.value == "sgd" else momentum,
            weight_decay=weight_decay,
            clip_norm=clip_norm,
            accumulate=ACCUMULATE.value if rate is None else 1,
        )
    except ValueError as error:
        raise FlagError(str(error)) from error


def check_judging(validation: object) -> None:
    """Raises `FlagError` unless what is judged, and by what, fits: `validation` is the validation split, if any."""
    if EARLY_STOPPING.value is not None and validation is None:
        raise FlagError("--early_stopping needs validation samples to judge by; see --validation_split and --fold")
    if AVERAGE.value is not None and AVERAGE.value >= 1:
        raise FlagError(f"--average: what each step keeps must be from 0 up to, not including, 1, got {AVERAGE.value}")
