"""Training as pure functions: a step, a loop over epochs, an evaluation.

step(TrainState, Batch) -> TrainState, Metrics
"""

from fnn.train.evaluate import Evaluation, confusion, make_evaluate
from fnn.train.fit import Epoch, Fit, fit
from fnn.train.optimizers import OPTIMIZERS, SCHEDULES, make_optimizer, takes_momentum
from fnn.train.report import epoch_table, write_result
from fnn.train.step import AugmentFn, Batch, LossFn, Metrics, TrainState, init_train_state, make_step

__all__ = [
    "OPTIMIZERS",
    "SCHEDULES",
    "AugmentFn",
    "Batch",
    "Epoch",
    "Evaluation",
    "Fit",
    "LossFn",
    "Metrics",
    "TrainState",
    "confusion",
    "epoch_table",
    "fit",
    "init_train_state",
    "make_evaluate",
    "make_optimizer",
    "make_step",
    "takes_momentum",
    "write_result",
]
