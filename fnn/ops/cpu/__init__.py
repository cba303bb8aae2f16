"""Convolution on the CPU: several ways to write the same thing, and a choice among them by estimated time."""

from fnn.ops.cpu.convolution import convolve, input_gradient, kernel_gradient
from fnn.ops.cpu.product import matrix_gradient

__all__ = ["convolve", "input_gradient", "kernel_gradient", "matrix_gradient"]
