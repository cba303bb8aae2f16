"""A grid by one command, started as a user would; and what each of its models' own command gives."""

import csv
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fnn import interop
from tests.experiments.conftest import Start, start
from tests.experiments.forks import ENVIRONMENT

SHARED = ("--model=mlp", "--per_class=20", "--epochs=6", "--augment=crop=1", "--batch_size=30")


def rows_in(directory: Path) -> list[dict[str, str]]:
    with (directory / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def check_repeated(fork: Start, directory: Path, row: dict[str, str]) -> None:
    """Runs a row's command and holds its result against the row."""
    python, dash_m, experiment, *flags = shlex.split(row["command"])
    assert (python, dash_m, experiment) == ("python", "-m", "experiments.classify")
    done = fork(directory, "classify", *flags)
    assert done.returncode == 0, done.stderr
    alone = json.loads((directory / flags[-1].removeprefix("--workdir=") / "result.json").read_text())
    assert alone["seed"] == int(row["seed"])
    assert alone["parameters"] == int(row["parameters"])
    for name in ("train_accuracy", "validation_accuracy", "test_accuracy"):
        assert alone[name] == pytest.approx(float(row[name]), abs=0.01)  # 2 of 200, 3 of 360 images: rounding
    assert alone["test_loss"] == pytest.approx(float(row["test_loss"]), rel=1e-3)


def test_a_grid_is_trained_and_told_and_every_model_can_be_repeated(tmp_path: Path, fork: Start) -> None:
    flags = (*SHARED, "--learning_rate=0.03,0.1", "--seed=0:3:2", "--clip_norm=2", "--export=best.fnn")
    done = start(tmp_path, "classify", *flags, "--workdir=a grid")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    result = json.loads((tmp_path / "a grid/result.json").read_text())
    rows = rows_in(tmp_path / "a grid")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("flags: ")
    assert "--learning_rate=0.03,0.1" in lines[0]
    assert lines[2] == "4 models: 2 × learning_rate, 2 × seed"
    assert lines[3].startswith(f"trained {result['way']}: ")
    assert lines[-1] == f"test_accuracy: {result['test_accuracy']:.4f}"
    assert list(rows[0])[:3] == ["learning_rate", "seed", "dataset"]
    assert [(row["learning_rate"], row["seed"]) for row in rows] == [
        ("0.03", "0"), ("0.03", "2"), ("0.1", "0"), ("0.1", "2")
    ]  # fmt: skip
    assert len({row["params_sha256"] for row in rows}) == 4

    accuracies = np.array([float(row["test_accuracy"]) for row in rows]).reshape(2, 2)
    for combination, found in zip(result["combinations"], accuracies, strict=True):
        assert combination["test_accuracy"]["mean"] == pytest.approx(found.mean())
        assert combination["test_accuracy"]["deviation"] == pytest.approx(found.std(ddof=1))
        assert f"{found.mean():.4f} ± {found.std(ddof=1):.4f}" in done.stdout
        assert 0.4 < combination["ensemble_test_accuracy"] <= 1
    best = rows[result["best"]["number"]]
    assert best["test_accuracy"] == str(result["test_accuracy"])
    means = [
        np.mean([float(row["validation_accuracy"]) for row in rows if row["learning_rate"] == rate])
        for rate in ("0.03", "0.1")
    ]
    assert best["learning_rate"] == ("0.03", "0.1")[int(np.argmax(means))]
    epochs = [json.loads(line) for line in (tmp_path / "a grid/metrics.jsonl").read_text().splitlines()]
    assert [epoch["epoch"] for epoch in epochs] == [1, 2, 3, 4, 5, 6]
    assert str(epochs[-1]["validation_accuracy"]) == best["validation_accuracy"]
    weights = "weights.safetensors"
    assert {path.name for path in (tmp_path / "a grid").iterdir()} == {
        *("result.json", "results.csv", "metrics.jsonl", "accuracies.png", "flags.txt", weights)
    }
    assert (tmp_path / "best.fnn").exists()

    check_repeated(fork, tmp_path, best)
    repeated = tmp_path / f"a grid/alone{result['best']['number']}"
    kept = interop.safetensors.load(tmp_path / "a grid" / weights)
    alone = interop.safetensors.load(repeated / weights)
    np.testing.assert_allclose(kept[0]["head"]["kernel"], alone[0]["head"]["kernel"], rtol=1e-3, atol=1e-4)
    (own,) = rows_in(repeated)
    assert own["test_accuracy"] == str(json.loads((repeated / "result.json").read_text())["test_accuracy"])
    assert "--workdir='a grid/alone" in own["command"] or "'--workdir=a grid/alone" in own["command"]


@pytest.mark.parametrize("row", [0, pytest.param(2, marks=pytest.mark.thorough)])
def test_a_fold_of_a_grid_is_the_one_that_fold_cuts(tmp_path: Path, fork: Start, row: int) -> None:
    flags = ("--model=linear_classifier", "--epochs=2", "--batch_size=100", "--folds=3", "--schedule=cosine")
    done = fork(tmp_path, "classify", *flags, "--learning_rate=0.02", "--workdir=here")
    assert done.returncode == 0, done.stderr
    rows = rows_in(tmp_path / "here")
    assert [one["fold"] for one in rows] == ["0/3", "1/3", "2/3"]
    check_repeated(fork, tmp_path, rows[row])

    again = fork(tmp_path, "classify", "--flagfile=here/flags.txt", "--workdir=again")
    assert again.returncode == 0, again.stderr
    once, twice = (json.loads((tmp_path / place / "result.json").read_text())["flags"] for place in ("here", "again"))
    assert once == twice | {"workdir": "here"}
    assert [one["test_accuracy"] for one in rows_in(tmp_path / "again")] == [one["test_accuracy"] for one in rows]


REFUSED = """
from absl import flags
from experiments import searching
from experiments.command import FlagError

flags.DEFINE_integer("overfit_batch", 0, "as experiments.classify has it")
flags.DEFINE_integer("devices", 1, "as experiments.classify has it")
for argv in {cases}:
    flags.FLAGS.unparse_flags()
    for name in flags.FLAGS:
        flags.FLAGS[name].unparse()
    flags.FLAGS(["program", *argv])
    try:
        searching.plan_of((0, 1) if "two seeds" in argv else 0)
        print("taken")
    except FlagError as error:
        print(" ".join(str(error).split()))
"""


def test_flags_that_a_grid_cannot_honour_are_refused(tmp_path: Path) -> None:
    cases = {
        ("--overfit_batch=3", "two seeds"): "--overfit_batch: it looks at one network",
        ("--devices=2", "--folds=2"): "--devices: a grid is trained by one process on one device",
        ("--checkpoint_steps=3", "two seeds"): "--checkpoint_steps: a grid is not saved",
        ("--fresh", "--learning_rate=0.1,0.2"): "--fresh: a grid is not saved",
        ("--precision=float16", "two seeds"): "--precision=float16 scales",
        ("--fold=0/3", "--folds=3"): "--fold and --folds exclude each other",
        ("--label_noise=0.1", "--folds=3"): "--label_noise and --folds",
        ("--models_at_once=2",): "--models_at_once: there is one model",
        ("--learning_rate=0.1,-0.2",): "must be positive",
        ("--optimizer=adam", "--momentum=0.1,0.2"): "adam takes no momentum",
        ("--learning_rate=0.1,0.2", "--weight_decay=0.1", "--folds=2"): "taken",
        ("--devices=1", "two seeds"): "taken",
        (): "taken",
    }
    code = REFUSED.format(cases=list(cases))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=os.environ | ENVIRONMENT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for said, expected in zip(done.stdout.splitlines(), cases.values(), strict=True):
        assert expected in said


def test_folds_that_do_not_fit_are_refused_in_one_line(tmp_path: Path, fork: Start) -> None:
    done = fork(tmp_path, "classify", "--folds=5", "--batch_size=0")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("--batch_size=0: the folds leave 1077 to 1078")
    assert not list(tmp_path.iterdir())


@pytest.mark.thorough
def test_other_experiments_take_one_number(tmp_path: Path, fork: Start) -> None:
    done = fork(tmp_path, "overfit", "--learning_rate=0.1,0.2")
    assert done.returncode == 2
    assert done.stderr.startswith("--learning_rate: one number here; `python -m experiments.classify` trains several")
