"""Each way to compute a convolution, or its gradients, by itself."""

import itertools
import re
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.fft
from ops.problems import (
    Array,
    Operands,
    Problem,
    allowed_problems,
    assert_near,
    cast,
    draw,
    geometry_of,
    oracle,
    places,
    plain_convolve,
    random_problem,
    run,
    summands,
)

from fnn.ops import xla
from fnn.ops.cpu import convolution, costs, images, kernel_ways, phases, tiles, ways, winograd
from fnn.ops.geometry import Geometry

BOTH: list[tuple[ModuleType, str]] = [(module, way) for module in (ways, kernel_ways) for way in module.WAYS]


def tolerance_of(way: str) -> float:
    return 1e-5 if way.startswith("winograd of 4") else 2e-6


def assert_right(module: ModuleType, way: str, *problems: Problem) -> None:
    """All in one program, which compiles faster than one for each."""
    drawn = [draw(problem) for problem in problems]

    def compute(drawn: list[Operands]) -> list[jax.Array]:
        return [
            module.WAYS[way](x, kernel if module is ways else w, geometry=problem.geometry)
            for problem, (x, kernel, w) in zip(problems, drawn, strict=True)
        ]

    made = run(compute, [cast(operands) for operands in drawn])
    for problem, operands, got in zip(problems, drawn, made, strict=True):
        part = 0 if module is ways else 2
        wanted, terms = oracle(problem, operands)[part], summands(problem)[part]
        assert_near(got, wanted, tolerance_of(way), f"{way}, {problem}", terms)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize(("module", "way"), BOTH)
def test_each_way_equals_the_oracle(module: ModuleType, way: str, wide: bool) -> None:
    assert_right(module, way, *allowed_problems(way, int(wide), 12, wide=wide))


REALISTIC = [
    Problem(geometry_of((16, 16), (3, 3), padding=1), 8, 64, 64),
    Problem(geometry_of((16, 16), (3, 3), 2, 1), 8, 32, 64),
    Problem(geometry_of((14, 14), (5, 5), padding=2), 7, 32, 32),
    Problem(geometry_of((16, 16), (3, 3), padding=1, groups=64), 8, 64, 64),
    Problem(geometry_of((15, 15), (3, 3), padding=1, groups=4), 7, 32, 64),
    Problem(geometry_of((28, 28), (5, 5), padding=2), 32, 1, 6),
    Problem(geometry_of((17, 17), (3, 3), 2, 1), 7, 32, 10),
]


@pytest.mark.parametrize(("module", "way"), BOTH)
def test_each_way_equals_the_oracle_at_real_sizes(module: ModuleType, way: str) -> None:
    fitting = [problem for problem in REALISTIC if costs.allowed(way, problem, 4, exact=False)]
    assert fitting
    assert_right(module, way, *fitting)


IN_ROUNDS = [(module, way) for module, way in BOTH if way == "patches" or "winograd" in way]


