"""Covering what maps point at hurts; images that are climbed to excite units more than real ones do."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnn
from experiments.explaining import ANYWHERE, MAPS, OCCLUSION, SALIENCY, WORST, explain, square, sum_of_squares
from experiments.stages import Stage, find_stages
from experiments.units import share_of_one_class
from fnn.interop import safetensors

Run = Callable[..., dict[str, Any]]


@pytest.mark.parametrize(
    ("model", "stages"),
    [
        ("lenet5", [("features/conv1", "features/act1"), ("features/conv2", "features/act2")]),
        ("convnet", [(f"features/block{i}/conv2", f"features/block{i}/act2") for i in (1, 2, 3)]),
        ("mlp", []),
    ],
)
def test_a_stage_is_what_makes_maps_of_one_size_and_learns(model: str, stages: list[tuple[str, str]]) -> None:
    net, x = fnn.models.MODELS[model](10), jax.ShapeDtypeStruct((1, 8, 8, 1), jnp.float32)
    params, state = jax.eval_shape(net.init, jax.random.key(0), x)
    passages = jax.eval_shape(partial(fnn.intermediates, net, train=False), params, state, x)[2]
    assert find_stages(passages) == [Stage(*paths) for paths in stages]


@pytest.mark.parametrize(("window", "stride"), [(3, 1), (2, 2)])
def test_falls_are_those_of_the_square_that_each_map_likes_best(key: jax.Array, window: int, stride: int) -> None:
    net = fnn.serial(conv=fnn.Conv(4, 3), act=fnn.Relu, flat=fnn.Flatten, head=fnn.Dense(3))
    x = jax.random.normal(key, (4, 5, 6, 1))
    params, state = net.init(key, x)

    @jax.jit
    def apply(x: Any) -> jax.Array:
        return jax.nn.softmax(net.apply(params, state, jnp.asarray(x), train=False)[0])

    classes = np.asarray(apply(x)).argmax(axis=1)
    found = jax.jit(partial(explain, net, "act", window, stride))(params, state, x, jnp.asarray(classes))
    falls, changes = {}, {}
    for row, column in np.ndindex(-(-5 // stride), -(-6 // stride)):
        place = row * stride, column * stride
        covered = np.array(x)
        for image in covered:
            image[square(row * stride, column * stride, window)] = 0
        after = np.asarray(apply(covered))
        falls[place] = np.asarray(found.probability) - after[np.arange(4), classes]
        changes[place] = after.argmax(axis=1) != classes
    for name in MAPS:
        for i in range(4):
            place = int(found.rows[name][i]), int(found.columns[name][i])
            np.testing.assert_allclose(found.falls[name][i], falls[place][i], atol=1e-5)
            assert bool(found.changes[name][i]) == changes[place][i]
    np.testing.assert_allclose(found.falls[ANYWHERE], np.mean(list(falls.values()), axis=0), atol=1e-5)
    np.testing.assert_allclose(found.falls[WORST], np.max(list(falls.values()), axis=0), atol=1e-5)
    sums = np.asarray(sum_of_squares(found.maps[SALIENCY], window))
    for i in range(4):
        saliency, best = np.asarray(found.maps[SALIENCY][i]), (found.rows[SALIENCY][i], found.columns[SALIENCY][i])
        by_hand = {(row, column): saliency[square(row, column, window)].sum() for row, column in falls}
        assert sums[i][best] == pytest.approx(max(by_hand.values()), rel=1e-5)
        assert by_hand[int(best[0]), int(best[1])] == pytest.approx(max(by_hand.values()), rel=1e-5)


def test_the_share_of_one_class() -> None:
    assert share_of_one_class(np.array([3, 1, 3, 3])) == 0.75


def test_covering_what_matters_hurts_and_climbing_excites(run: Run) -> None:
    result = run("detectors", "--epochs=15", "--steps=64", "--units=3", "--samples=200")
    assert result["test_accuracy"] > 0.9
    assert set(result["covered"]) == {*MAPS, ANYWHERE, WORST}
    falls = {name: about["fall"] for name, about in result["covered"].items()}
    errors = {name: about["standard_error"] for name, about in result["covered"].items()}
    assert falls[SALIENCY] > falls[ANYWHERE] + 2 * errors[SALIENCY]
    assert falls[SALIENCY] < falls[OCCLUSION] <= falls[WORST] <= result["probability"]
    assert [layer["sees"] for layer in result["layers"].values()] == [[5, 5], [14, 14]]
    for layer in result["layers"].values():
        assert layer["of_one_class"] > result["of_one_class_at_random"] + 0.1
        assert layer["climbed_activation"] > layer["strongest_activation"]
    assert result["classes"]["climbed_score"] > result["classes"]["highest_score"]


def test_what_it_cannot_look_into_is_refused(refuse: Callable[..., str]) -> None:
    assert "no layer that makes maps" in refuse("detectors", "--model=mlp")


@pytest.mark.thorough
def test_what_is_not_there_is_refused(refuse: Callable[..., str]) -> None:
    assert "no layer 'conv1' makes maps; there are features/conv1" in refuse("detectors", "--layers=conv1")
    assert "from 0 to 359; got 360" in refuse("detectors", "--images=2,360")


@pytest.mark.thorough
def test_weights_of_another_run_are_taken_as_they_are(run: Run, tmp_path: Path) -> None:
    weights = tmp_path.with_suffix(".safetensors")
    net, x = fnn.models.lenet5(10), jax.ShapeDtypeStruct((1, 8, 8, 1), jnp.float32)
    safetensors.save(weights, *net.init(jax.random.key(5), x))
    result = run("detectors", f"--init_from={weights}", "--steps=2", "--units=1")
    assert result["test_accuracy"] < 0.4  # nothing was learnt
