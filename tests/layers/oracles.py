"""What the layers are measured against: float64 NumPy, written from the definitions and without any of fnn.

An oracle takes the input, the parameters and the cotangent `w` of the output, and gives an `Outcome`: the output and
the gradient of `sum(w * output)` by everything that went in. `evaluate` makes the same of a layer of fnn.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnn

Array = np.ndarray
Params = dict[str, Array]
Pairs = tuple[tuple[int, int], ...]


class Outcome(NamedTuple):
    """An output, and the gradients by input (`"x"`) and parameters (their names)."""

    y: Array
    gradients: Params


class Problem(NamedTuple):
    """What a layer and its oracle are both given, in float64, but with no more digits than float32 holds."""

    x: Array
    params: Params
    w: Array


def draw(layer: fnn.Layer, shape: tuple[int, ...], seed: int, *, train: bool = False) -> Problem:
    """Random numbers for the input, and for each parameter that the layer's own init makes."""
    rng = np.random.default_rng(seed)
    abstract = jax.ShapeDtypeStruct(shape, jnp.float32)
    params, state = jax.eval_shape(layer.init, jax.random.key(0), abstract)
    y, _ = jax.eval_shape(lambda p, s, x: layer.apply(p, s, x, train=train), params, state, abstract)

    def normal(shape: tuple[int, ...]) -> Array:
        return rng.normal(size=shape).astype(np.float32).astype(np.float64)

    return Problem(normal(shape), {name: normal(leaf.shape) for name, leaf in params.items()}, normal(y.shape))


def evaluate(
    layer: fnn.Layer,
    problem: Problem,
    state: Mapping[str, Array] | None = None,
    *,
    train: bool = False,
    dtype: Any = np.float32,
) -> tuple[Outcome, Params]:
    """The layer's outcome in `dtype`, and its next state, from one compiled function."""

    @jax.jit
    def both(params: Any, state: Any, x: jax.Array, w: jax.Array) -> Any:
        def forward(params: Any, x: jax.Array) -> Any:
            return layer.apply(params, state, x, train=train)

        y, pull, next_state = jax.vjp(forward, params, x, has_aux=True)
        by_params, by_x = pull(w)
        return y, {"x": by_x, **by_params}, next_state

    # Converted by NumPy, because JAX would compile a conversion for each shape.
    given = jax.tree.map(lambda a: np.asarray(a, dtype), (problem.params, dict(state or {}), problem.x, problem.w))
    y, gradients, next_state = jax.tree.map(np.asarray, both(*given))
    assert y.dtype == dtype
    return Outcome(y, gradients), next_state


def assert_close(got: Any, wanted: Any, tolerance: float = 1e-4, what: str = "array", *, floor: float = 0) -> None:
    """Fails unless both have one shape and differ by less than `tolerance` of the largest magnitude of `wanted`."""
    got, wanted = np.asarray(got, np.float64), np.asarray(wanted, np.float64)
    assert got.shape == wanted.shape, f"{what}: {got.shape} is not {wanted.shape}"
    if wanted.size:
        error, scale = np.max(np.abs(got - wanted)), max(float(np.max(np.abs(wanted))), floor)
        assert error <= tolerance * scale, f"{what} is wrong by {error}, its largest magnitude is {scale}"


def assert_outcome(got: Outcome, wanted: Outcome, tolerance: float = 1e-4, *, floor: float = 0) -> None:
    """Compares outputs and all gradients."""
    assert_close(got.y, wanted.y, tolerance, "output", floor=floor)
    assert got.gradients.keys() == wanted.gradients.keys()
    for name, gradient in wanted.gradients.items():
        assert_close(got.gradients[name], gradient, tolerance, f"gradient by {name}", floor=floor)


# Where a window stands.


def per_axis(value: int | Sequence[int], axes: int) -> tuple[int, ...]:
    return (value,) * axes if isinstance(value, int) else tuple(value)


def extents(window: Sequence[int], dilation: Sequence[int]) -> tuple[int, ...]:
    return tuple((k - 1) * d + 1 for k, d in zip(window, dilation, strict=True))


