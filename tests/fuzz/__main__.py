"""Tries many random networks: `python -m tests.fuzz --count 20000`, for a night.

A network that fails is printed with its seed; `--first SEED --count 1` tries it alone.
"""

import argparse
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.fuzz.trial import try_block

BLOCK = 200
"""How many seeds a process tries before it makes room: each network leaves compiled programs behind."""


def main() -> int:
    """Tries the seeds asked for and returns 1 if one of them fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=20_000, help="how many networks to try")
    parser.add_argument("--first", type=int, default=0, help="the first one's seed")
    parser.add_argument("--processes", type=int, default=1, help="how many to try at a time")
    arguments = parser.parse_args()
    blocks = [
        range(start, min(start + BLOCK, arguments.first + arguments.count))
        for start in range(arguments.first, arguments.first + arguments.count, BLOCK)
    ]
    totals: Counter[str] = Counter()
    # Processes of their own, which a crash in XLA ends with an error here.
    with ProcessPoolExecutor(arguments.processes, get_context("spawn"), max_tasks_per_child=1) as pool:
        for counts in pool.map(try_block, blocks):
            totals += counts
            print(f"{totals.total()} tried: {dict(totals)}", flush=True)
    return 1 if totals["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
