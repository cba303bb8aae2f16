"""fnn, with its own training step."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

import fnn
from benchmarks.nets import BatchNorm, Conv, Dense, Flatten, GlobalAvgPool, MaxPool, Relu, Residual
from benchmarks.peers.functional import running
from benchmarks.peers.interface import Peer, Running, Task
from benchmarks.weights import Placed, parameters, running_moments
from fnn import train


def _layer(placed: Placed) -> tuple[fnn.Layer, Any, Any]:
    """Returns a layer with the parameters and the state that fill it."""
    own = parameters(placed), running_moments(placed)
    match placed.layer:
        case Conv(features, kernel, strides, padding, bias):
            return fnn.Conv(features, kernel, strides=strides, padding=padding, bias=bias), *own
        case Dense(features):
            return fnn.Dense(features), *own
        case BatchNorm():
            return fnn.BatchNorm(), *own
        case MaxPool(window, strides, padding):
            return fnn.MaxPool(window, strides=strides, padding=padding), *own
        case GlobalAvgPool():
            return fnn.GlobalAvgPool, *own
        case Flatten():
            return fnn.Flatten, *own
        case Relu():
            return fnn.Relu, *own
        case Residual():
            main, shortcut = map(_layer, placed.parts)
            built = {"body": main, "shortcut": shortcut}
            return fnn.residual(main[0], shortcut[0]), *_trees(built)
        case _:
            built = {f"layer{number}": _layer(part) for number, part in enumerate(placed.parts)}
            layer = fnn.serial(**{name: layer for name, (layer, _, _) in built.items()}) if built else fnn.Identity
            return layer, *_trees(built)


def _trees(built: dict[str, tuple[fnn.Layer, Any, Any]]) -> tuple[Any, Any]:
    """Collects parameters and state by name; a layer without any contributes no entry."""
    params = {name: params for name, (_, params, _) in built.items() if params}
    state = {name: state for name, (_, _, state) in built.items() if state}
    return params, state


def build(task: Task) -> Running:
    """Builds the network with `fnn.serial` and `fnn.residual`, and its step as `fit` does."""
    net, params, state = _layer(task.net)
    batch = train.Batch(jnp.asarray(task.images), jnp.asarray(task.labels))
    optimizer = optax.sgd(task.learning_rate, task.momentum)
    params, state = jax.tree.map(jnp.asarray, (params, state))
    train_state = train.TrainState(params, state, optimizer.init(params), jnp.int32(0), jax.random.key(0))
    step = train.make_step(net, optimizer, fnn.losses.softmax_cross_entropy)
    options = train.compiler_options(step, train_state, batch)
    compiled = jax.jit(step, donate_argnums=0, compiler_options=options)
    infer = jax.jit(lambda params, state, images: net.apply(params, state, images, train=False)[0])
    init = jax.jit(lambda key: net.init(key, batch.images))

    def next_step(train_state: train.TrainState, *batch: jax.Array) -> tuple[train.TrainState, jax.Array]:
        train_state, metrics = compiled(train_state, train.Batch(*batch))
        return train_state, metrics.loss

    return running(next_step, infer, train_state, batch, lambda: init(jax.random.key(0)))


PEER = Peer("fnn", build, "fnn")
