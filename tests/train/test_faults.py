"""A share of the fault suite; `python -m tests.faults` is the whole of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def suite(*options: str) -> list[str]:
    """Runs the suite in a process of its own, which forks, and returns its lines."""
    command = [sys.executable, "-m", "tests.faults", *options]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_damage_is_noticed_and_saves_are_whole_or_not_there_and_killed_runs_end_alike() -> None:
    lines = suite("--only=damage,calls,kills", "--kills=2", "--flips=60", "--every=40")
    assert [line.split()[0] for line in lines] == ["damage", "calls", "kills"]
    for line, least in zip(lines, (130, 5, 2), strict=True):
        survived, _, tried = line.split()[1:4]
        if "no C compiler" not in line:
            assert int(survived) == int(tried) >= least


@pytest.mark.thorough
def test_loaders_and_the_suite_itself() -> None:
    lines = suite("--only=loaders,sabotage", "--kills=100")
    assert [line.split()[1:4] for line in lines] == [["4", "of", "4"], ["5", "of", "5"]]
