"""What a plan's network computes, from the definitions: combinators interpreted, leaves in NumPy or PyTorch, float64.

A network that the definitions give no meaning raises `Meaningless`; nothing is broadcast.
"""

import math
from collections.abc import Callable, Mapping
from graphlib import TopologicalSorter
from typing import Any

import numpy as np

from tests.fuzz.plans import ACTIVATIONS, Plan
from tests.layers import oracles

Array = Any
"""A NumPy array or a PyTorch tensor, channels last."""

Leaf = Callable[[str, dict[str, Any], Mapping[str, Any], Mapping[str, Any], Array, bool], Array]
"""`(kind, options, params, state, x, train) -> y`."""


class Meaningless(Exception):  # noqa: N818
    """The definitions give this network no output for this input."""


def require(condition: bool) -> None:
    if not condition:
        raise Meaningless


def interpret(plan: Plan, params: Any, state: Any, x: Array, train: bool, leaf: Leaf) -> Array:
    """Returns the output of a plan's network. `Blank` parameters and state are filled with zeros on the way."""
    if not plan.children:
        demand(plan.kind, plan.options, x, train)
        own = entries(plan.kind, plan.options, x)
        if isinstance(params, Blank) and not params:
            for tree, shapes in zip((params, state), own, strict=True):
                tree.update({name: like(x, shape) for name, shape in shapes.items()})
        shapes = tuple({name: tuple(value.shape) for name, value in tree.items()} for tree in (params, state))
        require(shapes == own)  # not so where one layer is used on inputs of two shapes
        return leaf(plan.kind, plan.options, params, state, x, train)
    names = names_of(plan)

    def child(i: int, x: Array) -> Array:
        return interpret(plan.children[i], within(params, names[i]), within(state, names[i]), x, train, leaf)

    match plan.kind:
        case "serial":
            for i in range(len(names)):
                x = child(i, x)
            return x
        case "branch":
            outputs = [child(i, x) for i in range(len(names))]
            return concatenate(outputs) if plan.options["join"] == "concatenate" else add(outputs)
        case "residual":
            return add([child(0, x), child(1, x) if len(names) == 2 else x])
        case "repeat":
            for i in range(plan.options["times"]):
                before = x.shape
                block = (at(params, i), at(state, i))
                x = interpret(plan.children[0], *block, x, train, leaf)
                require(x.shape == before)
            return x
        case _:
            return wired(plan, child, x)


def names_of(plan: Plan) -> list[str]:
    """What each child is called in the tree of parameters."""
    if plan.kind == "residual":
        return ["body", "shortcut"][: len(plan.children)]
    if plan.kind == "graph":
        return [f"layer{i}" for i in range(len(plan.children))]
    counts: dict[str, int] = {}
    names = []
    for kind in map(name_of, plan.children):
        counts[kind] = counts.get(kind, 0) + 1
        names.append(f"{kind}{counts[kind]}")
    return names


def name_of(plan: Plan) -> str:
    """What a layer is called by its kind: a repeat as its block."""
    return name_of(plan.children[0]) if plan.kind == "repeat" else plan.kind


def like(x: Array, shape: tuple[int, ...]) -> Array:
    """Zeros of the kind of array that `x` is."""
    return np.zeros(shape) if isinstance(x, np.ndarray) else x.new_zeros(shape)


class Blank(dict[Any, Any]):
    """Parameters or state that are not there yet."""


def within(tree: Any, name: str) -> Any:
    """A child's entry, or an empty one where it has nothing."""
    return tree.setdefault(name, Blank()) if isinstance(tree, Blank) else tree.get(name, {})


def at(tree: Any, i: int) -> Any:
    """The entries of block `i` of a repeat, which has stacked them."""
    if isinstance(tree, Blank):
        return tree.setdefault(i, Blank())
    return {name: at(value, i) for name, value in tree.items()} if isinstance(tree, Mapping) else tree[i]


def add(values: list[Array]) -> Array:
    require(all(value.shape == values[0].shape for value in values))
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total


def concatenate(values: list[Array]) -> Array:
    require(all(value.shape[:-1] == values[0].shape[:-1] for value in values))
    if isinstance(values[0], np.ndarray):
        return np.concatenate(values, -1)
    return oracles.torch_or_skip().cat(values, -1)


def wired(plan: Plan, child: Callable[[int, Array], Array], x: Array) -> Array:
    wires = plan.options["wires"]
    values = {"x": x}
    order = [*TopologicalSorter({name: sources for name, (_, *sources) in wires.items()}).static_order()]
    for name in order:
        if name != "x":
            made_by, *sources = wires[name]
            given = [values[source] for source in sources]
            values[name] = add(given) if made_by == "add" else child(int(made_by.removeprefix("layer")), given[0])
    read = {source for _, *sources in wires.values() for source in sources}
    return values[next(name for name in order if name not in read)]


