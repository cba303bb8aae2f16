"""Dense, Maxout and RadialBasis against float64 NumPy with gradients derived by hand."""

from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles import Outcome, Problem, add_bias, assert_close, assert_outcome, draw, evaluate, flat

import fnn

SHAPES = [(3, 5), (5,), (2, 3, 4), (1, 1), (2, 2, 3, 2), (0, 4)]


def dense(problem: Problem) -> Outcome:
    x, params, w = problem
    kernel = params["kernel"]
    return add_bias(problem, Outcome(x @ kernel, {"x": w @ kernel.T, "kernel": flat(x).T @ flat(w)}))


def maxout(problem: Problem, pieces: int) -> Outcome:
    """All pieces beside each other; only the largest passes its cotangent."""
    x, params, w = problem
    kernels = np.split(params["kernel"], pieces, axis=1)
    biases = np.split(params["bias"], pieces)
    values = np.stack([x @ kernel + bias for kernel, bias in zip(kernels, biases, strict=True)])
    passed = [np.where(values.argmax(0) == piece, w, 0) for piece in range(pieces)]
    gradients = {
        "x": sum(g @ kernel.T for g, kernel in zip(passed, kernels, strict=True)),
        "kernel": np.concatenate([flat(x).T @ flat(g) for g in passed], axis=1),
        "bias": np.concatenate([flat(g).sum(0) for g in passed]),
    }
    return Outcome(values.max(0), gradients)


def radial_basis(problem: Problem, sigma: float) -> Outcome:
    x, params, w = problem
    distance = params["centers"] - x[..., None, :]  # (…, centers, inputs)
    y = np.exp(-np.square(distance).sum(-1) / sigma**2)
    pulled = 2 / sigma**2 * (w * y)[..., None] * distance
    return Outcome(y, {"x": pulled.sum(-2), "centers": -pulled.reshape(-1, *pulled.shape[-2:]).sum(0)})


LAYERS: dict[str, tuple[fnn.Layer, Callable[[Problem], Outcome]]] = {
    "dense": (fnn.Dense(4), dense),
    "dense without bias": (fnn.Dense(3, bias=False), dense),
    "maxout of one": (fnn.Maxout(3, 1), lambda problem: maxout(problem, 1)),
    "maxout of two": (fnn.Maxout(3), lambda problem: maxout(problem, 2)),
    "maxout of five": (fnn.Maxout(2, pieces=5), lambda problem: maxout(problem, 5)),
    "radial basis": (fnn.RadialBasis(4), lambda problem: radial_basis(problem, 1)),
    "wide radial basis": (fnn.RadialBasis(1, sigma=3.5), lambda problem: radial_basis(problem, 3.5)),
}


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", LAYERS)
def test_equals_oracle(name: str, shape: tuple[int, ...]) -> None:
    layer, oracle = LAYERS[name]
    problem = draw(layer, shape, seed=len(shape))
    assert_outcome(evaluate(layer, problem)[0], oracle(problem))


@pytest.mark.parametrize("name", LAYERS)
def test_float64_keeps_its_digits(name: str) -> None:
    layer, oracle = LAYERS[name]
    problem = draw(layer, (3, 5), seed=1)
    with jax.enable_x64(True):
        got, _ = evaluate(layer, problem, dtype=np.float64)
    assert_outcome(got, oracle(problem), 1e-10)


@pytest.mark.parametrize(("dtype", "tolerance"), [(jnp.bfloat16, 3e-2), (jnp.float16, 4e-3)])
@pytest.mark.parametrize("name", LAYERS)
def test_half_precision_is_near(name: str, dtype: Any, tolerance: float) -> None:
    layer, oracle = LAYERS[name]
    problem = draw(layer, (3, 5), seed=2)
    # Rounded before, so that the oracle sees the same numbers.
    problem = Problem(*jax.tree.map(lambda a: a.astype(dtype).astype(np.float64), tuple(problem)))
    assert_outcome(evaluate(layer, problem, dtype=dtype)[0], oracle(problem), tolerance)


def test_pixels_to_classes_of_the_lecture() -> None:
    params, _ = jax.eval_shape(
        fnn.Dense(1024).init, jax.random.key(0), jax.ShapeDtypeStruct((1, 256 * 256), jnp.float32)
    )
    assert params["kernel"].size == 2**26
    assert params["bias"].shape == (1024,)


