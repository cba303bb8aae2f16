"""Many blocks of one shape with stacked parameters."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from fnn import expect
from fnn.combinators.children import check_is_layer
from fnn.intermediates import passing, watched
from fnn.layer import Layer, Params, State


def repeat(block: Layer, times: int, *, unroll: bool = False) -> Layer:
    """Applies `times` blocks of one shape one after another, each with parameters and state of its own.

    The parameters are the block's with a leading axis of length `times`. As a scan the block is traced and compiled
    once, whatever its number; unrolled, the compiler sees every block.

    Args:
      block: a layer whose output has the shape and dtype of its input.
      times: how many, at least 1.
      unroll: whether to write the blocks out instead of scanning over them.

    Raises:
      ValueError: if `times` is no integer of at least 1; when initialized or applied, if the block changes the shape
        or dtype of its input, or the parameters are not stacked `times` high.
    """
    check_is_layer("repeat", "its block", block)
    if not isinstance(times, int) or isinstance(times, bool) or times < 1:
        raise ValueError(f"repeat expects times as an integer of at least 1, got {times!r}.")

    def init(key: jax.Array, x: Any, /) -> tuple[Params, State]:
        keys = jax.vmap(partial(jax.random.fold_in, key))(jnp.arange(times))
        params, state = jax.vmap(lambda key: block.init(key, x))(keys)

        def one_block(key: jax.Array, x: Any) -> Any:
            return block.apply(*block.init(key, x), x, train=False)[0]

        _check_keeps_shape(jax.eval_shape(one_block, key, x), x)
        return params, state

    def step(params: Params, state: State, x: Any, i: Any, train: bool, key: jax.Array | None) -> tuple[Any, State]:
        own = None if key is None else jax.random.fold_in(key, i)
        y, state = block.apply(params, state, x, train=train, key=own)
        _check_keeps_shape(y, x)
        return y, state

    def apply(
        params: Params, state: State, x: Any, /, *, train: bool, key: jax.Array | None = None
    ) -> tuple[Any, State]:
        for leaf in jax.tree.leaves((params, state)):
            if jnp.shape(leaf)[:1] != (times,):
                raise ValueError(
                    f"repeat expects parameters and state stacked {times} high, got an array of shape "
                    f"{jnp.shape(leaf)}. Pass what this network's own init made."
                )
        if unroll or watched():
            states = []
            for i in range(times):
                block_params, block_state = jax.tree.map(lambda leaf, i=i: leaf[i], (params, state))
                with passing(str(i), block_params) as (enter, leave):
                    y, block_state = step(block_params, block_state, enter(x), i, train, key)
                    x = leave(y)
                states.append(block_state)
            return x, jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)

        def scanned(x: Any, block: tuple[Params, State, jax.Array]) -> tuple[Any, State]:
            return step(block[0], block[1], x, block[2], train, key)

        return lax.scan(scanned, x, (params, state, jnp.arange(times)))

    return Layer(init, apply, block.name)


def _check_keeps_shape(y: Any, x: Any) -> None:
    expect.same_shape(y, x, "repeat feeds each block what the one before it gave, so a block must keep its shape:")
