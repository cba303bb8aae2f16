"""How a Flax module is told whether it is training."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

ModeFn = Callable[[bool], Mapping[str, Any]]
"""From `train` to the keyword arguments that say so: `lambda train: {"is_training": train}`."""

_SAME = ("train", "training", "is_training")
_OPPOSITE = ("deterministic", "use_running_average")


def mode_of(module: Any) -> ModeFn:
    """Finds the arguments of `module.__call__` that tell the mode, by their names.

    What the module was told when it was made, as in `BatchNorm(use_running_average=True)`, it is not told again.
    """
    taken = [
        name
        for name in inspect.signature(type(module).__call__).parameters
        if name in _SAME + _OPPOSITE and getattr(module, name, None) is None
    ]
    return lambda train: {name: train if name in _SAME else not train for name in taken}


def explain() -> str:
    """Says which arguments are found."""
    return f"one of {', '.join(_SAME + _OPPOSITE)}"
