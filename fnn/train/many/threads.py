"""Work in threads: XLA's CPU backend runs a small network on one core, and does not hold Python's lock meanwhile."""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import jax

T = TypeVar("T")
R = TypeVar("R")


def cores() -> int:
    """Returns how many models can be computed at a time: the cores of a CPU that this process may use, else one."""
    if jax.default_backend() != "cpu":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def side_by_side(
    work: Callable[[T, Callable[..., None]], R], things: Sequence[T], tell: Callable[..., Any] | None, count: int
) -> list[R]:
    """Does some work on each of some things, in threads, and returns what came of them in their order.

    Whatever ends one, or the waiting for them, ends all as soon as each next tells something.

    Args:
      work: takes one thing and a function with which it tells how far it is.
      things: what is worked on.
      tell: is told, by one thread at a time.
      count: of the threads.
    """
    lock, ended = threading.Lock(), threading.Event()
    causes: list[BaseException] = []
    wide = jax.config.read("jax_enable_x64")  # set by `with`, this thread alone would know of it

    def told(*what: Any) -> None:
        with lock:
            if ended.is_set():
                raise RuntimeError("another thread has ended")
            if tell is not None:
                tell(*what)

    def work_on(thing: T) -> R:
        try:
            with jax.enable_x64(wide):
                return work(thing, told)
        except BaseException as error:
            if not ended.is_set():
                causes.append(error)
                ended.set()
            raise

    with ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(work_on, thing) for thing in things]
        try:
            return [future.result() for future in futures]
        except BaseException as error:
            ended.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise causes[0] if causes else error from None
