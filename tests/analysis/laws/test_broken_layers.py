"""Layers that each break one promise, and the law that catches each, by its name.

Beside every broken layer stands a sound one, of which the same law holds.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.core import Tracer

import fnn
from fnn.analysis import LAWS
from fnn.layer import Layer

VECTORS = jax.ShapeDtypeStruct((4, 6), jnp.float32)


class Case(NamedTuple):
    law: str
    says: str
    """What the message must say."""
    broken: Layer
    sound: Layer
    told: dict[str, Any] = {}  # noqa: RUF012


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


CASES = {
    "init without state": Case(
        "init and apply run", "(params, state), two dicts",
        Layer(lambda key, x: {}, lambda *_, **__: None, "mine"), fnn.Dense(3),  # pyright: ignore[reportArgumentType]
    ),
    "apply without state": Case(
        "init and apply run", "apply must return (y, state)",
        stateful(lambda key, x: ({}, {}), lambda p, s, x, train, key: x), count(),
    ),
    "initialized by the data": Case(
        "init reads only shapes and dtypes", "given other numbers", scale(from_the_data), scale(drawn),
    ),
    "initialized by NumPy's own generator": Case(
        "init is deterministic in its key", "called twice with one key", scale(drawn_by_numpy(lambda key: 0)), scale(),
    ),
    "initialized by a fixed key": Case(
        "other keys give other parameters", "'scale' has the same 6 different numbers whatever the key",
        scale(drawn_from_one_key_for_all), scale(drawn),
    ),
    "two parameters of one key": Case(
        "other keys give other parameters", "'a' and 'b' hold the same random numbers",
        two_scales(lambda key: (key, key)), two_scales(jax.random.split),
    ),
    "initialized outside of JAX": Case(
        "init runs under jit, vmap and eval_shape", "TracerArrayConversionError", scale(drawn_from_the_keys_number),
        scale(drawn),
    ),
    "parameters of the input's dtype": Case(
        "parameters are named float32 arrays", "bfloat16", scale(lambda key, x: jnp.ones(x.shape[-1:], x.dtype)),
        scale(),
    ),
    "a name with a slash": Case(
        "parameters are named float32 arrays", "names without '/'", scale(name="my/scale"), scale(name="my_scale"),
    ),
    "another function when compiled": Case(
        "compiled equals eager", "same under jit as without",
        function(lambda x: x if isinstance(x, Tracer) else 2 * x), function(lambda x: 2 * x),
    ),
    "a callback that does not know vmap": Case(
        "vmap equals a loop", "same under vmap", callback(sum_of_everything), callback(sum_of_each),
    ),
    "another shape when traced": Case(
        "abstract shapes are the real ones", "(4, 5) float32, but apply made (4, 6) float32",
        function(lambda x: x[:, :-1] if isinstance(x, Tracer) else x), function(lambda x: x[:, :-1]),
    ),
    "float32 inside": Case(
        "output has the input's dtype", "from bfloat16 input came float32 output",
        scale(multiply=lambda x, scale: x.astype(jnp.float32) * scale), scale(),
    ),
    "not for NumPy": Case(
        "NumPy input is as good", "given NumPy's arrays", function(lambda x: x if isinstance(x, jax.Array) else x + 1),
        function(jnp.asarray),
    ),
    "noise in evaluation": Case(
        "evaluation is deterministic", "with a key as without", noise(in_evaluation=True), noise(),
    ),
    "state that evaluation moves": Case(
        "evaluation leaves the state alone", "'uses' is 2 in one and 1 in the other", count(in_evaluation=True),
        count(),
    ),
    "state of another dtype": Case(
        "training keeps the state's form", "'uses' is float16 in one and float32 in the other",
        count(dtype=jnp.float16), count(),
    ),
    "noise without a key": Case(
        "training asks for a key only where it is random", "did not ask for a key", noise(asks=False), noise(),
    ),
    "normalized over the wrong axis": Case(
        "examples do not see each other", "example 0 of the batch changed", centred(0), centred(1),
    ),
    "normalized by the batch in evaluation": Case(
        "examples do not see each other", "in both modes, example 0", normalized_by_the_batch_in_evaluation_too(),
        fnn.BatchNorm(), {"batch_dependent": True},
    ),
    "an example's place": Case(
        "examples do not see each other", "an example's place in the batch", function(weighed_by_place), fnn.Relu,
    ),
    "no batch": Case(
        "examples do not see each other", "one output an example, 4 along the first axis", function(jnp.sum),
        function(partial(jnp.sum, axis=1)),
    ),
    "a parameter that is not used": Case(
        "every parameter gets a gradient", "no gradient ever reaches 'scale'",
        scale(multiply=lambda x, scale: x + lax.stop_gradient(scale).astype(x.dtype)), scale(),
    ),
    "a derivative wrong by 1 % in one entry": Case(
        "derivatives agree", "Furthest apart at 'x'[1, 2]", cube(one_entry_wrong_by_one_per_cent),
        cube(lambda x: 3 * x**2),
    ),
    "no forward mode": Case(
        "derivatives agree", "TypeError", cube_without_forward_mode(), cube(lambda x: 3 * x**2),
    ),
    "a derivative that is not differentiated": Case(
        "second derivatives exist", "second derivatives lie", cube(lambda x: 3 * lax.stop_gradient(x) ** 2),
        cube(lambda x: 3 * x**2),
    ),
    "divided by zero": Case("no NaN at extreme inputs", "gave NaN in the gradient by 'x'", unit(0.0), unit(1e-5)),
    "a branch not taken": Case("no NaN at extreme inputs", "though not in the output", root(False), root(True)),
    "too small before a ReLU": Case(
        "variance survives 30 copies", "mean square of activations", fnn.serial(fnn.Dense(6), fnn.Relu),
        fnn.serial(fnn.Dense(6, kernel_init="he_normal"), fnn.Relu),
    ),
    "a key in the state": Case(
        "parameters survive saving", "TypeError", with_key(lambda key: key), with_key(jax.random.key_data),
    ),
    "a memory": Case(
        "nothing captured is traced", "memory → 0 holds a traced value that it captured when it was called",
        remembering([]), remembering(None),
    ),
    "made inside jit": Case(
        "nothing captured is traced", "factor holds a traced value that it captured when it was made",
        made_inside_jit(), function(lambda x: 2 * x),
    ),
    "a count of its traces under remat": Case(
        "works under remat", "remat must change neither", counting_its_traces(), function(lambda x: 2 * x),
    ),
    "a count of its traces under scan": Case(
        "works under scan", "one step after another", counting_its_traces(), function(lambda x: 2 * x),
    ),
    "a count of its traces, sharded": Case(
        "works sharded over the batch", "sharded over", counting_its_traces(), function(lambda x: 2 * x),
    ),
    "a wrong sign": Case(
        "agrees with the oracle", "layer and oracle must agree", affine(-1), affine(1), {"oracle": affine_in_numpy},
    ),
    "fails on odd channels": Case(
        "holds at every shape", "for x of shape (1, 1) it fails instead of refusing", halved(False), halved(True),
        {"shapes": ((1, 3), (1, 5))},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("law", "says", "broken", "sound", "told"), CASES.values(), ids=CASES)
def test_a_broken_layer_is_caught_by_the_law_that_it_breaks(law, says, broken, sound, told):
    (row,) = fnn.check(broken, VECTORS, laws=[law], **told).broken
    assert row.law == law
    assert says in row.message
    report = fnn.check(sound, VECTORS, laws=[law], **told)
    assert report, str(report)
    assert {row.law: row.outcome for row in report.rows}[law] == "holds"


def test_every_law_catches_something():
    assert {case.law for case in CASES.values()} == set(LAWS)
