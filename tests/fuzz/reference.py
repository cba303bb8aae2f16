"""What a plan's network computes, from the definitions: combinators interpreted over leaves in NumPy or PyTorch.

A network that the definitions give no meaning raises `Meaningless`; nothing is broadcast.
"""

from collections.abc import Callable, Mapping
from graphlib import TopologicalSorter
from typing import Any

import numpy as np

from tests.fuzz.demands import Array, demand, entries, require
from tests.fuzz.plans import Plan
from tests.layers import oracles

Leaf = Callable[[str, dict[str, Any], Mapping[str, Any], Mapping[str, Any], Array, bool], Array]
"""`(kind, options, params, state, x, train) -> y`."""


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
