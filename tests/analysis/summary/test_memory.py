"""Activation memory, by hand and against what JAX's own gradient holds."""

from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax import lax
from jax.extend.core import Literal

import fnn

VECTOR = jax.ShapeDtypeStruct((3, 5), jnp.float32)
IMAGE = jax.ShapeDtypeStruct((1, 8, 8, 2), jnp.float32)


def layer_of(function: Any) -> fnn.Layer:
    return fnn.stateless(lambda key, x: {}, lambda params, x: function(x), name="mine")


def training(summary: fnn.analysis.Summary) -> dict[str, int | None]:
    return {row.path: row.training_bytes for row in summary.rows}


def held(layer: fnn.Layer, x: jax.ShapeDtypeStruct) -> int:
    """The bytes of all different arrays that JAX's gradient of the whole holds and that depend on x or the key."""
    params, state = jax.eval_shape(layer.init, jax.random.key(0), x)

    def residuals(x: Any, key: Any, params: Any, state: Any) -> Any:
        return jax.tree.leaves(
            jax.vjp(lambda p: layer.apply(p, state, x, train=True, key=key), params, has_aux=True)[1]
        )

    program = jax.make_jaxpr(residuals)(x, jax.random.key(1), params, state).jaxpr
    depend = set(program.invars[:2])
    for eqn in program.eqns:
        if depend & {atom for atom in eqn.invars if not isinstance(atom, Literal)}:
            depend.update(eqn.outvars)
    kept = (depend & {atom for atom in program.outvars if not isinstance(atom, Literal)}) - set(program.invars)
    return sum(var.aval.size * var.aval.dtype.itemsize for var in kept)


BLOCK = fnn.serial(fnn.Dense(5), fnn.Tanh)


@pytest.mark.parametrize(
    "layer",
    [
        fnn.serial(fnn.Dense(4), fnn.Relu, fnn.Dense(2)),
        fnn.serial(fnn.Dense(4), fnn.Gelu, fnn.residual(fnn.serial(fnn.Dense(4), fnn.Tanh)), fnn.Dense(2)),
        fnn.serial(fnn.Dense(4), fnn.remat(fnn.serial(fnn.Dense(4), fnn.Tanh, fnn.Dense(3))), fnn.Dense(2)),
        fnn.serial(fnn.Dense(5), fnn.repeat(BLOCK, 3), fnn.Dense(2)),
        fnn.serial(fnn.frozen(fnn.serial(fnn.Dense(4), fnn.Tanh)), fnn.Dense(2)),
        fnn.serial(fnn.Dense(4), jitted=BLOCK._replace(apply=jax.jit(BLOCK.apply, static_argnames="train"))),
        fnn.graph({"a": ("f", "x"), "b": ("f", "a"), "y": (jnp.multiply, "a", "b")}, f=fnn.Dense(5)),
    ],
    ids=["relu", "residual", "remat", "repeat", "frozen", "jit", "shared"],
)
def test_training_memory_is_what_the_gradient_holds(layer: fnn.Layer) -> None:
    assert fnn.summarize(layer, VECTOR).total.training_bytes == held(layer, VECTOR)


def test_training_memory_of_images() -> None:
    net = fnn.serial(fnn.Conv(3, 3), fnn.Relu, fnn.MaxPool(2), fnn.Conv(2, 3), fnn.Flatten, fnn.Dense(4))
    assert fnn.summarize(net, IMAGE).total.training_bytes == held(net, IMAGE)


def test_training_memory_by_hand_and_by_layer() -> None:
    net = fnn.serial(stem=fnn.Dense(4), act=fnn.Relu, drop=fnn.Dropout(0.5), head=fnn.Dense(2))
    # The mask of 3 · 4 flags and, for the head's kernel, what comes out of the dropout, whose mask is kept too. What
    # comes out of the ReLU is in no gradient.
    assert training(fnn.summarize(net, VECTOR)) == {"stem": 0, "act": 12, "drop": 12 + 48, "head": 0}
    plain = fnn.serial(stem=fnn.Dense(4), act=fnn.Relu, head=fnn.Dense(2))
    assert training(fnn.summarize(plain, VECTOR)) == {"stem": 0, "act": 12 + 48, "head": 0}


