"""Laws of what networks are put into: remat, scan, many devices."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from fnn.analysis.laws.law import Law, require_same
from fnn.analysis.laws.subject import Subject
from fnn.combinators import remat


def _works_under_remat(subject: Subject) -> None:
    rematerialized = Subject(remat(subject.layer), subject.given, subject.options)
    rematerialized.modes = subject.modes
    rematerialized.state = subject.state
    got = rematerialized.pulled(subject.params, subject.x)
    wanted = subject.pulled(subject.params, subject.x)
    require_same(got, wanted, subject.tolerance, "remat must change neither outputs nor gradients")


def _works_under_scan(subject: Subject) -> None:
    def step(state: Any, given: tuple[Any, jax.Array]) -> tuple[Any, Any]:
        x, key = given
        y, state = subject.layer.apply(subject.params, state, x, train=True, key=key)
        return state, y

    xs = jax.tree.map(lambda *leaves: np.stack(leaves), subject.x, subject.other_x)
    keys = jnp.stack([subject.key, subject.other_key])
    last, ys = jax.jit(lambda state, xs, keys: lax.scan(step, state, (xs, keys)))(subject.state, xs, keys)
    state = subject.state
    for i, (x, key) in enumerate(((subject.x, subject.key), (subject.other_x, subject.other_key))):
        y, state = subject.run(subject.params, state, x, key)["train"]
        taken = jax.tree.map(lambda leaf, i=i: np.asarray(leaf)[i], ys)
        require_same(taken, y, subject.tolerance, "scan over steps must give what one step after another gives")
    require_same(last, state, subject.tolerance, "scan over steps must leave the state of one step after another")


def _works_sharded(subject: Subject) -> None:
    devices = jax.devices()
    number = math.gcd(subject.batch(), len(devices))
    mesh = Mesh(np.asarray(devices[:number]), ("batch",))
    whole, split = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in ((), ("batch",)))
    sharded = jax.jit(subject.forward, in_shardings=(whole, whole, split, whole))
    params, state, key = jax.device_put((subject.params, subject.state, subject.key), whole)
    got = sharded(params, state, jax.device_put(subject.x, split), key)
    claim = f"a batch sharded over {number} device{'s' if number > 1 else ''} must give what it gives on one"
    require_same(got, subject.outcome, subject.tolerance, claim)


LAWS = (
    Law("works under remat", "Deep networks trade time for memory.", _works_under_remat),
    Law("works under scan", "An epoch of small steps is one compiled scan.", _works_under_scan),
    Law("works sharded over the batch", "Large batches are spread over devices.", _works_sharded),
)
