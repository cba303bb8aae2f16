"""Measure what augmentation costs: its share of a training step of LeNet-5 on 128 images of 28×28.

  python -m benchmarks.augmentation                                      # a minute
  python -m benchmarks.augmentation --augment=flip=0.5,crop=4 --augment=elastic=34

Steps with each chain and without any take turns in one process, each compiled whole, augmentation inside, SGD with
momentum, float32. Prints each step's median milliseconds [quartiles], and by how much of itself it is longer than the
one without: `1 - without / with`, of the medians.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import flags

from benchmarks.machine import describe_machine
from benchmarks.measure import Plan, summarize, take_turns
from experiments import command
from experiments.command import FlagError
from fnn.data import augment
from fnn.losses import softmax_cross_entropy
from fnn.models import lenet5
from fnn.train import Batch, init_train_state, make_step

CHAINS = (
    "crop=2",
    "rotation=10",
    "crop=2,rotation=10",
    "rotation=10,translation=0.1,scale=0.1,shear=10",
    "crop=2,rotation=10,brightness=0.2,contrast=0.2,cutout=8",
    "noise=0.1",
    "elastic=34",
    "mixup=0.2",
    "cutmix=1",
)
BATCH, CLASSES, SIDE = 128, 10, 28
WITHOUT = "no augmentation"

AUGMENT = flags.DEFINE_multi_string("augment", list(CHAINS), "Chains to measure, one a flag.")
REPEATS = flags.DEFINE_integer("repeats", 15, "Rounds at most.", lower_bound=1)
BUDGET = flags.DEFINE_float("budget", 60.0, "Seconds after which no further round begins.", lower_bound=0.0)


def main() -> None:
    """Measures the chains and prints a line for each."""
    try:
        chains = {text: augment.from_flag(text) for text in AUGMENT.value}
    except ValueError as error:
        raise FlagError(f"--augment: {error}") from error
    print("machine: " + ", ".join(f"{name} {value}" for name, value in describe_machine().items()))
    runs = {WITHOUT: make_run(augment.unchanged)} | {text: make_run(chain) for text, chain in chains.items()}
    seconds = {text: summarize(times) for text, times in take_turns(runs, Plan(REPEATS.value, BUDGET.value)).items()}
    width = max(map(len, seconds))
    print(f"{'a training step of LeNet-5':{width}}  ms [quartiles]         share of augmentation")
    for text, (median, q1, q3) in seconds.items():
        share = 1 - seconds[WITHOUT].median / median
        times = f"{1e3 * median:.2f} [{1e3 * q1:.2f}, {1e3 * q3:.2f}]"
        print(f"{text:{width}}  {times:21}  {'' if text == WITHOUT else f'{share:.1%}'}")


def make_run(chain: augment.Augmentation) -> Callable[[], Any]:
    """Makes what takes one training step after another, each on the same bytes, augmented anew."""
    random = np.random.default_rng(0)
    images = jnp.asarray(random.integers(0, 256, (BATCH, SIDE, SIDE, 1), np.uint8))
    labels = jnp.asarray(random.integers(0, CLASSES, BATCH, np.int32))
    layer, optimizer = lenet5(CLASSES), optax.sgd(0.05, momentum=0.9)
    step = make_step(layer, optimizer, softmax_cross_entropy, augment=augment.for_bytes(chain, CLASSES))
    compiled = jax.jit(step)
    train_state = init_train_state(layer, optimizer, 0, jax.ShapeDtypeStruct(images.shape, jnp.float32))

    def run() -> None:
        nonlocal train_state
        train_state, _ = jax.block_until_ready(compiled(train_state, Batch(images, labels)))

    return run


if __name__ == "__main__":
    command.run(main)
