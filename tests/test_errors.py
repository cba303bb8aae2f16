"""Errors say what was expected, what came and where, before anything is compiled."""

import re
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnn
from fnn.layers import Conv, Dense

SDS = jax.ShapeDtypeStruct
IMAGES, ROWS = SDS((8, 6, 6, 3), jnp.float32), SDS((8, 3072), jnp.float32)
KEY = jax.random.key(0)


def init(layer: fnn.Layer, x: Any) -> Any:
    """Initializes without computing: shapes only, so nothing is compiled."""
    return jax.eval_shape(layer.init, KEY, x)


def apply(layer: fnn.Layer, params: Any, state: Any, x: Any, *, train: bool = False) -> Any:
    """Applies without computing."""
    return jax.eval_shape(partial(layer.apply, train=train), params, state, x)


def places(error: BaseException) -> list[str]:
    """The notes that say where; JAX adds others of its own about tracebacks."""
    return [note for note in getattr(error, "__notes__", []) if "in layer" in note]


def raised(run: Callable[[], Any], kind: type[Exception], text: str) -> list[str]:
    with pytest.raises(kind, match=text) as caught:
        run()
    return places(caught.value)


def test_the_example_of_the_design():
    net = fnn.serial(features=fnn.serial(conv1=Conv(6, 5), act=fnn.Relu), flat=fnn.Flatten, head=Dense(10))
    with pytest.raises(ValueError, match="Conv expects") as caught:
        init(net, ROWS)
    said = str(caught.value)
    assert said.startswith("Conv expects x of shape (batch, height, width, channels), got (8, 3072).")
    assert places(caught.value) == ["  in layer 'features/conv1', given x of shape (8, 3072)"]
    params, state = init(net, IMAGES)
    with pytest.raises(ValueError, match=re.escape("(batch, height, width, channels), got (8, 3072).")) as caught:
        apply(net, params, state, ROWS)
    assert places(caught.value) == ["  in layer 'features/conv1', given x of shape (8, 3072)"]


# What a leaf says, alone and at the head of a network.

WRONG_INPUT = {
    "rank": (Conv(4, 3), ROWS, ValueError, r"Conv expects x of shape \(batch, height, .*got \(8, 3072\)"),
    "rank of a scalar": (Dense(3), SDS((), jnp.float32), ValueError, r"Dense expects x of shape .*got \(\)"),
    "rank for a 1-D kernel": (Conv(4, (3,)), IMAGES, ValueError, r"\(batch, length, channels\), got \(8, 6, 6, 3\)"),
    "rank of one vector": (
        fnn.BatchNorm(), SDS((8,), jnp.float32), ValueError, r"BatchNorm expects x of shape .*got \(8,\)",
    ),
    "channels and groups": (Conv(4, 3, groups=2), IMAGES, ValueError, "3 channels of x into 2 groups"),
    "channels and groups of GroupNorm": (fnn.GroupNorm(2), IMAGES, ValueError, "3 channels of x into 2 groups"),
    "kernel too large": (
        Conv(4, 7, padding="VALID"), IMAGES, ValueError,
        r"Conv's window covers \(7, 7\) pixels, more than x of spatial shape \(6, 6\).*smaller window, more padding",
    ),
    "pool too large": (fnn.MaxPool(7), IMAGES, ValueError, r"MaxPool's window covers \(7, 7\) pixels.*\(6, 6\)"),
    "integers": (
        Conv(4, 3), SDS((8, 6, 6, 3), jnp.uint8), TypeError, r"Conv expects floating-point x, got uint8.*astype"
    ),
    "integers for an activation": (fnn.Relu, SDS((8,), jnp.int32), TypeError, "expects floating-point x, got int32"),
    "integers for dropout": (fnn.Dropout(), SDS((8,), jnp.int32), TypeError, "Dropout expects floating-point x"),
    "tuple": (Dense(3), (ROWS, ROWS), ValueError, r"Dense expects .* got a tuple of 2: \(\(8, 3072\), \(8, 3072\)\)"),
    "tuple for a normalization": (fnn.BatchNorm(), (ROWS,), ValueError, "BatchNorm expects .* got a tuple of 1"),
    "tuple for a pool": (fnn.MaxPool(2), (IMAGES,), ValueError, "MaxPool expects .* got a tuple of 1"),
    "tuple for an activation": (fnn.Relu, (ROWS, ROWS), ValueError, "relu expects one array x, got a tuple of 2"),
    "dict": (Dense(3), {"image": ROWS}, ValueError, r"Dense expects .* got \{image: \(8, 3072\)\}"),
    "nothing": (Dense(3), None, ValueError, "Dense expects .* got None"),
}  # fmt: skip


