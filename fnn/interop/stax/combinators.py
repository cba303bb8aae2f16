"""stax's combinators: pairs of functions from pairs of functions, their parameters in lists."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import random

from fnn.interop.stax.layers import Pair


def FanOut(num: int) -> Pair:
    """Gives `num` times its input, as a list."""
    return (
        lambda rng, input_shape: ([input_shape] * num, ()),  # noqa: ARG005 - as all pairs are called
        lambda params, inputs, **kwargs: [inputs] * num,  # noqa: ARG005
    )


FanInSum: Pair = (
    lambda rng, input_shape: (input_shape[0], ()),  # noqa: ARG005
    lambda params, inputs, **kwargs: sum(inputs),  # noqa: ARG005
)


def FanInConcat(axis: int = -1) -> Pair:
    """Concatenates its inputs along `axis`."""

    def init_fun(rng: jax.Array, input_shape: Sequence[Sequence[int]]) -> tuple[Any, Any]:
        del rng
        first = input_shape[0]
        at = axis % len(first)
        return (*first[:at], sum(shape[at] for shape in input_shape), *first[at + 1 :]), ()

    return init_fun, lambda params, inputs, **kwargs: jnp.concatenate(inputs, axis)  # noqa: ARG005


def serial(*layers: Pair) -> Pair:
    """Applies layers one after another; the parameters are a list of theirs.

    With a list that is cut short, as many layers are applied as it has entries: the way to a hidden layer's output.
    """
    init_funs, apply_funs = zip(*layers, strict=True)

    def init_fun(rng: jax.Array, input_shape: Any) -> tuple[Any, Any]:
        params = []
        for init in init_funs:
            rng, layer_rng = random.split(rng)
            input_shape, param = init(layer_rng, input_shape)
            params.append(param)
        return input_shape, params

    def apply_fun(params: Any, inputs: Any, **kwargs: Any) -> Any:
        rngs = _split(kwargs.pop("rng", None), len(layers))
        for apply, param, rng in zip(apply_funs, params, rngs, strict=False):
            inputs = apply(param, inputs, rng=rng, **kwargs)
        return inputs

    return init_fun, apply_fun


def parallel(*layers: Pair) -> Pair:
    """Applies each layer to its own input, as `FanOut` gives them; a list of outputs, for `FanInSum` and its kin."""
    init_funs, apply_funs = zip(*layers, strict=True)

    def init_fun(rng: jax.Array, input_shape: Sequence[Any]) -> tuple[Any, Any]:
        rngs = random.split(rng, len(layers))
        made = [init(rng, shape) for init, rng, shape in zip(init_funs, rngs, input_shape, strict=False)]
        output_shape, params = zip(*made, strict=True)
        return output_shape, params

    def apply_fun(params: Any, inputs: Any, **kwargs: Any) -> list[Any]:
        rngs = _split(kwargs.pop("rng", None), len(layers))
        each = zip(apply_funs, params, inputs, rngs, strict=False)
        return [apply(param, x, rng=rng, **kwargs) for apply, param, x, rng in each]

    return init_fun, apply_fun


def shape_dependent(make_layer: Callable[[Any], Pair]) -> Pair:
    """Makes a layer once the shape of its input is known: by `make_layer`, a function of that shape."""
    return (
        lambda rng, input_shape: make_layer(input_shape)[0](rng, input_shape),
        lambda params, inputs, **kwargs: make_layer(inputs.shape)[1](params, inputs, **kwargs),
    )


def _split(rng: jax.Array | None, count: int) -> Any:
    return (None,) * count if rng is None else random.split(rng, count)
