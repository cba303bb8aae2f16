"""Forward-mode, reverse-mode and higher derivatives of every operation, in float64."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ops.problems import Problem, assert_near, choose_at_random, convolve_at, draw, geometry_of, plain_convolve, run
from ops.test_pools import plain_pool, pool

from fnn import ops

Function = Callable[..., Any]


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def shuffled(*shape: int) -> np.ndarray:
    """Numbers far enough apart that no finite difference changes which one is the largest."""
    count = int(np.prod(shape))
    return np.random.default_rng(0).permutation(np.linspace(-1, 1, count)).reshape(shape)


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(size=shape)


CONVOLUTIONS = {
    "plain": Problem(geometry_of((4, 5), (3, 3), padding=1), 2, 2, 3),
    "strided": Problem(geometry_of((6, 5), (3, 2), (2, 3), ((1, 0), (0, 2)), (1, 2)), 2, 2, 3),
    "grouped": Problem(geometry_of((5, 4), (3, 2), (2, 1), 1, 1, 2), 2, 4, 6),
    "depthwise": Problem(geometry_of((5, 4), (3, 3), 1, 1, 1, 4), 2, 4, 4),
    "1-D": Problem(geometry_of((7,), (3,), 1, ((2, 0),)), 2, 2, 3),
    "3-D": Problem(geometry_of((3, 4, 3), (2, 3, 2), (1, 2, 1), 1), 1, 2, 2),
    "larger than the image": Problem(geometry_of((2, 2), (3, 5), 1, 2), 2, 2, 3),
}
POOLS = {
    "side by side": geometry_of((4, 5), (2, 2), 2),
    "overlapping": geometry_of((5, 5), (3, 2), (2, 1), 1),
    "1-D": geometry_of((7,), (3,), 2),
}


def plain_batch_norm(x: Any, scale: Any, bias: Any) -> Any:
    axes = tuple(range(x.ndim - 1))
    mean, var = jnp.mean(x, axes), jnp.var(x, axes)
    with jax.numpy_rank_promotion("allow"):
        return (x - mean) / jnp.sqrt(var + 1e-3) * scale + bias, mean, var


def batch_norm(x: Any, scale: Any, bias: Any) -> Any:
    return ops.batch_norm(x, scale, bias, jnp.asarray(1e-3, x.dtype))


def operations() -> Iterator[tuple[str, Function, Function, tuple[np.ndarray, ...]]]:
    """Name, fnn's operation, JAX's, and what to give both."""
    for name, problem in CONVOLUTIONS.items():
        mine, plain = partial(convolve_at, problem.geometry), partial(plain_convolve, problem.geometry)
        yield f"convolve, {name}", mine, plain, tuple(draw(problem)[:2])
    for kind in ("max", "sum"):
        for name, geometry in POOLS.items():
            x = shuffled(2, *geometry.sizes, 2)
            yield f"{kind}_pool, {name}", partial(pool, kind, geometry), partial(plain_pool, kind, geometry), (x,)
    yield "batch_norm", batch_norm, plain_batch_norm, (2 + normal(3, 2, 3, 4), normal(4), normal(4, 1)[:, 0])
    yield "channel_sum", ops.channel_sum, lambda x: jnp.sum(x, (0, 1)), (normal(3, 2, 4),)
    for inputs in (3, 128):  # rows of 512 bytes have a way of their own
        yield f"product, {inputs}", ops.product, jnp.dot, (normal(2, 3, inputs), normal(inputs, 2))
    shape = (3, 2, 4)
    yield "channel_broadcast", lambda v: ops.channel_broadcast(v, shape), lambda v: jnp.tile(v, (3, 2, 1)), (normal(4),)


OPERATIONS = [pytest.param(*rest, id=name) for name, *rest in operations()]


def bent(function: Function) -> Function:
    """Sines in front and behind, so that no derivative is constant."""
    return lambda *a: jax.tree.map(jnp.sin, function(*map(jnp.sin, a)))


def direction(given: Sequence[Any]) -> tuple[np.ndarray, ...]:
    """Along which all are differentiated."""
    return tuple(np.cos(np.arange(a.size)).reshape(a.shape) for a in given)


def higher(function: Function, *given: Any) -> dict[str, Any]:
    """The value, and products with derivatives up to the third, in each order of the modes."""
    bended = bent(function)
    weights = [normal(*a.shape) for a in jax.tree.leaves(jax.eval_shape(bended, *given))]
    along = direction(given)
    every = tuple(range(len(given)))

    def loss(*given: Any) -> Any:
        return sum(jnp.sum(w * y) for w, y in zip(weights, jax.tree.leaves(bended(*given)), strict=True))

    def forward(*given: Any) -> Any:
        return jax.jvp(loss, given, along)[1]

    gradient, both = jax.grad(loss, every), jax.grad(forward, every)

    def reverse_twice(*given: Any) -> Any:
        return sum(jnp.sum(g * v) for g, v in zip(gradient(*given), along, strict=True))

    return {
        "value": bended(*given),
        "jvp": jax.jvp(bended, given, along)[1],
        "gradient": gradient(*given),
        "forward": forward(*given),
        "forward over forward": jax.jvp(forward, given, along)[1],
        "forward over reverse": jax.jvp(gradient, given, along)[1],
        "reverse over forward": both(*given),
        "reverse over reverse": jax.grad(reverse_twice, every)(*given),
        "forward over reverse over forward": jax.jvp(both, given, along)[1],
    }


SLOPES = {
    "jvp": "value",
    "forward over forward": "forward",
    "forward over reverse": "gradient",
    "forward over reverse over forward": "reverse over forward",
}
"""Which is the derivative of which, along the direction."""


@pytest.mark.parametrize(("function", "plain", "given"), OPERATIONS)
def test_derivatives_up_to_the_third_equal_those_of_lax_and_finite_differences(
    function: Function, plain: Function, given: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose_at_random(monkeypatch)
    compiled = jax.jit(lambda *given: (higher(function, *given), higher(plain, *given)))
    got, wanted = compiled(*given)
    assert np.abs(jax.tree.leaves(wanted["forward over reverse"])[0]).max() > 1e-3
    for name in wanted:
        for a, b in zip(jax.tree.leaves(got[name]), jax.tree.leaves(wanted[name]), strict=True):
            assert_near(a, b, 1e-11, name)
    step = 1e-5
    before, after = (
        compiled(*(a + sign * step * along for a, along in zip(given, direction(given), strict=True)))[0]
        for sign in (-1, 1)
    )
    for slope, of in SLOPES.items():
        for a, low, high in zip(*(jax.tree.leaves(made) for made in (got[slope], before[of], after[of])), strict=True):
            assert_near(a, (np.asarray(high) - np.asarray(low)) / (2 * step), 1e-7, f"{slope}, {of} by differences")
    for name in ("reverse over forward", "reverse over reverse"):  # the order of differentiating does not matter
        for a, b in zip(jax.tree.leaves(got[name]), jax.tree.leaves(got["forward over reverse"]), strict=True):
            assert_near(a, b, 1e-11, name)


@pytest.mark.parametrize("name", ["plain", "strided", "grouped"])
def test_hessians_equal_those_of_lax(name: str) -> None:
    """These are batched over both images and kernels, of derivatives of derivatives."""
    problem = CONVOLUTIONS[name]._replace(batch=1)
    x, kernel, w = draw(problem)

    def hessian(convolve: Function) -> Any:
        return jax.hessian(lambda x, k: jnp.sum(w * jnp.sin(convolve(problem.geometry, x, k))), (0, 1))(x, kernel)

    got, wanted = run(lambda: (hessian(convolve_at), hessian(plain_convolve)))
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        assert_near(a, b, 1e-11, name)


@pytest.mark.parametrize("name", list(CONVOLUTIONS))
def test_convolution_is_linear_in_each_operand(name: str) -> None:
    problem = CONVOLUTIONS[name]
    convolve = partial(convolve_at, problem.geometry)
    (x, kernel, _), (dx, dkernel, _) = draw(problem, 0), draw(problem, 1)

    def both(x: Any, kernel: Any, dx: Any, dkernel: Any) -> Any:
        tangent = jax.jvp(convolve, (x, kernel), (dx, dkernel))[1]
        return tangent, convolve(dx, kernel) + convolve(x, dkernel), convolve(2 * x, 3 * kernel), convolve(x, kernel)

    tangent, wanted, scaled, once = run(both, x, kernel, dx, dkernel)
    assert_near(tangent, wanted, 1e-13, name)
    assert_near(scaled, 6 * once, 1e-13, name)


@pytest.mark.parametrize("operand", [0, 1])
def test_linear_transpose_is_the_gradient(operand: int) -> None:
    problem = CONVOLUTIONS["strided"]
    x, kernel, w = draw(problem)
    given = [x, kernel]

    def both(w: Any) -> Any:
        def in_one(a: Any) -> Any:
            return convolve_at(problem.geometry, *(a if i == operand else b for i, b in enumerate(given)))

        return jax.linear_transpose(in_one, given[operand])(w), jax.vjp(in_one, given[operand])[1](w)

    (transposed,), (pulled,) = run(both, w)
    np.testing.assert_array_equal(transposed, pulled)


def test_batch_norm_is_what_it_says() -> None:
    x, scale, bias = (2 + normal(3, 2, 3, 4), normal(4), np.arange(4.0))
    y, mean, var = run(batch_norm, x, scale, bias)
    pixels = x.reshape(-1, 4)
    np.testing.assert_allclose(mean, pixels.mean(0), rtol=1e-13)
    np.testing.assert_allclose(var, pixels.var(0), rtol=1e-13)
    wanted = (pixels - pixels.mean(0)) / np.sqrt(pixels.var(0) + 1e-3) * scale + bias
    np.testing.assert_allclose(y, wanted.reshape(x.shape), rtol=1e-12)


def test_batch_norm_keeps_the_digits_of_a_large_mean() -> None:
    with jax.enable_x64(False):
        x = (1e4 + normal(64, 8, 8, 3)).astype(np.float32)
        given = x, np.ones(3, np.float32), np.zeros(3, np.float32), np.float32(1e-5)
        y, _, var = run(ops.batch_norm, *given)
        wide = x.astype(np.float64).reshape(-1, 3)
        np.testing.assert_allclose(var, wide.var(0), rtol=1e-3)
        np.testing.assert_allclose(y.reshape(-1, 3), (wide - wide.mean(0)) / wide.std(0), atol=3e-3)


def test_pools_of_pools_of_convolutions_are_differentiated_as_those_of_lax() -> None:
    """The operations after one another, as in a network."""
    problem = CONVOLUTIONS["plain"]
    first, second = geometry_of((4, 5), (2, 2), 2), geometry_of((2, 2), (2, 1), 1, ((1, 0), (0, 0)))

    def net(convolve: Any, some_pool: Any, normalize: Any, x: Any, kernel: Any) -> Any:
        y = normalize(convolve(problem.geometry, x, kernel), np.ones(3), np.zeros(3))[0]
        return some_pool("sum", second, some_pool("max", first, jnp.tanh(y)))

    mine, plain = (
        partial(net, convolve_at, pool, batch_norm),
        partial(net, plain_convolve, plain_pool, plain_batch_norm),
    )
    got, wanted = run(lambda *given: (higher(mine, *given), higher(plain, *given)), *draw(problem)[:2])
    for name in wanted:
        for a, b in zip(jax.tree.leaves(got[name]), jax.tree.leaves(wanted[name]), strict=True):
            assert_near(a, b, 1e-9, name)


def test_symbolic_zeros_make_no_work() -> None:
    """Where only the kernel is differentiated, no gradient of the image is in the program."""
    problem = CONVOLUTIONS["plain"]
    x, kernel, w = draw(problem)

    def loss(kernel: Any) -> Any:
        return jnp.sum(w * convolve_at(problem.geometry, x, kernel))

    text = str(jax.make_jaxpr(jax.grad(loss))(kernel))
    assert "fnn_kernel_gradient" in text
    assert "fnn_input_gradient" not in text
