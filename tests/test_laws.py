"""The laws that every layer obeys, run over the one list of all layers in `every_layer.py`.

One fixture compiles a layer once for all of its laws, and pytest runs the tests of one layer next to each other.
"""

from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from every_layer import EVERY_LAYER, Entry, example, identify

import fnn
from fnn import combinators, layers, models

MODELS = {getattr(make, "func", make).__name__ for make in models.MODELS.values()}
"""The functions behind the names: one function makes a family of depths."""

DRAWN = {"kernel", "centers"}
"""The parameters that start at random whatever the options; the others start at a constant unless told otherwise."""


@pytest.fixture(scope="module", autouse=True)
def compile_quickly() -> Iterator[None]:
    """Some 2,000 small programs are compiled here and run once or twice: unoptimized, that takes half of the time."""
    before = jax.config.values["jax_disable_most_optimizations"]
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", before)
    jax.clear_caches()  # so that no later test meets an unoptimized program


class Case:
    """A layer with its input, parameters and state, and its two modes compiled."""

    def __init__(self, entry: Entry, name: str) -> None:
        self.entry, self.name, self.layer = entry, name, entry.layer
        self.key = jax.random.key(3)
        self.inputs = example(entry.shape)
        self.x = at(self.inputs, 0)

    @cached_property
    def initial(self) -> tuple[Any, Any]:
        return self.layer.init(self.key, self.x)

    @cached_property
    def initial_by_other_key(self) -> tuple[Any, Any]:
        return self.layer.init(jax.random.key(4), self.x)

    @cached_property
    def params(self) -> Any:
        """Parameters off their initial values, where a scale of 1 or a bias of 0 would hide much."""
        leaves, structure = jax.tree.flatten(self.initial[0])
        steps = [0.1 * np.cos(np.arange(leaf.size, dtype=np.float32)).reshape(leaf.shape) for leaf in leaves]
        return structure.unflatten(
            [jnp.asarray(leaf + step) for leaf, step in zip(map(np.asarray, leaves), steps, strict=True)]
        )

    @cached_property
    def state(self) -> Any:
        """A state that training has moved."""
        return self.train(self.params, self.initial[1], self.x, key=self.key)[1]

    @cached_property
    def evaluate(self) -> Callable[..., Any]:
        return jax.jit(partial(self.layer.apply, train=False))

    @cached_property
    def train(self) -> Callable[..., Any]:
        return jax.jit(partial(self.layer.apply, train=True))

    def traced(self, params: Any, state: Any, x: Any, *, train: bool = False) -> Any:
        """Shapes and dtypes of an application: what tracing alone, without compiling, finds out."""
        apply = partial(self.layer.apply, train=train)
        return jax.eval_shape(lambda p, s, x, key: apply(p, s, x, key=key), params, state, x, self.key)


def listed() -> list[Any]:
    """The keys of the list, those marked that take long."""
    marks = {True: [pytest.mark.thorough], False: []}
    return [pytest.param(key, id=identify(key), marks=marks[entry.thorough]) for key, entry in EVERY_LAYER.items()]


@pytest.fixture(scope="module", params=listed())
def case(request: pytest.FixtureRequest) -> Case:
    return Case(EVERY_LAYER[request.param], identify(request.param))


def assert_close(got: Any, wanted: Any, tolerance: float = 1e-6) -> None:
    """The same structure, shapes and dtypes, and numbers that differ by little next to the largest."""
    assert jax.tree.structure(got) == jax.tree.structure(wanted)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        assert np.max(np.abs(a - b), initial=0) <= tolerance * np.max(np.abs(b), initial=0)


def assert_same(got: Any, wanted: Any) -> None:
    """The same, bit for bit."""
    assert_close(got, wanted, tolerance=0)


def at(tree: Any, i: int) -> Any:
    """Entry `i` of every array of a tree, cut by NumPy: JAX would compile a program for each shape."""
    return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)[i]), tree)


def shapes(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), tree)