@pytest.mark.parametrize(("layer", "x", "kind", "text"), WRONG_INPUT.values(), ids=WRONG_INPUT)
def test_a_wrong_input_is_refused_at_init(layer, x, kind, text):
    assert raised(lambda: init(layer, x), kind, text) == []
    (place,) = raised(lambda: init(fnn.serial(a=fnn.serial(leaf=layer)), x), kind, text)
    assert place.startswith("  in layer 'a/leaf', given ")
    assert not hasattr(x, "shape") or place.endswith(f"given x of shape {x.shape}")


@pytest.mark.parametrize(("layer", "x", "kind", "text"), WRONG_INPUT.values(), ids=WRONG_INPUT)
def test_a_wrong_input_is_refused_at_tracing_too(layer, x, kind, text):
    """With parameters for another input: what the input lacks is said first."""
    params, state = init(Dense(3), SDS((8, 2), jnp.float32)) if layer.name == "dense" else ({}, {})
    assert raised(lambda: apply(layer, params, state, x), kind, text) == []


def test_what_has_a_shape_is_not_yet_an_array():
    with pytest.raises(ValueError, match=r"Dense expects x of shape .* got \(8, 3\)"):
        Dense(3).init(KEY, SimpleNamespace(shape=(8, 3)))


def test_other_ranks_are_hinted_at_where_they_would_do():
    for layer, hint in ((fnn.MaxPool(2), " One and three spatial axes work too."), (fnn.MaxPool((2, 2)), "")):
        with pytest.raises(ValueError, match="MaxPool expects") as caught:
            layer.init(KEY, ROWS)
        assert str(caught.value).endswith(f", got (8, 3072).{hint}")


def test_a_batch_of_one_has_no_variance():
    norm, x = fnn.BatchNorm(), SDS((1, 4), jnp.float32)
    params, state = init(norm, x)
    says = r"more than one value.*\(1, 4\).*larger batch"
    assert raised(lambda: apply(norm, params, state, x, train=True), ValueError, says) == []


def test_a_missing_key_is_named_with_its_place():
    net = fnn.serial(body=fnn.residual(fnn.serial(fnn.Relu, drop=fnn.Dropout())))
    says = r"Dropout needs a key when train=True: pass apply\(…, train=True, key=jax.random.key\(seed\)\)"
    assert raised(lambda: apply(net, {}, {}, ROWS, train=True), ValueError, says) == [
        "  in layer 'body/body/drop', given x of shape (8, 3072)"
    ]


# Where: the whole path, in one note, through every combinator.

INSIDE = fnn.serial(fnn.Relu, conv=Conv(3, 3, padding="VALID"), pool=fnn.MaxPool(9))


def in_graph(layer):
    return fnn.graph({"h": (jnp.sin, "x"), "y": ("layer", "h")}, layer=layer)


PATHS = {
    "three serials": (fnn.serial(a=fnn.serial(b=INSIDE)), "a/b/pool"),
    "positional": (fnn.serial(fnn.serial(fnn.Relu, INSIDE)), "serial1/serial1/pool"),
    "residual": (fnn.serial(a=fnn.residual(INSIDE)), "a/body/pool"),
    "shortcut": (fnn.serial(a=fnn.residual(fnn.Relu, shortcut=INSIDE)), "a/shortcut/pool"),
    "branch": (fnn.serial(a=fnn.branch(fnn.Relu, b=INSIDE)), "a/b/pool"),
    "graph": (fnn.serial(a=in_graph(INSIDE)), "a/layer/pool"),
    "repeat": (fnn.serial(a=fnn.repeat(INSIDE, 2)), "a/pool"),
    "repeat, unrolled": (fnn.serial(a=fnn.repeat(INSIDE, 2, unroll=True)), "a/pool"),
    "remat": (fnn.serial(a=fnn.remat(INSIDE)), "a/pool"),
    "frozen": (fnn.serial(a=fnn.frozen(INSIDE)), "a/pool"),
    "mixed_precision": (fnn.serial(a=fnn.mixed_precision(INSIDE)), "a/pool"),
    "all of them": (
        fnn.mixed_precision(
            fnn.serial(
                a=fnn.remat(fnn.residual(fnn.serial(b=fnn.branch(c=in_graph(fnn.frozen(fnn.repeat(INSIDE, 2)))))))
            )
        ),
        "a/body/b/c/layer/pool",
    ),
}


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize(("net", "path"), PATHS.values(), ids=PATHS)
def test_one_note_carries_the_whole_path(net, path, jit):
    where = [f"  in layer '{path}', given x of shape (8, 4, 4, 3)"]
    run = jax.jit(net.init).lower if jit else net.init  # lowering traces and compiles nothing
    text = r"MaxPool's window covers \(9, 9\) pixels, more than x of spatial shape \(4, 4\)"
    assert raised(lambda: run(KEY, IMAGES if jit else jnp.ones(IMAGES.shape)), ValueError, text) == where


