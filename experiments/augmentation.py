r"""See what augmentation is worth when there is little data.

Question: are images that are moved, turned and scaled at random as good as more images?

  python -m experiments.augmentation
  python -m experiments.augmentation --few=20 --augment=rotation=15
  python -m experiments.augmentation --dataset=mnist --few=10 --augment=crop=2,rotation=10,scale=0.1

The lecture's idea: a digit that is shifted by a pixel or turned a little is the same digit. Who trains on such changes,
drawn anew in every step, teaches the network what does not matter, without a new image.

Trains the same network with and without, from several seeds each, all seeds as one compiled program or in turns,
whichever is faster, on a few samples of each class, and tests it on the whole test split; also on more samples without,
for comparison. Prints mean ± standard deviation over seeds. Writes into the working directory:

  result.json      accuracies by seed, means, deviations
  accuracies.png   all of them
  samples.png      a few training images and what becomes of them

Expect on digits, with 10 images a class, test accuracies of 0.903 ± 0.006 without, 0.926 ± 0.004 with augmentation, and
0.955 ± 0.003 of three times the images without (mean ± deviation over seeds 0 to 4): better, but not as good as more
images. It takes more steps than without: LeNet-5 gains after 2000, and loses if it is stopped after 600. Strengths,
steps and network were chosen on training images that no network here is tested on. Half a minute on two cores.

Reference: Simard et al. 2003, "Best practices for convolutional neural networks applied to visual document analysis".
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags
from tqdm import tqdm

from experiments import command, dataset, model, optimization, outcome
from experiments.command import FlagError
from fnn import analysis, data, train
from fnn.analysis.figure import BLUE, GREEN, ORANGE, make_figure
from fnn.data import augment

flags.adopt_module_key_flags(dataset)
flags.adopt_module_key_flags(model)
flags.adopt_module_key_flags(optimization)
flags.adopt_module_key_flags(outcome)
flags.set_default(model.MODEL, "mlp")  # which knows nothing of neighbouring pixels, and is soon trained
FEW = flags.DEFINE_integer("few", 10, "How many training samples of each class are few.", lower_bound=1)
AUGMENT = flags.DEFINE_string(
    "augment",
    "translation=0.1,rotation=10,scale=0.1",
    "Names and strengths, as for experiments.classify.",
)
SEEDS = flags.DEFINE_integer("seeds", 5, "How many networks of each kind.", lower_bound=2)
STEPS = flags.DEFINE_integer("steps", 2000, "How many steps each network is trained for.", lower_bound=1)
BATCH_SIZE = flags.DEFINE_integer("batch_size", 32, "Samples a step.", lower_bound=1)
MORE = 3
"""How many times the samples are used for comparison."""


def main() -> None:
    """Trains with, without, and without on more; prints, writes and draws."""
    training, _, test = dataset.load_splits()
    if not isinstance(training, data.Split) or not isinstance(test, data.Split):
        raise FlagError("this experiment needs the samples in memory; raise --memory_gib")
    try:
        few, more = (data.few_of_each(training, count) for count in (FEW.value, MORE * FEW.value))
    except ValueError as error:
        raise FlagError(f"--few: {error}") from error
    classes = len(training.class_names)
    try:
        augmentation = augment.from_flag(AUGMENT.value)
    except ValueError as error:
        raise FlagError(f"--augment: {error}") from error
    change = augment.for_bytes(augmentation, classes)
    run = outcome.begin(f"augmentation-{dataset.name_of_dataset()}")
    kinds = {
        f"{len(few)} samples": accuracies(few, test, None),
        f"{len(few)} samples, augmented": accuracies(few, test, change),
        f"{len(more)} samples": accuracies(more, test, None),
    }
    for name, found in kinds.items():
        print(f"{name:34}{found.mean():.4f} ± {found.std(ddof=1):.4f}")
    without, augmented = list(kinds.values())[:2]
    print(f"augmentation: {augmented.mean() - without.mean():+.4f}, by {AUGMENT.value}")
    title = f"{model.MODEL.value} on {dataset.name_of_dataset()}, {SEEDS.value} seeds"
    draw(kinds, run.workdir / "accuracies.png", title)
    draw_samples(few, change, run.workdir / "samples.png")
    answer = {
        "dataset": dataset.DATASET.value,
        "model": model.MODEL.value,
        "accuracies": {name: found.tolist() for name, found in kinds.items()},
        "means": {name: float(found.mean()) for name, found in kinds.items()},
        "deviations": {name: float(found.std(ddof=1)) for name, found in kinds.items()},
        "gain": float(augmented.mean() - without.mean()),
    }
    outcome.finish(run, answer, __name__, dataset, model, optimization)


def accuracies(split: data.Split, test: data.Split, change: train.AugmentFn | None) -> np.ndarray:
    """Trains a network from each seed, all for as many steps, and tests it: `(seeds,)`."""
    size = min(BATCH_SIZE.value, len(split))
    per_epoch = len(split) // size
    epochs = -(-STEPS.value // per_epoch)
    with tqdm(total=epochs * SEEDS.value, unit="epoch", leave=False, disable=None) as bar:
        many = train.fit_many(
            model.make_network(split),
            split,
            lambda _, steps: optimization.make_optimizer(steps),
            [train.Model(f"seed {seed}", seed) for seed in range(outcome.SEED.value, outcome.SEED.value + SEEDS.value)],
            epochs=epochs,
            batch_size=size,
            loss=optimization.LOSSES[optimization.LOSS.value],
            augment=change,
            drop_last=True,
            on_epoch=lambda _, rows: bar.update(len(rows)),
        )
    return many.accuracies(test)


def draw(kinds: dict[str, np.ndarray], path: Path, title: str) -> None:
    """Draws each network as a point, and mean and standard deviation of each kind, as a PNG."""
    figure, axes = make_figure(1, 1, (7, 3.2))
    for place, ((name, found), colour) in enumerate(zip(kinds.items(), (BLUE, ORANGE, GREEN), strict=True)):
        axes.plot(found, np.full(len(found), place), "o", color=colour, alpha=0.5, label=f"{name}, a seed each")
        axes.errorbar(found.mean(), place - 0.22, xerr=found.std(ddof=1), fmt="s", color=colour, capsize=4)
    axes.set_yticks(range(len(kinds)), list(kinds))
    axes.set(xlabel="test accuracy; squares: mean ± standard deviation", title=title, ylim=(len(kinds) - 0.5, -0.6))
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=2)
    figure.savefig(path)


def draw_samples(split: data.Split, change: train.AugmentFn, path: Path) -> None:
    """Draws a few images, and what becomes of them in some steps, as a PNG."""
    images, labels = jnp.asarray(split.images[:8]), jnp.asarray(split.labels[:8])
    names = [split.class_names[label] for label in split.labels[:8]]
    rows = [analysis.SheetRow("as they are", split.images[:8] / 255, names)]
    for number in range(3):
        changed, _ = change(jax.random.key(number), images, labels)
        rows.append(analysis.SheetRow(f"augmented, {number + 1}", np.clip(np.asarray(changed), 0, 1), names))
    analysis.draw_sheet(
        rows, path, f"Training images of {dataset.name_of_dataset()} and what augmentation makes of them"
    )


if __name__ == "__main__":
    command.run(main)
