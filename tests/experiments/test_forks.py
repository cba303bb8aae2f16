"""A fork is what the process would be that begins with Python itself."""

from pathlib import Path

import pytest

from tests.experiments.conftest import Start, start


@pytest.mark.parametrize(("flag", "status"), [("--helpfull", 1), ("--epochs=-1", 2)])
def test_a_fork_says_the_same_and_ends_the_same(tmp_path: Path, fork: Start, flag: str, status: int) -> None:
    alone, forked = (run(tmp_path, "classify", flag) for run in (start, fork))
    assert (forked.returncode, forked.stdout, forked.stderr) == (alone.returncode, alone.stdout, alone.stderr)
    assert forked.returncode == status
    assert forked.stdout + forked.stderr
