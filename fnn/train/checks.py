"""What is checked before a run takes its first step, without computing anything."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fnn import expect
from fnn.data import Split, Streamed
from fnn.layer import Layer
from fnn.train.step import Batch, LossFn, TrainState


def check_outputs(layer: Layer, loss: LossFn, x: jax.ShapeDtypeStruct, split: Split | Streamed) -> None:
    """Raises `ValueError` unless the layer, the loss and the labels speak of the same classes; computes nothing."""
    classes = len(split.class_names)

    def outputs_and_loss(key: jax.Array, x: jax.Array, labels: jax.Array) -> tuple[jax.Array, jax.Array]:
        outputs, _ = layer.apply(*layer.init(key, x), x, train=False)
        if expect.shape_of(outputs) != (len(x), classes):
            raise ValueError(
                f"fit expects a layer that gives one output for each of the {classes} classes, (batch, {classes}), "
                f"but from images {x.shape} it makes {expect.describe(outputs)}."
            )
        return outputs, loss(outputs, labels)

    _, values = jax.eval_shape(outputs_and_loss, jax.random.key(0), x, split.labels[: x.shape[0]])
    if values.shape != x.shape[:1]:
        raise ValueError(f"fit expects a loss of one number an example, {x.shape[:1]}, got {values.shape}.")


def check_validation(train: Split | Streamed, validation: Split | Streamed | None) -> None:
    """Raises `ValueError` unless a validation split, if there is one, is of the training split's kind."""
    if validation is None:
        return
    kinds = [(split.image_shape, split.class_names) for split in (train, validation)]
    if len(validation) == 0 or kinds[0] != kinds[1]:
        raise ValueError(
            "fit expects a validation split with the training split's image shape and classes, got "
            f"{len(validation)} samples of {kinds[1]} beside {kinds[0]}."
        )


def batch_shapes(train: Split | Streamed, size: int) -> Batch:
    """Returns the shapes of a batch as a training step gets it."""
    images: Any = jax.ShapeDtypeStruct((size, *train.image_shape), jnp.uint8)
    labels: Any = jax.ShapeDtypeStruct((size,), train.labels.dtype)
    return Batch(images, labels)


def check_steps(step: Callable[..., Any], train_state: TrainState, train: Split | Streamed, sizes: set[int]) -> None:
    """Traces a step for each size of batch, so that what cannot be trained fails now and not at an epoch's end."""
    for size in sorted(sizes):
        try:
            jax.eval_shape(step, train_state, batch_shapes(train, size))
        except ValueError as error:
            error.add_note(f"  in a training step on a batch of {size}; another batch size changes the last batch's")
            raise


def check_agreement(steps: np.ndarray) -> None:
    """Raises `ValueError` unless all processes found the same checkpoint; takes each one's step, `(processes, 1)`."""
    if (steps != steps[0]).any():
        raise ValueError(
            f"the processes of this run found checkpoints after {steps[:, 0].tolist()} steps (-1 for none); "
            "they must all see the same directory."
        )
