"""Where a NaN or an infinity comes from, for the message of the error that ends a run."""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fnn.layer import Layer, Params, State
from fnn.train.flow import NETWORK, Flow, flow, innermost, is_floating, own_leaves, shown
from fnn.train.step import LossFn

Place = Literal[
    "batch", "targets", "parameter", "state", "layer", "join", "wire", "loss", "next state",
    "loss gradient", "wire gradient", "layer gradient", "parameter gradient",
]  # fmt: skip
"""Where the first number that is not finite stands, in the order in which a step computes.

`batch`, `targets`, `parameter` and `state` are what the step was given. A `layer` made it of finite inputs; a `join` is
what a combinator makes of its layers' finite outputs, a `wire` what a layer is given that no layer made. `next state`
is what BatchNorm's kind leaves for the next step. The gradients are met going back from the loss: that of the loss
itself, of a wire, of a layer's input, of a parameter.
"""


class Found(NamedTuple):
    """The numbers of an array, or of several, that are not finite."""

    kind: Literal["NaN", "infinity", "NaN and infinity"]
    bad: int
    """How many."""
    total: int
    """Of how many numbers."""
    first: tuple[int, ...]
    """The index of the first."""
    samples: tuple[int, ...]
    """In which samples of the batch; empty where the numbers do not belong to samples."""


class Blame(NamedTuple):
    """Where a step's first NaN or infinity stands. Its `str` is a sentence for an error message."""

    place: Place
    path: str
    """Of the layer, parameter or state entry; empty for the whole network, its batch, targets and loss."""
    found: Found
    inputs: tuple[float, float] | None
    """The smallest and the largest number that came in there, if it is something that computes."""
    batch: int
    """How many samples the batch has."""
    huge: bool
    """Whether an input or a parameter there is so large that a product of two such overflows."""

    def __str__(self) -> str:
        """Says it in one sentence."""
        path, found = self.path, self.found
        who = f"layer '{path}'" if path else "the network"
        many = f"{found.bad:,} of {found.total:,} numbers{self._samples()}"
        at = f"{many}, first at index {found.first}" if found.first else many
        source = f", from inputs between {self.inputs[0]:.4g} and {self.inputs[1]:.4g}" if self.inputs else ""
        exploded = "; numbers this large mean that the weights exploded, a lower learning rate may help"
        large = exploded if self.huge else ""
        update = "an earlier update made it so; a lower learning rate or clipped gradients may help"
        back = "going back from a finite loss, the first gradient with"
        match self.place:
            case "batch":
                return f"the batch holds {found.kind}: {at}; look at these samples and at what prepares them"
            case "targets":
                return f"the targets hold {found.kind}: {at}"
            case "parameter":
                return f"parameter '{path}' holds {found.kind} before the step: {at}; {update}"
            case "state":
                return f"state '{path}' holds {found.kind} before the step: {at}; an earlier step made it so"
            case "layer":
                return f"{who} is the first to make {found.kind}: {many}{source}{large}"
            case "join":
                return f"{who} makes {found.kind} of what its layers give, which is finite: {many}{large}"
            case "wire":
                made = "no layer made it, but a function between the layers"
                return f"what {who} is given is the first to hold {found.kind}: {many}; {made}"
            case "loss":
                which = many if found.total > 1 or self.batch == 1 else "the mean of losses that are finite themselves"
                doubt = "; does every label name a class?" if found.kind == "NaN" and not self.huge else ""
                return f"the loss makes {found.kind} of outputs that are finite: {which}{source}{large}{doubt}"
            case "next state":
                return f"state '{path}' becomes {found.kind} in the step, whose loss is finite: {at}"
            case "loss gradient":
                return f"{back} {found.kind} is that of the loss with respect to the outputs: {many}{source}{large}"
            case "wire gradient":
                return f"{back} {found.kind} is what a function between the layers hands to {who}: {many}"
            case "layer gradient":
                return f"{back} {found.kind} is what {who} hands to the layers before it: {many}{source}{large}"
            case "parameter gradient":
                return f"{back} {found.kind} is that of parameter '{path}': {at}{source}{large}"

    def _samples(self) -> str:
        """Says in which samples."""
        samples = self.found.samples
        if not samples or self.batch == 1:
            return ""
        if len(samples) == self.batch:
            return f" in all {self.batch} samples"
        if len(samples) == 1:
            return f" in sample {samples[0]}"
        more = len(samples) - 6
        listed, last = (samples[:-1], f"{samples[-1]}") if more <= 0 else (samples[:5], f"{more + 1} more")
        return f" in samples {', '.join(map(str, listed))} and {last}"


