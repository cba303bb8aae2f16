"""What a watched forward pass shows, and that watching changes nothing."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnn


def network() -> fnn.Layer:
    body = fnn.residual(fnn.serial(fnn.Dense(6), fnn.Relu))
    return fnn.serial(stem=fnn.Dense(6), body=body, drop=fnn.Dropout(0.5), norm=fnn.BatchNorm(), head=fnn.Dense(2))


@pytest.fixture
def x() -> jax.Array:
    return jnp.asarray(np.random.default_rng(0).standard_normal((4, 3)), jnp.float32)


def equal(a: object, b: object) -> bool:
    leaves = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return all(np.array_equal(x, y) for x, y in leaves)


def test_paths_are_in_order_and_values_pass_from_one_to_the_next(key: jax.Array, x: jax.Array) -> None:
    net = network()
    params, state = net.init(key, x)
    y, new_state, seen = fnn.intermediates(net, params, state, x, train=True, key=key)
    expected, expected_state = net.apply(params, state, x, train=True, key=key)
    assert equal((y, new_state), (expected, expected_state))
    paths = [passage.path for passage in seen]
    inside = ["body/body/dense1", "body/body/relu1", "body/body", "body/shortcut"]
    assert paths == ["stem", *inside, "body", "drop", "norm", "head"]
    by_path = {passage.path: passage for passage in seen}
    np.testing.assert_array_equal(by_path["stem"].x, x)
    np.testing.assert_array_equal(by_path["body"].x, by_path["stem"].y)
    np.testing.assert_allclose(
        by_path["stem"].y, x @ params["stem"]["kernel"] + params["stem"]["bias"].reshape(1, -1), rtol=1e-6
    )
    np.testing.assert_array_equal(by_path["head"].y, y)


def test_it_can_be_jitted_and_abstractly_evaluated(key: jax.Array, x: jax.Array) -> None:
    net = network()
    params, state = net.init(key, x)
    watch = partial(fnn.intermediates, net, train=False)
    seen = jax.jit(watch)(params, state, x)[2]
    shapes = jax.eval_shape(watch, params, state, x)[2]
    assert [(passage.path, passage.y.shape) for passage in seen] == [(p.path, p.y.shape) for p in shapes]
    assert shapes[-1].path == "head"
    assert shapes[-1].y.shape == (4, 2)


@pytest.mark.parametrize("train", [False, True])
def test_one_sees_into_repeat_and_remat(key: jax.Array, x: jax.Array, train: bool) -> None:
    block = fnn.serial(fnn.Dense(3), fnn.Dropout(0.5), fnn.BatchNorm())
    net = fnn.serial(blocks=fnn.repeat(block, 2), again=fnn.remat(fnn.serial(fnn.Dense(2))))
    params, state = net.init(key, x)
    y, new_state, seen = fnn.intermediates(net, params, state, x, train=train, key=key)
    expected, expected_state = net.apply(params, state, x, train=train, key=key)
    for got, wanted in zip(jax.tree.leaves((y, new_state)), jax.tree.leaves((expected, expected_state)), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)
    block_paths = [f"blocks/{i}{rest}" for i in range(2) for rest in ("/dense1", "/dropout1", "/batch_norm1", "")]
    assert [passage.path for passage in seen] == [*block_paths, "blocks", "again/dense1", "again"]
    np.testing.assert_array_equal(seen[4].x, seen[3].y)


def test_a_second_turn_of_one_layer_is_told_apart(key: jax.Array, x: jax.Array) -> None:
    twice = fnn.graph({"a": ("same", "x"), "b": ("same", "a")}, same=fnn.serial(fnn.Dense(3)))
    _, _, seen = fnn.intermediates(twice, *twice.init(key, x), x, train=False)
    assert [passage.path for passage in seen] == ["same/dense1", "same", "same#2/dense1", "same#2"]


def test_nothing_leaks_from_an_inner_trace(key: jax.Array, x: jax.Array) -> None:
    inner = fnn.serial(hidden=fnn.Dense(3))
    jitted = inner._replace(apply=jax.jit(inner.apply, static_argnames="train"))
    net = fnn.serial(jitted=jitted, head=fnn.Dense(2))
    _, _, seen = fnn.intermediates(net, *net.init(key, x), x, train=False)
    assert [passage.path for passage in seen] == ["jitted", "head"]
    for leaf in jax.tree.leaves(seen):
        np.asarray(leaf)  # raises if it is a tracer's, whose trace is over


def test_the_gradient_of_shifts_is_what_flows_back(key: jax.Array, x: jax.Array) -> None:
    net = fnn.serial(a=fnn.Dense(5), act=fnn.Tanh, blocks=fnn.repeat(fnn.Dense(5), 2), b=fnn.Dense(2))
    params, state = net.init(key, x)
    y, _, seen = fnn.intermediates(net, params, state, x, train=False)
    zeros = jax.tree.map(jnp.zeros_like, seen)

    def half_square(shifts: list[fnn.Passage]) -> jax.Array:
        return jnp.sum(jnp.square(fnn.intermediates(net, params, state, x, train=False, shifts=shifts)[0])) / 2

    back = {passage.path: passage for passage in jax.grad(half_square)(zeros)}
    kernels = [params["b"]["kernel"], *params["blocks"]["kernel"][::-1]]
    gradient = y  # of ½ Σ y²
    np.testing.assert_allclose(back["b"].y, gradient, rtol=1e-5)
    for path, kernel in zip(("b", "blocks/1", "blocks/0"), kernels, strict=True):
        np.testing.assert_allclose(back[path].y, gradient, rtol=1e-4, atol=1e-6)
        gradient = gradient @ kernel.T
        np.testing.assert_allclose(back[path].x, gradient, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(back["act"].y, back["blocks"].x, rtol=1e-6)
    by_path = {passage.path: passage for passage in seen}
    np.testing.assert_allclose(back["act"].x, back["act"].y * (1 - by_path["act"].y ** 2), rtol=1e-4, atol=1e-6)


def test_shifts_are_added_where_they_are_said(key: jax.Array, x: jax.Array) -> None:
    net = fnn.serial(a=fnn.Identity, b=fnn.Identity)
    one, none = jnp.ones_like(x), None
    shifts = [fnn.Passage("a", 0, one, none), fnn.Passage("b", 0, none, 2 * one)]
    y, _, seen = fnn.intermediates(net, {}, {}, x, train=False, shifts=shifts)
    assert equal(y, x + 3)
    assert equal([passage.y for passage in seen], [x + 1, x + 3])
    assert equal(seen[0].x, x + 1)
    with pytest.raises(ValueError, match=r"cannot shift \['c'\].*'a', 'b'"):
        fnn.intermediates(net, {}, {}, x, train=False, shifts=[fnn.Passage("c", 0, one, none)])


def test_the_watch_ends_with_an_error_and_with_the_pass(key: jax.Array, x: jax.Array) -> None:
    net = network()
    params, state = net.init(key, x)
    with pytest.raises(ValueError, match="expects parameters"):
        fnn.intermediates(net, params, state, jnp.ones((4, 5)), train=False)
    _, _, seen = fnn.intermediates(net, params, state, x, train=False)
    net.apply(params, state, x, train=False)
    assert len(seen) == 9


def test_operations_carry_their_layers_name(key: jax.Array, x: jax.Array) -> None:
    net = network()
    params, state = net.init(key, x)
    jaxpr = jax.make_jaxpr(partial(net.apply, train=False))(params, state, x)
    stacks = {str(eqn.source_info.name_stack) for eqn in jaxpr.eqns if eqn.primitive.name == "fnn_product"}
    assert stacks == {"stem", "body/body/dense1", "head"}
