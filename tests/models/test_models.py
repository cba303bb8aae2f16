"""The small models: sizes that fit, parameter counts, the perceptron's theorem, the 20-line example."""

import itertools
import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linprog
from threadpoolctl import threadpool_limits

import fnn
from fnn import models


def shapes(net, *x):
    return jax.eval_shape(net.init, jax.random.key(0), jax.ShapeDtypeStruct(x, jnp.float32))


def output_shape(net, *x):
    apply = partial(net.apply, train=False)
    return jax.eval_shape(apply, *shapes(net, *x), jax.ShapeDtypeStruct(x, jnp.float32))[0].shape


def count(params):
    return sum(leaf.size for leaf in jax.tree.leaves(params))


# Sizes and counts.


@pytest.mark.parametrize("size", [(4, 4), (5, 7), (8, 8), (16, 16), (28, 28), (32, 32)], ids=str)
@pytest.mark.parametrize("channels", [1, 3])
def test_lenet5_fits_images_from_4_to_32(size, channels):
    assert output_shape(models.lenet5(10), 2, *size, channels) == (2, 10)


@pytest.mark.parametrize("size", [(8, 8), (9, 15), (28, 28), (32, 32)], ids=str)
@pytest.mark.parametrize("channels", [1, 3])
def test_convnet_fits_images_from_8(size, channels):
    assert output_shape(models.convnet(7), 2, *size, channels) == (2, 7)


@pytest.mark.parametrize(
    ("net", "size", "place"),
    [
        (models.lenet5(), (3, 3), "features/pool2"),
        (models.lenet5(), (32, 3), "features/pool2"),
        (models.lenet5(padding="VALID"), (13, 13), "features/conv2"),
        (models.lenet5(padding="VALID"), (4, 4), "features/conv1"),
        (models.convnet(), (7, 7), "features/block3/pool"),
        (models.convnet(), (3, 8), "features/block2/pool"),
    ],
)
def test_an_image_that_is_too_small_is_refused_where_it_runs_out(net, size, place):
    with pytest.raises(ValueError, match=r"more than x of spatial shape.*larger images") as caught:
        shapes(net, 2, *size, 1)
    assert any(note.startswith(f"  in layer '{place}', given x of shape (2, ") for note in caught.value.__notes__)


def test_flat_rows_are_refused_by_convolutions():
    for net in (models.lenet5(), models.convnet()):
        with pytest.raises(ValueError, match=r"Conv expects x of shape .*got \(2, 784\)"):
            shapes(net, 2, 784)


def test_lenet5_has_the_originals_sizes_and_61706_parameters():
    params, state = shapes(models.lenet5(padding="VALID"), 1, 32, 32, 1)
    assert (count(params), state) == (61_706, {})
    sizes = [count(params["features"][f"conv{i}"]) for i in (1, 2)] + [
        count(params["head"][f"dense{i}"]) for i in (1, 2, 3)
    ]
    assert sizes == [156, 2_416, 48_120, 10_164, 850]
    assert params["head"]["dense1"]["kernel"].shape == (400, 120)


def test_convnet_has_ten_filters_everywhere():
    params, _ = shapes(models.convnet(), 1, 32, 32, 3)
    assert count(params) == (9 * 3 * 10 + 10) + 5 * (9 * 10 * 10 + 10) + (160 * 10 + 10)
    wider, _ = shapes(models.convnet(filters=20), 1, 32, 32, 3)
    assert wider["features"]["block3"]["conv2"]["kernel"].shape == (3, 3, 20, 20)


@pytest.mark.parametrize(
    ("widths", "bias", "wanted"),
    [
        ((128, 64), True, [784, 128, 64, 10]),
        ((), True, [784, 10]),
        ((5,), False, [784, 5, 10]),
        ((3, 4, 5), True, [784, 3, 4, 5, 10]),
    ],
)
def test_mlp_has_the_widths_it_is_given(widths, bias, wanted):
    params, _ = shapes(models.mlp(10, widths=widths, bias=bias), 1, 28, 28, 1)
    names = [f"dense{i + 1}" for i in range(len(widths))] + ["head"]
    assert set(params) == set(names)
    assert [params[name]["kernel"].shape for name in names] == list(itertools.pairwise(wanted))
    assert count(params) == sum((a + bias) * b for a, b in itertools.pairwise(wanted))


def test_mlp_has_an_activation_between_its_layers_and_none_at_the_end(key):
    x = jax.random.normal(key, (4, 3))
    net = models.mlp(2, widths=(5,), activation=fnn.Tanh)
    params, state = net.init(key, x)
    y, _ = net.apply(params, state, x, train=False)
    hidden = jnp.tanh(x @ params["dense1"]["kernel"] + params["dense1"]["bias"][None])
    wanted = hidden @ params["head"]["kernel"] + params["head"]["bias"][None]
    np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-6)


