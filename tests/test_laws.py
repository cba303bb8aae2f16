"""Every layer of fnn keeps the library's promises: `fnn.check` over the one list of all layers in `every_layer.py`.

What only fnn's own layers promise, and `fnn.check` does not ask of others, follows after it. pytest runs the tests of
one layer next to each other.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from every_layer import EVERY_LAYER, Entry, identify, shapes_of

import fnn
from fnn import combinators, layers, models
from fnn.analysis import LAWS

MODELS = {getattr(make, "func", make).__name__ for make in models.MODELS.values()}
"""The functions behind the names: one function makes a family of depths."""

DRAWN = {"kernel", "centers"}
"""The parameters that start at random whatever the options; the others start at a constant unless told otherwise."""

COSTLY = {
    "derivatives agree",
    "second derivatives exist",
    "works under remat",
    "works under scan",
    "works sharded over the batch",
    "variance survives 30 copies",
}
"""The laws that compile a program of their own: one variant of each layer and combinator obeys them for all.

`--thorough` examines all of them; the models are made of the others.
"""

FIRST = {name: variant for name, variant in reversed(EVERY_LAYER) if name not in models.MODELS}
"""The first variant of each public name."""


@pytest.fixture(scope="module", autouse=True)
def compile_quickly() -> Iterator[None]:
    """Some 2,000 small programs are compiled here and run once or twice: unoptimized, that takes half of the time."""
    before = jax.config.values["jax_disable_most_optimizations"]
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", before)
    jax.clear_caches()  # so that no later test meets an unoptimized program


class Case:
    """A layer with the shapes of its input, parameters and state."""

    def __init__(self, entry: Entry, name: str) -> None:
        self.entry, self.name, self.layer = entry, name, entry.layer
        self.key = jax.random.key(3)
        self.x = shapes_of(entry)
        self.params, self.state = jax.eval_shape(self.layer.init, self.key, self.x)

    def traced(self, params: Any, state: Any) -> Any:
        """Shapes and dtypes of an application: what tracing alone, without compiling, finds out."""
        return jax.eval_shape(partial(self.layer.apply, train=False), params, state, self.x)


def listed() -> list[Any]:
    """The keys of the list, those marked that take long."""
    marks = {True: [pytest.mark.thorough], False: []}
    return [pytest.param(key, id=identify(key), marks=marks[entry.thorough]) for key, entry in EVERY_LAYER.items()]


@pytest.fixture(scope="module", params=listed())
def case(request: pytest.FixtureRequest) -> Case:
    return Case(EVERY_LAYER[request.param], identify(request.param))


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


# The laws.


@pytest.mark.parametrize("key", listed())
def test_the_laws_hold(key: tuple[str, str], request: pytest.FixtureRequest):
    entry = EVERY_LAYER[key]
    thorough = FIRST.get(key[0]) == key[1] or request.config.getoption("--thorough")
    laws = [name for name in LAWS if thorough or name not in COSTLY]
    fnn.check(entry.layer, shapes_of(entry), laws=laws, strict=True, **entry.told)


# What fnn's own layers promise beside them.


def test_kernels_are_drawn_and_everything_else_is_not(case: Case):
    one, other = (case.layer.init(jax.random.key(seed), case.x)[0] for seed in (3, 4))
    for (path, a), b in zip(jax.tree.leaves_with_path(one), jax.tree.leaves(other), strict=True):
        drawn = path[-1].key in DRAWN or case.name == "Dense: random bias"
        assert np.array_equal(a, b) != drawn, path


def test_numpys_float64_is_held_as_float32(case: Case):
    random = np.random.default_rng(7)
    wide = jax.tree.map(lambda leaf: random.standard_normal(leaf.shape), case.x)
    x = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), wide)
    made = case.layer.init(case.key, wide)
    for got, wanted in (
        (made, case.layer.init(case.key, x)),
        (case.layer.apply(*made, wide, train=False), case.layer.apply(*made, x, train=False)),
    ):
        assert jax.tree.structure(got) == jax.tree.structure(wanted)
        for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)


def test_training_needs_a_key_where_the_list_says_so(case: Case):
    """Which `fnn.check` takes from what the layer does."""
    train = partial(case.layer.apply, train=True)
    if case.entry.random:
        with pytest.raises(ValueError, match="needs a key"):
            jax.eval_shape(train, case.params, case.state, case.x)
    else:
        jax.eval_shape(train, case.params, case.state, case.x)


# Trees that are another network's.


def test_parameters_of_another_network_are_refused(case: Case):
    another = fnn.serial(stem=fnn.Dense(3), body=fnn.serial(fnn.Dense(3), fnn.BatchNorm()))
    params, state = another.init(case.key, jnp.ones((2, 3)))
    with pytest.raises(ValueError, match=r"another network|own init"):
        case.traced(params, case.state)
    with pytest.raises(ValueError, match=r"another network|own init"):
        case.traced(case.params, state)


def test_an_unknown_entry_is_refused_at_every_level(case: Case):
    leaves = jax.tree.leaves((case.params, case.state))
    # As high as a stack of `repeat`, so that its height is not the reason.
    extra = {"unknown": np.ones((leaves[0].shape[0] if leaves else 2, 2))}
    for path in levels(case.params):
        with pytest.raises(ValueError, match="unknown"):
            case.traced(changed(case.params, path, lambda inside: inside | extra), case.state)
    for path in levels(case.state):
        with pytest.raises(ValueError, match="unknown"):
            case.traced(case.params, changed(case.state, path, lambda inside: inside | extra))


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
                    case.traced(*trees)
