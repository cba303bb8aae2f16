"""What the JAX libraries but fnn share: one compiled step over `(params, state)`, with the old state donated."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from benchmarks.peers.interface import Running, Task

Forward = Callable[[Any, Any, jax.Array, bool], tuple[jax.Array, Any]]
"""`(params, state, images, train) -> (logits, state)`."""


def run(
    task: Task, forward: Forward, params: Any, state: Any, init: Callable[[], Any], *, channels_last: bool = True
) -> Running:
    """Compiles training step and inference of a network that is a pure function.

    Args:
      task: what is computed.
      forward: the network.
      params: initial parameters, which `run` may overwrite.
      state: initial running moments, likewise.
      init: what `Running.init` does.
      channels_last: False if the network takes `(batch, channels, height, width)`.
    """
    optimizer = optax.sgd(task.learning_rate, task.momentum)
    images = jnp.asarray(task.images if channels_last else jnp.moveaxis(task.images, -1, 1))
    labels = jnp.asarray(task.labels)

    def step(train_state: Any, images: jax.Array, labels: jax.Array) -> tuple[Any, jax.Array]:
        params, state, opt_state = train_state

        def mean_loss(params: Any) -> tuple[jax.Array, Any]:
            logits, new_state = forward(params, state, images, True)
            return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean(), new_state

        (loss, state), gradient = jax.value_and_grad(mean_loss, has_aux=True)(params)
        updates, opt_state = optimizer.update(gradient, opt_state)
        return (optax.apply_updates(params, updates), state, opt_state), loss

    def infer(params: Any, state: Any, images: jax.Array) -> jax.Array:
        return forward(params, state, images, False)[0]

    # Copied because the step donates it: what is loaded may share buffers.
    train_state = jax.tree.map(lambda leaf: jnp.array(leaf, copy=True), (params, state, optimizer.init(params)))
    return running(jax.jit(step, donate_argnums=0), jax.jit(infer), train_state, (images, labels), init)


def running(
    step: Callable[..., Any], infer: Callable[..., Any], train_state: Any, batch: Any, init: Callable[[], Any]
) -> Running:
    """Wraps compiled functions, whose train state is a tuple that begins with `params, state`.

    Args:
      step: `(train_state, *batch) -> (train_state, loss)`, compiled.
      infer: `(params, state, images) -> logits`, compiled.
      train_state: where the first step starts.
      batch: images and labels, on the device.
      init: what `Running.init` does.
    """

    def next_step() -> jax.Array:
        nonlocal train_state
        train_state, loss = jax.block_until_ready(step(train_state, *batch))
        return loss

    return Running(
        next_step,
        lambda: jax.block_until_ready(infer(train_state[0], train_state[1], batch[0])),
        lambda: jax.block_until_ready(init()),
        jax.clear_caches,
    )