def test_a_linear_classifier_is_one_matrix(key):
    params, _ = shapes(models.linear_classifier(10), 1, 32, 32, 3)
    assert count(params) == 3072 * 10 + 10
    x = jax.random.normal(key, (4, 2, 3, 1))
    net = models.linear_classifier(5)
    params, state = net.init(key, x)
    y, _ = net.apply(params, state, x, train=False)
    np.testing.assert_allclose(y, x.reshape(4, 6) @ params["head"]["kernel"], rtol=1e-5, atol=1e-6)


SMALLEST = {"alexnet": 63, "vgg11": 32, "vgg11_bn": 32, "googlenet": 15}
DEEPER = re.compile(r"vgg1[^1]|resnet(34|50|101|152|32|44|56|110)|randomly_wired_(er|ba)")


@pytest.mark.parametrize("name", [name for name in models.MODELS if not DEEPER.match(name)])
def test_the_first_argument_of_every_model_is_the_number_of_classes(name):
    size = SMALLEST.get(name, 8)
    assert output_shape(models.MODELS[name](7), 2, size, size, 1) == (2, 7)


# The perceptron.

INPUTS = jnp.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
AND, OR, XOR = jnp.array([0, 0, 0, 1]), jnp.array([0, 1, 1, 1]), jnp.array([0, 1, 1, 0])


def fitted(targets, order=(0, 1, 2, 3), epochs=30, learning_rate=1.0):
    """The right answers after training, and the errors of each epoch."""
    net = models.perceptron()
    params, state = net.init(jax.random.key(0), INPUTS)
    places = jnp.array(order)
    fit = models.fit_perceptron(params, INPUTS[places], targets[places], epochs=epochs, learning_rate=learning_rate)
    y, _ = net.apply(fit.params, state, INPUTS, train=False)
    return int(jnp.sum(y[:, 0] == targets.astype(y.dtype))), np.asarray(fit.errors)


def test_a_perceptron_puts_a_one_before_its_input():
    net = models.perceptron(2)
    assert shapes(net, 4, 3, 2)[0] == {"weights": jax.ShapeDtypeStruct((7, 2), jnp.float32)}
    weights = jnp.array([[-1.5, 0.5], [1, -1], [1, 0]])  # the first row is the bias: AND, and NOT the first input
    y, _ = net.apply({"weights": weights}, {}, INPUTS, train=False)
    np.testing.assert_array_equal(y, jnp.array([[0.0, 1], [0, 1], [0, 0], [1, 0]]))


def test_a_perceptrons_step_is_zero_at_zero():
    y, _ = models.perceptron().apply({"weights": jnp.zeros((3, 1))}, {}, INPUTS, train=False)
    np.testing.assert_array_equal(y, jnp.zeros((4, 1)))


def test_one_step_of_the_learning_rule_by_hand():
    params = {"weights": jnp.array([[0.5], [-2.0], [1.0]])}
    fit = models.fit_perceptron(params, jnp.array([[3.0, 4.0]]), jnp.array([1]), epochs=1, learning_rate=0.25)
    # 0.5 − 6 + 4 < 0 gives 0 for 1: each weight gains 0.25 of its input, of which the first is 1.
    np.testing.assert_allclose(fit.params["weights"], jnp.array([[0.75], [-1.25], [2.0]]))
    np.testing.assert_array_equal(fit.errors, [1])


@pytest.mark.parametrize("learning_rate", [1.0, 0.1])
@pytest.mark.parametrize("targets", [AND, OR], ids=["AND", "OR"])
def test_a_perceptron_learns_and_and_or(targets, learning_rate):
    right, errors = fitted(targets, learning_rate=learning_rate)
    assert right == 4
    assert errors[0] > 0
    assert not errors[np.argmax(errors == 0) :].any()  # once without errors, it stays so
    assert errors[-1] == 0


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))), ids=str)
def test_a_perceptron_does_not_learn_xor_in_any_order(order):
    right, errors = fitted(XOR, order, epochs=200)
    assert np.all(errors >= 1)
    assert right <= 3


def feasible(targets):
    """Whether weights exist with w · [1, x] ≥ 1 where the target is 1 and ≤ 0 where it is 0 (1 by choice of scale)."""
    rows = np.hstack([np.ones((4, 1)), np.asarray(INPUTS)])
    sign = np.where(np.asarray(targets) == 1, -1.0, 1.0)
    bound = np.where(np.asarray(targets) == 1, -1.0, 0.0)
    solved = linprog(np.zeros(3), A_ub=sign[:, None] * rows, b_ub=bound, bounds=(None, None))
    assert solved.status in (0, 2)  # solved, or proved infeasible
    return solved.status == 0


