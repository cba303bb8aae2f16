"""Flax's modules as layers, and layers as Flax's modules. Flax is an extra: `pip install 'fnn[flax]'`."""

from fnn.interop.flax.linen import from_linen, join_variables, split_variables, to_linen
from fnn.interop.flax.nnx import from_nnx, split_module, to_nnx, update_module

__all__ = [
    # Linen.
    "from_linen",
    "join_variables",
    "split_variables",
    "to_linen",
    # NNX.
    "from_nnx",
    "split_module",
    "to_nnx",
    "update_module",
]
