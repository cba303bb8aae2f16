"""How an experiment saves itself and goes on, by flags."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from absl import flags

import fnn
from experiments import command
from experiments.command import FREE, FlagError
from experiments.dataset import AnySplit
from fnn import train
from fnn.interop import export

CHECKPOINT_SECONDS = flags.DEFINE_float(
    "checkpoint_seconds", 60.0, "The run is saved so often, and at its end.", lower_bound=0
)
CHECKPOINT_STEPS = flags.DEFINE_integer("checkpoint_steps", None, "And after every so many steps.", lower_bound=1)
CHECKPOINTS_KEPT = flags.DEFINE_integer(
    "checkpoints_kept", 3, "How many of the last checkpoints are kept, besides the best.", lower_bound=1
)
FRESH = flags.DEFINE_boolean(
    "fresh", False, "Begin anew where --workdir holds checkpoints; asks for --discard_checkpoints, which deletes them."
)
EXPORT = flags.DEFINE_string("export", None, "Also write the trained network to this file; see experiments.predict.")
DISCARD_CHECKPOINTS = flags.DEFINE_boolean("discard_checkpoints", False, "With --fresh: yes, delete them.")


def checkpoints(workdir: Path, values: Mapping[str, Any]) -> train.Checkpoints:
    """Returns where and how often to save.

    Args:
      workdir: of the run.
      values: all flags of the experiment; those that matter must be the same when the run goes on.

    Raises:
      FlagError: if there is a run to lose and only one of the two flags was given.
    """
    directory = workdir / "checkpoints"
    store = train.checkpoint.Store(directory)
    steps = store.steps()
    if DISCARD_CHECKPOINTS.value and not FRESH.value:
        raise FlagError("--discard_checkpoints says yes to --fresh; it does nothing alone")
    if FRESH.value and steps:
        if not DISCARD_CHECKPOINTS.value:
            raise FlagError(
                f"--fresh: {directory} holds {len(steps)} checkpoints, the last after {steps[-1]} steps; "
                "add --discard_checkpoints to delete them, or choose another --workdir"
            )
        store.discard()
    return train.Checkpoints(
        directory,
        CHECKPOINT_SECONDS.value,
        CHECKPOINT_STEPS.value,
        CHECKPOINTS_KEPT.value,
        {name: value for name, value in values.items() if name not in FREE},
    )


def check_export() -> None:
    """Makes the directory that the network is exported to, before the work and not after it."""
    if EXPORT.value:
        command.make_workdir(str(Path(EXPORT.value).parent), "export")


def export_network(network: fnn.Layer, trained: train.Fit | train.Trained, split: AnySplit, loss: str) -> None:
    """Writes the trained network where the flag says; hinge losses leave scores that are no logits."""
    if EXPORT.value:
        export.save(
            EXPORT.value,
            network,
            trained.train_state.learned,
            trained.train_state.state,
            normalization=trained.normalization,
            image_shape=split.image_shape,
            class_names=split.class_names,
            outputs="probabilities" if loss == "softmax_cross_entropy" else "scores",
        )
