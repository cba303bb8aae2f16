"""One layer, run in another way: `remat`, `frozen`, `evaluating`, `mixed_precision`. Parameters keep their places."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike

from fnn.combinators.children import check_is_layer
from fnn.intermediates import watched
from fnn.layer import Layer, Params, State
from fnn.ops.backends import DEFINITIONS, definition


def remat(layer: Layer, policy: Callable[..., bool] | None = None) -> Layer:
    """Computes the layer again during the backward pass instead of keeping its activations: memory for time.

    Args:
      layer: the layer.
      policy: which intermediate values to keep all the same, one of `jax.checkpoint_policies`; none by default. A
        policy that keeps products, such as `dots_saveable`, keeps those of `Dense` and `Conv`.

    Reference: Chen et al. 2016, arXiv 1604.06174.
    """
    check_is_layer("remat", "its argument", layer)
    kept = policy and _of_lax(policy)

    def apply(
        params: Params, state: State, x: Any, /, *, train: bool, key: jax.Array | None = None
    ) -> tuple[Any, State]:
        if watched():
            return layer.apply(params, state, x, train=train, key=key)
        return jax.checkpoint(partial(layer.apply, train=train), policy=kept)(params, state, x, key=key)

    return layer._replace(apply=apply)


def _of_lax(policy: Callable[..., Any]) -> Callable[..., Any]:
    """Asks a policy of JAX's about what an operation of fnn's computes: it knows `lax`'s only."""

    def asked(primitive: Any, *operands: Any, **static: Any) -> Any:
        eqns = definition(primitive, operands, static).eqns if primitive in DEFINITIONS else []
        if not eqns:  # one of JAX's own, or nothing is computed
            return policy(primitive, *operands, **static)
        return policy(eqns[-1].primitive, *(operand.aval for operand in eqns[-1].invars), **eqns[-1].params)

    return asked


def frozen(layer: Layer) -> Layer:
    """Lets no gradient reach the layer's parameters; the gradient of its input passes through.

    The parameters stay in the tree, so that a network can be frozen and thawed without moving them; their gradient is
    zero. An optimizer that changes parameters without a gradient, by decoupled weight decay, needs a mask of its own
    (`optax.masked`). BatchNorm's running moments are state, not parameters, and go on being updated in training, unless
    the layer is `evaluating` too.
    """
    check_is_layer("frozen", "its argument", layer)

    def apply(
        params: Params, state: State, x: Any, /, *, train: bool, key: jax.Array | None = None
    ) -> tuple[Any, State]:
        return layer.apply(lax.stop_gradient(params), state, x, train=train, key=key)

    return layer._replace(apply=apply)


def evaluating(layer: Layer) -> Layer:
    """Runs the layer as in evaluation also while what is around it trains.

    BatchNorm normalizes by its running moments, which stay as they are, and nothing is dropped: what is usual for
    pretrained features on small batches. Gradients are taken as ever; `frozen(evaluating(layer))` takes none.
    """
    check_is_layer("evaluating", "its argument", layer)

    def apply(
        params: Params, state: State, x: Any, /, *, train: bool, key: jax.Array | None = None
    ) -> tuple[Any, State]:
        del train
        return layer.apply(params, state, x, train=False, key=key)

    return layer._replace(apply=apply)


def mixed_precision(layer: Layer, dtype: DTypeLike = jnp.bfloat16) -> Layer:
    """Computes a network in `dtype` and returns the dtype of its input; parameters and state stay float32.

    Works because a layer computes in its input's dtype: the input is cast on the way in, the output on the way out.
    Integers in the input stay what they are; if there is nothing else in it, the output is float32.

    Reference: Micikevicius et al. 2017, arXiv 1710.03740 (the float32 copy of the weights, section 3.1).

    Raises:
      ValueError: if `dtype` is no floating-point type.
    """
    check_is_layer("mixed_precision", "its argument", layer)
    if not jnp.issubdtype(dtype, jnp.floating):
        raise ValueError(f"mixed_precision expects a floating-point dtype, got {dtype!r}.")

    def is_floating(leaf: Any) -> bool:
        return hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating)

    def cast(tree: Any, to: DTypeLike) -> Any:
        return jax.tree.map(lambda leaf: jnp.asarray(leaf, to) if is_floating(leaf) else leaf, tree)

    def init(key: jax.Array, x: Any, /) -> tuple[Params, State]:
        return layer.init(key, jax.eval_shape(lambda x: cast(x, dtype), x))

    def apply(
        params: Params, state: State, x: Any, /, *, train: bool, key: jax.Array | None = None
    ) -> tuple[Any, State]:
        y, state = layer.apply(params, state, cast(x, dtype), train=train, key=key)
        x = jax.tree.map(jnp.asarray, x)  # NumPy's float64 is held as float32
        outside = [leaf.dtype for leaf in jax.tree.leaves(x) if is_floating(leaf)] or [jnp.float32]
        return cast(y, jnp.result_type(*outside)), state

    return Layer(init, apply, layer.name)
