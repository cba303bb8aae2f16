"""What the working directories of several runs hold, as rows of one table and as learning curves."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments import results
from experiments.command import FREE
from fnn import train
from fnn.analysis.figure import LINES, make_figure

LAST = ("params_sha256", "command")
"""The columns that nobody reads, at the end."""
OF_GRIDS = {"folds", "models_at_once"}
"""Flags of a whole grid, which say nothing of a row."""


class Run(NamedTuple):
    """What one working directory holds."""

    name: str
    flags: Mapping[str, Any]
    rows: list[dict[str, Any]]
    """One, or of a grid one for each model."""
    history: list[dict[str, Any]]
    """Of the run, or of a grid's best model, as far as it was told."""
    best: str
    """Which model of a grid the history is of; empty of a run."""


def read_run(directory: Path) -> Run | None:
    """Reads the results and the history of a run; None of a directory that has neither.

    Raises:
      NotADirectoryError: if there is no such directory.
      ValueError: if a file is not what its name says.
    """
    if not directory.is_dir():
        raise NotADirectoryError(f"{directory} is no directory")
    log = directory / "metrics.jsonl"
    history = train.metrics_log.read(log) if log.is_file() else []
    result = _read_result(directory / "result.json")
    if not (result or history):
        return None
    if (directory / "results.csv").is_file():
        rows: list[dict[str, Any]] = [*results.read_rows(directory / "results.csv")]
    else:
        rows = [{name: value for name, value in result.items() if not isinstance(value, list | dict)}]
    best = result.get("best") or {}
    which = " ".join(f"{name}={best[name]}" for name in result.get("varying", []) if name in best)
    return Run(str(directory), result.get("flags", {}), rows, history, which)


def gather(runs: Sequence[Run]) -> tuple[list[str], list[dict[str, Any]]]:
    """Returns the flags that vary between any two rows, and all rows: the run, those flags, and the results.

    Flags that change nothing in what is computed are left out; the command that repeats a row is its last column.
    """
    full = [
        ({name: _text(value) for name, value in _own(run, row).items()}, row, run) for run in runs for row in run.rows
    ]
    names = dict.fromkeys(name for flags, _, _ in full for name in flags if name not in FREE | OF_GRIDS)
    varying = [name for name in names if len({flags.get(name, "") for flags, _, _ in full}) > 1]
    found = dict.fromkeys(["run", *varying, *results.columns_of([row for _, row, _ in full])])
    columns = [name for name in found if name not in LAST] + [name for name in LAST if name in found]
    rows = []
    for flags, row, run in full:
        known = {**row, **{name: flags.get(name) for name in varying}, "run": run.name}
        rows.append({name: known.get(name) for name in columns})
    return varying, rows


def draw(runs: Sequence[Run], path: Path) -> None:
    """Draws loss and accuracy by epoch of several runs, a colour each, as a PNG: validation, and training paler.

    Args:
      runs: of which those without a history are left out.
      path: where to.
    """
    figure, panels = make_figure(1, 2, (11, 4.4))
    told = [run for run in runs if run.history]
    for number, run in enumerate(told):
        style = LINES[number % len(LINES)] | {"marker": None}
        epochs = [record["epoch"] for record in run.history]
        label = f"{run.name} ({run.best})" if run.best else run.name
        marker = "o" if len(epochs) == 1 else None
        for axes, what in zip(panels, ("loss", "accuracy"), strict=True):
            training, validation = (
                np.array([record[f"{part}_{what}"] for record in run.history], float)
                for part in ("train", "validation")
            )
            judged = bool(np.isfinite(validation).any())
            axes.plot(
                epochs, training, **style | {"marker": marker, "alpha": 0.35 if judged else 1.0},
                label=None if judged else f"{label}, training",
            )  # fmt: skip
            if judged:
                axes.plot(epochs, validation, **style | {"marker": marker}, label=label)
    for axes, what in zip(panels, ("loss", "accuracy"), strict=True):
        axes.set(xlabel="epoch", ylabel=what, title=f"{what}: validation; paler, training while learning")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
    if all(line.get_ydata().min() > 0 for line in panels[0].lines if len(line.get_ydata())):
        panels[0].set_yscale("log")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=1 if len(told) < 4 else 2)
    figure.savefig(path)


def _read_result(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}.") from error
    if not isinstance(result, dict):
        raise ValueError(f"{path} holds no result: expected names and values, got {type(result).__name__}.")
    return result


def _own(run: Run, row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the flags of a row: the run's, and what the row itself says of those that had several values."""
    return {**run.flags, **{name: value for name, value in row.items() if name in run.flags}}


def _text(value: Any) -> str:
    return "" if value is None else ",".join(map(str, value)) if isinstance(value, list) else str(value)
