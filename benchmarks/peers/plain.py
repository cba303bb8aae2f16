"""JAX without a library: `lax` as one writes it by hand, parameters in a dict by layer."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks.nets import BatchNorm, Conv, Dense, Flatten, GlobalAvgPool, MaxPool, Relu, Residual
from benchmarks.peers.functional import run
from benchmarks.peers.interface import Peer, Running, Task
from benchmarks.weights import Placed, leaves, parameters, running_moments

_KEEP, _EPSILON = 0.9, 1e-5


def _apply(placed: Placed, params: Any, state: Any, x: jax.Array, train: bool) -> tuple[jax.Array, Any]:
    own = params.get(placed.name, {})
    match placed.layer:
        case Conv(_, _, strides, padding, bias):
            y = lax.conv_general_dilated(
                x, own["kernel"], (strides,) * 2, [(padding, padding)] * 2, dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
            return y + own["bias"] if bias else y, {}
        case Dense():
            return x @ own["kernel"] + own["bias"], {}
        case BatchNorm():
            moments = state[placed.name]
            if not train:
                return _standardize(x, moments["mean"], moments["var"], own), {}
            mean, var = jnp.mean(x, (0, 1, 2)), jnp.var(x, (0, 1, 2))
            new = {"mean": mean, "var": var}
            kept = jax.tree.map(lambda old, batch: _KEEP * old + (1 - _KEEP) * batch, moments, new)
            return _standardize(x, mean, var, own), {placed.name: kept}
        case Relu():
            return jnp.maximum(x, 0), {}
        case MaxPool(window, strides, padding):
            edge = (padding, padding)
            sides = (1, window, window, 1), (1, strides, strides, 1), ((0, 0), edge, edge, (0, 0))
            return lax.reduce_window(x, -np.inf, lax.max, *sides), {}
        case GlobalAvgPool():
            return jnp.mean(x, (1, 2)), {}
        case Flatten():
            return x.reshape(len(x), -1), {}
        case Residual():
            (main, new_main), (shortcut, new_shortcut) = (_apply(p, params, state, x, train) for p in placed.parts)
            return main + shortcut, new_main | new_shortcut
        case _:
            new_state = {}
            for part in placed.parts:
                x, new = _apply(part, params, state, x, train)
                new_state |= new
            return x, new_state


def _standardize(x: jax.Array, mean: jax.Array, var: jax.Array, own: dict[str, jax.Array]) -> jax.Array:
    return (x - mean) * lax.rsqrt(var + _EPSILON) * own["scale"] + own["bias"]


def _init(placed: Placed, key: jax.Array) -> tuple[Any, Any]:
    """Makes He-normal kernels, and scales of 1 and biases of 0."""
    params, state = {}, {}
    for leaf in leaves(placed):
        shapes = {name: array.shape for name, array in leaf.weights.items()}
        own = {name: jnp.ones(shapes[name]) if name == "scale" else jnp.zeros(shapes[name]) for name in shapes}
        if "kernel" in own:
            key, used = jax.random.split(key)
            fan_in = math.prod(shapes["kernel"][:-1])
            own["kernel"] = jax.random.normal(used, shapes["kernel"]) * math.sqrt(2 / fan_in)
        if "mean" in own:
            state[leaf.name] = {"mean": own.pop("mean"), "var": own.pop("var") + 1}
        params[leaf.name] = own
    return params, state


def build(task: Task) -> Running:
    """Interprets the description with `lax` functions."""
    named = leaves(task.net)
    params = {leaf.name: parameters(leaf) for leaf in named}
    state = {leaf.name: running_moments(leaf) for leaf in named if running_moments(leaf)}
    init = jax.jit(lambda key: _init(task.net, key))
    return run(
        task,
        lambda params, state, images, train: _apply(task.net, params, state, images, train),
        params,
        state,
        lambda: init(jax.random.key(0)),
    )


PEER = Peer("plain JAX", build, "jax")
