"""Runs the tests that cover a planted bug, in a process of their own over a copy of the package."""

import json
import multiprocessing
import os
import shutil
import sys
from collections import defaultdict
from pathlib import Path
from typing import Literal

from tests.mutation.mutants import Mutant

Fate = Literal["caught", "survived", "not covered", "hung"]

MOST_TESTS = 200
"""How many tests are run for one bug at most."""


class Lines:
    """Which tests pass which lines, as `tests.mutation.cover` found them.

    Args:
      file: that it wrote.
      most_seconds: how long the tests that are run for one bug take together, without it.
    """

    def __init__(self, file: Path, most_seconds: float = 40.0) -> None:
        self.most_seconds = most_seconds
        known = json.loads(file.read_text())
        self.seconds: dict[str, float] = known["seconds"]
        self.lines: dict[str, dict[str, list[str]]] = known["lines"]

    def tests_for(self, mutant: Mutant) -> list[str]:
        """Returns the tests that pass a bug's line, quick ones first; each test function has as much time as others.

        What runs when a module is imported is passed by no test of its own: then all tests that pass its file count.
        """
        lines = self.lines.get(mutant.file, {})
        tests = lines.get(str(mutant.line)) or sorted({test for passing in lines.values() for test in passing})
        spent: defaultdict[str, float] = defaultdict(float)
        until = {}
        for test in sorted(tests, key=self.seconds.__getitem__):
            function = test.partition("[")[0]
            spent[function] += self.seconds[test]
            until[test] = spent[function]
        chosen, seconds = [], 0.0
        for test in sorted(until, key=until.__getitem__)[:MOST_TESTS]:
            seconds += self.seconds[test]
            if chosen and seconds > self.most_seconds:
                break
            chosen.append(test)
        return chosen


def preload() -> None:
    """Imports what every run needs and no bug is in, once for all forks; computes nothing, so that no thread starts."""
    import hypothesis  # noqa: F401
    import jax.experimental  # noqa: F401
    import optax  # noqa: F401
    import pytest  # noqa: F401
    import scipy.special  # noqa: F401

    if "fnn" in sys.modules:
        raise RuntimeError("fnn must not be imported before a bug is planted into it.")


def copy_to(folder: Path, root: Path) -> None:
    """Copies the package and its tests, and what these read beside it."""
    for name in ("fnn", "tests", "benchmarks", "experiments", "docs"):
        if (root / name).exists():
            shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "pyproject.toml", folder)


def fate_of(mutant: Mutant, tests: list[str], folder: Path) -> Fate:
    """Plants a bug into the copy in `folder`, runs tests over it, and mends the copy again."""
    if not tests:
        return "not covered"
    file = folder / mutant.file
    sound = file.read_bytes()
    file.write_bytes(mutant.planted(sound))
    fork = multiprocessing.get_context("fork")
    try:
        process = fork.Process(target=_run, args=(tests, folder))
        process.start()
        process.join(600)
        if process.exitcode is None:
            process.kill()
            process.join()
            return "hung"
        return "survived" if process.exitcode == 0 else "caught"
    finally:
        file.write_bytes(sound)


def _run(tests: list[str], folder: Path) -> None:
    import pytest

    os.chdir(folder)
    sys.dont_write_bytecode = True
    sys.path[:] = [str(folder), *(path for path in sys.path if path not in ("", str(Path.cwd())))]
    for name in [name for name in sys.modules if name == "tests" or name.startswith("tests.")]:
        del sys.modules[name]
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    # What was imported before pytest looked at it is not rewritten, which pytest warns of.
    unwarned = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
    os._exit(int(pytest.main([*tests, "-x", "-n0", "-q", "-p", "no:cacheprovider", *unwarned])))
