"""`ops.convolve` and both its gradients against float64 NumPy and PyTorch, whichever ways are chosen."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import jax
import numpy as np
import pytest
from cases import thorough
from ops.problems import (
    Operands,
    Outcome,
    Problem,
    assert_near,
    assert_outcome,
    cast,
    choose_at_random,
    draw,
    geometry_of,
    oracle,
    outcome,
    padded_with,
    places,
    plain_convolve,
    random_problem,
    random_problems,
    run,
    summands,
)

from fnn import ops
from fnn.ops.cpu import costs

EACH = 25
SEEDS, MORE_SEEDS = range(8), range(8, 22)


def assert_right(*problems: Problem) -> None:
    """Inside and outside of `exact`; all in one program, compiled only once where that makes no difference."""
    drawn = [draw(problem) for problem in problems]
    given = [cast(operands) for operands in drawn]

    def lower() -> Any:
        def outcomes(given: list[Operands]) -> list[Outcome]:
            return [outcome(problem.geometry, *operands) for problem, operands in zip(problems, given, strict=True)]

        return jax.jit(outcomes).lower(given)

    with ops.exact(True):
        exact = lower()
    rough = lower()
    compiled = exact.compile()
    other = compiled if rough.as_text() == exact.as_text() else rough.compile()
    for problem, operands, one, another in zip(problems, drawn, compiled(given), other(given), strict=True):
        wanted = oracle(problem, operands)
        assert_outcome(one, wanted, 2e-6, problem)
        assert_outcome(another, wanted, 1e-5, problem)


def some_at_a_time(problems: Iterable[Problem]) -> Iterator[tuple[Problem, ...]]:
    problems = list(problems)
    yield from (tuple(problems[i : i + 5]) for i in range(0, len(problems), 5))


@pytest.mark.parametrize("seed", [*SEEDS, *thorough(MORE_SEEDS)])
def test_convolution_and_both_gradients_equal_the_oracle(seed: int) -> None:
    for problems in some_at_a_time(random_problems(seed, EACH, wide=seed % 3 == 0)):
        assert_right(*problems)


@pytest.mark.parametrize("seed", [99, 100, *thorough(range(101, 106))])
def test_they_equal_the_oracle_whichever_ways_are_chosen(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    choose_at_random(monkeypatch)
    for problem in random_problems(seed, EACH, wide=seed % 3 == 0):
        assert_right(problem)


SIZABLE = [
    Problem(geometry_of((16, 16), (3, 3), padding=1), 8, 64, 64),
    Problem(geometry_of((8, 8), (3, 3), padding=1), 32, 64, 64),
    Problem(geometry_of((28, 28), (5, 5), padding=2), 32, 1, 6),
    Problem(geometry_of((16, 16), (3, 3), 2, ((0, 1), (0, 1))), 8, 32, 64),
    Problem(geometry_of((16, 16), (1, 1), 2), 8, 64, 64),
    Problem(geometry_of((2, 2), (3, 3), padding=1), 32, 64, 64),
    Problem(geometry_of((16, 16), (3, 3), padding=1, groups=64), 8, 64, 64),
    Problem(geometry_of((33, 33), (11, 11), 4, 2), 4, 3, 64),
    Problem(geometry_of((24, 24), (21, 21), padding=10), 4, 16, 16),
    Problem(geometry_of((256,), (3,), padding=((2, 0),)), 8, 64, 64),
    Problem(geometry_of((8, 8, 8), (3, 3, 3), padding=1), 2, 16, 32),
]


@pytest.mark.parametrize("problem", SIZABLE, ids=str)
def test_sizes_of_real_networks_equal_the_oracle(problem: Problem) -> None:
    assert_right(problem)


def test_random_problems_cover_what_they_should() -> None:
    problems = [p for seed in SEEDS for p in random_problems(seed, EACH, wide=seed % 3 == 0)]
    geometries = [p.geometry for p in problems]
    assert len(set(problems)) >= 190
    assert {g.rank for g in geometries} == {1, 2, 3}
    assert {s for g in geometries for s in g.strides} == {d for g in geometries for d in g.dilation} == {1, 2, 3}
    assert {1, 2, 3, 5, 8} == {g.groups for g in geometries}
    for what, present in {
        "a kernel larger than the image": [
            any(e > n for e, n in zip(g.extent, g.sizes, strict=True)) for g in geometries
        ],
        "uneven padding": [any(low != high for low, high in g.padding) for g in geometries],
        "negative padding": [any(min(pair) < 0 for pair in g.padding) for g in geometries],
        "axes of size 1": [1 in g.sizes for g in geometries],
        "strides longer than the kernel": [
            any(s > k for s, k in zip(g.strides, g.window, strict=True)) for g in geometries
        ],
        "a batch of 1": [p.batch == 1 for p in problems],
        "one feature": [p.features == 1 for p in problems],
        "one channel": [p.channels == 1 for p in problems],
        "many channels": [min(p.channels, p.features) > 30 for p in problems],
        "depthwise": [p.geometry.groups == p.channels > 1 for p in problems],
        "all at once": [
            g.groups > 1 and max(g.strides) > 1 and max(g.dilation) > 1 and any(map(any, g.padding)) for g in geometries
        ],
    }.items():
        assert sum(present) >= 4, f"{what}: {sum(present)}"


def test_the_oracle_is_right() -> None:
    """Against the definition, written as sums over single numbers."""
    problem = Problem(geometry_of((5, 4), (2, 3), (2, 1), ((1, 0), (0, 2)), (2, 1), 2), 2, 4, 6)
    x, kernel, w = draw(problem)
    padded = padded_with(x, problem.geometry.padding)
    y, by_padded, by_kernel = np.zeros_like(w), np.zeros_like(padded), np.zeros_like(kernel)
    for n, i, j, o in np.ndindex(*w.shape):
        for p, q, c in np.ndindex(*kernel.shape[:-1]):
            pixel = (n, i * 2 + p * 2, j + q, c + o // 3 * 2)
            y[n, i, j, o] += padded[pixel] * kernel[p, q, c, o]
            by_padded[pixel] += w[n, i, j, o] * kernel[p, q, c, o]
            by_kernel[p, q, c, o] += w[n, i, j, o] * padded[pixel]
    assert_outcome(
        Outcome(y, by_padded[:, 1:, :-2], by_kernel), oracle(problem, Operands(x, kernel, w)), 1e-14, problem
    )


@pytest.mark.parametrize("seed", [200, 201, *thorough(range(202, 206))])
def test_they_equal_torch(seed: int) -> None:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    for problem in random_problems(seed, 10, rank=2, wide=seed % 2 == 0):
        geometry, operands = problem.geometry, draw(problem)
        got = run(partial(outcome, geometry), *cast(operands))
        x, kernel, w = (torch.tensor(a) for a in operands)
        channels_first = x.movedim(-1, 1), kernel.movedim((-1, -2), (0, 1))
        leaves = [a.contiguous().requires_grad_() for a in channels_first]
        (top, bottom), (left, right) = geometry.padding
        y = torch.nn.functional.conv2d(
            torch.nn.functional.pad(leaves[0], (left, right, top, bottom)),
            leaves[1],
            stride=geometry.strides,
            dilation=geometry.dilation,
            groups=geometry.groups,
        )
        by_x, by_kernel = torch.autograd.grad(y, leaves, w.movedim(-1, 1))
        wanted = y.detach().movedim(1, -1), by_x.movedim(1, -1), by_kernel.movedim((0, 1), (-1, -2))
        assert_outcome(got, Outcome(*(a.numpy() for a in wanted)), 1e-5, problem)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_transposed_convolution_is_the_gradient_in_the_input(rank: int) -> None:
    rng = np.random.default_rng(300 + rank)
    for problem in (random_problem(rng, rank=rank) for _ in range(8)):
        geometry = problem.geometry
        if geometry.groups > 1:
            geometry = geometry._replace(groups=1)
        # So that the windows end where the padded image does.
        sizes = tuple(
            (n - 1) * s + (k - 1) * d + 1 - low - high
            for n, s, k, d, (low, high) in zip(
                places(geometry), geometry.strides, geometry.window, geometry.dilation, geometry.padding, strict=True
            )
        )
        if min(sizes) < 1:
            continue
        problem = problem._replace(geometry=geometry._replace(sizes=sizes))
        operands = draw(problem)
        swapped = operands.kernel.swapaxes(-1, -2).astype(np.float32)

        def transposed(w: Any, kernel: Any, geometry: Any = problem.geometry) -> jax.Array:
            return ops.convolve_transposed(
                w, kernel, strides=geometry.strides, padding=geometry.padding, dilation=geometry.dilation
            )

        got = run(transposed, operands.w.astype(np.float32), swapped)
        assert_near(got, oracle(problem, operands).by_x, 1e-5, problem, summands(problem).by_x)


@pytest.mark.parametrize("cheapest", ["direct", "patches"])
def test_no_images_give_no_images(cheapest: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever way would be chosen: some divide by the number of images."""
    monkeypatch.setattr(costs, "seconds", lambda _kind, way, _problem: float(way != cheapest))
    geometry = geometry_of((5, 5), (3, 3), 2, 1, groups=2)
    operands = (
        np.zeros((0, 5, 5, 4), np.float32),
        np.ones((3, 3, 2, 6), np.float32),
        np.zeros((0, 3, 3, 6), np.float32),
    )
    y, by_x, by_kernel = run(partial(outcome, geometry), *operands)
    assert y.shape == (0, 3, 3, 6)
    assert by_x.shape == (0, 5, 5, 4)
    assert by_kernel.shape == (3, 3, 2, 6)
    assert not by_kernel.any()


@pytest.mark.parametrize("dtype", [np.int32, np.int8, np.complex64])
def test_other_numbers_than_floats_are_convolved_as_lax_does(dtype: Any) -> None:
    geometry = geometry_of((6, 6), (3, 3), padding=1)
    rng = np.random.default_rng(0)
    x, kernel = (rng.integers(-5, 5, shape).astype(dtype) for shape in ((2, 6, 6, 3), (3, 3, 3, 4)))
    convolve = partial(ops.convolve, strides=(1, 1), padding=((1, 1), (1, 1)), dilation=(1, 1))
    got, wanted = run(convolve, x, kernel), run(partial(plain_convolve, geometry), x, kernel)
    assert got.dtype == wanted.dtype == dtype
    np.testing.assert_array_equal(got, wanted)


def test_a_window_that_does_not_fit_has_no_place() -> None:
    assert geometry_of((2, 9), (5, 3), (1, 2)).places == (0, 4)
    assert geometry_of((2,), (4,), 1, 1).places == (1,)
