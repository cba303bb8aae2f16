"""Losses and their gradients by hand and against float64 NumPy."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnn
from fnn.losses import binary_cross_entropy, l2, multiclass_hinge, softmax_cross_entropy, squared_error

Array = np.ndarray
SHAPES = [(7, 5), (3,), (2, 3, 4), (1, 1)]


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def sigmoid(x: Array) -> Array:
    return np.where(x < 0, np.exp(np.minimum(x, 0)), 1) / (1 + np.exp(-np.abs(x)))


def numpy_cross_entropy(s: Array, p: Array) -> tuple[Array, Array]:
    top = s.max(-1, keepdims=True)
    log_sum = top[..., 0] + np.log(np.exp(s - top).sum(-1))
    return log_sum * p.sum(-1) - (p * s).sum(-1), softmax(s) * p.sum(-1, keepdims=True) - p


def numpy_hinge(s: Array, one_hot: Array) -> tuple[Array, Array]:
    """Class by class, as the lecture writes it."""
    loss, by_s = np.zeros(s.shape[:-1]), np.zeros_like(s)
    for at in np.ndindex(s.shape[:-1]):
        y = one_hot[at].argmax()
        for j in range(s.shape[-1]):
            if j != y and s[at][j] - s[at][y] + 1 > 0:
                loss[at] += s[at][j] - s[at][y] + 1
                by_s[at][j] += 1
                by_s[at][y] -= 1
    return loss, by_s


def numpy_binary(s: Array, d: Array) -> tuple[Array, Array]:
    """`−d log y − (1 − d) log(1 − y)` with both logarithms taken without rounding y to 0 or 1."""
    terms = d * np.logaddexp(0, -s) + (1 - d) * np.logaddexp(0, s)
    return terms.sum(-1), sigmoid(s) - d


def numpy_squared(y: Array, t: Array) -> tuple[Array, Array]:
    return np.square(y - t).sum(-1), 2 * (y - t)


LOSSES: dict[str, tuple[Callable[..., jax.Array], Callable[[Array, Array], tuple[Array, Array]]]] = {
    "softmax_cross_entropy": (softmax_cross_entropy, numpy_cross_entropy),
    "multiclass_hinge": (multiclass_hinge, numpy_hinge),
    "binary_cross_entropy": (binary_cross_entropy, numpy_binary),
    "squared_error": (squared_error, numpy_squared),
}

# Where labels are classes.
OVER_CLASSES = ["softmax_cross_entropy", "multiclass_hinge"]


def value_and_gradient(loss: Callable[..., jax.Array], scores: Any, labels: Any) -> tuple[jax.Array, jax.Array]:
    def both(scores: jax.Array, labels: jax.Array) -> Any:
        value, pull = jax.vjp(lambda scores: loss(scores, labels), scores)
        return value, pull(jnp.ones_like(value))[0]

    return jax.jit(both)(scores, labels)


def draw(name: str, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Scores, and one-hot labels for losses over classes, else numbers in [0, 1]."""
    rng = np.random.default_rng(len(shape))
    scores = rng.normal(size=shape, scale=3).astype(np.float32)
    if name in OVER_CLASSES:
        return scores, np.eye(shape[-1], dtype=np.float32)[rng.integers(0, shape[-1], shape[:-1])]
    return scores, rng.uniform(size=shape).astype(np.float32)


def assert_equals_numpy(name: str, scores: Array, labels: Array, tolerance: float = 2e-6) -> None:
    loss, oracle = LOSSES[name]
    value, gradient = value_and_gradient(loss, scores, labels)
    wanted, by_scores = oracle(scores.astype(np.float64), labels.astype(np.float64))
    np.testing.assert_allclose(np.asarray(value), wanted, rtol=tolerance, atol=tolerance * 10)
    np.testing.assert_allclose(np.asarray(gradient), by_scores, rtol=tolerance, atol=tolerance * 10)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", LOSSES)
