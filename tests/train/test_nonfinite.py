"""Where a NaN or an infinity is said to come from, with each planted where one knows it."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnn
from fnn import losses
from fnn.train import Blame, first_nonfinite
from fnn.train.nonfinite import Found

KEY = jax.random.key(1)
LABELS = jnp.asarray([0, 1, 1, 0])
Log = fnn.elementwise(jnp.log, "log")
Sqrt = fnn.elementwise(jnp.sqrt, "sqrt")


def inputs() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((4, 3), np.float32)


def blame(layer: fnn.Layer, x: Any = None, *, params: Any = None, loss: Any = None, targets: Any = LABELS) -> Blame:
    x = jnp.asarray(inputs()) if x is None else x
    initial, state = layer.init(jax.random.key(0), x)
    found = first_nonfinite(
        layer, loss or losses.softmax_cross_entropy, initial if params is None else params, state, x, targets, KEY
    )
    assert found is not None
    return found


def test_all_is_well_where_all_is_finite() -> None:
    net = fnn.serial(fnn.Dense(4), fnn.BatchNorm(), fnn.Relu, fnn.Dropout(0.5), fnn.Dense(2))
    x = jnp.asarray(inputs())
    params, state = net.init(jax.random.key(0), x)
    assert first_nonfinite(net, losses.softmax_cross_entropy, params, state, x, LABELS, KEY) is None


def test_a_pixel_is_found_by_its_index() -> None:
    x = np.zeros((4, 2, 2, 3), np.float32)
    x[2, 1, 0, 2], x[3, 0, 0, 0] = np.nan, np.inf
    found = blame(fnn.models.linear_classifier(2), jnp.asarray(x))
    assert found.place == "batch"
    assert found.found == ("NaN and infinity", 2, 48, (2, 1, 0, 2), (2, 3))
    assert str(found) == (
        "the batch holds NaN and infinity: 2 of 48 numbers in samples 2 and 3, first at index (2, 1, 0, 2); "
        "look at these samples and at what prepares them"
    )


def test_weights_of_classes_are_looked_at_too() -> None:
    targets = np.eye(2, dtype=np.float32)[np.asarray(LABELS)]
    targets[1, 0] = np.nan
    found = blame(fnn.Dense(2), targets=jnp.asarray(targets))
    assert (found.place, found.found.samples) == ("targets", (1,))


def test_a_parameter_and_a_state_are_found_by_their_paths() -> None:
    net = fnn.serial(a=fnn.Dense(4), body=fnn.serial(norm=fnn.BatchNorm()), head=fnn.Dense(2))
    x = jnp.asarray(inputs())
    params, state = net.init(jax.random.key(0), x)
    bad = {**params, "head": {**params["head"], "kernel": params["head"]["kernel"].at[1, 0].set(-jnp.inf)}}
    found = blame(net, params=bad)
    assert (found.place, found.path, found.found) == ("parameter", "head/kernel", ("infinity", 1, 8, (1, 0), ()))
    assert "before the step" in str(found)
    bad_state = {"body": {"norm": {**state["body"]["norm"], "var": jnp.full(4, jnp.nan)}}}
    found = first_nonfinite(net, losses.softmax_cross_entropy, params, bad_state, x, LABELS, KEY)
    assert found is not None
    # Four entries, as many as there are samples, but not of the samples.
    assert (found.place, found.path, found.found) == ("state", "body/norm/var", ("NaN", 4, 4, (0,), ()))


def test_the_innermost_layer_that_makes_it_is_named() -> None:
    x = jnp.asarray([[1.0, 2, 3], [1, -2, -3], [4, 5, 6], [7, 8, -9]])
    net = fnn.serial(body=fnn.serial(same=fnn.Identity, log=Log), act=fnn.Tanh, head=fnn.Dense(2))
    found = blame(net, x)
    assert (found.place, found.path, found.found) == ("layer", "body/log", ("NaN", 3, 12, (1, 1), (1, 3)))
    assert found.inputs == (-9, 8)
    assert str(found) == (
        "layer 'body/log' is the first to make NaN: 3 of 12 numbers in samples 1 and 3, from inputs between -9 and 8"
    )


@pytest.mark.thorough
def test_a_division_by_zero_is_an_infinity() -> None:
    x = jnp.asarray([[1.0, 2], [0, 2], [1, 2], [1, 0]])
    found = blame(fnn.serial(one_over=fnn.elementwise(lambda x: 1 / x), head=fnn.Dense(2)), x)
    assert (found.place, found.path, found.found) == ("layer", "one_over", ("infinity", 2, 8, (1, 0), (1, 3)))


def test_a_layer_inside_a_repeat_is_named_by_its_block() -> None:
    shrink = fnn.elementwise(lambda x: jnp.log(x), "log")
    x = jnp.full((4, 3), jnp.e)  # log gives 1, then 0, then −∞
    found = blame(fnn.serial(blocks=fnn.repeat(fnn.serial(log=shrink), 3), head=fnn.Dense(2)), x)
    assert (found.place, found.path, found.found.kind) == ("layer", "blocks/2/log", "infinity")
    assert found.found.samples == (0, 1, 2, 3)
    assert "in all 4 samples" in str(found)


def test_exploded_weights_are_said_to_be_so() -> None:
    net = fnn.serial(a=fnn.Dense(3, bias=False), b=fnn.Dense(2, bias=False))
    x = jnp.ones((4, 3))
    found = blame(net, x, params={"a": {"kernel": jnp.full((3, 3), 1e30)}, "b": {"kernel": jnp.full((3, 2), 1e10)}})
    assert (found.place, found.path, found.found) == ("layer", "b", ("infinity", 8, 8, (0, 0), (0, 1, 2, 3)))
    assert found.huge
    assert "weights exploded" in str(found)
    assert found.inputs == pytest.approx((3e30, 3e30))


def test_what_layers_did_not_make_is_no_layers() -> None:
    wires = {"a": ("left", "x"), "b": (jnp.log, "a"), "c": ("right", "b")}
    found = blame(fnn.graph(wires, left=fnn.Identity, right=fnn.Dense(2)), -jnp.ones((4, 3)))
    assert (found.place, found.path) == ("wire", "right")
    join = fnn.branch(a=fnn.Identity, b=fnn.Identity, join=lambda y: y[0] / (y[0] - y[1]))
    found = blame(fnn.serial(divide=join, head=fnn.Dense(2)), jnp.ones((4, 3)))
    assert (found.place, found.path, found.found.kind) == ("join", "divide", "infinity")


def test_a_network_that_is_one_layer_is_called_so() -> None:
    found = blame(Log, -jnp.ones((4, 2)))
    assert (found.place, found.path) == ("layer", "")
    assert str(found).startswith("the network is the first to make NaN: 8 of 8 numbers in all 4 samples")


def test_a_label_without_a_class_is_the_losss() -> None:
    found = blame(fnn.Dense(2), targets=jnp.asarray([0, 1, 2, 1]))
    assert (found.place, found.found) == ("loss", ("NaN", 1, 4, (2,), (2,)))
    assert "does every label name a class?" in str(found)


@pytest.mark.thorough
def test_a_mean_can_overflow_alone() -> None:
    found = blame(fnn.Identity, jnp.full((4, 2), 1.8e19), loss=lambda y, t: jnp.square(y[:, 0]))
    assert (found.place, found.found.total) == ("loss", 1)
    assert "the mean of losses that are finite" in str(found)


def test_a_running_moment_that_overflows_is_found() -> None:
    x = jnp.asarray([[1e30, 1], [-1e30, 2], [1e30, 3], [-1e30, 4]])
    found = blame(fnn.serial(norm=fnn.BatchNorm()), x, loss=lambda y, t: jnp.sum(y, axis=-1))
    assert (found.place, found.path, found.found) == ("next state", "norm/var", ("infinity", 1, 2, (0,), ()))


@pytest.mark.thorough
def test_half_precision_overflows_earlier() -> None:
    net = fnn.mixed_precision(fnn.serial(a=fnn.Dense(3, bias=False)), jnp.float16)
    found = blame(net, jnp.full((4, 3), 300.0), params={"a": {"kernel": jnp.full((3, 3), 100.0)}})
    assert (found.place, found.path, found.found.kind, found.huge) == ("layer", "a", "infinity", True)


def test_an_infinite_slope_is_found_behind_finite_values() -> None:
    net = fnn.serial(a=fnn.Dense(2), root=Sqrt, b=fnn.Dense(2))
    x = jnp.asarray([[1.0, 1], [0, 0], [1, 1], [1, 1]])
    params = {
        "a": {"kernel": jnp.eye(2), "bias": jnp.zeros(2)},
        "b": {"kernel": jnp.asarray([[1.0, 2], [3, 4]]), "bias": jnp.zeros(2)},
    }
    found = blame(net, x, params=params)
    assert (found.place, found.path) == ("layer gradient", "root")
    assert found.found == ("infinity", 2, 8, (1, 0), (1,))
    assert found.inputs == (0, 1)
    assert str(found) == (
        "going back from a finite loss, the first gradient with infinity is what layer 'root' hands to the layers "
        "before it: 2 of 8 numbers in sample 1, from inputs between 0 and 1"
    )


def test_an_infinite_slope_that_reaches_no_parameter_is_no_trouble() -> None:
    net = fnn.serial(root=Sqrt, b=fnn.Dense(2))
    x = jnp.zeros((4, 3))
    params, state = net.init(jax.random.key(0), x)
    assert first_nonfinite(net, losses.softmax_cross_entropy, params, state, x, LABELS, KEY) is None


def test_the_gradient_of_the_loss_itself_is_found() -> None:
    found = blame(fnn.Dense(2, bias=False), jnp.zeros((4, 3)), loss=lambda y, t: jnp.sqrt(jnp.abs(y)).sum(axis=-1))
    assert (found.place, found.path, found.found.total) == ("loss gradient", "", 8)


def test_the_gradient_of_a_wire_is_found() -> None:
    wires = {"a": ("left", "x"), "b": (jnp.sqrt, "a"), "c": ("right", "b")}
    net = fnn.graph(wires, left=fnn.Dense(3, bias=False), right=fnn.Dense(2))
    found = blame(net, jnp.zeros((4, 3)))
    assert (found.place, found.path) == ("wire gradient", "left")


def test_the_gradient_of_a_parameter_alone_is_found() -> None:
    def init(key: jax.Array, x: Any) -> Any:
        return {"width": jnp.zeros(1)}

    def apply(params: Any, x: jax.Array) -> jax.Array:
        return x + jnp.sqrt(params["width"]).reshape(1, 1)

    net = fnn.serial(a=fnn.Dense(3), shift=fnn.stateless(init, apply, name="shift"), b=fnn.Dense(2))
    found = blame(net)
    assert (found.place, found.path) == ("parameter gradient", "shift/width")
    assert found.found == ("infinity", 1, 1, (0,), ())


def test_many_samples_are_not_all_listed() -> None:
    def where(samples: range, batch: int = 40) -> str:
        found = Found("NaN", len(samples), 80, (samples[0], 1), tuple(samples))
        return str(Blame("layer", "log", found, None, batch, False)).partition("numbers")[2]

    assert where(range(1, 40)) == " in samples 1, 2, 3, 4, 5 and 34 more"
    assert where(range(1, 7)) == " in samples 1, 2, 3, 4, 5 and 6"
    assert where(range(40)) == " in all 40 samples"
    assert where(range(3, 4)) == " in sample 3"
    assert where(range(1), batch=1) == ""


def test_the_steps_own_key_is_used() -> None:
    """Which numbers are dropped, and so have an infinite logarithm, depends on the key."""
    net = fnn.serial(drop=fnn.Dropout(0.5), log=Log, head=fnn.Dense(2))
    x, labels = jnp.ones((16, 1)), jnp.zeros(16, int)
    params, state = net.init(jax.random.key(0), x)
    seen = set()
    for key in map(jax.random.key, (0, 1, 1)):
        found = first_nonfinite(net, losses.softmax_cross_entropy, params, state, x, labels, key)
        made, _ = net.apply(params, state, x, train=True, key=key)
        assert found is not None
        assert found.path == "log"
        np.testing.assert_array_equal(found.found.samples, np.flatnonzero(~np.isfinite(made).all(axis=1)))
        seen.add(found.found.samples)
    assert len(seen) == 2
