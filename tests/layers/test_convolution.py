"""Conv and ConvTranspose against explicit loops in float64 NumPy, PyTorch and SciPy: outputs and all gradients."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal
from cases import thorough
from oracles import (
    Outcome,
    Pairs,
    Problem,
    assert_close,
    assert_outcome,
    convolution,
    draw,
    evaluate,
    extents,
    pads,
    per_axis,
    torch_leaf,
    torch_or_skip,
    torch_outcome,
    torch_pad,
    transposed_convolution,
)

import fnn


class Case(NamedTuple):
    """One convolution: the input's shape, and the arguments as a user writes them."""

    shape: tuple[int, ...]
    features: int
    kernel: Any
    strides: Any = 1
    padding: Any = "SAME"
    dilation: Any = 1
    groups: int = 1
    bias: bool = True
    transposed: bool = False

    @property
    def layer(self) -> fnn.Layer:
        make = fnn.ConvTranspose if self.transposed else fnn.Conv
        return make(
            self.features,
            self.kernel,
            strides=self.strides,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
            bias=self.bias,
        )

    @property
    def window(self) -> tuple[int, ...]:
        return per_axis(self.kernel, len(self.shape) - 2)

    def geometry(self) -> tuple[tuple[int, ...], Pairs, tuple[int, ...]]:
        """Strides, padding and dilation, one for each axis."""
        sizes = self.shape[1:-1]
        strides, dilation = per_axis(self.strides, len(sizes)), per_axis(self.dilation, len(sizes))
        extent = extents(self.window, dilation)
        if self.transposed and self.padding == "SAME":
            # What SAME pads for the convolution from size · stride pixels back to these.
            sizes = tuple(n * s for n, s in zip(sizes, strides, strict=True))
            padding = tuple(same_cut(*axis) for axis in zip(sizes, extent, strides, strict=True))
        else:
            padding = pads(self.padding, sizes, extent, strides)
        return strides, padding, dilation

    def fits(self) -> bool:
        """Whether at least one pixel comes out."""
        strides, padding, dilation = self.geometry()
        axes = zip(self.shape[1:-1], strides, padding, extents(self.window, dilation), strict=True)
        if self.transposed:
            return all((n - 1) * s + e - low - high >= 1 for n, s, (low, high), e in axes)
        return all(n + low + high >= e for n, _, (low, high), e in axes)


