"""SIGINT and SIGTERM end a run between two steps, not in the middle of one."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """A run was asked to end. `signum` is the signal; a shell expects the exit status 128 + `signum`."""

    def __init__(self, signum: int, message: str = "") -> None:
        super().__init__(message or f"interrupted by {signal.Signals(signum).name}")
        self.signum = signum


class Signals:
    """The signals that came and wait to be heeded: calling it raises `Interrupted` if there is one."""

    def __init__(self) -> None:
        self.signum = 0
        """The first that came; 0 for none."""

    def __call__(self) -> None:
        if self.signum:
            raise Interrupted(self.signum)


@contextmanager
def deferred() -> Iterator[Signals]:
    """Notes signals instead of acting on them, until they are asked for.

    However often a signal comes, it is noted and nothing else, so that a checkpoint that is being written in answer to
    the first is not cut off by the second. In threads other than the main one, where Python lets no signal be handled,
    nothing changes.
    """
    signals = Signals()

    def note(signum: int, frame: FrameType | None) -> None:
        del frame
        signals.signum = signals.signum or signum

    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    before = {signum: signal.signal(signum, note) for signum in SIGNALS}
    try:
        yield signals
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
    signals()
