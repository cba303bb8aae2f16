"""Measure what `fnn.train.fit` costs beside the bare compiled step, and what saving costs a run.

  python -m benchmarks.training                                          # about five minutes
  python -m benchmarks.training --only=loop --rounds=15

loop: the seconds of an epoch of `fit` (feeding, looking for what is not finite, metrics) as a share of those of a loop
that does nothing but call the compiled step on batches that lie on the device; they take turns, an epoch each, in one
process. For LeNet-5 on 28×28 images, batch 128, and for a small MLP. saving: a network with 60 million parameters takes
steps while checkpoints of it are written, one after the other, and while none is; the share of time that a checkpoint
a minute takes is what all steps together lost by one, divided by a minute. Prints medians [quartiles].
"""

import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import flags

import fnn
from benchmarks.measure import summarize
from experiments import command
from fnn import data, losses, train
from fnn.train.checkpoint import Snapshot, Store, Writer, to_host

ONLY = flags.DEFINE_list("only", "loop,saving", "What to measure.")
ROUNDS = flags.DEFINE_integer("rounds", 9, "Epochs, or checkpoints, of each.", lower_bound=3)
STEPS = 40
"""An epoch."""


def main() -> None:
    """Measures and prints."""
    if "loop" in ONLY.value:
        hidden = fnn.serial(fnn.Flatten, fnn.Dense(64), fnn.Relu, fnn.Dense(64), fnn.Relu, fnn.Dense(10))
        measure_loop("LeNet-5, batch 128", fnn.models.lenet5(), 128)
        measure_loop("MLP 784-64-64-10, batch 32", hidden, 32)
    if "saving" in ONLY.value:
        measure_saving()


def measure_loop(name: str, layer: fnn.Layer, batch_size: int) -> None:
    """Trains with `fit`; after each of its epochs takes the same steps bare."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (STEPS * batch_size, 28, 28, 1), np.uint8)
    labels = random.integers(0, 10, len(images)).astype(np.int32)
    split = data.Split(images, labels, tuple("0123456789"), "random bytes")
    optimizer = optax.sgd(0.001, momentum=0.9)
    normalization = data.normalization_of(split)
    first = jax.ShapeDtypeStruct((batch_size, 28, 28, 1), jnp.float32)
    step = jax.jit(train.make_step(layer, optimizer, losses.softmax_cross_entropy, normalization), donate_argnums=0)
    state = train.init_train_state(layer, optimizer, 0, first)
    batch = jax.device_put(train.Batch(jnp.asarray(images[:batch_size]), jnp.asarray(labels[:batch_size])))
    shares: list[float] = []

    def bare(record: train.Epoch) -> None:
        nonlocal state
        start = time.perf_counter()
        for _ in range(STEPS):
            state, _ = step(state, batch)
        jax.block_until_ready(state)
        seconds = time.perf_counter() - start
        if record.epoch > 1:  # the first compiles
            shares.append(record.seconds / seconds)

    train.fit(layer, split, optimizer, epochs=ROUNDS.value + 1, batch_size=batch_size, on_epoch=bare)
    median, q1, q3 = summarize(shares)
    print(f"{name}: fit takes {median:.3f} [{q1:.3f}–{q3:.3f}] of the bare step's time", flush=True)


def measure_saving() -> None:
    """Takes steps with and without a writer beside them."""
    layer = fnn.serial(fnn.Flatten, fnn.Dense(7000), fnn.Relu, fnn.Dense(7000), fnn.Relu, fnn.Dense(10))
    optimizer = optax.sgd(0.001)
    x = jnp.asarray(np.random.default_rng(0).standard_normal((64, 28, 28, 1)), jnp.float32)
    batch = train.Batch(x, jnp.arange(64) % 10)
    step = jax.jit(train.make_step(layer, optimizer, losses.softmax_cross_entropy), donate_argnums=0)
    state = train.init_train_state(layer, optimizer, 0, x)
    numbers = sum(leaf.size for leaf in jax.tree.leaves(state.params))
    state, _ = step(state, batch)
    lost, alone_times = [], []
    with tempfile.TemporaryDirectory() as directory:
        store, writer = Store(Path(directory), keep=1), Writer(600)
        for number in range(ROUNDS.value + 1):
            durations = []
            for _ in range(6):
                start = time.perf_counter()
                state, metrics = step(state, batch)
                jax.block_until_ready(metrics)
                durations.append(time.perf_counter() - start)
            alone = float(np.median(durations))
            start, steps = time.perf_counter(), 0
            snapshot = Snapshot(number, to_host(state), {}, {})
            writer.submit(lambda snapshot=snapshot: store.write(snapshot))
            while writer.busy():
                state, metrics = step(state, batch)
                jax.block_until_ready(metrics)
                steps += 1
            if number:
                lost.append(time.perf_counter() - start - steps * alone)
                alone_times.append(alone)
        writer.wait()
    median, q1, q3 = summarize(lost)
    print(
        f"saving {numbers / 1e6:.1f} million numbers beside steps of {1e3 * np.median(alone_times):.0f} ms: the steps "
        f"lost {median:.2f} [{q1:.2f}–{q3:.2f}] s by a checkpoint, {100 * median / 60:.1f} % of a minute"
    )


if __name__ == "__main__":
    command.run(main)
