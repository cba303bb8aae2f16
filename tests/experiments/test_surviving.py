"""An experiment is interrupted, continued, run beside itself and begun anew, as a user would do it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.experiments.conftest import Start

ROOT = Path(__file__).parents[2]
FLAGS = (
    *("--model=mlp", "--epochs=40", "--per_class=40", "--batch_size=8", "--dropout=0.2"),
    *("--workdir=run", "--checkpoint_steps=200"),
)


def start(directory: Path, *flags: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "experiments.classify", *FLAGS, *flags],
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def interrupted(directory: Path, signum: int, times: int, *flags: str) -> tuple[int, str]:
    """Sends a signal after the third epoch's row, once or several times; returns the status and the standard error."""
    with start(directory, *flags) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        for _ in range(5):
            run.stdout.readline()
        for _ in range(times):
            run.send_signal(signum)
            time.sleep(0.01)
        run.stdout.read()
        return run.wait(), run.stderr.read()


def result(directory: Path) -> dict[str, Any]:
    told = json.loads((directory / "run/result.json").read_text())
    del told["seconds"]
    return told


def test_an_interrupted_run_continues_to_the_result_of_one_that_was_not(tmp_path: Path, fork: Start) -> None:
    for place in ("cut", "whole"):
        (tmp_path / place).mkdir()
    status, said = interrupted(tmp_path / "cut", signal.SIGTERM, 2)
    assert status == 143, said
    assert "interrupted by SIGTERM; saved after " in said
    status, said = interrupted(tmp_path / "cut", signal.SIGINT, 1)
    assert status == 130, said
    assert "interrupted by SIGINT" in said

    other, fresh, continued = (
        fork(tmp_path / "cut", "classify", *FLAGS, *flags) for flags in (["--learning_rate=0.01"], ["--fresh"], [])
    )
    assert other.returncode == fresh.returncode == 2
    assert "flags/learning_rate: 0.05 there, 0.01 here" in other.stderr
    assert "add --discard_checkpoints to delete them" in fresh.stderr
    whole = fork(tmp_path / "whole", "classify", *FLAGS)
    assert "going on after " in continued.stdout
    assert continued.returncode == whole.returncode == 0
    assert result(tmp_path / "cut") == result(tmp_path / "whole")
    assert len(result(tmp_path / "cut")["params_sha256"]) == 64


@pytest.mark.thorough
def test_a_second_run_beside_the_first_is_refused_and_a_fresh_one_begins_anew(tmp_path: Path) -> None:
    with start(tmp_path) as first:
        assert first.stdout is not None
        for _ in range(3):
            first.stdout.readline()
        with start(tmp_path) as second:
            _, said = second.communicate()
        assert second.returncode == 2
        assert f"in use by process {first.pid} " in said
        first.kill()
    with start(tmp_path, "--fresh", "--discard_checkpoints") as fresh:
        told, _ = fresh.communicate()
    assert fresh.returncode == 0
    assert "going on after" not in told
