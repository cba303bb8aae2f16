"""Breaks runs and checkpoints in every way that fnn promises to survive, and counts.

  python -m tests.faults                     # everything: about an hour on two cores
  python -m tests.faults --kills=20 --flips=100 --every=10 --only=kills,damage

Each line is a kind of fault, how often it was tried, how often it was survived as promised, and what was not. The exit
status is 1 if anything was not.
"""

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.faults import calls, damage, kills, loaders, sabotage
from tests.faults.forked import in_child


class Outcome(NamedTuple):
    """What came of one kind of fault."""

    tried: int
    survived: int
    what: str
    """What was counted, in words."""
    faults: list[str]


def killed(directory: Path, chosen: argparse.Namespace) -> Outcome:
    """SIGKILL at random instants."""
    done = kills.kill_runs(directory, chosen.kills, seed=chosen.seed)
    return Outcome(chosen.kills, done.identical, f"identical endings; {done.in_a_save} cut off in a save", done.faults)


def terminated(directory: Path, chosen: argparse.Namespace) -> Outcome:
    """SIGTERM at random instants."""
    count = max(chosen.kills // 10, 1)
    done = kills.kill_runs(directory, count, how=signal.SIGTERM, seed=chosen.seed)
    return Outcome(count, done.identical, "identical endings", done.faults)


def interrupted_calls(directory: Path, chosen: argparse.Namespace) -> Outcome:
    """A crash after, and errors at, each system call of a save."""
    shim = calls.compile_shim(directory)
    if shim is None:
        return Outcome(0, 0, "not tried: no C compiler", [])
    (directory / "saves").mkdir()
    done = calls.interrupt_saves(shim, directory / "saves", chosen.every)
    what = (
        f"old or new checkpoint found ({done.old} old, {done.new} new): {done.killed} kills and {done.failed} errors "
        f"({', '.join(calls.ERRORS)}) over {done.calls} calls"
    )
    return Outcome(done.old + done.new + len(done.faults), done.old + done.new, what, done.faults)


def damaged(directory: Path, chosen: argparse.Namespace) -> Outcome:
    """Truncations, bit flips, deletions and exchanges."""
    done = damage.damage_checkpoints(directory, flips=chosen.flips, seed=chosen.seed)
    kinds = ", ".join(f"{count} × {kind}" for kind, count in done.tried.items())
    return Outcome(
        sum(done.tried.values()), done.noticed, f"noticed, and the one before it taken: {kinds}", done.faults
    )


def loaders_killed(directory: Path, chosen: argparse.Namespace) -> Outcome:
    """0, 1 and 4 loader processes, one of them killed."""
    del directory, chosen
    whole = loaders.read_all(0, kill=False).digest
    faults = []
    for processes, kill in ((1, False), (4, False), (1, True), (4, True)):
        read = loaders.read_all(processes, kill=kill)
        ended_well = read.digest == whole or (kill and read.digest is None and read.seconds < loaders.SECONDS)
        if not ended_well:
            faults.append(f"{processes} processes, killed: {kill}: {read}")
    return Outcome(4, 4 - len(faults), "same order, or an error in time", faults)


def sabotaged(directory: Path, chosen: argparse.Namespace) -> Outcome:
    """The suite's own test: something is left out of the checkpoint, and the kills must notice."""
    faults = []
    for name, break_it in sabotage.SABOTAGES.items():
        done = kills.kill_runs(directory / name, max(chosen.kills // 20, 4), seed=chosen.seed, sabotage=break_it)
        if not done.faults:
            faults.append(f"without the {name}, all endings were identical")
    return Outcome(len(sabotage.SABOTAGES), len(sabotage.SABOTAGES) - len(faults), "noticed", faults)


FAULTS: dict[str, Callable[[Path, argparse.Namespace], Outcome]] = {
    "damage": damaged,
    "calls": interrupted_calls,
    "loaders": loaders_killed,
    "sabotage": sabotaged,
    "terminations": terminated,
    "kills": killed,
}


def _in_child(try_faults: Callable[[Path, argparse.Namespace], Outcome], chosen: argparse.Namespace) -> Outcome:
    """Tries one kind of fault in a process of its own, which leaves this one without threads."""
    with tempfile.TemporaryDirectory() as directory:
        places = [Path(directory) / name for name in ("process", "faults")]
        places[1].mkdir()
        ended = in_child(lambda: try_faults(places[1], chosen), places[0], seconds=24 * 3600)
    return Outcome(*ended.answer) if ended.answer else Outcome(0, 0, "broke off", [ended.said[-1000:]])


def main() -> int:
    """Runs what was chosen, prints a line each, and returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="how many runs are killed")
    parser.add_argument("--flips", type=int, default=1000, help="how many bits are flipped")
    parser.add_argument("--every", type=int, default=1, help="one in how many system calls is interrupted")
    parser.add_argument("--seed", type=int, default=0, help="of the instants and the bits")
    parser.add_argument("--only", default=",".join(FAULTS), help="which faults: " + ", ".join(FAULTS))
    chosen = parser.parse_args()
    unknown = set(chosen.only.split(",")) - FAULTS.keys()
    if unknown:
        parser.error(f"no such faults: {', '.join(sorted(unknown))}")
    whole = True
    for name in FAULTS:
        if name in chosen.only.split(","):
            outcome = _in_child(FAULTS[name], chosen)
            print(f"{name:>14}  {outcome.survived} of {outcome.tried} {outcome.what}", flush=True)
            for fault in outcome.faults[:10]:
                print(f"{'':>16}{fault}", flush=True)
            whole &= not outcome.faults
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
