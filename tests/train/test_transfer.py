"""Parts of trees by name: taken, frozen, and optimized each in its own way."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import fnn
from fnn.train import by_part, matching, starting_from, take

X = jax.random.normal(jax.random.key(1), (8, 4))


def network(classes: int, wrap: Any = lambda layer: layer) -> fnn.Layer:
    features = fnn.serial(dense1=fnn.Dense(5), norm1=fnn.BatchNorm(), act1=fnn.Relu, dense2=fnn.Dense(3))
    return fnn.serial(features=wrap(features), drop=fnn.Dropout(0.5), head=fnn.Dense(classes))


@pytest.fixture
def trees(key: jax.Array) -> Any:
    return network(2).init(key, X)


def paths(tree: Any) -> set[str]:
    return {"/".join(entry.key for entry in path) for path, leaf in jax.tree.leaves_with_path(tree) if leaf}


# matching


@pytest.mark.parametrize(
    ("parts", "wanted"),
    [
        (["head"], {"head/kernel", "head/bias"}),
        (["head/bias"], {"head/bias"}),
        (["features/dense?"], {f"features/dense{i}/{name}" for i in (1, 2) for name in ("kernel", "bias")}),
        (["*/bias", "*/norm1"], {"features/dense1/bias", "features/dense2/bias", "features/norm1/bias",
                                 "features/norm1/scale", "head/bias"}),
        (["features/dense1", "features/dense1/kernel"], {"features/dense1/kernel", "features/dense1/bias"}),
    ],
)  # fmt: skip
def test_a_pattern_names_what_is_below_it(trees: Any, parts: list[str], wanted: set[str]) -> None:
    mask = matching(trees[0], *parts)
    assert jax.tree.structure(mask) == jax.tree.structure(trees[0])
    assert paths(mask) == wanted


def test_a_name_that_only_begins_alike_is_another_part() -> None:
    assert paths(matching({"conv1": jnp.ones(()), "conv10": jnp.ones(())}, "conv1")) == {"conv1"}


def test_a_pattern_that_names_nothing_is_refused(trees: Any) -> None:
    with pytest.raises(ValueError, match=r"no entry is in the part 'feature'; there are features/dense1, features"):
        matching(trees[0], "head", "feature")


# take and starting_from


def test_a_part_is_taken_and_the_rest_kept(trees: Any) -> None:
    source = network(7).init(jax.random.key(9), X)
    params, state = take(trees, source, "features")
    jax.tree.map(np.testing.assert_array_equal, params["features"], source[0]["features"])
    jax.tree.map(np.testing.assert_array_equal, params["head"], trees[0]["head"])
    assert state["features"]["norm1"]["mean"] is not None
    moved = jax.tree.map(lambda leaf: leaf + 1, source)
    jax.tree.map(np.testing.assert_array_equal, take(trees, moved, "features")[1], moved[1])


def test_all_is_taken_where_no_part_is_named(trees: Any) -> None:
    source = network(2).init(jax.random.key(9), X)
    jax.tree.map(np.testing.assert_array_equal, take(trees, source), source)


def test_every_difference_is_listed(trees: Any) -> None:
    params = network(7).init(jax.random.key(9), X)[0]
    del params["features"]["dense1"]
    params["features"]["dense3"] = {"kernel": jnp.ones(())}
    with pytest.raises(ValueError, match="another network's") as caught:
        take(trees[0], params)
    for fault in (
        "missing features/dense1/bias; missing features/dense1/kernel",
        "left over features/dense3/kernel",
        "head/bias of shape (7,) for (2,)",
        "head/kernel of shape (3, 7) for (3, 2)",
    ):
        assert fault in str(caught.value)


def test_a_network_starts_where_another_ended(key: jax.Array) -> None:
    ended = network(7).init(jax.random.key(9), X)
    net = starting_from(network(2), *ended, parts=["features"])
    params, _ = jax.jit(net.init)(key, X)
    jax.tree.map(np.testing.assert_array_equal, params["features"], ended[0]["features"])
    jax.tree.map(np.testing.assert_array_equal, params["head"], network(2).init(key, X)[0]["head"])
    with pytest.raises(ValueError, match=r"head/bias of shape \(7,\) for \(2,\)"):
        jax.eval_shape(starting_from(network(2), *ended).init, key, X)


# by_part


def steps(net: fnn.Layer, trees: Any, optimizer: Any, count: int = 3) -> Any:
    def loss(params: Any, state: Any) -> Any:
        y, state = net.apply(params, state, X, train=True, key=jax.random.key(5))
        return jnp.sum(jnp.square(y - 1)), state

    @jax.jit
    def step(params: Any, state: Any, opt_state: Any) -> Any:
        gradient, state = jax.grad(loss, has_aux=True)(params, state)
        updates, opt_state = optimizer.update(gradient, opt_state, params)
        return optax.apply_updates(params, updates), state, opt_state

    params, state = trees
    opt_state = optimizer.init(params)
    for _ in range(count):
        params, state, opt_state = step(params, state, opt_state)
    return params, state


@pytest.mark.usefixtures("optax_promotes")
def test_each_part_moves_at_its_own_rate(trees: Any) -> None:
    params: Any = trees[0]
    optimizer = by_part({"*/dense1": optax.set_to_zero(), "features": optax.sgd(0.5), "head": optax.sgd(2.0)})
    ones = jax.tree.map(jnp.ones_like, params)
    updates: Any = optimizer.update(ones, optimizer.init(params), params)[0]
    for path, update in jax.tree.leaves_with_path(updates):
        where = jax.tree_util.keystr(path, simple=True, separator="/")
        rate = 0 if "dense1" in where else 0.5 if where.startswith("features") else 2.0
        np.testing.assert_array_equal(update, np.full(update.shape, -rate), where)


@pytest.mark.usefixtures("optax_promotes")
def test_a_frozen_part_stays_whatever_decays_the_rest(trees: Any) -> None:
    optimizer = by_part(
        {"features": optax.set_to_zero()}, rest=fnn.train.make_optimizer("adamw", 0.1, 9, weight_decay=1)
    )
    params, _ = steps(network(2), trees, optimizer)
    jax.tree.map(np.testing.assert_array_equal, params["features"], trees[0]["features"])
    assert all(np.any(a != b) for a, b in zip(*map(jax.tree.leaves, (params["head"], trees[0]["head"])), strict=True))


def test_an_entry_without_an_optimizer_is_refused(trees: Any) -> None:
    with pytest.raises(ValueError, match=r"no optimizer for \['head/bias', 'head/kernel'\]"):
        by_part({"features": optax.sgd(1.0)}).init(trees[0])
    with pytest.raises(ValueError, match="no entry is in the part 'stem'"):
        by_part({"stem": optax.sgd(1.0)}, rest=optax.sgd(1.0)).init(trees[0])


# BatchNorm's moments, frozen or not.


@pytest.mark.parametrize("wrap", [fnn.evaluating, lambda layer: fnn.frozen(fnn.evaluating(layer))])
def test_moments_stay_where_the_features_are_evaluating(trees: Any, wrap: Any) -> None:
    params, state = steps(network(2, wrap), trees, optax.sgd(0.1))
    jax.tree.map(np.testing.assert_array_equal, state, trees[1])
    moved = np.any(params["features"]["dense1"]["kernel"] != trees[0]["features"]["dense1"]["kernel"])
    assert moved == (wrap is fnn.evaluating)
    assert np.any(params["head"]["kernel"] != trees[0]["head"]["kernel"])


def test_moments_move_where_the_features_are_only_frozen(trees: Any) -> None:
    params, state = steps(network(2, fnn.frozen), trees, optax.sgd(0.1))
    jax.tree.map(np.testing.assert_array_equal, params["features"], trees[0]["features"])
    assert np.any(state["features"]["norm1"]["mean"] != trees[1]["features"]["norm1"]["mean"])
