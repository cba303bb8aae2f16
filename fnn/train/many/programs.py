"""What is compiled for many models: to begin, to take steps, to judge, to apply; for one model and for several."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from fnn.data import Normalization
from fnn.layer import Layer
from fnn.train.memory import compiler_options
from fnn.train.step import AugmentFn, Batch, LossFn, OnNonfinite, TrainState, choose, init_train_state, make_step

BLOCK = 512
"""How many samples are evaluated at a time."""

Form = Literal["one", "several"]
"""Whether a program takes one model, or several, stacked along a leading axis of everything but data and counts."""

OptimizerFn = Callable[[Mapping[str, Any], int], optax.GradientTransformation]
"""`(hyper, steps) -> optimizer`."""


class Standing(NamedTuple):
    """Where a model's training stands."""

    train_state: TrainState
    go: jax.Array
    """`()`, bool: whether it goes on; not after a step that halted it."""


class Program:
    """A function that is compiled ahead, once for each shape of its arguments.

    What was compiled runs the same in every thread; `jit` itself would compile again in a thread, to which settings of
    JAX that were made by `with` do not reach.
    """

    def __init__(self, function: Callable[..., Any], **options: Any) -> None:
        self._function = jax.jit(function, **options)
        self._compiled: dict[Any, Any] = {}

    def compile(self, *args: Any) -> Any:
        """Compiles for arguments, or their shapes."""
        shapes = tuple((leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(args))
        if shapes not in self._compiled:
            options = compiler_options(self._function, *args)
            self._compiled[shapes] = self._function.lower(*args).compile(compiler_options=options)
        return self._compiled[shapes]

    def shapes(self, *args: Any) -> Any:
        """Returns the shapes of what it returns."""
        return jax.eval_shape(self._function, *args)

    def __call__(self, *args: Any) -> Any:
        return self.compile(*args)(*args)


class Programs(NamedTuple):
    """The compiled parts; those that matter for speed in both forms."""

    begin: Program
    """`(seed, hyper) -> standing` of one model: it runs once, and to compile it for several takes seconds."""
    run_steps: dict[Form, Program]
    """`(data, standing, hyper, moments, order, count) -> standing, measured`: the first `count` steps of `order`,
    `(steps, batch)`, with each step's loss, accuracy and finiteness, `(steps, 3)`. It may overwrite `standing`."""
    judge: dict[Form, Program]
    """`(data, variables, moments, chosen) -> judged`: the losses of the samples of `chosen`, `(blocks, BLOCK)`, and
    whether each is classified right: `(blocks, BLOCK, 2)`."""
    apply: Program
    """`(images, variables, moments, chosen) -> outputs` of one model: `(blocks, BLOCK, classes)`."""


def make_programs(
    layer: Layer,
    optimizer: OptimizerFn,
    loss: LossFn,
    augment: AugmentFn | None,
    on_nonfinite: OnNonfinite,
    shape: tuple[int, ...],
) -> Callable[[int], Programs]:
    """Makes the programs of models by the number of steps that they take in all.

    Args:
      layer: what is trained.
      optimizer: makes the optimizer from hyperparameters and the number of steps.
      loss: one number an example.
      augment: what changes each batch.
      on_nonfinite: what a step does that is not finite.
      shape: of a batch of images.
    """

    def apply(images: jax.Array, variables: Any, moments: Any, chosen: jax.Array) -> jax.Array:
        normalize, (params, state) = Normalization(*moments), variables
        return jax.lax.map(lambda block: layer.apply(params, state, normalize(images[block]), train=False)[0], chosen)

    def judge(data: tuple[jax.Array, jax.Array], variables: Any, moments: Any, chosen: jax.Array) -> jax.Array:
        outputs, labels = apply(data[0], variables, moments, chosen), data[1][chosen]
        losses = jax.vmap(loss)(outputs, labels)
        return jnp.stack([losses, (jnp.argmax(outputs, axis=-1) == labels).astype(losses.dtype)], axis=-1)

    judging, applying = _both_forms(judge, (None, 0, 0, 0)), Program(apply)

    @cache
    def programs(steps: int) -> Programs:
        def begin(seed: Any, hyper: Mapping[str, Any]) -> Standing:
            x = jax.ShapeDtypeStruct(shape, jnp.float32)
            return Standing(init_train_state(layer, optimizer(hyper, steps), seed, x), jnp.bool_(True))

        def run_steps(
            data: tuple[jax.Array, jax.Array],
            standing: Standing,
            hyper: Any,
            moments: Any,
            order: jax.Array,
            count: Any,
        ) -> tuple[Standing, jax.Array]:
            normalize = Normalization(*moments)
            look = "tell" if on_nonfinite == "halt" else on_nonfinite
            step = make_step(layer, optimizer(hyper, steps), loss, normalize, augment, look)

            def body(number: jax.Array, carry: tuple[Standing, jax.Array]) -> tuple[Standing, jax.Array]:
                (before, go), measured = carry
                images, labels = (array[order[number]] for array in data)
                train_state, metrics = step(before, Batch(images, labels))
                if on_nonfinite == "halt":  # while the others go on, a model can only stand still
                    go = go & metrics.finite
                    train_state = choose(go, train_state, before)
                numbers = jnp.stack([value.astype(jnp.float32) for value in metrics])
                return Standing(train_state, go), measured.at[number].set(numbers)

            # The number of steps is an input, so that a short measurement and a whole epoch are one program.
            return jax.lax.fori_loop(0, count, body, (standing, jnp.zeros((order.shape[0], 3), jnp.float32)))

        running = _both_forms(run_steps, (None, 0, 0, 0, 0, None), donate_argnums=1)
        return Programs(Program(begin), running, judging, applying)

    return programs


def blocks_of(chosen: np.ndarray) -> np.ndarray:
    """Cuts samples into the blocks that `judge` takes; the last is filled up with the first sample."""
    size = min(BLOCK, len(chosen))
    filled = np.resize(chosen, -(-len(chosen) // size) * size)
    filled[len(chosen) :] = chosen[0]
    return filled.reshape(-1, size).astype(np.int32)


def _both_forms(function: Callable[..., Any], axes: tuple[int | None, ...], **options: Any) -> dict[Form, Program]:
    return {"one": Program(function, **options), "several": Program(jax.vmap(function, in_axes=axes), **options)}