def first_nonfinite(
    layer: Layer, loss: LossFn, params: Params, state: State, x: Any, targets: Any, key: jax.Array | None
) -> Blame | None:
    """Says where the first NaN or infinity of a training step comes from.

    Runs the step's forward pass, in training mode, and its backward pass once more, so it is for afterwards: when a
    loss, a gradient or a parameter was found not to be finite.

    Args:
      layer: what is trained.
      loss: one number an example, as in `fnn.losses`; where the step scales its loss, so scaled.
      params: the parameters before the step.
      state: the state before the step.
      x: what the layer was given: prepared, augmented images.
      targets: what the loss was given.
      key: of the step's forward pass.

    Returns:
      The blame; None if all is finite up to the parameters' gradients, so that if the next parameters are not, the
      optimizer made them so.
    """
    batch = next((leaf.shape[0] for leaf in jax.tree.leaves(x) if jnp.ndim(leaf)), 1)
    for suspect in _in_order(layer, loss, params, state, x, targets, key):
        found = _look(suspect.held, batch if suspect.place in _BY_SAMPLE else 0)
        if found:
            huge = _is_huge((suspect.source, suspect.params))
            return Blame(suspect.place, suspect.path, found, _range(suspect.source), batch, huge)
    return None


class _Suspect(NamedTuple):
    """What a step reads or makes, and of what it makes it."""

    place: Place
    path: str
    held: Any
    source: Any = None
    params: Any = None


_BY_SAMPLE = {"batch", "targets", "layer", "join", "wire", "loss", "loss gradient", "wire gradient", "layer gradient"}
"""Where the first axis is the batch's."""


def _in_order(
    layer: Layer, loss: LossFn, params: Params, state: State, x: Any, targets: Any, key: jax.Array | None
) -> Iterator[_Suspect]:
    """Goes through a step in the order in which it computes."""
    yield _Suspect("batch", "", x)
    yield _Suspect("targets", "", targets)
    yield from (_Suspect("parameter", path, leaf) for path, leaf in _entries(params))
    yield from (_Suspect("state", path, leaf) for path, leaf in _entries(state))
    done = flow(layer, loss, params, state, x, targets, key)
    paths = [passage.path for passage in done.passages]
    inner, own = set(innermost(paths)), own_leaves(params, paths)
    for path, given, made in ((passage.path, passage.x, passage.y) for passage in done.passages):
        yield _Suspect("wire", shown(path), given)
        yield _Suspect("layer" if path in inner else "join", shown(path), made, given, own[path])
    outputs = done.passages[-1].y
    yield _Suspect("loss", "", done.losses, outputs)
    yield _Suspect("loss", "", done.loss, outputs)
    yield from (_Suspect("next state", path, leaf) for path, leaf in _entries(done.state))
    if not all(np.isfinite(leaf).all() for leaf in map(np.asarray, jax.tree.leaves(done.param_gradients))):
        yield from _going_back(done, inner, own)  # else: a gradient that reaches no parameter does no harm


def _going_back(done: Flow, inner: set[str], own: dict[str, dict[str, Any]]) -> Iterator[_Suspect]:
    """Goes through the gradients in the order in which the backward pass computes them."""
    gradients = own_leaves(done.param_gradients, own)
    for passage, gradient in zip(reversed(done.passages), reversed(done.gradients), strict=True):
        path, given, params = shown(passage.path), passage.x, own[passage.path]
        if passage.path == NETWORK:
            yield _Suspect("loss gradient", "", gradient.y, passage.y)
        elif passage.path in inner:
            yield _Suspect("wire gradient", path, gradient.y)
        for name, leaf in gradients[passage.path].items():
            yield _Suspect("parameter gradient", name, leaf, given, params)
        if passage.path in inner:
            yield _Suspect("layer gradient", path, gradient.x, given, params)


def _entries(tree: Any) -> Iterator[tuple[str, Any]]:
    """Gives each leaf of a nested dict with its path."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        yield jax.tree_util.keystr(path, simple=True, separator="/"), leaf


def _look(tree: Any, batch: int) -> Found | None:
    """Counts what is not finite; `batch` is the length of an axis of samples, 0 if there is none."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(tree) if is_floating(leaf)]
    bad = [~np.isfinite(leaf) for leaf in leaves]
    if not any(mask.any() for mask in bad):
        return None
    nan = any(np.isnan(leaf).any() for leaf in leaves)
    infinite = any(np.isinf(leaf).any() for leaf in leaves)
    first = next(tuple(int(i) for i in np.argwhere(mask)[0]) for mask in bad if mask.any())
    samples = {int(i) for mask in bad if mask.ndim and len(mask) == batch for i in np.nonzero(mask)[0]}
    return Found(
        "NaN and infinity" if nan and infinite else "NaN" if nan else "infinity",
        sum(int(mask.sum()) for mask in bad),
        sum(mask.size for mask in bad),
        first,
        tuple(sorted(samples)),
    )


def _range(tree: Any) -> tuple[float, float] | None:
    """Returns the smallest and the largest number of a tree; None if it holds none."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(tree) if is_floating(leaf)]
    filled = [leaf.astype(np.float64) for leaf in leaves if leaf.size]
    return (float(min(map(np.min, filled))), float(max(map(np.max, filled)))) if filled else None


def _is_huge(tree: Any) -> bool:
    """Says whether a number is beyond the square root of the largest of the narrowest dtype."""
    floats = [leaf for leaf in jax.tree.leaves(tree) if is_floating(leaf) and leaf.size]
    limit = min((float(jnp.finfo(leaf.dtype).max) ** 0.5 for leaf in floats), default=np.inf)
    return any(abs(np.asarray(leaf).astype(np.float64)).max() > limit for leaf in floats)
