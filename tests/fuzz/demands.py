"""What every kind of layer demands of its input, which parameters it has, and where its window stands."""

import math
from typing import Any

from tests.layers import oracles

Array = Any
"""A NumPy array or a PyTorch tensor, channels last."""


class Meaningless(Exception):  # noqa: N818
    """The definitions give this network no output for this input."""


def require(condition: bool) -> None:
    if not condition:
        raise Meaningless


def demand(kind: str, options: dict[str, Any], x: Array, train: bool) -> None:
    """Raises `Meaningless` unless the layer of this kind is defined for this input."""
    shape = tuple(x.shape)
    if kind in ("conv", "conv_transpose", "max_pool", "avg_pool", "sum_pool", "subsample", "global_avg_pool"):
        require(3 <= len(shape) <= 5 and 0 not in shape[1:-1])
    if kind in ("batch_norm", "group_norm"):
        require(len(shape) >= 2)
    if kind == "batch_norm" and train:
        require(math.prod(shape[:-1]) >= 2)
    groups = options.get("groups", 1)
    require(shape[-1] % groups == 0)


def entries(kind: str, options: dict[str, Any], x: Array) -> tuple[dict[str, Any], dict[str, Any]]:
    """The shapes of a leaf's parameters and of its state, by name."""
    channels, features = x.shape[-1], options.get("features", 0)
    match kind:
        case "dense":
            params = {"kernel": (channels, features), "bias": (features,)}
        case "maxout":
            columns = options["pieces"] * features
            params = {"kernel": (channels, columns), "bias": (columns,)}
        case "radial_basis":
            params = {"centers": (features, channels)}
        case "conv" | "conv_transpose":
            window = (options["kernel"],) * (len(x.shape) - 2)
            params = {"kernel": (*window, channels // options["groups"], features), "bias": (features,)}
        case "batch_norm" | "layer_norm" | "group_norm":
            params = {"scale": (channels,), "bias": (channels,)}
        case _:
            params = {}
    params = {name: shape for name, shape in params.items() if options.get(name, True)}
    return params, {"mean": (channels,), "var": (channels,)} if kind == "batch_norm" else {}


class Placed:
    """A window's size, steps and padding for each spatial axis of an input."""

    def __init__(self, kind: str, options: dict[str, Any], shape: tuple[int, ...]) -> None:
        axes, sizes = len(shape) - 2, shape[1:-1]
        size = options["kernel" if "conv" in kind else "window"]
        self.size = (size,) * axes
        self.strides = (options["strides"] or size,) * axes
        self.dilation = (options.get("dilation", 1),) * axes
        self.extent = oracles.extents(self.size, self.dilation)
        self.padding = oracles.pads(options["padding"], sizes, self.extent, self.strides)
        ends = zip(sizes, self.extent, self.strides, self.padding, strict=True)
        if kind == "conv_transpose":
            if options["padding"] == "SAME":
                lows = [max(e - s, 0) // 2 for e, s in zip(self.extent, self.strides, strict=True)]
                spans = zip(lows, self.extent, self.strides, strict=True)
                self.padding = tuple((low, e - s - low) for low, e, s in spans)
            ends = zip(sizes, self.extent, self.strides, self.padding, strict=True)
            require(all((n - 1) * s + e - low - high >= 1 for n, e, s, (low, high) in ends))
            return
        require(all(e <= n + low + high for n, e, _, (low, high) in ends))
        if "pool" in kind:
            require(all(max(pair) < e for pair, e in zip(self.padding, self.extent, strict=True)))
