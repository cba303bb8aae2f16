"""SIGINT and SIGTERM end a run between two steps, not in the middle of one."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """A run was asked to end. `signum` is the signal; a shell expects the exit status 128 + `signum`."""

    def __init__(self, signum: int, message: str = "") -> None:
        super().__init__(message or f"interrupted by {signal.Signals(signum).name}")
        self.signum = signum


@contextmanager
def deferred() -> Iterator[Callable[[], None]]:
    """Notes signals instead of acting on them; yields a function that raises `Interrupted` if one came.

    However often a signal comes, it is noted and nothing else, so that a checkpoint that is being written in answer to
    the first is not cut off by the second. In threads other than the main one, where Python lets no signal be handled,
    nothing changes.
    """
    came: list[int] = []

    def note(signum: int, frame: FrameType | None) -> None:
        del frame
        came.append(signum)

    def pause() -> None:
        if came:
            raise Interrupted(came[0])

    if threading.current_thread() is not threading.main_thread():
        yield pause
        return
    before = {signum: signal.signal(signum, note) for signum in SIGNALS}
    try:
        yield pause
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
    pause()
