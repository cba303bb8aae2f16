"""The one concept of fnn: a layer is two pure functions.

    init(key, x)                               -> (params, state)
    apply(params, state, x, *, train, key)     -> (y, state)

`params` is what the gradient is taken of. `state` is what a forward pass updates, such as the running moments of
BatchNorm. Both are nested dicts keyed by layer name, and a layer that has none of one contributes no entry to it.
`x` is an array, a `jax.ShapeDtypeStruct`, or a pytree of them; `init` reads only its shape and dtype. `train` is a
Python bool, which `jit` must not trace: `jax.jit(net.apply, static_argnames="train")`, or close over it.

Everything else in the library makes such pairs (`fnn.layers`), composes them (`fnn.combinators`), or trains them
(`fnn.train`). There is nothing to register and nothing to subclass: whoever writes two functions has written a layer.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp

from fnn import expect

Params = dict[str, Any]
State = dict[str, Any]


class InitFn(Protocol):
    """Makes the parameters and the state of a layer from a random key and the shape and dtype of its input."""

    def __call__(self, key: jax.Array, x: Any, /) -> tuple[Params, State]: ...


class ApplyFn(Protocol):
    """Computes a layer's output and its next state.

    `train` has no default, so that neither mode can be forgotten; evaluation (`train=False`) returns `state` as it
    came. `key` is needed only where `train=True` and something is random.
    """

    def __call__(
        self, params: Params, state: State, x: Any, /, *, train: bool, key: jax.Array | None = None
    ) -> tuple[Any, State]: ...


class Layer(NamedTuple):
    """Two pure functions, and the name that a combinator gives them when you do not."""

    init: InitFn
    apply: ApplyFn
    name: str


def stateless(init: Callable[[jax.Array, Any], Params], apply: Callable[[Params, Any], Any], *, name: str) -> Layer:
    """Lifts two short functions to a layer that has no state and does the same in training and evaluation.

    Args:
      init: `(key, x) -> params`, a dict of arrays (empty if there is nothing to learn).
      apply: `(params, x) -> y`.
      name: what a combinator calls the layer when it is not given a name, in lower case: `"scale"`.

    Example:
      >>> def Scale(initial=1.0):
      ...     def init(key, x):
      ...         return {"scale": jnp.full(x.shape[-1:], initial, jnp.float32)}
      ...     def apply(params, x):
      ...         return x * params["scale"].astype(x.dtype)
      ...     return stateless(init, apply, name="scale")
    """

    def init_without_state(key: jax.Array, x: Any, /) -> tuple[Params, State]:
        return init(key, x), {}

    def apply_without_state(
        params: Params, state: State, x: Any, /, *, train: bool, key: jax.Array | None = None
    ) -> tuple[Any, State]:
        del train, key
        expect.entries(state, name, "state")
        return apply(params, x), state

    return Layer(init_without_state, apply_without_state, name)


def parameterless(check: Callable[[Any], jax.Array], function: Callable[[jax.Array], jax.Array], *, name: str) -> Layer:
    """Lifts a function of one array to a layer that has nothing to learn.

    Args:
      check: returns its argument as an array that `function` takes, or raises; also called by init.
      function: `x -> y`.
      name: what a combinator calls the layer.
    """

    def init(key: jax.Array, x: Any) -> Params:
        del key
        check(x)
        return {}

    def apply(params: Params, x: Any) -> jax.Array:
        expect.entries(params, name)
        return function(jnp.asarray(check(x)))

    return stateless(init, apply, name=name)


def elementwise(function: Callable[[jax.Array], jax.Array], name: str | None = None) -> Layer:
    """Makes a layer without parameters of a function that keeps the shape and dtype of its input.

    Args:
      function: array to array of the same shape and dtype, such as `jnp.sin`.
      name: the layer's name; by default the function's own.

    Raises:
      ValueError: when applied, if `function` changes the shape or the dtype.
    """
    given = getattr(function, "__name__", "")
    title = name or (given if given.isidentifier() else "elementwise")

    def keep_shape(x: jax.Array) -> jax.Array:
        y = function(x)
        if y.shape != x.shape or y.dtype != x.dtype:
            raise ValueError(
                f"{title} is elementwise and must keep shape {x.shape} and dtype {x.dtype}, but its function gave "
                f"{y.shape} and {y.dtype}. Write it with fnn.stateless instead, which may change them."
            )
        return y

    return parameterless(lambda x: expect.array(x, title), keep_shape, name=title)


Identity = elementwise(lambda x: x, name="identity")
"""The smallest layer there is: gives back its input, one floating-point array."""
