"""The operations on several devices, which a process of their own has."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fnn import ops

SHARED = '''
import functools
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import NamedSharding, PartitionSpec as P
from fnn import ops

assert len(jax.devices()) == 2
rng = np.random.default_rng(0)
draw = lambda *shape: rng.normal(size=shape).astype(np.float32)
x, kernel, bias, scale = draw(4, 6, 6, 4), draw(3, 3, 2, 8), draw(8), draw(8)


def net(x, kernel, bias, scale):
    """Has no batch statistics, so that each device's share of the loss is its own."""
    y = ops.convolve(x, kernel, strides=(1, 1), padding=((1, 1), (1, 1)), dilation=(1, 1), groups=2)
    y = jnp.tanh(y + ops.channel_broadcast(bias, y.shape)) * ops.channel_broadcast(scale, y.shape)
    y = ops.max_pool(y, (2, 2), (2, 2), ((0, 0), (0, 0)))
    return ops.sum_pool(y, (2, 2), (1, 1), ((1, 0), (0, 1)))


def loss(x, kernel, bias, scale):
    y = net(x, kernel, bias, scale)
    y = ops.product(y, jnp.outer(bias, scale))
    return jnp.sum(jnp.sin(y)) + jnp.sum(jnp.cos(ops.channel_sum(y.swapaxes(0, -1))))


