"""A layer under examination, with the inputs, parameters and compiled programs that several laws share."""

import math
from collections.abc import Callable, Collection
from functools import cached_property, partial
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from fnn import expect
from fnn.analysis.laws.law import NotApplicableError, is_floating, name_of, shapes_of
from fnn.intermediates import Passage, intermediates
from fnn.layer import Layer, Params, State

T = TypeVar("T")

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
"""Draws floating-point inputs of a shape: `np.random.Generator.standard_normal`."""

Oracle = Callable[[Params, State, Any], Any]
"""What a layer's evaluation is to give, in NumPy: `(params, state, x) -> y`."""


class Options(NamedTuple):
    """What `fnn.check` was told; see there."""

    batch_dependent: bool = False
    narrow: bool = False
    without_gradient: bool | Collection[str] = ()
    oracle: Oracle | None = None
    shapes: Any = None
    tolerance: float | None = None
    draw: Draw = np.random.Generator.standard_normal
    seed: int = 0


class Subject:
    """A layer under examination."""

    def __init__(self, layer: Layer, x: Any, options: Options) -> None:
        self.layer, self.options = layer, options
        self.given = jax.tree.map(lambda leaf: leaf if hasattr(leaf, "dtype") else jnp.asarray(leaf), x)
        self.shapes = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(np.shape(leaf), jax.dtypes.canonicalize_dtype(leaf.dtype)), self.given
        )
        self._shared: dict[Callable[..., Any], Any] = {}
        self.key, self.other_key = (jax.random.key(options.seed + i) for i in (3, 4))

    # Inputs.

    def input(self, number: int) -> Any:
        """Returns the input of this number: floats are drawn, anything else is what was given."""
        random = np.random.default_rng([self.options.seed, number])

        def drawn(given: Any, like: jax.ShapeDtypeStruct) -> jax.Array:
            if is_floating(like):
                return jnp.asarray(np.asarray(self.options.draw(random, like.shape), like.dtype))
            return jnp.zeros(like.shape, like.dtype) if isinstance(given, jax.ShapeDtypeStruct) else jnp.asarray(given)

        return jax.tree.map(drawn, self.given, self.shapes)

    @cached_property
    def x(self) -> Any:
        return self.input(0)

    @cached_property
    def other_x(self) -> Any:
        return self.input(1)

    def batch(self) -> int:
        """Returns the number of examples: the first axis of every array of the input.

        Raises:
          NotApplicableError: if there is no such axis.
        """
        shapes = [leaf.shape for leaf in jax.tree.leaves(self.shapes)]
        sizes = {shape[0] for shape in shapes if len(shape) > 1}
        if len(sizes) != 1 or any(len(shape) < 2 for shape in shapes):
            raise NotApplicableError("the input has no batch axis, one first axis of all its arrays")
        return sizes.pop()

    @cached_property
    def tolerance(self) -> float:
        """How far two orders of one computation may lie apart, relative to the largest number."""
        if self.options.tolerance is not None:
            return self.options.tolerance
        kinds = [leaf.dtype for leaf in jax.tree.leaves(self.shapes) if is_floating(leaf)]
        return 2e-2 if any(jnp.finfo(kind).bits < 32 for kind in kinds) or self.options.narrow else 1e-5

    # Parameters and state.

    @cached_property
    def initial(self) -> tuple[Params, State]:
        return self.layer.init(self.key, self.x)

    @cached_property
    def initial_by_other_key(self) -> tuple[Params, State]:
        return self.layer.init(self.other_key, self.x)

    @cached_property
    def params(self) -> Params:
        """Parameters off their initial values, where a scale of 1 or a bias of 0 would hide much."""

        def moved(leaf: Any) -> jax.Array:
            if not is_floating(leaf):
                return leaf
            wave = 0.1 * np.cos(np.arange(math.prod(leaf.shape), dtype=np.float32))
            return jnp.asarray(np.asarray(leaf) + wave.reshape(leaf.shape).astype(leaf.dtype))

        return jax.tree.map(moved, self.initial[0])

    @cached_property
    def state(self) -> State:
        """A state that training has moved."""
        return self.run(self.params, self.initial[1], self.x, self.key)["train"][1] if self.initial[1] else {}

    def told_of(self, path: tuple[Any, ...]) -> bool:
        """Says whether it was told that the parameter of this path gets no gradient."""
        told = self.options.without_gradient
        return told if isinstance(told, bool) else name_of(path) in map(repr, told)

    # Programs.

    @cached_property
    def modes(self) -> tuple[str, ...]:
        """The modes that differ: where evaluation and training are one computation, training stands for both."""

        def jaxpr(train: bool) -> Any:
            apply = partial(self.layer.apply, train=train)
            used = lambda p, s, x, key: apply(p, s, x, key=key if train else None)  # noqa: E731
            return jax.make_jaxpr(used)(*self.initial, self.x, self.key)

        evaluation, training = jaxpr(False), jaxpr(True)
        captured = evaluation.consts or training.consts  # whose numbers the text would not show
        return ("train",) if not captured and str(evaluation) == str(training) else ("evaluate", "train")

    def in_words(self, mode: str) -> str:
        """Says in which modes something went wrong: `"in training"`."""
        return "in both modes" if len(self.modes) == 1 else {"train": "in training", "evaluate": "in evaluation"}[mode]

    def forward(self, params: Params, state: State, x: Any, key: jax.Array) -> dict[str, tuple[Any, State]]:
        """Applies the layer in each mode: `{mode: (y, state)}`."""
        apply = partial(self.layer.apply, params, state, x)
        return {
            mode: apply(train=True, key=key) if mode == "train" else apply(train=False, key=None) for mode in self.modes
        }

    @cached_property
    def run(self) -> Callable[..., dict[str, tuple[Any, State]]]:
        """`forward`, compiled."""
        return jax.jit(self.forward)

    def ran(self, x: Any) -> dict[str, tuple[Any, State]]:
        """What the compiled layer makes of an input."""
        return self.run(self.params, self.state, x, self.key)

    @cached_property
    def outcome(self) -> dict[str, tuple[Any, State]]:
        """What the compiled layer makes of the first input."""
        return self.ran(self.x)

    @cached_property
    def eager(self) -> dict[str, tuple[Any, State]]:
        """What the layer makes of the first input without being compiled."""
        return self.forward(self.params, self.state, self.x, self.key)

    def abstract(self, x: Any, *, train: bool, key: bool = True) -> tuple[Any, State]:
        """Returns the shapes and dtypes of output and state: what tracing alone finds out."""
        apply = partial(self.layer.apply, train=train)
        if key:
            return jax.eval_shape(
                lambda p, s, x, key: apply(p, s, x, key=key), *shapes_of(self.initial), x, jax.random.key(0)
            )
        return jax.eval_shape(apply, *shapes_of(self.initial), x)

    def shared(self, make: Callable[["Subject"], T]) -> T:
        """Returns what `make` makes of this subject, made once for all laws that ask for it."""
        if make not in self._shared:
            self._shared[make] = make(self)
        return self._shared[make]

    def culprit(self, faulty: Callable[..., bool], *inputs: Any, train: bool) -> str:
        """Says in which layer inside this one a fault first shows; empty if there is none inside.

        Args:
          faulty: takes one `Passage` for each input, all of the same layer.
          *inputs: to what the layer is applied; `jax.ShapeDtypeStruct` for shapes alone.
          train: in which mode.
        """

        def passages(params: Params, state: State, x: Any) -> list[Passage]:
            return intermediates(self.layer, params, state, x, train=train, key=self.key)[2]

        is_abstract = isinstance(jax.tree.leaves(inputs)[0], jax.ShapeDtypeStruct)
        compute = partial(jax.eval_shape, passages) if is_abstract else jax.jit(passages)
        for seen in zip(*(compute(self.params, self.state, x) for x in inputs), strict=True):
            if faulty(*seen):
                return f" It begins in layer {seen[0].path!r}, given x of shape {expect.describe(seen[0].x)}."
        return ""

    @cached_property
    def pulled(self) -> Callable[[Params, Any], tuple[dict[str, tuple[Any, State]], Any, Any]]:
        """Compiled: outcome, and the gradient of the outputs' weighed sum by the floats of parameters and input.

        Gradients stand where the floats stand; anything else is None.
        """

        def floats(tree: Any) -> Any:
            return jax.tree.map(lambda leaf: leaf if is_floating(leaf) else None, tree)

        def value(floating: tuple[Any, Any], fixed: tuple[Any, Any]) -> tuple[jax.Array, Any]:
            params, x = jax.tree.map(
                lambda leaf, other: other if leaf is None else leaf, floating, fixed, is_leaf=lambda leaf: leaf is None
            )
            made = self.forward(params, self.state, x, self.key)
            total = jnp.zeros((), jnp.float32)
            for leaf in jax.tree.leaves([y for y, _ in made.values()]):
                if is_floating(leaf):
                    weights = np.cos(np.arange(leaf.size, dtype=np.float32)).reshape(leaf.shape)
                    total = total + jnp.sum(weights * leaf.astype(jnp.float32))
            return total, made

        def pull(params: Params, x: Any) -> tuple[dict[str, tuple[Any, State]], Any, Any]:
            given = (params, x)
            (by_params, by_x), made = jax.grad(value, has_aux=True)(floats(given), given)
            return made, by_params, by_x

        return jax.jit(pull)
