"""Random networks as data: drawn, built of fnn's layers, and interpreted elsewhere from the same plan."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

import fnn

Shape = tuple[int, ...]


class Plan(NamedTuple):
    """A leaf of a `kind` with its arguments, or a combinator with its children."""

    kind: str
    options: dict[str, Any]
    children: tuple["Plan", ...] = ()

    def __str__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
        inside = ", ".join(map(str, self.children))
        return f"{self.kind}({inside}{', ' if inside and options else ''}{options})"


ACTIVATIONS = {
    "relu": fnn.Relu, "leaky_relu": fnn.LeakyRelu(), "elu": fnn.Elu(), "sigmoid": fnn.Sigmoid, "tanh": fnn.Tanh,
    "hard_tanh": fnn.HardTanh, "softplus": fnn.Softplus, "softmax": fnn.Softmax, "log_softmax": fnn.LogSoftmax,
    "gelu": fnn.Gelu, "silu": fnn.Silu, "identity": fnn.Identity,
}  # fmt: skip

FIXED = {"flatten": fnn.Flatten, "global_avg_pool": fnn.GlobalAvgPool, **ACTIVATIONS}
"""Layers with nothing to choose, by the name that combinators give them."""

MAKERS = {
    "dense": fnn.Dense, "conv": fnn.Conv, "conv_transpose": fnn.ConvTranspose, "maxout": fnn.Maxout,
    "radial_basis": fnn.RadialBasis, "batch_norm": fnn.BatchNorm, "layer_norm": fnn.LayerNorm,
    "group_norm": fnn.GroupNorm, "max_pool": fnn.MaxPool, "avg_pool": fnn.AvgPool, "sum_pool": fnn.SumPool,
    "subsample": fnn.Subsample, "dropout": fnn.Dropout,
}  # fmt: skip

SHAPES: tuple[Shape, ...] = ((2, 4), (3, 5, 4), (2, 5, 4, 2), (2, 5, 6, 4), (2, 3, 4, 3, 2))
"""Inputs: few, so that programs compiled for one network serve the next."""


def build(plan: Plan) -> fnn.Layer:
    """Makes the layer that a plan describes."""
    children = [build(child) for child in plan.children]
    match plan.kind:
        case "serial":
            return fnn.serial(*children)
        case "branch":
            return fnn.branch(*children, **plan.options)
        case "residual":
            return fnn.residual(*children)
        case "repeat":
            return fnn.repeat(children[0], **plan.options)
        case "graph":
            wires = {
                name: (add if made_by == "add" else made_by, *sources)
                for name, (made_by, *sources) in plan.options["wires"].items()
            }
            named: dict[str, Any] = {f"layer{i}": child for i, child in enumerate(children)}
            return fnn.graph(wires, **named)
        case _:
            return FIXED[plan.kind] if plan.kind in FIXED else MAKERS[plan.kind](**plan.options)


def add(a: jax.Array, b: jax.Array) -> jax.Array:
    """A sum that broadcasts nothing."""
    if a.shape != b.shape:
        raise ValueError(f"cannot add {a.shape} and {b.shape}.")
    return a + b


def draw(random: np.random.Generator, depth: int) -> Plan:
    """Draws a network whose combinators nest up to `depth`."""
    if depth == 0 or random.random() < 0.15:
        return _leaf(random)
    match pick(random, ("serial", "serial", "branch", "residual", "graph", "repeat")):
        case "serial":
            return Plan("serial", {}, _several(random, depth, 4))
        case "branch":
            return Plan("branch", {"join": pick(random, ("concatenate", "sum"))}, _several(random, depth, 3))
        case "residual":
            body = _keeping(random, depth)
            return Plan("residual", {}, (body, _keeping(random, 0)) if random.random() < 0.3 else (body,))
        case "repeat":
            options = {"times": int(random.integers(1, 4)), "unroll": bool(random.random() < 0.5)}
            return Plan("repeat", options, (_keeping(random, depth),))
        case _:
            return _graph(random, depth)


def _several(random: np.random.Generator, depth: int, most: int) -> tuple[Plan, ...]:
    return tuple(draw(random, depth - 1) for _ in range(random.integers(1, most + 1)))


def _keeping(random: np.random.Generator, depth: int) -> Plan:
    """Mostly what keeps its input's shape, so that not every residual and repeat is refused."""
    if random.random() < 0.15:
        return draw(random, max(depth - 1, 0))
    if depth > 1 and random.random() < 0.5:
        return Plan("residual", {}, (_keeping(random, depth - 1),))
    kinds = ("batch_norm", "layer_norm", "dropout", "conv", "max_pool", "avg_pool", *ACTIVATIONS)
    leaves = [_leaf(random, pick(random, kinds)) for _ in range(random.integers(1, 3))]
    kept = tuple(leaf._replace(options=leaf.options | _keep_places(leaf.kind)) for leaf in leaves)
    return Plan("serial", {}, kept)


