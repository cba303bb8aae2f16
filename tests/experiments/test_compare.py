"""Several runs in one table and one picture."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from experiments import gathering, results
from fnn.train import Epoch, metrics_log
from tests.experiments.conftest import Start, start


def make_run(directory: Path, epochs: int = 3, **flags: Any) -> Path:
    """A working directory as `experiments.classify` leaves it."""
    directory.mkdir()
    flags = {"seed": 0, "learning_rate": 0.05, "fold": None, "workdir": str(directory)} | flags
    result = {"dataset": "digits", "seed": flags["seed"], "test_accuracy": 0.9, "flags": flags, "params_sha256": "ab"}
    (directory / "result.json").write_text(json.dumps(result))
    if epochs:
        history = [Epoch(n, 1 / n, 0.5, 2 / n, 0.4, 0.1)._asdict() for n in range(1, epochs + 1)]
        metrics_log.write(directory / "metrics.jsonl", history)
    return directory


def make_grid(directory: Path) -> Path:
    make_run(directory, seed=[0, 1], learning_rate=[0.1, 0.05], folds=2)
    rows = [
        {"learning_rate": rate, "fold": fold, "seed": seed, "test_accuracy": 0.8, "command": "python"}
        for rate in (0.1, 0.05) for seed in (0, 1) for fold in ("0/2", "1/2")
    ]  # fmt: skip
    results.write_rows(directory / "results.csv", rows)
    result = json.loads((directory / "result.json").read_text())
    varying = ["learning_rate", "seed", "fold"]
    (directory / "result.json").write_text(json.dumps(result | {"best": rows[2], "varying": varying}))
    return directory


def test_runs_and_grids_give_rows_with_the_flags_that_vary(tmp_path: Path) -> None:
    one = gathering.read_run(make_run(tmp_path / "one"))
    grid = gathering.read_run(make_grid(tmp_path / "grid"))
    assert one is not None
    assert grid is not None
    assert (one.best, grid.best) == ("", "learning_rate=0.1 seed=1 fold=0/2")
    varying, rows = gathering.gather([one, grid])
    assert varying == ["seed", "learning_rate", "fold"]  # not workdir, which says nothing, nor folds
    assert len(rows) == 1 + 8
    columns = list(rows[0])
    assert columns[:4] == ["run", "seed", "learning_rate", "fold"]
    assert columns[-2:] == ["params_sha256", "command"]
    assert [str(rows[0][name]) for name in columns[1:4]] == ["0", "0.05", ""]
    assert [str(rows[3][name]) for name in columns[1:4]] == ["1", "0.1", "0/2"]
    assert {row["run"] for row in rows} == {str(tmp_path / "one"), str(tmp_path / "grid")}
    assert len({tuple(row.items()) for row in rows}) == 9


def test_equal_flags_are_no_column(tmp_path: Path) -> None:
    runs = [gathering.read_run(make_run(tmp_path / name, momentum=0.5)) for name in "ab"]
    varying, rows = gathering.gather([run for run in runs if run])
    assert varying == []
    assert list(rows[0]) == ["run", "dataset", "seed", "test_accuracy", "params_sha256"]


def test_what_is_no_run_is_none_and_what_is_broken_is_named(tmp_path: Path) -> None:
    assert gathering.read_run(tmp_path) is None
    with pytest.raises(NotADirectoryError, match="nowhere is no directory"):
        gathering.read_run(tmp_path / "nowhere")
    (tmp_path / "result.json").write_text("{")
    with pytest.raises(ValueError, match=r"result\.json is no JSON"):
        gathering.read_run(tmp_path)
    (tmp_path / "result.json").write_text("[1]")
    with pytest.raises(ValueError, match=r"expected names and values, got list"):
        gathering.read_run(tmp_path)


@pytest.mark.parametrize("epochs", [1, 4])
def test_curves_are_drawn_also_of_runs_without_validation(tmp_path: Path, epochs: int) -> None:
    plain = gathering.read_run(make_run(tmp_path / "plain", epochs))
    assert plain is not None
    unjudged = [record | {"validation_loss": None, "validation_accuracy": None} for record in plain.history]
    stopped = [record | {"train_loss": None} for record in plain.history]
    runs = [plain, *(plain._replace(name=name, history=told) for name, told in (("u", unjudged), ("s", stopped)))]
    gathering.draw([*runs, plain._replace(history=[])], tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as image:
        assert min(image.size) > 300


def test_one_command_compares(tmp_path: Path, fork: Start) -> None:
    make_run(tmp_path / "one")
    make_run(tmp_path / "two", learning_rate=0.5)
    make_run(tmp_path / "goes-on", epochs=0)
    (tmp_path / "goes-on/result.json").unlink()
    metrics_log.append(tmp_path / "goes-on/metrics.jsonl", Epoch(1, 1.0, 0.5, None, None, 0.1)._asdict())
    (tmp_path / "empty").mkdir()
    for run in (start, fork):  # the second time its own results lie among the runs
        done = run(tmp_path, "compare", *sorted(path.name for path in tmp_path.iterdir()), "--workdir=all")
        assert done.returncode == 0, done.stderr
        assert done.stderr == "left out: empty holds no result.json and no metrics.jsonl\n"
        lines = done.stdout.splitlines()
        assert lines[0].split() == ["run", "seed", "learning_rate", "test_accuracy"]
        assert [line.split()[0] for line in lines[1:4]] == ["goes-on", "one", "two"]
        assert lines[-1] == "3 rows of 3 runs; results in all"
    with (tmp_path / "all/results.csv").open(newline="") as file:
        assert [row["learning_rate"] for row in csv.DictReader(file)] == ["", "0.05", "0.5"]
    assert (tmp_path / "all/curves.png").stat().st_size > 1000
    refused = fork(tmp_path, "compare", "empty")
    assert (refused.returncode, refused.stdout) == (2, "")