@pytest.mark.parametrize(("net", "path"), PATHS.values(), ids=PATHS)
def test_one_note_carries_the_whole_path_when_applied(net, path):
    """No parameters reach the convolution: what it was given to learn is said, and where it stands."""
    text = r"Conv expects parameters kernel \(3, 3, 3, 3\), bias \(3,\) for this input, got none"
    path = path.removesuffix("pool") + "conv"
    where = [f"  in layer '{path}', given x of shape (8, 6, 6, 3)"]
    assert raised(lambda: apply(net, {}, {}, IMAGES), ValueError, text) == where


def test_parallel_names_the_part_that_does_not_fit():
    net = fnn.serial(both=fnn.parallel(left=Conv(4, 3), right=fnn.serial(head=Conv(4, 3))))
    note = raised(lambda: init(net, (IMAGES, ROWS)), ValueError, "Conv expects x of shape")
    assert note == ["  in layer 'both/right/head', given x of shape (8, 3072)"]


def test_a_function_of_a_graph_is_named_by_its_wire():
    net = fnn.serial(a=fnn.graph({"h": (jnp.transpose, "x"), "y": (jnp.dot, "h", "h")}))
    note = raised(lambda: init(net, SDS((2, 3), jnp.float32)), TypeError, "dot")
    assert note == ["  in layer 'a/y', given a tuple of 2: ((3, 2), (3, 2))"]


# Shapes that do not meet.


def test_branches_that_do_not_fit_name_each_ones_shape():
    net = fnn.serial(stem=fnn.branch(conv=Conv(4, 3), pool=fnn.MaxPool(2)))
    text = r"branch concatenates.*got \{conv: \(8, 6, 6, 4\), pool: \(8, 3, 3, 3\)\}.*join"
    assert raised(lambda: init(net, IMAGES), ValueError, text) == ["  in layer 'stem', given x of shape (8, 6, 6, 3)"]


def test_a_residual_that_changes_the_shape_suggests_a_projection():
    net = fnn.serial(block=fnn.residual(Conv(4, 3)))
    text = r"residual adds .*\(8, 6, 6, 4\).*\(8, 6, 6, 3\).*shortcut that projects.*residual\(body, shortcut=Conv\("
    assert raised(lambda: init(net, IMAGES), ValueError, text) == ["  in layer 'block', given x of shape (8, 6, 6, 3)"]


def test_a_repeated_block_that_changes_the_shape_names_both():
    net = fnn.serial(body=fnn.repeat(Conv(4, 3), 2))
    text = r"keep its shape: \(8, 6, 6, 3\) became \(8, 6, 6, 4\)"
    assert raised(lambda: init(net, IMAGES), ValueError, text) == ["  in layer 'body', given x of shape (8, 6, 6, 3)"]


# Trees that are another network's.

NET = fnn.serial(body=fnn.serial(conv=Conv(4, 3), norm=fnn.BatchNorm()), flat=fnn.Flatten, head=Dense(2))


def test_parameters_of_another_network():
    params, state = init(NET, IMAGES)
    other, _ = init(fnn.serial(stem=Conv(4, 3), head=Dense(2)), IMAGES)
    text = r"no layers for the parameters \['stem'\]; its layers are \['body', 'flat', 'head'\].*another network"
    assert raised(lambda: apply(NET, other, state, IMAGES), ValueError, text) == []
    inner = {**params, "body": {**params["body"], "extra": {}}}
    assert raised(lambda: apply(NET, inner, state, IMAGES), ValueError, "no layers for .*extra") == [
        "  in layer 'body', given x of shape (8, 6, 6, 3)"
    ]


