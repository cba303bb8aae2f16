"""Randomly wired networks are as wide as their budget of multiply-adds allows."""

from functools import partial

import jax
import jax.numpy as jnp
import pytest

import fnn
from experiments.wired import draw_graphs, multiply_adds, small_wired, width_for
from fnn.models import mlp
from fnn.models.random_graphs import GraphFn, barabasi_albert, erdos_renyi

IMAGE = (8, 8, 3)
GENERATORS = [partial(erdos_renyi, probability=0.5), partial(barabasi_albert, edges=1)]


@pytest.mark.parametrize("generate", GENERATORS)
@pytest.mark.parametrize("budget", [30_000, 400_000])
def test_no_other_width_is_nearer_to_the_budget(generate: GraphFn, budget: int) -> None:
    def miss(width: int) -> int:
        network = small_wired(10, generate, seed=3, nodes=4, stages=2, width=width)
        return abs(multiply_adds(network, IMAGE) - budget)

    width = width_for(partial(_wired, generate), budget, IMAGE)
    assert width > 1
    assert miss(width) <= min(miss(width - 1), miss(width + 1))


def _wired(generate: GraphFn, width: int) -> fnn.Layer:
    return small_wired(10, generate, seed=3, nodes=4, stages=2, width=width)


def test_a_width_is_found_where_nothing_grows_with_its_square() -> None:
    one_layer = partial(_one_layer, 10)
    assert width_for(one_layer, 17 * (192 + 10), IMAGE) == 17


def _one_layer(classes: int, width: int) -> fnn.Layer:
    return mlp(classes, widths=(width,))


def test_stages_halve_the_image_and_are_wired_each_by_a_graph_of_its_own() -> None:
    generate = GENERATORS[0]
    network = small_wired(10, generate, seed=0, nodes=5, stages=2, width=6)
    summary = fnn.summarize(network, jax.ShapeDtypeStruct((1, *IMAGE), jnp.float32))
    shapes = {row.path: row.output.shape for row in summary.rows}
    assert shapes["features/conv1"] == (1, 8, 8, 6)
    assert shapes["features/stage1"] == (1, 4, 4, 6)
    assert shapes["features/stage2"] == (1, 2, 2, 12)
    one, two = draw_graphs(generate, 0, 5, 2)
    assert one != two
    params, _ = jax.eval_shape(network.init, jax.random.key(0), jax.ShapeDtypeStruct((1, *IMAGE), jnp.float32))
    for name, edges in (("stage1", one), ("stage2", two)):
        for node in range(5):
            sources = sum(to == node for _, to in edges)
            weights = params["features"][name][f"node{node}"].get("sum", {}).get("weights")
            assert (weights.shape[0] if weights is not None else None) == (sources if sources > 1 else None)
