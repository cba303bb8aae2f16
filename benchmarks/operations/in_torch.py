"""The operations in eager PyTorch, channels first and contiguous."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional, grad

from benchmarks.agreement import to_numpy
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
from benchmarks.operations.in_jax import Made
from benchmarks.peers.torch import device, wait

_IMAGES, _KERNELS = (0, 3, 1, 2), (3, 2, 0, 1)
"""The axes of channels-last images and kernels in PyTorch's order."""


def make(peer: str, operation: Operation, case: str, operands: Operands) -> Made | None:
    """Returns a case of an operation with its operands; None for `lax.scan`, which PyTorch does not have.

    Args:
      peer: `"torch"`.
      operation: what is computed.
      case: what of it, see `cases_of`.
      operands: with which arrays.
    """
    del peer
    if case == IN_SCAN:
        return None
    place = device()
    if isinstance(operation, Looped):
        operation = operation.convolution

    def on_device(array: np.ndarray, axes: tuple[int, ...]) -> torch.Tensor:
        return torch.tensor(array.transpose(axes) if array.ndim == 4 else array, device=place).contiguous()

    x, *weights = operands.inputs
    images, cotangent = on_device(x, _IMAGES), on_device(operands.cotangent, _IMAGES)
    others = [on_device(array, _KERNELS) for array in weights]
    if isinstance(operation, Convolution):
        compute = _convolution(operation, case, images, others[0], cotangent)
    else:
        compute = _with_gradient(_function(operation), case, [images, *others], cotangent)

    def run() -> Any:
        outputs = compute()
        wait(place)
        return outputs

    def read(outputs: Any) -> list[np.ndarray]:
        axes = np.argsort(_KERNELS if case.startswith("weight_gradient") else _IMAGES)
        arrays = [to_numpy(output) for output in (outputs if isinstance(outputs, tuple) else (outputs,))]
        return [array.transpose(axes) if array.ndim == 4 else array for array in arrays]

    return Made(run, read)


def _convolution(
    operation: Convolution, case: str, x: torch.Tensor, kernel: torch.Tensor, cotangent: torch.Tensor
) -> Callable[[], Any]:
    strides, padding, dilation, groups = operation.strides, operation.padding, 1, operation.groups

    def weight_gradient(cotangent: torch.Tensor) -> torch.Tensor:
        return grad.conv2d_weight(x, kernel.shape, cotangent, strides, padding, dilation, groups)

    def loop() -> torch.Tensor:
        following, gradient = cotangent, kernel
        for _ in range(LOOPS):
            gradient = weight_gradient(following)
            following = following + 1e-6 * gradient[0, 0, 0, 0]
        return gradient

    return {
        "forward": lambda: functional.conv2d(x, kernel, None, strides, padding, dilation, groups),
        "input_gradient": lambda: grad.conv2d_input(x.shape, kernel, cotangent, strides, padding, dilation, groups),
        "weight_gradient": lambda: weight_gradient(cotangent),
        IN_LOOP: loop,
    }[case]


def _function(operation: Pool | BatchNormalization) -> Callable[..., torch.Tensor]:
    match operation:
        case Pool(kind, _, _, _, window, strides, padding):
            pool = functional.max_pool2d if kind == "max" else functional.avg_pool2d
            return lambda x: pool(x, window, strides, padding)
        case BatchNormalization():
            return lambda x, scale, bias: functional.batch_norm(x, None, None, scale, bias, training=True, eps=1e-5)


def _with_gradient(
    function: Callable[..., torch.Tensor], case: str, inputs: list[torch.Tensor], cotangent: torch.Tensor
) -> Callable[[], Any]:
    if case == "forward":
        return lambda: function(*inputs)
    for tensor in inputs:
        tensor.requires_grad_()

    def forward_and_gradient() -> Any:
        y = function(*inputs)
        return y, *torch.autograd.grad(y, inputs, cotangent)

    return forward_and_gradient