# What every leaf demands of its input, and where its window stands.


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


# NumPy.


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
    from scipy import special

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


# PyTorch.


def in_torch(
    kind: str, options: dict[str, Any], params: Mapping[str, Any], state: Mapping[str, Any], x: Array, train: bool
) -> Array:
    """A leaf in PyTorch, in its own layers' terms where it has them."""
    torch = oracles.torch_or_skip()
    f = torch.nn.functional
    axes = x.ndim - 2

    def first(x: Array) -> Array:
        return x.movedim(-1, 1)

    def kernel_first(kernel: Array) -> Array:
        return kernel.movedim((-1, -2), (0, 1))

    scale, bias = params.get("scale"), params.get("bias")
    match kind:
        case "dense":
            return f.linear(x, params["kernel"].T, bias)
        case "maxout":
            y = f.linear(x, params["kernel"].T, bias)
            return y.reshape(*x.shape[:-1], options["pieces"], options["features"]).amax(-2)
        case "radial_basis":
            apart = (x[..., None, :] - params["centers"]) / options["sigma"]
            return torch.exp(-apart.square().sum(-1))
        case "conv":
            at = Placed(kind, options, tuple(x.shape))
            padded = oracles.torch_pad(first(x), at.padding)
            convolve = (f.conv1d, f.conv2d, f.conv3d)[axes - 1]
            y = convolve(padded, kernel_first(params["kernel"]), bias, at.strides, 0, at.dilation, options["groups"])
            return y.movedim(1, -1)
        case "conv_transpose":
            at = Placed(kind, options, tuple(x.shape))
            groups = options["groups"]
            kernel = params[
                "kernel"
            ]  # (*window, channels / groups, features) -> (channels, features / groups, *window)
            kernel = torch.cat(kernel.split(options["features"] // groups, -1), -2).movedim((-2, -1), (0, 1))
            convolve = (f.conv_transpose1d, f.conv_transpose2d, f.conv_transpose3d)[axes - 1]
            y = convolve(first(x), kernel, None, at.strides, 0, 0, groups, at.dilation)
            y = oracles.torch_pad(y, tuple((-low, -high) for low, high in at.padding)).movedim(1, -1)
            return y if bias is None else y + bias
        case "max_pool" | "avg_pool" | "sum_pool":
            return torch_pool(kind, options, x)
        case "batch_norm":
            running = (None, None) if train else (state["mean"], state["var"])
            return f.batch_norm(first(x), *running, scale, bias, train).movedim(1, -1)
        case "layer_norm":
            return f.layer_norm(x, x.shape[-1:], scale, bias)
        case "group_norm":
            if scale is None and bias is not None:
                scale = torch.ones_like(bias)  # PyTorch 2.13 fails to differentiate it with a bias alone
            return f.group_norm(first(x), options["groups"], scale, bias).movedim(1, -1)
        case "subsample":
            return x[(slice(None), *(slice(None, None, options["stride"]),) * axes)]
        case "global_avg_pool":
            return x.mean(tuple(range(1, x.ndim - 1)))
        case "flatten":
            return x.reshape(len(x), -1)
        case "dropout":
            require(not (train and options["rate"]))
            return x
    own = {
        "hard_tanh": f.hardtanh,
        "softmax": lambda x: f.softmax(x, -1),
        "log_softmax": lambda x: f.log_softmax(x, -1),
    }
    slope = {"leaky_relu": lambda x: f.leaky_relu(x, 0.1), "identity": lambda x: x}
    return ({**own, **slope}.get(kind) or getattr(f, kind))(x)


def torch_pool(kind: str, options: dict[str, Any], x: Array) -> Array:
    """Pools by PyTorch's own functions over what is padded beforehand; what padding adds is taken out of averages."""
    torch = oracles.torch_or_skip()
    f = torch.nn.functional
    at = Placed(kind, options, tuple(x.shape))
    axes = x.ndim - 2
    image = x.movedim(-1, 1)
    if kind == "max_pool":
        largest = (f.max_pool1d, f.max_pool2d, f.max_pool3d)[axes - 1]
        return largest(oracles.torch_pad(image, at.padding, -math.inf), at.size, at.strides).movedim(1, -1)
    average = (f.avg_pool1d, f.avg_pool2d, f.avg_pool3d)[axes - 1]
    mean = average(oracles.torch_pad(image, at.padding), at.size, at.strides)
    if kind == "sum_pool":
        mean = mean * math.prod(at.size)
    elif not options["count_padding"]:
        mean = mean / average(oracles.torch_pad(torch.ones_like(image), at.padding), at.size, at.strides)
    return mean.movedim(1, -1)
