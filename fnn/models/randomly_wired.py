"""Networks whose wiring is drawn at random."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from fnn import expect
from fnn.combinators import graph as wire
from fnn.combinators import serial
from fnn.layer import Layer, Params, stateless
from fnn.layers import BatchNorm, Conv, Dense, Dropout, GlobalAvgPool, Relu, arguments
from fnn.models.random_graphs import Edges, GraphFn, barabasi_albert, erdos_renyi, watts_strogatz

GRAPHS: dict[str, GraphFn] = {"ws": watts_strogatz, "er": erdos_renyi, "ba": barabasi_albert}
"""The paper's generators, with the options that were best there: WS(4, 0.75), ER(0.2), BA(5)."""


def randomly_wired(
    classes: int = 1000,
    *,
    graph: str | GraphFn = "ws",
    seed: int = 0,
    nodes: int = 32,
    width: int = 78,
    regular: bool = False,
    dropout: float = 0.2,
) -> Layer:
    """A randomly wired network (Xie et al. 2019, arXiv 1904.01569, table 1).

    Stages of random graphs, each of which halves the image. A node takes the weighted sum of what it is wired to, then
    ReLU, a 3×3 separable convolution and BatchNorm. Any seed gives a valid network, and the same seed the same one.

    Args:
      classes: how many outputs.
      graph: the generator: `"ws"`, `"er"`, `"ba"`, or a function such as `partial(erdos_renyi, probability=0.3)`.
      seed: of the wiring; the initial parameters come from the key as in every layer.
      nodes: of each random stage.
      width: the features C that the stages are multiples of: 78 in the small regime, 109 or 154 in the regular.
      regular: whether conv2 is a random stage too, with half of the nodes, and the others are twice as wide.
      dropout: the fraction of the last features that training drops.

    Raises:
      ValueError: if an argument is out of range, or the generator makes no graph of so many nodes.
    """
    head = serial(
        act=Relu, conv=Conv(1280, 1, bias=False, kernel_init="he_normal"), norm=BatchNorm(),
        pool=GlobalAvgPool, drop=Dropout(dropout), dense=Dense(classes),
    )  # fmt: skip
    features = randomly_wired_features(graph=graph, seed=seed, nodes=nodes, width=width, regular=regular)
    return serial(features=features, head=head)


def randomly_wired_features(
    *, graph: str | GraphFn = "ws", seed: int = 0, nodes: int = 32, width: int = 78, regular: bool = False
) -> Layer:
    """What stands under `features` in `randomly_wired`: maps 224×224 images to `(batch, 7, 7, 4 · width)`, in the
    regular regime to twice as many channels. Arguments as `randomly_wired`'s.
    """
    if isinstance(graph, str) and graph not in GRAPHS:
        raise ValueError(f"randomly_wired knows no graph {graph!r}. Choose one of {', '.join(GRAPHS)}, or a function.")
    nodes, width = (
        arguments.positive(value, "randomly_wired", argument)
        for value, argument in ((nodes, "nodes"), (width, "width"))
    )
    generate = GRAPHS[graph] if isinstance(graph, str) else graph

    def random(name: str, nodes: int, features: int) -> Layer:
        return stage(generate(nodes, f"{seed}/{name}"), nodes, features)

    wider = 2 if regular else 1
    return serial(
        conv1=serial(
            conv=Conv(width // 2 or 1, 3, strides=2, padding=1, bias=False, kernel_init="he_normal"), norm=BatchNorm()
        ),
        conv2=random("conv2", nodes // 2 or 1, width) if regular else node(1, width, strides=2),
        conv3=random("conv3", nodes, width * wider),
        conv4=random("conv4", nodes, 2 * width * wider),
        conv5=random("conv5", nodes, 4 * width * wider),
    )


def stage(edges: Edges, nodes: int, features: int) -> Layer:
    """Turns a graph into a network: section 3.2.

    Nodes that no edge leads to read the stage's input, with stride 2; the output is the average of the nodes from
    which no edge leads on.
    """
    outside = [edge for edge in edges if not 0 <= edge[0] < edge[1] < nodes]
    if outside:
        raise ValueError(f"a stage of {nodes} nodes expects edges (from, to) with from < to, got {outside}.")
    sources = {j: [i for i, to in edges if to == j] for j in range(nodes)}
    ends = sorted(set(range(nodes)) - {i for i, _ in edges})
    layers = {f"node{j}": node(len(sources[j]) or 1, features, strides=1 if sources[j] else 2) for j in range(nodes)}
    wires = {f"y{j}": (f"node{j}", *([f"y{i}" for i in sources[j]] or ["x"])) for j in range(nodes)}
    return wire({**wires, "mean": (_mean, *(f"y{i}" for i in ends))}, inputs="x", output="mean", **layers)


def node(inputs: int, features: int, *, strides: int = 1) -> Layer:
    """Weighted sum, where there are several inputs, then ReLU, separable convolution and BatchNorm."""
    layers = {"sum": WeightedSum()} if inputs > 1 else {}
    return serial(**layers, act=Relu, conv=SeparableConv(features, strides=strides), norm=BatchNorm())


def SeparableConv(features: int, *, strides: int = 1) -> Layer:
    """A 3×3 convolution of each channel alone, then a 1×1 of all channels (Chollet 2016, arXiv 1610.02357)."""

    def of_each_channel(channels: int) -> Layer:
        return Conv(channels, 3, strides=strides, padding=1, groups=channels, bias=False)

    def init(key: jax.Array, x: Any, /) -> Any:
        return layer(x).init(key, x)

    def apply(params: Params, state: Any, x: Any, /, *, train: bool, key: jax.Array | None = None) -> Any:
        return layer(x).apply(params, state, x, train=train, key=key)

    def layer(x: Any) -> Layer:
        channels = expect.array(x, "SeparableConv", "(batch, height, width, channels)", (4,)).shape[-1]
        pointwise = Conv(features, 1, bias=False, kernel_init="he_normal")
        return serial(depthwise=of_each_channel(channels), pointwise=pointwise)

    return Layer(init, apply, "separable_conv")


def WeightedSum() -> Layer:
    """`Σ sigmoid(wᵢ) xᵢ` of a tuple of arrays of one shape; its `weights`, one for each, start at 0."""

    def check(x: Any) -> Sequence[jax.Array]:
        if not isinstance(x, tuple | list) or len({expect.shape_of(part) for part in x}) != 1:
            raise ValueError(f"WeightedSum expects a tuple of arrays of one shape, got {expect.describe(x)}.")
        return x

    def init(key: jax.Array, x: Any) -> Params:
        del key
        return {"weights": jnp.zeros(len(check(x)), jnp.float32)}

    def apply(params: Params, x: Any) -> jax.Array:
        (weights,) = expect.entries(params, "WeightedSum", weights=(len(check(x)),))
        shares = jax.nn.sigmoid(weights)
        total, *rest = (shares[i].astype(part.dtype) * part for i, part in enumerate(x))
        for part in rest:
            total = total + part
        return total

    return stateless(init, apply, name="weighted_sum")


def _mean(*values: jax.Array) -> jax.Array:
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total / len(values)
