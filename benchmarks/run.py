"""Which rows there are, and what measuring them gives, one after another."""

import fnmatch
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks import suite_imports, suite_nets, suite_operations
from benchmarks.measure import Measurement, Plan
from benchmarks.nets import NETS, Net
from benchmarks.operations.grid import OPERATIONS, Operation
from benchmarks.peers import Peer

SUITES = {module.SUITE: module.SUBJECTS for module in (suite_nets, suite_operations, suite_imports)}
"""By name: the cases of each subject."""


class Row(NamedTuple):
    """What is measured as one."""

    suite: str
    subject: str
    case: str


class Done(NamedTuple):
    """A measured row."""

    measurement: Measurement
    details: dict[str, Any]
    """What else is known of it, for `results.json`."""
    left_out: dict[str, str]
    """The peers that could not take part, and why."""


def choose_rows(suites: Sequence[str], only: Sequence[str]) -> list[Row]:
    """Returns the rows of some suites, of those the chosen.

    Args:
      suites: names of suites.
      only: names of subjects and of cases, or patterns. A row is chosen if its subject is named, or no subject is, and
        likewise its case.

    Raises:
      ValueError: if a name is of nothing there is; the message is for whoever wrote the flags.
    """
    for suite in suites or [""]:
        if suite not in SUITES:
            raise ValueError(f"--suite: no suite {suite!r}; there are {', '.join(SUITES)}")
    rows = [
        Row(suite, subject, case)
        for suite in SUITES
        if suite in suites
        for subject, cases in SUITES[suite].items()
        for case in cases
    ]
    subjects, cases = (list(dict.fromkeys(names)) for names in zip(*((row[1], row[2]) for row in rows), strict=True))
    chosen = {"subject": set[str](), "case": set[str]()}
    for pattern in only:
        matched = {"subject": fnmatch.filter(subjects, pattern), "case": fnmatch.filter(cases, pattern)}
        if not any(matched.values()):
            raise ValueError(
                f"--only: nothing is called {pattern!r}; there are {', '.join(subjects)}; {', '.join(cases)}"
            )
        for kind, names in matched.items():
            chosen[kind].update(names)
    rows = [row for row in rows if all(not names or getattr(row, kind) in names for kind, names in chosen.items())]
    if not rows:
        raise ValueError(
            f"--only: no {', '.join(sorted(chosen['subject']))} has a case {', '.join(sorted(chosen['case']))}"
        )
    return rows


def run(
    rows: Sequence[Row],
    peers: Mapping[str, Peer],
    plan: Plan,
    nets: Mapping[str, Net] = NETS,
    operations: Mapping[str, Operation] = OPERATIONS,
) -> Iterator[Done]:
    """Measures rows; those of one subject must follow each other.

    Args:
      rows: what is measured.
      peers: beside whom, `"fnn"` among them.
      plan: for how long.
      nets: by the subjects of the rows' names.
      operations: likewise.

    Raises:
      benchmarks.agreement.DisagreementError: before a row is measured, if a peer computes something else than fnn.
    """
    for (suite, subject), group in itertools.groupby(rows, key=lambda row: (row.suite, row.subject)):
        cases = [row.case for row in group]
        if suite == suite_nets.SUITE:
            yield from _run_net(subject, nets[subject], cases, peers, plan)
        elif suite == suite_operations.SUITE:
            for case in cases:
                prepared = suite_operations.prepare_operation(subject, operations[subject], case, peers)
                details = {"differences": prepared.differences}
                yield Done(suite_operations.measure_case(prepared, plan), details, prepared.left_out)
        else:
            yield Done(suite_imports.measure_imports(peers, plan), {}, {})


def _run_net(name: str, net: Net, cases: Sequence[str], peers: Mapping[str, Peer], plan: Plan) -> Iterator[Done]:
    prepared = suite_nets.prepare_net(name, net, peers)
    details = {
        "batch": net.batch,
        "input": list(net.shape),
        "classes": net.classes,
        "parameters": prepared.parameters,
        "agreement": {peer: agreement._asdict() for peer, agreement in prepared.agreement.items()},
    }
    left_out = prepared.left_out
    for case in cases:
        yield Done(suite_nets.measure_case(prepared, case, plan), details, left_out)
        left_out = {}  # said once
    suite_nets.forget(prepared)
