"""The libraries that fnn is measured beside, one file each; all turn one description into their own modules."""

from benchmarks.peers.interface import JAX_LIBRARIES, NAMES, Peer, Running, Task, find_peers, make_task

__all__ = ["JAX_LIBRARIES", "NAMES", "Peer", "Running", "Task", "find_peers", "make_task"]
