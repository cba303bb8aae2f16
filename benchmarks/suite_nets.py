"""Whole networks: a training step, inference, the first step with its compilation, making parameters."""

import gc
from collections.abc import Mapping
from typing import NamedTuple

import jax

from benchmarks.agreement import Agreement, Trial, compare, try_out
from benchmarks.measure import Measurement, Plan, take_turns, take_turns_cold
from benchmarks.nets import NETS, Net
from benchmarks.peers import Peer, Running, make_task
from benchmarks.weights import count_parameters

SUITE = "nets"
CASES = ("training_step", "inference", "first_step", "init")
"""`first_step` traces, lowers, compiles and runs with cleared caches; `init` makes parameters, also with cleared
caches, and so the way a user waits for it."""

COLD_REPEATS = 5
"""The last two cases are repeated so often at most: they take long and vary little."""

SUBJECTS = dict.fromkeys(NETS, CASES)


class Prepared(NamedTuple):
    """A network that every peer has built and agrees on."""

    name: str
    running: dict[str, Running]
    parameters: int
    agreement: dict[str, Agreement]
    left_out: dict[str, str]
    """The peers that could not build or run it, and why."""


def prepare_net(name: str, net: Net, peers: Mapping[str, Peer]) -> Prepared:
    """Builds a network in every peer, and lets each take its first steps.

    Args:
      name: the network's name.
      net: what is built.
      peers: by name; `"fnn"` is among them.

    Raises:
      benchmarks.agreement.DisagreementError: if a peer computes something else than fnn.
    """
    task = make_task(net)
    running: dict[str, Running] = {}
    trials: dict[str, Trial] = {}
    left_out = {}
    for peer, (_, build, _) in peers.items():
        try:
            built = build(task)
            trials[peer] = try_out(built)
        except Exception as error:
            if peer == "fnn":
                raise
            # A peer that cannot run here, such as a compiler without its compiler, must not end the others' run.
            left_out[peer] = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        else:
            running[peer] = built
    return Prepared(name, running, count_parameters(task.net), compare(name, trials), left_out)


def measure_case(prepared: Prepared, case: str, plan: Plan) -> Measurement:
    """Measures one case of a network in every peer that has it."""
    runs = prepared.running
    if case == "training_step":
        seconds = take_turns({peer: running.step for peer, running in runs.items()}, plan)
    elif case == "inference":
        seconds = take_turns({peer: running.infer for peer, running in runs.items() if running.infer}, plan)
    else:
        measured = "step" if case == "first_step" else "init"
        cold = {peer: (running.forget, getattr(running, measured)) for peer, running in runs.items()}
        seconds = take_turns_cold(cold, plan._replace(repeats=min(plan.repeats, COLD_REPEATS)))
    return Measurement(SUITE, prepared.name, case, seconds)


def forget(prepared: Prepared) -> None:
    """Frees what a network holds."""
    prepared.running.clear()
    jax.clear_caches()
    gc.collect()
