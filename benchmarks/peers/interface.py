"""What a peer is: a way to build a described network, and what can be done with it once it is built."""

import importlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from benchmarks.nets import Net
from benchmarks.weights import Placed, place

NAMES = ("fnn", "stax", "linen", "nnx", "haiku", "equinox", "torch", "torch_compiled", "plain")
"""The files of this package, in the order of the tables' columns."""

JAX_LIBRARIES = ("stax", "linen", "nnx", "haiku", "equinox")
"""Of them, those among which the fastest other JAX library is looked for."""


class Task(NamedTuple):
    """What every peer computes: a network with initial weights, one batch, and the optimizer's numbers."""

    net: Placed
    images: np.ndarray
    """`(batch, height, width, channels)` or `(batch, features)`, float32."""
    labels: np.ndarray
    """`(batch,)`, int32."""
    learning_rate: float = 0.001
    momentum: float = 0.9


class Running(NamedTuple):
    """A built network. Each function returns only when the device has finished."""

    step: Callable[[], Any]
    """Takes one optimizer step on the task's batch and returns the mean loss before it, a scalar."""
    infer: Callable[[], Any] | None
    """Returns the logits of the task's batch in evaluation mode; None where the library has no such mode."""
    init: Callable[[], Any]
    """Makes fresh random parameters in the library's own way, and throws them away."""
    forget: Callable[[], None]
    """Makes the next step the first: nothing traced, compiled or allocated."""


class Peer(NamedTuple):
    """A library. Each file of this package has one, as `PEER`."""

    title: str
    build: Callable[[Task], Running]
    package: str | None
    """What `import` is timed for; None if another peer does so."""


def make_task(net: Net, seed: int = 0) -> Task:
    """Makes weights and one batch of normal images and random labels for a network."""
    generator = np.random.default_rng([seed, 1])
    images = generator.standard_normal((net.batch, *net.shape)).astype(np.float32)
    labels = generator.integers(0, net.classes, net.batch).astype(np.int32)
    return Task(place(net.layers, net.shape, seed), images, labels)


def find_peers(names: Iterable[str]) -> tuple[dict[str, Peer], dict[str, str]]:
    """Imports peers; returns those that are there, and for each other why it is not."""
    found, missing = {}, {}
    for name in names:
        try:
            found[name] = importlib.import_module(f"benchmarks.peers.{name}").PEER
        except ImportError as error:
            missing[name] = str(error)
    return found, missing