def test_parameters_for_another_input():
    params, state = init(NET, IMAGES)
    larger = SDS((8, 7, 6, 3), jnp.float32)
    text = r"Dense expects parameters kernel \(168, 2\), bias \(2,\) for this input, got .*kernel \(144, 2\)"
    assert raised(lambda: apply(NET, params, state, larger), ValueError, text) == [
        "  in layer 'head', given x of shape (8, 168)"
    ]


def test_a_truncated_tree():
    params, state = init(NET, IMAGES)
    without_head = {"body": params["body"]}
    without_kernel = {**params, "head": {"bias": params["head"]["bias"]}}
    text = r"Dense expects parameters kernel \(144, 2\), bias \(2,\) for this input, got "
    where = ["  in layer 'head', given x of shape (8, 144)"]
    assert raised(lambda: apply(NET, without_head, state, IMAGES), ValueError, text + "none") == where
    assert raised(lambda: apply(NET, without_kernel, state, IMAGES), ValueError, text + r"bias \(2,\)") == where
    assert raised(lambda: apply(NET, params, {}, IMAGES), ValueError, r"BatchNorm expects state mean \(4,\)") == [
        "  in layer 'body/norm', given x of shape (8, 6, 6, 4)"
    ]


def test_a_dict_where_an_array_is_expected():
    params, state = init(NET, IMAGES)
    nested = {**params, "head": {"kernel": params["head"], "bias": params["head"]["bias"]}}
    raised(lambda: apply(NET, nested, state, IMAGES), ValueError, r"Dense expects parameters kernel \(144, 2\)")


@pytest.mark.parametrize("tree", [None, [jnp.ones(2)], jnp.ones(2)])
def test_trees_that_are_no_dicts(tree):
    params, state = init(NET, IMAGES)
    raised(lambda: NET.apply(tree, state, jnp.ones(IMAGES.shape), train=False), ValueError, "parameters as a dict")
    raised(lambda: NET.apply(params, tree, jnp.ones(IMAGES.shape), train=False), ValueError, "state as a dict")
    raised(
        lambda: Dense(2).apply(tree, {}, jnp.ones((1, 2)), train=False), ValueError, "Dense expects parameters kernel"
    )


# What layers are built with.


@pytest.mark.parametrize(
    "build",
    [
        lambda: Conv(4, 3, stride=2),  # pyright: ignore[reportCallIssue]
        lambda: Dense(4, biases=False),  # pyright: ignore[reportCallIssue]
        lambda: fnn.Dropout(keep=0.5),  # pyright: ignore[reportCallIssue]
        lambda: fnn.BatchNorm(axis=1),  # pyright: ignore[reportCallIssue]
        lambda: fnn.MaxPool(2, stride=2),  # pyright: ignore[reportCallIssue]
        lambda: fnn.repeat(fnn.Relu, 2, unrol=True),  # pyright: ignore[reportCallIssue]
        lambda: fnn.residual(fnn.Relu, skip=fnn.Relu),  # pyright: ignore[reportCallIssue]
        lambda: fnn.models.mlp(3, width=(2,)),  # pyright: ignore[reportCallIssue]
    ],
)
def test_a_misspelt_keyword_is_an_error(build):
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        build()


def test_a_misspelt_option_of_a_combinator_that_takes_names():
    """`branch` names layers by keyword, so that `joined=` looks like one: the error speaks of its option."""
    with pytest.raises(TypeError, match=r"expects a Layer as 'joined' \(its own option is join=\), got 'sum'"):
        fnn.branch(fnn.Relu, joined="sum")  # pyright: ignore[reportArgumentType]


