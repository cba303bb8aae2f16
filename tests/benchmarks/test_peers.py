"""Every peer that is installed computes what fnn computes, on small networks with every kind of layer."""

import functools
import importlib

import numpy as np
import pytest

from benchmarks.agreement import Trial, compare, try_out
from benchmarks.nets import BatchNorm, Conv, Dense, Flatten, GlobalAvgPool, MaxPool, Net, Relu, Residual
from benchmarks.peers import NAMES, Running, find_peers, make_task

NEEDS = {"linen": "flax", "nnx": "flax", "haiku": "haiku", "equinox": "equinox", "torch": "torch"}

# The other libraries warn of each other's and JAX's changes; that is theirs.
pytestmark = pytest.mark.filterwarnings("ignore")

NETS = {
    "residual": Net(
        (
            *(Conv(4, 5, 2, 2, bias=False), BatchNorm(), Relu(), MaxPool(3, 2, 1), Residual((Relu(),))),
            *(Residual((Conv(6, 3, 2, 1),), (Conv(6, 1, 2, bias=False), BatchNorm())), GlobalAvgPool(), Dense(10)),
        ),
        (20, 20, 3),
        batch=16,
    ),
    "flat": Net((MaxPool(2, 2), Flatten(), Dense(7)), (8, 6, 2), batch=8, classes=7),
    "vectors": Net((Dense(9), Relu(), Dense(10)), (5,), batch=8),
}


@functools.cache
def trial(peer: str, net: str) -> tuple[Trial, Running]:
    """Lets a peer take its first steps; once, because fnn is compared with every other."""
    found, missing = find_peers([peer])
    assert missing == {}
    running = found[peer].build(make_task(NETS[net]))
    return try_out(running), running


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("fnn", "torch_compiled")])
def test_a_peer_agrees_with_fnn(name: str) -> None:
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    for net in NETS:
        agreement = compare(net, {"fnn": trial("fnn", net)[0], name: trial(name, net)[0]}, 1e-5, 1e-3)[name]
        without = name == "stax" and net == "residual"  # its BatchNorm has no evaluation mode
        assert (agreement.logits_difference is None) == without
    running = trial(name, "vectors")[1]
    running.init()
    running.forget()
    assert np.isfinite(float(running.step()))


def test_a_peer_that_is_not_installed_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    imported = importlib.import_module

    def without_haiku(name: str, package: str | None = None) -> object:
        if name.endswith(".haiku"):
            raise ModuleNotFoundError("No module named 'haiku'")
        return imported(name, package)

    monkeypatch.setattr(importlib, "import_module", without_haiku)
    peers, missing = find_peers(["fnn", "haiku", "plain"])
    assert list(peers) == ["fnn", "plain"]
    assert missing == {"haiku": "No module named 'haiku'"}
