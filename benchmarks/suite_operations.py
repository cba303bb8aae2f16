"""Single operations: fnn's, `lax` as it is written by hand (the peer `plain`), and PyTorch's."""

import importlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from benchmarks.agreement import compare_outputs
from benchmarks.measure import Measurement, Plan, take_turns
from benchmarks.operations.grid import OPERATIONS, Operation, cases_of, make_operands

SUITE = "operations"
PEERS = ("fnn", "torch", "plain")
SUBJECTS = {name: cases_of(operation) for name, operation in OPERATIONS.items()}


class Prepared(NamedTuple):
    """An operation's case that every peer has compiled and agrees on."""

    name: str
    case: str
    runs: dict[str, Callable[[], Any]]
    differences: dict[str, float]
    """Of each peer's values from fnn's, as a share of the largest."""
    left_out: dict[str, str]


def prepare_operation(name: str, operation: Operation, case: str, peers: Iterable[str]) -> Prepared:
    """Compiles a case of an operation in every peer and compares the values.

    Raises:
      benchmarks.agreement.DisagreementError: if a peer computes something else than fnn.
    """
    operands = make_operands(operation)
    runs, outputs, left_out = {}, {}, {}
    for peer in [peer for peer in PEERS if peer in peers]:
        module = importlib.import_module(f"benchmarks.operations.in_{'torch' if peer == 'torch' else 'jax'}")
        try:
            made = module.make(peer, operation, case, operands)
            if made is not None:
                outputs[peer] = made.read(made.run())
                runs[peer] = made.run
        except Exception as error:
            if peer == "fnn":
                raise
            left_out[peer] = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return Prepared(name, case, runs, compare_outputs(f"{name}, {case}", outputs), left_out)


def measure_case(prepared: Prepared, plan: Plan) -> Measurement:
    """Measures a case in every peer that has it."""
    return Measurement(SUITE, prepared.name, prepared.case, take_turns(prepared.runs, plan))
