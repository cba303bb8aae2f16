"""Memory that stays: pieces that the C library keeps, whatever the program, and the same bits."""

import platform
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax

import fnn
from fnn import losses, train
from fnn.train.memory import PIECE

OPTION = "xla_multiheap_size_constraint_per_heap"

FAULTS = """
import resource, sys
import jax, jax.numpy as jnp
from jax import lax
from fnn import train

def eight_arrays(x):
    return sum(lax.optimization_barrier([jnp.sin(x * float(i)) for i in range(8)]))

x = jnp.ones((4 << 20,), jnp.float32)
for keep in (False, True):
    options = train.compiler_options(eight_arrays, x) if keep and train.keep_memory() else {}
    program = jax.jit(eight_arrays, compiler_options=options)
    for _ in range(4):
        program(x).block_until_ready()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        program(x).block_until_ready()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_a_piece_is_what_malloc_keeps_and_no_smaller_than_the_largest_array() -> None:
    x = jax.ShapeDtypeStruct((1 << 20,), jnp.float32)
    assert train.compiler_options(jnp.sin, x) == {OPTION: PIECE}
    assert PIECE < 32 << 20

    def grow(x: jax.Array) -> jax.Array:
        return lax.fori_loop(0, 3, lambda _, total: total + jnp.sin(jnp.tile(x, 24)).sum(), jnp.float32(0))

    assert train.compiler_options(grow, x) == {OPTION: 5 * (24 << 20)}  # 24 Mi float32 in the loop, and a quarter more


def test_nothing_is_asked_for_other_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert train.compiler_options(jnp.sin, jnp.ones(3)) == {}
    assert not train.keep_memory()


def test_the_options_change_no_bit() -> None:
    layer = fnn.serial(fnn.Conv(8, 3), fnn.BatchNorm(), fnn.Relu, fnn.Flatten, fnn.Dense(10))
    images = jax.random.normal(jax.random.key(0), (4, 8, 8, 1))
    batch = train.Batch(images, jnp.arange(4))
    optimizer = optax.sgd(0.1, 0.9)
    step = train.make_step(layer, optimizer, losses.softmax_cross_entropy)
    start = train.init_train_state(layer, optimizer, 0, images)
    options = {OPTION: 4096}  # far too small on purpose: many pieces
    plain, _ = jax.jit(step)(start, batch)
    pieces, _ = jax.jit(step, compiler_options=options)(start, batch)
    jax.tree.map(np.testing.assert_array_equal, plain.params, pieces.params)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="about the allocator of glibc")
def test_pages_stay_with_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True, timeout=120)
    lost, kept = map(int, done.stdout.split())
    if lost < 10_000:
        pytest.skip(f"only {lost} page faults to begin with: huge pages, or another allocator")
    assert kept < lost / 2