NOT_LAYERS = {
    "serial expects a Layer as argument 2": lambda function: fnn.serial(fnn.Relu, function),
    "serial expects a Layer as 'act'": lambda function: fnn.serial(act=function),
    "parallel expects a Layer as argument 1": lambda function: fnn.parallel(function),
    "branch expects a Layer as argument 1": lambda function: fnn.branch(function),
    "residual expects a Layer as 'body'": lambda function: fnn.residual(function),
    "residual expects a Layer as 'shortcut'": lambda function: fnn.residual(fnn.Relu, shortcut=function),
    "graph expects a Layer as 'act'": lambda function: fnn.graph({"y": ("act", "x")}, act=function),
    "repeat expects a Layer as its block": lambda function: fnn.repeat(function, 2),
    "remat expects a Layer as its argument": lambda function: fnn.remat(function),
    "frozen expects a Layer as its argument": lambda function: fnn.frozen(function),
    "evaluating expects a Layer as its argument": lambda function: fnn.evaluating(function),
    "mixed_precision expects a Layer as its argument": lambda function: fnn.mixed_precision(function),
}


@pytest.mark.parametrize(("said", "combine"), NOT_LAYERS.items())
def test_a_function_where_a_layer_is_expected(said, combine):
    with pytest.raises(TypeError, match=rf"^{said}.*, got .*call it: tanh\(…\).*fnn\.elementwise\(tanh\)"):
        combine(jnp.tanh)
    with pytest.raises(TypeError, match=rf"^{said}.*, got .*call it: Dropout\(…\)"):
        combine(fnn.Dropout)


@pytest.mark.parametrize("thing", [3, "relu", None, (fnn.Relu, fnn.Relu), [fnn.Relu]])
def test_something_else_where_a_layer_is_expected(thing):
    with pytest.raises(TypeError, match="serial expects a Layer as argument 2, got") as caught:
        fnn.serial(fnn.Relu, thing)
    assert ("Unpack it" in str(caught.value)) == isinstance(thing, tuple | list)


def test_lists_and_pairs_have_hints_of_their_own():
    with pytest.raises(TypeError, match=r"Unpack it: serial\(\*layers\)"):
        fnn.serial([Dense(3), fnn.Relu])  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"pass it as name=layer"):
        fnn.graph({"h": (Dense(3), "x")})
    with pytest.raises(ValueError, match="different names"):
        fnn.graph({"y": (jnp.negative, "x")}, inputs=("x", "x"))


def test_a_layer_whose_init_gives_no_pair_of_dicts_is_named():
    init_bare: Any = lambda key, x: jnp.ones(3)  # noqa: E731 - typed as what it is not
    bare = fnn.stateless(init_bare, lambda params, x: x, name="bare")
    assert raised(lambda: init(fnn.serial(mine=bare), ROWS), TypeError, "two dicts, but gave") == [
        "  in layer 'mine', given x of shape (8, 3072)"
    ]


@pytest.mark.parametrize("layer", [fnn.MaxPool(2, padding=1), fnn.GlobalAvgPool, fnn.ConvTranspose(4, 5), Conv(4, 3)])
def test_images_without_pixels_are_refused(layer):
    raised(lambda: init(layer, SDS((1, 0, 8, 3), jnp.float32)), ValueError, "at least one pixel")


@pytest.mark.parametrize("layer", [Dense(4), fnn.Maxout(4)])
def test_inputs_without_channels_are_refused(layer):
    raised(lambda: init(layer, SDS((2, 0), jnp.float32)), ValueError, "hold no numbers")


def test_an_initializer_of_another_shape_is_named():
    wrong = Dense(4, kernel_init=lambda key, shape, dtype: jnp.ones((2, 2), dtype))
    raised(lambda: init(wrong, ROWS), ValueError, r"initializer of kernel was asked for shape \(3072, 4\)")
    with pytest.raises(ValueError, match="knows no initializer"):
        Dense(4, kernel_init=jnp.ones((3, 3)))  # pyright: ignore[reportArgumentType]


def test_a_long_list_makes_no_long_message():
    with pytest.raises(ValueError, match="a list of 500") as caught:
        Dense(3).init(KEY, [[1.0, 2.0]] * 500)
    assert len(str(caught.value)) < 500


def test_numpy_integers_are_integers():
    x = jnp.ones((1, 6, 6, 3))
    pads: tuple[Any, ...] = (np.int64(1), ((np.int32(1), np.int32(1)), (1, 1)))
    for padding in pads:
        params, state = Conv(4, 3, padding=padding).init(KEY, x)
        assert Conv(4, 3, padding=padding).apply(params, state, x, train=False)[0].shape == (1, 6, 6, 4)
    with pytest.raises(ValueError, match="padding as"):
        Conv(4, 3, padding=np.array([[1, 1], [1, 1]]))  # pyright: ignore[reportArgumentType]
