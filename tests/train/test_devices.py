"""Training on several devices: the losses of one, the same samples and keys, and a run that moves between them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = """
import json, sys
from pathlib import Path
import jax, numpy as np, optax
import fnn
from fnn import data, train

devices, epochs, directory = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
split = data.load("digits", "train[:100]")  # batches of 16, 16, 16, 16, 16, 16 and 4
body = fnn.serial(fnn.Conv(4, 3), fnn.BatchNorm(), fnn.Relu, fnn.Flatten, fnn.Dropout(0.2))
layer = fnn.serial(body=body, head=fnn.Dense(10))
seen = []

def note(bits, pixels):
    seen.append([np.asarray(bits).tolist(), int(pixels)])

def watch(key, images, labels):
    jax.debug.callback(note, jax.random.bits(key), images.astype("int32").sum())
    return images, labels

fitted = train.fit(
    layer, split, optax.sgd(0.1, momentum=0.9), epochs=epochs, batch_size=16, validation=split, augment=watch,
    devices=jax.devices()[:devices], checkpoints=train.Checkpoints(Path(directory)) if directory else None)
jax.effects_barrier()
shards = len(fitted.train_state.params["head"]["kernel"].sharding.device_set)
print(json.dumps({"history": [epoch[1:5] for epoch in fitted.history], "seen": sorted(seen), "shards": shards}))
"""


def run(devices: int, epochs: int, directory: str = "") -> Any:
    """Trains in a process that has eight virtual devices."""
    flags = "--xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(devices), str(epochs), directory],
        env=os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_eight_devices_see_what_one_sees_and_learn_the_same() -> None:
    one, eight = run(1, 2), run(8, 2)
    assert (one["shards"], eight["shards"]) == (1, 8)
    assert {tuple(map(str, step)) for step in one["seen"]} == {tuple(map(str, step)) for step in eight["seen"]}
    for a, b in zip(one["history"], eight["history"], strict=True):
        assert a == pytest.approx(b, rel=1e-4)


@pytest.mark.thorough
def test_a_run_moves_from_one_to_two_to_four_devices_and_back(tmp_path: Path) -> None:
    whole = run(1, 4)
    parts = [run(devices, epochs, str(tmp_path)) for devices, epochs in ((1, 1), (2, 2), (4, 3), (1, 4))]
    assert [part["shards"] for part in parts] == [1, 2, 4, 1]
    seen = {str(step) for part in parts for step in part["seen"]}
    assert seen == {str(step) for step in whole["seen"]}
    for a, b in zip(whole["history"], parts[-1]["history"], strict=True):
        assert a == pytest.approx(b, rel=1e-3)
