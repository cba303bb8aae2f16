r"""Judge a way of training by k folds beside a holdout, then train on everything.

Question: how good will a network be on new images, and how sure can one be of that before seeing them?

  python -m experiments.cross_validation
  python -m experiments.cross_validation --folds=10 --model=mlp --learning_rate=0.1

The lecture's idea: what a network was trained on says nothing of how good it is. A holdout, a part set aside, says it
from a few samples. In cross-validation every sample is judged once, by a network that did not see it: k networks, each
trained on all folds but one. All of them are trained as one compiled program (`fnn.train.fit_many`). Who has chosen by
that trains once more on everything, and only then looks at the test split.

Prints the accuracies with their standard errors: of the folds from their spread, of holdout and test from the number of
samples that they have. Writes into the working directory:

  result.json      every fold's accuracy, mean and standard error, the holdout's, the test's
  accuracies.png   all of them, with two standard errors to each side

Expect on digits, with the defaults, folds and holdout to agree within two standard errors, and the test accuracy to lie
near both: 0.981 ± 0.001, 0.983 ± 0.006 and 0.973 ± 0.008 (mean ± deviation over seeds 0 to 4). About half a minute on
two cores.

Reference: Stone 1974, "Cross-validatory choice and assessment of statistical predictions"; Kohavi 1995, "A study of
cross-validation and bootstrap for accuracy estimation and model selection".
"""

from pathlib import Path

import numpy as np
from absl import flags
from tqdm import tqdm

from experiments import command, dataset, model, optimization, outcome
from experiments.command import FlagError
from experiments.estimate import Estimate, of_folds, of_samples
from fnn import data, train
from fnn.analysis.figure import BLUE, ORANGE, make_figure

flags.adopt_module_key_flags(dataset)
flags.adopt_module_key_flags(model)
flags.adopt_module_key_flags(optimization)
flags.adopt_module_key_flags(outcome)
FOLDS = flags.DEFINE_integer("folds", 5, "How many folds; the holdout is as large as one.", lower_bound=2)
EPOCHS = flags.DEFINE_integer("epochs", 40, "How often each training sample is seen.", lower_bound=1)
BATCH_SIZE = flags.DEFINE_integer("batch_size", 32, "Samples a step.", lower_bound=1)


def main() -> None:
    """Trains all folds and the holdout at once, then on everything; prints, writes and draws the accuracies."""
    splits = dataset.load_splits()
    training, test = splits.train, splits.test
    if not isinstance(training, data.Split) or not isinstance(test, data.Split):
        raise FlagError("cross-validation needs the samples in memory; raise --memory_gib")
    run = outcome.begin(f"cross_validation-{dataset.name_of_dataset()}")
    network = model.make_network(training)

    def fit(models: list[train.Model]) -> train.Many:
        with tqdm(unit="epoch", leave=False, disable=None) as bar:
            return train.fit_many(
                network,
                training,
                lambda _, steps: optimization.make_optimizer(steps),
                models,
                epochs=EPOCHS.value,
                batch_size=BATCH_SIZE.value,
                loss=optimization.LOSSES[optimization.LOSS.value],
                on_epoch=lambda _, __: bar.update(),
            )

    try:
        parts = cut(training)
        many = fit([train.Model(name, outcome.SEED.value, {}, *part) for name, part in parts.items()])
        everything = fit([train.Model("everything", outcome.SEED.value)])
    except ValueError as error:
        raise FlagError(str(error)) from error
    accuracies = {one.model.name: float(one.history[-1, 3]) for one in many.trained}
    holdout = of_samples(accuracies.pop("holdout"), len(parts["holdout"][1]))
    folds = of_folds(list(accuracies.values()))
    on_test = of_samples(float(everything.accuracies(test)[0]), len(test))

    print(f"{FOLDS.value} folds and a holdout of {len(training)} samples were trained {many.way}: {many.why}")
    for name, accuracy in accuracies.items():
        print(f"{name:34}{accuracy:.4f}")
    estimates = {"mean of the folds": folds, "holdout": holdout, "test, trained on everything": on_test}
    for name, estimate in estimates.items():
        print(f"{name:34}{estimate.accuracy:.4f} ± {estimate.standard_error:.4f}")
    agree = folds.agrees(holdout)
    print(f"folds and holdout {'agree' if agree else 'do not agree'} within two standard errors")
    title = f"{model.MODEL.value} on {dataset.name_of_dataset()}, {FOLDS.value} folds, seed {outcome.SEED.value}"
    draw(accuracies, estimates, run.workdir / "accuracies.png", title)
    answer = {
        "dataset": dataset.DATASET.value,
        "model": model.MODEL.value,
        "folds": accuracies,
        **{name.split(",")[0].replace(" ", "_"): estimate._asdict() for name, estimate in estimates.items()},
        "folds_and_holdout_agree": agree,
        "way": many.way,
    }
    outcome.finish(run, answer, __name__, dataset, model, optimization)


def cut(split: data.Split) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Returns what each network learns from and is judged by: the folds, and a holdout, which is one of another cut."""
    numbers = data.fold_numbers(split, FOLDS.value, seed=outcome.SEED.value)
    parts = {f"fold {n + 1}": (np.flatnonzero(numbers != n), np.flatnonzero(numbers == n)) for n in range(FOLDS.value)}
    aside = data.fold_numbers(split, FOLDS.value, seed=outcome.SEED.value + 1) == 0
    return parts | {"holdout": (np.flatnonzero(~aside), np.flatnonzero(aside))}


def draw(folds: dict[str, float], estimates: dict[str, Estimate], path: Path, title: str) -> None:
    """Draws the folds as points and the estimates with two standard errors to each side, as a PNG."""
    figure, axes = make_figure(1, 1, (7, 0.4 * (len(folds) + len(estimates)) + 1.5))
    names = [*folds, *estimates]
    axes.plot(
        list(folds.values()), list(folds), "o", color=BLUE, label="a fold, judged by a network that did not see it"
    )
    axes.errorbar(
        [estimate.accuracy for estimate in estimates.values()],
        list(estimates),
        xerr=[2 * estimate.standard_error for estimate in estimates.values()],
        fmt="s", color=ORANGE, capsize=4, label="estimate ± 2 standard errors",
    )  # fmt: skip
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set(xlabel="accuracy", title=title)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=2)
    figure.savefig(path)


if __name__ == "__main__":
    command.run(main)
