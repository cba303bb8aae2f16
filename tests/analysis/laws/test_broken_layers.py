"""Layers that each break one promise, and the law that catches each, by its name.

Beside every broken layer stands a sound one, of which the same law holds.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import pytest
from jax import lax
from jax.core import Tracer

import fnn
from fnn.analysis import LAWS
from fnn.layer import Layer
from tests.analysis.laws.layers_to_check import (
    affine,
    affine_in_numpy,
    callback,
    centred,
    count,
    counting_its_traces,
    cube,
    cube_without_forward_mode,
    drawn,
    drawn_by_numpy,
    drawn_from_one_key_for_all,
    drawn_from_the_keys_number,
    from_the_data,
    function,
    halved,
    made_inside_jit,
    noise,
    normalized_by_the_batch_in_evaluation_too,
    one_entry_wrong_by_one_per_cent,
    remembering,
    root,
    scale,
    stateful,
    sum_of_each,
    sum_of_everything,
    two_scales,
    unit,
    weighed_by_place,
    with_key,
)

VECTORS = jax.ShapeDtypeStruct((4, 6), jnp.float32)


class Case(NamedTuple):
    law: str
    says: str
    """What the message must say."""
    broken: Layer
    sound: Layer
    told: dict[str, Any] = {}  # noqa: RUF012


CASES = {
    "init without state": Case(
        "init and apply run", "(params, state), two dicts",
        Layer(lambda key, x: {}, lambda *_, **__: None, "mine"), fnn.Dense(3),  # pyright: ignore[reportArgumentType]
    ),
    "apply without state": Case(
        "init and apply run", "apply must return (y, state)",
        stateful(lambda key, x: ({}, {}), lambda p, s, x, train, key: x), count(),
    ),
    "initialized by the data": Case(
        "init reads only shapes and dtypes", "given other numbers", scale(from_the_data), scale(drawn),
    ),
    "initialized by NumPy's own generator": Case(
        "init is deterministic in its key", "called twice with one key", scale(drawn_by_numpy(lambda key: 0)), scale(),
    ),
    "initialized by a fixed key": Case(
        "other keys give other parameters", "'scale' has the same 6 different numbers whatever the key",
        scale(drawn_from_one_key_for_all), scale(drawn),
    ),
    "two parameters of one key": Case(
        "other keys give other parameters", "'a' and 'b' hold the same random numbers",
        two_scales(lambda key: (key, key)), two_scales(jax.random.split),
    ),
    "initialized outside of JAX": Case(
        "init runs under jit, vmap and eval_shape", "TracerArrayConversionError", scale(drawn_from_the_keys_number),
        scale(drawn),
    ),
    "parameters of the input's dtype": Case(
        "parameters are named float32 arrays", "bfloat16", scale(lambda key, x: jnp.ones(x.shape[-1:], x.dtype)),
        scale(),
    ),
    "a name with a slash": Case(
        "parameters are named float32 arrays", "names without '/'", scale(name="my/scale"), scale(name="my_scale"),
    ),
    "another function when compiled": Case(
        "compiled equals eager", "same under jit as without",
        function(lambda x: x if isinstance(x, Tracer) else 2 * x), function(lambda x: 2 * x),
    ),
    "a callback that does not know vmap": Case(
        "vmap equals a loop", "same under vmap", callback(sum_of_everything), callback(sum_of_each),
    ),
    "another shape when traced": Case(
        "abstract shapes are the real ones", "(4, 5) float32, but apply made (4, 6) float32",
        function(lambda x: x[:, :-1] if isinstance(x, Tracer) else x), function(lambda x: x[:, :-1]),
    ),
    "float32 inside": Case(
        "output has the input's dtype", "from bfloat16 input came float32 output",
        scale(multiply=lambda x, scale: x.astype(jnp.float32) * scale), scale(),
    ),
    "not for NumPy": Case(
        "NumPy input is as good", "given NumPy's arrays", function(lambda x: x if isinstance(x, jax.Array) else x + 1),
        function(jnp.asarray),
    ),
    "noise in evaluation": Case(
        "evaluation is deterministic", "with a key as without", noise(in_evaluation=True), noise(),
    ),
    "state that evaluation moves": Case(
        "evaluation leaves the state alone", "'uses' is 2 in one and 1 in the other", count(in_evaluation=True),
        count(),
    ),
    "state of another dtype": Case(
        "training keeps the state's form", "'uses' is float16 in one and float32 in the other",
        count(dtype=jnp.float16), count(),
    ),
    "noise without a key": Case(
        "training asks for a key only where it is random", "did not ask for a key", noise(asks=False), noise(),
    ),
    "normalized over the wrong axis": Case(
        "examples do not see each other", "example 0 of the batch changed", centred(0), centred(1),
    ),
    "normalized by the batch in evaluation": Case(
        "examples do not see each other", "in both modes, example 0", normalized_by_the_batch_in_evaluation_too(),
        fnn.BatchNorm(), {"batch_dependent": True},
    ),
    "an example's place": Case(
        "examples do not see each other", "an example's place in the batch", function(weighed_by_place), fnn.Relu,
    ),
    "no batch": Case(
        "examples do not see each other", "one output an example, 4 along the first axis", function(jnp.sum),
        function(partial(jnp.sum, axis=1)),
    ),
    "a parameter that is not used": Case(
        "every parameter gets a gradient", "no gradient ever reaches 'scale'",
        scale(multiply=lambda x, scale: x + lax.stop_gradient(scale).astype(x.dtype)), scale(),
    ),
    "a derivative wrong by 1 % in one entry": Case(
        "derivatives agree", "Furthest apart at 'x'[1, 2]", cube(one_entry_wrong_by_one_per_cent),
        cube(lambda x: 3 * x**2),
    ),
    "no forward mode": Case(
        "derivatives agree", "TypeError", cube_without_forward_mode(), cube(lambda x: 3 * x**2),
    ),
    "a derivative that is not differentiated": Case(
        "second derivatives exist", "second derivatives lie", cube(lambda x: 3 * lax.stop_gradient(x) ** 2),
        cube(lambda x: 3 * x**2),
    ),
    "divided by zero": Case("no NaN at extreme inputs", "gave NaN in the gradient by 'x'", unit(0.0), unit(1e-5)),
    "a branch not taken": Case("no NaN at extreme inputs", "though not in the output", root(False), root(True)),
    "too small before a ReLU": Case(
        "variance survives 30 copies", "mean square of activations", fnn.serial(fnn.Dense(6), fnn.Relu),
        fnn.serial(fnn.Dense(6, kernel_init="he_normal"), fnn.Relu),
    ),
    "a key in the state": Case(
        "parameters survive saving", "TypeError", with_key(lambda key: key), with_key(jax.random.key_data),
    ),
    "a memory": Case(
        "nothing captured is traced", "memory → 0 holds a traced value that it captured when it was called",
        remembering([]), remembering(None),
    ),
    "made inside jit": Case(
        "nothing captured is traced", "factor holds a traced value that it captured when it was made",
        made_inside_jit(), function(lambda x: 2 * x),
    ),
    "a count of its traces under remat": Case(
        "works under remat", "remat must change neither", counting_its_traces(), function(lambda x: 2 * x),
    ),
    "a count of its traces under scan": Case(
        "works under scan", "one step after another", counting_its_traces(), function(lambda x: 2 * x),
    ),
    "a count of its traces, sharded": Case(
        "works sharded over the batch", "sharded over", counting_its_traces(), function(lambda x: 2 * x),
    ),
    "a wrong sign": Case(
        "agrees with the oracle", "layer and oracle must agree", affine(-1), affine(1), {"oracle": affine_in_numpy},
    ),
    "fails on odd channels": Case(
        "holds at every shape", "for x of shape (1, 1) it fails instead of refusing", halved(False), halved(True),
        {"shapes": ((1, 3), (1, 5))},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("law", "says", "broken", "sound", "told"), CASES.values(), ids=CASES)
def test_a_broken_layer_is_caught_by_the_law_that_it_breaks(law, says, broken, sound, told):
    (row,) = fnn.check(broken, VECTORS, laws=[law], **told).broken
    assert row.law == law
    assert says in row.message
    report = fnn.check(sound, VECTORS, laws=[law], **told)
    assert report, str(report)
    assert {row.law: row.outcome for row in report.rows}[law] == "holds"


def test_every_law_catches_something():
    assert {case.law for case in CASES.values()} == set(LAWS)
