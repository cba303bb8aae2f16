"""`fnn.interop.stax` under the name that programs import: `from fnn import stax` for `jax.example_libraries.stax`."""

from fnn.interop import stax as _stax
from fnn.interop.stax import *  # noqa: F403

__all__: list[str] = []
__all__ += _stax.__all__
