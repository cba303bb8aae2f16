"""What the operations are measured against: random convolutions, and what they are by definition, in float64 NumPy.

The convolution is one `einsum` over sliding windows, its gradients are loops over the kernel's positions. Nothing here
is computed by JAX or by fnn, which gives no more than the `Geometry`, a tuple of numbers.
"""

import itertools
import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest

from fnn import ops
from fnn.ops.cpu import costs
from fnn.ops.cpu.costs import Problem
from fnn.ops.geometry import Geometry

Array = np.ndarray
Pairs = Sequence[tuple[int, int]]


class Operands(NamedTuple):
    """Image, kernel and the output's cotangent, in float64, but with no more digits than float32 holds."""

    x: Array
    kernel: Array
    w: Array


class Outcome(NamedTuple):
    """The output, and the gradients of `sum(w * output)` by image and kernel."""

    y: Any
    by_x: Any
    by_kernel: Any


def geometry_of(
    sizes: Sequence[int],
    window: Sequence[int],
    strides: int | Sequence[int] = 1,
    padding: int | Pairs = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Geometry:
    """A geometry, where one number stands for all axes."""
    rank = len(sizes)

    def each(value: int | Sequence[int]) -> tuple[int, ...]:
        return (value,) * rank if isinstance(value, int) else tuple(value)

    pairs = ((padding, padding),) * rank if isinstance(padding, int) else tuple(padding)
    return Geometry(tuple(sizes), tuple(window), each(strides), pairs, each(dilation), groups)


def random_problem(rng: np.random.Generator, *, rank: int = 0, wide: bool = False, most: float = 2e6) -> Problem:
    """Draws a convolution of at most `most` products; a `wide` one has up to 64 channels."""
    rank = rank or int(rng.choice([1, 2, 2, 3]))
    while True:
        sizes = [1 if rng.random() < 0.1 else int(n) for n in rng.integers(1, (25, 12, 7)[rank - 1], rank)]
        window = [3 if rng.random() < 0.4 else int(n) for n in rng.integers(1, (9, 7, 4)[rank - 1], rank)]
        strides, dilation = (
            [1] * rank if rng.random() < 0.4 else [int(n) for n in rng.integers(1, 4, rank)] for _ in range(2)
        )
        extent = [(k - 1) * d + 1 for k, d in zip(window, dilation, strict=True)]
        padding = {
            "none": [(0, 0)] * rank,
            "half": [((e - 1) // 2, e // 2) for e in extent],
            "uneven": [(int(low), int(high)) for low, high in rng.integers(0, 5, (rank, 2))],
            "cut": [(int(low), int(high)) for low, high in rng.integers(-1, 2, (rank, 2))],
        }[rng.choice(["none", "half", "uneven", "cut"], p=[0.2, 0.4, 0.35, 0.05])]
        groups = int(rng.choice([1, 1, 1, 2, 3, 5, 8]))
        channels, features = (groups * max(1, int(n) // groups) for n in rng.integers(1, 65 if wide else 9, 2))
        batch = int(rng.choice([1, 1, 2, 3, 5]))
        problem = Problem(geometry_of(sizes, window, strides, padding, dilation, groups), batch, channels, features)
        if min(problem.geometry.padded) > 0 and min(places(problem.geometry)) > 0 and products(problem) < most:
            return problem


def random_problems(seed: int, count: int, **kind: Any) -> Iterator[Problem]:
    """Yields what depends on the seed alone."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield random_problem(rng, **kind)


def allowed_problems(way: str, seed: int, count: int, **kind: Any) -> Iterator[Problem]:
    """Yields random problems that this way computes."""
    rng = np.random.default_rng(seed)
    drawn = (random_problem(rng, **kind) for _ in itertools.count())
    return itertools.islice((p for p in drawn if costs.allowed(way, p, 4, exact=False)), count)


def choose_at_random(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the prices random, so that small problems too are computed in each way that is allowed."""
    monkeypatch.setattr(costs, "seconds", lambda *question: float(zlib.crc32(repr(question).encode())))


def products(problem: Problem) -> int:
    """How many numbers the convolution multiplies."""
    geometry, batch, channels, features = problem
    return batch * math.prod(places(geometry)) * math.prod(geometry.window) * channels * features // geometry.groups


def places(geometry: Geometry) -> tuple[int, ...]:
    """The output's sizes, counted: a place is where a window begins that ends inside of the padded image."""

    def count(size: int, padding: tuple[int, int], window: int, stride: int, dilation: int) -> int:
        length = size + sum(padding)
        return sum(start + (window - 1) * dilation < length for start in range(0, length, stride))

    axes = (geometry.sizes, geometry.padding, geometry.window, geometry.strides, geometry.dilation)
    return tuple(count(*axis) for axis in zip(*axes, strict=True))


def draw(problem: Problem, seed: int = 0) -> Operands:
    """Normal numbers for image, kernel and cotangent."""
    rng = np.random.default_rng(seed)
    geometry, batch, channels, features = problem
    shapes = (
        (batch, *geometry.sizes, channels),
        (*geometry.window, channels // geometry.groups, features),
        (batch, *places(geometry), features),
    )
    return Operands(*(rng.normal(size=shape).astype(np.float32).astype(np.float64) for shape in shapes))


def cast(operands: Operands, dtype: Any = np.float32) -> Operands:
    """By NumPy, because JAX would compile a conversion for each shape."""
    return Operands(*(np.asarray(a).astype(dtype) for a in operands))


def outcome(geometry: Geometry, x: Any, kernel: Any, w: Any) -> Outcome:
    """What fnn makes of it."""

    def convolve(x: Any, kernel: Any) -> Any:
        return convolve_at(geometry, x, kernel)

    y, pull = jax.vjp(convolve, x, kernel)
    return Outcome(y, *pull(w))


def convolve_at(geometry: Geometry, x: Any, kernel: Any) -> jax.Array:
    """`fnn.ops.convolve`, with its arguments taken from a geometry."""
    return ops.convolve(
        x,
        kernel,
        strides=geometry.strides,
        padding=geometry.padding,
        dilation=geometry.dilation,
        groups=geometry.groups,
    )


def plain_convolve(geometry: Geometry, x: Any, kernel: Any) -> jax.Array:
    """The same as `lax` has it."""
    letters = "HWD"[: geometry.rank]
    layout = (f"N{letters}C", f"{letters}IO", f"N{letters}C")
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        geometry.strides,
        geometry.padding,
        rhs_dilation=geometry.dilation,
        dimension_numbers=layout,
        feature_group_count=geometry.groups,
    )


def run(function: Callable[..., Any], *arguments: Any) -> Any:
    """Compiles, runs, and returns NumPy arrays."""
    return jax.tree.map(np.asarray, jax.jit(function)(*arguments))


# What it is by definition.


def oracle(problem: Problem, operands: Operands) -> Outcome:
    """The convolution and its two gradients in float64."""
    geometry = problem.geometry
    x, kernel, w = (a.astype(np.float64) for a in operands)
    rank, groups = geometry.rank, geometry.groups
    padded = padded_with(x, geometry.padding)
    extent = tuple((k - 1) * d + 1 for k, d in zip(geometry.window, geometry.dilation, strict=True))
    spatial = tuple(range(1, rank + 1))
    windows = np.lib.stride_tricks.sliding_window_view(padded, extent, spatial)  # (n, …, channels, *extent)
    steps = (slice(None), *(slice(None, None, s) for s in geometry.strides), slice(None))
    windows = windows[(*steps, *(slice(None, None, d) for d in geometry.dilation))]
    grouped = windows.reshape(*windows.shape[: rank + 1], groups, -1, *windows.shape[rank + 2 :])
    matrices = kernel.reshape(*kernel.shape[:-1], groups, -1)
    at, under = "xyz"[:rank], "ijk"[:rank]
    y = np.einsum(f"n{at}gc{under},{under}cgo->n{at}go", grouped, matrices, optimize=True).reshape(w.shape)

    by_padded, by_kernel = np.zeros_like(padded), np.zeros_like(kernel)
    c, f = x.shape[-1] // groups, w.shape[-1] // groups
    for position in np.ndindex(*geometry.window):
        reached = tuple(
            slice(p * d, p * d + (n - 1) * s + 1, s)
            for p, d, n, s in zip(position, geometry.dilation, w.shape[1:-1], geometry.strides, strict=True)
        )
        for g in range(groups):
            ins, outs = slice(g * c, g * c + c), slice(g * f, g * f + f)
            seen = (slice(None), *reached, ins)
            by_padded[seen] += w[..., outs] @ kernel[position][:, outs].T
            by_kernel[position][:, outs] = np.tensordot(padded[seen], w[..., outs], (range(rank + 1), range(rank + 1)))
    return Outcome(y, padded_with(by_padded, [(-low, -high) for low, high in geometry.padding]), by_kernel)


def padded_with(x: Array, padding: Pairs, value: float = 0) -> Array:
    """Adds `value` around the spatial axes, or cuts where a number is negative."""
    x = np.pad(x, [(0, 0), *((max(low, 0), max(high, 0)) for low, high in padding), (0, 0)], constant_values=value)
    ends = [slice(max(-low, 0), n - max(-high, 0)) for n, (low, high) in zip(x.shape[1:-1], padding, strict=True)]
    return x[(slice(None), *ends)]


def summands(problem: Problem) -> Outcome:
    """How many products at most are added up in one number of each."""
    geometry, batch, channels, features = problem
    window, positions = math.prod(geometry.window), math.prod(places(geometry))
    return Outcome(window * channels // geometry.groups, window * features // geometry.groups, batch * positions)


def assert_near(got: Any, wanted: Array, tolerance: float, what: object, terms: float = 0) -> None:
    """Fails unless both differ by less than `tolerance` of the largest magnitude of `wanted`.

    Where that is a single number, or few, they may happen to be near zero, and nobody can sum to them exactly. Sums of
    `terms` products of normal numbers are around `sqrt(terms)`: that much counts as the magnitude at least.
    """
    got = np.asarray(got, np.float64)
    assert got.shape == wanted.shape, f"{what}: {got.shape} is not {wanted.shape}"
    scale = max(float(np.max(np.abs(wanted), initial=0)), math.sqrt(terms))
    error = float(np.max(np.abs(got - wanted), initial=0))
    assert error <= tolerance * scale, f"{what} is wrong by {error / scale:.2g} of {scale:.3g}"


def assert_outcome(got: Outcome, wanted: Outcome, tolerance: float, problem: Problem) -> None:
    """Compares outputs and gradients."""
    for name, a, b, terms in zip(Outcome._fields, got, wanted, summands(problem), strict=True):
        assert_near(a, b, tolerance, f"{name} of {problem}", terms)
