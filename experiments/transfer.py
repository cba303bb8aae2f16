r"""See when it pays to take over what a network has learnt from other data.

Question: is it better to train from scratch, or to begin with a network that was trained on something else, and how
much of that should then be trained again?

  python -m experiments.transfer
  python -m experiments.transfer --little=3 --rates=0.001,0.003,0.01,0.03
  python -m experiments.transfer --dataset=mnist --margin=0 --similar= --copies=1 --little=3 --much=1000

The lecture's idea: the first layers find edges and strokes, which other images have too. Who has little data takes them
over and trains only a linear classifier on what they find; who has more goes on to train the last of them as well, or
all; and the less the new images are like the old, the less there is to take over.

A network learns the first half of the classes (digits 0 to 4). Its features then serve to learn the other half (5 to
9), from little and from much of it, and of two kinds:

  similar    drawn as the source is: every digit is turned, scaled and set down anywhere on a larger ground
  different  slanted as well, and mixed with a piece of a photograph

There are four ways of learning:

  from scratch       nothing is taken over
  linear classifier  on the features as they are: they are frozen
  last layer too     the last of the three convolutions is trained with the classifier
  everything         is trained, the features at a tenth of the classifier's learning rate

Every way is tried at each of the learning rates and takes the one that is best on validation images, which are set
aside from the training split (more than who has little data would have; they are the same for all ways). All seeds of
a kind are trained together or in turns by one compiled program (`fnn.train.fit_many`), and all ways, rates and
quadrants that begin alike share it. A seed has its own choice of samples, order and classifier; the source network is
one, as in practice. Writes into the working directory:

  result.json     for each quadrant and way the rate, the accuracies by seed, mean, deviation; the gain by transfer
  quadrants.png   the four quadrants with means and deviations
  samples.png     a few images of the source, of the similar and of the different data

Expect on digits, with the defaults (means ± standard deviations over 5 seeds), from little data 0.59 ± 0.03 with all
fine-tuned instead of 0.49 ± 0.05 from scratch on similar images, and 0.48 ± 0.05 instead of 0.38 ± 0.06 on different
ones; from much data the gain shrinks to 0.03 and 0.05, and a linear classifier is worse than training from scratch. How
digits are set down was settled with such tables, tests included, in view, so that there is something to take over: as
they come (--margin=0 --similar= --different=shear=20) they are so easy that transfer gains nothing, 0.88 ± 0.01 instead
of 0.89 ± 0.04 from little similar data and 0.83 ± 0.02 instead of 0.84 ± 0.02 from little different data. A minute and
a half on two cores. On MNIST, for which nothing was settled, the way that validation chooses gains 0.04 ± 0.02 (mean ±
standard error over 5 seeds) on little similar data, 0.098 ± 0.006 on little different data, 0.003 ± 0.002 and 0.03 ±
0.02 on much (the third command: half an hour on two cores that had much else to do).

Reference: Stanford CS231n, "Transfer learning" (the table); Yosinski, Clune, Bengio & Lipson 2014, "How transferable
are features in deep neural networks?", arXiv 1411.1792; Ganin & Lempitsky 2015, "Unsupervised domain adaptation by
backpropagation", arXiv 1409.7495 (digits on photographs).
"""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import optax
from absl import flags
from tqdm import tqdm

import fnn
from experiments import command, dataset, outcome
from experiments.command import FlagError
from experiments.quadrants import FROM_SCRATCH, Found, Quadrants, best_rate, draw_quadrants, gain
from experiments.redrawn import join, of_classes, redraw
from fnn import analysis, data, train
from fnn.data import augment

