"""What flows through a network in one training step: values forward, gradients back, layer by layer."""

import re
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from fnn.intermediates import Passage, intermediates, passing
from fnn.layer import Layer, Params, State
from fnn.train.step import LossFn

NETWORK = "network"
"""What the whole network is called in paths: it is a layer like those in it."""


class Flow(NamedTuple):
    """What a training step computes before the optimizer has its turn."""

    state: State
    """The next one."""
    losses: jax.Array
    """`(batch,)`"""
    loss: jax.Array
    """`()`: their mean."""
    passages: list[Passage]
    """What each layer was given and made, children before their parents, the whole network last. Paths begin with
    `NETWORK`."""
    param_gradients: Params
    """Of the mean loss, with respect to each parameter."""
    gradients: list[Passage]
    """Of the mean loss, with respect to what each layer was given, `x`, and made, `y`, in the order of `passages`.
    None stands for what has no gradient, such as integers."""


@partial(jax.jit, static_argnames=("layer", "loss"))
def flow(layer: Layer, loss: LossFn, params: Params, state: State, x: Any, targets: Any, key: jax.Array | None) -> Flow:
    """Runs a forward pass in training mode and the backward pass, and keeps everything that passes.

    It is one compiled program, like the step that it repeats, and takes the memory of all activations four times.

    Args:
      layer: what is trained.
      loss: one number an example.
      params: the layer's parameters.
      state: its state.
      x: its input.
      targets: what the loss compares the outputs with.
      key: as for `layer.apply`.
    """
    whole = layer._replace(apply=partial(_apply_as_child, layer))
    watch = partial(intermediates, whole, train=True)

    def mean_loss(params: Params, shifts: list[Passage]) -> tuple[jax.Array, Any]:
        outputs, new_state, passages = watch(params, state, x, key=key, shifts=shifts)
        losses = loss(outputs, targets)
        mean = jnp.mean(losses)
        return mean, (new_state, losses, mean, passages)

    shapes = jax.eval_shape(watch, params, state, x, key=key)[2]
    shifts = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype) if is_floating(leaf) else None, shapes)
    gradients, forward = jax.grad(mean_loss, argnums=(0, 1), has_aux=True)(params, shifts)
    return Flow(*forward, *gradients)


def _apply_as_child(
    layer: Layer, params: Params, state: State, x: Any, /, *, train: bool, key: jax.Array | None = None
) -> tuple[Any, State]:
    """Applies a whole network so that it has a passage of its own, with the key that it would have without."""
    with passing(NETWORK, params) as (enter, leave):
        y, state = layer.apply(params, state, enter(x), train=train, key=key)
        return leave(y), state


def shown(path: str) -> str:
    """Returns a passage's path, or a parameter's, as users know it: without `NETWORK`, empty for the network itself."""
    return path.removeprefix(NETWORK).removeprefix("/")


def is_floating(leaf: Any) -> bool:
    """Says whether a leaf is an array of floating-point numbers."""
    return hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating)


def innermost(paths: Collection[str]) -> list[str]:
    """Returns the paths of the layers that hold no other, in their order."""
    holders = {path[:end] for path in paths for end in (m.start() for m in re.finditer("/", path))}
    return [path for path in paths if first_turn(path, paths) not in holders]


def first_turn(path: str, paths: Collection[str]) -> str:
    """Returns the path under which a layer passed first: `"same"` for `"same#2"`."""
    first = re.sub(r"#\d+$", "", path)
    return first if first in paths else path


def own_leaves(tree: Mapping[str, Any], paths: Collection[str]) -> dict[str, dict[str, Any]]:
    """Gives each leaf of a tree of parameters to the innermost layer that it belongs to.

    Args:
      tree: a network's parameters, or their gradient.
      paths: of its passages, which begin with `NETWORK`.

    Returns:
      For each path the leaves that are its own and no child's, by their path without `NETWORK`. A `repeat`'s stacked
      parameters are taken apart: those of its blocks stand at `blocks/0`, `blocks/1`, … .
    """
    own: dict[str, dict[str, Any]] = {path: {} for path in paths}

    def give(tree: Any, owner: str, path: str) -> None:
        if not isinstance(tree, Mapping):
            own[owner][shown(path)] = tree
            return
        if f"{path}/0" in own and "0" not in tree:
            blocks = 0
            while f"{path}/{blocks}" in own:
                block = jax.tree.map(lambda leaf, i=blocks: leaf[i], tree)
                give(block, f"{path}/{blocks}", f"{path}/{blocks}")
                blocks += 1
            return
        for name, child in tree.items():
            inside = f"{path}/{name}"
            give(child, inside if inside in own else owner, inside)

    give(tree, NETWORK, NETWORK)
    return own
