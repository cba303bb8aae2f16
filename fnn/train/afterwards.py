"""What a run says, and leaves, when a step was not finite."""

import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from fnn.keys import named_key
from fnn.layer import Layer
from fnn.train.course import Course
from fnn.train.nonfinite import first_nonfinite
from fnn.train.step import AugmentFn, Batch, LossFn

SHOWN = 20
"""How many of the batch's samples the error names."""


def explain(
    layer: Layer,
    loss: LossFn,
    augment: AugmentFn | None,
    course: Course,
    batch: Batch,
    samples: np.ndarray,
    directory: Path | None,
) -> str:
    """Finds where the step that a course stands before goes wrong; returns what to say.

    Args:
      layer: what is trained.
      loss: one number an example.
      augment: what changes the batch, if anything.
      course: stands before the step.
      batch: the step's, from the data.
      samples: the numbers of its samples in the training split.
      directory: where the batch is left as `nonfinite-step-N.npz`, if anywhere.
    """
    state, step = course.train_state, course.step
    key = jax.random.fold_in(state.key, state.step)
    images, targets = jnp.asarray(batch.images), jnp.asarray(batch.labels)
    if augment is not None:
        images, targets = augment(named_key(key, "augment"), images, targets)
    scale = 1.0 if state.loss_scale is None else state.loss_scale.value
    blame = first_nonfinite(
        layer,
        lambda outputs, labels: loss(outputs, labels) * scale,
        state.params,
        state.state,
        course.normalization(images),
        targets,
        key,
    )
    shown = ", ".join(map(str, samples[:SHOWN])) + (", …" if len(samples) > SHOWN else "")
    lines = [
        f"step {step} (epoch {len(course.history) + 1}) has a loss or gradient that is not finite, and was not taken.",
        f"  where: {blame or 'in the update alone: the optimizer made it of finite gradients'}",
        f"  batch: the training samples {shown}",
    ]
    if directory is not None:
        path = directory / f"nonfinite-step-{step}.npz"
        with path.with_suffix(".part").open("wb") as file:
            np.savez(file, images=np.asarray(batch.images), labels=np.asarray(batch.labels), samples=samples)
        os.replace(path.with_suffix(".part"), path)  # noqa: PTH105
        lines.append(f"  kept: the batch in {path}; the run as it stood before the step, so that it can be repeated")
    return "\n".join(lines)