gradient = jax.value_and_grad(loss, (0, 1, 2, 3))
wanted = jax.jit(gradient)(x, kernel, bias, scale)
mesh = jax.make_mesh((2,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
share = functools.partial(jax.shard_map, mesh=mesh)
whole, split = P(), P("data")


def close(got, wanted, what):
    for name, a, b in zip(("value", "x", "kernel", "bias", "scale"), jax.tree.leaves(got), jax.tree.leaves(wanted)):
        a, b = np.asarray(a), np.asarray(b)
        assert a.shape == b.shape, (what, name, a.shape, b.shape)
        assert np.abs(a - b).max() <= 1e-5 * np.abs(b).max(), (what, name, np.abs(a - b).max(), np.abs(b).max())


def summed(*operands):
    return jax.lax.psum(loss(*operands), "data")


given = (split, whole, whole, whole)
# The gradient taken of the whole program that is split inside.
outside = jax.value_and_grad(share(summed, in_specs=given, out_specs=whole), (0, 1, 2, 3))
close(jax.jit(outside)(x, kernel, bias, scale), wanted, "gradient of shard_map")


# The gradient taken on each device: of what is the same everywhere, it is summed over the devices.
def inside(*operands):
    value, gradients = gradient(*operands)
    return jax.lax.psum(value, "data"), gradients


mapped = share(inside, in_specs=given, out_specs=(whole, given))
close(jax.jit(mapped)(x, kernel, bias, scale), wanted, "gradient inside shard_map")


# Forward-mode, and Hessian-vector products, inside.
def tangents(*operands):
    along = tuple(jnp.cos(a) for a in operands)
    _, dloss = jax.jvp(loss, operands, along)
    return jax.lax.psum(dloss, "data"), jax.jvp(lambda *a: gradient(*a)[1], operands, along)[1]


alone = jax.jit(lambda *a: (jax.jvp(loss, a, tuple(map(jnp.cos, a)))[1],
                            jax.jvp(lambda *b: gradient(*b)[1], a, tuple(map(jnp.cos, a)))[1]))
close(jax.jit(share(tangents, in_specs=given, out_specs=(whole, given)))(x, kernel, bias, scale),
      alone(x, kernel, bias, scale), "tangents inside shard_map")


# The kernel differs between the devices and the image is the same: the image's gradient is summed.
def of_kernel(x, kernels):
    y, pull = jax.vjp(lambda x, k: ops.convolve(
        x, k[0], strides=(1, 1), padding=((1, 1), (1, 1)), dilation=(1, 1), groups=2), x, kernels)
    return pull(jnp.cos(y))


kernels = np.stack([kernel, kernel[::-1]])
by_x, by_kernels = jax.jit(share(of_kernel, in_specs=(whole, split), out_specs=(whole, split)))(x, kernels)
each = [jax.jit(of_kernel)(x, k[None]) for k in kernels]
close((by_x, by_kernels), (each[0][0] + each[1][0], np.concatenate([e[1] for e in each])), "other kernels")


# Batch normalization by each device's own moments.
def normalized(x, scale, bias):
    return jnp.sum(jnp.sin(3 * ops.batch_norm(x, scale, bias, jnp.float32(1e-3))[0]))


def normalized_inside(*operands):
    value, gradients = jax.value_and_grad(normalized, (0, 1, 2))(*operands)
    return jax.lax.psum(value, "data"), gradients


got = jax.jit(share(normalized_inside, in_specs=(split, whole, whole), out_specs=(whole, (split, whole, whole))))(
    x, scale[:4], bias[:4])
halves = [jax.jit(jax.value_and_grad(normalized, (0, 1, 2)))(half, scale[:4], bias[:4]) for half in (x[:2], x[2:])]
close(got, (halves[0][0] + halves[1][0], np.concatenate([h[1][0] for h in halves]),
            halves[0][1][1] + halves[1][1][1], halves[0][1][2] + halves[1][1][2]), "batch_norm")


# XLA divides the work by itself where the arrays are spread: nothing is said in the program.
def spread(x, *rest):
    return jax.device_put(x, NamedSharding(mesh, split)), *(
        jax.device_put(a, NamedSharding(mesh, whole)) for a in rest)


close(jax.jit(gradient)(*spread(x, kernel, bias, scale)), wanted, "spread arrays")


# No device asks for what another one has, but for sums. (With groups it does: so XLA divides its own convolution.)
def apart(function, *operands):
    compiled = jax.jit(function).lower(*operands).compile()
    text = compiled.as_text()
    assert "all-reduce" in text
    for exchange in ("all-gather", "all-to-all", "collective-permute"):
        assert exchange not in text, exchange
    return compiled(*operands)


def pooled(x, matrix):
    y = ops.max_pool(x, (3, 3), (1, 1), ((1, 1), (1, 1))) * ops.sum_pool(x, (2, 2), (1, 1), ((1, 0), (0, 1)))
    return jnp.sum(jnp.sin(ops.product(y.reshape(len(x), -1)[:, :128], matrix)))


of_pooled, matrix = jax.value_and_grad(pooled, (0, 1)), draw(128, 4)
close(apart(of_pooled, *spread(x, matrix)), jax.jit(of_pooled)(x, matrix), "pools and product")


# Each way, in rounds.
from fnn.ops.cpu import costs, kernel_ways, tiles, ways


def convolved(x, kernel):
    same = ((kernel.shape[0] // 2,) * 2, (kernel.shape[1] // 2,) * 2)
    # No sum near zero, of which the rounding of its terms would be a large part.
    return jnp.sum(2 + jnp.sin(ops.convolve(x, kernel, strides=(1, 1), padding=same, dilation=(1, 1))))


def convolved_inside(*operands):
    value, gradients = jax.value_and_grad(convolved, (0, 1))(*operands)
    return jax.lax.psum(value, "data"), gradients


seconds = costs.seconds
ways.IN_CACHE = kernel_ways.IN_CACHE = 1
for way in sorted({*ways.WAYS, *kernel_ways.WAYS}):
    costs.seconds = lambda kind, other, problem: float(other != way)
    other = draw(5, 5, 4, 6) if way == "fft" else draw(3, 3, 4, 6)
    alone = jax.jit(jax.value_and_grad(convolved, (0, 1)))(x, other)
    got = jax.jit(share(convolved_inside, in_specs=(split, whole), out_specs=(whole, (split, whole))))(x, other)
    close(got, alone, way)
    if way != "fft":  # which XLA does not divide
        close(apart(jax.value_and_grad(convolved, (0, 1)), *spread(x, other)), alone, f"{way}, spread")
    if way in tiles.TILES:  # whose kernels are transformed where they lie
        features = jax.device_put(other, NamedSharding(mesh, P(None, None, None, "data")))
        placed = jax.device_put(x, NamedSharding(mesh, whole)), features
        close(apart(jax.value_and_grad(convolved, (0, 1)), *placed), alone, f"{way}, features spread")
costs.seconds = seconds
print("all agree")
'''

EXPLICIT = """
import contextlib
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import NamedSharding, PartitionSpec as P
from fnn import ops

rng = np.random.default_rng(0)
draw = lambda *shape: rng.normal(size=shape).astype(np.float32)
mesh = jax.make_mesh((2, 2), ("data", "model"), axis_types=(jax.sharding.AxisType.Explicit,) * 2)


def convolve(x, kernel):
    return ops.convolve(x, kernel, strides=(1, 1), padding=((1, 1), (1, 1)), dilation=(1, 1))


def pool(x, weights):
    y = ops.max_pool(x, (2, 2), (2, 2), ((0, 0), (0, 0))) + ops.sum_pool(x, (2, 2), (2, 2), ((0, 0), (0, 0)))
    return y * weights


def normalize(x, scale):
    return ops.batch_norm(x, scale, scale, jnp.float32(1e-3))[0]


def sums(x, weights):
    return ops.channel_sum(jnp.square(x)) / 100 * weights


images, weights = (4, 8, 8, 6), (6,)
plain = ("data", None, None, None)
# Of each operation the shapes, and how the result lies: where x is cut along the batch; where the second operand is cut
# along its features as well.
for operation, x, other, result, wide in (
    (ops.product, (4, 6, 8), (8, 10), ("data", None, None), ("data", None, "model")),
    (convolve, (4, 8, 8, 4), (3, 3, 4, 6), plain, (*plain[:3], "model")),
    (pool, images, weights, plain, (*plain[:3], "model")),
    (normalize, images, weights, plain, (*plain[:3], "model")),
    (sums, images, weights, (None,), ("model",)),
):
    given = draw(*x), draw(*other)

    def derivatives(*given):
        bent = lambda *given: jnp.sum(jnp.sin(operation(*given)))
        along = lambda *given: jax.jvp(bent, given, given)[1]
        return jax.value_and_grad(bent, (0, 1))(*given), jax.grad(along, (0, 1))(*given)

    wanted = jax.jit(derivatives)(*given)
    in_front = [None] * (len(other) - 1)
    for inside in (True, False):  # of a context that names the mesh
        for features, layout in ((None, result), ("model", wide)):
            with jax.set_mesh(mesh) if inside else contextlib.nullcontext():
                placed = [
                    jax.device_put(a, NamedSharding(mesh, spec))
                    for a, spec in zip(given, (P("data"), P(*in_front, features)))
                ]
                types = jax.typeof(jax.jit(operation)(*placed))
                assert types.sharding.spec == P(*layout), (operation, features, types)
                got = jax.jit(derivatives)(*placed)
            for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted)):
                a, b = np.asarray(a), np.asarray(b)
                assert np.abs(a - b).max() <= 2e-5 * np.abs(b).max(), (operation, features, a, b)

# A kernel that is cut along its features as the images are along the batch: the result cannot be both.
with jax.set_mesh(mesh):
    x, matrix = (jax.device_put(draw(8, 8), NamedSharding(mesh, spec)) for spec in (P("data"), P(None, "data")))
    assert jax.typeof(ops.product(x, matrix)).sharding.spec == P("data", None)
print("all agree")
"""


@pytest.mark.parametrize(("script", "devices"), [(SHARED, 2), (EXPLICIT, 4)], ids=["shared", "explicit"])
def test_several_devices(script: str, devices: int) -> None:
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    root = Path(ops.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env=environment,
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip() == "all agree"
