"""How well a network stands before or during training: dead units, saturated outputs, vanishing gradients."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fnn.layer import Layer, Params, State
from fnn.train.flow import flow, innermost, is_floating, own_leaves, shown
from fnn.train.step import LossFn

Kind = Literal["rectifier", "sigmoid", "tanh", "hard tanh"]
"""What an activation was seen to do to its input.

The names of layers say nothing that one could rely on, so the numbers are asked. A layer without parameters that keeps
the shape of its input is a `rectifier` if it gives 0 for every number that is not positive, of which there are some
below 0, and something positive for every positive one; a `sigmoid`, a `tanh` or a `hard tanh` if it gives, to a few
roundings, what that function gives (for a hard tanh, where some number is outside of [−1, 1]: inside it is the
identity).
"""

ENDS: dict[Kind, tuple[float, float]] = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "hard tanh": (-1.0, 1.0)}
"""Between which ends a bounded activation's outputs lie."""

NEAR = 0.01
"""A bounded output is saturated if it is that near to one of its ends."""

MOST = 0.5
"""From this share of a layer's units, or outputs, on, that they are dead or saturated is a finding. By chance alone
half of a ReLU's outputs are zero, but hardly a unit is so for every sample of a batch."""

VANISHING = 1e-4
"""The gradient vanishes if that of the first layer's parameters has less than this share of the norm of the last
layer's. Glorot & Bengio 2010, section 4.2, and He et al. 2015 (arXiv 1502.01852), section 2.2, want a share of about
1; the number is this library's, far enough from 1 to blame no network that trains well."""

EXPLODING = 1e4
"""The gradient explodes if that of the first layer's parameters has more than this many times the norm of the last
layer's; so do activations whose standard deviation grows by more than this from the input to any layer."""

COLLAPSING = 1e-4
"""Activations collapse if their standard deviation falls below this share of the input's (Glorot & Bengio 2010, figure
6, and He et al. 2015, section 2.2, show how the scale shrinks layer by layer under too small initial weights)."""


class LayerHealth(NamedTuple):
    """How one layer stands in one training step."""

    path: str
    """Empty for the network itself, where it is one layer."""
    kind: Kind | None
    """What sort of activation it was seen to be, if any."""
    units: int
    """How many channels or features it has: the length of its output's last axis."""
    dead: float | None
    """The share of units whose output is zero for every sample, at every place; None if it is no rectifier."""
    saturated: float | None
    """The share of outputs within `NEAR` of an end; None if it is no bounded activation."""
    input_std: float
    """The standard deviation of what it is given, over all samples and units."""
    mean: float
    """Of the outputs."""
    std: float
    """The standard deviation of the outputs."""
    gradient_rms: float
    """The root mean square of the mean loss's gradient with respect to the outputs."""
    parameter_norm: float | None
    """The Euclidean norm of its parameters; None if it has none."""
    gradient_norm: float | None
    """The Euclidean norm of the mean loss's gradient with respect to them."""
    without_gradient: tuple[str, ...]
    """Its parameters whose gradient is exactly zero."""

    @property
    def relative_gradient(self) -> float | None:
        """The gradient's norm over the parameters'; None without parameters, or if all of them are zero."""
        return (
            self.gradient_norm / self.parameter_norm if self.gradient_norm is not None and self.parameter_norm else None
        )


def examine(
    layer: Layer, loss: LossFn, params: Params, state: State, x: Any, targets: Any, key: jax.Array | None
) -> list[LayerHealth]:
    """Runs one forward pass in training mode and one backward pass, and measures every layer.

    Args:
      layer: what is trained.
      loss: one number an example, as in `fnn.losses`.
      params: its parameters.
      state: its state.
      x: its input, a batch.
      targets: what the loss compares its outputs with.
      key: as for `layer.apply`.

    Returns:
      The health of each layer that holds no other, or has parameters of its own, in the order of the forward pass.
    """
    done = jax.device_get(flow(layer, loss, params, state, x, targets, key))
    paths = [passage.path for passage in done.passages]
    inner, own = set(innermost(paths)), own_leaves(jax.device_get(params), paths)
    own_gradients = own_leaves(done.param_gradients, paths)
    with np.errstate(invalid="ignore"):  # of infinite numbers there is no standard deviation, and that is no news here
        return [
            _measure(passage.path, passage.x, passage.y, gradient.y, own[passage.path], own_gradients[passage.path])
            for passage, gradient in zip(done.passages, done.gradients, strict=True)
            if passage.path in inner or own[passage.path]
        ]


def _measure(
    path: str, x: Any, y: Any, gradient: Any, own: Mapping[str, Any], own_gradient: Mapping[str, Any]
) -> LayerHealth:
    kind = None if own else kind_of(x, y)
    numbers = _numbers(y)
    return LayerHealth(
        shown(path),
        kind,
        units=y.shape[-1] if getattr(y, "ndim", 0) else 1,
        dead=float(np.mean(np.all(y == 0, axis=tuple(range(y.ndim - 1))))) if kind == "rectifier" else None,
        saturated=_saturated(y, ENDS[kind]) if kind in ENDS else None,
        input_std=float(_numbers(x).std()),
        mean=float(numbers.mean()),
        std=float(numbers.std()),
        gradient_rms=float(np.sqrt(np.mean(np.square(_numbers(gradient))))),
        parameter_norm=float(np.linalg.norm(_numbers(own))) if own else None,
        gradient_norm=float(np.linalg.norm(_numbers(own_gradient))) if own else None,
        without_gradient=tuple(name for name, leaf in own_gradient.items() if not np.any(leaf)),
    )


