"""optax's optimizers and schedules by name, as flags need them."""

import inspect
from collections.abc import Callable
from typing import Any

import optax

from fnn.losses import kernels_of

OPTIMIZERS: dict[str, Callable[..., optax.GradientTransformation]] = {
    "sgd": optax.sgd,
    "adam": optax.adam,
    "adamw": optax.adamw,
    "nadam": optax.nadam,
    "radam": optax.radam,
    "adabelief": optax.adabelief,
    "adagrad": optax.adagrad,
    "rmsprop": optax.rmsprop,
    "lamb": optax.lamb,
    "lion": optax.lion,
}
"""Optimizers by name, each optax's own function of a learning rate."""

SCHEDULES: dict[str, Callable[[Any, int], optax.Schedule]] = {
    "constant": lambda peak, _: optax.constant_schedule(peak),
    "cosine": lambda peak, steps: optax.cosine_decay_schedule(peak, steps),
    "warmup_cosine": lambda peak, steps: optax.warmup_cosine_decay_schedule(
        0.0, peak, max(steps // 10, 1), max(steps, 2)
    ),
    "linear": lambda peak, steps: optax.linear_schedule(peak, 0.0, steps),
    "exponential": lambda peak, steps: optax.exponential_decay(peak, steps, 0.01),
    "step": lambda peak, steps: optax.piecewise_constant_schedule(
        peak, {max(steps // 2, 1): 0.1, max(steps * 3 // 4, 2): 0.1}
    ),
}
"""Learning rates over a run of `steps` steps that begins or peaks at `peak`.

`cosine` falls to zero (Loshchilov & Hutter 2016, arXiv 1608.03983, eq. 5), `warmup_cosine` rises over the first tenth,
`linear` falls to zero, `exponential` to a hundredth, `step` to a tenth at half and again at three quarters of the run.
"""


def takes_momentum(name: str) -> bool:
    """Says whether an optimizer has a momentum to set (Adam and its kin have their own two moments)."""
    return "momentum" in inspect.signature(OPTIMIZERS[name]).parameters


def make_optimizer(
    name: str,
    learning_rate: Any,
    steps: int,
    *,
    schedule: str = "constant",
    momentum: Any = None,
    weight_decay: Any = 0.0,
    clip_norm: Any = None,
    accumulate: int = 1,
) -> optax.GradientTransformation:
    """Makes an optimizer from the words of an experiment's flags.

    The learning rate, the momentum, the decay and the norm may each be a traced number, as of many models at once; only
    what is no tracer is checked.

    Args:
      name: a key of `OPTIMIZERS`.
      learning_rate: the schedule's peak; or a schedule of its own, `(update) -> rate`.
      steps: how many steps the run takes.
      schedule: a key of `SCHEDULES`.
      momentum: the share of the last update that is kept, where the optimizer has such a thing.
      weight_decay: λ. Only kernels decay. Optimizers that decouple decay from the gradient (adamw, lamb, lion) do
        (Loshchilov & Hutter 2017, arXiv 1711.05101); for the others λW is added to the gradient, as for a loss with
        `½ λ Σ W²`.
      clip_norm: if given, a gradient whose norm over all parameters is longer is shortened to it (Pascanu et al. 2012,
        arXiv 1211.5063, algorithm 1), before anything is added to it.
      accumulate: over how many steps gradients are averaged before one update is made of them, as of a batch so many
        times larger. Steps after the last whole group are without effect.

    Raises:
      ValueError: if a name is unknown, a number is out of range, or momentum is given to an optimizer without.
    """
    if name not in OPTIMIZERS:
        raise ValueError(f"no optimizer is called {name!r}; choose one of {', '.join(OPTIMIZERS)}.")
    if schedule not in SCHEDULES:
        raise ValueError(f"no schedule is called {schedule!r}; choose one of {', '.join(SCHEDULES)}.")
    if (_known(learning_rate) and not 0 < learning_rate < float("inf")) or (
        _known(weight_decay) and not 0 <= weight_decay < float("inf")
    ):
        raise ValueError(
            f"the learning rate must be positive and the weight decay not negative, both finite, got {learning_rate} "
            f"and {weight_decay}."
        )
    if _known(clip_norm) and not 0 < clip_norm < float("inf"):
        raise ValueError(f"the norm to which gradients are clipped must be positive and finite, got {clip_norm}.")
    options = {}
    if momentum is not None:
        if not takes_momentum(name):
            able = ", ".join(other for other in OPTIMIZERS if takes_momentum(other))
            raise ValueError(f"{name} takes no momentum; {able} do.")
        if _known(momentum) and not 0 <= momentum < 1:
            raise ValueError(f"the momentum must be from 0 up to, not including, 1, got {momentum}.")
        options["momentum"] = momentum
    decoupled = "mask" in inspect.signature(OPTIMIZERS[name]).parameters
    if decoupled:
        options |= {"weight_decay": weight_decay, "mask": kernels_of}
    if accumulate < 1:
        raise ValueError(f"gradients are accumulated over at least 1 step, got {accumulate}.")
    rate = learning_rate if callable(learning_rate) else _rate(learning_rate, schedule, max(steps // accumulate, 1))
    optimizer = OPTIMIZERS[name](rate, **options)
    if not decoupled and (not _known(weight_decay) or weight_decay):
        optimizer = optax.chain(optax.add_decayed_weights(weight_decay, mask=kernels_of), optimizer)
    if clip_norm is not None:
        optimizer = optax.chain(optax.clip_by_global_norm(clip_norm), optimizer)
    return optimizer if accumulate == 1 else optax.MultiSteps(optimizer, accumulate).gradient_transformation()


def _known(number: Any) -> bool:
    """Says whether a hyperparameter is a number of Python's, not left out and not a traced one."""
    return isinstance(number, int | float)


def _rate(peak: Any, schedule: str, updates: int) -> optax.Schedule:
    make_schedule = SCHEDULES[schedule]
    if _known(peak):
        return make_schedule(peak, updates)
    shape = make_schedule(1.0, updates)  # optax asks a peak whether it is zero, which a traced one cannot say
    return lambda count: peak * shape(count)
