"""PyTorch under `torch.compile`: the network's forward and backward pass; the optimizer stays eager, as usual."""

import warnings

import torch
from torch import _dynamo, compiler

from benchmarks.peers.interface import Peer, Running, Task
from benchmarks.peers.torch import build as build_eager


def build(task: Task) -> Running:
    """Builds what `benchmarks.peers.torch` does, and compiles it; raises at the first step where that fails."""
    compiler.config.force_disable_caches = True  # pyright: ignore[reportAttributeAccessIssue] - a first step compiles
    warnings.filterwarnings("ignore", "dynamo_pgo force disabled")  # by the line above
    running = build_eager(task, torch.compile)

    def forget() -> None:
        _dynamo.reset()
        running.forget()

    return running._replace(forget=forget)


PEER = Peer("PyTorch compiled", build, None)
