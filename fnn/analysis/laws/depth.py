"""The law of depth: what a stack of copies makes of the size of activations and gradients."""

import math
from contextlib import suppress

import jax
import numpy as np

from fnn.analysis.laws.law import BrokenError, Law, NotApplicableError, is_floating
from fnn.analysis.laws.subject import Subject

COPIES = 30
MOST_STACKS, MOST_NUMBERS = 32, 2**24
"""How many stacks are averaged over, since one of narrow layers says little, and how many numbers they may be."""
BATCH = 16
"""Of how many examples, so that a layer that normalizes over the batch has some."""
BOUNDS = (1e-4, 1e4)
"""Of the second moment after all copies, relative to that before them."""


def _variance_survives(subject: Subject) -> None:
    if not jax.tree.leaves(subject.initial[0]):
        raise NotApplicableError("it has no parameters")
    for what, gains in zip(("activations", "gradients"), _gains(subject, _stackable(subject)), strict=True):
        sizes = np.cumprod(gains)
        outside = ~((sizes >= BOUNDS[0]) & (sizes <= BOUNDS[1]))
        if outside.any():
            copy = int(np.argmax(outside))
            raise BrokenError(
                f"the mean square of {what} is {sizes[copy]:.2g} of what it was after {copy + 1} copies at "
                f"initialization, {gains[copy]:.3g} of it in the last one. Before a ReLU use kernel_init='he_normal', "
                "or normalize; in a residual block begin small."
            )


def _stackable(subject: Subject) -> jax.ShapeDtypeStruct:
    """The input shape that the layer keeps: its own, or with the last axis of what it makes of its own."""
    given, (made, _) = subject.shapes, subject.abstract(subject.shapes, train=True)
    if not all(isinstance(tree, jax.ShapeDtypeStruct) and is_floating(tree) for tree in (given, made)):
        raise NotApplicableError("input and output are not one floating-point array each")
    if not given.ndim or given.ndim != made.ndim:
        raise NotApplicableError(f"it makes {made.shape} of {given.shape}, which cannot be stacked")
    shapes = [(*given.shape[:-1], made.shape[-1])]
    if given.ndim > 1:
        shapes.insert(0, (BATCH, *shapes[0][1:]))
    for shape in shapes:
        x = jax.ShapeDtypeStruct(shape, given.dtype)
        with suppress(Exception):  # it may take no other channels, or no other batch
            if jax.eval_shape(lambda key, x: _one(subject, key, x), subject.key, x) == x:
                return x
    raise NotApplicableError(f"it does not keep the shape {shapes[-1]}")


def _one(subject: Subject, key: jax.Array, x: jax.Array) -> jax.Array:
    init_key, apply_key = jax.random.split(key)
    params, state = subject.layer.init(init_key, x)
    return subject.layer.apply(params, state, x, train=True, key=apply_key)[0]


def _gains(subject: Subject, like: jax.ShapeDtypeStruct) -> tuple[list[float], list[float]]:
    """Returns by how much each copy changes the mean square: of activations, and of gradients, from the last copy on.

    Every stack is brought to the mean size of all stacks after each copy. Otherwise, in narrow layers, the one largest
    stack would decide the mean.
    """

    numbers = math.prod(like.shape) + sum(leaf.size for leaf in jax.tree.leaves(subject.initial[0]))
    stacks = min(MOST_STACKS, max(1, MOST_NUMBERS // numbers))

    @jax.jit
    def copy(key: jax.Array, x: jax.Array, cotangent: jax.Array) -> tuple[jax.Array, jax.Array]:
        """One copy in every stack: forwards, and backwards from a cotangent. One program, drawn parameters and all."""

        def one(key: jax.Array, x: jax.Array, cotangent: jax.Array) -> tuple[jax.Array, jax.Array]:
            y, pull = jax.vjp(lambda x: _one(subject, key, x), x)
            return y, pull(cotangent)[0]

        return jax.vmap(one)(jax.random.split(key, stacks), x, cotangent)

    random = np.random.default_rng(subject.options.seed)
    x, cotangent = (random.standard_normal((stacks, *like.shape)).astype(like.dtype) for _ in range(2))
    keys = [jax.random.fold_in(subject.key, i) for i in range(COPIES)]
    inputs, forward, backward = [], [], []
    for key in keys:
        inputs.append(x)
        y = np.asarray(copy(key, x, cotangent)[0])
        forward.append(_mean_square(y) / _mean_square(x))
        x = _levelled(y)
    for key, x in zip(reversed(keys), reversed(inputs), strict=True):
        by_x = np.asarray(copy(key, x, cotangent)[1])
        backward.append(_mean_square(by_x) / _mean_square(cotangent))
        cotangent = _levelled(by_x)
    return forward, backward


def _mean_square(stacks: np.ndarray) -> float:
    return max(float(np.mean(np.square(stacks, dtype=np.float64))), np.finfo(np.float64).tiny)


def _levelled(stacks: np.ndarray) -> np.ndarray:
    """Each stack scaled to the mean square of all."""
    factors = [np.sqrt(_mean_square(stacks) / _mean_square(stack)) if stack.any() else 1.0 for stack in stacks]
    return np.stack([stack * np.asarray(f, stack.dtype) for stack, f in zip(stacks, factors, strict=True)])


LAWS = (
    Law(
        "variance survives 30 copies",
        "Activations and gradients that shrink or grow with depth keep deep networks from learning.",
        _variance_survives,
    ),
)
