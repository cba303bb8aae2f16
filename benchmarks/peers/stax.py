"""stax, the example library inside JAX.

Its `Conv` always has a bias, also before a BatchNorm, which takes it away again: the same function with a few more
parameters. Its BatchNorm always uses the batch's moments, so that networks with it have no evaluation mode here. Its
pools take no numbers as padding and there is no global average: those two are written as a user of stax would, as
pairs of functions.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.example_libraries import stax

from benchmarks.nets import BatchNorm, Conv, Dense, Flatten, GlobalAvgPool, MaxPool, Relu, Residual
from benchmarks.peers.functional import run
from benchmarks.peers.interface import Peer, Running, Task
from benchmarks.weights import Placed, leaves


def _max_pool(window: int, strides: int, padding: int) -> Any:
    if not padding:
        return stax.MaxPool((window, window), (strides, strides))
    sides = ((1, window, window, 1), (1, strides, strides, 1), ((0, 0), (padding, padding), (padding, padding), (0, 0)))

    def apply(params: Any, inputs: jax.Array, **kwargs: Any) -> jax.Array:
        del params, kwargs
        return lax.reduce_window(inputs, -np.inf, lax.max, *sides)

    def init(rng: jax.Array, input_shape: tuple[int, ...]) -> Any:
        del rng
        ones = (1, 1, 1, 1)
        return lax.reduce_window_shape_tuple(input_shape, *sides, ones, ones), ()

    return init, apply


_GLOBAL_AVG_POOL = (
    lambda rng, input_shape: ((input_shape[0], input_shape[-1]), ()),  # noqa: ARG005 - as stax calls it
    lambda params, inputs, **kwargs: jnp.mean(inputs, (1, 2)),  # noqa: ARG005
)


def _layer(placed: Placed) -> tuple[Any, Any]:
    """Returns a layer, a pair of functions, with the parameters that fill it."""
    weights = placed.weights
    match placed.layer:
        case Conv(features, kernel, strides, padding, _):
            sides: Any = [(padding, padding)] * 2  # declared as str, but taken
            bias = weights.get("bias", np.zeros(features, np.float32)).reshape(1, 1, 1, features)
            return stax.Conv(features, (kernel, kernel), (strides, strides), sides), (weights["kernel"], bias)
        case Dense(features):
            return stax.Dense(features), (weights["kernel"], weights["bias"])
        case BatchNorm():
            return stax.BatchNorm(), (weights["bias"], weights["scale"])
        case MaxPool(window, strides, padding):
            return _max_pool(window, strides, padding), ()
        case GlobalAvgPool():
            return _GLOBAL_AVG_POOL, ()
        case Flatten():
            return stax.Flatten, ()
        case Relu():
            return stax.Relu, ()
        case Residual():
            (main, main_params), (shortcut, shortcut_params) = map(_layer, placed.parts)
            layer = stax.serial(stax.FanOut(2), stax.parallel(main, shortcut), stax.FanInSum)
            return layer, [(), [main_params, shortcut_params], ()]
        case _ if placed.parts:
            layers, params = zip(*map(_layer, placed.parts), strict=True)
            return stax.serial(*layers), list(params)
        case _:
            return stax.Identity, ()


def build(task: Task) -> Running:
    """Builds the network with `stax.serial`, and a step around it."""
    (init, apply), params = _layer(task.net)
    compiled_init = jax.jit(lambda key: init(key, task.images.shape)[1])
    running = run(
        task,
        lambda params, state, images, train: (apply(params, images), state),  # noqa: ARG005 - stax has one mode
        params,
        {},
        lambda: compiled_init(jax.random.key(0)),
    )
    has_moments = any(isinstance(leaf.layer, BatchNorm) for leaf in leaves(task.net))
    return running._replace(infer=None) if has_moments else running


PEER = Peer("stax", build, "jax.example_libraries.stax")
