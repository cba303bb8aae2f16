"""Training on several devices and in several processes: the losses of one device, the same samples and keys, an end
where a process dies, and a run that moves between them."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import pytest
import quick

ROOT = Path(__file__).parents[2]


class Started(NamedTuple):
    """A process and the files that it writes to."""

    process: subprocess.Popen[bytes]
    said: IO[str]
    complained: IO[str]

    def end(self, seconds: float = 120) -> tuple[int, str, str]:
        """Waits; returns the status and what it said and complained of."""
        try:
            status = self.process.wait(seconds)
        finally:
            self.process.kill()
        texts = []
        for file in (self.said, self.complained):
            file.seek(0)
            texts.append(file.read())
            file.close()
        return status, *texts


def start(devices: int = 1, **options: Any) -> Started:
    """Starts a process that has so many virtual devices."""
    flags = f"--xla_force_host_platform_device_count={devices} {quick.FLAGS}"
    # Files, not pipes: of two processes none waits for the other to be read.
    said, complained = tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+")  # noqa: SIM115
    process = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("on_devices.py"), json.dumps(options)],
        env=os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)},
        stdout=said,
        stderr=complained,
    )
    return Started(process, said, complained)


def finish(started: Started) -> Any:
    status, said, complained = started.end()
    assert status == 0, complained
    return json.loads(said.splitlines()[-1])


def run(devices: int = 1, **options: Any) -> Any:
    """Trains in one process."""
    return finish(start(devices, **options))


def start_two(each: int = 1, **options: Any) -> list[Started]:
    """Starts two processes that train together; each has so many devices."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    killed = options.pop("killed", None)
    own = [{"killed_after": 2} if number == killed else {} for number in (0, 1)]
    return [start(each, process=number, port=port, **options, **own[number]) for number in (0, 1)]


LONG = {"wide": True, "epochs": 40, "samples": 80}
"""200 steps in float64."""


def agree(one: Any, other: Any, rel: float) -> None:
    np.testing.assert_allclose(one["history"], other["history"], rtol=rel, atol=rel)
    np.testing.assert_allclose(one["evaluated"], other["evaluated"], rtol=rel)


@pytest.fixture(scope="module")
def one() -> Any:
    return run(**LONG)


@pytest.mark.parametrize("shard", [False, True])
def test_eight_devices_learn_what_one_learns_in_200_steps_of_float64(one: Any, shard: bool) -> None:
    eight = run(8, **LONG, shard=shard)
    assert (one["devices"], eight["devices"]) == (1, 8)
    assert eight["held"] == (1 / 8 if shard else 1)
    agree(one, eight, 1e-9)
    np.testing.assert_allclose(one["params"], eight["params"], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shard", [pytest.param(False, marks=pytest.mark.thorough), True])
def test_two_processes_learn_what_one_learns(one: Any, shard: bool) -> None:
    for two in map(finish, start_two(each=2, **LONG, shard=shard)):
        agree(one, two, 1e-9)
        np.testing.assert_allclose(one["params"], two["params"], rtol=1e-9, atol=1e-12)


def test_the_first_ten_steps_in_float32_and_which_samples_and_keys_they_see() -> None:
    one, eight = (run(devices, notes_seen=True) for devices in (1, 8))
    assert {str(step) for step in one["seen"]} == {str(step) for step in eight["seen"]}
    assert len({str(step) for step in one["seen"]}) == 10
    agree(one, eight, 1e-5)
    for two in map(finish, start_two()):
        agree(one, two, 1e-5)


@pytest.mark.parametrize("killed", [1, pytest.param(0, marks=pytest.mark.thorough)])
def test_when_a_process_dies_the_other_ends_with_an_error_and_the_run_goes_on_with_one(
    tmp_path: Path, killed: int
) -> None:
    processes = start_two(directory=str(tmp_path), killed=killed, epochs=4)
    processes[killed].end()
    died = time.monotonic()
    status, _, complained = processes[1 - killed].end(60)
    assert time.monotonic() - died < 10 + 5  # the heartbeat and a little
    assert status != 0
    assert "died" in complained or "unavailable" in complained.lower() or "heartbeat" in complained
    whole, resumed = run(epochs=4), run(epochs=4, directory=str(tmp_path))
    agree(whole, resumed, 1e-4)


@pytest.mark.thorough
def test_a_run_moves_from_one_to_two_to_four_devices_and_back(tmp_path: Path) -> None:
    options: Any = {"samples": 100, "notes_seen": True}  # an epoch's last batch has 4 samples
    whole = run(**options, epochs=4)
    parts = [
        run(n, **options, epochs=epochs, directory=str(tmp_path)) for n, epochs in ((1, 1), (2, 2), (4, 3), (1, 4))
    ]
    assert [part["devices"] for part in parts] == [1, 2, 4, 1]
    seen = {str(step) for part in parts for step in part["seen"]}
    assert seen == {str(step) for step in whole["seen"]}
    agree(whole, parts[-1], 1e-3)


ON_EXPLICIT_AXES = """
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import NamedSharding, PartitionSpec

import fnn
from fnn import losses, train

net = fnn.serial(
    fnn.Conv(6, 3, bias=False), fnn.BatchNorm(), fnn.Relu, fnn.MaxPool(2), fnn.Dropout(0.3),
    fnn.residual(fnn.Conv(6, 3)), fnn.GlobalAvgPool, fnn.Dense(16), fnn.Relu, fnn.Dense(3),
)
images = np.random.default_rng(0).normal(size=(8, 8, 8, 2)).astype(np.float32)
batch = train.Batch(images, np.arange(8, dtype=np.int32) % 3)
optimizer = optax.sgd(0.1, 0.9)
step = jax.jit(train.make_step(net, optimizer, losses.softmax_cross_entropy))
alone = train.init_train_state(net, optimizer, 0, jax.ShapeDtypeStruct(images.shape, images.dtype))

mesh = jax.make_mesh((4,), ("batch",), axis_types=(jax.sharding.AxisType.Explicit,))
shared = jax.device_put(alone, NamedSharding(mesh, PartitionSpec()))
cut = train.Batch(*(jax.device_put(a, NamedSharding(mesh, PartitionSpec("batch"))) for a in batch))
for _ in range(5):
    alone, wanted = step(alone, batch)
    with jax.set_mesh(mesh):
        shared, got = step(shared, cut)
    np.testing.assert_allclose(got, wanted, rtol=1e-4)
for one, other in zip(jax.tree.leaves(alone[:2]), jax.tree.leaves(shared[:2]), strict=True):
    np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
assert not any(jax.tree.leaves(jax.tree.map(lambda leaf: any(jax.typeof(leaf).sharding.spec), shared.params)))
"""


def test_a_step_on_a_mesh_whose_axes_are_explicit() -> None:
    """As `jax.make_mesh` makes them: every array's type then says how it lies, and each operation's must be right."""
    flags = f"--xla_force_host_platform_device_count=4 {quick.FLAGS}"
    environment = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", ON_EXPLICIT_AXES], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