def kind_of(x: Any, y: Any) -> Kind | None:
    """Says what sort of activation gives `y` for `x`, if any: see `Kind`."""
    if not (is_floating(x) and is_floating(y)) or x.shape != y.shape or not x.size:
        return None
    roundings = 8 * float(jnp.finfo(y.dtype).eps)
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if np.any(x < 0) and np.all(y[x <= 0] == 0) and np.all(y[x > 0] > 0):
        return "rectifier"
    with np.errstate(over="ignore"):
        bounded: dict[Kind, np.ndarray] = {"sigmoid": 1 / (1 + np.exp(-x)), "tanh": np.tanh(x)}
    if np.any(np.abs(x) > 1):
        bounded["hard tanh"] = np.clip(x, -1, 1)
    return next((kind for kind, wanted in bounded.items() if np.allclose(y, wanted, rtol=0, atol=roundings)), None)


def _saturated(y: Any, ends: tuple[float, float]) -> float:
    low, high = ends
    return float(np.mean((y <= low + NEAR) | (y >= high - NEAR)))


def _numbers(tree: Any) -> np.ndarray:
    """All floating-point numbers of a tree in one row; a zero if there are none."""
    leaves = [np.ravel(leaf).astype(np.float64) for leaf in jax.tree.leaves(tree) if is_floating(leaf)]
    return np.concatenate([*leaves]) if any(leaf.size for leaf in leaves) else np.zeros(1)


def findings(health: Sequence[LayerHealth]) -> list[str]:
    """Says in words what looks wrong in a network, with what to try; nothing if nothing does.

    Args:
      health: what `examine` returned, at the beginning or at any time during training.
    """
    return [*_broken(health), *_idle(health), *_without_gradient(health), *_scale(health)]


def _broken(health: Sequence[LayerHealth]) -> list[str]:
    broken = [h for h in health if not all(map(math.isfinite, (h.std, h.gradient_rms, h.gradient_norm or 0)))]
    return [
        f"{_name(h)}: its outputs or gradients are not finite; fnn.train.first_nonfinite says where that begins"
        for h in broken[:1]
    ]


def _idle(health: Sequence[LayerHealth]) -> list[str]:
    said = []
    for h in health:
        if h.dead is not None and h.dead >= MOST:
            said.append(
                f"{_name(h)}: {100 * h.dead:.0f} % of {h.units} units are dead, they give 0 for every sample, so that "
                "no gradient passes them; try a lower learning rate, he_normal initial weights, or BatchNorm before it"
            )
        if h.saturated is not None and h.saturated >= MOST:
            said.append(
                f"{_name(h)}: {100 * h.saturated:.0f} % of the outputs are saturated, within {NEAR} of an end of a "
                f"{h.kind}, where its slope is almost 0; try smaller initial weights (glorot_normal), a lower "
                "learning rate, BatchNorm before it, or Relu in its place"
            )
    return said


def _without_gradient(health: Sequence[LayerHealth]) -> list[str]:
    names = [name for h in health for name in h.without_gradient]
    if not names:
        return []
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return [
        f"no gradient at all reaches {', '.join(names[:4])}{more}: it is exactly 0, so they do not learn; nothing "
        "reads them, they are frozen, or all that reads them is dead"
    ]


def _scale(health: Sequence[LayerHealth]) -> list[str]:
    """Compares the scale of gradients, and of activations, over the depth of the network."""
    said = []
    learning = [h for h in health if h.gradient_norm]
    if len(learning) > 1:
        first, last = learning[0], learning[-1]
        ratio = (first.gradient_norm or 0) / (last.gradient_norm or 1)
        sizes = (
            f"its norm is {first.gradient_norm:.2g} for the parameters of {_name(first)} and {last.gradient_norm:.2g} "
            f"for those of {_name(last)}"
        )
        if ratio < VANISHING:
            said.append(
                f"the gradient vanishes on its way back: {sizes}; try Relu for sigmoids, he_normal initial weights, "
                "BatchNorm, residual blocks, or fewer layers"
            )
        if ratio > EXPLODING:
            said.append(
                f"the gradient explodes on its way back: {sizes}; try smaller initial weights, BatchNorm, or clipped "
                "gradients (optax.clip_by_global_norm)"
            )
    given = health[0].input_std if health else 0
    alive = [] if any((h.dead or 0) >= MOST for h in health) else health  # behind dead units nothing varies anyway
    for what, far in (
        ("explode", next((h for h in health if given and h.std > EXPLODING * given), None)),
        ("collapse", next((h for h in alive if given and h.std < COLLAPSING * given), None)),
    ):
        if far:
            said.append(
                f"the activations {what} on their way forward: their standard deviation is {given:.2g} in the input "
                f"and {far.std:.2g} after {_name(far)}; try a lower learning rate, initial weights that keep the "
                "scale (he_normal, glorot_normal), or BatchNorm"
            )
    return said


def _name(health: LayerHealth) -> str:
    return health.path or "the network"
