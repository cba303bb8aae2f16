"""NNX modules as layers, and layers as NNX modules."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from fnn import expect
from fnn.combinators.children import check_is_layer
from fnn.interop.flax.mode import ModeFn, mode_of
from fnn.keys import named_key
from fnn.layer import Layer, Params, State


def from_nnx(build: Callable[[nnx.Rngs], nnx.Module], *, mode: ModeFn | None = None, name: str = "nnx") -> Layer:
    """Makes a layer of an NNX module.

    The layer's parameters are the module's `nnx.Param`s, nested by the names of attributes (and the indices in lists);
    its state is every other variable but the random streams, which the layer's key takes the place of. The mode is
    set by the module's own `train()` and `eval()`, and told to `__call__` where it has an argument for it.

    Args:
      build: makes the module, for it makes its own initial values: `lambda rngs: Net(rngs=rngs)`. They are those of
        `build(nnx.Rngs(key))`.
      mode: as `from_linen`'s.
      name: what a combinator calls the layer.

    Raises:
      TypeError: if `build` is a module already.
      ValueError: when applied, if the parameters or the state are another network's, or if the module draws random
        numbers and there is no key.
    """
    if isinstance(build, nnx.Module):
        raise TypeError(
            "from_nnx expects a function that makes the module, for a layer makes its initial values from a key: "
            f"from_nnx(lambda rngs: {type(build).__name__}(…, rngs=rngs)). split_module(module) gives those it has."
        )

    def init(key: jax.Array, x: Any, /) -> tuple[Params, State]:
        del x  # what an NNX module is made with tells the shapes
        return split_module(build(nnx.Rngs(key)))

    def apply(
        params: Params, state: State, x: Any, /, *, train: bool, key: jax.Array | None = None
    ) -> tuple[Any, State]:
        definition, like_params, like_streams, like_state = _split(nnx.eval_shape(lambda: build(nnx.Rngs(0))))
        streams = _streams(like_streams, jax.random.key(0) if key is None else key)
        given = _filled(like_params, params, name, "parameters"), _filled(like_state, state, name, "state")
        counts = _counts(streams)
        module = nnx.merge(definition, given[0], streams, given[1])
        module.train() if train else module.eval()
        y = module(x, **(mode or mode_of(module))(train))
        _, _, used, after = _split(module)
        if key is None and any(a is not b for a, b in zip(counts, _counts(used), strict=True)):
            raise ValueError(
                f"{name} needs a key when train={train}: pass apply(…, train={train}, key=jax.random.key(seed))."
            )
        return y, _by_name(after) if train else state

    return Layer(init, apply, name)


def split_module(module: nnx.Module) -> tuple[Params, State]:
    """Returns the values that an NNX module holds, as parameters and state of the layer that `from_nnx` makes of it."""
    _, params, _, state = _split(module)
    return _by_name(params), _by_name(state)


def update_module(module: nnx.Module, params: Params, state: State) -> None:
    """Puts the parameters and the state of a layer that `from_nnx` made into an NNX module of that kind.

    Raises:
      ValueError: if they are another network's.
    """
    _, like_params, _, like_state = _split(module)
    name = type(module).__name__
    nnx.update(module, _filled(like_params, params, name, "parameters"), _filled(like_state, state, name, "state"))


def to_nnx(layer: Layer, x: Any, rngs: nnx.Rngs) -> nnx.Module:
    """Makes an NNX module of a layer: called as `module(x)`, in the mode that its `train()` and `eval()` set.

    Its variables are `module.params`, `nnx.Param`s in the tree of the layer's parameters, and `module.state`,
    `nnx.BatchStat`s in that of its state, which a call in training updates. It begins in training, as NNX's own do.

    Args:
      layer: the layer.
      x: an input, or its `jax.ShapeDtypeStruct`.
      rngs: gives the initial values, by `rngs.params`, and the keys of random layers, by `rngs.dropout`.

    Raises:
      TypeError: if it is no layer.
    """
    check_is_layer("to_nnx", "its argument", layer)
    return _Module(layer, x, rngs)


class _Module(nnx.Module):
    """A layer as an NNX module."""

    def __init__(self, layer: Layer, x: Any, rngs: nnx.Rngs) -> None:
        params, state = layer.init(rngs.params(), x)
        self.apply = nnx.static(layer.apply)
        self.params = nnx.data(jax.tree.map(nnx.Param, params))
        self.state = nnx.data(jax.tree.map(nnx.BatchStat, state))
        self.rngs = rngs.fork()
        self.deterministic = False

    def __call__(self, x: Any) -> Any:
        params, state = (_values(variables) for variables in (self.params, self.state))
        key = None if self.deterministic else self.rngs.dropout()
        y, after = self.apply(params, state, x, train=not self.deterministic, key=key)
        if not self.deterministic:
            jax.tree.map(lambda variable, value: variable.set_value(value), self.state, after, is_leaf=_is_variable)
        return y


def _values(variables: Any) -> Any:
    return jax.tree.map(lambda variable: variable.get_value(), variables, is_leaf=_is_variable)


def _is_variable(tree: Any) -> bool:
    return isinstance(tree, nnx.Variable)


def _split(module: Any) -> Any:
    """Takes a module apart: its definition, parameters, random streams, and all other variables."""
    return nnx.split(module, nnx.Param, nnx.RngState, ...)


def _by_name(variables: nnx.State) -> dict[str, Any]:
    """Nests the values of variables in dicts, by their names."""
    made: dict[str, Any] = {}
    for path, variable in nnx.to_flat_state(variables):
        *outer, last = map(str, path)
        inner = made
        for word in outer:
            inner = inner.setdefault(word, {})
        inner[last] = variable.get_value()
    return made


def _filled(like: nnx.State, tree: Any, name: str, kind: str) -> nnx.State:
    """Puts the values of `tree` into the variables whose `_by_name` it is."""
    wanted = _by_name(like)
    if jax.tree.structure(wanted) != jax.tree.structure(tree):
        raise ValueError(
            f"{name} expects {kind} {expect.describe(wanted)}, got {expect.describe(tree)}. "
            f"Pass the {kind} that this network's own init made."
        )

    def find(path: Any) -> Any:
        inner = tree
        for word in path:
            inner = inner[str(word)]
        return inner

    return nnx.from_flat_state([(path, variable.replace(find(path))) for path, variable in nnx.to_flat_state(like)])


def _streams(like: nnx.State, key: jax.Array) -> nnx.State:
    """Gives each random stream a key of its own, and counts from zero."""

    def start(path: Any, variable: Any) -> Any:
        if not isinstance(variable, nnx.RngKey):
            return jnp.zeros(variable.shape, variable.dtype)
        own = named_key(key, "/".join(map(str, path)))
        return jax.random.split(own, variable.shape) if variable.shape else own

    return nnx.from_flat_state([(path, v.replace(start(path, v))) for path, v in nnx.to_flat_state(like)])


def _counts(streams: nnx.State) -> list[Any]:
    """What each stream has counted: another array where it was drawn from."""
    return [variable.get_value() for _, variable in nnx.to_flat_state(streams) if isinstance(variable, nnx.RngCount)]
