"""Where an experiment's results go, and what every result says beside its answer."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
from absl import flags

import fnn
from experiments import command
from fnn import train

SEED = flags.DEFINE_integer("seed", 0, "Of everything that is drawn at random.", lower_bound=0, upper_bound=2**32 - 1)
WORKDIR = flags.DEFINE_string("workdir", None, "Where results go; runs/NAME-seedSEED by default.")


class Run(NamedTuple):
    """A run that has begun."""

    workdir: Path
    start: float
    """On the clock of `time.perf_counter`."""


def begin(name: str) -> Run:
    """Starts the clock and makes the directory of the results, before any work is done.

    Args:
      name: what the directory is called after where `--workdir` does not say.

    Raises:
      FlagError: if the directory cannot be made or written to.
    """
    start = time.perf_counter()
    return Run(command.make_workdir(WORKDIR.value or f"runs/{name}-seed{SEED.value}"), start)


def finish(run: Run, answer: Mapping[str, Any], *modules: Any) -> None:
    """Writes `result.json`: the answer, and what is needed to repeat the run. Says where and how long it took.

    Args:
      run: what `begin` returned.
      answer: the numbers that answer the question.
      *modules: whose flags belong to the experiment, beside those of this module.
    """
    seconds = time.perf_counter() - run.start
    result = {
        **answer,
        "seed": SEED.value,
        "seconds": round(seconds, 2),
        "flags": command.flags_of(*modules, __name__),
        "versions": {"fnn": fnn.__version__, "jax": jax.__version__},
        "device": jax.devices()[0].device_kind,
    }
    train.write_result(run.workdir / "result.json", result)
    print(f"{seconds:.1f} s; results in {run.workdir}")