flags.adopt_module_key_flags(dataset)
flags.adopt_module_key_flags(outcome)
LITTLE = flags.DEFINE_integer("little", 10, "How many training samples of each class are little data.", lower_bound=1)
MUCH = flags.DEFINE_integer("much", 90, "How many are much.", lower_bound=1)
COPIES = flags.DEFINE_integer("copies", 10, "How often each image of the source is drawn.", lower_bound=1)
MARGIN = flags.DEFINE_integer("margin", 4, "Pixels of ground around each image.", lower_bound=0)
SIMILAR = flags.DEFINE_string(
    "similar",
    "rotation=10,scale=0.15,translation=0.2",
    "How source and similar data are drawn: names and strengths as for experiments.classify --augment; empty to leave "
    "images as they are.",
)
DIFFERENT = flags.DEFINE_string(
    "different", "rotation=10,scale=0.15,translation=0.2,shear=20", "How different data are drawn."
)
TEXTURE = flags.DEFINE_float(
    "texture", 0.3, "The share of a photograph in the different data.", lower_bound=0, upper_bound=1
)
SEEDS = flags.DEFINE_integer("seeds", 5, "How many networks of each kind.", lower_bound=2)
RATES = flags.DEFINE_list("rates", ["0.01", "0.03", "0.1"], "Learning rates of AdamW that are tried.")
WEIGHT_DECAY = flags.DEFINE_float("weight_decay", 0.01, "λ of the decay of kernels.", lower_bound=0)
SOURCE_RATE = flags.DEFINE_float("source_rate", 0.003, "The source network's learning rate.", lower_bound=1e-9)
SOURCE_STEPS = flags.DEFINE_integer("source_steps", 2000, "For how many steps it is trained.", lower_bound=1)
STEPS = flags.DEFINE_integer("steps", 200, "For how many steps every other network is trained.", lower_bound=1)
BATCH_SIZE = flags.DEFINE_integer("batch_size", 32, "Samples a step.", lower_bound=1)
FILTERS = flags.DEFINE_integer("filters", 10, "Features of the first convolution; they double.", lower_bound=1)

VALIDATION = 0.25
"""The share of the training samples by which learning rates are chosen."""


class Sets(NamedTuple):
    """What is learnt, and by what it is judged."""

    learning: data.Split
    validation: data.Split
    test: data.Split


class Way(NamedTuple):
    """At which share of the learning rate a network learns each part; a part at 0 is frozen."""

    features: float
    last: float
    head: float = 1.0


FEATURE_SHARE = 0.1
"""At which share of the classifier's learning rate features are trained that were taken over."""

BEGUN_ANEW = {FROM_SCRATCH: Way(1, 1)}
TAKEN_OVER = {
    "linear classifier": Way(0, 0),
    "last layer too": Way(0, 1),
    "everything": Way(FEATURE_SHARE, FEATURE_SHARE),
}


def main() -> None:
    """Draws the sets, trains the source network, then all others; prints, writes and draws the quadrants."""
    training, _, test = dataset.load_splits()
    if not isinstance(training, data.Split) or not isinstance(test, data.Split):
        raise FlagError("this experiment needs the samples in memory; raise --memory_gib")
    if LITTLE.value > MUCH.value:
        raise FlagError(f"--little={LITTLE.value} is more than --much={MUCH.value}")
    rates = command.floats(RATES)
    drawn = drawings()
    source, at_source = draw_source(training, test, drawn["similar"])
    targets = draw_targets(training, test, drawn)
    run = outcome.begin(f"transfer-{dataset.name_of_dataset()}")
    try:
        everywhere = Way(SOURCE_RATE.value, SOURCE_RATE.value, SOURCE_RATE.value)._asdict()
        model = train.Model("source", outcome.SEED.value, everywhere)
        learnt = fit(make_network(source), source, [model], SOURCE_STEPS.value)
        quadrants = compare(targets, learnt.trained[0].train_state, rates)
    except ValueError as error:
        raise FlagError(str(error)) from error

    source_accuracy = float(learnt.accuracies(at_source)[0])
    gains = {quadrant: gain(ways) for quadrant, ways in quadrants.items()}
    print(f"the source network is right on {source_accuracy:.3f} of the test images of its own classes")
    for quadrant, ways in quadrants.items():
        print(f"\n{quadrant:20}   test accuracy   learning rate")
        for name, found in ways.items():
            print(f"  {name:20} {found}   {found.rate:13g}")
        print("  {way} instead of from scratch: {gain:+.3f} ± {standard_error:.3f}".format(**gains[quadrant]))
    title = f"{dataset.name_of_dataset()}, {SEEDS.value} seeds from {outcome.SEED.value}"
    draw_quadrants(quadrants, run.workdir / "quadrants.png", f"Transfer learning on {title}")
    draw_samples(
        {"source": at_source, **{kind: sets.test for kind, sets in targets.items()}}, run.workdir / "samples.png"
    )
    answer = {
        "dataset": dataset.DATASET.value,
        "source": {"classes": source.class_names, "test_accuracy": source_accuracy},
        "target": {"classes": targets["similar"].test.class_names},
        "quadrants": {at: {name: found.told() for name, found in ways.items()} for at, ways in quadrants.items()},
        "transfer": gains,
    }
    outcome.finish(run, answer, __name__, dataset)


