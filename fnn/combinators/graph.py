"""Any acyclic wiring of layers by name."""

from collections.abc import Callable, Mapping
from functools import partial
from graphlib import CycleError, TopologicalSorter
from typing import Any, NamedTuple

import jax

from fnn import expect
from fnn.combinators.children import apply_child, check_trees, init_child, name_children, note_output, without_empty
from fnn.keys import named_key
from fnn.layer import Layer, Params, State


class Wire(NamedTuple):
    """One value of a graph: its name, what makes it, and the names of the values that it is made from."""

    name: str
    made_by: str | Callable[..., Any]
    sources: tuple[str, ...]


def graph(
    wires: Mapping[str, tuple[str | Callable[..., Any] | Any, ...]],
    /,
    *,
    inputs: str | tuple[str, ...] = "x",
    output: str | tuple[str, ...] | None = None,
    **layers: Layer,
) -> Layer:
    """Wires layers into any acyclic graph.

    Args:
      wires: maps the name of each value to what makes it and from which values: `{"h": ("conv", "x"),
        "sum": (jnp.add, "h", "x")}`. The maker is the name of a layer or a plain function. A layer with several
        sources gets them as a tuple, a function as arguments. The order of the entries does not matter.
      inputs: the name of the graph's input; a tuple of names takes a tuple apart.
      output: the name of the graph's output, or a tuple of names; by default the one value that nothing reads.
      **layers: the layers by name. A layer that makes several values is one layer used several times: it has one
        set of parameters, its state passes from use to use (by depth, then by name), and each use has its own key.

    Raises:
      ValueError: if the wiring has a cycle, a name that nothing makes, a layer that nothing uses, a value that
        nothing reads, or no single output.

    Example:
      >>> siamese = graph(
      ...     {"a": ("encode", "left"), "b": ("encode", "right"), "y": (jnp.subtract, "a", "b")},
      ...     inputs=("left", "right"), encode=Dense(8))
    """
    input_names = (inputs,) if isinstance(inputs, str) else tuple(inputs)
    if len(set(input_names)) < len(input_names):
        raise ValueError(f"graph expects inputs of different names, got {input_names}.")
    order = _sort(_parse(wires, layers, input_names), input_names)
    output = output if output is not None else _only_unread(order)
    _check_all_used(order, layers, input_names, (output,) if isinstance(output, str) else output)
    children = name_children("graph", (), layers) if layers else {}

    def read(x: Any) -> dict[str, Any]:
        if isinstance(inputs, str):
            return {inputs: x}
        if not isinstance(x, tuple | list) or len(x) != len(inputs):
            raise ValueError(f"graph expects a tuple of inputs {inputs}, got {expect.describe(x)}.")
        return dict(zip(inputs, x, strict=True))

    def result(values: dict[str, Any]) -> Any:
        return values[output] if isinstance(output, str) else tuple(values[name] for name in output)

    def init(key: jax.Array, x: Any, /) -> tuple[Params, State]:
        params, state, values = {}, {}, read(x)
        for name, made_by, sources in order:
            read_from = [values[source] for source in sources]
            if callable(made_by):
                with expect.located(name, _one_or_tuple(read_from)):
                    values[name] = jax.eval_shape(made_by, *read_from)
            elif made_by in params:
                again = partial(apply_child, made_by, children[made_by], train=False, key=None)
                values[name], _ = jax.eval_shape(again, params, state, _one_or_tuple(read_from))
            else:
                made = init_child(made_by, children[made_by], key, _one_or_tuple(read_from))
                params[made_by], state[made_by], values[name] = made
        note_output(apply, x, result(values))
        return without_empty(params), without_empty(state)

    def apply(
        params: Params, state: State, x: Any, /, *, train: bool, key: jax.Array | None = None
    ) -> tuple[Any, State]:
        check_trees("graph", children, params, state)
        state, values = dict(state), read(x)
        for name, made_by, sources in order:
            read_from = [values[source] for source in sources]
            if callable(made_by):
                with expect.located(name, _one_or_tuple(read_from)):
                    values[name] = made_by(*read_from)
            else:
                own = None if key is None else named_key(key, name)
                values[name], state[made_by] = apply_child(
                    made_by, children[made_by], params, state, _one_or_tuple(read_from), train=train, key=own
                )
        return result(values), without_empty(state)

    return Layer(init, apply, "graph")


def _one_or_tuple(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else tuple(values)


def _parse(wires: Mapping[str, Any], layers: Mapping[str, Layer], inputs: tuple[str, ...]) -> dict[str, Wire]:
    parsed = {}
    for name, wire in wires.items():
        if not isinstance(wire, tuple) or len(wire) < 2 or not all(isinstance(source, str) for source in wire[1:]):
            raise ValueError(f"graph expects wire {name!r} as (layer name or function, source, …), got {wire!r}.")
        made_by, *sources = wire
        if isinstance(made_by, Layer):
            raise ValueError(f"graph wire {name!r} holds a layer: pass it as name=layer and write its name here.")
        if name in inputs:
            raise ValueError(f"graph cannot make {name!r}: it is an input.")
        if not callable(made_by) and made_by not in layers:
            raise ValueError(f"graph wire {name!r} names layer {made_by!r}, but the layers are {list(layers)}.")
        for source in sources:
            if source not in wires and source not in inputs:
                raise ValueError(f"graph wire {name!r} reads {source!r}, which nothing makes.")
        parsed[name] = Wire(name, made_by, tuple(sources))
    return parsed


def _sort(wires: dict[str, Wire], inputs: tuple[str, ...]) -> list[Wire]:
    try:
        sorter = TopologicalSorter({name: wire.sources for name, wire in wires.items()})
        sorter.prepare()
    except CycleError as error:
        raise ValueError(f"graph must be acyclic, but these feed each other: {' → '.join(error.args[1])}.") from None
    order = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())  # by name: the order in which the wires were written is to mean nothing
        order += [wires[name] for name in ready if name not in inputs]
        sorter.done(*ready)
    return order


def _only_unread(order: list[Wire]) -> str:
    read = {source for wire in order for source in wire.sources}
    unread = [wire.name for wire in order if wire.name not in read]
    if len(unread) != 1:
        raise ValueError(f"graph has {len(unread)} values that nothing reads, {unread}: say which with output=.")
    return unread[0]


def _check_all_used(
    order: list[Wire], layers: Mapping[str, Layer], inputs: tuple[str, ...], outputs: tuple[str, ...]
) -> None:
    makers = {wire.made_by for wire in order}
    idle = [name for name in layers if name not in makers]
    if idle:
        raise ValueError(f"graph has layers that no wire uses: {idle}.")
    made = {wire.name for wire in order}
    unknown = [name for name in outputs if name not in made]
    if unknown:
        raise ValueError(f"graph cannot give the output {unknown}: its values are {sorted(made)}.")
    read = {source for wire in order for source in wire.sources} | set(outputs)
    unread = [name for name in (*inputs, *sorted(made)) if name not in read]
    if unread:
        raise ValueError(f"graph has values that nothing reads: {unread}. Remove them or name them in output=.")
