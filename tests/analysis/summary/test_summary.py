"""What `summarize` takes, what it gives, and how it is shown."""

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from every_layer import EVERY_LAYER, identify, is_shape

import fnn

IMAGE = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)


def network() -> fnn.Layer:
    features = fnn.serial(conv=fnn.Conv(6, 5, padding="VALID"), act=fnn.Relu, pool=fnn.MaxPool(3))
    return fnn.serial(features=features, flat=fnn.Flatten, head=fnn.Dense(10))


def shapes_of(entry: Any) -> Any:
    return jax.tree.map(lambda shape: jax.ShapeDtypeStruct(shape, jnp.float32), entry, is_leaf=is_shape)


@pytest.mark.parametrize("key", EVERY_LAYER, ids=identify)
def test_every_layer_is_summarized_without_exceptions(key: tuple[str, str]) -> None:
    layer, x = EVERY_LAYER[key].layer, shapes_of(EVERY_LAYER[key].shape)
    summary = fnn.summarize(layer, x)
    params, state = jax.eval_shape(layer.init, jax.random.key(0), x)
    y, _ = jax.eval_shape(lambda p, s, x: layer.apply(p, s, x, train=False), params, state, x)
    assert summary.parameters == sum(leaf.size for leaf in jax.tree.leaves(params))
    assert jax.tree.map(lambda a: (a.shape, a.dtype), summary.total.output) == jax.tree.map(
        lambda a: (a.shape, a.dtype), y
    )
    assert summary.notes == ()
    assert summary.total.inference_bytes >= sum(leaf.size * 4 for leaf in jax.tree.leaves(y))
    assert all(row.flops <= summary.flops for row in summary.rows)


def test_the_lectures_example() -> None:
    """Six 5×5×3 filters on 32×32×3 give 28×28×6 with 456 parameters."""
    summary = fnn.summarize(network(), IMAGE)
    conv = summary.rows[1]
    assert conv.path == "features/conv"
    assert (conv.output.shape, conv.output.dtype) == ((1, 28, 28, 6), jnp.float32)
    assert conv.parameters == 456
    assert conv.multiply_adds == 28 * 28 * 6 * 75
    assert summary.parameters == 456 + 9 * 9 * 6 * 10 + 10
    assert summary.rows[3].unseen == (1, 1)  # 28 pixels under a pool of 3


def test_rows_are_outside_in_and_a_layer_holds_what_is_inside() -> None:
    summary = fnn.summarize(network(), IMAGE)
    inside = ["features/conv", "features/act", "features/pool"]
    assert [row.path for row in summary.rows] == ["features", *inside, "flat", "head"]
    features, *children = summary.rows[:4]
    for figure in ("parameters", "multiply_adds", "flops", "training_bytes"):
        assert getattr(features, figure) == sum(getattr(row, figure) for row in children)
        outer = [row for row in summary.rows if "/" not in row.path]
        assert getattr(summary.total, figure) == sum(getattr(row, figure) for row in outer)
    assert features.inference_bytes == max(row.inference_bytes for row in children)
    assert [row.path for row in fnn.summarize(network(), IMAGE, depth=1).rows] == ["features", "flat", "head"]
    assert fnn.summarize(network(), IMAGE, depth=1).total == summary.total


def test_arrays_shapes_and_numpy_are_as_good() -> None:
    wanted = fnn.summarize(network(), IMAGE)
    for x in (jnp.ones(IMAGE.shape), np.ones(IMAGE.shape), np.ones(IMAGE.shape, np.float32)):
        assert fnn.summarize(network(), x) == wanted


def test_nothing_is_allocated() -> None:
    before = len(jax.live_arrays())
    huge = fnn.serial(fnn.Dense(10**7, bias=False), fnn.Relu, fnn.Dense(10**7))
    summary = fnn.summarize(huge, jax.ShapeDtypeStruct((10**6, 10**6), jnp.bfloat16))
    assert summary.parameters == 10**13 + 10**14 + 10**7
    assert summary.multiply_adds == 10**6 * (10**13 + 10**14)
    assert len(jax.live_arrays()) <= before + 1  # JAX keeps the key of a seed


def test_a_layer_used_twice_has_two_rows_and_counts_once() -> None:
    encode = fnn.serial(dense=fnn.Dense(4), norm=fnn.BatchNorm())
    wires = {"a": ("encode", "l"), "b": ("encode", "r")}
    net = fnn.graph(wires, inputs=("l", "r"), output=("a", "b"), encode=encode)
    summary = fnn.summarize(net, (jax.ShapeDtypeStruct((2, 3), jnp.float32), jax.ShapeDtypeStruct((7, 3), jnp.float32)))
    by_path = {row.path: row for row in summary.rows}
    assert list(by_path) == ["encode", "encode/dense", "encode/norm", "encode#2", "encode#2/dense", "encode#2/norm"]
    assert [by_path[path].multiply_adds for path in ("encode/dense", "encode#2/dense")] == [24, 84]
    assert by_path["encode#2"].parameters == by_path["encode"].parameters == summary.parameters == 24
    assert "(24)" in summary.text(200)


