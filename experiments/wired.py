"""Randomly wired networks for small images, as wide as a number of multiply-adds allows."""

from collections.abc import Callable
from math import sqrt

import jax
import jax.numpy as jnp

import fnn
from fnn.models.random_graphs import Edges, GraphFn
from fnn.models.randomly_wired import stage


def small_wired(classes: int, generate: GraphFn, *, seed: int, nodes: int, stages: int, width: int) -> fnn.Layer:
    """Makes a randomly wired network whose stem, unlike that of `fnn.models.randomly_wired`, keeps the image's size.

    Args:
      classes: how many outputs.
      generate: of the graphs.
      seed: of the wiring.
      nodes: of each stage.
      stages: how many; each halves the image.
      width: features of the stem and of the first stage; they double from stage to stage.
    """
    graphs = draw_graphs(generate, seed, nodes, stages)
    stem = {"conv1": fnn.Conv(width, 3, bias=False, kernel_init="he_normal"), "norm1": fnn.BatchNorm()}
    wired = {f"stage{number + 1}": stage(edges, nodes, width * 2**number) for number, edges in enumerate(graphs)}
    features = fnn.serial(**stem, **wired, act=fnn.Relu)
    return fnn.serial(features=features, pool=fnn.GlobalAvgPool, head=fnn.Dense(classes))


def draw_graphs(generate: GraphFn, seed: int, nodes: int, stages: int) -> list[Edges]:
    """Returns the graph of each stage of `small_wired`."""
    return [generate(nodes, f"{seed}/stage{number + 1}") for number in range(stages)]


def multiply_adds(network: fnn.Layer, image: tuple[int, int, int]) -> int:
    """Counts a network's multiply-adds for one image of `(height, width, channels)`."""
    return fnn.summarize(network, jax.ShapeDtypeStruct((1, *image), jnp.float32)).multiply_adds


def width_for(make: Callable[[int], fnn.Layer], budget: int, image: tuple[int, int, int]) -> int:
    """Returns the width at which a network is nearest to a number of multiply-adds.

    Args:
      make: the network of a width, all of whose layers have that width or a multiple of it, but for inputs and outputs:
        its multiply-adds are then `a · width² + b · width`, which two networks determine.
      budget: multiply-adds for one image.
      image: `(height, width, channels)`.
    """
    one, two = (multiply_adds(make(width), image) for width in (8, 16))
    a = (two / 16 - one / 8) / 8
    b = one / 8 - 8 * a
    exact = budget / b if a == 0 else (sqrt(b * b + 4 * a * budget) - b) / (2 * a)
    below = max(1, int(exact))
    return min((below, below + 1), key=lambda width: abs(a * width**2 + b * width - budget))
