"""stax's pools: largest value, sum and average under each window."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from fnn import ops
from fnn.interop.stax.layers import Pair

Sizes = tuple[int, ...]


def MaxPool(
    window_shape: Sizes,
    strides: Sizes | None = None,
    padding: str = "VALID",
    spec: str | None = None,
) -> Pair:
    """The largest value under each window.

    Args:
      window_shape: the window's size, one number for each spatial axis.
      strides: steps between windows; 1 by default, not the window's size.
      padding: `"VALID"`, `"SAME"` or `"SAME_LOWER"`, in either case of letters.
      spec: the input's axes, such as `"NCHW"`; batch first and channels last by default.
    """
    return _pool(ops.max_pool, lax.max, -np.inf, window_shape, strides, padding, spec)


def SumPool(
    window_shape: Sizes,
    strides: Sizes | None = None,
    padding: str = "VALID",
    spec: str | None = None,
) -> Pair:
    """The sum of the values under each window. Arguments as `MaxPool`'s."""
    return _pool(ops.sum_pool, lax.add, 0.0, window_shape, strides, padding, spec)


def AvgPool(
    window_shape: Sizes,
    strides: Sizes | None = None,
    padding: str = "VALID",
    spec: str | None = None,
) -> Pair:
    """The average of the values under each window, in which padding does not count. Arguments as `MaxPool`'s."""
    init_fun, total = SumPool(window_shape, strides, padding, spec)

    def apply_fun(params: Any, inputs: Any, **kwargs: Any) -> jax.Array:
        del kwargs
        inputs = jnp.asarray(inputs)
        kept = _ends(len(window_shape), spec)
        shape = [1 if axis in kept else size for axis, size in enumerate(inputs.shape)]
        return total(params, inputs) / total(params, jnp.ones(shape, inputs.dtype))

    return init_fun, apply_fun


def _pool(
    operation: Callable[..., jax.Array],
    reducer: Callable[..., Any],
    initial: float,
    window_shape: Sizes,
    strides: Sizes | None,
    padding: Any,
    spec: str | None,
) -> Pair:
    """Makes a pool that goes through `fnn.ops` where channels stand last, and through `lax` elsewhere."""
    strides = strides or (1,) * len(window_shape)
    ends = _ends(len(window_shape), spec)
    window, steps = _with_ones(window_shape, ends), _with_ones(strides, ends)
    one = (1,) * len(window)

    def init_fun(rng: jax.Array, input_shape: Sequence[int]) -> tuple[Any, Any]:
        del rng
        pairs = lax.padtype_to_pads(input_shape, window, steps, padding)
        return lax.reduce_window_shape_tuple(input_shape, window, steps, pairs, one, one), ()

    def apply_fun(params: Any, inputs: Any, **kwargs: Any) -> jax.Array:
        del params, kwargs
        inputs = jnp.asarray(inputs)
        spatial = inputs.shape[1:-1]
        known = ends == (0, len(window) - 1) and inputs.ndim == len(window) <= 5 and isinstance(padding, str)
        if known and jnp.issubdtype(inputs.dtype, jnp.floating):
            pairs = ops.explicit_padding(padding, spatial, window_shape, strides)
            if all(0 < w <= n + low + high for n, w, (low, high) in zip(spatial, window_shape, pairs, strict=True)):
                return operation(inputs, window_shape, strides, pairs)
        return lax.reduce_window(inputs, initial, reducer, window, steps, padding)

    return init_fun, apply_fun


def _ends(rank: int, spec: str | None) -> tuple[int, int]:
    """The places of batch and channels."""
    return (0, rank + 1) if spec is None else (spec.index("N"), spec.index("C"))


def _with_ones(sizes: Sizes, ends: tuple[int, int]) -> Sizes:
    """Puts a 1 in the places of batch and channels."""
    for place in sorted(ends):
        sizes = (*sizes[:place], 1, *sizes[place:])
    return sizes
