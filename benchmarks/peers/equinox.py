"""Equinox: channels first, one example at a time under `vmap`, whose axis BatchNorm is told."""

from typing import Any

import equinox
import jax
import jax.numpy as jnp
from equinox import nn

from benchmarks.nets import BatchNorm, Conv, Dense, Flatten, GlobalAvgPool, MaxPool, Relu, Residual
from benchmarks.peers.functional import run
from benchmarks.peers.interface import Peer, Running, Task
from benchmarks.weights import Placed, channels_first_kernel

_AXIS = "batch"


class _Residual(nn.StatefulLayer):
    main: nn.Sequential
    shortcut: nn.Sequential

    def __call__(self, x: jax.Array, state: nn.State, *, key: jax.Array | None = None) -> tuple[jax.Array, nn.State]:
        del key
        main, state = self.main(x, state)
        shortcut, state = self.shortcut(x, state)
        return main + shortcut, state


def _module(placed: Placed, key: jax.Array, load: bool) -> Any:
    """Makes a module, with the task's weights or with random ones."""
    channels = placed.inputs[-1]
    match placed.layer:
        case Conv(features, kernel, strides, padding, bias):
            module = nn.Conv2d(channels, features, kernel, strides, padding, use_bias=bias, key=key)
        case Dense(features):
            module = nn.Linear(channels, features, key=key)
        case BatchNorm():
            module = nn.BatchNorm(channels, _AXIS, momentum=0.9, eps=1e-5, mode="batch")
            return _load_batch_norm(module, placed) if load else module
        case Relu():
            return nn.Lambda(jax.nn.relu)
        case MaxPool(window, strides, padding):
            return nn.MaxPool2d(window, strides, padding)
        case GlobalAvgPool():
            return nn.Lambda(lambda x: jnp.mean(x, (1, 2)))
        case Flatten():
            return nn.Lambda(jnp.ravel)
        case Residual():
            return _Residual(*(_module(part, key, load) for part in placed.parts))
        case _:
            keys = jax.random.split(key, max(len(placed.parts), 1))
            return nn.Sequential([_module(part, key, load) for part, key in zip(placed.parts, keys, strict=False)])
    return _load(module, placed) if load else module


def _load(module: Any, placed: Placed) -> Any:
    module = equinox.tree_at(lambda m: m.weight, module, jnp.asarray(channels_first_kernel(placed)))
    if "bias" in placed.weights:
        bias = jnp.asarray(placed.weights["bias"]).reshape(module.bias.shape)
        module = equinox.tree_at(lambda m: m.bias, module, bias)
    return module


def _load_batch_norm(module: nn.BatchNorm, placed: Placed) -> nn.BatchNorm:
    scale, bias, mean, var = (jnp.asarray(placed.weights[name]) for name in ("scale", "bias", "mean", "var"))
    new = (scale, bias, nn.StateIndex((mean, var)))
    return equinox.tree_at(lambda m: (m.weight, m.bias, m.batch_state_index), module, new)


def build(task: Task) -> Running:
    """Builds modules, and a step around their call under `vmap`."""
    net, state = nn.make_with_state(lambda: _module(task.net, jax.random.key(0), load=True))()
    params, training = equinox.partition(net, equinox.is_inexact_array)
    evaluating = equinox.partition(nn.inference_mode(net), equinox.is_inexact_array)[1]

    def forward(params: Any, state: Any, images: jax.Array, train: bool) -> tuple[jax.Array, Any]:
        merged = equinox.combine(params, training if train else evaluating)
        return jax.vmap(merged, in_axes=(0, None), out_axes=(0, None), axis_name=_AXIS)(images, state)

    def init() -> Any:
        made = nn.make_with_state(lambda: _module(task.net, jax.random.key(0), load=False))()
        return equinox.filter(made, equinox.is_array)

    return run(task, forward, params, state, init, channels_last=False)


PEER = Peer("Equinox", build, "equinox")
