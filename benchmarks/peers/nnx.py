"""Flax NNX, its modules split once and merged inside of the compiled step, as its performance guide advises."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from benchmarks.nets import BatchNorm, Conv, Dense, Flatten, GlobalAvgPool, MaxPool, Relu, Residual
from benchmarks.peers.functional import run
from benchmarks.peers.interface import Peer, Running, Task
from benchmarks.weights import Placed


class _Residual(nnx.Module):
    def __init__(self, main: Callable[[jax.Array], jax.Array], shortcut: Callable[[jax.Array], jax.Array]):
        self.main, self.shortcut = main, shortcut

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.main(x) + self.shortcut(x)


def _module(placed: Placed, rngs: nnx.Rngs, load: bool) -> Any:
    """Makes a module, with the task's weights or with random ones."""
    match placed.layer:
        case Conv(features, kernel, strides, padding, bias):
            sides = [(padding, padding)] * 2
            window = (kernel, kernel)
            module = nnx.Conv(placed.inputs[-1], features, window, strides, padding=sides, use_bias=bias, rngs=rngs)
        case Dense(features):
            module = nnx.Linear(placed.inputs[-1], features, rngs=rngs)
        case BatchNorm():
            module = nnx.BatchNorm(placed.inputs[-1], momentum=0.9, epsilon=1e-5, rngs=rngs)
        case Relu():
            return nnx.relu
        case MaxPool(window, strides, padding):
            sides: Any = [(padding, padding)] * 2  # declared as str, but taken
            return lambda x: nnx.max_pool(x, (window, window), (strides, strides), sides)
        case GlobalAvgPool():
            return lambda x: jnp.mean(x, (1, 2))
        case Flatten():
            return lambda x: x.reshape(len(x), -1)
        case Residual():
            return _Residual(*(_module(part, rngs, load) for part in placed.parts))
        case _ if placed.parts:
            return nnx.Sequential(*(_module(part, rngs, load) for part in placed.parts))
        case _:
            return nnx.identity
    if load:
        for name, array in placed.weights.items():
            getattr(module, name)[...] = jnp.asarray(array)  # both name them alike
    return module


def build(task: Task) -> Running:
    """Builds modules, and a step around their merged call."""
    net = _module(task.net, nnx.Rngs(0), load=True)
    net.eval()
    evaluating = nnx.graphdef(net)
    net.train()
    training, params, state = nnx.split(net, nnx.Param, ...)

    def forward(params: Any, state: Any, images: jax.Array, train: bool) -> tuple[jax.Array, Any]:
        # Copied, because a BatchNorm that is used inside of a gradient cannot write to variables from outside of it.
        merged = nnx.merge(training if train else evaluating, params, state, copy=True)
        logits = merged(images)
        return logits, nnx.state(merged, nnx.Not(nnx.Param))

    return run(task, forward, params, state, lambda: nnx.state(_module(task.net, nnx.Rngs(0), load=False)))


PEER = Peer("Flax NNX", build, "flax.nnx")
