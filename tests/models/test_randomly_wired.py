"""Random graphs against their definitions, and the networks that are made of them."""

import itertools
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnn
from fnn import models
from fnn.models.random_graphs import barabasi_albert, erdos_renyi, watts_strogatz
from fnn.models.randomly_wired import GRAPHS, SeparableConv, WeightedSum, node, stage

SEEDS = [f"{seed}/conv3" for seed in range(200)]


def degrees(edges: Any, nodes: int) -> np.ndarray:
    return np.bincount(np.ravel(edges), minlength=nodes)


# Graphs.


@pytest.mark.parametrize("generate", GRAPHS.values(), ids=GRAPHS)
def test_a_graph_is_ordered_acyclic_and_its_names_alone(generate: Any) -> None:
    drawn = [generate(12, name) for name in SEEDS]
    for edges in drawn:
        assert list(edges) == sorted(set(edges))
        assert all(0 <= i < j < 12 for i, j in edges)
    assert drawn == [generate(12, name) for name in SEEDS]
    assert len(set(drawn)) == len(drawn)


def test_the_graphs_of_one_name_never_change() -> None:
    """Written down once: a network that was published as a seed must stay the network that it was."""
    assert erdos_renyi(5, "0/conv3", probability=0.5) == ((1, 4), (2, 3), (3, 4))
    assert barabasi_albert(5, "0/conv3", edges=2) == ((0, 2), (1, 2), (1, 3), (2, 3), (2, 4), (3, 4))
    assert watts_strogatz(5, "0/conv3", neighbours=2) == ((0, 3), (1, 2), (1, 3), (2, 3), (2, 4))


def test_erdos_renyi_joins_each_pair_equally_often() -> None:
    pairs = list(itertools.combinations(range(6), 2))
    drawn = [set(erdos_renyi(6, name, probability=0.3)) for name in SEEDS]
    often = np.mean([[pair in edges for pair in pairs] for edges in drawn], axis=0)
    assert np.all(np.abs(often - 0.3) < 4 * np.sqrt(0.3 * 0.7 / len(SEEDS)))
    assert erdos_renyi(6, "x", probability=0) == ()
    assert erdos_renyi(6, "x", probability=1) == tuple(pairs)


def test_barabasi_albert_prefers_nodes_with_many_edges() -> None:
    mine = [barabasi_albert(32, name, edges=5) for name in SEEDS]
    assert {len(edges) for edges in mine} == {5 * (32 - 5)}
    # The first of the new nodes has nobody to prefer: it joins all of the first five.
    assert all({(i, 5) for i in range(5)} <= set(edges) for edges in mine)
    assert all(sum(j == new for _, j in edges) == 5 for edges in mine for new in range(5, 32))
    uniform = [erdos_renyi(32, name, probability=135 / 496) for name in SEEDS]
    assert largest_degree(mine) > 1.15 * largest_degree(uniform)


def largest_degree(graphs: Any) -> float:
    return float(np.mean([np.max(degrees(edges, 32)) for edges in graphs]))


def kept(graphs: Any) -> float:
    """The share of the ring's edges that were not rewired, of 32 nodes with 4 neighbours."""
    ring = {(min(i, j), max(i, j)) for i in range(32) for j in ((i + 1) % 32, (i + 2) % 32)}
    return float(np.mean([len(ring & {(min(edge), max(edge)) for edge in edges}) / 64 for edges in graphs]))


def test_the_graphs_are_spread_as_those_of_networkx() -> None:
    networkx = pytest.importorskip("networkx")
    seeds = range(len(SEEDS))
    # After five nodes without edges comes one that joins them all: a star.
    theirs = [networkx.barabasi_albert_graph(32, 5, seed, networkx.star_graph(5)).edges for seed in seeds]
    assert largest_degree([barabasi_albert(32, name) for name in SEEDS]) == pytest.approx(
        largest_degree(theirs), rel=0.05
    )
    theirs = [networkx.watts_strogatz_graph(32, 4, 0.75, seed).edges for seed in seeds]
    mine = [watts_strogatz(32, name) for name in SEEDS]
    assert kept(mine) == pytest.approx(kept(theirs), abs=0.02)
    assert largest_degree(mine) == pytest.approx(largest_degree(theirs), rel=0.05)


