r"""Find the training samples whose labels look wrong, and see what cleaning them does.

Question: can a network tell which of its own training labels are wrong, and is it better without them?

  python -m experiments.outliers
  python -m experiments.outliers --planted=0.4
  python -m experiments.outliers --dataset=mnist --per_class=200 --planted=0     # what is wrong in the set itself?

The lecture's idea: look at the samples that a model finds hardest: among them are the mislabelled. Three ways to look:

  loss        after a few epochs, before it memorizes, a network has learnt the rule but not the exceptions
  folds       a network judges each sample that it was not trained on, in cross-validation
  neighbours  what that network takes for similar, the nearest in its last features, has another label

A share of the training samples gets a wrong label. Each way says of each sample how likely its label is wrong, and
suspects those for which it would give another label; a vote suspects what at least two of them suspect. Then the same
network is trained with all samples, without each way's suspects, and on the right labels. Writes into the working
directory:

  result.json           precision and recall of the suspects, average precision of the ranking; test accuracies
  precision_recall.png  precision against recall of each ranking, and what is suspected
  accuracies.png        test accuracies with all samples, without suspects, and with right labels
  suspects.png          the samples that the folds suspect most, with their label and the one that was there before

Expect on digits with 20 % wrong labels that each ranking finds more than 99 % of them; of what is suspected 0.89 ± 0.02
(loss), 0.77 ± 0.02 (folds), 0.90 ± 0.02 (neighbours) and 0.88 ± 0.02 (vote) is wrong indeed; and a test accuracy of
0.923 ± 0.023 with all samples, 0.945 to 0.954 without the suspects and 0.975 ± 0.004 with right labels (means ±
standard deviations over seeds 0 to 3). About a minute and a half on two cores.

Reference: Northcutt, Jiang & Chuang 2021, "Confident learning: estimating uncertainty in dataset labels", arXiv
1911.00068; Arpit et al. 2017, "A closer look at memorization in deep networks", arXiv 1706.05394; Wilson 1972,
"Asymptotic properties of nearest neighbor rules using edited data".
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from absl import flags

import fnn
from experiments import command, dataset, model, optimization, outcome
from experiments.bars import draw_accuracies
from experiments.command import FlagError
from experiments.dataset import AnySplit
from fnn import analysis, data, train
from fnn.analysis.figure import LINES, make_figure

flags.adopt_module_key_flags(dataset)
flags.adopt_module_key_flags(model)
flags.adopt_module_key_flags(optimization)
flags.adopt_module_key_flags(outcome)
flags.set_default(model.DROPOUT, 0.0)  # so that wrong labels do the harm that they can
PLANTED = flags.DEFINE_float(
    "planted", 0.2, "The share of the training samples that gets a wrong label.", lower_bound=0, upper_bound=0.9
)
FEW_EPOCHS = flags.DEFINE_integer("few_epochs", 8, "Epochs before the losses are looked at.", lower_bound=1)
FOLDS = flags.DEFINE_integer("folds", 5, "Folds of the cross-validation.", lower_bound=2)
NEIGHBOURS = flags.DEFINE_integer("neighbours", 10, "How many neighbours are asked.", lower_bound=1)
EPOCHS = flags.DEFINE_integer("epochs", 50, "Of the networks that are compared in the end.", lower_bound=1)
BATCH_SIZE = flags.DEFINE_integer("batch_size", 32, "Samples a step.", lower_bound=1)

EXAMPLES, PER_ROW = 24, 8


class Verdict(NamedTuple):
    """What one way of looking says of each sample."""

    doubt: np.ndarray
    """`(samples,)`, 0 to 1: how likely the label is wrong."""
    suspected: np.ndarray
    """`(samples,)`, bool: whether another label would be given."""


class Look(NamedTuple):
    """What a network makes of samples."""

    probabilities: np.ndarray
    """`(samples, classes)`."""
    features: np.ndarray
    """`(samples, features)`: what its last layer is given."""


def main() -> None:
    """Plants wrong labels, looks for them in three ways, trains with and without what is suspected, draws."""
    if dataset.LABEL_NOISE.value:
        raise FlagError("--label_noise plants unseen; here --planted plants wrong labels and knows which they are")
    clean, _, test = dataset.load_splits()
    if not isinstance(clean, data.Split):
        raise FlagError("the training split must be in memory; raise --memory_gib or take --per_class")
    noisy, wrong = data.with_wrong_labels(clean, PLANTED.value, seed=outcome.SEED.value)
    run = outcome.begin(f"outliers-{dataset.name_of_dataset()}")
    print(f"{noisy.source}: {wrong.sum()} of {len(noisy)} labels are wrong")
    early = learn(noisy, FEW_EPOCHS.value)(noisy)
    verdicts = {
        "loss": by_probability(early.probabilities, noisy.labels),
        "folds": by_probability(out_of_fold(noisy), noisy.labels),
        "neighbours": by_neighbours(early.features, noisy.labels),
    }
    votes = np.sum([verdict.suspected for verdict in verdicts.values()], axis=0)
    verdicts["vote"] = Verdict(np.mean([verdict.doubt for verdict in verdicts.values()], axis=0), votes >= 2)

    found = {name: judge(verdict, wrong) for name, verdict in verdicts.items()}
    print(f"{'':12}{'suspected':>10}{'precision':>11}{'recall':>8}{'average precision':>19}")
    for name, of in found.items():
        cells = "".join(f"{'-' if of[key] is None else format(of[key], '.3f'):>{width}}"
                        for key, width in (("precision", 11), ("recall", 8), ("average_precision", 19)))  # fmt: skip
        print(f"{name:12}{of['suspected']:10}{cells}")
    sets = {"all samples": noisy}
    for name, verdict in verdicts.items():
        sets[f"without suspects of {name}"] = noisy.take(np.flatnonzero(~verdict.suspected))
    if wrong.any():
        sets["all samples, labels right"] = clean
    accuracies = {name: test_accuracy(split, test) for name, split in sets.items()}
    print("test accuracy")
    for name, accuracy in accuracies.items():
        print(f"{name:32}{accuracy:.4f}")

    if wrong.any():
        draw_precision_recall(verdicts, wrong, run.workdir / "precision_recall.png")
    cleaned = [name for name in accuracies if name.startswith("without")]
    title = f"{wrong.mean():.0%} wrong labels in {dataset.name_of_dataset()}, seed {outcome.SEED.value}"
    draw_accuracies(accuracies, cleaned, run.workdir / "accuracies.png", title)
    draw_suspects(noisy, clean, verdicts["folds"].doubt, run.workdir / "suspects.png")
    answer = {"dataset": dataset.DATASET.value, "samples": len(noisy), "wrong": int(wrong.sum()), "found": found}
    outcome.finish(run, {**answer, "test_accuracy": accuracies}, __name__, dataset, model, optimization)


def learn(split: data.Split, epochs: int) -> Callable[[AnySplit], Look]:
    """Trains a network and returns how it looks at samples."""
    network = model.make_network(split)
    size = min(BATCH_SIZE.value, len(split))
    fitted = train.fit(
        network, split, optimization.make_optimizer(epochs * -(-len(split) // size)),
        epochs=epochs, batch_size=size, loss=optimization.LOSSES[optimization.LOSS.value], seed=outcome.SEED.value,
        scale_loss=model.PRECISION.value == "float16", drop_last=True, progress=True,
    )  # fmt: skip

    @jax.jit
    def see(images: jax.Array) -> tuple[jax.Array, jax.Array]:
        params, state = fitted.train_state.params, fitted.train_state.state
        scores, _, passages = fnn.intermediates(network, params, state, fitted.normalization(images), train=False)
        last = next(passage for passage in passages if passage.y is scores)  # children come before their parents
        return jax.nn.softmax(scores), last.x.reshape(len(images), -1)

    def look(split: AnySplit) -> Look:
        parts = [see(split.read(np.arange(start, min(start + 512, len(split))))) for start in range(0, len(split), 512)]
        return Look(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))

    return look


def out_of_fold(split: data.Split) -> np.ndarray:
    """Returns the probabilities that networks give samples on which they were not trained: `(samples, classes)`."""
    numbers = data.fold_numbers(split, FOLDS.value, seed=outcome.SEED.value)
    probabilities = np.empty((len(split), len(split.class_names)), np.float32)
    for number in range(FOLDS.value):
        look = learn(split.take(np.flatnonzero(numbers != number)), FEW_EPOCHS.value)
        probabilities[numbers == number] = look(split.take(np.flatnonzero(numbers == number))).probabilities
    return probabilities


def by_probability(probabilities: np.ndarray, labels: np.ndarray) -> Verdict:
    """Doubts labels to which a network gives little probability, which is where its loss is high."""
    of_label = probabilities[np.arange(len(labels)), labels]
    return Verdict(1 - of_label, probabilities.argmax(axis=1) != labels)


def by_neighbours(features: np.ndarray, labels: np.ndarray) -> Verdict:
    """Doubts labels that few of the nearest other samples share."""
    from sklearn.neighbors import NearestNeighbors

    nearest = NearestNeighbors(n_neighbors=NEIGHBOURS.value).fit(features).kneighbors(return_distance=False)
    classes = labels.max() + 1
    votes = np.apply_along_axis(np.bincount, 1, labels[nearest], minlength=classes)
    return by_probability(votes / NEIGHBOURS.value, labels)


def judge(verdict: Verdict, wrong: np.ndarray) -> dict[str, Any]:
    """Compares a verdict with what is known to be wrong; None where there is nothing to divide by."""
    from sklearn.metrics import average_precision_score

    right_suspicions = int((verdict.suspected & wrong).sum())
    suspected = int(verdict.suspected.sum())
    return {
        "suspected": suspected,
        "precision": right_suspicions / suspected if suspected else None,
        "recall": right_suspicions / int(wrong.sum()) if wrong.any() else None,
        "average_precision": float(average_precision_score(wrong, verdict.doubt)) if wrong.any() else None,
    }


def test_accuracy(split: data.Split, test: AnySplit) -> float:
    """Trains on a split and tests."""
    return float(np.mean(learn(split, EPOCHS.value)(test).probabilities.argmax(axis=1) == test.labels))


def draw_precision_recall(verdicts: Mapping[str, Verdict], wrong: np.ndarray, path: Path) -> None:
    """Draws precision against recall, as a PNG: a line for each ranking, a large marker for what is suspected."""
    from sklearn.metrics import precision_recall_curve

    figure, axes = make_figure(1, 1, (6, 4.4))
    lowest = 1.0
    for (name, verdict), line in zip(verdicts.items(), LINES, strict=False):
        precision, recall, _ = precision_recall_curve(wrong, verdict.doubt)
        axes.plot(recall, precision, **line | {"marker": None})
        of = judge(verdict, wrong)
        if of["precision"] is not None:
            lowest = min(lowest, of["recall"], of["precision"])
            axes.plot([of["recall"]], [of["precision"]], **line, markersize=9, fillstyle="none", label=name)
    limits = (max(0, lowest - 0.2), 1.01)  # the corner where something happens
    axes.set(
        xlabel="recall: share of the wrong labels that are found", xlim=limits,
        ylabel="precision: share of the found that are wrong", ylim=limits,
        title=f"{wrong.sum()} wrong labels of {len(wrong)}, {dataset.name_of_dataset()}, seed {outcome.SEED.value}",
    )  # fmt: skip
    axes.grid(alpha=0.3)
    axes.legend(title="marker: what is suspected", loc="lower left")
    figure.savefig(path)


def draw_suspects(noisy: data.Split, clean: data.Split, doubt: np.ndarray, path: Path) -> None:
    """Draws the samples whose labels are doubted most, with what the label is and what it was, as a PNG."""
    most = np.argsort(-doubt, kind="stable")[:EXAMPLES]
    rows = []
    for start in range(0, len(most), PER_ROW):
        chosen = most[start : start + PER_ROW]
        names = [(noisy.class_names[noisy.labels[i]], clean.class_names[clean.labels[i]]) for i in chosen]
        captions = [now if now == before else f"{now}, was {before}" for now, before in names]
        label = f"{start + 1} to {start + len(chosen)}"
        rows.append(analysis.SheetRow(label, noisy.images[chosen] / np.float32(255), captions))
    title = f"Labels that the folds doubt most, {dataset.name_of_dataset()}, seed {outcome.SEED.value}"
    analysis.draw_sheet(rows, path, title)


if __name__ == "__main__":
    command.run(main)
