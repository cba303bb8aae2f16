"""What all combinators share: naming children, and handing each its own key, parameters, state and place in errors."""

from collections.abc import Mapping
from contextvars import ContextVar
from functools import partial
from typing import Any

import jax

from fnn import expect
from fnn.intermediates import passing
from fnn.keys import named_key
from fnn.layer import ApplyFn, Layer, Params, State


def name_children(
    combinator: str, positional: tuple[Layer, ...], named: Mapping[str, Layer], options: str = ""
) -> dict[str, Layer]:
    """Names the layers given to a combinator: by kind and count where given by position (`conv1`, `conv2`, `dense1`).

    Counting by kind keeps the other names, and with them the other layers' initial values, when a layer of another
    kind is put in between.

    Raises:
      TypeError: if something is no layer.
      ValueError: if there are no layers, or two of one name, or a name holds a slash or a number sign.
    """
    children: dict[str, Layer] = {}
    counts: dict[str, int] = {}
    for place, layer in enumerate(positional):
        check_is_layer(combinator, f"argument {place + 1}", layer)
        counts[layer.name] = counts.get(layer.name, 0) + 1
        name = f"{layer.name}{counts[layer.name]}"
        if name in children:
            raise ValueError(f"{combinator} would name two layers {name!r}: name one of them by keyword.")
        children[name] = layer
    for name, layer in named.items():
        check_is_layer(combinator, f"{name!r}{options}", layer)
        if name in children:
            raise ValueError(f"{combinator} got two layers named {name!r}: one by position and one by keyword.")
        children[name] = layer
    if not children:
        raise ValueError(f"{combinator} expects at least one layer.")
    for name in children:
        if not name or "/" in name or "#" in name:  # with which `intermediates` writes paths and turns
            raise ValueError(f"{combinator} cannot name a layer {name!r}: a name is not empty and holds no '/' or '#'.")
    return children


def check_is_layer(combinator: str, what: str, layer: Any) -> None:
    """Raises `TypeError`, with what to write instead, unless `layer` is a `Layer`."""
    if isinstance(layer, Layer):
        return
    hint = f" Unpack it: {combinator}(*layers)." if isinstance(layer, tuple | list) else ""
    if callable(layer):
        called = getattr(layer, "__name__", type(layer).__name__)
        hint = (
            f" If it makes a layer, call it: {called}(…). If it is a function of an array: fnn.elementwise({called})."
        )
    raise TypeError(f"{combinator} expects a Layer as {what}, got {layer!r}.{hint}")


_ASKED: ContextVar[list[tuple[ApplyFn, Any, Any]] | None] = ContextVar("asked", default=None)
"""Where a combinator's init is to note what its layer makes; the last entry counts."""


def note_output(apply: ApplyFn, x: Any, y: Any) -> None:
    """Tells whoever initializes a combinator what it makes of `x`, so that it need not be traced level by level again.

    Args:
      apply: the combinator's own.
      x: what its init was given.
      y: what its children were found to make of it.
    """
    asked = _ASKED.get()
    if asked is not None:
        asked.append((apply, x, y))


def init_child(name: str, layer: Layer, key: jax.Array, x: Any) -> tuple[Params, State, Any]:
    """Returns a child's parameters, its state, and the shape and dtype of what it makes of `x`."""
    with expect.located(name, x):
        noted: list[tuple[ApplyFn, Any, Any]] = []
        token = _ASKED.set(noted)
        try:
            made = layer.init(named_key(key, name), x)
        finally:
            _ASKED.reset(token)
        if not isinstance(made, tuple) or [isinstance(tree, Mapping) for tree in made] != [True, True]:
            raise TypeError(f"init must return (params, state), two dicts, but gave {expect.describe(made)}.")
        params, state = made
        if noted and noted[-1][0] is layer.apply and noted[-1][1] is x:
            return params, state, noted[-1][2]
        y, _ = jax.eval_shape(partial(layer.apply, train=False), params, state, x)
        return params, state, y


def apply_child(
    name: str, layer: Layer, params: Params, state: State, x: Any, *, train: bool, key: jax.Array | None
) -> tuple[Any, State]:
    """Applies the child `name` with its own entries of its parent's `params` and `state`."""
    own_params = params.get(name, {})
    with expect.located(name, x), passing(name, own_params) as (enter, leave):
        own_key = None if key is None else named_key(key, name)
        y, new_state = layer.apply(own_params, state.get(name, {}), enter(x), train=train, key=own_key)
        return leave(y), new_state


def check_trees(combinator: str, children: Mapping[str, Layer], params: Params, state: State) -> None:
    """Raises `ValueError` if `params` or `state` cannot be this combinator's."""
    expect.children(params, combinator, "parameters", children)
    expect.children(state, combinator, "state", children)


def without_empty(tree: dict[str, Any]) -> dict[str, Any]:
    """Drops the entries of children that have nothing: a layer without parameters contributes no entry."""
    return {name: value for name, value in tree.items() if value}
