"""How operations are written for the CPU: a convolution in several ways, of which the estimated time chooses one."""

from fnn.ops.cpu.convolution import convolve, input_gradient, kernel_gradient
from fnn.ops.cpu.product import matrix_gradient

__all__ = ["convolve", "input_gradient", "kernel_gradient", "matrix_gradient"]