@pytest.mark.parametrize("rounds", [2, 3, 4, 5, 7])
@pytest.mark.parametrize(("module", "way"), IN_ROUNDS)
def test_rounds_make_no_difference(module: ModuleType, way: str, rounds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven images do not divide by most of these numbers: the last round then has images of zeros."""
    monkeypatch.setattr(module, "split_batch", lambda size, *_: rounds)
    problems = [Problem(geometry_of((9, 8), (3, 3), padding=((1, 2), (0, 1))), 7, 5, 6)]
    if "winograd" not in way:
        problems.append(Problem(geometry_of((9, 8), (3, 2), 2, 1, 2, 2), 7, 4, 6))
    assert_right(module, way, *problems)


@pytest.mark.parametrize(("module", "way"), IN_ROUNDS)
def test_what_does_not_fit_the_cache_is_done_in_rounds(
    module: ModuleType, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []

    def split_batch(*question: int) -> int:
        taken.append(images.split_batch(*question))
        return taken[-1]

    problem = REALISTIC[0]._replace(batch=7)
    monkeypatch.setattr(module, "split_batch", split_batch)
    text: list[str] = []
    for size in (1, 1 << 18, 1 << 40):
        monkeypatch.setattr(module, "IN_CACHE", size)
        assert_right(module, way, problem)
        x, kernel, w = cast(draw(problem))
        function = partial(module.WAYS[way], geometry=problem.geometry)
        text.append(jax.jit(function).lower(x, kernel if module is ways else w).as_text())
    assert taken[0] == taken[1] == 7
    assert 1 < taken[2] == taken[3] <= 7
    assert taken[4] == taken[5] == 1
    assert ["while" in lowered for lowered in text] == [True, True, False]


@pytest.mark.parametrize(
    ("which", "question"),
    {
        # 8 × 7 places, each of whose windows has 3 × 2 pixels of 5 numbers
        (ways, "patches"): (7, 8 * 7 * 6 * 5 * 4, 1 << 20),
        (kernel_ways, "patches"): (7, 8 * 7 * 6 * 5 * 4, 1 << 20),
        # image and output, 6 numbers for every 4
        (ways, "winograd of 4"): (7, (10 * 8 * 5 + 8 * 7 * 6) * 4 * 6 // 4, 2 << 20),
        (ways, "winograd of 2"): (7, (10 * 8 * 5 + 8 * 7 * 6) * 4 * 4 // 2, 2 << 20),
        # 2 × 2 tiles of 36 points, 2 × 3 of 24, and 4 × 3 of 16, of image and output
        (ways, "winograd of 4 by 4"): (7, 4 * 36 * (5 + 6) * 4, 2 << 20),
        (ways, "winograd of 4 by 2"): (7, 6 * 24 * (5 + 6) * 4, 2 << 20),
        (ways, "winograd of 2 by 2"): (7, 12 * 16 * (5 + 6) * 4, 2 << 20),
        (kernel_ways, "winograd of 4 by 4"): (7, 4 * 36 * (5 + 6) * 4, 2 << 20),
        (kernel_ways, "winograd of 4 by 2"): (7, 6 * 24 * (5 + 6) * 4, 2 << 20),
        (kernel_ways, "winograd of 2 by 2"): (7, 12 * 16 * (5 + 6) * 4, 2 << 20),
        # 6 transformed images of 2 tiles in the height, whose windows are 1 × 2, and gradients
        (kernel_ways, "winograd of 4"): (7, 2 * 7 * (2 * 5 + 6) * 6 * 4, 4 << 20),
        (kernel_ways, "winograd of 2"): (7, 4 * 7 * (2 * 5 + 6) * 4 * 4, 4 << 20),
    }.items(),
)  # fmt: skip
def test_how_much_a_round_has_by_hand(
    which: tuple[ModuleType, str], question: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    module, way = which
    asked: list[tuple[int, ...]] = []
    monkeypatch.setattr(module, "split_batch", lambda *given: asked.append(given) or 1)
    monkeypatch.setattr(module, "IN_CACHE", 1 << 20)
    window = (3, 3) if "by" in way else (3, 2)
    problem = Problem(geometry_of((10, 8), window), 7, 5, 6)
    x, kernel, w = cast(draw(problem))
    jax.eval_shape(partial(module.WAYS[way], geometry=problem.geometry), x, kernel if module is ways else w)
    assert asked == [question]


@pytest.mark.parametrize(
    ("geometry", "beforehand"),
    [
        (geometry_of((5, 4), (3, 3), padding=((1, 0), (0, 2))), []),
        (geometry_of((5, 4), (3, 3), padding=((-1, 2), (0, 1))), [(-1, 2), (0, 0)]),
        (geometry_of((2, 4), (3, 3), padding=((1, 0), (0, 2))), [(1, 0), (0, 2)]),  # 9 pixels see 8
        (geometry_of((3, 3), (3, 3), padding=1), []),
    ],
)
def test_xlas_own_is_padded_beforehand_only_where_it_must(
    geometry: Geometry, beforehand: list[tuple[int, int]]
) -> None:
    x, kernel, _ = cast(draw(Problem(geometry, 2, 3, 4)))
    traced = jax.make_jaxpr(partial(ways.direct, geometry=geometry))(x, kernel)
    padded = [
        tuple(pair[:2] for pair in e.params["padding_config"][1:-1]) for e in traced.eqns if str(e.primitive) == "pad"
    ]
    assert padded == ([tuple(beforehand)] if beforehand else [])


def test_xlas_own_kernel_gradient_is_given_what_it_reads_in_order() -> None:
    """Each of its transpositions is kept apart, or XLA would choose a layout through which it jumps."""
    x, _, w = cast(draw(Problem(geometry_of((5, 4), (3, 3)), 2, 3, 4)))
    equations = jax.make_jaxpr(partial(kernel_ways.direct, geometry=geometry_of((5, 4), (3, 3))))(x, w).eqns
    kinds = [str(equation.primitive) for equation in equations]
    kept = [kind for kind in kinds if kind in ("transpose", "layout_constraint", "conv_general_dilated")]
    twice = ["transpose", "layout_constraint"] * 2
    assert kept == ["layout_constraint", *twice, *twice[:2], "conv_general_dilated", "transpose"]


def test_matrices_are_transposed_before_they_are_read() -> None:
    """Left to itself, XLA gives what reads them another layout."""
    matrices = jnp.arange(2.0 * 32 * 3).reshape(2, 32, 3)

    def read(matrices: jax.Array) -> jax.Array:
        return images.transposed(matrices) + 1

    np.testing.assert_array_equal(jax.jit(read)(matrices), matrices.swapaxes(1, 2) + 1)
    program = jax.jit(read).lower(matrices).compile().as_text() or ""
    entry = program[program.index("ENTRY") :]
    assert re.findall(r"= f32(\S+) fusion", entry) == ["[2,3,32]{2,1,0}"] * 2


def test_no_loop_copies_the_array_that_it_fills() -> None:
    """Zeros to start from would be one array for all loops, and a copy for each."""

    def loops(x: jax.Array) -> jax.Array:
        for factor in (2, 3, 4):
            x = images.in_rounds(lambda part, factor=factor: part * factor, 4, x)
        return x

    x = jnp.arange(8.0 * 5).reshape(8, 5)
    np.testing.assert_array_equal(jax.jit(loops)(x), 24 * x)
    program = jax.jit(loops).lower(x).compile().as_text() or ""
    assert program.count(" while(") == 3
    assert not re.findall(r"= f32\[4,2,5\]\S* copy\(", program)


def test_what_a_loop_goes_through_is_computed_once() -> None:
    """Not again for a number to fill the array with, nor in each round."""
    x = jnp.arange(8.0 * 5).reshape(8, 5) / 40
    double = jax.jit(lambda x: images.in_rounds(lambda part: part * 2, 4, jnp.maximum(x, 0.5)))
    np.testing.assert_array_equal(double(x), 2 * np.maximum(x, 0.5))
    program = double.lower(x).compile().as_text() or ""
    assert program.count(" maximum(") == 1


def test_an_outputs_gradient_is_laid_down_before_its_tiles_are_transformed() -> None:
    """Read where it lies, in the rounds' array, it took 2.7 times as long."""
    y = jax.ShapeDtypeStruct((2, 8, 8, 3), jnp.float32)
    geometry = geometry_of((8, 8), (3, 3), padding=1)
    equations = jax.make_jaxpr(partial(tiles.transform_output_back, geometry=geometry, tile=(4, 4)))(y).eqns
    kinds = [str(equation.primitive) for equation in equations]
    kept = [kind for kind, _ in itertools.groupby(k for k in kinds if k in ("layout_constraint", "slice", "mul"))]
    assert kept[0] == "layout_constraint"
    assert kinds.count("layout_constraint") == 3  # and after each of the two axes


def test_lengths_for_fourier_are_the_next_of_small_factors() -> None:
    for n in range(1, 700):
        assert ways._fast_length(n) == scipy.fft.next_fast_len(n, real=True)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize(("dtype", "itemsize"), [("float32", 4), ("float64", 8), ("bfloat16", 4)])
def test_the_way_is_chosen_for_the_problem_at_hand(
    dtype: str, itemsize: int, exact: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(costs, "fastest", lambda *given: asked.append(given) or "direct")
    problem = Problem(geometry_of((10, 8), (3, 2)), 7, 5, 6)
    with jax.enable_x64(dtype == "float64"):
        x, kernel, w = (jnp.asarray(operand, dtype) for operand in draw(problem))
        y = convolution.convolve(x, kernel, geometry=problem.geometry, exact=exact)
        by_kernel = convolution.kernel_gradient(x, w, geometry=problem.geometry, exact=exact)
    assert (y.dtype, by_kernel.dtype) == (dtype, dtype)
    assert asked == [(kind, problem, itemsize, exact) for kind in ("convolution", "kernel gradient")]


def test_a_batch_is_split_into_rounds_that_fit_and_divide_it_where_they_can() -> None:
    for size, each, budget in itertools.product(range(1, 70), (1, 10, 1000), (1, 64, 999, 5000)):
        rounds = images.split_batch(size, each, budget)
        assert 1 <= rounds <= size
        assert size * each / rounds <= 1.5 * budget or rounds == size, "too much at a time"
        divisors = [n for n in range(1, size + 1) if size % n == 0]
        wanted = min(size, max(1, round(size * each / budget)))
        if any(0.75 * wanted <= n <= 2 * wanted for n in divisors):
            assert size % rounds == 0
            assert 0.75 * wanted <= rounds <= 2 * wanted


@pytest.mark.parametrize(
    ("question", "rounds"),
    [
        ((8, 1, 64), 1),  # fits
        ((8, 10, 50), 2),  # 1.6 times as much as fits
        ((8, 10, 60), 1),  # 1.33 times
        ((10, 3, 10), 5),  # 3 and 4 do not divide 10, and 2 would be too few
        ((10, 4, 10), 5),
        ((12, 7, 12), 6),  # nearer than 12
        ((22, 3, 22), 3),  # 2 would be too few, and 11 too many
        ((64, 9, 64), 8),
        ((5, 100, 1), 5),
    ],
)
def test_rounds_by_hand(question: tuple[int, int, int], rounds: int) -> None:
    assert images.split_batch(*question) == rounds


@pytest.mark.parametrize("outputs", [2, 4])
def test_winograds_matrices_filter_without_error(outputs: int) -> None:
    made = winograd.transforms(outputs)
    rng = np.random.default_rng(0)
    x, k = rng.normal(size=outputs + 2), rng.normal(size=3)
    wanted = [x[i : i + 3] @ k for i in range(outputs)]
    np.testing.assert_allclose(made.output @ ((made.kernel @ k) * (made.input @ x)), wanted, rtol=1e-12)
    assert all(float(entry).is_integer() for entry in made.input.flat)


# The gradient in the input.


def with_turned(y: Any, turned: Any, *, geometry: Geometry, unturned: Any) -> jax.Array:
    del unturned
    return ways.direct(y, turned, geometry=geometry)


def with_unturned(y: Any, turned: Any, *, geometry: Geometry, unturned: Any) -> jax.Array:
    """What a way does that turns no kernel; with groups none does."""
    if geometry.groups == 1:
        turned = jnp.flip(unturned, range(geometry.rank)).swapaxes(-1, -2)
    return ways.direct(y, turned, geometry=geometry)


@pytest.mark.parametrize("convolve", [with_turned, with_unturned])
@pytest.mark.parametrize("seed", range(4))
def test_phases_equal_the_transpose(seed: int, convolve: Callable[..., jax.Array]) -> None:
    rng = np.random.default_rng(seed)
    count = 0
    while count < 20:
        problem = random_problem(rng)
        rank = problem.geometry.rank
        strides, dilation = (tuple(int(n) for n in rng.integers(1, 6, rank)) for _ in range(2))
        geometry = problem.geometry._replace(strides=strides, dilation=dilation)
        if min(places(geometry)) < 1:
            continue
        count += 1
        _, kernel, y = cast(draw(problem._replace(geometry=geometry)))

        def both(y: Any, kernel: Any, geometry: Any = geometry) -> Any:
            mine = phases.input_gradient(y, kernel, geometry, convolve)
            x = jax.ShapeDtypeStruct((y.shape[0], *geometry.sizes, kernel.shape[-2] * geometry.groups), y.dtype)
            (wanted,) = jax.linear_transpose(lambda x: plain_convolve(geometry, x, kernel), x)(y)
            return mine, wanted, xla.input_gradient(y, kernel, geometry=geometry)

        got, wanted, other = run(both, y, kernel)
        assert_near(got, wanted, 2e-6, problem, kernel.size / problem.channels)
        np.testing.assert_array_equal(wanted, other)


def test_pixels_that_no_window_reaches_have_no_gradient() -> None:
    problem = Problem(geometry_of((11, 11), (2, 1), (3, 4), ((0, 0), (1, 0))), 2, 3, 4)
    _, kernel, y = cast(draw(problem))
    got = run(partial(phases.input_gradient, geometry=problem.geometry, convolve=with_turned), y, kernel)
    reached = np.zeros((11, 11), bool)
    for i, j in itertools.product(range(0, 10, 3), range(3, 11, 4)):
        reached[i : i + 2, j] = True
    assert (got.any(axis=(0, 3)) == reached).all()


@pytest.mark.parametrize("way", tiles.TILES)
@pytest.mark.parametrize(("batch", "rounds"), [(1, 1), (3, 1), (8, 4)])
@pytest.mark.parametrize(
    "geometry",
    [
        geometry_of((8, 8), (3, 3), padding=1),
        geometry_of((7, 10), (3, 3), padding=((0, 2), (1, 0))),
        geometry_of((5, 3), (3, 3), padding=((-1, 2), (2, 2))),
        geometry_of((13, 14), (5, 6), 2, 2),  # phases of 3 by 3
        geometry_of((3, 4), (3, 3)),
    ],
)
def test_an_inputs_gradient_by_tiles(
    geometry: Geometry, batch: int, rounds: int, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether in rounds or at once; the kernel is as it was, the tiles are turned."""
    monkeypatch.setattr(ways, "split_batch", lambda *_: rounds)
    problem = Problem(geometry, batch, 48, 40)
    operands = draw(problem)
    _, kernel, w = cast(operands)
    asked: list[tuple[tiles.Tile, bool]] = []

    def by_tiles(*given: jax.Array, **options: Any) -> jax.Array:
        asked.append((options["tile"], options["turned"]))
        return tiles_way(*given, **options)

    def fastest(_: str, of: Problem, *limits: Any) -> str:
        return way if costs.allowed(way, of, *limits) else "direct"

    tiles_way = ways.by_tiles
    monkeypatch.setattr(ways, "by_tiles", by_tiles)
    monkeypatch.setattr(costs, "fastest", fastest)
    got = run(partial(convolution.input_gradient, geometry=geometry, exact=False), w, kernel)
    assert set(asked) == {(tiles.TILES[way], True)}
    assert_near(got, oracle(problem, operands)[1], tolerance_of(way), problem, summands(problem)[1])


def test_a_convolution_and_its_inputs_gradient_share_a_transformed_kernel() -> None:
    geometry = geometry_of((8, 8), (3, 3), padding=1)
    problem = Problem(geometry, 32, 192, 256)
    assert costs.fastest("convolution", problem, 4, exact=False) == "winograd of 4 by 4"
    assert costs.fastest("convolution", problem._replace(channels=256, features=192), 4, False) == "winograd of 4 by 4"
    x, kernel, w = cast(draw(problem))

    def both(x: jax.Array, kernel: jax.Array, w: jax.Array) -> tuple[jax.Array, jax.Array]:
        y = convolution.convolve(x, kernel, geometry=geometry, exact=False)
        return y, convolution.input_gradient(y + w, kernel, geometry=geometry, exact=False)

    program = jax.jit(both).lower(x, kernel, w).compile().as_text() or ""
    entry = program[program.index("ENTRY") :]
    assert len(re.findall(r"= f32\[36,192,256\]", entry)) == 1
    assert "f32[36,256,192]" not in program
    assert "f32[3,3,256,192]" not in program


# What is not a number.


def spoilt(problem: Problem, value: float, operand: int) -> tuple[Array, Array, Array]:
    x, kernel, w = (a.copy() for a in cast(draw(problem)))
    (x, kernel, w)[operand][(0, *(n // 2 for n in (x, kernel, w)[operand].shape[1:]))] = value
    return x, kernel, w


def problem_for(way: str) -> Problem:
    window = (5, 5) if way == "fft" else (3, 3)
    return Problem(geometry_of((11, 10), window, padding=1), 2, 4, 3)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("way", list(ways.WAYS))
def test_what_lax_makes_not_finite_each_way_makes_not_finite(way: str, value: float) -> None:
    problem = problem_for(way)
    geometry = problem.geometry
    x, kernel, _ = spoilt(problem, value, 0)

    def both(x: Any, kernel: Any) -> Any:
        return ways.WAYS[way](x, kernel, geometry=geometry), plain_convolve(geometry, x, kernel)

    got, wanted = run(both, x, kernel)
    bad, must = ~np.isfinite(got), ~np.isfinite(wanted)
    assert must[0].any()
    assert not must[1].any()
    assert bad[must].all()
    np.testing.assert_allclose(got[~bad], wanted[~bad], atol=1e-4)
    # It may spread to neighbours, through a tile of Winograd's, or with Fourier everywhere, but not to other images.
    assert not bad[1].any()
    if way == "fft":
        assert bad[0].all()
    elif way in tiles.TILES:
        down, across = tiles.TILES[way]
        image, row, column, _ = must.nonzero()
        spoilt_tiles = set(zip(image, row // down, column // across, strict=True))
        image, row, column, _ = bad.nonzero()
        assert set(zip(image, row // down, column // across, strict=True)) == spoilt_tiles
    elif "winograd" in way:
        outputs = int(way[-1])
        rows = must.any(axis=(0, 2, 3)).nonzero()[0]
        spoilt_rows = np.unique(rows // outputs)
        assert not bad[:, ~np.isin(np.arange(got.shape[1]) // outputs, spoilt_rows)].any()
        assert (bad.any(axis=(0, 1, 3)) == must.any(axis=(0, 1, 3))).all()
    elif way == "widened":
        assert (bad.any(axis=(0, 2, 3)) == must.any(axis=(0, 2, 3))).all()
    else:
        assert (bad == must).all()


@pytest.mark.parametrize("operand", [0, 2])
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("way", list(kernel_ways.WAYS))
def test_what_lax_makes_not_finite_in_a_kernels_gradient_each_way_does(way: str, value: float, operand: int) -> None:
    geometry = problem_for(way).geometry
    x, _, w = spoilt(problem_for(way), value, operand)

    def both(x: Any, w: Any) -> Any:
        return kernel_ways.WAYS[way](x, w, geometry=geometry), xla.kernel_gradient(x, w, geometry=geometry)

    got, wanted = run(both, x, w)
    bad, must = ~np.isfinite(got), ~np.isfinite(wanted)
    assert must.any()
    assert bad[must].all()
    # Channels and features stay apart.
    assert (bad.any(axis=(0, 1)) == must.any(axis=(0, 1))).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_lax_makes_not_finite_in_an_inputs_gradient_phases_do(value: float) -> None:
    problem = Problem(geometry_of((11, 10), (3, 3), (2, 1), 1), 2, 4, 3)
    geometry = problem.geometry
    _, kernel, w = spoilt(problem, value, 2)

    def both(w: Any, kernel: Any) -> Any:
        mine = phases.input_gradient(w, kernel, geometry, with_turned)
        return mine, xla.input_gradient(w, kernel, geometry=geometry)

    got, wanted = run(both, w, kernel)
    must = ~np.isfinite(wanted)
    assert must.any()
    assert (~np.isfinite(got))[must].all()
    assert np.isfinite(got[1]).all()
