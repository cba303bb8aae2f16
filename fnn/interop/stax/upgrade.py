"""From stax's pairs of functions to layers, and back."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.interpreters import partial_eval

from fnn import expect
from fnn.combinators.children import check_is_layer
from fnn.interop.stax.layers import ApplyFun, InitFun, Pair
from fnn.layer import Layer, Params, State


def upgrade(init_fun: InitFun, apply_fun: ApplyFun, evaluate: ApplyFun | None = None, *, name: str = "stax") -> Layer:
    """Makes a layer of a pair of functions as stax has them, so that it composes and trains as fnn's own do.

    Lists and tuples of parameters become dicts by index: what stax calls `params[0][1]` is `params["0"]["1"]`, and what
    has no parameters has no entry. The initial values are those that stax makes of the same key.

    Args:
      init_fun: `(rng, input_shape) -> (output_shape, params)`.
      apply_fun: `(params, inputs, rng=…) -> outputs`.
      evaluate: the `apply_fun` of the same network built for evaluation, for the mode of stax's `Dropout` is fixed when
        it is built: with `mode="test"`. By default, `apply_fun`.
      name: what a combinator calls the layer when it is not given a name.

    Raises:
      ValueError: when applied, if the parameters are another network's; if something is random in evaluation; or if it
        is in training and there is no key.

    Example:
      >>> init_fun, apply_fun = stax.serial(stax.Dense(10), stax.Dropout(0.9))
      >>> _, evaluate = stax.serial(stax.Dense(10), stax.Dropout(0.9, mode="test"))
      >>> layer = stax.upgrade(init_fun, apply_fun, evaluate)
    """

    def make(key: jax.Array, x: Any) -> Any:
        return init_fun(key, jax.tree.map(lambda leaf: tuple(leaf.shape), x))[1]

    def init(key: jax.Array, x: Any, /) -> tuple[Params, State]:
        return _by_name(make(key, x)), {}

    def apply(
        params: Params, state: State, x: Any, /, *, train: bool, key: jax.Array | None = None
    ) -> tuple[Any, State]:
        expect.entries(state, name, "state")
        like = jax.eval_shape(lambda: make(jax.random.key(0), x))
        given = _as_in(like, params, name)
        function = apply_fun if train or evaluate is None else evaluate

        def with_key(key: jax.Array) -> Any:
            return function(given, x, rng=key)

        if train and key is not None:
            return with_key(key), state
        unread = jax.random.key(0)
        if _reads(with_key, unread):
            raise ValueError(
                f"{name} needs a key when train=True: pass apply(…, train=True, key=jax.random.key(seed))."
                if train
                else f"{name} is random in evaluation too: build its Dropout with mode='test' as well, and pass the "
                "apply_fun of that as upgrade(init_fun, apply_fun, evaluate)."
            )
        return with_key(unread), state

    return Layer(init, apply, name)


def downgrade(layer: Layer, *, train: bool) -> Pair:
    """Makes a pair of functions as stax has them of a layer without state, in one mode.

    Its parameters are the layer's; its input is float32, or a tree of such, for a shape in stax tells no dtype.

    Args:
      layer: the layer.
      train: the mode in which `apply_fun` applies it. A layer that is random in training reads `rng=`.

    Raises:
      TypeError: if it is no layer.
      ValueError: when initialized, if the layer has state, for which stax has no place.
    """
    check_is_layer("downgrade", "its argument", layer)

    def init_fun(rng: jax.Array, input_shape: Any) -> tuple[Any, Any]:
        x = jax.tree.map(_abstract, input_shape, is_leaf=_is_shape)
        params, state = layer.init(rng, x)
        if jax.tree.leaves(state):
            raise ValueError(
                f"downgrade expects a layer without state, got {layer.name!r} with {expect.describe(state)}. "
                "Replace BatchNorm by GroupNorm or LayerNorm, or use the layer as it is."
            )
        y, _ = jax.eval_shape(partial(layer.apply, train=False), params, state, x)
        open_batch = any(shape[:1] == (-1,) for shape in jax.tree.leaves(input_shape, is_leaf=_is_shape))
        return jax.tree.map(lambda leaf: (-1, *leaf.shape[1:]) if open_batch else tuple(leaf.shape), y), params

    def apply_fun(params: Any, inputs: Any, **kwargs: Any) -> Any:
        return layer.apply(params, {}, inputs, train=train, key=kwargs.get("rng"))[0]

    return init_fun, apply_fun


def _by_name(tree: Any) -> Params:
    """Nests the leaves of a tree in dicts, by the words of their paths."""
    made: Params = {}
    for path, leaf in jax.tree.leaves_with_path(tree):
        *outer, last = _words(path)
        inner = made
        for word in outer:
            inner = inner.setdefault(word, {})
        inner[last] = leaf
    return made


def _as_in(like: Any, params: Params, name: str) -> Any:
    """Puts the leaves of `params` back into the tree whose `_by_name` they are."""
    wanted = _by_name(like)
    if jax.tree.structure(wanted) != jax.tree.structure(params):
        raise ValueError(
            f"{name} expects parameters {expect.describe(wanted)} for this input, got {expect.describe(params)}. "
            "Pass the parameters that this network's own init made."
        )

    def find(path: Sequence[Any]) -> Any:
        inner: Any = params
        for word in _words(path):
            inner = inner[word]
        return inner

    return jax.tree.map_with_path(lambda path, _: find(path), like)


def _words(path: Sequence[Any]) -> list[str]:
    return [jax.tree_util.keystr((step,), simple=True) for step in path] or ["params"]


def _is_shape(tree: Any) -> bool:
    return isinstance(tree, tuple | list) and all(isinstance(size, int) for size in tree)


def _abstract(shape: Sequence[int]) -> jax.ShapeDtypeStruct:
    """An open batch, −1, stands for a batch of one."""
    first, rest = tuple(shape[:1]), tuple(shape[1:])
    return jax.ShapeDtypeStruct(((1,) if first == (-1,) else first) + rest, jnp.float32)


def _reads(function: Callable[[jax.Array], Any], key: jax.Array) -> bool:
    """Whether what a function gives depends on its key."""
    closed = jax.make_jaxpr(function)(key)
    _, read = partial_eval.dce_jaxpr(closed.jaxpr, [True] * len(closed.jaxpr.outvars))
    return read[0]