def test_a_broadcast_is_kept_as_what_is_broadcast() -> None:
    """Of BatchNorm JAX holds the channels' factors at every pixel, which a compiler writes nowhere."""
    net = fnn.serial(conv=fnn.Conv(3, 3, bias=False), norm=fnn.BatchNorm())
    image, channels = 8 * 8 * 3 * 4, 3 * 4
    (conv, norm) = fnn.summarize(net, IMAGE).rows
    assert conv.training_bytes == 0
    assert norm.training_bytes is not None
    assert image <= norm.training_bytes <= image + 6 * channels


def test_repeated_blocks_share_their_memory_evenly() -> None:
    net = fnn.serial(fnn.Dense(5), blocks=fnn.repeat(BLOCK, 3), head=fnn.Dense(2))
    kept = training(fnn.summarize(net, VECTOR))
    # The last one's output is handed on and kept besides.
    assert kept["blocks/0"] == kept["blocks/1"] == (kept["blocks/2"] or 0) - 60
    assert kept["blocks"] == sum(kept[f"blocks/{i}"] or 0 for i in range(3))
    assert kept["blocks/0/tanh1"]


def test_half_precision_halves_the_memory() -> None:
    net = fnn.serial(fnn.Dense(4), fnn.Tanh, fnn.Dense(4), fnn.Tanh, fnn.Dense(2))
    whole, half = (fnn.summarize(layer, VECTOR).total for layer in (net, fnn.mixed_precision(net)))
    assert whole.training_bytes is not None
    assert half.training_bytes is not None
    # Besides: the input and the output in bfloat16; the parameters in bfloat16 are no activations.
    assert half.training_bytes == whole.training_bytes // 2 + 3 * 5 * 2


def test_why_training_memory_is_unknown_is_told() -> None:
    net = fnn.serial(fnn.Conv(3, 8, padding="VALID"), fnn.BatchNorm())  # one value for each channel
    summary = fnn.summarize(net, IMAGE)
    assert [row.training_bytes for row in summary.rows] == [None, None]
    assert any("more than one value for each channel" in note for note in summary.notes)
    assert summary.total.inference_bytes > 0


def inference(layer: fnn.Layer, x: Any = IMAGE) -> dict[str, int]:
    return {row.path: row.inference_bytes for row in fnn.summarize(layer, x).rows}


def test_inference_memory_by_hand() -> None:
    image = 8 * 8 * 4
    net = fnn.serial(
        conv=fnn.Conv(6, 3), act=fnn.Relu, body=fnn.residual(fnn.Conv(6, 3)), norm=fnn.BatchNorm(), pool=fnn.MaxPool(2)
    )
    assert inference(net) == {
        "conv": (2 + 6) * image,  # what goes in and what comes out; the bias is added in its place
        "act": 6 * image,
        "body": 2 * 6 * image,  # the sum is written over one of the two
        "body/body": 2 * 6 * image,
        "body/shortcut": 6 * image,  # does nothing, and is given what it makes
        "norm": 6 * image,
        "pool": 6 * image + 6 * image // 4,
    }


def test_an_elementwise_result_takes_a_place_where_its_operand_is_still_needed() -> None:
    assert fnn.summarize(layer_of(lambda x: jnp.sin(x)), VECTOR).total.inference_bytes == 60
    assert fnn.summarize(layer_of(lambda x: jnp.sin(x) @ x.T), VECTOR).total.inference_bytes == 60 + 60 + 60
    assert fnn.summarize(layer_of(lambda x: (x > 0).sum(1)), VECTOR).total.inference_bytes == 60 + 15


def test_inference_memory_inside_a_loop() -> None:
    def widen(x: jax.Array, _: Any) -> tuple[jax.Array, None]:
        return jnp.tanh(x @ jnp.ones((5, 50))) @ jnp.ones((50, 5)), None

    loop = layer_of(lambda x: lax.scan(widen, x, length=3)[0])
    assert fnn.summarize(loop, VECTOR).total.inference_bytes >= 600 + 60
    branches = layer_of(lambda x: lax.cond(x.shape[0] > jnp.arange(2).sum(), lambda x: widen(x, 0)[0], lambda x: x, x))
    assert fnn.summarize(branches, VECTOR).total.inference_bytes >= 600 + 60
