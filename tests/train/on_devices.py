"""What the tests of several devices and processes start: trains a small network and prints how that went, as JSON.

python on_devices.py '{"devices": 8, "epochs": 2}'
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import fnn
from fnn import data, train


def network(wide: bool) -> fnn.Layer:
    body = fnn.serial(fnn.Conv(8, 3), fnn.BatchNorm(), fnn.Relu, fnn.Flatten, fnn.Dropout(0.2))
    layer = fnn.serial(body=body, head=fnn.Dense(10))
    if not wide:
        return layer

    def init(key: jax.Array, x: Any, /) -> Any:
        return jax.tree.map(lambda leaf: leaf.astype(jnp.float64), layer.init(key, x))

    def apply(params: Any, state: Any, x: Any, /, *, train: bool, key: Any = None) -> Any:
        return layer.apply(params, state, x.astype(jnp.float64), train=train, key=key)

    return fnn.Layer(init, apply, "wide")


def main(
    *,
    devices: int = 0,
    epochs: int = 2,
    samples: int = 80,
    wide: bool = False,
    shard: bool = False,
    directory: str = "",
    process: int = -1,
    processes: int = 2,
    port: int = 0,
    killed_after: int = 0,
    notes_seen: bool = False,
) -> None:
    """Trains.

    Args:
      devices: how many; all by default.
      epochs: of `samples` digits, 16 a step.
      samples: how many.
      wide: whether in float64.
      shard: whether each device holds only its part of the parameters.
      directory: of the checkpoints, if any.
      process: which of `processes` this is; it is alone by default.
      processes: how many there are.
      port: at which process 0 coordinates them.
      killed_after: the process kills itself after so many epochs.
      notes_seen: whether to tell the keys and samples of each step.
    """
    if process >= 0:
        jax.distributed.initialize(f"127.0.0.1:{port}", processes, process, heartbeat_timeout_seconds=10)
    jax.config.update("jax_enable_x64", wide)
    split = data.load("digits", f"train[:{samples}]")
    seen = []

    def note(bits: Any, pixels: Any) -> None:
        seen.append([np.asarray(bits).tolist(), int(pixels)])

    def watch(key: jax.Array, images: jax.Array, labels: jax.Array) -> tuple[jax.Array, jax.Array]:
        jax.debug.callback(note, jax.random.bits(key), images.astype("int32").sum())
        return images, labels

    def die(record: train.Epoch) -> None:
        if record.epoch == killed_after:
            os.kill(os.getpid(), signal.SIGKILL)

    fitted = train.fit(
        network(wide),
        split,
        optax.sgd(0.1, momentum=0.9),
        epochs=epochs,
        batch_size=16,
        validation=split,
        augment=watch if notes_seen else None,
        devices=jax.devices()[: devices or None],
        shard_parameters=shard,
        checkpoints=train.Checkpoints(Path(directory), steps=5) if directory else None,
        on_epoch=die,
    )
    jax.effects_barrier()
    kernel = fitted.train_state.params["head"]["kernel"]
    told = {
        "history": [epoch[1:5] for epoch in fitted.history],
        "params": np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(fitted.train_state.params)]).tolist(),
        "evaluated": fitted.evaluate(split)[:2],
        "seen": sorted(seen),
        "devices": len(kernel.sharding.device_set),
        "held": kernel.addressable_data(0).size / kernel.size,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
