"""One layer, run in another way: `remat`, `frozen`, `mixed_precision`. The parameters keep their places and names."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike

from fnn.layer import Layer, Params, State


def remat(layer: Layer, policy: Callable[..., bool] | None = None) -> Layer:
    """Computes the layer again during the backward pass instead of keeping its activations: memory for time.

    Args:
      layer: the layer.
      policy: which intermediate values to keep all the same, one of `jax.checkpoint_policies`; none by default.

    Reference: Chen et al. 2016, arXiv 1604.06174.
    """

    def apply(
        params: Params, state: State, x: Any, /, *, train: bool, key: jax.Array | None = None
    ) -> tuple[Any, State]:
        return jax.checkpoint(partial(layer.apply, train=train), policy=policy)(params, state, x, key=key)

    return layer._replace(apply=apply)


def frozen(layer: Layer) -> Layer:
    """Lets no gradient reach the layer's parameters; the gradient of its input passes through.

    The parameters stay in the tree, so that a network can be frozen and thawed without moving them; their gradient is
    zero. An optimizer that changes parameters without a gradient, by decoupled weight decay, needs a mask of its own
    (`optax.masked`). BatchNorm's running moments are state, not parameters, and go on being updated in training.
    """

    def apply(
        params: Params, state: State, x: Any, /, *, train: bool, key: jax.Array | None = None
    ) -> tuple[Any, State]:
        return layer.apply(lax.stop_gradient(params), state, x, train=train, key=key)

    return layer._replace(apply=apply)


def mixed_precision(layer: Layer, dtype: DTypeLike = jnp.bfloat16) -> Layer:
    """Computes a network in `dtype` and returns the dtype of its input; parameters and state stay float32.

    Works because a layer computes in its input's dtype: the input is cast on the way in, the output on the way out.

    Reference: Micikevicius et al. 2017, arXiv 1710.03740 (the float32 copy of the weights, section 3.1).

    Raises:
      ValueError: if `dtype` is no floating-point type.
    """
    if not jnp.issubdtype(dtype, jnp.floating):
        raise ValueError(f"mixed_precision expects a floating-point dtype, got {dtype!r}.")

    def cast(tree: Any, to: Callable[[Any], Any]) -> Any:
        floating = lambda leaf: jnp.issubdtype(leaf.dtype, jnp.floating)  # noqa: E731
        return jax.tree.map(lambda leaf: to(leaf) if floating(leaf) else leaf, tree)

    def init(key: jax.Array, x: Any, /) -> tuple[Params, State]:
        return layer.init(key, cast(x, lambda leaf: jax.ShapeDtypeStruct(leaf.shape, dtype)))

    def apply(
        params: Params, state: State, x: Any, /, *, train: bool, key: jax.Array | None = None
    ) -> tuple[Any, State]:
        y, state = layer.apply(params, state, cast(x, lambda leaf: leaf.astype(dtype)), train=train, key=key)
        outside = jnp.result_type(*(leaf.dtype for leaf in jax.tree.leaves(x)))
        return cast(y, lambda leaf: leaf.astype(outside)), state

    return Layer(init, apply, layer.name)
