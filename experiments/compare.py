r"""Put several runs beside each other: their learning curves in one picture, their results in one table.

  python -m experiments.compare runs/digits-lenet5-seed0 runs/digits-lenet5-seed1
  python -m experiments.compare runs/* --workdir=runs/compare

Takes working directories of `python -m experiments.classify`, also of runs that still go on. A grid gives a row for
each of its models, and the curves of its best one; directories of other experiments give a row. Prints the table, with
a column for every flag in which any two rows differ. Writes into the working directory:

  results.csv  the table, with all that the results say and the command that repeats each row
  curves.png   loss and accuracy by epoch, of the runs that have told their epochs
"""

import sys
from pathlib import Path

from absl import flags

from experiments import command, gathering, results
from experiments.command import FlagError

WORKDIR = flags.DEFINE_string("workdir", "runs/compare", "Where results go.")
SHOWN = ("train_accuracy", "validation_accuracy", "test_accuracy", "test_loss", "seconds")
"""What the printed table has of the results, beside the flags; the file has all."""


def main(*arguments: str) -> None:
    """Reads, prints, writes and draws."""
    if not arguments:
        raise FlagError("expected the working directory of at least one run: compare RUN…")
    runs = read(arguments)
    workdir = command.make_workdir(WORKDIR.value)
    varying, rows = gathering.gather(runs)
    results.write_rows(workdir / "results.csv", rows)
    shown = ["run", *varying, *(name for name in SHOWN if any(row.get(name) is not None for row in rows))]
    print("\n".join(results.table([{name: row[name] for name in shown} for row in rows])))
    if any(run.history for run in runs):
        gathering.draw(runs, workdir / "curves.png")
    print(f"{len(rows)} rows of {len(runs)} runs; results in {workdir}")


def read(directories: tuple[str, ...]) -> list[gathering.Run]:
    """Reads the runs; says which directories are left out because they hold none."""
    runs = []
    for directory in directories:
        if Path(directory).resolve() == Path(WORKDIR.value).resolve():
            continue  # `runs/*` finds the table of the last time, too
        try:
            run = gathering.read_run(Path(directory))
        except (OSError, ValueError) as error:
            raise FlagError(str(error)) from error
        if run:
            runs.append(run)
        else:
            print(f"left out: {directory} holds no result.json and no metrics.jsonl", file=sys.stderr)
    if not runs:
        raise FlagError("none of these directories holds a run")
    return runs


if __name__ == "__main__":
    command.run(main, "RUN…")
