"""A network in evaluation mode as a `jax.export` program of its weights and a batch of any size."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

from fnn import ops
from fnn.layer import Layer, Params, State

Outputs = Literal["probabilities", "scores"]
"""The softmax of what the network gives, or what it gives."""

OUTPUTS: tuple[str, ...] = get_args(Outputs)

PLATFORMS = ("cpu", "cuda", "tpu")
"""For which platforms a program is lowered by default; `"rocm"` is the fourth that JAX has."""


def make_program(
    layer: Layer,
    params: Params,
    state: State,
    prepare: Callable[[jax.Array], jax.Array],
    image_shape: Sequence[int],
    *,
    outputs: Outputs = "probabilities",
    platforms: Sequence[str] = PLATFORMS,
) -> tuple[export.Exported, dict[str, np.ndarray]]:
    """Exports a trained network.

    Args:
      layer: maps prepared images to `(batch, classes)`.
      params: its trained parameters.
      state: its state.
      prepare: what turns uint8 images into the layer's input, such as a `fnn.data.Normalization`; becomes part of the
        program.
      image_shape: `(height, width, channels)`.
      outputs: what the program gives, in at least float32.
      platforms: which platforms it can run on.

    Returns:
      The program, a function of a list of weights and of uint8 images `(batch, *image_shape)`; and the weights, by
      names such as `"params/conv1/kernel"`, in the list's order.

    Raises:
      ValueError: if an argument is none of those possible, the layer gives anything but one row an image, or a weight
        is no array of numbers.
    """
    if outputs not in OUTPUTS:
        raise ValueError(f"export expects outputs as one of {', '.join(OUTPUTS)}, got {outputs!r}.")
    named, structure = jax.tree.flatten_with_path({"params": params, "state": state})
    weights = {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in named}
    stored = {name: _storable(leaf, name) for name, leaf in weights.items()}
    dtypes = [jnp.result_type(leaf) for leaf in weights.values()]

    def predict(given: list[jax.Array], images: jax.Array) -> jax.Array:
        leaves = [jnp.asarray(a, dtype) for a, dtype in zip(given, dtypes, strict=True)]
        trees = jax.tree.unflatten(structure, leaves)
        y, _ = layer.apply(trees["params"], trees["state"], prepare(images), train=False)
        if not hasattr(y, "ndim") or y.ndim != 2:
            raise ValueError(f"export expects a layer that maps images to (batch, classes), got {jax.typeof(y)}.")
        return jax.nn.softmax(ops.widen(y)) if outputs == "probabilities" else ops.widen(y)

    (batch,) = export.symbolic_shape("batch")
    with _without_places():
        program = export.export(jax.jit(predict), platforms=tuple(platforms))(
            [jax.ShapeDtypeStruct(array.shape, array.dtype) for array in stored.values()],
            jax.ShapeDtypeStruct((batch, *image_shape), jnp.uint8),
        )
    return program, stored


@contextmanager
def _without_places() -> Iterator[None]:
    """Leaves the paths and lines of this machine's source files out of a program: equal networks give equal bytes."""
    name = "jax_traceback_in_locations_limit"
    before = getattr(jax.config, name)
    jax.config.update(name, 0)
    try:
        yield
    finally:
        jax.config.update(name, before)


def _storable(leaf: Any, name: str) -> np.ndarray:
    """Returns a weight as NumPy can store it: the half precisions that it does not know become float32, exactly."""
    if hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating) and np.dtype(leaf.dtype).kind != "f":
        leaf = jnp.asarray(leaf, jnp.float32)
    if not hasattr(leaf, "dtype") or not isinstance(leaf.dtype, np.dtype) or leaf.dtype.kind not in "biuf":
        raise ValueError(f"export expects numbers as weights, got {jax.typeof(leaf)} as {name}.")
    return np.asarray(leaf)
