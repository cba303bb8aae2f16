"""Networks of different widths as one program: each lies in a corner of the widest, the rest of which is zero.

A unit that is not there has no weights from it, so that what it says is never heard; a mask keeps them zero.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from fnn.layer import Layer, Params


class Padded(NamedTuple):
    """Networks of several widths, stacked: every leaf has a first axis of as many networks."""

    params: Params
    mask: Params
    """1 where a network has a parameter, 0 where it is padded."""


def pad_to_widest(make: Callable[[int], Layer], widths: Sequence[int], key: jax.Array, x: Any) -> Padded:
    """Initializes the networks `make(width)` and pads their parameters to the shapes of the widest.

    Each has the initial values that it would have alone.

    Args:
      make: the network of a width; all have the same tree of parameters and no state.
      widths: of the networks.
      key: for their initial values.
      x: what they will be applied to.
    """
    widest, _ = jax.eval_shape(make(max(widths)).init, key, x)
    each = []
    for width in widths:
        params, _ = make(width).init(key, x)
        ones = jax.tree.map(jnp.ones_like, params)
        each.append(Padded(*(jax.tree.map(_pad, tree, widest) for tree in (params, ones))))
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *each)


def only_real(params: Params, mask: Params) -> Params:
    """Sets what is padded to zero, and with it its gradient. Apply the widest network to the result."""
    return jax.tree.map(jnp.multiply, params, mask)


def _pad(leaf: jax.Array, widest: jax.ShapeDtypeStruct) -> jax.Array:
    return jnp.pad(leaf, [(0, wide - size) for wide, size in zip(widest.shape, leaf.shape, strict=True)])
