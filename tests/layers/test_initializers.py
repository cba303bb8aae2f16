"""Initial values: every name, their variance in every layer that has a kernel, their dtype, and their independence."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnn
from fnn.layers.initializers import INITIALIZERS

# Layer (from an initializer), input shape, fan_in, fan_out: the window times the channels that a kernel sees or makes.
KERNELS: dict[str, tuple[Callable[[Any], fnn.Layer], tuple[int, ...], int, int]] = {
    "Dense": (lambda init: fnn.Dense(90, kernel_init=init), (1, 160), 160, 90),
    "Conv": (lambda init: fnn.Conv(48, (3, 2), kernel_init=init), (1, 4, 4, 40), 6 * 40, 6 * 48),
    "grouped Conv": (lambda init: fnn.Conv(64, 3, groups=4, kernel_init=init), (1, 4, 4, 80), 9 * 20, 9 * 64),
    "ConvTranspose": (lambda init: fnn.ConvTranspose(48, (3, 2), kernel_init=init), (1, 4, 4, 40), 6 * 40, 6 * 48),
    "Maxout": (lambda init: fnn.Maxout(30, 3, kernel_init=init), (1, 160), 160, 90),
}

VARIANCES: dict[str, Callable[[int, int], float]] = {
    "lecun": lambda fan_in, fan_out: 1 / fan_in,
    "he": lambda fan_in, fan_out: 2 / fan_in,
    "glorot": lambda fan_in, fan_out: 2 / (fan_in + fan_out),
}


def kernel_of(layer: fnn.Layer, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    params, _ = layer.init(jax.random.key(seed), jax.ShapeDtypeStruct(shape, jnp.float32))
    return np.asarray(params["kernel"], np.float64)


@pytest.mark.parametrize("shape_of_distribution", ["normal", "uniform"])
@pytest.mark.parametrize("rule", VARIANCES)
@pytest.mark.parametrize("kind", KERNELS)
def test_variance_is_the_formula(kind: str, rule: str, shape_of_distribution: str) -> None:
    make, shape, fan_in, fan_out = KERNELS[kind]
    kernel = kernel_of(make(f"{rule}_{shape_of_distribution}"), shape)
    variance = VARIANCES[rule](fan_in, fan_out)
    # Five standard deviations of the mean, and of the variance of normal numbers, which spreads most.
    assert abs(kernel.mean()) < 5 * np.sqrt(variance / kernel.size)
    assert abs(kernel.var() / variance - 1) < 5 * np.sqrt(2 / kernel.size)
    if shape_of_distribution == "uniform":
        assert np.abs(kernel).max() <= np.sqrt(3 * variance) * (1 + 1e-6)
    else:
        assert np.abs(kernel).max() > 2 * np.sqrt(variance)


@pytest.mark.parametrize("kind", KERNELS)
def test_default_is_lecun_normal(kind: str) -> None:
    make, shape, _, _ = KERNELS[kind]
    defaults = {
        "Dense": fnn.Dense(90),
        "Conv": fnn.Conv(48, (3, 2)),
        "grouped Conv": fnn.Conv(64, 3, groups=4),
        "ConvTranspose": fnn.ConvTranspose(48, (3, 2)),
        "Maxout": fnn.Maxout(30, 3),
    }
    assert (kernel_of(defaults[kind], shape) == kernel_of(make("lecun_normal"), shape)).all()


def test_zeros_ones_and_normal() -> None:
    make, shape, _, _ = KERNELS["Dense"]
    assert (kernel_of(make("zeros"), shape) == 0).all()
    assert (kernel_of(make("ones"), shape) == 1).all()
    assert abs(kernel_of(make("normal"), shape).var() - 1) < 5 * np.sqrt(2 / (160 * 90))


def test_orthogonal() -> None:
    make, shape, _, _ = KERNELS["Dense"]
    kernel = kernel_of(make("orthogonal"), shape)
    np.testing.assert_allclose(kernel.T @ kernel, np.eye(90), atol=1e-5)


def test_every_name_is_tried_here() -> None:
    tried = {f"{rule}_{shape}" for rule in VARIANCES for shape in ("normal", "uniform")}
    assert set(INITIALIZERS) == tried | {"zeros", "ones", "normal", "orthogonal"}


def test_biases_are_zero_by_default_and_centers_are_normal() -> None:
    x = jax.ShapeDtypeStruct((1, 5, 5, 40), jnp.float32)
    for layer in (fnn.Dense(7), fnn.Conv(7, 3), fnn.ConvTranspose(7, 3), fnn.Maxout(7)):
        params, _ = layer.init(jax.random.key(0), x)
        assert not params["bias"].any(), layer.name
    params, _ = fnn.RadialBasis(300).init(jax.random.key(0), x)
    assert abs(np.asarray(params["centers"]).var() - 1) < 5 * np.sqrt(2 / (300 * 40))


def test_a_function_works() -> None:
    def twos(key: jax.Array, shape: tuple[int, ...], dtype: Any) -> jax.Array:
        return jnp.full(shape, 2, dtype)

    layer = fnn.Dense(3, kernel_init=twos, bias_init="ones")
    params, _ = layer.init(jax.random.key(0), jnp.ones((1, 2)))
    assert params["kernel"].tolist() == [[2.0] * 3] * 2
    assert params["bias"].tolist() == [1.0] * 3


def test_each_parameter_and_each_key_has_numbers_of_its_own() -> None:
    layer = fnn.Dense(3, kernel_init="normal", bias_init="normal")
    first, second = (layer.init(jax.random.key(seed), jnp.ones((1, 1)))[0] for seed in (0, 1))
    numbers = [float(n) for params in (first, second) for leaf in params.values() for n in leaf.ravel()]
    assert len(set(numbers)) == 12
    again, _ = layer.init(jax.random.key(0), jnp.ones((1, 1)))
    assert (again["kernel"] == first["kernel"]).all()


@pytest.mark.parametrize("dtype", [jnp.float64, jnp.float32, jnp.bfloat16, jnp.float16])
def test_parameters_and_moments_are_float32(dtype: Any) -> None:
    layers = [
        *(fnn.Dense(3, kernel_init=name) for name in INITIALIZERS),
        *(fnn.Conv(3, 1), fnn.ConvTranspose(3, 1), fnn.Maxout(3), fnn.RadialBasis(3)),
        *(fnn.BatchNorm(), fnn.LayerNorm(), fnn.GroupNorm(2)),
    ]
    with jax.enable_x64(True):
        x = jax.ShapeDtypeStruct((2, 4, 4, 4), dtype)
        for layer in layers:
            leaves = jax.tree.leaves(jax.eval_shape(layer.init, jax.random.key(0), x))
            assert {leaf.dtype for leaf in leaves} == {np.dtype(np.float32)}, layer.name


@pytest.mark.parametrize(
    ("make", "layer"),
    [
        (lambda: fnn.Dense(3, kernel_init="xavier"), "Dense"),
        (lambda: fnn.Dense(3, bias_init="xavier"), "Dense"),
        (lambda: fnn.Conv(3, 3, bias_init="xavier"), "Conv"),
        (lambda: fnn.ConvTranspose(3, 3, kernel_init="xavier"), "ConvTranspose"),
        (lambda: fnn.Maxout(3, kernel_init="xavier"), "Maxout"),
        (lambda: fnn.RadialBasis(3, center_init="xavier"), "RadialBasis"),
    ],
)
def test_unknown_name_lists_the_known(make: Callable[[], fnn.Layer], layer: str) -> None:
    with pytest.raises(ValueError, match=f"^{layer} knows no initializer 'xavier'") as caught:
        make()
    assert all(name in str(caught.value) for name in INITIALIZERS)