def same_cut(size: int, extent: int, stride: int) -> tuple[int, int]:
    """What to cut so that `size` remain; a window smaller than its stride needs zeros behind: a negative cut."""
    low = max(extent - stride, 0) // 2
    return low, (size // stride - 1) * stride + extent - low - size


def random_case(seed: int, transposed: bool) -> Case:
    rng = np.random.default_rng([seed, transposed])
    axes = int(rng.integers(1, 4))
    lowest = -1 if transposed else 0  # a negative cut adds zeros

    def maybe_one_for_all(low: int, high: int) -> Any:
        numbers = tuple(int(n) for n in rng.integers(low, high + 1, axes))
        return numbers[0] if rng.random() < 0.4 else numbers

    while True:
        groups = int(rng.choice([1, 1, 2, 3]))
        channels, features = (groups * int(n) for n in rng.integers(1, 4, 2))
        pairs = tuple((int(low), int(high)) for low, high in rng.integers(lowest, 4, (axes, 2)))
        case = Case(
            shape=(int(rng.integers(1, 4)), *map(int, rng.integers(1, (12, 8, 5)[axes - 1] + 1, axes)), channels),
            features=features,
            kernel=maybe_one_for_all(1, 4),
            strides=maybe_one_for_all(1, 3),
            padding=("SAME", "VALID", int(rng.integers(0, 3)), pairs)[rng.integers(4)],
            dilation=maybe_one_for_all(1, 2),
            groups=groups,
            bias=bool(rng.integers(2)),
            transposed=transposed,
        )
        if case.fits():
            return case


RANDOM = [
    *(random_case(seed, transposed=False) for seed in range(32)),
    *(random_case(seed, transposed=True) for seed in range(20)),
]
MORE = [
    *(random_case(seed, transposed=False) for seed in range(32, 130)),
    *(random_case(seed, transposed=True) for seed in range(20, 60)),
]
CASES = [
    *RANDOM,
    Case((1, 1, 1, 1), 1, 1),
    Case((1, 1, 1, 1), 2, 3),  # more padding than image
    Case((2, 7, 7, 6), 12, 3, groups=6),  # depthwise
    Case((2, 9, 9, 3), 4, 3, strides=4, padding="VALID"),  # strides larger than the kernel
    Case((2, 8, 8, 3), 4, 1, strides=2),  # ResNet's projection
    Case((2, 8, 8, 3), 4, 3, strides=2),  # SAME pads one side only
    Case((1, 28, 28, 1), 6, 5, padding=2),  # LeNet
    Case((1, 33, 33, 3), 4, 11, strides=4, padding=2),  # AlexNet
    Case((1, 16, 16, 3), 4, 7, strides=2, padding=3),  # ResNet
    Case((2, 9, 2), 3, 3, padding=((2, 0),)),  # causal
    Case((2, 9, 2), 3, 3, dilation=4),
    Case((1, 5, 5, 8), 8, 3, strides=(2, 1), dilation=(1, 2), groups=4),
    Case((1, 4, 4, 2), 3, 2, strides=2, transposed=True),
    Case((1, 4, 4, 2), 3, 3, strides=2, padding=((1, 0), (1, 0)), transposed=True),  # PyTorch's output_padding=1
    Case((1, 3, 3, 2), 3, 1, strides=3, transposed=True),
    Case((1, 1, 1, 4), 4, 2, strides=2, groups=4, transposed=True),
]


@lru_cache(maxsize=4)  # for the next oracle, so that each case is compiled once
def evaluated(case: Case) -> tuple[Problem, Outcome]:
    problem = draw(case.layer, case.shape, seed=len(case.shape))
    return problem, evaluate(case.layer, problem)[0]


def numpy_oracle(case: Case, problem: Problem) -> Outcome:
    oracle = transposed_convolution if case.transposed else convolution
    return oracle(problem, *case.geometry(), case.groups)


def torch_oracle(case: Case, problem: Problem) -> Outcome:
    torch = torch_or_skip()
    strides, padding, dilation = case.geometry()
    axes, groups = len(strides), case.groups
    leaves = {"x": torch_leaf(problem.x)} | {name: torch_leaf(value) for name, value in problem.params.items()}
    x, kernel, bias = leaves["x"].movedim(-1, 1), leaves["kernel"].movedim((-1, -2), (0, 1)), leaves.get("bias")
    if case.transposed:
        # PyTorch wants (channels, features / groups, *window).
        kernel = kernel.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1).contiguous()
        convolve = (torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d)[axes - 1]
        # The bias comes last, because a negative cut adds zeros that it is added to.
        y = convolve(x, kernel, None, stride=strides, dilation=dilation, groups=groups)
        y = torch_pad(y, tuple((-low, -high) for low, high in padding))
        y = y if bias is None else y + bias.reshape(-1, *[1] * axes)
    else:
        convolve = (torch.conv1d, torch.conv2d, torch.conv3d)[axes - 1]
        y = convolve(torch_pad(x, padding), kernel, bias, stride=strides, dilation=dilation, groups=groups)
    return torch_outcome(y, problem.w, leaves)


@pytest.mark.parametrize("oracle", [numpy_oracle, torch_oracle])
@pytest.mark.parametrize("case", [*CASES, *thorough(MORE)], ids=str)
def test_equals_oracle(case: Case, oracle: Callable[[Case, Problem], Outcome]) -> None:
    problem, got = evaluated(case)
    assert_outcome(got, oracle(case, problem))


@pytest.mark.parametrize("case", [*RANDOM[:6], *RANDOM[-4:]], ids=str)
def test_float64_keeps_its_digits(case: Case) -> None:
    problem = draw(case.layer, case.shape, seed=1)
    with jax.enable_x64(True):
        got, _ = evaluate(case.layer, problem, dtype=np.float64)
    assert_outcome(got, numpy_oracle(case, problem), 1e-10)


@pytest.mark.parametrize(("dtype", "tolerance"), [(jnp.bfloat16, 3e-2), (jnp.float16, 4e-3)])
@pytest.mark.parametrize("transposed", [False, True])
def test_half_precision_is_near(transposed: bool, dtype: Any, tolerance: float) -> None:
    case = Case((2, 6, 6, 4), 6, 3, strides=2, groups=2, transposed=transposed)
    problem = draw(case.layer, case.shape, seed=2)
    assert_outcome(evaluate(case.layer, problem, dtype=dtype)[0], numpy_oracle(case, problem), tolerance)