def levels(tree: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every dict in a nested dict, the whole included."""
    yield path
    for name, child in tree.items():
        if isinstance(child, dict):
            yield from levels(child, (*path, name))


def changed(tree: Any, path: tuple[str, ...], change: Callable[[dict[str, Any]], Any]) -> Any:
    """The nested dict with the dict at `path` replaced by what `change` makes of it."""
    if not path:
        return change(tree)
    return {**tree, path[0]: changed(tree[path[0]], path[1:], change)}


# The list.


def test_every_public_name_is_on_the_list():
    public = {*layers.__all__, *combinators.__all__, *MODELS}
    listed = {name for name, _ in EVERY_LAYER}
    assert public - listed == set(), "add these to every_layer.py"
    assert listed - public == set(), "these are no longer public"


@pytest.mark.parametrize("key", EVERY_LAYER, ids=identify)
def test_an_entry_exercises_the_name_it_stands_under(key: tuple[str, str]):
    """A layer's `name` is its public name in small letters, so an entry cannot stand under a wrong one unseen."""
    public, layer = key[0], EVERY_LAYER[key].layer
    keeps_the_name_inside = {"repeat", "remat", "frozen", "evaluating", "mixed_precision"}
    if public in MODELS:
        assert layer.name in (public, "serial")
    elif public not in keeps_the_name_inside:
        assert layer.name.replace("_", "") == public.lower()


# Initial values.


def test_init_is_deterministic_and_reads_only_shapes(case: Case):
    wanted = case.initial
    assert_same(case.layer.init(case.key, case.x), wanted)
    assert_same(case.layer.init(case.key, at(case.inputs, 1)), wanted)
    assert_same(case.layer.init(case.key, shapes(case.x)), wanted)


def test_init_runs_under_jit_vmap_and_eval_shape(case: Case):
    keys = jnp.stack([case.key, jax.random.key(4)])
    mapped = jax.jit(jax.vmap(case.layer.init, (0, None)))(keys, case.x)  # one program: to compile two costs twice
    for i, wanted in enumerate((case.initial, case.initial_by_other_key)):
        assert_close(at(mapped, i), wanted)
    assert jax.eval_shape(case.layer.init, case.key, case.x) == shapes(case.initial)
    assert jax.eval_shape(case.layer.init, case.key, shapes(case.x)) == shapes(case.initial)


def test_other_keys_give_other_kernels(case: Case):
    one, other = case.initial[0], case.initial_by_other_key[0]
    for (path, a), b in zip(jax.tree.leaves_with_path(one), jax.tree.leaves(other), strict=True):
        drawn = path[-1].key in DRAWN or case.name == "Dense: random bias"
        assert np.array_equal(a, b) != drawn, path


def test_parameters_and_state_are_nested_dicts_of_float32(case: Case):
    for tree in case.initial:
        assert isinstance(tree, dict)
        for path in levels(tree):
            inside = tree
            for name in path:
                inside = inside[name]
            assert all(isinstance(name, str) and name for name in inside)
            assert inside or not path, f"{path} is an empty entry"
        assert all(isinstance(leaf, jax.Array) and leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(tree))


def test_parameters_are_float32_whatever_the_input(case: Case):
    for dtype in (jnp.bfloat16, jnp.float16):
        narrow = jax.tree.map(lambda leaf, dtype=dtype: jax.ShapeDtypeStruct(leaf.shape, dtype), case.x)
        assert jax.eval_shape(case.layer.init, case.key, narrow) == shapes(case.initial)


# Application.


def test_compiled_equals_eager(case: Case):
    tolerance = case.entry.tolerance
    eager = case.layer.apply(case.params, case.state, case.x, train=False)
    assert_close(case.evaluate(case.params, case.state, case.x), eager, tolerance)
    eager = case.layer.apply(case.params, case.state, case.x, train=True, key=case.key)
    assert_close(case.train(case.params, case.state, case.x, key=case.key), eager, tolerance)


def test_vmap_equals_a_loop(case: Case):
    keys = jnp.stack([case.key, jax.random.key(4)])

    def both(params: Any, state: Any, x: Any, key: jax.Array) -> Any:
        evaluated = case.layer.apply(params, state, x, train=False)
        return evaluated, case.layer.apply(params, state, x, train=True, key=key)

    mapped = jax.jit(jax.vmap(both, (None, None, 0, 0)))(case.params, case.state, case.inputs, keys)
    for i in range(2):
        x = at(case.inputs, i)
        evaluated = case.evaluate(case.params, case.state, x)
        wanted = evaluated, case.train(case.params, case.state, x, key=keys[i])
        assert_close(at(mapped, i), wanted, case.entry.tolerance)


def test_gradient_is_finite_and_shaped_like_what_it_is_taken_of(case: Case):
    def loss(params: Any, x: Any) -> jax.Array:
        y, _ = case.layer.apply(params, case.state, x, train=True, key=case.key)
        return sum((jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(y)), jnp.float32(0))

    gradients = jax.jit(jax.grad(loss, (0, 1)))(case.params, case.x)
    assert shapes(gradients) == shapes((case.params, case.x))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))


