"""What the ways share: padding, the shifted views of an image, and working on a few images at a time."""

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental.layout import Layout, with_layout_constraint

from fnn.ops.geometry import Geometry
from fnn.ops.program import program

IN_CACHE = 4 << 20
"""Bytes that one round's patches may fill: about what stays near the cores."""
LINE = 16
"""Numbers of a cache line, and of a vector."""


def pad(x: jax.Array, padding: Sequence[tuple[int, int]], value: float = 0) -> jax.Array:
    """Adds `value` (low, high) around each spatial axis, or cuts where a number is negative."""
    if not any(map(any, padding)):
        return x
    return lax.pad(x, jnp.array(value, x.dtype), [(0, 0, 0), *((low, high, 0) for low, high in padding), (0, 0, 0)])


def row_major(a: jax.Array) -> jax.Array:
    """Keeps XLA from leaving an array transposed, and from fusing what made it with what reads it.

    Not where the array will be cut up, for XLA would gather it on every device, nor in programs to be kept, which may
    not say how an array lies.
    """
    if any(program.get()):
        return a
    return with_layout_constraint(a, Layout(major_to_minor=tuple(range(a.ndim))))


def transposed(matrices: jax.Array) -> jax.Array:
    """Exchanges the last two axes, and moves the numbers.

    Left to itself, XLA changes the layout instead, and what reads the matrix next jumps through memory.
    """
    return lax.optimization_barrier(row_major(matrices.swapaxes(-1, -2)))


def shifts(x: jax.Array, geometry: Geometry) -> list[jax.Array]:
    """What each position of the kernel sees, in its order: `(batch, *places, channels)`, from a padded `x`."""
    strides = [1, *geometry.strides, 1]
    views = []
    for offset in geometry.offsets:
        limits = [x.shape[0], *map(operator.add, offset, geometry.span), x.shape[-1]]
        views.append(lax.slice(x, [0, *offset, 0], limits, strides))
    return views


def split_batch(size: int, bytes_each: int, budget: int) -> int:
    """Returns in how many rounds to go through a batch, so that one round's bytes are about `budget`.

    The nearest number that divides the batch, from three quarters to twice of that, if there is one: otherwise the
    batch has to be copied, with images of zeros at its end. Just one where several devices share a batch, for each
    round would take images of one device alone.
    """
    if program.get().cut_up:
        return 1
    wanted = min(size, max(1, round(size * bytes_each / budget)))
    near = (rounds for rounds in range(-(-3 * wanted // 4), 2 * wanted + 1) if size % rounds == 0)
    return min(near, key=lambda rounds: abs(math.log(rounds / wanted)), default=wanted)


def in_rounds(function: Callable[..., jax.Array], rounds: int, *arrays: jax.Array) -> jax.Array:
    """Applies `function` to some images at a time and joins what it gives along the batch.

    What goes in and what comes out is laid down. XLA would compute the activation before it once more for each reader,
    and compile what reads the result anew for the shape of each number of rounds.
    """
    if rounds == 1:
        return row_major(function(*map(row_major, arrays)))
    function, part, stacks = _round(function, rounds, arrays)
    # Every entry is written over. XLA would share an array of zeros among loops, and copy it for each.
    start = jnp.broadcast_to(stacks[0].ravel()[0], (rounds, *part.shape)).astype(part.dtype)

    def body(i: jax.Array, made: jax.Array) -> jax.Array:
        slices = (lax.dynamic_index_in_dim(a, i, keepdims=False, allow_negative_indices=False) for a in stacks)
        return lax.dynamic_update_index_in_dim(made, function(*slices), i, 0, allow_negative_indices=False)

    made = lax.fori_loop(0, rounds, body, start)
    return row_major(made.reshape(-1, *part.shape[1:])[: arrays[0].shape[0]])


def summed_in_rounds(function: Callable[..., list[jax.Array]], rounds: int, *arrays: jax.Array) -> list[jax.Array]:
    """Applies `function`, a sum over images, to some images at a time and adds up what it gives."""
    if rounds == 1:
        return function(*map(row_major, arrays))
    function, shapes, stacks = _round(function, rounds, arrays)
    # Inside `shard_map`, the loop's start must vary over the devices as what is added to it does.
    varying = tuple(frozenset().union(*(jax.typeof(a).mat.varying for a in arrays)))
    start = [lax.pcast(jnp.zeros(s.shape, s.dtype), varying, to="varying") for s in shapes]

    def add(total: list[jax.Array], slices: tuple[jax.Array, ...]) -> tuple[list[jax.Array], None]:
        return [t + more for t, more in zip(total, function(*slices), strict=True)], None

    return lax.scan(add, start, stacks)[0]


def _round(
    function: Callable[..., Any], rounds: int, arrays: Sequence[jax.Array]
) -> tuple[Callable[..., Any], Any, tuple[jax.Array, ...]]:
    """Returns the function, traced once for its shapes and for the loop; what it gives for a round; and the rounds."""
    stacks = tuple(_stacked(a, rounds) for a in arrays)
    function = jax.jit(function)
    return function, jax.eval_shape(function, *(jax.typeof(a).update(shape=a.shape[1:]) for a in stacks)), stacks


def _stacked(a: jax.Array, rounds: int) -> jax.Array:
    """`(batch, …)` to `(rounds, batch / rounds, …)`, with images of zeros at the end where that does not divide."""
    each = -(-a.shape[0] // rounds)
    missing = rounds * each - a.shape[0]
    if missing:
        a = lax.pad(a, jnp.zeros((), a.dtype), [(0, missing, 0)] + [(0, 0, 0)] * (a.ndim - 1))
    # Without the barrier, XLA makes the array anew in the shape of each way's rounds; without the layout, it computes
    # it once more for the number that `in_rounds` starts from.
    return row_major(lax.optimization_barrier(a)).reshape(rounds, each, *a.shape[1:])
