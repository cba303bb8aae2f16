"""On which devices, and with how many processes, an experiment trains, by flags."""

import os
import sys
from typing import Any

import jax
from absl import flags

from experiments.command import FlagError

DEVICES = flags.DEFINE_integer(
    "devices",
    1,
    "Share each batch out to so many devices; 0 for all there are. With several processes it is always all.",
    lower_bound=0,
)
SHARD_PARAMETERS = flags.DEFINE_boolean(
    "shard_parameters", False, "Each device holds only its part of the parameters and of the optimizer's state."
)
COORDINATOR = flags.DEFINE_string(
    "coordinator",
    None,
    "HOST:PORT of process 0, when several processes, on one host or more, train together: each is started with the "
    "same flags but for --process, and sees the same --workdir. 'auto' asks SLURM, Open MPI or the TPU's environment.",
)
PROCESSES = flags.DEFINE_integer("processes", None, "How many processes train together.", lower_bound=1)
PROCESS = flags.DEFINE_integer("process", None, "Which of them this is, counted from 0.", lower_bound=0)
HEARTBEAT_SECONDS = flags.DEFINE_integer(
    "heartbeat_seconds", 100, "After so long without a sign from one process the others end.", lower_bound=1
)


def connect() -> None:
    """Meets the other processes, if the flags name any; must come before anything is computed.

    What processes other than the first print is thrown away.

    Raises:
      FlagError: if the flags do not belong together, or the others are not met.
    """
    if COORDINATOR.value is None:
        if PROCESSES.value is not None or PROCESS.value is not None:
            raise FlagError("--processes and --process belong to --coordinator, which is not given")
        return
    own: dict[str, Any] = {}
    if COORDINATOR.value != "auto":
        count, number = PROCESSES.value, PROCESS.value
        if count is None or number is None or number >= count:
            raise FlagError(f"--coordinator expects --processes=N and --process from 0 to N - 1, got {count}, {number}")
        own = {"coordinator_address": COORDINATOR.value, "num_processes": count, "process_id": number}
    try:
        jax.distributed.initialize(**own, heartbeat_timeout_seconds=HEARTBEAT_SECONDS.value)
    except (RuntimeError, ValueError) as error:
        raise FlagError(f"--coordinator={COORDINATOR.value}: {error}") from error
    if jax.process_index():
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - until the process ends


def choose_devices(batch_size: int) -> list[Any] | None:
    """Returns the devices to train on; None for JAX's default one.

    Raises:
      FlagError: if there are not so many, or a batch cannot be shared out to them.
    """
    there = jax.devices()
    several = jax.process_count() > 1
    count = len(there) if several else DEVICES.value or len(there)
    if count > len(there):
        raise FlagError(f"--devices: there are {len(there)}, not {count}")
    if batch_size % count:
        raise FlagError(f"--devices: a batch of {batch_size} cannot be shared out equally to {count}; see --batch_size")
    if count == 1 and SHARD_PARAMETERS.value:
        raise FlagError("--shard_parameters needs more than one device; see --devices")
    return there[:count] if count > 1 else None
