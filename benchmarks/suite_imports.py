"""How long `import` takes: a new process that imports a library, less one that imports nothing."""

import subprocess
import sys
from collections.abc import Mapping

from benchmarks.measure import Measurement, Plan, summarize, take_turns_cold
from benchmarks.peers import Peer

SUITE = "imports"
SUBJECTS = {"python": ("import",)}
REPEATS = 5
"""As often at most: a process takes seconds."""


def measure_imports(peers: Mapping[str, Peer], plan: Plan) -> Measurement:
    """Measures `import` of every peer's package; files are read once before, so that they come from memory."""
    codes = {"": "pass"} | {name: f"import {peer.package}" for name, peer in peers.items() if peer.package}

    def start(code: str) -> None:
        subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)

    for code in codes.values():
        start(code)
    runs = {name: (lambda: None, lambda code=code: start(code)) for name, code in codes.items()}
    seconds = take_turns_cold(runs, plan._replace(repeats=min(plan.repeats, REPEATS)))
    bare = summarize(seconds.pop("")).median
    return Measurement(
        SUITE, "python", "import", {name: [value - bare for value in values] for name, values in seconds.items()}
    )
