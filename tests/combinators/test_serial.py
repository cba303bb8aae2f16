"""`serial`: what it computes, how it names, and that layers without parameters change no other layer."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fnn

IMAGES = jax.random.normal(jax.random.key(1), (2, 5, 6, 3))
SAME = partial(jax.tree.map, np.testing.assert_array_equal)


def test_serial_is_its_layers_one_after_another(key):
    conv, norm, dense = fnn.Conv(4, 3), fnn.BatchNorm(), fnn.Dense(2)
    net = fnn.serial(conv, norm, fnn.Relu, fnn.Flatten, head=dense)
    params, state = net.init(key, IMAGES)
    y, new_state = net.apply(params, state, IMAGES, train=True)

    h, _ = conv.apply(params["conv1"], {}, IMAGES, train=True)
    h, moments = norm.apply(params["batch_norm1"], state["batch_norm1"], h, train=True)
    wanted, _ = dense.apply(params["head"], {}, jnp.maximum(h, 0).reshape(2, -1), train=True)
    SAME(y, wanted)
    SAME(new_state, {"batch_norm1": moments})
    assert np.any(new_state["batch_norm1"]["mean"] != state["batch_norm1"]["mean"])


def test_state_of_one_application_is_the_next_ones(key):
    net = fnn.serial(fnn.Conv(4, 3), fnn.BatchNorm(), body=fnn.serial(fnn.BatchNorm(momentum=0.5)))
    params, state = net.init(key, IMAGES)
    _, once = net.apply(params, state, IMAGES, train=True)
    _, twice = net.apply(params, once, IMAGES, train=True)
    a, b, c = (tree["body"]["batch_norm1"]["var"] for tree in (state, once, twice))
    np.testing.assert_allclose(c - b, 0.5 * (b - a), rtol=1e-4, atol=1e-6)  # the same batch: half of the way each time
    y, after = net.apply(params, twice, IMAGES, train=False)
    SAME(after, twice)
    assert np.any(y != net.apply(params, state, IMAGES, train=False)[0])


# Names.


def names(net, x=IMAGES):
    params, _ = jax.eval_shape(net.init, jax.random.key(0), x)
    return set(params)


def test_positional_layers_are_named_by_kind_and_count():
    net = fnn.serial(fnn.Conv(4, 3), fnn.Relu, fnn.Conv(4, 3), fnn.BatchNorm(), fnn.Flatten, fnn.Dense(3), fnn.Dense(2))
    assert names(net) == {"conv1", "conv2", "batch_norm1", "dense1", "dense2"}
    assert names(fnn.serial(net)) == {"serial1"}
    assert names(fnn.serial(fnn.residual(fnn.Conv(3, 3)), fnn.repeat(fnn.Conv(3, 3), 2))) == {"residual1", "conv1"}


def test_parameterless_layers_are_counted_too(key):
    """Seen where a name shows without parameters: in the note of an error."""
    net = fnn.serial(fnn.Relu, fnn.Flatten, fnn.Relu, fnn.MaxPool(2))
    with pytest.raises(ValueError, match="MaxPool") as caught:
        net.init(key, IMAGES)
    assert caught.value.__notes__ == ["  in layer 'max_pool1', given x of shape (2, 90)"]


def test_keyword_layers_keep_their_names_and_follow_the_positional_ones(key):
    net = fnn.serial(fnn.Conv(4, 3), stem=fnn.Conv(2, 1), conv2=fnn.Conv(1, 1))
    params, _ = net.init(key, IMAGES)
    assert {name: entry["kernel"].shape for name, entry in params.items()} == {
        "conv1": (3, 3, 3, 4), "stem": (1, 1, 4, 2), "conv2": (1, 1, 2, 1),
    }  # fmt: skip


def test_two_layers_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two layers named 'conv1'"):
        fnn.serial(fnn.Conv(4, 3), conv1=fnn.Conv(4, 3))


def test_kind_and_count_that_spell_the_same_name_are_refused_and_lose_no_layer():
    """`f` the eleventh and `f1` the first are both `f11`."""
    f, f1 = fnn.elementwise(jnp.sin, name="f"), fnn.elementwise(lambda x: 0 * x, name="f1")
    with pytest.raises(ValueError, match="f11"):
        fnn.serial(f1, *[f] * 11)


@pytest.mark.parametrize("name", ["a/b", "/", ""])
def test_a_name_with_a_slash_or_without_letters_is_refused(name):
    with pytest.raises(ValueError, match="cannot name a layer"):
        fnn.serial(**{name: fnn.Relu})


def test_a_serial_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one layer"):
        fnn.serial()


# Keys.


def test_children_have_keys_of_their_own(key):
    net = fnn.serial(fnn.Dense(3), fnn.Dense(3), last=fnn.serial(fnn.Dense(3)))
    params, _ = net.init(key, jnp.ones((2, 3)))
    kernels = [params["dense1"]["kernel"], params["dense2"]["kernel"], params["last"]["dense1"]["kernel"]]
    assert len({kernel.tobytes() for kernel in map(np.asarray, kernels)}) == 3


def test_two_dropouts_drop_differently(key):
    net = fnn.serial(fnn.Dropout(0.5), fnn.Dropout(0.5))
    ones = jnp.ones((4, 50))
    y, _ = net.apply({}, {}, ones, train=True, key=key)
    assert set(np.unique(y)) == {0, 4}
    assert 0.1 < np.mean(y == 4) < 0.4  # a quarter; one mask twice would keep a half


def test_a_layers_parameters_depend_on_its_name_only(key):
    params, _ = fnn.serial(a=fnn.Dense(3), b=fnn.Dense(3)).init(key, jnp.ones((2, 3)))
    swapped, _ = fnn.serial(b=fnn.Dense(3), c=fnn.Dense(3), a=fnn.Dense(3)).init(key, jnp.ones((2, 3)))
    SAME({"a": swapped["a"], "b": swapped["b"]}, params)


PARAMETERLESS = {
    "relu": fnn.Relu,
    "dropout": fnn.Dropout(0.5),
    "identity": fnn.Identity,
    "pool": fnn.MaxPool(3, strides=1, padding="SAME"),
}


def network(insertions, named):
    """conv, norm, conv, flatten, dense, with parameterless layers put in before the places given."""
    layers = [("c", fnn.Conv(3, 3)), ("n", fnn.BatchNorm()), ("d", fnn.Conv(3, 3)), ("h", fnn.Dense(2))]
    for i, (place, kind) in enumerate(insertions):
        layers.insert(min(place, len(layers)), (f"extra{i}", PARAMETERLESS[kind]))
    return fnn.serial(**dict(layers)) if named else fnn.serial(*(layer for _, layer in layers))


@pytest.fixture(scope="module", params=[False, True], ids=["positional", "named"])
def plain(request):
    return request.param, network([], request.param).init(jax.random.key(0), IMAGES)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.sampled_from(sorted(PARAMETERLESS))), min_size=1, max_size=4))
def test_inserting_parameterless_layers_changes_no_parameter(plain, insertions):
    named, wanted = plain
    SAME(network(insertions, named).init(jax.random.key(0), IMAGES), wanted)


@pytest.mark.parametrize("place", [0, 2, 4], ids=["start", "middle", "end"])
@pytest.mark.parametrize("kind", PARAMETERLESS)
def test_inserting_a_parameterless_layer_anywhere(plain, place, kind):
    named, wanted = plain
    SAME(network([(place, kind)], named).init(jax.random.key(0), IMAGES), wanted)