def _keep_places(kind: str) -> dict[str, Any]:
    """The options with which a layer keeps the number of places, and often the number of channels."""
    if kind == "conv":
        return {"strides": 1, "padding": "SAME", "features": 4}
    return {"strides": 1, "padding": "SAME"} if kind in ("max_pool", "avg_pool") else {}


def _graph(random: np.random.Generator, depth: int) -> Plan:
    """Values that each come from values before them, and are added up in the end where nothing reads them."""
    layers = _several(random, depth, 3)
    wires: dict[str, tuple[str, ...]] = {}
    values = ["x"]
    for i in range(len(layers)):
        wires[f"v{i}"] = (f"layer{i}", pick(random, values))
        values.append(f"v{i}")
    if random.random() < 0.3:
        wires["shared"] = (f"layer{random.integers(len(layers))}", pick(random, values))
    read = {source for _, *sources in wires.values() for source in sources}
    unread = [name for name in wires if name not in read]
    for i, name in enumerate(unread[1:]):
        wires[f"sum{i}"] = ("add", unread[0] if i == 0 else f"sum{i - 1}", name)
    return Plan("graph", {"wires": wires}, layers)


def _leaf(random: np.random.Generator, kind: str = "") -> Plan:
    kind = kind or pick(random, (*MAKERS, *MAKERS, *FIXED))

    def one(*values: Any) -> Any:
        return pick(random, values)

    options: dict[str, Any] = {}
    if kind in ("dense", "conv", "conv_transpose", "maxout", "radial_basis"):
        options["features"] = one(2, 4, 4)
    if kind in ("dense", "conv", "conv_transpose"):
        options["bias"] = one(True, False)
    if kind in ("conv", "conv_transpose"):
        options |= {
            "kernel": one(1, 2, 3, 5), "strides": one(1, 1, 2, 3), "dilation": one(1, 1, 2),
            "padding": one("SAME", "SAME", "VALID", 1), "groups": one(1, 1, 1, 2),
        }  # fmt: skip
    if kind in ("max_pool", "avg_pool", "sum_pool"):
        options |= {"window": one(1, 2, 3), "strides": one(1, 2, 3, None), "padding": one("SAME", "VALID", 1)}
    if kind == "avg_pool":
        options["count_padding"] = one(True, False)
    match kind:
        case "maxout":
            options["pieces"] = one(1, 2, 3)
        case "radial_basis":
            options["sigma"] = one(1.0, 3.0)
        case "batch_norm" | "layer_norm" | "group_norm":
            options |= {"scale": one(True, False), "bias": one(True, False)}
            if kind == "group_norm":
                options["groups"] = one(1, 2, 4)
        case "subsample":
            options["stride"] = one(1, 2, 3)
        case "dropout":
            options["rate"] = one(0.0, 0.5)
    return Plan(kind, options)


def pick(random: np.random.Generator, values: Sequence[Any]) -> Any:
    """One of several values, as it is: NumPy's own choice would turn it into an array's entry."""
    return values[int(random.integers(len(values)))]


def kinds_in(plan: Plan) -> set[str]:
    """The kinds of all layers in a plan."""
    return {plan.kind}.union(*(kinds_in(child) for child in plan.children))
