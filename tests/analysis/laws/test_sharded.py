"""The law of sharding where there are several devices: a process of its own, since XLA counts them once."""

import os
import subprocess
import sys

import quick

CODE = """
import jax
import jax.numpy as jnp
from jax.experimental.custom_partitioning import custom_partitioning

import fnn

LAW = ["works sharded over the batch"]
X = jax.ShapeDtypeStruct((4, 6), jnp.float32)


@custom_partitioning
def centred(x):
    return x - jnp.mean(x, 0, keepdims=True)


def each_shard_alone(mesh, shapes, result):
    sharding = shapes[0].sharding
    return mesh, lambda x: x - jnp.mean(x, 0, keepdims=True), sharding, (sharding,)


centred.def_partition(
    partition=each_shard_alone,
    infer_sharding_from_operands=lambda mesh, shapes, result: shapes[0].sharding,
    sharding_rule="i j -> i j",
)
wrong = fnn.stateless(lambda key, x: {}, lambda params, x: centred(x), name="mine")
sound = fnn.serial(fnn.Dense(5), fnn.BatchNorm(), fnn.Relu, fnn.Dropout(0.3))
print([row.message for row in fnn.check(wrong, X, laws=LAW).broken])
print(fnn.check(sound, X, laws=LAW, batch_dependent=True, strict=True).broken)
"""


def test_shards_that_do_not_see_each_other_are_caught():
    flags = f"{os.environ.get('XLA_FLAGS', '')} {quick.FLAGS} --xla_force_host_platform_device_count=2"
    environment = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    broken, sound = done.stdout.splitlines()
    assert "a batch sharded over 2 devices must give what it gives on one" in broken
    assert sound == "()"