def test_equals_numpy(name: str, shape: tuple[int, ...]) -> None:
    assert_equals_numpy(name, *draw(name, shape))


@pytest.mark.parametrize("name", LOSSES)
def test_float64_keeps_its_digits(name: str) -> None:
    scores, labels = (a.astype(np.float64) for a in draw(name, (7, 5)))
    with jax.enable_x64(True):
        assert LOSSES[name][0](jnp.asarray(scores), jnp.asarray(labels)).dtype == jnp.float64
        assert_equals_numpy(name, scores, labels, 1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_no_overflow_at_large_scores(name: str) -> None:
    """Right and wrong with all confidence; the losses are exact there."""
    scores = np.array([[1e4, -1e4, 0], [-1e4, 1e4, 1e4], [1e4, 1e4, 1e4], [-1e4, -1e4, -1e4]], np.float32)
    for column in range(3):
        labels = np.tile(np.eye(3, dtype=np.float32)[column], (4, 1))
        assert_equals_numpy(name, scores, labels)
        value, gradient = value_and_gradient(LOSSES[name][0], scores, labels)
        assert np.isfinite(value).all()
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("name", LOSSES)
def test_half_precision_is_computed_in_float32(name: str, dtype: Any) -> None:
    """The squares and sums of 1e4 are more than float16 holds."""
    scores, labels = draw(name, (7, 5))
    scores[0] = [1e4, -1e4, 0, 1, 2]
    scores, labels = scores.astype(dtype), labels.astype(dtype)
    value, gradient = value_and_gradient(LOSSES[name][0], scores, labels)
    wanted = LOSSES[name][0](jnp.asarray(scores, jnp.float32), jnp.asarray(labels, jnp.float32))
    assert value.dtype == jnp.float32
    assert gradient.dtype == dtype
    np.testing.assert_allclose(value, wanted, rtol=1e-6)
    assert np.isfinite(np.asarray(gradient, np.float32)).all()


def test_scores_of_the_lecture() -> None:
    """(3.2, 5.1, −1.7) for class 0: SVM loss 2.9; probability 0.13, so softmax loss −ln 0.13 = 2.04."""
    scores = jnp.array([3.2, 5.1, -1.7])
    np.testing.assert_allclose(multiclass_hinge(scores, jnp.array(0)), 2.9, rtol=1e-6)
    np.testing.assert_allclose(softmax_cross_entropy(scores, jnp.array(0)), 2.04, atol=5e-3)
    np.testing.assert_allclose(np.exp(-softmax_cross_entropy(scores, jnp.array(0))), 0.13, atol=5e-3)


@pytest.mark.parametrize(
    ("scores", "label", "loss"),
    [((3.2, 5.1, -1.7), 0, 2.9), ((1.3, 4.9, 2.0), 1, 0), ((2.2, 2.5, -3.1), 2, 12.9), ((0.0, 0.0, 0.0), 1, 2)],
)
def test_hinge_sums_over_wrong_classes(scores: tuple[float, ...], label: int, loss: float) -> None:
    np.testing.assert_allclose(multiclass_hinge(jnp.array(scores), jnp.array(label)), loss, rtol=1e-6)


@pytest.mark.parametrize(("margin", "loss"), [(0.0, 1.9), (1.0, 2.9), (5.0, 7.0), (10.0, 17.0)])
def test_margin(margin: float, loss: float) -> None:
    """max(0, 1.9 + m) + max(0, −4.9 + m)."""
    got = multiclass_hinge(jnp.array([3.2, 5.1, -1.7]), jnp.array(0), margin)
    np.testing.assert_allclose(got, loss, rtol=1e-6)


def test_binary_cross_entropy_by_hand() -> None:
    """Probabilities 0.8 and 0.4 for labels 1 and 0."""
    logits = jnp.log(jnp.array([0.8 / 0.2, 0.4 / 0.6]))
    np.testing.assert_allclose(
        binary_cross_entropy(logits, jnp.array([1.0, 0.0])), -np.log(0.8) - np.log(0.6), rtol=1e-6
    )


def test_squared_error_and_its_half_by_hand() -> None:
    y, t = jnp.array([[1.0, 2.0], [0.0, 0.0]]), jnp.array([[3.0, 5.0], [0.0, 1.0]])
    assert squared_error(y, t).tolist() == [13.0, 1.0]
    assert squared_error(y, t, half=True).tolist() == [6.5, 0.5]
    gradient = jax.grad(lambda y: squared_error(y, t, half=True).sum())(y)
    assert gradient.tolist() == (y - t).tolist()


@pytest.mark.parametrize("dtype", [jnp.int32, jnp.uint8, jnp.int8])
@pytest.mark.parametrize("name", OVER_CLASSES)
def test_class_numbers_are_one_hot_rows(name: str, dtype: Any) -> None:
    scores, one_hot = draw(name, (2, 3, 4))
    loss = LOSSES[name][0]
    wanted = loss(scores, one_hot)
    numbers = one_hot.argmax(-1).astype(dtype)
    assert (loss(scores, numbers) == wanted).all()
    assert (loss(scores, one_hot.astype(dtype)) == wanted).all()
    assert (loss(scores, one_hot.astype(bool)) == wanted).all()


def test_cross_entropy_of_soft_labels() -> None:
    scores, _ = draw("softmax_cross_entropy", (7, 5))
    p = np.random.default_rng(0).dirichlet(np.ones(5), 7).astype(np.float32)
    assert_equals_numpy("softmax_cross_entropy", scores, p)


def test_cross_entropy_of_an_impossible_class() -> None:
    """A class at −inf that is not the label costs nothing, and is infinitely surprising where it is the label."""
    scores = jnp.array([0.0, 0.0, -jnp.inf])
    value, gradient = value_and_gradient(softmax_cross_entropy, scores, jnp.array(0))
    np.testing.assert_allclose(value, np.log(2), rtol=1e-6)
    np.testing.assert_allclose(gradient, [-0.5, 0.5, 0], atol=1e-6)
    assert softmax_cross_entropy(scores, jnp.array(2)) == jnp.inf


@pytest.mark.parametrize("name", OVER_CLASSES)
@pytest.mark.parametrize("number", [-1, -4, 4, 100, 2**31 - 1, -(2**31)])
def test_class_that_does_not_exist_is_nan(name: str, number: int) -> None:
    scores, _ = draw(name, (3, 4))
    loss = np.asarray(LOSSES[name][0](scores, np.array([0, number, 3], np.int32)))
    assert np.isnan(loss).tolist() == [False, True, False]


@pytest.mark.parametrize("name", OVER_CLASSES)
def test_uint8_labels_of_many_classes(name: str) -> None:
    """A uint8 can name the first 256 of 300 classes; none of the others is mistaken for one of them."""
    scores = np.random.default_rng(0).normal(size=(256, 300)).astype(np.float32)
    loss = LOSSES[name][0]
    labels = np.arange(256)
    assert (loss(scores, labels.astype(np.uint8)) == loss(scores, labels.astype(np.int32))).all()


@pytest.mark.parametrize("name", OVER_CLASSES)
@pytest.mark.parametrize("number", [2**32 + 1])
def test_class_numbers_beyond_32_bits_are_nan(name: str, number: int) -> None:
    with jax.enable_x64(True):
        loss = LOSSES[name][0](jnp.zeros((1, 4), jnp.float32), jnp.array([number], jnp.int64))
        assert np.isnan(np.asarray(loss)).all()


@pytest.mark.parametrize("name", OVER_CLASSES)
@pytest.mark.parametrize(
    ("labels", "dtype"),
    [((4,), np.int32), ((3, 5), np.float32), ((3,), np.float32), ((3, 1), np.int32), ((), np.int32)],
)
def test_labels_that_do_not_fit_fail(name: str, labels: tuple[int, ...], dtype: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} expects integer labels of shape") as caught:
        LOSSES[name][0](np.zeros((3, 4), np.float32), np.zeros(labels, dtype))
    assert "(3, 4)" in str(caught.value)
    assert f"{np.dtype(dtype).name} labels of shape {labels}" in str(caught.value)


@pytest.mark.parametrize("name", ["binary_cross_entropy", "squared_error"])
@pytest.mark.parametrize("shape", [(3,), (3, 1), (1, 4), (4,), ()])
def test_shapes_that_differ_fail(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=f"{name} expects both arguments of one shape") as caught:
        LOSSES[name][0](np.zeros((3, 4), np.float32), np.zeros(shape, np.float32))
    assert "(3, 4)" in str(caught.value)
    assert str(shape) in str(caught.value)


def test_l2_counts_kernels_only() -> None:
    net = fnn.serial(conv=fnn.Conv(2, 3, bias_init="ones"), norm=fnn.BatchNorm(), flat=fnn.Flatten, dense=fnn.Dense(3))
    params, _ = net.init(jax.random.key(0), jnp.ones((2, 4, 4, 1)))
    kernels = [np.asarray(params[name]["kernel"], np.float64) for name in ("conv", "dense")]
    wanted = sum(np.square(kernel).sum() for kernel in kernels)
    np.testing.assert_allclose(l2(params), wanted, rtol=1e-6)
    np.testing.assert_allclose(l2(params, 0.25), wanted / 4, rtol=1e-6)
    gradient = jax.grad(lambda params: l2(params, 0.5))(params)
    for name, leaves in gradient.items():
        for entry, leaf in leaves.items():
            expected = params[name]["kernel"] if entry == "kernel" else np.zeros(leaf.shape)
            np.testing.assert_allclose(leaf, expected, rtol=1e-6, err_msg=f"{name}/{entry}")


def test_l2_by_hand_and_of_nothing() -> None:
    assert l2({"dense": {"kernel": jnp.array([[1.0, 2.0], [3.0, 4.0]]), "bias": jnp.array([9.0])}}, 0.5) == 15
    assert (l2({}), l2({}).dtype) == (0, jnp.float32)
    assert l2({"norm": {"scale": jnp.ones(3), "bias": jnp.ones(3), "mean": jnp.ones(3)}}) == 0


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_l2_of_half_precision_is_summed_in_float32(dtype: Any) -> None:
    total = jax.jit(l2)({"kernel": jnp.full((64, 64), 100, dtype)})
    assert total.dtype == jnp.float32
    assert total == 4096 * 1e4


def test_a_class_that_is_ruled_out_costs_nothing():
    """A score of −∞ masks a class."""
    scores = jnp.array([[1.0, -jnp.inf]])
    for loss in (fnn.losses.multiclass_hinge, fnn.losses.softmax_cross_entropy):
        np.testing.assert_array_equal(loss(scores, jnp.array([0])), [0])
        gradient = jax.grad(lambda scores, loss=loss: loss(scores, jnp.array([0])).sum())(jnp.array([[1.0, -1e30]]))
        assert np.all(np.isfinite(gradient))
    certain = jnp.array([[jnp.inf, -jnp.inf]])
    np.testing.assert_array_equal(fnn.losses.binary_cross_entropy(certain, jnp.array([[1.0, 0.0]])), [0])


@pytest.mark.parametrize(
    "labels", [np.array([2**32]), np.array([2**32 + 1], np.uint64), np.array([-1]), np.array([-(2**32)])]
)
def test_numpy_labels_are_judged_before_they_are_narrowed(labels):
    assert np.isnan(fnn.losses.softmax_cross_entropy(jnp.ones((1, 3)), labels)).all()


def test_complex_numbers_and_scalars_are_refused():
    with pytest.raises(TypeError, match="real numbers, got complex64"):
        fnn.losses.squared_error(jnp.ones((1, 3), jnp.complex64), jnp.ones((1, 3)))
    with pytest.raises(ValueError, match="got a scalar"):
        fnn.losses.multiclass_hinge(jnp.ones(()), jnp.array(0))
