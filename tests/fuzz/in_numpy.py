"""Every kind of layer in float64 NumPy, by the oracles that the layers' own tests are held to."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy import special

from tests.fuzz.demands import Array, Placed, require
from tests.fuzz.plans import ACTIVATIONS
from tests.layers import oracles


def in_numpy(
    kind: str, options: dict[str, Any], params: Mapping[str, Any], state: Mapping[str, Any], x: Array, train: bool
) -> Array:
    """A leaf in NumPy. Where an oracle also wants a cotangent, it is given zeros."""
    if kind in ACTIVATIONS:
        return activation(kind, x)

    def oracle(compute: Callable[..., Any], shape: tuple[int, ...], *rest: Any, **named: Any) -> Array:
        problem = oracles.Problem(x, dict(params), np.zeros(shape))
        made = compute(problem, *rest, **named)
        return (made if isinstance(made, oracles.Outcome) else made[0]).y

    match kind:
        case "dense":
            return x @ params["kernel"] + params.get("bias", 0)
        case "maxout":
            y = x @ params["kernel"] + params["bias"]
            return y.reshape(*x.shape[:-1], options["pieces"], options["features"]).max(-2)
        case "radial_basis":
            apart = (x[..., None, :] - params["centers"]) / options["sigma"]
            return np.exp(-np.square(apart).sum(-1))
        case "conv" | "conv_transpose":
            at = Placed(kind, options, x.shape)
            compute = oracles.convolution if kind == "conv" else oracles.transposed_convolution
            places = output_places(kind, at, x.shape)
            shape = (len(x), *places, options["features"])
            return oracle(compute, shape, at.strides, at.padding, at.dilation, options["groups"])
        case "max_pool" | "avg_pool" | "sum_pool":
            at = Placed(kind, options, x.shape)
            shape = (len(x), *output_places(kind, at, x.shape), x.shape[-1])
            return oracle(
                oracles.pool, shape, kind.removesuffix("_pool"), window=at.size, strides=at.strides,
                padding=at.padding, count_padding=options.get("count_padding", False),
            )  # fmt: skip
        case "batch_norm":
            if train:
                return oracle(oracles.normalization, x.shape, tuple(range(x.ndim - 1)), 1e-5)
            normal = (x - state["mean"]) / np.sqrt(state["var"] + 1e-5)
            return normal * params.get("scale", 1) + params.get("bias", 0)
        case "layer_norm":
            return oracle(oracles.normalization, x.shape, (-1,), 1e-5)
        case "group_norm":
            grouped = x.reshape(len(x), -1, options["groups"], x.shape[-1] // options["groups"])
            mean, var = grouped.mean((1, 3), keepdims=True), grouped.var((1, 3), keepdims=True)
            normal = ((grouped - mean) / np.sqrt(var + 1e-5)).reshape(x.shape)
            return normal * params.get("scale", 1) + params.get("bias", 0)
        case "subsample":
            return x[(slice(None), *(slice(None, None, options["stride"]),) * (x.ndim - 2))]
        case "global_avg_pool":
            return x.mean(tuple(range(1, x.ndim - 1)))
        case "flatten":
            return x.reshape(len(x), -1)
        case "dropout":
            require(not (train and options["rate"]))  # what is random is not examined here
            return x
    raise AssertionError(kind)


def output_places(kind: str, at: Placed, shape: tuple[int, ...]) -> tuple[int, ...]:
    ends = zip(shape[1:-1], at.extent, at.strides, at.padding, strict=True)
    if kind == "conv_transpose":
        return tuple((n - 1) * s + e - low - high for n, e, s, (low, high) in ends)
    return tuple((n + low + high - e) // s + 1 for n, e, s, (low, high) in ends)


def activation(kind: str, x: Array) -> Array:
    match kind:
        case "relu":
            return np.maximum(x, 0)
        case "leaky_relu":
            return np.maximum(x, 0.1 * x)
        case "elu":
            return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))
        case "sigmoid":
            return special.expit(x)
        case "tanh":
            return np.tanh(x)
        case "hard_tanh":
            return np.clip(x, -1, 1)
        case "softplus":
            return np.logaddexp(x, 0)
        case "softmax":
            return special.softmax(x, -1)
        case "log_softmax":
            return special.log_softmax(x, -1)
        case "gelu":
            return x * special.ndtr(x)
        case "silu":
            return x * special.expit(x)
    return x
