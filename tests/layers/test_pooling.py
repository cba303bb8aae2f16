"""The pools against explicit windows in float64 NumPy and PyTorch: outputs and gradients."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import thorough
from oracles import (
    Outcome,
    Pairs,
    Problem,
    assert_close,
    assert_outcome,
    draw,
    evaluate,
    pads,
    per_axis,
    pool,
    torch_leaf,
    torch_or_skip,
    torch_outcome,
    torch_pad,
)

import fnn

LECTURE = [[21, 8, 8, 12], [12, 19, 9, 7], [8, 10, 4, 3], [18, 12, 9, 10]]


class Case(NamedTuple):
    """One pool: the input's shape, and the arguments as a user writes them."""

    kind: str
    shape: tuple[int, ...]
    window: Any
    strides: Any = None
    padding: Any = "VALID"
    count_padding: bool = False

    @property
    def layer(self) -> fnn.Layer:
        if self.kind == "avg":
            return fnn.AvgPool(
                self.window, strides=self.strides, padding=self.padding, count_padding=self.count_padding
            )
        make = {"max": fnn.MaxPool, "sum": fnn.SumPool}[self.kind]
        return make(self.window, strides=self.strides, padding=self.padding)

    def geometry(self) -> tuple[tuple[int, ...], tuple[int, ...], Pairs]:
        """Window, strides and padding, one for each axis."""
        sizes = self.shape[1:-1]
        window = per_axis(self.window, len(sizes))
        strides = window if self.strides is None else per_axis(self.strides, len(sizes))
        return window, strides, pads(self.padding, sizes, window, strides)

    def fits(self) -> bool:
        """Whether there is a window, and none of nothing but padding."""
        window, _, padding = self.geometry()
        axes = zip(self.shape[1:-1], window, padding, strict=True)
        return all(n + low + high >= k and max(low, high) < k for n, k, (low, high) in axes)


def random_case(seed: int) -> Case:
    rng = np.random.default_rng(seed)
    axes = int(rng.integers(1, 4))

    def maybe_one_for_all(low: int, high: int) -> Any:
        numbers = tuple(int(n) for n in rng.integers(low, high + 1, axes))
        return numbers[0] if rng.random() < 0.4 else numbers

    while True:
        pairs = tuple((int(low), int(high)) for low, high in rng.integers(0, 3, (axes, 2)))
        case = Case(
            kind=("max", "avg", "avg", "sum")[seed % 4],
            shape=(
                int(rng.integers(1, 4)),
                *map(int, rng.integers(1, (12, 8, 5)[axes - 1] + 1, axes)),
                int(rng.integers(1, 4)),
            ),
            window=maybe_one_for_all(1, 4),
            strides=None if rng.random() < 0.2 else maybe_one_for_all(1, 3),
            padding=("SAME", "VALID", int(rng.integers(0, 3)), pairs)[rng.integers(4)],
            count_padding=seed % 4 == 2,
        )
        if case.fits():
            return case


MORE = [random_case(seed) for seed in range(50, 88)]
CASES = [
    *(random_case(seed) for seed in range(50)),
    *(Case(kind, (1, 1, 1, 1), 1) for kind in ("max", "avg", "sum")),
    Case("max", (2, 8, 8, 3), 2),
    Case("max", (1, 13, 13, 2), 3, 2),  # AlexNet: windows overlap
    Case("max", (1, 8, 8, 2), 3, 2, 1),  # ResNet
    Case("max", (1, 8, 8, 2), 3, 2, "SAME"),  # which is not the same
    Case("avg", (1, 7, 7, 2), 7),
    Case("avg", (1, 4, 4, 2), 3, 1, "SAME", count_padding=False),
    Case("avg", (1, 4, 4, 2), 3, 1, "SAME", count_padding=True),
    Case("max", (1, 5, 5, 1), 1, 3),  # reads every third pixel
]


