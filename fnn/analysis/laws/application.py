"""Laws of `apply`, whatever the mode: transformations, shapes, dtypes."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fnn.analysis.laws.law import BrokenError, Law, NotApplicableError, is_floating, name_of, require_same, shapes_of
from fnn.analysis.laws.subject import Subject
from fnn.intermediates import Passage


def _compiled_equals_eager(subject: Subject) -> None:
    require_same(subject.outcome, subject.eager, subject.tolerance, "apply must give the same under jit as without")


def _vmap_equals_a_loop(subject: Subject) -> None:
    xs = jax.tree.map(lambda *leaves: np.stack(leaves), subject.x, subject.other_x)
    keys = jnp.stack([subject.key, subject.other_key])
    mapped = jax.jit(jax.vmap(subject.forward, (None, None, 0, 0)))(subject.params, subject.state, xs, keys)
    singles = ((subject.x, subject.key), (subject.other_x, subject.other_key))
    for i, (x, key) in enumerate(singles):
        taken = jax.tree.map(lambda leaf, i=i: np.asarray(leaf)[i], mapped)
        alone = subject.run(subject.params, subject.state, x, key)
        require_same(taken, alone, subject.tolerance, "apply must give the same under vmap as in a loop")


def _abstract_shapes(subject: Subject) -> None:
    for mode, real in subject.eager.items():
        for x, what in ((subject.shapes, "shapes"), (subject.x, "an array")):
            promised = subject.abstract(x, train=mode == "train")
            if shapes_of(real) != shapes_of(promised):
                raise BrokenError(
                    f"jax.eval_shape, given {what}, says {_in_words(promised)}, but apply made {_in_words(real)}."
                )


def _in_words(tree: Any) -> str:
    return ", ".join(f"{np.shape(leaf)} {jnp.result_type(leaf)}" for leaf in jax.tree.leaves(tree))


def _dtype_follows(subject: Subject) -> None:
    if not any(map(is_floating, jax.tree.leaves(subject.shapes))):
        raise NotApplicableError("the input holds no floating-point numbers")
    for dtype in map(jnp.dtype, (jnp.bfloat16, jnp.float16, jnp.float32, jnp.float64)):
        with jax.enable_x64(dtype == jnp.float64):
            x = _as(subject.shapes, dtype)
            for train in (True, False):
                y, state = subject.abstract(x, train=train)
                for path, leaf in jax.tree.leaves_with_path(y):
                    if is_floating(leaf) and leaf.dtype != dtype:
                        raise BrokenError(
                            f"from {dtype} input came {leaf.dtype} output {name_of(path, 'y')}."
                            + subject.culprit(lambda passage, dtype=dtype: _changes(passage, dtype), x, train=train)
                            + " Cast what is mixed in: params['…'].astype(x.dtype)."
                        )
                if shapes_of(state) != shapes_of(subject.initial[1]):
                    raise BrokenError(
                        f"{dtype} input changed the state from {_in_words(subject.initial[1])} to {_in_words(state)}."
                    )


def _as(shapes: Any, dtype: Any) -> Any:
    """The shapes with their floats as `dtype`."""
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, dtype) if is_floating(leaf) else leaf, shapes)


def _changes(passage: Passage, dtype: Any) -> bool:
    """Whether a layer is given `dtype` and makes another."""
    given, made = (
        {leaf.dtype for leaf in jax.tree.leaves(tree) if is_floating(leaf)} for tree in (passage.x, passage.y)
    )
    return given == {dtype} and made != {dtype}


def _numpy_is_as_good(subject: Subject) -> None:
    x = jax.tree.map(np.asarray, subject.x)
    made = subject.layer.init(subject.key, x)
    require_same(made, subject.initial, 0, "init given NumPy's arrays must make the same as given JAX's")
    got = subject.forward(subject.params, subject.state, x, subject.key)
    require_same(got, subject.eager, 0, "apply given NumPy's arrays must give the same as given JAX's")


_ABSTRACT = Law(
    "abstract shapes are the real ones",
    "Combinators learn a layer's output shape by jax.eval_shape, before anything is computed.",
    _abstract_shapes,
)

_DTYPE = Law(
    "output has the input's dtype",
    "Mixed precision casts a network's input; one layer that returns float32 ends it unseen.",
    _dtype_follows,
)

LAWS = (
    Law("compiled equals eager", "What one tries out by hand must be what is trained.", _compiled_equals_eager),
    Law("vmap equals a loop", "Seeds, folds and ensembles are computed at once.", _vmap_equals_a_loop),
    _ABSTRACT,
    _DTYPE,
    Law("NumPy input is as good", "Batches come from NumPy.", _numpy_is_as_good),
)

SHAPE_LAWS = (_ABSTRACT, _DTYPE)
"""Those that are also examined at every shape."""
