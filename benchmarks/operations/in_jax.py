"""The operations in JAX: with `fnn`'s own functions, and with `lax` as it is written by hand.

Operands are arguments of the compiled functions, never constants, which XLA would compute with while it compiles.
Gradients are `jax.vjp`'s; the forward pass that a gradient does not need is not computed.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import fnn
from benchmarks.operations.grid import (
    IN_LOOP,
    IN_SCAN,
    LOOPS,
    BatchNormalization,
    Convolution,
    Looped,
    Operands,
    Operation,
    Pool,
)
from fnn import ops


class Made(NamedTuple):
    """A compiled case with its operands."""

    run: Callable[[], Any]
    """Computes; returns when the device has finished."""
    read: Callable[[Any], list[np.ndarray]]
    """Turns what `run` returned into channels-last NumPy arrays."""


def make(peer: str, operation: Operation, case: str, operands: Operands) -> Made:
    """Compiles a case of an operation.

    Args:
      peer: `"fnn"` or `"plain"`.
      operation: what is computed.
      case: what of it, see `cases_of`.
      operands: with which arrays.
    """
    inputs = tuple(map(jnp.asarray, operands.inputs))
    cotangent = jnp.asarray(operands.cotangent)
    forward = {"fnn": _in_fnn, "plain": _in_lax}[peer](operation)
    function = jax.jit(_case(forward, case))
    if case == IN_LOOP:
        return Made(lambda: jax.block_until_ready(_loop(function, inputs, cotangent)), _read)
    return Made(lambda: jax.block_until_ready(function(inputs, cotangent)), _read)


def _case(forward: Callable[..., jax.Array], case: str) -> Callable[[Any, jax.Array], Any]:
    def weight_gradient(inputs: Any, cotangent: jax.Array) -> jax.Array:
        x, kernel = inputs
        return jax.vjp(lambda kernel: forward(x, kernel), kernel)[1](cotangent)[0]

    def input_gradient(inputs: Any, cotangent: jax.Array) -> jax.Array:
        x, kernel = inputs
        return jax.vjp(lambda x: forward(x, kernel), x)[1](cotangent)[0]

    def forward_and_gradient(inputs: Any, cotangent: jax.Array) -> Any:
        y, pull_back = jax.vjp(forward, *inputs)
        return y, *pull_back(cotangent)

    def once(inputs: Any, cotangent: jax.Array) -> tuple[jax.Array, jax.Array]:
        # The next cotangent depends on this gradient, so that no two of the loop can be one.
        gradient = weight_gradient(inputs, cotangent)
        return cotangent + 1e-6 * gradient[0, 0, 0, 0], gradient

    def in_scan(inputs: Any, cotangent: jax.Array) -> jax.Array:
        carry = cotangent, jnp.zeros_like(inputs[1])
        return lax.scan(lambda carry, _: (once(inputs, carry[0]), None), carry, length=LOOPS)[0][1]

    return {
        "forward": lambda inputs, _: forward(*inputs),
        "input_gradient": input_gradient,
        "weight_gradient": weight_gradient,
        "forward_and_gradient": forward_and_gradient,
        IN_SCAN: in_scan,
        IN_LOOP: once,
    }[case]


def _loop(once: Callable[..., Any], inputs: Any, cotangent: jax.Array) -> jax.Array:
    gradient = None
    for _ in range(LOOPS):
        cotangent, gradient = once(inputs, cotangent)
    assert gradient is not None
    return gradient


def _in_fnn(operation: Operation) -> Callable[..., jax.Array]:
    match operation:
        case Looped(convolution):
            return _in_fnn(convolution)
        case Convolution(_, _, _, _, _, strides, groups):
            pads = ((operation.padding, operation.padding),) * 2
            return lambda x, kernel: ops.convolve(
                x, kernel, strides=(strides, strides), padding=pads, dilation=(1, 1), groups=groups
            )
        case Pool(kind, _, _, _, window, strides, padding):
            sides = (window, window), (strides, strides), ((padding, padding),) * 2
            if kind == "max":
                return lambda x: ops.max_pool(x, *sides)
            return lambda x: ops.sum_pool(x, *sides) / window**2
        case BatchNormalization(_, _, channels):
            layer = fnn.BatchNorm()
            state = {"mean": np.zeros(channels, np.float32), "var": np.ones(channels, np.float32)}
            return lambda x, scale, bias: layer.apply({"scale": scale, "bias": bias}, state, x, train=True)[0]


def _in_lax(operation: Operation) -> Callable[..., jax.Array]:
    match operation:
        case Looped(convolution):
            return _in_lax(convolution)
        case Convolution(_, _, _, _, _, strides, groups):
            pads = ((operation.padding, operation.padding),) * 2
            axes = ("NHWC", "HWIO", "NHWC")
            return lambda x, kernel: lax.conv_general_dilated(
                x, kernel, (strides, strides), pads, dimension_numbers=axes, feature_group_count=groups
            )
        case Pool(kind, _, _, _, window, strides, padding):
            edge = (padding, padding)
            sides = (1, window, window, 1), (1, strides, strides, 1), ((0, 0), edge, edge, (0, 0))
            if kind == "max":
                return lambda x: lax.reduce_window(x, -np.inf, lax.max, *sides)
            return lambda x: lax.reduce_window(x, 0.0, lax.add, *sides) / window**2
        case BatchNormalization():

            def normalize(x: jax.Array, scale: jax.Array, bias: jax.Array) -> jax.Array:
                mean, var = jnp.mean(x, (0, 1, 2)), jnp.var(x, (0, 1, 2))
                return (x - mean) * lax.rsqrt(var + 1e-5) * scale + bias

            return normalize


def _read(outputs: Any) -> list[np.ndarray]:
    return [np.asarray(output) for output in jax.tree.leaves(outputs)]
