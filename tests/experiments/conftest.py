"""Experiments are started as a user would: a process of its own, an empty directory.

At least one run of each begins with Python itself. Further ones, and what is refused, are forks of a process that has
made the imports; see `forks`.
"""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.experiments.forks import ENVIRONMENT, ROOT, Forks

Start = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def fork() -> Iterator[Start]:
    """Starts an experiment as `start` does, as a fork."""
    with Forks() as forks:
        yield forks.start


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Runs an experiment in `tmp_path` and returns its result, once everything that it promises is there."""

    def run(name: str, *flags: str) -> dict[str, Any]:
        done = start(tmp_path, name, *flags, "--workdir=here")
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        assert "results in here" in done.stdout
        assert list(tmp_path.iterdir()) == [tmp_path / "here"]
        docstring = ast.get_docstring(ast.parse((ROOT / "experiments" / f"{name}.py").read_text())) or ""
        for path in (tmp_path / "here").iterdir():
            assert path.name in docstring
            if path.suffix == ".png":
                with Image.open(path) as image:
                    assert min(image.size) > 300
        return json.loads((tmp_path / "here" / "result.json").read_text())

    return run


@pytest.fixture
def refuse(tmp_path: Path, fork: Start) -> Callable[..., str]:
    """Starts an experiment with flags that are wrong, and returns the one line that it says."""

    def refuse(name: str, *flags: str) -> str:
        done = fork(tmp_path, name, *flags)
        assert done.returncode == 2
        assert done.stdout == ""
        assert len(done.stderr.splitlines()) == 1
        assert not list(tmp_path.iterdir())
        return done.stderr

    return refuse


def start(directory: Path, name: str, *flags: str) -> subprocess.CompletedProcess[str]:
    """Starts `python -m experiments.NAME FLAGS` in a directory and waits until it has ended."""
    return subprocess.run(
        [sys.executable, "-m", f"experiments.{name}", *flags],
        cwd=directory,
        env=os.environ | ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=300,
    )
