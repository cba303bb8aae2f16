"""Writing beside the run, one thing at a time, so that no step waits for the disk."""

import threading
from collections.abc import Callable

from fnn.train.checkpoint.errors import CheckpointError


class Writer:
    """Runs one job at a time in a thread, and gives its errors to whoever asks next.

    Args:
      patience: for how many seconds a job may hold up whoever waits for it.
    """

    def __init__(self, patience: float) -> None:
        self.patience = patience
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def submit(self, job: Callable[[], object]) -> None:
        """Begins a job once the one before it is done.

        Raises:
          CheckpointError: if that one failed, or is not done in time.
        """
        self.wait()

        def run() -> None:
            try:
                job()
            except BaseException as error:
                self._error = error

        # A daemon, so that one that hangs does not keep the process from ending.
        self._thread = threading.Thread(target=run, name="fnn checkpoint", daemon=True)
        self._thread.start()

    def busy(self) -> bool:
        """Says whether a job is being done."""
        return self._thread is not None and self._thread.is_alive()

    def check(self) -> None:
        """Raises the error of a job that failed; does not wait."""
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def wait(self) -> None:
        """Waits until the job is done.

        Raises:
          CheckpointError: if it failed, or is not done in time.
        """
        if self._thread is not None:
            self._thread.join(self.patience)
            if self._thread.is_alive():
                raise CheckpointError(
                    f"writing a checkpoint has hung for {self.patience:g} s; the ones before it are still there."
                )
            self._thread = None
        self.check()
