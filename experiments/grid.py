"""What a grid of models is, and what its rows come to: combinations, means, deviations, the best, a picture."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments.results import Row
from fnn.analysis.figure import LINES, make_figure

ACCURACIES = ("train_accuracy", "validation_accuracy", "test_accuracy")


class Cell(NamedTuple):
    """One model of a grid."""

    hyper: dict[str, float]
    """The hyperparameters that vary, by flag."""
    seed: int
    fold: str | None
    """As --fold has it."""


class Plan(NamedTuple):
    """What a grid is made of."""

    hyper: dict[str, tuple[float, ...]]
    """The values of those hyperparameters that have several, by flag."""
    seeds: tuple[int, ...]
    folds: int | None

    @property
    def cells(self) -> list[Cell]:
        """All models: for each combination of hyperparameters each seed, for each seed each fold."""
        folds = [f"{number}/{self.folds}" for number in range(self.folds)] if self.folds else [None]
        return [
            Cell(dict(zip(self.hyper, values, strict=True)), seed, fold)
            for values in itertools.product(*self.hyper.values())
            for seed in self.seeds
            for fold in folds
        ]

    @property
    def varying(self) -> list[str]:
        """The flags that vary, which are columns of the rows."""
        return [*self.hyper, *(["seed"] if len(self.seeds) > 1 else []), *(["fold"] if self.folds else [])]

    def __str__(self) -> str:
        sizes = {name: len(values) for name, values in self.hyper.items()} | {"seed": len(self.seeds)}
        parts = [f"{size} × {name}" for name, size in sizes.items() if size > 1]
        return ", ".join(parts + ([f"{self.folds} folds"] if self.folds else []))


class Combination(NamedTuple):
    """What the models of one combination of hyperparameters come to, over seeds and folds."""

    hyper: dict[str, float]
    rows: list[int]
    """Which rows they are."""
    halted: int
    """How many of them were stopped at a step that was not finite; they do not count in what follows."""
    means: dict[str, float | None]
    """By accuracy; None where there is none."""
    deviations: dict[str, float | None]
    """Standard deviations of a sample; None of fewer than two."""

    def told(self, name: str) -> str:
        """Returns mean ± deviation in words."""
        mean, deviation = self.means[name], self.deviations[name]
        return "" if mean is None else f"{mean:.4f}" + ("" if deviation is None else f" ± {deviation:.4f}")


def combine(rows: Sequence[Row], hyper: Sequence[str]) -> list[Combination]:
    """Gathers rows by their hyperparameters, in the order in which these come.

    Args:
      rows: each with its hyperparameters, accuracies, and `halted`, a step or None.
      hyper: the names of the hyperparameters.
    """
    places: dict[tuple[float, ...], list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault(tuple(row[name] for name in hyper), []).append(place)
    made = []
    for values, group in places.items():
        whole = [rows[place] for place in group if rows[place]["halted"] is None]
        means, deviations = {}, {}
        for name in ACCURACIES:
            numbers = [row[name] for row in whole if row[name] is not None]
            means[name] = float(np.mean(numbers)) if numbers else None
            deviations[name] = float(np.std(numbers, ddof=1)) if len(numbers) > 1 else None
        made.append(
            Combination(dict(zip(hyper, values, strict=True)), group, len(group) - len(whole), means, deviations)
        )
    return made


def choose_best(rows: Sequence[Row], combinations: Sequence[Combination]) -> int | None:
    """Returns which row is the best by validation; the test samples have no say.

    Of the combinations of which no model was halted, the one with the highest mean validation accuracy; of its models
    the one with the highest. Of equal ones the one with the lower validation loss is taken, then the first. None where
    nothing was validated.
    """

    def rank(mean: float, places: Sequence[int]) -> tuple[float, float]:
        return mean, -float(np.mean([rows[place]["validation_loss"] for place in places]))

    candidates = [one for one in combinations if not one.halted and one.means["validation_accuracy"] is not None]
    if not candidates:
        return None
    best = max(candidates, key=lambda one: rank(one.means["validation_accuracy"] or 0.0, one.rows))
    return max(best.rows, key=lambda place: rank(rows[place]["validation_accuracy"], [place]))


def summarize(combination: Combination, ensemble: float | None) -> dict[str, Any]:
    """Returns a combination in plain JSON.

    Args:
      combination: what is summed up.
      ensemble: the test accuracy of its models together.
    """
    accuracies = {
        name: {"mean": combination.means[name], "deviation": combination.deviations[name]} for name in ACCURACIES
    }
    counts = {"models": len(combination.rows), "halted": combination.halted}
    return {**combination.hyper, **counts, **accuracies, "ensemble_test_accuracy": ensemble}


def draw(rows: Sequence[Row], varying: Sequence[str], path: Path, title: str) -> None:
    """Draws accuracy against what varies first, with its deviation over seeds and folds, as a PNG.

    Further hyperparameters have a line for each of their combinations. Models that were halted are left out.

    Args:
      rows: of the grid.
      varying: the flags that vary, hyperparameters first.
      path: where to.
      title: above.
    """
    across, *others = varying
    others = [name for name in others if name not in ("seed", "fold")]
    kinds = [name for name in ("validation_accuracy", "test_accuracy") if any(row[name] is not None for row in rows)]
    figure, panels = make_figure(1, len(kinds), (5 * len(kinds) + 1, 4), squeeze=False, sharey=True)
    lines: dict[str, list[Row]] = {}
    for row in rows:
        lines.setdefault(", ".join(f"{name}={row[name]}" for name in others), []).append(row)
    for axes, kind in zip(panels[0], kinds, strict=True):
        for number, (label, group) in enumerate(lines.items()):
            points = {point["x"]: point for point in points_of(group, across, kind)}
            axes.errorbar(
                [str(x) if across == "fold" else x for x in points],
                [point["mean"] for point in points.values()],
                yerr=[point["deviation"] for point in points.values()],
                label=label, capsize=3, **LINES[number % len(LINES)],
            )  # fmt: skip
        if _is_wide([row[across] for row in rows]):
            axes.set_xscale("log")
        axes.set(xlabel=across, ylabel=kind.replace("_", " "))
        axes.grid(alpha=0.3)
    if others:
        figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    figure.suptitle(f"{title}: mean ± standard deviation")
    figure.savefig(path)


def points_of(rows: Sequence[Row], across: str, kind: str) -> list[Mapping[str, Any]]:
    """Returns mean and standard deviation, 0 of one, of an accuracy at each value of a column, in order."""
    groups: dict[Any, list[float]] = {}
    for row in rows:
        if row["halted"] is None and row[kind] is not None:
            groups.setdefault(row[across], []).append(row[kind])
    return [
        {"x": x, "mean": float(np.mean(found)), "deviation": float(np.std(found, ddof=1)) if len(found) > 1 else 0.0}
        for x, found in sorted(groups.items())
    ]


def _is_wide(values: Sequence[Any]) -> bool:
    """Says whether numbers are better seen by their ratios."""
    return all(isinstance(value, float) and value > 0 for value in values) and max(values) >= 8 * min(values)
