"""Finds which tests pass which lines of fnn: `python -m tests.mutation.cover lines.json [tests …]`."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import coverage  # pyright: ignore[reportMissingImports] - only who plants bugs has it
import pytest

TESTS = (
    "tests/test_keys.py", "tests/test_layer.py", "tests/test_errors.py", "tests/test_losses.py",
    "tests/test_intermediates.py", "tests/combinators", "tests/layers", "tests/ops", "tests/train/test_step.py",
    "tests/train/test_nonfinite_steps.py", "tests/train/test_averages_and_early_stopping.py",
    "tests/train/test_optimizers.py", "tests/test_laws.py", "tests/fuzz/test_fuzz.py",
)  # fmt: skip
"""The tests of the core, the layers, the operations under them, the losses and the training step."""


class Watch:
    """A pytest plugin that tells coverage which test runs, and keeps how long each takes."""

    def __init__(self, measured: coverage.Coverage) -> None:
        self.measured = measured
        self.seconds: dict[str, float] = {}

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Called by pytest before each test."""
        self.measured.switch_context(nodeid)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Called by pytest after each phase of a test; what did not pass is not a test to be asked."""
        if report.when == "call" and report.passed:
            self.seconds[report.nodeid] = report.duration


def main() -> int:
    """Runs the tests and writes what they pass."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation.cover", description=__doc__)
    parser.add_argument("out", type=Path, help="a JSON file; what is in it already is kept")
    parser.add_argument("tests", nargs="*", default=TESTS)
    arguments = parser.parse_args()
    measured = coverage.Coverage(data_file=None, source=["fnn"])
    watch = Watch(measured)
    measured.start()
    pytest.main([*arguments.tests, "-n0", "-q", "-p", "no:cacheprovider"], plugins=[watch])
    measured.stop()
    known = json.loads(arguments.out.read_text()) if arguments.out.exists() else {"seconds": {}, "lines": {}}
    known["seconds"] |= watch.seconds
    data = measured.get_data()
    for file in sorted(data.measured_files()):
        lines = known["lines"].setdefault(str(Path(file).relative_to(Path.cwd())), {})
        for line, tests in data.contexts_by_lineno(file).items():
            lines[str(line)] = sorted({*lines.get(str(line), ()), *tests} & known["seconds"].keys())
    arguments.out.write_text(json.dumps(known))
    return 0


if __name__ == "__main__":
    sys.exit(main())
