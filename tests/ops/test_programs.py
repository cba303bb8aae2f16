"""What is compiled: how much memory it takes on the CPU, and what other platforms are given."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from ops.problems import Outcome, Problem, geometry_of, outcome, places, plain_convolve
from quick import AS_USERS_DO

from fnn import ops
from fnn.ops import xla
from fnn.ops.cpu import costs, kernel_ways, ways
from fnn.ops.cpu.images import in_rounds

REALISTIC = [
    Problem(geometry_of((32, 32), (3, 3), padding=1), 64, 64, 64),
    Problem(geometry_of((32, 32), (3, 3), padding=1), 64, 3, 64),
    Problem(geometry_of((32, 32), (1, 1)), 64, 64, 64),
    Problem(geometry_of((32, 32), (3, 3), 2, ((0, 1), (0, 1))), 64, 64, 128),
    Problem(geometry_of((32, 32), (1, 1), 2), 64, 64, 128),
    Problem(geometry_of((16, 16), (3, 3), padding=1), 64, 128, 128),
    Problem(geometry_of((8, 8), (3, 3), padding=1), 64, 256, 256),
    Problem(geometry_of((4, 4), (3, 3), padding=1), 64, 512, 512),
    Problem(geometry_of((2, 2), (3, 3), padding=1), 32, 512, 512),
    Problem(geometry_of((28, 28), (5, 5), padding=2), 128, 1, 6),
    Problem(geometry_of((14, 14), (5, 5)), 128, 6, 16),
    Problem(geometry_of((32, 32), (7, 7), 2, 3), 64, 3, 64),
    Problem(geometry_of((64, 64), (11, 11), 4, 2), 32, 3, 64),
    Problem(geometry_of((32, 32), (3, 3), padding=1, groups=64), 64, 64, 64),
    Problem(geometry_of((32, 32), (5, 5), padding=2, groups=64), 64, 64, 64),
    Problem(geometry_of((16, 16), (3, 3), padding=1, groups=8), 64, 64, 128),
    Problem(geometry_of((32, 32), (3, 3), padding=2, dilation=2), 64, 32, 32),
    Problem(geometry_of((56, 56), (21, 21), padding=10), 2, 16, 16),
    Problem(geometry_of((512,), (9,), padding=4), 64, 32, 64),
    Problem(geometry_of((16, 16, 16), (3, 3, 3), padding=1), 8, 16, 32),
]


def bytes_of(function: Callable[..., Any], *operands: Any) -> int:
    analysis = jax.jit(function).lower(*operands).compile().memory_analysis()
    assert analysis is not None
    return analysis.temp_size_in_bytes + analysis.output_size_in_bytes + analysis.argument_size_in_bytes


def by_xla(problem: Problem, x: Any, kernel: Any, w: Any) -> Outcome:
    geometry = problem.geometry
    return Outcome(
        xla.convolve(x, kernel, geometry=geometry),
        xla.input_gradient(w, kernel, geometry=geometry),
        xla.kernel_gradient(x, w, geometry=geometry),
    )


@pytest.mark.parametrize("problem", REALISTIC, ids=str)
def test_memory_is_at_most_twice_what_xla_takes(problem: Problem) -> None:
    geometry, batch, channels, features = problem
    shapes = (
        (batch, *geometry.sizes, channels),
        (*geometry.window, channels // geometry.groups, features),
        (batch, *places(geometry), features),
    )
    operands = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    mine, plain = bytes_of(partial(outcome, geometry), *operands), bytes_of(partial(by_xla, problem), *operands)
    assert mine <= 2 * plain + (64 << 20), f"{mine >> 20} MB, XLA alone {plain >> 20} MB"


# Other platforms.

FIRST = geometry_of((16, 16), (3, 3), padding=1)
SECOND = geometry_of((8, 8), (3, 3), 2, ((0, 1), (0, 1)), groups=2)
COUNTED = ("convolution", "reduce_window", "select_and_scatter", "reduce", "dot_general", "fft", "while", "custom_call")


def parameters() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = {
        "k1": (3, 3, 3, 8),
        "b1": (8,),
        "s1": (8,),
        "o1": (8,),
        "k2": (3, 3, 4, 6),
        "b2": (6,),
        "s2": (6,),
        "o2": (6,),
        "w3": (4 * 6, 5),
    }
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def loss(
    convolve: Any, broadcast: Any, max_pool: Any, sum_pool: Any, normalize: Any, product: Any, params: Any, x: Any
) -> Any:
    """Two blocks of a convolutional net and a classifier, as training has them."""
    y = convolve(FIRST, x, params["k1"])
    y = y + broadcast(params["b1"], y.shape)
    y, mean, _ = normalize(y, params["s1"], params["o1"])
    y = max_pool(jnp.maximum(y, 0), (2, 2), (2, 2))
    y = convolve(SECOND, y, params["k2"])
    y = y + broadcast(params["b2"], y.shape)
    y, _, var = normalize(y, params["s2"], params["o2"])
    y = sum_pool(jnp.maximum(y, 0), (2, 2), (2, 2))
    y = product(y.reshape(len(x), -1), params["w3"])
    return jnp.sum(jnp.square(y)), (lax.stop_gradient(mean), lax.stop_gradient(var))


def mine(params: Any, x: Any) -> Any:
    def pool(function: Any) -> Any:
        return lambda y, window, strides: function(y, window, strides, ((0, 0), (0, 0)))

    def convolve(at: Any, x: Any, kernel: Any) -> Any:
        return ops.convolve(x, kernel, strides=at.strides, padding=at.padding, dilation=at.dilation, groups=at.groups)

    def normalize(y: Any, scale: Any, bias: Any) -> Any:
        return ops.batch_norm(y, scale, bias, jnp.float32(1e-3))

    max_pool, sum_pool = pool(ops.max_pool), pool(ops.sum_pool)
    return loss(convolve, ops.channel_broadcast, max_pool, sum_pool, normalize, ops.product, params, x)


def by_hand(params: Any, x: Any) -> Any:
    def broadcast(v: Any, shape: tuple[int, ...]) -> Any:
        return lax.broadcast_in_dim(v, shape, (len(shape) - 1,))

    def pool(start: float, reducer: Any) -> Any:
        def function(y: Any, window: Any, strides: Any) -> Any:
            return lax.reduce_window(y, start, reducer, (1, *window, 1), (1, *strides, 1), "VALID")

        return function

    @jax.custom_vjp
    def normalize(y: Any, scale: Any, bias: Any) -> Any:
        return forward(y, scale, bias)[0]

    def forward(y: Any, scale: Any, bias: Any) -> Any:
        axes, count = (0, 1, 2), y.size // y.shape[-1]
        mean = jnp.sum(y, axes) / count
        centred = y - broadcast(mean, y.shape)
        var = jnp.sum(jnp.square(centred), axes) / count
        rate = lax.rsqrt(var + 1e-3)
        normal = centred * broadcast(rate, y.shape)
        made = normal * broadcast(scale, y.shape) + broadcast(bias, y.shape)
        return (made, mean, var), (normal, scale * rate)

    def backward(kept: Any, cotangents: Any) -> Any:
        (normal, factor), w = kept, cotangents[0]
        axes, count = (0, 1, 2), w.size // w.shape[-1]
        by_bias, by_scale = jnp.sum(w, axes), jnp.sum(w * normal, axes)
        rest = w - broadcast(by_bias / count, w.shape) - normal * broadcast(by_scale / count, w.shape)
        return rest * broadcast(factor, w.shape), by_scale, by_bias

    normalize.defvjp(forward, backward)
    maximum, total = pool(-np.inf, lax.max), pool(0.0, lax.add)
    return loss(plain_convolve, broadcast, maximum, total, normalize, jnp.dot, params, x)


def lowered(function: Any, platform: str) -> str:
    x = jax.ShapeDtypeStruct((4, 16, 16, 3), jnp.float32)
    step = jax.jit(jax.value_and_grad(function, has_aux=True))
    return step.trace(parameters(), x).lower(lowering_platforms=(platform,)).as_text()


def counts(text: str) -> dict[str, int]:
    return {name: len(re.findall(rf"stablehlo\.{name}\b(?!_)", text)) for name in COUNTED}


@pytest.mark.parametrize("platform", ["cuda", "tpu", "rocm"])
def test_other_platforms_get_what_one_would_write_by_hand(platform: str) -> None:
    text = lowered(mine, platform)
    assert counts(text) == counts(lowered(by_hand, platform))
    for stranger in ("optimization_barrier", "LayoutConstraint", "fnn_", "annotate", "custom_call"):
        assert stranger not in text


def test_the_counts_are_those_of_the_net() -> None:
    """So that the test above does not compare nothing with nothing."""
    found = counts(lowered(mine, "cuda"))
    assert found["convolution"] == 5  # the image has no gradient
    assert found["select_and_scatter"] == 1
    assert found["reduce_window"] >= 2
    assert found["reduce"] >= 11  # 2 and 2 for each moments, 1 for each bias, 1 for the loss
    assert found["dot_general"] == 3
    assert found["while"] == found["custom_call"] == found["fft"] == 0


def test_the_cpu_gets_something_else() -> None:
    text = lowered(mine, "cpu")
    assert counts(text) != counts(lowered(by_hand, "cpu"))
    assert "optimization_barrier" in text
    assert "select_and_scatter" not in text
    assert "reduce_window" not in text


def test_programs_for_several_platforms_hold_both() -> None:
    x = jax.ShapeDtypeStruct((4, 16, 16, 3), jnp.float32)
    step = jax.jit(jax.value_and_grad(mine, has_aux=True))
    text = step.trace(parameters(), x).lower(lowering_platforms=("cpu", "cuda")).as_text()
    assert "platform_index" in text
    assert "select_and_scatter" in text
    assert "optimization_barrier" in text


def test_an_open_batch_is_computed_as_a_known_one() -> None:
    """`jax.export` leaves it open, and the CPU's ways are chosen by it."""
    (batch,) = jax.export.symbolic_shape("batch")
    rng = np.random.default_rng(0)
    x, first, second = (
        jnp.asarray(rng.normal(size=n), jnp.float32) for n in ((3, 16, 16, 3), (3, 3, 3, 8), (3, 3, 4, 6))
    )

    def net(x: Any) -> Any:
        y = ops.convolve(x, first, strides=(1, 1), padding=((1, 1), (1, 1)), dilation=(1, 1))
        y = ops.max_pool(y, (2, 2), (2, 2), ((0, 0), (0, 0)))
        y = ops.convolve(y, second, strides=(2, 1), padding=((0, 1), (-1, 2)), dilation=(1, 2), groups=2)
        y = ops.sum_pool(y + ops.channel_broadcast(jnp.ones(6), y.shape), (2, 2), (1, 1), ((1, 0), (0, 0)))
        return ops.channel_sum(y), y

    open_batch = jax.ShapeDtypeStruct((batch, 16, 16, 3), jnp.float32)
    program = jax.export.export(jax.jit(net), platforms=("cpu", "cuda", "tpu"))(open_batch)
    for got, wanted in zip(jax.jit(program.call)(x), jax.jit(net)(x), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("way", sorted({*ways.WAYS, *kernel_ways.WAYS}))
def test_a_gradient_can_be_exported(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """`jax.export` refuses what XLA may understand otherwise one day, such as how an array is laid out."""
    monkeypatch.setattr(costs, "seconds", lambda _kind, other, _problem: float(other != way))
    window = 5 if way == "fft" else 3
    x, kernel, matrix = jnp.ones((4, 8, 8, 6)), jnp.full((window, window, 6, 6), 0.01), jnp.ones((384, 3))
    same = ((window // 2, window // 2),) * 2

    @jax.jit
    @partial(jax.grad, argnums=(0, 1, 2))
    def gradient(x: Any, kernel: Any, matrix: Any) -> Any:
        y = ops.max_pool(x, (3, 3), (1, 1), ((1, 1), (1, 1)))
        y = ops.convolve(y, kernel, strides=(1, 1), padding=same, dilation=(1, 1))
        return jnp.sum(jnp.sin(ops.product(y.reshape(4, -1), matrix)))

    kept = jax.export.export(gradient, platforms=["cpu"])(x, kernel, matrix).serialize()
    got = jax.export.deserialize(kept).call(x, kernel, matrix)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-4), got, gradient(x, kernel, matrix))


@pytest.mark.parametrize(("dtype", "n"), [(np.float64, 16_385), (np.float32, 32_769)])
def test_this_jaxlib_multiplies_right(dtype: Any, n: int) -> None:
    """jaxlib 0.10.2 does not: jax issue 39103."""
    with jax.enable_x64(dtype == np.float64):
        i = np.arange(n, dtype=dtype)
        x = np.stack([i, np.zeros_like(i), np.zeros_like(i)], 1)
        matrix = jnp.eye(3, dtype=dtype)
        multiply = jax.vmap(lambda row: jnp.sum((matrix @ row) ** 2))
        y = jax.jit(multiply, compiler_options=AS_USERS_DO)(x)
        assert y.dtype == dtype
        np.testing.assert_array_equal(y, i**2)


@pytest.mark.parametrize("way", ["winograd of 4", "shifted", "patches"])
@pytest.mark.parametrize("module", [ways, kernel_ways], ids=["convolution", "kernel gradient"])
def test_what_differs_in_numbers_only_is_compiled_once(module: Any, way: str) -> None:
    # Nine positions or six points, each with its copies and sums, are 9 to 20 kernels if they differ to XLA.
    x, kernel = jnp.ones((2, 8, 8, 16)), jnp.ones((3, 3, 16, 16))
    function = partial(module.WAYS[way], geometry=geometry_of((8, 8), (3, 3), padding=1))
    text = jax.jit(function).lower(x, kernel if module is ways else x).compile().as_text()
    codes = codes_of(text)
    assert len(codes) >= 9
    assert len(set(codes)) <= 7


def test_a_transform_is_compiled_once_wherever_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    # XLA numbers what a kernel reads in the order in which it comes upon it, which differs between layers.
    monkeypatch.setattr(costs, "seconds", lambda _kind, way, _problem: float(way != "winograd of 4 by 4"))
    convolve = partial(ops.convolve, strides=(1, 1), padding=((1, 1), (1, 1)), dilation=(1, 1))

    def blocks(kernels: Any, x: Any) -> Any:
        for kernel in kernels:
            inside = jnp.maximum(convolve(x, kernel), 0)
            x = jnp.maximum(x + convolve(inside, kernel), 0)
        return jnp.sum(x)

    x, kernels = jnp.ones((4, 8, 8, 16)), [jnp.full((3, 3, 16, 16), i + 0.5) for i in range(3)]
    text = jax.jit(jax.grad(blocks, argnums=(0, 1))).lower(kernels, x).compile().as_text()
    transforms = {code for code in codes_of(text) if re.search(r"-> f32\[(\d+,){4,5}16\]", code)}
    assert len(transforms) >= 5
    without_order = {tuple(sorted(re.sub(r"parameter\(\d+\)", "", code).splitlines()[1:])) for code in transforms}
    assert len(transforms) == len(without_order)


def test_what_reads_a_result_is_compiled_once_whatever_the_rounds() -> None:
    def both(x: Any) -> list[Any]:
        return [jnp.sin(in_rounds(jnp.exp, rounds, x)) for rounds in (1, 2, 4)]

    text = jax.jit(both).lower(jnp.ones((8, 4, 16))).compile(AS_USERS_DO).as_text()
    assert len({code for code in codes_of(text, "[^ ]*computation") if "sine(" in code}) == 1


def codes_of(text: str | None, name: str = "fused_computation") -> list[str]:
    """Returns what XLA compiled to kernels, without the names that tell two of the same code apart."""
    assert text is not None
    codes = re.findall(rf"^%{name}[\w.]* \(.*?^\}}", text, re.MULTILINE | re.DOTALL)
    return [re.sub(r", metadata=\{[^}]*\}|%[\w.-]+|[\w.]+(?=: )", "", code) for code in codes]
