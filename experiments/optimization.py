"""What an experiment minimizes, and by what rule, by flags."""

import optax
from absl import flags

from experiments.command import FlagError
from fnn import losses, train

LOSSES = {"softmax_cross_entropy": losses.softmax_cross_entropy, "multiclass_hinge": losses.multiclass_hinge}

LOSS = flags.DEFINE_enum("loss", "softmax_cross_entropy", list(LOSSES), "What is minimized.")
OPTIMIZER = flags.DEFINE_enum("optimizer", "sgd", list(train.OPTIMIZERS), "optax's optimizer.")
LEARNING_RATE = flags.DEFINE_float("learning_rate", 0.05, "The schedule's highest learning rate.")
SCHEDULE = flags.DEFINE_enum("schedule", "warmup_cosine", list(train.SCHEDULES), "The learning rate over the run.")
MOMENTUM = flags.DEFINE_float(
    "momentum", None, "The share of the last update that is kept, for optimizers that have one; 0.9 for sgd."
)
WEIGHT_DECAY = flags.DEFINE_float("weight_decay", 0.001, "λ of the decay of kernels.")
CLIP_NORM = flags.DEFINE_float(
    "clip_norm", None, "The gradient's longest norm; longer ones are shortened to it.", lower_bound=0
)


def make_optimizer(steps: int) -> optax.GradientTransformation:
    """Makes the optimizer that the flags describe."""
    momentum = 0.9 if MOMENTUM.value is None and OPTIMIZER.value == "sgd" else MOMENTUM.value
    try:
        return train.make_optimizer(
            OPTIMIZER.value,
            LEARNING_RATE.value,
            steps,
            schedule=SCHEDULE.value,
            momentum=momentum,
            weight_decay=WEIGHT_DECAY.value,
            clip_norm=CLIP_NORM.value,
        )
    except ValueError as error:
        raise FlagError(str(error)) from error