def test_cases_cover_what_they_should() -> None:
    assert len(CASES) == len(set(CASES)) >= 60
    for transposed in (False, True):
        cases = [case for case in CASES if case.transposed == transposed]
        assert {len(case.shape) - 2 for case in cases} == {1, 2, 3}
        assert {"SAME", "VALID", 0, 1, 2} < {case.padding for case in cases}
        assert any(isinstance(c.padding, tuple) and any(low != high for low, high in c.padding) for c in cases)
        assert any(c.groups > 1 and c.dilation != 1 and c.strides != 1 for c in cases)
        assert any(len(c.shape) == 5 and c.groups > 1 for c in cases)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize(("size", "kernel", "strides"), [(8, 3, 2), (6, 2, 3), (5, 4, 1), (9, 3, 3)])
def test_transpose_is_the_adjoint_of_conv(size: int, kernel: int, strides: int, padding: str) -> None:
    """⟨w, Conv(x)⟩ = ⟨ConvTranspose(w), x⟩ where the second kernel swaps channels and features."""
    conv = fnn.Conv(4, kernel, strides=strides, padding=padding, bias=False)
    problem = draw(conv, (2, size, size, 3), seed=3)
    back = fnn.ConvTranspose(3, kernel, strides=strides, padding=padding, bias=False)
    swapped = {"kernel": problem.params["kernel"].swapaxes(-1, -2)}
    outcome, _ = evaluate(conv, problem)
    by_x = outcome.gradients["x"]
    if padding == "SAME" and size % strides:
        pytest.fail("a case for SAME must have a stride that divides its size")
    y = np.asarray(back.apply(swapped, {}, jnp.asarray(problem.w, jnp.float32), train=False)[0])
    # Pixels that no window covers have no gradient and are not in ConvTranspose's output.
    assert_close(y, by_x[:, : y.shape[1], : y.shape[2]])
    assert not by_x[:, y.shape[1] :].any()
    assert not by_x[:, :, y.shape[2] :].any()


def test_no_images_give_no_images() -> None:
    layer = fnn.Conv(4, 3)
    x = jnp.zeros((0, 5, 5, 3))
    assert layer.apply(layer.init(jax.random.key(0), x)[0], {}, x, train=False)[0].shape == (0, 5, 5, 4)


def test_six_filters_of_the_lecture() -> None:
    x = jnp.ones((1, 32, 32, 3))
    layer = fnn.Conv(6, 5, padding="VALID")
    params, state = layer.init(jax.random.key(0), x)
    assert layer.apply(params, state, x, train=False)[0].shape == (1, 28, 28, 6)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 456


@pytest.mark.parametrize(
    ("size", "kernel", "strides", "padding", "places"),
    [(7, 3, 1, 0, 5), (7, 3, 2, 0, 3), (7, 3, 1, 1, 7), (32, 5, 1, 2, 32), (227, 11, 4, 0, 55), (224, 11, 4, 2, 55)],
)
def test_output_size_is_the_formula_of_the_lecture(
    size: int, kernel: int, strides: int, padding: int, places: int
) -> None:
    layer = fnn.Conv(1, kernel, strides=strides, padding=padding)
    x = jax.ShapeDtypeStruct((1, size, size, 1), jnp.float32)
    params, _ = jax.eval_shape(layer.init, jax.random.key(0), x)
    y, _ = jax.eval_shape(lambda p, x: layer.apply(p, {}, x, train=False), params, x)
    assert y.shape == (1, places, places, 1)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize(("padding", "mode"), [("VALID", "valid"), ("SAME", "same")])
def test_convolution_flips_the_kernel_and_correlation_does_not(axes: int, padding: str, mode: str) -> None:
    rng = np.random.default_rng(4)
    x, kernel = rng.normal(size=(8,) * axes), rng.normal(size=(3,) * axes)
    layer = fnn.Conv(1, (3,) * axes, padding=padding, bias=False)

    def apply(kernel: np.ndarray) -> np.ndarray:
        params = {"kernel": jnp.asarray(kernel[..., None, None], jnp.float32)}
        return np.asarray(layer.apply(params, {}, jnp.asarray(x[None, ..., None], jnp.float32), train=False)[0])[
            0, ..., 0
        ]

    assert_close(apply(kernel), scipy.signal.correlate(x, kernel, mode), 1e-5)
    assert_close(apply(np.flip(kernel)), scipy.signal.convolve(x, kernel, mode), 1e-5)


