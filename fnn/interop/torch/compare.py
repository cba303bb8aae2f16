"""Where two networks that should compute the same begin to differ."""

import copy
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from fnn.intermediates import intermediates
from fnn.interop.torch.layout import module_names
from fnn.layer import Layer, Params, State


class Difference(NamedTuple):
    """The first layer whose outputs differ."""

    path: str
    """Of the layer in fnn; for the second turn of a layer that is used twice, `"path#2"`."""
    module: str
    """The name of the module in PyTorch."""
    error: float
    """The largest difference, relative to the largest output of PyTorch's; infinite if the shapes differ."""
    shapes: tuple[tuple[int, ...], tuple[int, ...]]
    """Of both outputs, channels last."""


def first_difference(
    model: Layer,
    params: Params,
    state: State,
    module: Any,
    x: Any,
    *,
    train: bool = False,
    tolerance: float = 1e-4,
    names: Mapping[str, str] | None = None,
) -> Difference | None:
    """Runs a network of fnn and one of PyTorch on the same images, and compares them layer by layer.

    Args:
      model: the network in fnn.
      params: its parameters.
      state: its state.
      module: the `torch.nn.Module`; it is left as it is.
      x: images, `(batch, *spatial, channels)`; PyTorch gets them with the channels first.
      train: the mode of both. Dropout draws other numbers in each: compare without.
      tolerance: up to which relative error two outputs count as the same.
      names: from paths to module names; torchvision's by default.

    Returns:
      The first layer, in the order of computation, whose outputs differ; None if all agree.

    Raises:
      ValueError: if the module has no part of one of the names.
    """
    import torch

    names = module_names(model, x, names)
    module = copy.deepcopy(module).train(train)
    parts = dict(module.named_modules())
    absent = [name for name in names.values() if name not in parts]
    if absent:
        raise ValueError(f"the module has no parts called {absent}; it has {[name for name in parts if name][:8]}, ….")
    outputs: dict[str, list[np.ndarray]] = {name: [] for name in names.values()}

    def keep(name: str, output: Any) -> None:
        # Copied: an activation that works in place would change it afterwards.
        outputs[name].append(np.array(output.detach().cpu().numpy()))

    for name in outputs:
        parts[name].register_forward_hook(lambda _, __, output, name=name: keep(name, output))
    with torch.no_grad():
        module(torch.tensor(np.moveaxis(np.asarray(x), -1, 1).copy()))
    _, _, passages = jax.jit(partial(intermediates, model, train=train))(params, state, x)
    for passage in passages:
        path, _, turn = passage.path.partition("#")
        if path in names:
            output = outputs[names[path]][int(turn or 1) - 1]
            theirs = np.moveaxis(output, 1, -1) if output.ndim > 2 else output
            error = _relative(np.asarray(passage.y), theirs)
            if not error <= tolerance:
                return Difference(passage.path, names[path], error, (passage.y.shape, theirs.shape))
    return None


def _relative(ours: np.ndarray, theirs: np.ndarray) -> float:
    if ours.shape != theirs.shape:
        return float("inf")
    ours, theirs = ours.astype(np.float64), theirs.astype(np.float64)
    return float(np.max(np.abs(ours - theirs), initial=0) / (np.max(np.abs(theirs), initial=0) or 1))
