"""Layers that each break one promise, or keep it, as their arguments say."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import fnn
from fnn.layer import Layer


def stateful(init: Callable[..., Any], apply: Callable[..., Any]) -> Layer:
    """A layer of `init(key, x) -> (params, state)` and `apply(params, state, x, train, key) -> (y, state)`."""

    def by_keyword(params: Any, state: Any, x: Any, /, *, train: bool, key: jax.Array | None = None) -> Any:
        return apply(params, state, x, train, key)

    return Layer(init, by_keyword, "mine")


def scale(
    initial: Callable[..., Any] = lambda key, x: jnp.ones(x.shape[-1:], jnp.float32),
    multiply: Callable[..., Any] = lambda x, scale: x * scale.astype(x.dtype),
    name: str = "scale",
) -> Layer:
    """One factor for each channel."""

    def apply(params: Any, x: jax.Array) -> jax.Array:
        return multiply(x, jnp.broadcast_to(params[name], x.shape))

    return fnn.stateless(lambda key, x: {name: initial(key, x)}, apply, name="mine")


def function(f: Callable[[Any], Any]) -> Layer:
    return fnn.stateless(lambda key, x: {}, lambda params, x: f(x), name="mine")


# Initialization.


def drawn(key: jax.Array, x: Any) -> jax.Array:
    return jax.random.normal(key, x.shape[-1:], jnp.float32)


def drawn_from_one_key_for_all(key: jax.Array, x: Any) -> jax.Array:
    return drawn(jax.random.key(0), x)


def drawn_by_numpy(seed: Callable[[jax.Array], Any]) -> Callable[..., jax.Array]:
    random: dict[Any, np.random.Generator] = {}

    def initial(key: jax.Array, x: Any) -> jax.Array:
        generator = random.setdefault(None, np.random.default_rng(seed(key)))
        return jnp.asarray(generator.standard_normal(x.shape[-1:]), jnp.float32)

    return initial


def drawn_from_the_keys_number(key: jax.Array, x: Any) -> jax.Array:
    seed = np.asarray(jax.random.key_data(key))
    return jnp.asarray(np.random.default_rng(seed).standard_normal(x.shape[-1:]), jnp.float32)


def from_the_data(key: jax.Array, x: Any) -> jax.Array:
    return drawn(key, x) * (1 if isinstance(x, jax.ShapeDtypeStruct) else jnp.std(x))


def two_scales(split: Callable[[jax.Array], Any]) -> Layer:
    def init(key: jax.Array, x: Any) -> Any:
        return {name: drawn(own, x) for name, own in zip("ab", split(key), strict=True)}

    return fnn.stateless(init, lambda params, x: x * (params["a"] + params["b"])[None], name="mine")


# Application.


def callback(add_up: Callable[[np.ndarray], Any]) -> Layer:
    """A sum on the host: `add_up` is given all that is mapped over at once."""

    def f(x: jax.Array) -> jax.Array:
        out = jax.ShapeDtypeStruct((), x.dtype)
        return x + jax.pure_callback(lambda a: add_up(np.asarray(a)), out, x, vmap_method="broadcast_all")

    return function(f)


def sum_of_everything(a: np.ndarray) -> np.ndarray:
    return np.broadcast_to(a.sum(), a.shape[:-2])


def sum_of_each(a: np.ndarray) -> np.ndarray:
    return a.sum((-1, -2))


# Modes.


def count(in_evaluation: bool = False, dtype: Any = jnp.float32) -> Layer:
    """Counts its uses."""

    def apply(params: Any, state: Any, x: jax.Array, train: bool, key: Any) -> Any:
        return x, {"uses": (state["uses"] + 1).astype(dtype)} if train or in_evaluation else state

    return stateful(lambda key, x: ({}, {"uses": jnp.float32(0)}), apply)


def noise(in_evaluation: bool = False, asks: bool = True) -> Layer:
    """Adds noise in training."""

    def apply(params: Any, state: Any, x: jax.Array, train: bool, key: Any) -> Any:
        if key is None and train and asks:
            raise ValueError("noise needs a key when train=True.")
        if key is None or not (train or in_evaluation):
            return x, state
        return x + jax.random.normal(key, x.shape, x.dtype), state

    return stateful(lambda key, x: ({}, {}), apply)


# The batch.


def centred(axis: int) -> Layer:
    return function(lambda x: x - jnp.mean(x, axis, keepdims=True))


def normalized_by_the_batch_in_evaluation_too() -> Layer:
    norm = fnn.BatchNorm()
    return norm._replace(apply=lambda p, s, x, /, *, train, key=None: norm.apply(p, s, x, train=True))


def weighed_by_place(x: jax.Array) -> jax.Array:
    return x * jnp.arange(1, len(x) + 1).astype(x.dtype)[:, None]


# Derivatives.


def cube(derivative: Callable[[jax.Array], jax.Array]) -> Layer:
    f = jax.custom_jvp(lambda x: x**3)
    f.defjvp(lambda primals, tangents: (primals[0] ** 3, derivative(primals[0]) * tangents[0]))
    return function(f)


def one_entry_wrong_by_one_per_cent(x: jax.Array) -> jax.Array:
    return 3 * x**2 * (1 + 0.01 * (np.arange(x.size).reshape(x.shape) == 8)).astype(x.dtype)


def cube_without_forward_mode() -> Layer:
    f = jax.custom_vjp(lambda x: x**3)
    f.defvjp(lambda x: (x**3, x), lambda x, g: (3 * x**2 * g,))
    return function(f)


# Numbers.


def unit(epsilon: float) -> Layer:
    return function(lambda x: x * lax.rsqrt(jnp.sum(jnp.square(x), -1, keepdims=True) + epsilon))


def root(guarded: bool) -> Layer:
    """The root of what is positive: without a guard its derivative elsewhere is 0 · NaN."""
    return function(lambda x: jnp.where(x > 0, jnp.sqrt(jnp.where(x > 0, x, 1) if guarded else x), 0))


# Trees, purity, transformations.


def with_key(keep: Callable[[jax.Array], Any]) -> Layer:
    return stateful(lambda key, x: ({}, {"key": keep(key)}), lambda p, s, x, train, key: (x, s))


def remembering(memory: list[Any] | None) -> Layer:
    def f(x: jax.Array) -> jax.Array:
        if memory is not None:
            memory.append(x)
        return 2 * x

    return function(f)


def made_inside_jit() -> Layer:
    made = []
    jax.jit(lambda factor: made.append(function(lambda x: factor * x)) or factor)(jnp.float32(2))
    return made[0]


def counting_its_traces() -> Layer:
    traces = []
    return function(lambda x: (traces.append(None), x * len(traces))[1])


def halved(refuses: bool) -> Layer:
    """The sums of the two halves of the channels."""

    def f(x: Any) -> jax.Array:
        if refuses and x.shape[-1] % 2:
            raise ValueError(f"halves expect an even number of channels, got {x.shape}.")
        return jnp.sum(jnp.reshape(x, (len(x), 2, x.shape[-1] // 2)), 1)

    return function(f)


def affine_in_numpy(params: Any, state: Any, x: np.ndarray) -> np.ndarray:
    return x @ params["kernel"] + params["bias"]


def affine(sign: float) -> Layer:
    def apply(params: Any, x: jax.Array) -> jax.Array:
        return x @ params["kernel"].astype(x.dtype) + sign * params["bias"].astype(x.dtype)[None]

    return fnn.stateless(lambda key, x: fnn.Dense(3).init(key, x)[0], apply, name="mine")