@lru_cache(maxsize=4)  # for the next oracle, so that each case is compiled once
def evaluated(case: Case) -> tuple[Problem, Outcome]:
    problem = draw(case.layer, case.shape, seed=len(case.shape))
    return problem, evaluate(case.layer, problem)[0]


def numpy_oracle(case: Case, problem: Problem) -> Outcome:
    window, strides, padding = case.geometry()
    return pool(problem, case.kind, window=window, strides=strides, padding=padding, count_padding=case.count_padding)


def torch_oracle(case: Case, problem: Problem) -> Outcome:
    functional: Any = torch_or_skip().nn.functional
    window, strides, padding = case.geometry()
    axes = len(window)
    leaf = torch_leaf(problem.x)
    x = leaf.movedim(-1, 1)
    if case.kind == "max":
        max_pool = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)[axes - 1]
        y = max_pool(torch_pad(x, padding, -np.inf), window, strides)
        return torch_outcome(y, problem.w, {"x": leaf})
    avg_pool = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)[axes - 1]
    geometry = zip(case.shape[1:-1], window, padding, strict=True)
    if case.kind == "avg" and all(low == high <= k // 2 and n >= k for n, k, (low, high) in geometry):
        # PyTorch's own padding, where it takes this one.
        lows = [low for low, _ in padding]
        y = avg_pool(x, window, strides, lows, count_include_pad=case.count_padding)
    else:
        y = avg_pool(torch_pad(x, padding), window, strides)
        if case.kind == "sum":
            y = y * np.prod(window)
        elif not case.count_padding:
            y = y / avg_pool(torch_pad(x.detach() * 0 + 1, padding), window, strides)
    return torch_outcome(y, problem.w, {"x": leaf})


@pytest.mark.parametrize("oracle", [numpy_oracle, torch_oracle])
@pytest.mark.parametrize("case", [*CASES, *thorough(MORE)], ids=str)
def test_equals_oracle(case: Case, oracle: Callable[[Case, Problem], Outcome]) -> None:
    problem, got = evaluated(case)
    assert_outcome(got, oracle(case, problem))


@pytest.mark.parametrize("case", CASES[:8], ids=str)
def test_float64_keeps_its_digits(case: Case) -> None:
    problem = draw(case.layer, case.shape, seed=1)
    with jax.enable_x64(True):
        got, _ = evaluate(case.layer, problem, dtype=np.float64)
    assert_outcome(got, numpy_oracle(case, problem), 1e-10)


@pytest.mark.parametrize(("dtype", "tolerance"), [(jnp.bfloat16, 2e-2), (jnp.float16, 2e-3)])
@pytest.mark.parametrize("case", [Case(k, (2, 6, 6, 3), 3, 2, "SAME") for k in ("max", "avg", "sum")], ids=str)
def test_half_precision_is_near(case: Case, dtype: Any, tolerance: float) -> None:
    problem = draw(case.layer, case.shape, seed=2)
    # Rounded before, so that the same pixel is the largest.
    problem = problem._replace(x=problem.x.astype(dtype).astype(np.float64))
    assert_outcome(evaluate(case.layer, problem, dtype=dtype)[0], numpy_oracle(case, problem), tolerance)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize(
    ("layer", "one", "wanted"),
    [(fnn.SumPool(64), 1, 4096), (fnn.AvgPool(64), 100, 100), (fnn.GlobalAvgPool, 100, 100)],
    ids=["sum", "avg", "global"],
)
def test_half_precision_sums_in_float32(layer: fnn.Layer, one: int, wanted: int, dtype: Any) -> None:
    """bfloat16 cannot count beyond 256, and 4096 times 100 is more than float16 holds."""
    y = jax.jit(lambda x: layer.apply({}, {}, x, train=False)[0])(jnp.full((1, 64, 64, 1), one, dtype))
    assert y.dtype == dtype
    assert y.ravel().tolist() == [wanted]


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("layer", [fnn.SumPool(8), fnn.AvgPool(8), fnn.GlobalAvgPool], ids=["sum", "avg", "global"])
def test_half_precision_is_rounded_once(layer: fnn.Layer, dtype: Any) -> None:
    x = np.random.default_rng(0).uniform(1, 2, (2, 8, 8, 5)).astype(dtype)
    y = np.asarray(layer.apply({}, {}, jnp.asarray(x), train=False)[0], np.float64).reshape(2, 5)
    exact = x.astype(np.float64).sum((1, 2)) / (1 if layer.name == "sum_pool" else 64)
    assert (np.abs(y - exact) <= (float(jnp.finfo(dtype).eps) / 2 + 1e-6) * exact).all()


def test_cases_cover_what_they_should() -> None:
    assert len(CASES) == len(set(CASES)) >= 58
    for kind, count_padding in [("max", False), ("avg", False), ("avg", True), ("sum", False)]:
        cases = [case for case in CASES if (case.kind, case.count_padding) == (kind, count_padding)]
        assert {len(case.shape) - 2 for case in cases} == {1, 2, 3}
        assert {"SAME", "VALID"} < {case.padding for case in cases}
        assert any(low != high for case in cases for low, high in case.geometry()[2])
        assert any(case.strides is None for case in cases)


@pytest.mark.parametrize(
    ("layer", "wanted"),
    [
        (fnn.MaxPool(2), [[21, 12], [18, 10]]),
        (fnn.AvgPool(2), [[15, 9], [12, 6.5]]),
        (fnn.SumPool(2), [[60, 36], [48, 26]]),
        (fnn.Subsample(), [[21, 8], [8, 4]]),
        (fnn.GlobalAvgPool, [10.625]),
        (fnn.Flatten, [n for row in LECTURE for n in row]),
    ],
    ids=["max", "avg", "sum", "subsample", "global", "flatten"],
)
def test_matrix_of_the_lecture(layer: fnn.Layer, wanted: list[Any]) -> None:
    x = jnp.array(LECTURE, jnp.float32)[None, ..., None]
    y = layer.apply({}, {}, x, train=False)[0]
    assert y.reshape(np.shape(wanted)).tolist() == wanted


@pytest.mark.parametrize("shape", [(2, 5, 3), (2, 5, 4, 3), (2, 3, 4, 5, 2)])
def test_global_average_and_its_gradient(shape: tuple[int, ...]) -> None:
    problem = draw(fnn.GlobalAvgPool, shape, seed=3)
    places = np.prod(shape[1:-1])
    axes = tuple(range(1, len(shape) - 1))
    by_x = np.broadcast_to(np.expand_dims(problem.w, axes) / places, shape)
    assert_outcome(evaluate(fnn.GlobalAvgPool, problem)[0], Outcome(problem.x.sum(axes) / places, {"x": by_x}))


@pytest.mark.parametrize(("stride", "index"), [(3, np.s_[:, ::3, ::3]), ((1, 4), np.s_[:, :, ::4])])
def test_subsample_and_its_gradient(stride: Any, index: tuple[slice, ...]) -> None:
    layer = fnn.Subsample(stride)
    problem = draw(layer, (2, 7, 8, 3), seed=4)
    by_x = np.zeros_like(problem.x)
    by_x[index] = problem.w
    assert_outcome(evaluate(layer, problem)[0], Outcome(problem.x[index], {"x": by_x}), 0)


def test_flatten_is_row_major() -> None:
    problem = draw(fnn.Flatten, (2, 3, 4, 5), seed=5)
    wanted = Outcome(problem.x.reshape(2, 60), {"x": problem.w.reshape(2, 3, 4, 5)})
    assert_outcome(evaluate(fnn.Flatten, problem)[0], wanted, 0)


def test_where_there_is_no_padding_none_is_counted() -> None:
    """An average over whole windows divides by a number; only at padded borders are the pixels counted."""

    def program(layer: fnn.Layer) -> str:
        return str(jax.make_jaxpr(partial(layer.apply, {}, {}, train=False))(jnp.ones((2, 6, 6, 3))))

    whole = program(fnn.AvgPool(2, count_padding=True))
    assert program(fnn.AvgPool(2)) == whole
    assert program(fnn.AvgPool(2, padding=1)) != program(fnn.AvgPool(2, padding=1, count_padding=True))


def test_padding_never_wins() -> None:
    x = jnp.full((1, 3, 3, 1), -5.0)
    y = fnn.MaxPool(2, padding=1).apply({}, {}, x, train=False)[0]
    assert_close(y, np.full((1, 2, 2, 1), -5.0), 0)


@pytest.mark.parametrize("make", [fnn.MaxPool, fnn.AvgPool, fnn.SumPool])
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"window": 0}, "window as an integer of at least 1, got 0"),
        ({"window": 2.0}, r"window as an integer of at least 1, got 2\.0"),
        ({"strides": -1}, "strides as an integer of at least 1, got -1"),
        ({"strides": 0}, "strides as an integer of at least 1, got 0"),
        ({"padding": "same"}, "padding as 'SAME', 'VALID', .*got 'same'"),
        ({"padding": -1}, "padding as .* of at least 0.*got -1"),
        ({"padding": ((1, 1),)}, "different numbers of spatial axes: {'window': 2, .*'padding': 1}"),
    ],
)
def test_bad_arguments_fail_when_the_layer_is_made(
    make: Callable[..., fnn.Layer], arguments: dict[str, Any], text: str
) -> None:
    with pytest.raises(ValueError, match=f"^{make.__name__} .*{text}"):
        make(**{"window": (2, 2)} | arguments)


