"""Haiku."""

from typing import Any

import haiku
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.nets import BatchNorm, Conv, Dense, Flatten, GlobalAvgPool, MaxPool, Relu, Residual
from benchmarks.peers.functional import run
from benchmarks.peers.interface import Peer, Running, Task
from benchmarks.weights import Placed, leaves

_ENTRY = {"kernel": "w", "bias": "b"}


def _apply(placed: Placed, x: jax.Array, train: bool) -> jax.Array:
    """Applies a layer inside of a transformed function, where making a module adds it to the network."""
    name = placed.name
    match placed.layer:
        case Conv(features, kernel, strides, padding, bias):
            sides = [(padding, padding)] * 2
            return haiku.Conv2D(features, kernel, strides, padding=sides, with_bias=bias, name=name)(x)
        case Dense(features):
            return haiku.Linear(features, name=name)(x)
        case BatchNorm():
            return haiku.BatchNorm(True, True, decay_rate=0.9, eps=1e-5, name=name)(x, is_training=train)
        case Relu():
            return jax.nn.relu(x)
        case MaxPool(window, strides, padding):
            if padding:  # which haiku.max_pool takes only as "SAME" or "VALID"
                edge = (padding, padding)
                x = jnp.pad(x, ((0, 0), edge, edge, (0, 0)), constant_values=-np.inf)
            return haiku.max_pool(x, (window, window, 1), (strides, strides, 1), "VALID")
        case GlobalAvgPool():
            return jnp.mean(x, (1, 2))
        case Flatten():
            return haiku.Flatten()(x)
        case Residual():
            main, shortcut = (_apply(part, x, train) for part in placed.parts)
            return main + shortcut
        case _:
            for part in placed.parts:
                x = _apply(part, x, train)
            return x


def _load(task: Task) -> tuple[Any, Any]:
    """Returns parameters and state under Haiku's names; its moments have four axes and count their updates."""
    params, state = {}, {}
    for leaf in leaves(task.net):
        if isinstance(leaf.layer, BatchNorm):
            wide = {name: array.reshape(1, 1, 1, -1) for name, array in leaf.weights.items()}
            params[leaf.name] = {"scale": wide["scale"], "offset": wide["bias"]}
            for moment in ("mean", "var"):
                state[f"{leaf.name}/~/{moment}_ema"] = {
                    "counter": np.int32(0),
                    "hidden": np.zeros_like(wide[moment]),
                    "average": wide[moment],
                }
        else:
            params[leaf.name] = {_ENTRY[name]: array for name, array in leaf.weights.items()}
    return params, state


def build(task: Task) -> Running:
    """Transforms one function, and builds a step around its `apply`."""
    net = haiku.transform_with_state(lambda images, train: _apply(task.net, images, train))

    def forward(params: Any, state: Any, images: jax.Array, train: bool) -> tuple[jax.Array, Any]:
        return net.apply(params, state, None, images, train)

    init = jax.jit(lambda key: net.init(key, jnp.asarray(task.images[:1]), True))
    return run(task, forward, *_load(task), lambda: init(jax.random.key(0)))


PEER = Peer("Haiku", build, "haiku")
