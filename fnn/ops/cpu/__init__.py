"""Convolution on the CPU: several ways to write the same thing, and a choice among them by estimated time."""

from fnn.ops.cpu.convolution import convolve, input_gradient, kernel_gradient

__all__ = ["convolve", "input_gradient", "kernel_gradient"]