def test_blocks_of_a_repeat_have_their_own_parameters() -> None:
    net = fnn.serial(blocks=fnn.repeat(fnn.serial(fnn.Dense(3), fnn.Relu), 2), again=fnn.remat(fnn.Dense(2)))
    by_path = {row.path: row for row in fnn.summarize(net, jax.ShapeDtypeStruct((1, 3), jnp.float32)).rows}
    assert by_path["blocks"].parameters == 24
    assert [by_path[f"blocks/{i}/dense1"].parameters for i in range(2)] == [12, 12]
    assert [by_path[f"blocks/{i}"].multiply_adds for i in range(2)] == [9, 9]
    assert by_path["again"].parameters == 8


def test_what_is_called_a_number_is_no_block() -> None:
    net = fnn.serial(**{"0": fnn.Relu, "1": fnn.Dense(3)})
    rows = fnn.summarize(net, jax.ShapeDtypeStruct((1, 3), jnp.float32)).rows
    assert [row.parameters for row in rows] == [0, 12]


def test_layers_inside_of_a_jit_count_for_the_layer_around_them() -> None:
    inner = fnn.serial(hidden=fnn.Dense(3), act=fnn.Relu)
    jitted = inner._replace(apply=jax.jit(inner.apply, static_argnames="train"))
    summary = fnn.summarize(fnn.serial(jitted=jitted, head=fnn.Dense(2)), jax.ShapeDtypeStruct((4, 3), jnp.float32))
    assert [(row.path, row.multiply_adds) for row in summary.rows] == [("jitted", 36), ("head", 24)]


def test_one_layer_alone_is_its_own_row() -> None:
    summary = fnn.summarize(fnn.Dense(3), jax.ShapeDtypeStruct((2, 5), jnp.float32))
    assert summary.rows == (summary.total,)
    assert summary.total.path == "dense"
    assert summary.total.receptive_fields == ()


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_text_fits_and_says_what_is_missing(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = fnn.summarize(network(), IMAGE)
    text = summary.text(width)
    assert max(map(len, text.splitlines())) <= width
    shown = text.splitlines()[0].split()
    every = summary.text().splitlines()[0].split()
    for title in set(every) - set(shown):
        assert re.search(rf"Too wide[^.]*\b{title}", " ".join(text.splitlines()))
    assert ("Too wide" in text) == (shown != every)
    assert {"layer", "parameters"} <= set(shown)
    monkeypatch.setenv("COLUMNS", str(width))
    assert str(summary) == repr(summary) == text


def test_long_names_are_shortened() -> None:
    name = "a_name_that_is_much_longer_than_any_terminal_would_like_it_to_be_and_then_some"
    summary = fnn.summarize(fnn.serial(**{name: fnn.Dense(3)}), jax.ShapeDtypeStruct((2, 5), jnp.float32))
    assert max(map(len, summary.text(80).splitlines())) <= 80
    assert "…" in summary.text(80)
    assert name in summary.text()
    assert f"`{name}`" in summary.markdown()


def test_text_by_hand() -> None:
    lines = fnn.summarize(network(), IMAGE).text().splitlines()
    assert lines[0].split() == [
        *("layer", "output", "parameters", "mult-adds", "FLOPs"),
        *("training", "inference", "sees", "stride", "centre", "unseen"),
    ]
    conv = "  conv  float32[1,28,28,6]  456  353 k  710 k  0 B  30.4 KiB  5  1  2"
    assert re.split(r"\s{2,}", lines[3].strip()) == re.split(r"\s{2,}", conv.strip())
    assert re.split(r"\s{2,}", lines[5].strip())[-4:] == ["7", "3", "3", "1"]
    assert lines[6].split()[-3:] == ["31", "–", "15"]  # but for the last row and column
    assert lines[9].split()[:3] == ["total", "float32[1,10]", "5,326"]


def test_markdown_has_a_cell_for_every_title() -> None:
    table = [line for line in fnn.summarize(network(), IMAGE).markdown().splitlines() if line.startswith("|")]
    assert len(table) == 2 + 6 + 1
    assert len({line.count("|") for line in table}) == 1
    assert table[3].startswith("| `features/conv` | float32[1,28,28,6] | 456 |")
    assert table[-1].startswith("| **total** |")


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0, "0"), (999, "999"), (1000, "1.00 k"), (999_600, "1.00 M"), (15_470_264_320, "15.5 G"), (4 * 10**12, "4.00 T")],
)
def test_numbers_have_three_digits(number: int, shown: str) -> None:
    from fnn.analysis.summary.table import show_count

    assert show_count(number) == shown


@pytest.mark.parametrize(("number", "shown"), [(None, "–"), (0, "0 B"), (1000, "0.98 KiB"), (3 << 30, "3.00 GiB")])
def test_bytes_have_three_digits(number: int | None, shown: str) -> None:
    from fnn.analysis.summary.table import show_bytes

    assert show_bytes(number) == shown


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ((fnn.Dense, IMAGE), TypeError, "expects a Layer"),
        ((network(), (1, 32, 32, 3)), TypeError, r"jax.ShapeDtypeStruct\(\(1, 224"),
        ((network(), None), TypeError, "expects x as an array"),
        ((network(), IMAGE, 0), ValueError, "at least 1"),
        ((network(), IMAGE, 1.5), ValueError, "an integer"),
        ((network(), jax.ShapeDtypeStruct((1, 3), jnp.float32)), ValueError, "Conv expects x of shape"),
    ],
)
def test_wrong_arguments(arguments: tuple[Any, ...], error: type[Exception], said: str) -> None:
    layer, x, *depth = arguments
    with pytest.raises(error, match=said):
        fnn.summarize(layer, x, depth=depth[0] if depth else None)
