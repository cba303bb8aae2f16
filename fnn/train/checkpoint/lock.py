"""One run a directory."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fnn.train.checkpoint.errors import CheckpointError


class InUseError(RuntimeError):
    """Another run works in the directory."""


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keeps other runs out of a directory. The lock of a run that was killed is free: the system holds it, not a file.

    Args:
      directory: which exists.

    Raises:
      InUseError: if another run holds it; says which.
      CheckpointError: if the directory cannot be written to.
    """
    import filelock  # only who runs needs it

    owner = directory / ".owner.json"
    lock = filelock.FileLock(directory / ".lock", thread_local=False)
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        raise InUseError(
            f"{directory} is in use by {_owner(owner)}; wait for it, or choose another directory."
        ) from None
    except OSError as error:
        raise CheckpointError(f"{directory} cannot be written to: {error.strerror}.") from error
    try:
        with suppress(OSError):  # it only helps the error of others
            owner.write_text(json.dumps({"process": os.getpid(), "host": socket.gethostname()}) + "\n")
        yield
    finally:
        with suppress(OSError):
            owner.unlink(missing_ok=True)
        lock.release()


def _owner(path: Path) -> str:
    try:
        told = json.loads(path.read_text())
        return f"process {int(told['process'])} on {told['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
