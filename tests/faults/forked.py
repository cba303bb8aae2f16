"""Runs a function in a process of its own that begins with everything imported, and costs milliseconds to start.

The parent must never compute with JAX itself: a backend has threads, and threads do not survive a fork.
"""

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple


class Ended(NamedTuple):
    """How a child ended."""

    status: int
    """Its exit status; negative for the signal that killed it."""
    answer: Any
    """What its function returned, as JSON carries it; None if it did not return."""
    said: str
    """What it printed."""


class Child:
    """A running child.

    Args:
      function: what it runs; returns plain JSON.
      directory: where its output and its answer are kept, made if need be.
    """

    def __init__(self, function: Callable[[], Any], directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._output, self._answer = directory / "output.txt", directory / "answer.json"
        self._answer.unlink(missing_ok=True)
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            self._run(function)

    def wait(self, seconds: float) -> Ended:
        """Waits for the end.

        Raises:
          TimeoutError: if it does not come in time; the child is killed.
        """
        end = time.monotonic() + seconds
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                answer = json.loads(self._answer.read_text()) if self._answer.exists() else None
                said = self._output.read_text(errors="replace")
                return Ended(os.waitstatus_to_exitcode(status), answer, said)
            if time.monotonic() > end:
                os.kill(self.pid, 9)
                os.waitpid(self.pid, 0)
                raise TimeoutError(f"a process hung for {seconds:g} s: {self._output.read_text()[-500:]}")
            time.sleep(0.002)

    def _run(self, function: Callable[[], Any]) -> None:
        status = 1
        try:
            with self._output.open("w") as output:
                os.dup2(output.fileno(), 1)
                os.dup2(output.fileno(), 2)
            answer = function()
            beside = self._answer.with_suffix(".part")
            beside.write_text(json.dumps(answer))
            beside.rename(self._answer)
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)


def in_child(function: Callable[[], Any], directory: Path, seconds: float = 600) -> Ended:
    """Runs a function in a child to its end."""
    return Child(function, directory).wait(seconds)
