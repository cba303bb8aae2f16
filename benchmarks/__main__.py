r"""Measure fnn beside other neural-network libraries: whole networks, single operations, imports.

  python -m benchmarks                                              # everything: about an hour or two on two cores
  python -m benchmarks --only='lenet5,training_step'                # one case of one network
  python -m benchmarks --suite=nets --only='resnet*' --peers=linen,torch
  python -m benchmarks --suite=operations --only='conv3x3*,max_pool*' --repeats=31
  python -m benchmarks --suite=imports
  python -m benchmarks --device=cuda --suite=nets

Suites, and what --only can name in them (patterns with * and ? as well):

  nets        mlp, lenet5, cnn, vgg11, resnet18, resnet50; cases training_step, inference, first_step, init
  operations  convolutions, pools and batch normalizations by shape, such as conv3x3_64to64_at32_batch64; cases forward,
              input_gradient, weight_gradient, forward_and_gradient, weight_gradient_10_in_scan and …_in_loop
  imports     python; case import

Peers: fnn, which always takes part; stax, linen, nnx, haiku, equinox; torch (eager) and torch_compiled; plain, which is
JAX without a library. One that is not installed, or cannot run something, is left out with a line that says why.
`pip install -e '.[peers]'` installs them.

All peers start from the same weights and see the same batch. Before anything is timed, their first losses and their
outputs are compared with fnn's, and a difference ends the run: times of different computations mean nothing. Then they
take turns in one process, in float32, SGD with momentum, the whole step compiled where the library can.

Prints rows as they are measured: each peer's median milliseconds [quartiles], and fnn's median as a share of PyTorch's,
of the fastest other JAX library's, and of plain JAX's: below 1, fnn is faster. Writes into --out:

  results.json   machine, versions, flags, every raw time in seconds, medians, quartiles, ratios, agreement
  table.md       the printed tables as Markdown
  SUITE-CASE.png a bar chart for each case, relative to fnn

The ratios are worth more than the times: on a shared machine both change from run to run, the ratios by up to a third.
"""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jax
from absl import flags
from tqdm import tqdm

from benchmarks.agreement import DisagreementError
from benchmarks.machine import describe_machine, find_versions
from benchmarks.measure import Plan
from benchmarks.peers import NAMES, Peer, find_peers
from benchmarks.results import draw_charts, write_results
from benchmarks.run import SUITES, Done, Row, choose_rows, run
from benchmarks.suite_operations import PEERS as OPERATION_PEERS
from benchmarks.table import Table
from experiments import command
from experiments.command import FlagError
from fnn.train import keep_memory

SUITE = flags.DEFINE_list("suite", list(SUITES), "What to run.")
ONLY = flags.DEFINE_list("only", [], "Networks, operations and cases to run, patterns allowed; by default all.")
PEERS = flags.DEFINE_list("peers", list(NAMES), "Beside whom.")
REPEATS = flags.DEFINE_integer("repeats", 15, "Rounds at most; where caches are cleared, at most 5.", lower_bound=1)
BUDGET = flags.DEFINE_float(
    "budget", 60.0, "Seconds after which a row begins no further round; three are always run.", lower_bound=0.0
)
DEVICE = flags.DEFINE_enum("device", None, ["cpu", "gpu", "cuda", "tpu"], "Where; by default JAX's choice.")
KEEP_MEMORY = flags.DEFINE_bool(
    "keep_memory",
    True,
    "Whether the process keeps the memory that its peers free, as fnn.train.fit has it do.",
)
OUT = flags.DEFINE_string("out", "runs/benchmarks", "Where results go.")


def main() -> None:
    """Measures, prints rows as they come, and writes what they came to."""
    try:
        rows = choose_rows(SUITE.value, ONLY.value)
    except ValueError as error:
        raise FlagError(str(error)) from error
    check_peers()
    out = command.make_workdir(OUT.value, "out")
    choose_device()
    if KEEP_MEMORY.value:
        keep_memory()
    peers, missing = find_peers(["fnn", *(name for name in NAMES if name in PEERS.value and name != "fnn")])
    if "fnn" in missing:
        raise ImportError(missing["fnn"])
    head = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": describe_machine(),
        "versions": find_versions(),
        "flags": {flag.name: flag.value for flag in flags.FLAGS.get_flags_for_module(__name__)},
    }
    for part in ("machine", "versions"):
        print(f"{part}: " + ", ".join(f"{name} {value}" for name, value in head[part].items()))
    for name, reason in missing.items():
        print(f"left out: {name}: {reason}")
    try:
        done = measure(rows, peers, out, head | {"left_out": missing})
    except DisagreementError as error:
        raise SystemExit(f"stopped: {error}") from error
    charts = draw_charts(out, [row.measurement for row in done], {name: peer.title for name, peer in peers.items()})
    print(f"results.json, table.md and {len(charts)} charts are in {out}")


def measure(rows: Sequence[Row], peers: dict[str, Peer], out: Path, head: dict[str, Any]) -> list[Done]:
    """Measures rows, printing each and writing all results so far after each."""
    plan = Plan(REPEATS.value, BUDGET.value)
    done: list[Done] = []
    suite, table = "", Table([], [], [])
    # disable=None: no bar where the output is no terminal.
    with tqdm(total=len(rows), unit="row", leave=False, dynamic_ncols=True, disable=None) as bar:
        bar.set_description(" ".join(rows[0]))
        for number, row in enumerate(run(rows, peers, plan)):
            measurement = row.measurement
            if measurement.suite != suite:
                suite = measurement.suite
                names = [other for other in rows if other.suite == suite]
                table = Table(columns(suite, peers), [r.subject for r in names], [r.case for r in names])
                tqdm.write(f"\n{suite}: median [quartiles] in ms; fnn's median ÷ others', below 1 fnn is faster")
                tqdm.write(table.line(table.head()))
            tqdm.write(table.line(table.cells(measurement)))
            for name, reason in row.left_out.items():
                tqdm.write(f"left out of {measurement.subject}: {name}: {reason}")
                head["left_out"][f"{name} in {measurement.subject}, {measurement.case}"] = reason
            done.append(row)
            write_results(out, done, head | {"complete": len(done) == len(rows)}, list(peers))
            bar.update()
            bar.set_description(" ".join(rows[min(number + 1, len(rows) - 1)]))
    return done


def columns(suite: str, peers: dict[str, Peer]) -> list[str]:
    """Lists the peers that can take part in a suite."""
    if suite == "operations":
        return [name for name in peers if name in OPERATION_PEERS]
    if suite == "imports":
        return [name for name, peer in peers.items() if peer.package]
    return list(peers)


def check_peers() -> None:
    """Refuses names that are no peers."""
    for name in PEERS.value:
        if name not in NAMES:
            raise FlagError(f"--peers: no peer {name!r}; there are {', '.join(NAMES)}")


def choose_device() -> None:
    """Makes JAX use the device that the flag names, and real float32 there."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # PyTorch wants some of the GPU's memory too
    jax.config.update("jax_enable_compilation_cache", False)  # a first step compiles
    if DEVICE.value:
        jax.config.update("jax_platforms", {"gpu": "cuda"}.get(DEVICE.value, DEVICE.value))
    try:
        backend = jax.default_backend()
    except (RuntimeError, AssertionError) as error:  # the latter where JAX has no plugin for it
        raise FlagError(f"--device={DEVICE.value}: JAX finds none here. {error}") from error
    if backend != "cpu":
        jax.config.update("jax_default_matmul_precision", "highest")  # else it may round to bfloat16 or TF32


if __name__ == "__main__":
    command.run(main)
