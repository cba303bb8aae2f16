"""Forks of one process that has imported what every experiment does: each then is `python -m experiments.NAME FLAGS`.

Starting Python and importing JAX, scikit-learn and Matplotlib takes longer than refusing a flag, and as long as many a
run. Here they are imported once. A fork imports the experiment, parses its flags, starts JAX's backend and ends as any
process does, by itself; nothing of one fork is seen by another.
"""

import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

from jax._src import xla_bridge

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
IMPORTED = (
    "optax", "absl.app", "fnn", "fnn.analysis", "fnn.data", "fnn.interop", "fnn.train", "sklearn.datasets",
    "sklearn.model_selection", "matplotlib.figure", "matplotlib.backends.backend_agg", "PIL.Image",
)  # fmt: skip
"""What is imported once: nothing that defines flags of its own, nothing that computes."""


class Forks:
    """The process that forks, seen from the tests. A context: at its end the process is ended, whatever it does."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair()
        self._replies = self._ours.makefile()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                env=os.environ | ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    def start(self, directory: Path, name: str, *flags: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Starts an experiment in a directory and waits until it has ended, for so many seconds at most."""
        with tempfile.TemporaryDirectory() as outputs:
            said = [Path(outputs, stream) for stream in ("stdout", "stderr")]
            request = {"directory": str(directory), "said": [str(path) for path in said], "name": name, "flags": flags}
            self._ours.settimeout(timeout)
            self._ours.sendall(f"{json.dumps(request)}\n".encode())
            status = self._replies.readline()
            assert status, "the process that forks has ended"
            return subprocess.CompletedProcess((name, *flags), int(status), *(path.read_text() for path in said))

    def __enter__(self) -> "Forks":
        return self

    def __exit__(self, *_: object) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._replies.close()
        self._ours.close()


def serve(tests: socket.socket) -> dict[str, Any]:
    """Forks for each request, and waits until the fork has ended. Returns in the forks alone."""
    requests = tests.makefile()
    for line in requests:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Python's, of OpenBLAS's threads: they outlive a fork
            child = os.fork()
        if not child:
            requests.close()
            tests.close()
            return json.loads(line)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        tests.sendall(f"{status}\n".encode())
    sys.exit()


def become(request: dict[str, Any]) -> None:
    """Gives this process the directory, the outputs and the arguments that were asked for."""
    os.chdir(request["directory"])
    for number, path in enumerate(request["said"], start=1):
        to = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(to, number)
        os.close(to)
    sys.path[0] = request["directory"]
    sys.argv[1:] = request["flags"]


if __name__ == "__main__":
    for module in IMPORTED:
        importlib.import_module(module)
    assert not xla_bridge.backends_are_initialized(), "an import has started JAX's backend, whose threads no fork has"
    gc.freeze()  # what was imported stays for good, so that no fork looks through it for garbage
    request = serve(socket.socket(fileno=int(sys.argv[1])))
    become(request)
    runpy.run_module(f"experiments.{request['name']}", run_name="__main__", alter_sys=True)
