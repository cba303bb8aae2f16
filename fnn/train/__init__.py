"""Training as pure functions: a step, a loop over epochs, an evaluation.

step(TrainState, Batch) -> TrainState, Metrics
"""

from fnn.train import checkpoint, metrics_log
from fnn.train.course import Epoch
from fnn.train.evaluate import Evaluation, confusion, make_evaluate
from fnn.train.fit import Fit, fit
from fnn.train.health import LayerHealth, examine, findings
from fnn.train.interrupt import Interrupted
from fnn.train.keeping import Checkpoints
from fnn.train.many import Many, Model, Trained, fit_many, mean_probabilities
from fnn.train.memory import compiler_options, keep_memory
from fnn.train.nonfinite import Blame, first_nonfinite
from fnn.train.optimizers import OPTIMIZERS, SCHEDULES, make_optimizer, takes_momentum
from fnn.train.overfit import Overfit, choose_samples, overfit_batch
from fnn.train.range_test import RangeTest, range_test
from fnn.train.report import epoch_table, write_result
from fnn.train.step import (
    AugmentFn,
    Batch,
    LossFn,
    LossScale,
    Metrics,
    OnNonfinite,
    TrainState,
    init_train_state,
    make_step,
)
from fnn.train.transfer import by_part, matching, starting_from, take

__all__ = [
    "OPTIMIZERS",
    "SCHEDULES",
    "AugmentFn",
    "Batch",
    "Checkpoints",
    "Blame",
    "Epoch",
    "Evaluation",
    "Fit",
    "Interrupted",
    "LayerHealth",
    "LossFn",
    "LossScale",
    "Many",
    "Metrics",
    "Model",
    "OnNonfinite",
    "Overfit",
    "RangeTest",
    "TrainState",
    "Trained",
    "by_part",
    "checkpoint",
    "choose_samples",
    "compiler_options",
    "confusion",
    "epoch_table",
    "examine",
    "findings",
    "first_nonfinite",
    "fit",
    "fit_many",
    "init_train_state",
    "keep_memory",
    "make_evaluate",
    "make_optimizer",
    "make_step",
    "matching",
    "mean_probabilities",
    "metrics_log",
    "starting_from",
    "take",
    "overfit_batch",
    "range_test",
    "takes_momentum",
    "write_result",
]