def same(size: int, extent: int, stride: int) -> tuple[int, int]:
    """TensorFlow's rule: an output of ceil(size / stride), and the odd pixel behind."""
    total = max((-(-size // stride) - 1) * stride + extent - size, 0)
    return total // 2, total - total // 2


def pads(padding: Any, sizes: Sequence[int], extent: Sequence[int], strides: Sequence[int]) -> Pairs:
    """Padding in any of its four spellings as pairs."""
    if padding == "SAME":
        return tuple(same(*axis) for axis in zip(sizes, extent, strides, strict=True))
    if padding == "VALID":
        return ((0, 0),) * len(sizes)
    if isinstance(padding, int):
        return ((padding, padding),) * len(sizes)
    return tuple(padding)


def whole(pairs: Pairs) -> Pairs:
    """Pairs for the spatial axes, with none for batch and channels."""
    return ((0, 0), *pairs, (0, 0))


def cut(x: Array, pairs: Pairs) -> Array:
    """Cuts each spatial axis at both ends; a negative number adds zeros."""
    x = np.pad(x, whole(tuple((max(-low, 0), max(-high, 0)) for low, high in pairs)))
    ends = [slice(max(low, 0), n - max(high, 0)) for n, (low, high) in zip(x.shape[1:-1], pairs, strict=True)]
    return x[(slice(None), *ends)]


def count(sizes: Sequence[int], extent: Sequence[int], strides: Sequence[int]) -> tuple[int, ...]:
    """How many windows fit on each axis."""
    return tuple((n - e) // s + 1 for n, e, s in zip(sizes, extent, strides, strict=True))


def taps(
    window: Sequence[int], places: Sequence[int], strides: Sequence[int], dilation: Sequence[int]
) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:
    """For each offset in the window, the pixels that it reads at all places, as an index into the padded input."""
    for offset in np.ndindex(*window):
        index = [
            slice(o * d, o * d + (n - 1) * s + 1, s)
            for o, n, s, d in zip(offset, places, strides, dilation, strict=True)
        ]
        yield offset, (slice(None), *index)


# Oracles.


def convolution(
    problem: Problem, strides: Sequence[int], padding: Pairs, dilation: Sequence[int], groups: int
) -> Outcome:
    """Cross-correlation and its adjoints, one matrix product for each tap and group."""
    x, params, w = problem
    kernel = params["kernel"]
    window = kernel.shape[: x.ndim - 2]
    padded = np.pad(x, whole(padding))
    places = count(padded.shape[1:-1], extents(window, dilation), strides)
    y, by_padded, by_kernel = (
        np.zeros((len(x), *places, kernel.shape[-1])),
        np.zeros_like(padded),
        np.zeros_like(kernel),
    )
    for offset, tap in taps(window, places, strides, dilation):
        for ins, outs in split(x.shape[-1], kernel.shape[-1], groups):
            matrix = kernel[offset][:, outs]
            y[..., outs] += padded[tap][..., ins] @ matrix
            by_padded[tap][..., ins] += w[..., outs] @ matrix.T
            by_kernel[offset][:, outs] = flat(padded[tap][..., ins]).T @ flat(w[..., outs])
    return add_bias(problem, Outcome(y, {"x": cut(by_padded, padding), "kernel": by_kernel}))


def transposed_convolution(
    problem: Problem, strides: Sequence[int], padding: Pairs, dilation: Sequence[int], groups: int
) -> Outcome:
    """Each pixel of x adds the kernel, times itself, to the output; then the output's border is cut."""
    x, params, w = problem
    kernel = params["kernel"]
    window = kernel.shape[: x.ndim - 2]
    places = x.shape[1:-1]
    sizes = ((n - 1) * s + e for n, s, e in zip(places, strides, extents(window, dilation), strict=True))
    y, by_x, by_kernel = np.zeros((len(x), *sizes, kernel.shape[-1])), np.zeros_like(x), np.zeros_like(kernel)
    w = cut(w, tuple((-low, -high) for low, high in padding))
    for offset, tap in taps(window, places, strides, dilation):
        for ins, outs in split(x.shape[-1], kernel.shape[-1], groups):
            matrix = kernel[offset][:, outs]
            y[tap][..., outs] += x[..., ins] @ matrix
            by_x[..., ins] += w[tap][..., outs] @ matrix.T
            by_kernel[offset][:, outs] = flat(x[..., ins]).T @ flat(w[tap][..., outs])
    return add_bias(problem, Outcome(cut(y, padding), {"x": by_x, "kernel": by_kernel}))


def split(channels: int, features: int, groups: int) -> list[tuple[slice, slice]]:
    """The channels and the features of each group."""
    c, f = channels // groups, features // groups
    return [(slice(g * c, g * c + c), slice(g * f, g * f + f)) for g in range(groups)]


def add_bias(problem: Problem, outcome: Outcome) -> Outcome:
    """The same with the problem's bias, if it has one."""
    if "bias" not in problem.params:
        return outcome
    return Outcome(outcome.y + problem.params["bias"], {**outcome.gradients, "bias": flat(problem.w).sum(0)})


def pool(
    problem: Problem,
    kind: str,
    *,
    window: Sequence[int],
    strides: Sequence[int],
    padding: Pairs,
    count_padding: bool = False,
) -> Outcome:
    """The maximum, sum or average under each window: all taps side by side on a new axis."""
    x, _, w = problem
    ones = [1] * len(window)
    padded = np.pad(x, whole(padding), constant_values=-np.inf if kind == "max" else 0)
    there = np.pad(np.ones_like(x), whole(padding))
    places = count(padded.shape[1:-1], window, strides)
    indices = [tap for _, tap in taps(window, places, strides, ones)]
    values = np.stack([padded[tap] for tap in indices])
    if kind == "max":
        weights = np.zeros_like(values)
        np.put_along_axis(weights, values.argmax(0, keepdims=True), 1, 0)
        y = values.max(0)
    else:
        number = np.stack([there[tap] for tap in indices]).sum(0)
        number = {"sum": 1, "avg": len(indices) if count_padding else number}[kind]
        weights = np.ones_like(values) / number
        y = values.sum(0) / number
    by_padded = np.zeros_like(padded)
    for tap, weight in zip(indices, weights, strict=True):
        by_padded[tap] += weight * w
    return Outcome(y, {"x": cut(by_padded, padding)})


def normalization(problem: Problem, axes: tuple[int, ...], epsilon: float) -> tuple[Outcome, Array, Array]:
    """`(x − mean) / sqrt(var + epsilon)` over some axes, then scale and bias; also the mean and the biased variance."""
    x = problem.x
    mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    inverse = 1 / np.sqrt(var + epsilon)
    normal = (x - mean) * inverse

    def pull(g: Array) -> Array:
        return inverse * (g - g.mean(axes, keepdims=True) - normal * (g * normal).mean(axes, keepdims=True))

    return affine(problem, normal, pull), mean, var


def affine(problem: Problem, normal: Array, pull: Callable[[Array], Array]) -> Outcome:
    """Scale and bias, where there are any, of what has been normalized; `pull` leads its cotangent back to x."""
    _, params, w = problem
    scale, bias = params.get("scale", np.float64(1)), params.get("bias", np.float64(0))
    shape = normal.shape
    w, normal = w.reshape(-1, shape[-1]), normal.reshape(-1, shape[-1])
    gradients = {"x": pull((w * scale).reshape(shape)), "scale": (w * normal).sum(0), "bias": w.sum(0)}
    return Outcome(
        (normal * scale + bias).reshape(shape), {n: g for n, g in gradients.items() if n == "x" or n in params}
    )


def flat(x: Array) -> Array:
    """All axes but the last as one."""
    return x.reshape(-1, x.shape[-1])


# PyTorch, a second oracle for those who have it. Its arrays are channels first.


def torch_or_skip() -> Any:
    torch: Any = pytest.importorskip("torch")
    torch.set_num_threads(1)  # the arrays are tiny and the tests run side by side
    return torch


def torch_leaf(a: Array) -> Any:
    return torch_or_skip().tensor(a, dtype=torch_or_skip().float64, requires_grad=True)


def torch_pad(x: Any, pairs: Pairs, value: float = 0) -> Any:
    """Pads the spatial axes of a channels-first tensor; negative numbers cut."""
    last_first = list(itertools.chain.from_iterable(reversed(pairs)))
    return torch_or_skip().nn.functional.pad(x, last_first, value=value)


def torch_outcome(y: Any, w: Array, leaves: Mapping[str, Any]) -> Outcome:
    """Autograd's outcome from a channels-first output."""
    torch = torch_or_skip()
    gradients = torch.autograd.grad(y, list(leaves.values()), torch.tensor(w).movedim(-1, 1))
    return Outcome(y.movedim(1, -1).detach().numpy(), {n: g.numpy() for n, g in zip(leaves, gradients, strict=True)})