def test_no_weights_solve_xor_at_all():
    assert feasible(AND)
    assert feasible(OR)
    assert not feasible(XOR)
    # The proof itself: the sum of the inputs with target 1 equals that of those with target 0, [1, x] and all.
    rows = np.hstack([np.ones((4, 1)), np.asarray(INPUTS)])
    np.testing.assert_array_equal(rows[np.asarray(XOR) == 1].sum(0), rows[np.asarray(XOR) == 0].sum(0))


def test_several_perceptrons_learn_side_by_side():
    net = models.perceptron(2)
    params, state = net.init(jax.random.key(0), INPUTS)
    targets = jnp.stack([AND, OR], axis=1)
    fit = models.fit_perceptron(params, INPUTS, targets, epochs=30)
    np.testing.assert_array_equal(net.apply(fit.params, state, INPUTS, train=False)[0], targets.astype(jnp.float32))


@pytest.mark.parametrize(
    ("x", "targets"),
    [(INPUTS, jnp.array([-1, -1, -1, 1])), (INPUTS, jnp.array([0, 0, 1])), (INPUTS[:3], AND), (INPUTS, AND / 2)],
)
def test_targets_that_are_not_0_or_1_for_each_sample_are_refused(x, targets):
    params, _ = models.perceptron().init(jax.random.key(0), INPUTS)
    with pytest.raises(ValueError, match=r"one target in \{0, 1\} for each"):
        models.fit_perceptron(params, x, targets, epochs=1)


# The 20-line example of the lectures: N = 64, 1000 → 100 → 10, sigmoid, sum of squares, rate 1e-4, 2000 steps.

STEPS, RATE = 2000, 1e-4


def numpy_losses(x, y, w1, w2):
    """The lecture's derivation in float64, every gradient by hand."""
    losses = []
    for _ in range(STEPS):
        h = 1 / (1 + np.exp(-x @ w1))
        predicted = h @ w2
        losses.append(np.square(predicted - y).sum())
        of_predicted = 2 * (predicted - y)
        of_h = of_predicted @ w2.T
        w2 = w2 - RATE * h.T @ of_predicted
        w1 = w1 - RATE * x.T @ (of_h * h * (1 - h))
    return np.array(losses)


def test_the_20_line_example_follows_the_derivation_by_hand():
    random = np.random.default_rng(0)
    x, y = random.standard_normal((64, 1000)), random.standard_normal((64, 10))
    w1, w2 = random.standard_normal((1000, 100)), random.standard_normal((100, 10))
    net = models.mlp(10, widths=(100,), activation=fnn.Sigmoid, bias=False)
    images, targets = jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.float32)
    params, state = net.init(jax.random.key(0), images)
    assert jax.tree.map(jnp.shape, params) == {"dense1": {"kernel": (1000, 100)}, "head": {"kernel": (100, 10)}}
    params = {"dense1": {"kernel": jnp.asarray(w1, jnp.float32)}, "head": {"kernel": jnp.asarray(w2, jnp.float32)}}

    def loss(params):
        predicted, _ = net.apply(params, state, images, train=True)
        return jnp.sum(jnp.square(predicted - targets))

    def descend(params, _):
        value, gradient = jax.value_and_grad(loss)(params)
        return jax.tree.map(lambda p, g: p - RATE * g, params, gradient), value

    _, losses = jax.jit(lambda params: jax.lax.scan(descend, params, length=STEPS))(params)
    with threadpool_limits(1):  # NumPy's threads wait for each other by spinning, 10 times slower where cores are busy
        wanted = numpy_losses(x, y, w1, w2)
    assert wanted[-1] < 0.1 * wanted[0]
    np.testing.assert_allclose(losses, wanted, rtol=1e-4)


def test_the_perceptron_learns_from_integers_and_takes_an_empty_batch():
    net = models.perceptron()
    corners = jnp.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    params, _ = net.init(jax.random.key(0), jax.ShapeDtypeStruct((4, 2), jnp.float32))
    fitted = models.fit_perceptron(params, corners, jnp.array([0, 0, 0, 1]), epochs=20)
    y, _ = net.apply(fitted.params, {}, corners.astype(jnp.float32), train=False)
    np.testing.assert_array_equal(y[:, 0], [0, 0, 0, 1])
    assert net.apply(fitted.params, {}, jnp.zeros((0, 2)), train=False)[0].shape == (0, 1)
