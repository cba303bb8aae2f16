r"""See whether a network can learn one small batch by heart, before training it.

Question: can it overfit one small batch? What cannot do that has a fault that more data and time will not mend.

  python -m experiments.overfit                                         # LeNet-5 on 20 handwritten digits
  python -m experiments.overfit --model=convnet --filters=32 --optimizer=adam --learning_rate=0.001
  python -m experiments.overfit --model=mlp --learning_rate=100         # what a report looks like

Takes the flags of `python -m experiments.classify` that say what is learnt from, by which network and by what rule, and
trains on a fixed batch in which every class has the same share, without augmentation, until the network in evaluation
mode classifies every sample right. Dropout and weight decay act as in training; if 100 % is not reached, turn them off
first (--dropout=0 --weight_decay=0). Prints the loss at the beginning beside that of a network without knowledge, and
as its last line the accuracy; before that, if it is not 100 %, what looks wrong: units that are dead, outputs that are
saturated, gradients that vanish, explode or do not come, steps that are too large, where the first NaN came from. Ends
with status 0 at 100 %, else with 1, so that a training can be made to wait for it. Writes into the working directory:

  scales.png   the scale of each layer's activations and gradients, before the first step and after the last
  result.json  data set, model, every flag, steps, losses, accuracies, findings, the health of each layer

Expect with the defaults 100 % after 78 to 103 steps (seeds 0 to 4), of which the first 50 raise the learning rate.

Reference: Stanford CS231n, "Neural networks part 3", sanity checks; Glorot & Bengio 2010, "Understanding the difficulty
of training deep feedforward neural networks".
"""

import math
import sys
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from absl import flags

import fnn
from experiments import command, dataset, model, optimization
from experiments.command import FlagError
from fnn import analysis, data, train

flags.adopt_module_key_flags(dataset)
flags.adopt_module_key_flags(model)
flags.adopt_module_key_flags(optimization)
SAMPLES = flags.DEFINE_integer("samples", 20, "How many samples the batch has.", lower_bound=2)
STEPS = flags.DEFINE_integer("steps", 500, "How many steps to take at most.", lower_bound=1)
SEED = flags.DEFINE_integer("seed", 0, "Of initial values and dropout.", lower_bound=0, upper_bound=2**32 - 1)
WORKDIR = flags.DEFINE_string("workdir", None, "Where results go; runs/overfit-DATASET-MODEL-seedSEED by default.")


def main() -> None:
    """Trains on one batch, and says whether it was learnt or what looks wrong."""
    start = time.perf_counter()
    training = dataset.load_splits().train
    network = model.make_network(training)
    optimizer = optimization.make_optimizer(STEPS.value)
    try:
        chosen = train.choose_samples(training.labels, SAMPLES.value)
    except ValueError as error:
        raise FlagError(f"--samples: {error}") from error
    batch = train.Batch(jnp.asarray(training.read(chosen)), jnp.asarray(training.labels[chosen]))
    title = f"{model.MODEL.value} on {len(chosen)} samples of {dataset.name_of_dataset()}, seed {SEED.value}"
    name = f"overfit-{dataset.name_of_dataset()}-{model.MODEL.value}-seed{SEED.value}"
    workdir = command.make_workdir(WORKDIR.value or f"runs/{name}")
    print(f"{model.MODEL.value} on {training.source}: {len(chosen)} samples, at most {STEPS.value} steps")
    done = train.overfit_batch(
        network,
        batch,
        optimizer,
        steps=STEPS.value,
        loss=optimization.LOSSES[optimization.LOSS.value],
        prepare=data.normalization_of(training),
        seed=SEED.value,
        scale_loss=model.PRECISION.value == "float16",
    )
    draw(done, workdir / "scales.png", title)
    result = {
        "dataset": dataset.DATASET.value,
        "model": model.MODEL.value,
        "seed": SEED.value,
        "reached": done.reached,
        "steps": done.steps,
        "accuracy": done.accuracy,
        "train_accuracy": done.train_accuracy,
        "chance_loss": done.chance_loss,
        "first_loss": done.first_loss,
        "loss": done.loss,
        "losses": done.losses.tolist(),
        "findings": done.findings,
        "at_first": [layer._asdict() for layer in done.at_first],
        "at_last": [layer._asdict() for layer in done.at_last],
        "samples": chosen.tolist(),
        "seconds": round(time.perf_counter() - start, 2),
        "flags": command.flags_of(__name__, dataset, model, optimization),
        "versions": {"fnn": fnn.__version__, "jax": jax.__version__},
        "device": jax.devices()[0].device_kind,
    }
    train.write_result(workdir / "result.json", without_nonfinite(result))
    print(
        f"loss {done.first_loss:.4f} at first, {done.chance_loss:.4f} if all outputs were equal; results in {workdir}"
    )
    for line in done.findings:
        print(f"- {line}")
    print(f"accuracy on the batch after {done.steps} steps: {100 * done.accuracy:.0f} %")
    if not done.reached:
        sys.exit(1)


def draw(done: train.Overfit, path: Path, title: str) -> None:
    """Draws the scale of activations and gradients by layer."""
    times = {"before the first step": done.at_first, f"after {done.steps} steps": done.at_last}
    stds = {when: [layer.std for layer in health] for when, health in times.items()}
    gradients = {when: [layer.gradient_rms for layer in health] for when, health in times.items()}
    panels = [
        analysis.ScalePanel("activations", "standard deviation of the outputs", stds),
        analysis.ScalePanel("gradients", "root mean square of ∂loss/∂outputs", gradients),
    ]
    analysis.draw_scales([layer.path or "network" for layer in done.at_first], panels, path, title)


def without_nonfinite(value: Any) -> Any:
    """Puts None, which JSON has, for NaN and infinity, which it has not."""
    if isinstance(value, dict):
        return {name: without_nonfinite(inside) for name, inside in value.items()}
    if isinstance(value, list | tuple):
        return [without_nonfinite(inside) for inside in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


if __name__ == "__main__":
    command.run(main)
