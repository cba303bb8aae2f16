"""Linen modules as layers, and layers as Linen modules."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
from flax import linen
from flax.core import meta, unfreeze
from flax.errors import InvalidRngError

from fnn import expect
from fnn.combinators.children import check_is_layer
from fnn.interop.flax.mode import ModeFn, explain, mode_of
from fnn.layer import Layer, Params, State

Variables = Mapping[str, Any]
"""What Linen's `init` makes: collections by name, `"params"` among them."""


def from_linen(
    module: linen.Module | Callable[[bool], linen.Module], *, mode: ModeFn | None = None, name: str | None = None
) -> Layer:
    """Makes a layer of a Linen module.

    The layer's parameters are the module's collection `"params"`, and its state all other collections by name, such as
    `{"batch_stats": …}`, which training updates: see `join_variables`. The initial values are those of
    `module.init(key, x)`; the layer's key is that of every random stream, as in `module.apply(…, rngs=key)`. What is
    sown as `"intermediates"` is dropped.

    Args:
      module: the module; or a function `train -> module`, for modules that are told the mode when they are made.
      mode: from `train` to the keyword arguments of `__call__` that say so. By default those of them that are called
        `train`, `training`, `is_training`, `deterministic` or `use_running_average`.
      name: what a combinator calls the layer; the module's class in lower case by default.

    Raises:
      TypeError: if `module` is neither.
      ValueError: when initialized or applied, if the module has running moments (`"batch_stats"`) and no way to be
        told the mode; when applied without a key, if it draws random numbers.
    """
    build = module if callable(module) and not isinstance(module, linen.Module) else lambda train: module  # noqa: ARG005
    first = build(False)
    if not isinstance(first, linen.Module):
        raise TypeError(f"from_linen expects a Linen module, or a function train -> module, got {module!r:.200}.")
    title = name or type(first).__name__.lower()
    told = mode is not None or build(False) is not build(True)

    def arguments(module: linen.Module, train: bool, collections: Any) -> Mapping[str, Any]:
        given = (mode or mode_of(module))(train)
        if "batch_stats" in collections and not given and not told:
            raise ValueError(
                f"{title} keeps running moments, but its __call__ has no argument that tells it whether it is training "
                f"({explain()}). Say how: from_linen(module, mode=lambda train: {{…}}), or from_linen(lambda train: "
                "Module(…)); mode=lambda train: {} if it is to do the same in both."
            )
        return given

    def init(key: jax.Array, x: Any, /) -> tuple[Params, State]:
        abstract = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), x)
        module = build(False)
        variables = module.lazy_init(key, abstract, **(mode or mode_of(module))(False))
        arguments(module, False, variables)
        return split_variables(variables)

    def apply(
        params: Params, state: State, x: Any, /, *, train: bool, key: jax.Array | None = None
    ) -> tuple[Any, State]:
        module = build(train)
        given = arguments(module, train, state)
        try:
            y, updated = module.apply(join_variables(params, state), x, rngs=key, mutable=list(state), **given)
        except InvalidRngError as error:
            if key is not None:
                raise
            raise ValueError(
                f"{title} needs a key when train={train}: pass apply(…, train={train}, key=jax.random.key(seed))."
            ) from error
        return y, (state | unfreeze(updated) if train else state)

    return Layer(init, apply, title)


def to_linen(layer: Layer, *, collection: str = "batch_stats") -> linen.Module:
    """Makes a Linen module of a layer.

    Its variables are `{"params": params, collection: state}`, whose trees are the layer's own, so that they can be
    passed from one to the other. It is called as `module.apply(variables, x, train=…)`; in training the state is
    updated where its collection is mutable, and random layers read `rngs={"dropout": key}`.

    Args:
      layer: the layer.
      collection: what the layer's state is called; Flax's own training loops carry `"batch_stats"` along.

    Raises:
      TypeError: if it is no layer.
    """
    check_is_layer("to_linen", "its argument", layer)
    return _Module(layer, collection)


class _Module(linen.Module):
    """A layer as a Linen module."""

    layer: Layer
    collection: str

    @linen.compact
    def __call__(self, x: Any, *, train: bool) -> Any:
        if self.is_initializing():
            params, state = self.layer.init(self.make_rng("params"), x)
            for name, value in params.items():
                self.param(name, lambda _, value=value: value)
            for name, value in state.items():
                self.variable(self.collection, name, lambda value=value: value)
        params, state = (self.variables.get(name, {}) for name in ("params", self.collection))
        has_key = self.has_rng("dropout") or self.has_rng("params")  # Linen's own layers fall back on it too
        key = self.make_rng("dropout") if train and has_key else None
        y, state = self.layer.apply(dict(params), dict(state), x, train=train, key=key)
        if train and not self.is_initializing() and self.is_mutable_collection(self.collection):
            for name, value in state.items():
                self.put_variable(self.collection, name, value)
        return y


def split_variables(variables: Variables) -> tuple[Params, State]:
    """Makes a layer's parameters and state of Linen's variables: `"params"`, and the other collections by name.

    Boxes around arrays, which carry names of axes for sharding, are taken off.
    """
    plain = dict(meta.unbox(unfreeze(dict(variables))))
    return plain.pop("params", {}), plain


def join_variables(params: Params, state: State) -> dict[str, Any]:
    """Makes Linen's variables of the parameters and state of a layer that `from_linen` made.

    Raises:
      ValueError: if the state has an entry `"params"`, which no collection beside the parameters may be called.
    """
    if "params" in state:
        raise ValueError(f"join_variables expects the state's collections by name, got {expect.describe(state)}.")
    return ({"params": params} if params else {}) | state