@pytest.mark.parametrize("make", [fnn.Conv, fnn.ConvTranspose])
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"features": 0}, "features as an integer of at least 1, got 0"),
        ({"features": 2.0}, r"features as an integer of at least 1, got 2\.0"),
        ({"features": True}, "features as an integer of at least 1, got True"),
        ({"kernel": 0}, "kernel as an integer of at least 1, got 0"),
        ({"kernel": (3, 0)}, "kernel as an integer of at least 1, got 0"),
        ({"kernel": ()}, r"kernel as an int or one int for each spatial axis, got \(\)"),
        ({"kernel": (3, 3, 3, 3)}, "kernel as an int or one int for each spatial axis"),
        ({"strides": -1}, "strides as an integer of at least 1, got -1"),
        ({"strides": (1, 0)}, "strides as an integer of at least 1, got 0"),
        ({"dilation": 0}, "dilation as an integer of at least 1, got 0"),
        ({"padding": "same"}, "padding as 'SAME', 'VALID', .*got 'same'"),
        ({"padding": 1.0}, r"padding as 'SAME', 'VALID', .*got 1\.0"),
        ({"padding": (1, 1)}, r"padding as 'SAME', .*got \(1, 1\)"),
        ({"padding": ((1, 1, 1), (1, 1, 1))}, "padding as 'SAME'"),
        ({"padding": ((1, 1),)}, "different numbers of spatial axes: {'kernel': 2, 'padding': 1}"),
        ({"strides": (1, 1, 1)}, "different numbers of spatial axes: {'kernel': 2, 'strides': 3}"),
        ({"groups": 0}, "groups as an integer of at least 1, got 0"),
        ({"groups": 4}, "cannot split 6 features into 4 groups"),
        ({"kernel_init": "xavier"}, "no initializer 'xavier'. Choose one of zeros, ones, "),
    ],
)
def test_bad_arguments_fail_when_the_layer_is_made(
    make: Callable[..., fnn.Layer], arguments: dict[str, Any], text: str
) -> None:
    good: dict[str, Any] = {"features": 6, "kernel": (3, 3)}
    make(**good)
    with pytest.raises(ValueError, match=f"^{'Conv' if make is fnn.Conv else 'ConvTranspose'} .*{text}"):
        make(**good | arguments)


def test_only_the_transpose_takes_negative_padding() -> None:
    fnn.ConvTranspose(1, 3, padding=-1)
    for padding in (-1, ((0, -1), (0, 0))):
        with pytest.raises(ValueError, match=r"Conv expects padding .* of at least 0"):
            fnn.Conv(1, 3, padding=padding)


@pytest.mark.parametrize("make", [fnn.Conv, fnn.ConvTranspose])
@pytest.mark.parametrize("misspelt", ["stride", "pad", "use_bias", "group"])
def test_misspelt_keywords_fail(make: Callable[..., fnn.Layer], misspelt: str) -> None:
    with pytest.raises(TypeError, match=misspelt):
        make(6, 3, **{misspelt: 1})


@pytest.mark.parametrize(
    ("layer", "shape", "text"),
    [
        (fnn.Conv(6, 5), (8, 3072), r"Conv expects x of shape \(batch, height, width, channels\), got \(8, 3072\)"),
        (
            fnn.Conv(6, (5, 5)),
            (8, 9, 3),
            r"Conv expects x of shape \(batch, height, width, channels\), got \(8, 9, 3\)",
        ),
        (fnn.Conv(6, 5, padding="VALID"), (1, 4, 9, 3), "covers .5, 5. pixels, more than x of spatial shape .4, 9."),
        (fnn.Conv(6, 3, dilation=3, padding=1), (1, 4, 9, 3), "covers .7, 7. pixels, more than x"),
        (fnn.Conv(6, 3, groups=2), (1, 4, 4, 3), "Conv cannot split the 3 channels of x into 2 groups"),
        (fnn.ConvTranspose(6, 3, padding=2), (1, 2, 2, 3), "ConvTranspose's padding .* cuts all of the output"),
    ],
)
def test_input_that_does_not_fit_fails_in_init(layer: fnn.Layer, shape: tuple[int, ...], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        layer.init(jax.random.key(0), jax.ShapeDtypeStruct(shape, jnp.float32))
