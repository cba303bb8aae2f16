"""stax's convolutions: any dimension numbers, of which channels last go through `fnn.ops`."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax, random
from jax.nn.initializers import glorot_normal, normal

from fnn import ops
from fnn.interop.stax.layers import Pair, add_bias

DimensionNumbers = Sequence[str]
"""The axes of input, kernel and output: `("NHWC", "HWIO", "NHWC")`."""


def GeneralConv(
    dimension_numbers: DimensionNumbers,
    out_chan: int,
    filter_shape: Sequence[int],
    strides: Sequence[int] | None = None,
    padding: str | Sequence[tuple[int, int]] = "VALID",
    W_init: Callable | None = None,
    b_init: Callable = normal(1e-6),  # noqa: B008
) -> Pair:
    """Convolution with parameters `(W, b)`, `b` with an axis of length 1 for each but the channels.

    Args:
      dimension_numbers: the axes of input, kernel and output; `Conv` is this function with channels last.
      out_chan: how many output channels.
      filter_shape: the kernel's size, one number for each spatial axis.
      strides: steps between windows, 1 by default.
      padding: `"VALID"`, `"SAME"` or `"SAME_LOWER"`, in either case of letters, or (low, high) pairs.
      W_init: initial `W`, a function `(rng, shape) -> array`; Glorot's normal by default.
      b_init: initial `b`.
    """
    one = (1,) * len(filter_shape)
    strides = strides or one

    def convolve(inputs: jax.Array, W: jax.Array) -> jax.Array:
        if _channels_last(dimension_numbers, inputs, W) and not isinstance(padding, int):
            pairs = ops.explicit_padding(padding, inputs.shape[1:-1], W.shape[:-2], strides)
            if _fits(inputs, W, pairs):
                return ops.convolve(inputs, W, strides=strides, padding=pairs, dilation=one)
        return lax.conv_general_dilated(
            inputs, W, strides, padding, one, one, dimension_numbers=_spelt(dimension_numbers)
        )

    return _convolution(
        dimension_numbers,
        out_chan,
        filter_shape,
        W_init,
        b_init,
        lambda shape, kernel: lax.conv_general_shape_tuple(shape, kernel, strides, padding, dimension_numbers),
        convolve,
    )


def GeneralConvTranspose(
    dimension_numbers: DimensionNumbers,
    out_chan: int,
    filter_shape: Sequence[int],
    strides: Sequence[int] | None = None,
    padding: str | Sequence[tuple[int, int]] = "VALID",
    W_init: Callable | None = None,
    b_init: Callable = normal(1e-6),  # noqa: B008
) -> Pair:
    """Transposed convolution as `lax.conv_transpose` computes it: the kernel is not flipped.

    Arguments and parameters as `GeneralConv`'s. `"SAME"` and `"VALID"` are the padding of the convolution that this is
    the transpose of; pairs are what is added around the input once `strides − 1` zeros stand between its pixels.
    """
    one = (1,) * len(filter_shape)
    strides = strides or one

    def spread(inputs: jax.Array, W: jax.Array) -> jax.Array:
        if _channels_last(dimension_numbers, inputs, W) and (not isinstance(padding, str) or padding in _TRANSPOSED):
            window, axes = W.shape[:-2], range(W.ndim - 2)
            pairs = [_transposed_padding(padding, axis, window[axis], strides[axis]) for axis in axes]
            zeros = [(s - 1) * (n - 1) for s, n in zip(strides, inputs.shape[1:-1], strict=True)]
            if _fits(inputs, W, [(low + more, high) for more, (low, high) in zip(zeros, pairs, strict=True)]):
                cut = [(k - 1 - low, k - 1 - high) for k, (low, high) in zip(window, pairs, strict=True)]
                # It flips the kernel, and so is given it flipped.
                flipped = jnp.flip(W, axes)
                return ops.convolve_transposed(inputs, flipped, strides=strides, padding=cut, dilation=one)
        return lax.conv_transpose(inputs, W, strides, padding, dimension_numbers=_spelt(dimension_numbers))

    return _convolution(
        dimension_numbers,
        out_chan,
        filter_shape,
        W_init,
        b_init,
        lambda shape, kernel: lax.conv_transpose_shape_tuple(shape, kernel, strides, padding, dimension_numbers),
        spread,
    )


Conv = functools.partial(GeneralConv, ("NHWC", "HWIO", "NHWC"))
Conv1DTranspose = functools.partial(GeneralConvTranspose, ("NHC", "HIO", "NHC"))
ConvTranspose = functools.partial(GeneralConvTranspose, ("NHWC", "HWIO", "NHWC"))


def _convolution(
    dimension_numbers: DimensionNumbers,
    out_chan: int,
    filter_shape: Sequence[int],
    W_init: Callable | None,
    b_init: Callable,
    shape_of: Callable[[Sequence[int], Sequence[int]], tuple[int, ...]],
    operation: Callable[[jax.Array, jax.Array], jax.Array],
) -> Pair:
    """What both share: parameters and a bias around one operation."""
    lhs_spec, rhs_spec, out_spec = dimension_numbers
    W_init = W_init or glorot_normal(rhs_spec.index("I"), rhs_spec.index("O"))

    def init_fun(rng: jax.Array, input_shape: Sequence[int]) -> tuple[Any, Any]:
        sizes = iter(filter_shape)
        ends = {"O": out_chan, "I": input_shape[lhs_spec.index("C")]}
        kernel_shape = [ends[axis] if axis in ends else next(sizes) for axis in rhs_spec]
        output_shape = shape_of(input_shape, kernel_shape)
        bias_shape = [out_chan if axis == "C" else 1 for axis in out_spec]
        k1, k2 = random.split(rng)
        return output_shape, (W_init(k1, kernel_shape), b_init(k2, bias_shape))

    def apply_fun(params: Any, inputs: Any, **kwargs: Any) -> jax.Array:
        del kwargs
        W, b = params
        return add_bias(operation(jnp.asarray(inputs), jnp.asarray(W)), b)

    return init_fun, apply_fun


def _channels_last(dimension_numbers: DimensionNumbers, inputs: jax.Array, W: jax.Array) -> bool:
    """Whether `fnn.ops` has such a convolution: batch, one to three spatial axes in one order, channels."""
    lhs_spec, rhs_spec, out_spec = dimension_numbers
    spatial = lhs_spec[1:-1]
    wanted = (f"N{spatial}C", f"{spatial}IO", f"N{spatial}C")
    return (
        (lhs_spec, rhs_spec, out_spec) == wanted and 1 <= len(spatial) <= 3 and inputs.ndim == W.ndim == len(lhs_spec)
    )


def _fits(inputs: jax.Array, W: jax.Array, pairs: Sequence[tuple[int, int]]) -> bool:
    """Whether the kernel fits into the padded input at least once, so that there is something to compute."""
    axes = zip(inputs.shape[1:-1], W.shape[:-2], pairs, strict=True)
    return all(n > 0 and k > 0 and n + low + high >= k for n, k, (low, high) in axes)


def _spelt(dimension_numbers: DimensionNumbers) -> tuple[str, str, str]:
    lhs_spec, rhs_spec, out_spec = dimension_numbers
    return lhs_spec, rhs_spec, out_spec


def _transposed_padding(
    padding: str | Sequence[tuple[int, int]], axis: int, window: int, stride: int
) -> tuple[int, int]:
    """What is added around the spread input along an axis, as `lax.conv_transpose` has it."""
    if not isinstance(padding, str):
        return padding[axis]
    return _TRANSPOSED[padding](window, stride)


def _same(window: int, stride: int) -> tuple[int, int]:
    total = window + stride - 2
    low = window - 1 if stride > window - 1 else -(-total // 2)
    return low, total - low


def _valid(window: int, stride: int) -> tuple[int, int]:
    return window - 1, stride - 1 + max(window - stride, 0)


_TRANSPOSED = {"SAME": _same, "VALID": _valid}
