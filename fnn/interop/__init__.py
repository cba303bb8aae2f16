"""Bridges to other libraries and to other processes. Nothing here is loaded before it is asked for."""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fnn.interop import export, flax, safetensors, stax, torch

__all__ = ["export", "flax", "safetensors", "stax", "torch"]


def __getattr__(name: str) -> ModuleType:
    if name in __all__:
        return importlib.import_module(f"fnn.interop.{name}")
    raise AttributeError(f"module 'fnn.interop' has no attribute {name!r}")