@pytest.mark.parametrize("stride", [0, -2, (2, 0), "2"])
def test_subsample_expects_positive_strides(stride: Any) -> None:
    with pytest.raises(ValueError, match=r"Subsample expects stride as an integer of at least 1"):
        fnn.Subsample(stride)


@pytest.mark.parametrize("make", [fnn.MaxPool, fnn.AvgPool, fnn.SumPool])
@pytest.mark.parametrize("misspelt", ["stride", "pad", "count_include_pad"])
def test_misspelt_keywords_fail(make: Callable[..., fnn.Layer], misspelt: str) -> None:
    with pytest.raises(TypeError, match=misspelt):
        make(2, **{misspelt: 1})


@pytest.mark.parametrize(
    ("layer", "shape", "text"),
    [
        (fnn.MaxPool(2, padding=2), (1, 8, 8, 1), "MaxPool expects less padding than its window"),
        (fnn.AvgPool((3, 1), padding=((0, 0), (0, 1))), (1, 8, 8, 1), "AvgPool expects less padding than its window"),
        (fnn.SumPool(5), (1, 4, 8, 1), "SumPool's window covers .5, 5. pixels, more than x of spatial shape .4, 8."),
        (fnn.MaxPool(2), (8, 3072), r"MaxPool expects x of shape .*, got \(8, 3072\)"),
        (fnn.MaxPool((2, 2)), (8, 8, 3), r"MaxPool expects x of shape .*, got \(8, 8, 3\)"),
        (fnn.GlobalAvgPool, (8, 3), r"GlobalAvgPool expects x of shape .*, got \(8, 3\)"),
        (fnn.Subsample(2), (8, 3), r"Subsample expects x of shape .*, got \(8, 3\)"),
        (fnn.Flatten, (), r"Flatten expects x of shape \(batch, …\), got \(\)"),
    ],
)
def test_input_that_does_not_fit_fails_in_init(layer: fnn.Layer, shape: tuple[int, ...], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        layer.init(jax.random.key(0), jax.ShapeDtypeStruct(shape, jnp.float32))