def test_maxout_by_hand() -> None:
    """`max(w₁·x + b₁, w₂·x + b₂)` with w₁ = (1, 2), b₁ = 0.5, w₂ = (3, −1), b₂ = −1."""
    params = {"kernel": jnp.array([[1.0, 3.0], [2.0, -1.0]]), "bias": jnp.array([0.5, -1.0])}
    x = jnp.array([[1.0, 1.0], [2.0, 0.0]])  # pieces: (3.5, 1) and (2.5, 5)
    y, _ = fnn.Maxout(1).apply(params, {}, x, train=False)
    assert y.tolist() == [[3.5], [5.0]]


def test_maxout_counts_all_pieces() -> None:
    params, _ = fnn.Maxout(3, pieces=4).init(jax.random.key(0), jnp.ones((2, 5)))
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 4 * (5 + 1) * 3


def test_radial_basis_by_hand() -> None:
    params = {"centers": jnp.array([[0.0, 0.0], [3.0, 4.0]])}
    y, _ = fnn.RadialBasis(2, sigma=5.0).apply(params, {}, jnp.zeros((1, 2)), train=False)
    assert_close(y, [[1, np.exp(-1)]], 1e-6)


def test_radial_basis_near_a_far_center() -> None:
    """‖w‖² − 2 w·x + ‖x‖² would be 0 or worse here."""
    center = np.full((1, 3), 1e4, np.float32)
    x = center + np.float32(0.5)
    y, _ = fnn.RadialBasis(1).apply({"centers": jnp.asarray(center)}, {}, jnp.asarray(x), train=False)
    assert_close(y, [[np.exp(-0.75)]], 1e-6)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("far", [-1e4, 1e4])
def test_radial_basis_far_away_is_zero_and_flat(far: float, dtype: Any) -> None:
    layer = fnn.RadialBasis(2)
    params, _ = layer.init(jax.random.key(0), jnp.zeros((1, 3)))

    def total(params: Any, x: jax.Array) -> jax.Array:
        return layer.apply(params, {}, x, train=False)[0].sum()

    y, gradients = jax.value_and_grad(total, (0, 1))(params, jnp.full((1, 3), far, dtype))
    assert y == 0
    assert all(not gradient.any() for gradient in jax.tree.leaves(gradients))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: fnn.Dense(0), "Dense expects features as an integer of at least 1, got 0"),
        (lambda: fnn.Dense(cast(Any, 2.5)), r"Dense expects features as an integer of at least 1, got 2\.5"),
        (lambda: fnn.Dense(cast(Any, "10")), "Dense expects features as an integer of at least 1, got '10'"),
        (lambda: fnn.Maxout(-1), "Maxout expects features as an integer of at least 1, got -1"),
        (lambda: fnn.Maxout(2, 0), "Maxout expects pieces as an integer of at least 1, got 0"),
        (lambda: fnn.RadialBasis(0), "RadialBasis expects features as an integer of at least 1, got 0"),
        (lambda: fnn.RadialBasis(2, sigma=0.0), r"RadialBasis expects a positive sigma, got 0\.0"),
        (lambda: fnn.RadialBasis(2, sigma=-1.0), r"RadialBasis expects a positive sigma, got -1\.0"),
        (lambda: fnn.RadialBasis(2, sigma=float("nan")), "RadialBasis expects a positive sigma, got nan"),
    ],
)
def test_bad_arguments_fail_when_the_layer_is_made(make: Callable[[], fnn.Layer], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make()


@pytest.mark.parametrize(
    ("make", "misspelt"),
    [(fnn.Dense, "use_bias"), (fnn.Dense, "kernel_initializer"), (fnn.Maxout, "piece"), (fnn.RadialBasis, "gamma")],
)
def test_misspelt_keywords_fail(make: Callable[..., fnn.Layer], misspelt: str) -> None:
    with pytest.raises(TypeError, match=misspelt):
        make(3, **{misspelt: 1})


@pytest.mark.parametrize("make", [fnn.Dense, fnn.Maxout, fnn.RadialBasis])
def test_input_or_parameters_that_do_not_fit_fail(make: Callable[[int], fnn.Layer]) -> None:
    layer = make(3)
    with pytest.raises(ValueError, match=rf"{make.__name__} expects x of shape \(…, inputs\), got \(\)"):
        layer.init(jax.random.key(0), jnp.float32(1))
    with pytest.raises(TypeError, match=f"{make.__name__} expects floating-point x, got int32"):
        layer.init(jax.random.key(0), jnp.ones((2, 3), jnp.int32))
    params, state = layer.init(jax.random.key(0), jnp.ones((2, 3)))
    with pytest.raises(ValueError, match=f"{make.__name__} expects parameters .* for this input, got "):
        layer.apply(params, state, jnp.ones((2, 4)), train=False)
