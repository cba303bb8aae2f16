"""How every experiment starts: flags are parsed and refused in one line, and errors of use are no tracebacks."""

import io
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import jax
from absl import app, flags, logging

from fnn import train

FREE = {
    "workdir", "data_dir", "memory_gib", "checkpoint_seconds", "checkpoint_steps", "checkpoints_kept", "fresh",
    "discard_checkpoints",
    "overfit_batch",
    "export",
    "devices", "shard_parameters", "coordinator", "processes", "process", "heartbeat_seconds",
    "tensorboard", "profile", "range_test",
}  # fmt: skip
"""Flags that change nothing in what is computed, and so may differ when a run goes on."""


class FlagError(ValueError):
    """A flag, or a combination of flags, that cannot be run; the message says what is possible."""


def run(main: Callable[..., None], arguments: str = "") -> None:
    """Runs an experiment's `main` with parsed flags.

    A wrong flag prints one line on the standard error and ends the process with status 2.

    Args:
      main: the experiment.
      arguments: what it takes beside flags, in words, if anything; `main` is then given them.
    """

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without ± gets a question mark, not an error

    def parse(argv: Sequence[str]) -> list[str]:
        try:
            rest = flags.FLAGS(argv)
        except flags.Error as error:
            _end(2, _refusal(error))
        if len(rest) > 1 and not arguments:
            _end(2, _refusal(f"unexpected argument {rest[1]!r}; flags are written --name=value"))
        return rest

    def checked(argv: Sequence[str]) -> None:
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.WARNING)  # absl would show every message of the libraries below
        try:
            main(*argv[1:])
        except FlagError as error:
            _end(2, _refusal(error))
        except (train.checkpoint.MismatchError, train.checkpoint.InUseError) as error:
            _end(2, error)
        except FloatingPointError as error:
            _end(1, f"stopped: {error}")
        except train.checkpoint.CheckpointError as error:
            # A thread that hangs in the disk's driver would keep Python from ending.
            _end(1, f"stopped: {error}", at_once=True)
        except train.Interrupted as interruption:
            _end(128 + interruption.signum, interruption)
        except KeyboardInterrupt:
            _end(130, "interrupted")
        except BrokenPipeError:
            # Whoever read the output has left, as `head` does; without this Python would complain while it exits.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(141)
        except Exception:
            if not jax.distributed.is_initialized():
                raise
            _end(1, traceback.format_exc())

    def terminate(signum: int, frame: Any) -> NoReturn:
        del frame
        raise train.Interrupted(signum)

    signal.signal(signal.SIGTERM, terminate)
    # absl handles --help itself, while it parses.
    app.run(checked, flags_parser=parse)


def make_workdir(path: str, flag: str = "workdir") -> Path:
    """Makes the directory of the results, before any work is done.

    Args:
      path: of the directory.
      flag: by which it was chosen, for errors.

    Raises:
      FlagError: if it cannot be made or written to.
    """
    workdir = Path(path)
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=workdir):
            pass
    except FileExistsError:
        raise FlagError(f"--{flag}={workdir} is no directory") from None
    except OSError as error:
        raise FlagError(f"--{flag}={workdir} cannot be written to: {error.strerror}") from error
    return workdir


def integers(flag: flags.FlagHolder[list[str] | None], least: int = 1) -> list[int]:
    """Returns the integers of a flag that is a list.

    Raises:
      FlagError: if it is empty, or one is no integer of at least `least`.
    """
    return [int(number) for number in _numbers(flag, int, least, f"integers of at least {least}")]


def floats(flag: flags.FlagHolder[list[str] | None], least: float = 0.0) -> list[float]:
    """Returns the numbers of a flag that is a list.

    Raises:
      FlagError: if it is empty, or one is no finite number of at least `least`.
    """
    return _numbers(flag, float, least, f"numbers of at least {least:g}")


def _numbers(
    flag: flags.FlagHolder[list[str] | None], read: Callable[[str], float], least: float, expected: str
) -> list[float]:
    texts = flag.value or []
    try:
        found = [read(text) for text in texts]
    except ValueError:
        found = []
    if not found or not all(least <= number < float("inf") for number in found):
        raise FlagError(f"--{flag.name} expects {expected}, separated by commas, got {','.join(texts)!r}")
    return found


def flags_of(*modules: Any) -> dict[str, Any]:
    """Returns the values of the flags that modules define, by name."""
    return {flag.name: flag.value for module in modules for flag in flags.FLAGS.get_flags_for_module(module)}


def _refusal(reason: object) -> str:
    return " ".join(str(reason).split()) + " (--help lists all flags)"


def _end(status: int, reason: object, *, at_once: bool = False) -> NoReturn:
    """Says why, and ends the process."""
    print(reason, file=sys.stderr)
    if at_once or jax.distributed.is_initialized():  # at its end JAX would wait for the other processes
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)
