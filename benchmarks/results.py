"""What is written: every number as JSON, the tables as Markdown, a chart for each case."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.chart import draw_case
from benchmarks.measure import Measurement, fastest, ratio, summarize
from benchmarks.peers import JAX_LIBRARIES
from benchmarks.run import Done
from benchmarks.table import markdown
from fnn import train


def write_results(directory: Path, done: Sequence[Done], head: dict[str, Any], order: Sequence[str]) -> None:
    """Writes `results.json` and `table.md`; either the old files are there or the new ones, never a part.

    Args:
      directory: where to, which exists.
      done: what was measured so far.
      head: what stands before the rows: machine, versions, flags.
      order: of the peers' columns.
    """
    rows = [describe(row) for row in done]
    train.write_result(directory / "results.json", {**head, "rows": rows})
    machine = ", ".join(f"{name} {value}" for name, value in head.get("machine", {}).items())
    versions = ", ".join(f"{name} {value}" for name, value in head.get("versions", {}).items())
    tables = markdown([row.measurement for row in done], order)
    (directory / "table.md").write_text(f"{machine}\n\n{versions}\n\n{tables}", encoding="utf-8")


def describe(done: Done) -> dict[str, Any]:
    """Returns a row as it stands in `results.json`; all times are in seconds."""
    measurement = done.measurement
    best = fastest(measurement, JAX_LIBRARIES)
    return {
        "suite": measurement.suite,
        "subject": measurement.subject,
        "case": measurement.case,
        **done.details,
        "peers": {
            peer: {**summarize(seconds)._asdict(), "seconds": seconds} for peer, seconds in measurement.seconds.items()
        },
        "ratios": {
            "fnn_to_torch": ratio(measurement, "torch"),
            "fnn_to_fastest_jax_library": None if best is None else ratio(measurement, best),
            "fastest_jax_library": best,
            "fnn_to_plain": ratio(measurement, "plain"),
        },
    }


def draw_charts(directory: Path, measurements: Sequence[Measurement], titles: dict[str, str]) -> list[Path]:
    """Draws `SUITE-CASE.png` for every case; returns the paths.

    Args:
      directory: where to.
      measurements: of any suites and cases.
      titles: the peers' names, in the order of the bars.
    """
    paths = []
    for suite, case in dict.fromkeys((row.suite, row.case) for row in measurements):
        rows = [row for row in measurements if (row.suite, row.case) == (suite, case)]
        paths.append(directory / f"{suite}-{case}.png")
        draw_case(rows, titles, paths[-1])
    return paths