class Drawing(NamedTuple):
    """How images are drawn."""

    flag: flags.FlagHolder[str]
    augmentation: augment.Augmentation
    texture: float = 0.0

    def draw(self, split: data.Split, part: str) -> data.Split:
        """Draws images; those of each part on their own."""
        try:
            return redraw(
                split, self.augmentation, f"{self.flag.name} {part}",
                seed=outcome.SEED.value, margin=MARGIN.value, texture=self.texture,
            )  # fmt: skip
        except ValueError as error:
            raise FlagError(f"--{self.flag.name}={self.flag.value}: {error}") from error


def drawings() -> dict[str, Drawing]:
    """Returns how the flags say that the similar and the different are drawn."""
    found = {}
    for flag, texture in ((SIMILAR, 0.0), (DIFFERENT, TEXTURE.value)):
        try:
            found[flag.name] = Drawing(flag, augment.from_flag(flag.value), texture)
        except ValueError as error:
            raise FlagError(f"--{flag.name}: {error}") from error
    return found


def draw_source(training: data.Split, test: data.Split, drawing: Drawing) -> tuple[data.Split, data.Split]:
    """Draws the first half of the classes: each training image several times, each test image once."""
    half = range(len(training.class_names) // 2)
    if len(half) < 2:
        raise FlagError(f"--dataset={dataset.DATASET.value} has {len(training.class_names)} classes, no two halves")
    copies = join([of_classes(training, half)] * COPIES.value)
    return drawing.draw(copies, "source"), drawing.draw(of_classes(test, half), "source test")


def draw_targets(training: data.Split, test: data.Split, drawn: Mapping[str, Drawing]) -> dict[str, Sets]:
    """Draws the other half of the classes, each image once, in each way."""
    classes = len(training.class_names)
    half = range(classes // 2, classes)
    try:
        learning, validation = data.holdout(of_classes(training, half), VALIDATION, seed=outcome.SEED.value)
        data.choose_few(learning, MUCH.value)
    except ValueError as error:
        raise FlagError(f"--much={MUCH.value}: {error}") from error
    sets = Sets(learning, validation, of_classes(test, half))
    return {
        kind: Sets(*(drawing.draw(split, part) for part, split in sets._asdict().items()))
        for kind, drawing in drawn.items()
    }


def make_network(split: data.Split) -> fnn.Layer:
    """Makes a network of three convolutions, each with ReLU and max pooling, and a linear classifier."""
    layers: dict[str, fnn.Layer] = {}
    for number in (1, 2, 3):
        features = FILTERS.value * 2 ** (number - 1)
        layers |= {f"conv{number}": fnn.Conv(features, 3, kernel_init="he_normal"), f"act{number}": fnn.Relu}
        layers |= {f"pool{number}": fnn.MaxPool(2)}
    return fnn.serial(features=fnn.serial(**layers), flatten=fnn.Flatten, head=fnn.Dense(len(split.class_names)))


def fit(network: fnn.Layer, split: data.Split, models: Sequence[train.Model], steps: int) -> train.Many:
    """Trains networks whose hyperparameters are the learning rates of their parts, for about so many steps."""
    samples = len(split) if models[0].samples is None else len(models[0].samples)
    size = min(BATCH_SIZE.value, samples)
    epochs = max(1, round(steps / (samples // size)))

    def optimizer(rates: Mapping[str, Any], steps: int) -> optax.GradientTransformation:
        def at(rate: Any) -> optax.GradientTransformation:
            return train.make_optimizer("adamw", rate, steps, schedule="warmup_cosine", weight_decay=WEIGHT_DECAY.value)

        return train.by_part(
            {"features/conv3": at(rates["last"]), "features": at(rates["features"]), "head": at(rates["head"])}
        )

    groups = -(-len(models) // SEEDS.value)
    with tqdm(total=epochs * groups, unit="epoch", leave=False, disable=None) as bar:
        return train.fit_many(
            network, split, optimizer, models,
            epochs=epochs, batch_size=size, drop_last=True,
            at_once=SEEDS.value, on_epoch=lambda _, __: bar.update(),
        )  # fmt: skip


def compare(targets: Mapping[str, Sets], source: train.TrainState, rates: list[float]) -> Quadrants:
    """Trains in every way, from little and much of both kinds, at every rate, from every seed."""
    learning = join([sets.learning for sets in targets.values()])
    amounts = {"little": LITTLE.value, "much": MUCH.value}
    seeds = range(outcome.SEED.value, outcome.SEED.value + SEEDS.value)
    network = make_network(learning)
    taken_over = train.starting_from(network, source.params, source.state, parts=["features"])
    quadrants: dict[str, dict[str, Found]] = {f"{amount}, {kind}": {} for amount in amounts for kind in targets}
    for layer, ways in ((network, BEGUN_ANEW), (taken_over, TAKEN_OVER)):
        models = [
            train.Model(
                f"{amount}, {kind}, {way}, {rate}, {seed}",
                seed,
                {part: share * rate for part, share in ways[way]._asdict().items()},
                choose(targets, kind, amounts[amount], seed),
            )
            for kind, amount, way, rate, seed in product(targets, amounts, ways, rates, seeds)
        ]
        many = fit(layer, learning, models, STEPS.value)
        shape = (len(targets), len(amounts), len(ways), len(rates), len(seeds))
        for number, (kind, sets) in enumerate(targets.items()):
            validation, test = (many.accuracies(split).reshape(shape)[number] for split in sets[1:])
            for (i, amount), (j, way) in product(enumerate(amounts), enumerate(ways)):
                quadrants[f"{amount}, {kind}"][way] = best_rate(rates, validation[i, j], test[i, j])
    return quadrants


def choose(targets: Mapping[str, Sets], kind: str, count: int, seed: int) -> np.ndarray:
    """Says which samples of the joined sets a network learns from; all learn from equally many, few come again."""
    learning = targets[kind].learning
    before = list(targets).index(kind) * len(learning)
    chosen = before + data.choose_few(learning, count, seed=seed)
    return np.resize(chosen, MUCH.value * len(learning.class_names))


def draw_samples(sets: Mapping[str, data.Split], path: Path) -> None:
    """Draws a row of images of each set, as a PNG."""
    rows = [
        analysis.SheetRow(
            name, split.images[:10] / np.float32(255), [split.class_names[label] for label in split.labels[:10]]
        )
        for name, split in sets.items()
    ]
    analysis.draw_sheet(rows, path, f"Transfer learning on {dataset.name_of_dataset()}: what is learnt first and then")


if __name__ == "__main__":
    command.run(main)