def test_watts_strogatz_rewires_a_ring() -> None:
    ring = {(min(i, j), max(i, j)) for i in range(10) for j in ((i + 1) % 10, (i + 2) % 10)}
    assert set(watts_strogatz(10, "x", probability=0)) == ring
    mine = [watts_strogatz(32, name) for name in SEEDS]
    assert {len(edges) for edges in mine} == {32 * 4 // 2}
    # Each node keeps the near end of its own two edges.
    assert min(degrees(edges, 32).min() for edges in mine) >= 2
    # A quarter was left alone; of those rewired, a few came to lie where another was taken away.
    assert 0.25 < kept(mine) < 0.3


def test_a_ring_without_room_stays_as_it_is() -> None:
    assert len(watts_strogatz(5, "x", neighbours=4, probability=1.0)) == 10


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (lambda: erdos_renyi(5, "x", probability=1.5), "probability from 0 to 1, got 1.5"),
        (lambda: barabasi_albert(5, "x", edges=5), "from 1 to 4 edges for 5 nodes, got 5"),
        (lambda: watts_strogatz(5, "x", neighbours=3), "even number of neighbours below 5, got 3"),
        (lambda: watts_strogatz(4, "x"), "below 4, got 4"),
        (lambda: watts_strogatz(5, "x", probability=-1), "probability from 0 to 1, got -1"),
    ],
)
def test_graphs_that_do_not_exist_are_refused(draw: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        draw()


# Networks.


def structure(net: fnn.Layer) -> Any:
    x = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    return jax.eval_shape(net.init, jax.random.key(0), x)[0]


def small(seed: int, graph: Any = "ws", **options: Any) -> fnn.Layer:
    return models.randomly_wired(3, graph=graph, seed=seed, nodes=6, width=4, **options)


def test_the_same_seed_gives_the_same_network_and_another_another() -> None:
    names = []

    def record(nodes: int, name: str) -> Any:
        names.append(name)
        return watts_strogatz(nodes, name)

    one = structure(small(0, record))
    assert structure(small(0)) == one
    assert structure(small(1)) != one
    assert len(set(names)) == 3  # each stage is wired in its own way


@pytest.mark.parametrize("graph", ["ws", "er", "ba"])
@pytest.mark.parametrize("seed", range(2))
def test_any_seed_gives_a_network(graph: str, seed: int) -> None:
    """The stages of many seeds, and whole networks of a few."""
    x = jax.ShapeDtypeStruct((1, 4, 4, 2), jnp.float32)
    for name in SEEDS[seed * 2 : seed * 2 + 2]:
        layer = stage(GRAPHS[graph](8, name), 8, 3)
        params, state = jax.eval_shape(layer.init, jax.random.key(0), x)
        assert set(params) == {f"node{i}" for i in range(8)}
        y, _ = jax.eval_shape(partial(layer.apply, train=False), params, state, x)
        assert y.shape == (1, 2, 2, 3)
    assert set(structure(small(seed, graph))["features"]) == {f"conv{i}" for i in range(1, 6)}


def test_the_regular_regime_is_wider_and_has_one_more_random_stage() -> None:
    features = structure(small(0, "er", regular=True))["features"]
    assert set(features["conv2"]) == {"node0", "node1", "node2"}
    width = [features[f"conv{i}"]["node0"]["norm"]["scale"].shape[0] for i in (2, 3, 4, 5)]
    assert width == [4, 8, 16, 32]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: models.randomly_wired(graph="grid"), "no graph 'grid'. Choose one of ws, er, ba"),
        (lambda: models.randomly_wired(nodes=0), "nodes as an integer of at least 1"),
        (lambda: models.randomly_wired(graph="ba", nodes=5), "from 1 to 4 edges for 5 nodes"),
        (lambda: stage(((1, 0),), 2, 3), r"from < to, got \[\(1, 0\)\]"),
        (lambda: stage(((0, 2),), 2, 3), r"stage of 2 nodes"),
    ],
)
def test_what_makes_no_network_is_refused(make: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()


def test_a_stage_by_hand(key: jax.Array) -> None:
    """0 → 1, 0 → 2, 1 → 2; 3 alone: 0 and 3 read the input, 2 sums two, the output is the mean of 2 and 3."""
    x = jax.random.normal(key, (2, 4, 4, 3))
    layer = stage(((0, 1), (0, 2), (1, 2)), 4, 3)
    params, state = jax.jit(layer.init)(key, x)
    params["node2"]["sum"]["weights"] = jnp.array([0.5, -1.0])
    first, later, last = node(1, 3, strides=2), node(1, 3), node(2, 3)

    def by_hand(params: Any, state: Any, x: jax.Array) -> jax.Array:
        def run(name: str, layer: fnn.Layer, x: Any) -> jax.Array:
            return layer.apply(params[name], state[name], x, train=False)[0]

        y0, y3 = run("node0", first, x), run("node3", first, x)
        return (run("node2", last, (y0, run("node1", later, y0))) + y3) / 2

    got = jax.jit(lambda *of: layer.apply(*of, train=False)[0])(params, state, x)
    np.testing.assert_allclose(got, jax.jit(by_hand)(params, state, x), rtol=1e-5, atol=1e-6)


def test_a_weighted_sum_by_hand(key: jax.Array) -> None:
    layer = WeightedSum()
    x = (jnp.array([1.0, 2.0]), jnp.array([10.0, 20.0]))
    assert layer.init(key, x)[0]["weights"].tolist() == [0, 0]
    y, _ = layer.apply({"weights": jnp.array([0.0, np.log(3.0)])}, {}, x, train=False)
    np.testing.assert_allclose(y, [0.5 + 7.5, 1 + 15], rtol=1e-6)
    with pytest.raises(ValueError, match="arrays of one shape, got"):
        layer.init(key, (jnp.zeros(2), jnp.zeros(3)))


def test_a_separable_convolution_is_a_depthwise_and_a_pointwise(key: jax.Array) -> None:
    x = jax.random.normal(key, (2, 5, 5, 3))
    layer = SeparableConv(4, strides=2)
    params, state = layer.init(key, x)
    assert jax.tree.map(jnp.shape, params) == {
        "depthwise": {"kernel": (3, 3, 1, 3)},
        "pointwise": {"kernel": (1, 1, 3, 4)},
    }
    # One dense kernel does the same: the depthwise window of each channel times its weight for each feature.
    whole = jnp.einsum("hwzc,abcf->hwcf", params["depthwise"]["kernel"], params["pointwise"]["kernel"])
    wanted, _ = fnn.Conv(4, 3, strides=2, padding=1, bias=False).apply({"kernel": whole}, {}, x, train=False)
    np.testing.assert_allclose(layer.apply(params, state, x, train=False)[0], wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.thorough
@pytest.mark.parametrize("graph", ["ws", "er", "ba"])
def test_it_trains(graph: str) -> None:
    """A few steps on a small batch that it can learn by heart."""
    import optax

    from fnn import train

    rng = np.random.default_rng(0)
    batch = train.Batch(jnp.asarray(rng.normal(size=(16, 32, 32, 1)), jnp.float32), jnp.arange(16) % 3)
    optimizer = optax.sgd(0.02, 0.9)
    net = small(0, graph, dropout=0.0)
    state = train.init_train_state(net, optimizer, 0, batch.images)
    step = jax.jit(train.make_step(net, optimizer, fnn.losses.softmax_cross_entropy))
    losses = []
    for _ in range(60):
        state, metrics = step(state, batch)
        losses.append(float(metrics.loss))
    assert min(losses) < 0.5 * losses[0]
    weights = state.params["features"]["conv3"]["node5"]["sum"]["weights"]
    assert np.all(np.asarray(weights) != 0)  # they learn too
