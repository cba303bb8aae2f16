"""Flax Linen."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen

from benchmarks.nets import BatchNorm, Conv, Dense, Flatten, GlobalAvgPool, MaxPool, Relu, Residual
from benchmarks.peers.functional import run
from benchmarks.peers.interface import Peer, Running, Task
from benchmarks.weights import Placed, leaves, parameters, running_moments


class _Net(linen.Module):
    placed: Placed

    @linen.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        return _apply(self.placed, x, train)


def _apply(placed: Placed, x: jax.Array, train: bool) -> jax.Array:
    """Applies a layer inside of `_Net.__call__`, where making a module adds it to the network."""
    name = placed.name
    match placed.layer:
        case Conv(features, kernel, strides, padding, bias):
            sides = [(padding, padding)] * 2
            return linen.Conv(features, (kernel, kernel), strides, sides, use_bias=bias, name=name)(x)
        case Dense(features):
            return linen.Dense(features, name=name)(x)
        case BatchNorm():
            return linen.BatchNorm(not train, momentum=0.9, epsilon=1e-5, name=name)(x)
        case Relu():
            return linen.relu(x)
        case MaxPool(window, strides, padding):
            sides: Any = [(padding, padding)] * 2  # declared as str, but taken
            return linen.max_pool(x, (window, window), (strides, strides), sides)
        case GlobalAvgPool():
            return jnp.mean(x, (1, 2))
        case Flatten():
            return x.reshape(len(x), -1)
        case Residual():
            main, shortcut = (_apply(part, x, train) for part in placed.parts)
            return main + shortcut
        case _:
            for part in placed.parts:
                x = _apply(part, x, train)
            return x


def build(task: Task) -> Running:
    """Builds one compact module, and a step around its `apply`."""
    net = _Net(task.net)

    def forward(params: Any, state: Any, images: jax.Array, train: bool) -> tuple[jax.Array, Any]:
        variables = {"params": params, "batch_stats": state}
        if not train:
            return net.apply(variables, images, train=False), state  # pyright: ignore[reportReturnType]
        logits, updated = net.apply(variables, images, train=True, mutable=["batch_stats"])
        return logits, updated.get("batch_stats", {})

    named = leaves(task.net)
    params = {leaf.name: parameters(leaf) for leaf in named}
    state = {leaf.name: running_moments(leaf) for leaf in named if running_moments(leaf)}
    init = jax.jit(lambda key: net.init(key, jnp.asarray(task.images[:1]), train=False))
    return run(task, forward, params, state, lambda: init(jax.random.key(0)))


PEER = Peer("Flax Linen", build, "flax.linen")
