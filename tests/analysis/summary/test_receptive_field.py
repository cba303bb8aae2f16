"""What an output pixel sees, against the support of the gradient on a real input."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import Phase, given, reject, settings
from hypothesis import strategies as st
from jax import lax

import fnn

SHAPE = (1, 70, 61, 1)


def positive(key: jax.Array, shape: tuple[int, ...], dtype: Any) -> jax.Array:
    """Kernels under which nothing cancels."""
    return jax.random.uniform(key, shape, dtype, 0.5, 1.5)


@st.composite
def layers(draw: st.DrawFn, kinds: tuple[str, ...]) -> fnn.Layer:
    pair = lambda least, most: tuple(draw(st.integers(least, most)) for _ in range(2))  # noqa: E731
    kind, kernel, strides, dilation = draw(st.sampled_from(kinds)), pair(1, 4), pair(1, 3), pair(1, 2)
    padding = draw(st.sampled_from(["SAME", "VALID", ((0, 2), (1, 0))]))
    conv = partial(fnn.Conv, 2, kernel, dilation=dilation, kernel_init=positive)
    if kind == "conv":
        return conv(strides=strides, padding=padding)
    if kind == "pool":
        return fnn.AvgPool(tuple(k + 2 for k in kernel), strides=strides, padding=padding)
    if kind == "subsample":
        return fnn.Subsample(strides)
    if kind == "branch":
        return fnn.branch(fnn.Identity, conv())
    if kind == "transpose":
        return fnn.ConvTranspose(2, kernel, strides=strides, kernel_init=positive)
    return fnn.Softplus


WITHOUT_GAPS = ("conv", "conv", "pool", "subsample", "branch", "activation")


def support(layer: fnn.Layer, shape: tuple[int, ...], places: list[tuple[int, ...]]) -> list[tuple[np.ndarray, ...]]:
    """For each place of the output: the pixels of the input that its gradient reaches, along each spatial axis."""
    with jax.enable_x64(True):
        x = jnp.asarray(np.random.default_rng(0).uniform(0.5, 1, shape))
        params, state = layer.init(jax.random.key(0), x)

        @jax.jit
        def gradient(*place: jax.Array) -> jax.Array:
            def value(x: jax.Array) -> jax.Array:
                y = layer.apply(params, state, x, train=False)[0]
                return jnp.sum(y[(0, *place)])

            return jax.grad(value)(x)

        reached = [np.abs(np.asarray(gradient(*place))[0]).sum(-1) for place in places]
    hits = [np.nonzero(g > 1e-9 * g.max()) for g in reached]
    return [tuple(np.unique(axis) for axis in hit) for hit in hits]


def compare(layer: fnn.Layer, places: int) -> list[tuple[float, float, int, int, float]]:
    """For some pixels at the middle of the output, along each axis: first and last pixel seen, as told and as found.

    And the stride. What hangs over the border of the image is left out.
    """
    try:
        total = fnn.summarize(layer, jax.ShapeDtypeStruct(SHAPE, jnp.float32)).total
    except ValueError as error:
        if "window covers" not in str(error):
            raise
        reject()  # the last layers' images are smaller than their windows
    field, sizes = total.receptive_field, total.output.shape[1:-1]
    assert field is not None
    starts = [max(0, (n - places) // 2) for n in sizes]
    chosen = [tuple(min(start + i, n - 1) for start, n in zip(starts, sizes, strict=True)) for i in range(places)]
    found = []
    for place, seen in zip(chosen, support(layer, SHAPE, chosen), strict=True):
        for axis, pixels in enumerate(seen):
            size, stride, centre = field.size[axis], field.stride[axis], field.centre[axis]
            assert size is not None
            assert stride is not None
            assert centre is not None
            middle = centre + stride * place[axis]
            low, high = middle - (size - 1) / 2, middle + (size - 1) / 2
            if low >= 0 and high <= SHAPE[1 + axis] - 1 and len(pixels):
                found.append((low, high, int(pixels.min()), int(pixels.max()), stride))
    return found


def check_equal(parts: list[fnn.Layer]) -> None:
    for low, high, first, last, _ in compare(fnn.serial(*parts), 2):
        assert (low, high) == (first, last)


def check_bound(parts: list[fnn.Layer]) -> None:
    for low, high, first, last, _ in compare(fnn.serial(*parts), 3):
        assert low - 1 < first <= last < high + 1


QUICK = settings(max_examples=5, deadline=None, derandomize=True, database=None, phases=[Phase.generate])


@QUICK
@given(st.lists(layers(WITHOUT_GAPS), min_size=1, max_size=4))
def test_random_networks(parts: list[fnn.Layer]) -> None:
    check_equal(parts)


@settings(QUICK, max_examples=2)
@given(layers(WITHOUT_GAPS), layers(("transpose",)), layers(WITHOUT_GAPS))
def test_with_a_transposed_convolution_it_is_a_bound(before: fnn.Layer, it: fnn.Layer, after: fnn.Layer) -> None:
    check_bound([before, it, after])


@pytest.mark.thorough
@settings(max_examples=150, deadline=None)
@given(st.lists(layers(WITHOUT_GAPS), min_size=1, max_size=5))
def test_many_random_networks(parts: list[fnn.Layer]) -> None:
    check_equal(parts)


@pytest.mark.thorough
@settings(max_examples=100, deadline=None)
@given(st.lists(layers((*WITHOUT_GAPS, "transpose")), min_size=1, max_size=4))
def test_many_with_transposed_convolutions(parts: list[fnn.Layer]) -> None:
    check_bound(parts)


def layer_of(function: Any) -> fnn.Layer:
    return fnn.stateless(lambda key, x: {}, lambda params, x: function(x), name="mine")


def pool_by_reshape(x: jax.Array) -> jax.Array:
    n, length, channels = x.shape
    return x.reshape(n, length // 2, 2, channels).mean(2)


def two_looks_ahead(x: jax.Array) -> jax.Array:
    """A loop, each turn of which looks one pixel further."""
    step = lambda x, _: (x + jnp.pad(x, ((0, 0), (0, 1), (0, 0)))[:, 1:], None)  # noqa: E731
    return lax.scan(step, x, length=2)[0]


def window_of(x: jax.Array) -> jax.Array:
    return lax.conv_general_dilated(
        x, jnp.ones((3, x.shape[-1], 2)), (2,), [(1, 0)], lhs_dilation=(2,), dimension_numbers=("NHC", "HIO", "NHC")
    )


@jax.custom_vjp
def smoothed(x: jax.Array) -> jax.Array:
    return x[:, 2:] + x[:, :-2]


smoothed.defvjp(lambda x: (smoothed(x), None), lambda _, y: (jnp.pad(y, ((0, 0), (2, 0), (0, 0))),))

FUNCTIONS = {
    # (size, stride, centre) of the first place, by hand; along the 12 pixels of (1, 12, 4)
    "shift": (lambda x: x[:, 3:] - x[:, :-3], (4, 1, 1.5)),
    "slice": (lambda x: x[:, 1::3], (1, 3, 1)),
    "reverse": (lambda x: x[:, ::-1], (1, -1, 11)),
    "pool by a reshape": (pool_by_reshape, (2, 2, 0.5)),
    "space to depth": (lambda x: x.reshape(1, 6, 8), (2, 2, 0.5)),
    "repeat": (lambda x: jnp.broadcast_to(x[:, :, None], (1, 12, 2, 4)).reshape(1, 24, 4), (1, 0.5, -0.25)),
    "rearrange": (lambda x: jnp.swapaxes(jnp.swapaxes(x, 1, 2) * 2, 1, 2), (1, 1, 0)),
    "two loops": (two_looks_ahead, (3, 1, 1)),
    "jit and checkpoint": (jax.jit(jax.checkpoint(lambda x: x[:, 1:] * x[:, :-1])), (2, 1, 0.5)),
    "custom derivative": (smoothed, (3, 1, 1)),
    "vmap": (jax.vmap(lambda x: x[2:] * x[:-2]), (3, 1, 1)),
    "cond": (
        lambda x: lax.cond(x.shape[1] > jnp.arange(3).sum(), lambda x: x[:, 1:], lambda x: x[:, :-1], x),
        (2, 1, 0.5),
    ),
    "transposed": (window_of, (1, 1, 0)),
    "dynamic slice at a known place": (lambda x: lax.dynamic_slice(x, (0, 2, 0), (1, 5, 4)), (1, 1, 2)),
    "gathered channels": (lambda x: x[:, :, np.array([2, 0])], (1, 1, 0)),
    "concatenation": (lambda x: jnp.concatenate([jnp.zeros((1, 3, 4)), x[:, 2:]], axis=1), (1, 1, -1)),
    "split": (lambda x: jnp.split(x, 3, axis=1)[1], (1, 1, 4)),
    "largest under a window": (
        lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 1), (1, 2, 1), "VALID", window_dilation=(1, 2, 1)),
        (5, 2, 2),
    ),
    "sum of three": (lambda x: jnp.stack([x[:, :10], x[:, 1:11], x[:, 2:]]).sum(0), (3, 1, 1)),
    "cut and padded": (lambda x: lax.pad(x, 0.0, ((0, 0, 0), (-1, 2, 1), (0, 0, 0))), (1, 0.5, 0.5)),
    # everything
    "attention": (lambda x: jax.nn.softmax(x @ jnp.swapaxes(x, 1, 2)) @ x, (12, None, 5.5)),
    "gate": (lambda x: x * x.mean(1, keepdims=True), (12, None, 5.5)),
    "Fourier transform": (lambda x: jnp.real(jnp.fft.fft(x, axis=1)), (12, None, 5.5)),
    "sum of a part": (lambda x: x[:, 2:5].sum(1), (3, None, 3)),
    # no window
    "running sum": (lambda x: jnp.cumsum(x, axis=1), (None, None, None)),
    "sort": (lambda x: jnp.sort(x, axis=1), (None, None, None)),
    "gathered pixels": (lambda x: x[:, np.array([5, 1, 7])], (None, None, None)),
    "two orders": (lambda x: x + x[:, ::-1], (None, None, None)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_layers_of_your_own(name: str) -> None:
    function, expected = FUNCTIONS[name]
    summary = fnn.summarize(layer_of(function), jax.ShapeDtypeStruct((1, 12, 4), jnp.float32))
    field = summary.total.receptive_field
    assert field is not None
    assert (field.size[0], field.stride[0], field.centre[0]) == expected
    assert not any("taken to see" in note for note in summary.notes)
    assert field.whole == (expected[:2] == (12, None),)


def test_a_primitive_without_a_rule_is_told() -> None:
    layer = layer_of(lambda x: jnp.linalg.cholesky(jnp.swapaxes(x, 1, 2) @ x))
    summary = fnn.summarize(layer, jax.ShapeDtypeStruct((1, 12, 4), jnp.float32))
    assert any("cholesky" in note for note in summary.notes)
    loop = layer_of(lambda x: lax.while_loop(lambda x: jnp.sum(x) > 1, lambda x: x[:, ::-1] * 0.5, x))
    summary = fnn.summarize(loop, jax.ShapeDtypeStruct((1, 12, 4), jnp.float32))
    assert any("while" in note and "everything" in note for note in summary.notes)
    field = summary.total.receptive_field
    assert field is not None
    assert field.size == (None,)


def test_every_input_has_its_own() -> None:
    wires = {"a": ("left", "l"), "b": ("right", "r"), "y": (jnp.add, "a", "b")}
    net = fnn.graph(wires, inputs=("l", "r"), left=fnn.Conv(2, 3), right=fnn.Conv(2, 5, strides=2))
    shapes = tuple(jax.ShapeDtypeStruct((1, n, n, 1), jnp.float32) for n in (6, 12))
    summary = fnn.summarize(net, shapes)
    fields = {field.input: (field.size, field.stride) for field in summary.total.receptive_fields}
    assert fields == {"0": ((3, 3), (1, 1)), "1": ((5, 5), (2, 2))}
    assert summary.total.receptive_field is None
    assert [len(row.receptive_fields) for row in summary.rows] == [1, 1]


@pytest.mark.parametrize(
    ("layer", "unseen"),
    [
        (fnn.Conv(1, 3, strides=2, padding="VALID"), (1, 0)),  # of 12 and 11 pixels
        (fnn.Conv(1, 3, strides=2), (0, 0)),
        (fnn.MaxPool(5), (2, 1)),
        (fnn.Conv(1, 1, strides=3), (8, 7)),
        (fnn.Subsample((1, 2)), (0, 5)),
        (fnn.serial(fnn.Conv(1, 3, strides=2, padding="VALID"), fnn.MaxPool(2)), (3, 2)),
        (fnn.GlobalAvgPool, (0, 0)),
        (fnn.Flatten, (0, 0)),
    ],
)
def test_unseen_pixels(layer: fnn.Layer, unseen: tuple[int, ...]) -> None:
    shape = (1, 12, 11, 1)
    assert fnn.summarize(layer, jax.ShapeDtypeStruct(shape, jnp.float32)).total.unseen == unseen


def test_the_lectures_example_of_a_stride_that_does_not_divide() -> None:
    """A 7×7 image under a 3×3 kernel: stride 2 fits, stride 3 leaves a row and a column."""
    shape = jax.ShapeDtypeStruct((1, 7, 7, 1), jnp.float32)
    rows = [fnn.summarize(fnn.Conv(1, 3, strides=s, padding="VALID"), shape).total for s in (1, 2, 3)]
    assert [row.unseen for row in rows] == [(0, 0), (0, 0), (1, 1)]


def test_the_gradient_agrees_with_the_first_cases() -> None:
    """The oracle itself, on a case by hand."""
    conv = partial(fnn.Conv, 1, kernel_init=positive)
    net = fnn.serial(conv((3, 1), strides=2), conv((2, 3), padding="VALID"))
    ((rows, columns),) = support(net, (1, 20, 21, 1), [(4, 5)])
    assert (rows.min(), rows.max()) == (8, 12)  # 3 + (2 − 1)·2 pixels from (4·2, SAME pads none below at 20)
    assert (columns.min(), columns.max()) == (10, 14)