def test_evaluation_keeps_the_state_and_repeats_itself(case: Case):
    y, state = case.evaluate(case.params, case.state, case.x)
    assert_same(state, case.state)
    assert_same(case.layer.apply(case.params, case.state, case.x, train=False)[1], case.state)
    again, _ = case.evaluate(case.params, case.state, case.x, key=jax.random.key(11))
    assert_same(again, y)


def test_training_keeps_the_form_of_the_state(case: Case):
    assert shapes(case.state) == shapes(case.initial[1])
    _, after = case.train(case.params, case.state, case.x, key=case.key)
    assert shapes(after) == shapes(case.state)


def test_training_depends_on_the_key_only_where_something_is_random(case: Case):
    one, _ = case.train(case.params, case.state, case.x, key=case.key)
    other, _ = case.train(case.params, case.state, case.x, key=jax.random.key(12))
    differ = any(not np.array_equal(a, b) for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True))
    assert differ == case.entry.random


def test_training_needs_a_key_only_where_something_is_random(case: Case):
    train = partial(case.layer.apply, train=True)
    if case.entry.random:
        with pytest.raises(ValueError, match="needs a key"):
            jax.eval_shape(train, case.params, case.state, case.x)
    else:
        y, _ = jax.eval_shape(train, case.params, case.state, case.x)
        assert y == case.traced(case.params, case.state, case.x, train=True)[0]


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32, jnp.float64], ids=jnp.dtype)
def test_output_has_the_dtype_of_the_input(case: Case, dtype: Any):
    params, state = case.params, case.state
    for train in (False, True):
        with jax.enable_x64(dtype == jnp.float64):
            x = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, dtype), case.x)
            y, new_state = case.traced(params, state, x, train=train)
        assert jax.tree.leaves(y)
        assert {leaf.dtype for leaf in jax.tree.leaves(y)} == {jnp.dtype(dtype)}
        assert new_state == shapes(state)


def test_numpy_input_is_as_good(case: Case):
    wanted = case.layer.apply(case.params, case.state, case.x, train=False)
    numpy = jax.tree.map(np.asarray, case.x)
    assert_same(case.layer.init(case.key, numpy), case.initial)
    assert_same(case.layer.apply(case.params, case.state, numpy, train=False), wanted)
    # NumPy's own float64, which JAX holds as float32.
    wide = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), case.x)
    assert_same(case.layer.init(case.key, wide), case.initial)
    assert_same(case.layer.apply(case.params, case.state, wide, train=False), wanted)


# Trees that are another network's.


def test_parameters_of_another_network_are_refused(case: Case):
    another = fnn.serial(stem=fnn.Dense(3), body=fnn.serial(fnn.Dense(3), fnn.BatchNorm()))
    params, state = another.init(case.key, jnp.ones((2, 3)))
    with pytest.raises(ValueError, match=r"another network|own init"):
        case.traced(params, case.state, case.x)
    with pytest.raises(ValueError, match=r"another network|own init"):
        case.traced(case.params, state, case.x)


def test_an_unknown_entry_is_refused_at_every_level(case: Case):
    leaves = jax.tree.leaves((case.params, case.state))
    # As high as a stack of `repeat`, so that its height is not the reason.
    extra = {"unknown": np.ones((leaves[0].shape[0] if leaves else 2, 2))}
    for path in levels(case.params):
        with pytest.raises(ValueError, match="unknown"):
            case.traced(changed(case.params, path, lambda inside: inside | extra), case.state, case.x)
    for path in levels(case.state):
        with pytest.raises(ValueError, match="unknown"):
            case.traced(case.params, changed(case.state, path, lambda inside: inside | extra), case.x)


def test_a_missing_or_misshapen_entry_is_refused_at_every_leaf(case: Case):
    for which, tree in enumerate((case.params, case.state)):
        for path, leaf in jax.tree.leaves_with_path(tree):
            *place, last = [entry.key for entry in path]
            without = changed(
                tree, tuple(place), lambda inside, last=last: {k: v for k, v in inside.items() if k != last}
            )
            wider = np.zeros((*leaf.shape[:-1], leaf.shape[-1] + 1))
            misshapen = changed(tree, tuple(place), lambda inside, last=last, wider=wider: inside | {last: wider})
            for broken in (without, misshapen):
                trees = (broken, case.state) if which == 0 else (case.params, broken)
                with pytest.raises(ValueError, match=r"expects (parameters|state)"):
                    case.traced(*trees, case.x)
