"""Memory that stays with the process from step to step.

On the CPU, XLA asks for all that a program needs in between in one piece, and returns it after each call. A piece of
32 MiB or more the C library takes from the kernel, and gives it back at once: every step then finds all of its pages
missing, and waits until the kernel has cleared them: a sixth of the processor's time in a convolutional network.
`compiler_options` asks XLA for smaller pieces, `keep_memory` the C library to keep them. Neither changes a bit of what
is computed.
"""

import ctypes
import platform
from collections.abc import Callable
from typing import Any

import jax
from jax.core import ShapedArray
from jax.extend.core import jaxprs_in_params

LARGEST = 32 << 20
"""Bytes from which on an array is taken from the kernel and given back, always: what glibc comes to by itself."""

PIECE = LARGEST - (64 << 10)
"""Bytes that a piece has at most, with what the C library adds to it."""

_ROOM = 1.25
"""How much larger than the arrays of the trace those may be that XLA makes in between, such as padded ones."""

_MALLOPT = {
    -3: LARGEST,  # M_MMAP_THRESHOLD
    -1: (1 << 31) - 1,  # M_TRIM_THRESHOLD: how much may lie idle at the end of the heap; 2 GiB
    -2: 64 << 20,  # M_TOP_PAD: more than a thread's heap holds, so that none is given back for having become empty
}
"""The settings of glibc's `mallopt`, by number."""


def keep_memory() -> bool:
    """Asks the C library to keep what this process frees for what it asks for next, up to 2 GiB a heap.

    `fit` and `fit_many` do so; in a loop of your own call it once, before. The process holds on to some more memory
    than it would: for ResNet-18 on 32 images 2.0 instead of 1.4 GB.

    Returns:
      Whether it did: if JAX computes on the CPU, and the C library is glibc, which has these settings.
    """
    if jax.default_backend() != "cpu" or platform.libc_ver()[0] != "glibc":
        return False
    c_library = ctypes.CDLL(None)
    return all(c_library.mallopt(number, value) == 1 for number, value in _MALLOPT.items())


def compiler_options(function: Callable[..., Any], *args: Any) -> dict[str, Any]:
    """Returns what `jax.jit` should pass on to XLA for a training step, or what else is called again and again.

        fnn.train.keep_memory()
        options = fnn.train.compiler_options(step, train_state, batch)
        step = jax.jit(step, donate_argnums=0, compiler_options=options)

    Args:
      function: what will be compiled. It is traced, which `jax.jit` then need not do again.
      *args: what it will be called with, or their shapes.

    Returns:
      Options by name; none for other devices than the CPU, where JAX has an allocator of its own.
    """
    if jax.default_backend() != "cpu":
        return {}
    largest = _largest_array(jax.jit(function).trace(*args).jaxpr.jaxpr)
    # What is smaller than an array that is needed would be said in a warning for each such array.
    return {"xla_multiheap_size_constraint_per_heap": max(PIECE, int(_ROOM * largest))}


def _largest_array(jaxpr: Any) -> int:
    """Returns the bytes of the largest array that a program makes, in the programs inside it too."""
    made = [variable.aval for equation in jaxpr.eqns for variable in equation.outvars]
    sizes = [aval.size * aval.dtype.itemsize for aval in made if isinstance(aval, ShapedArray)]
    inside = [_largest_array(inner) for equation in jaxpr.eqns for inner in jaxprs_in_params(equation.params)]
    return max([0, *sizes, *inside])
