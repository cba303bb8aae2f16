"""Dropout: units left out at random during training."""

from typing import Any

import jax
import jax.numpy as jnp

from fnn import expect, ops
from fnn.layer import Layer, Params, State
from fnn.layers import arguments


def Dropout(rate: float = 0.5) -> Layer:
    """Sets each number to zero with probability `rate` in training, and divides the others by `1 − rate`.

    The expectation stays what it is, so evaluation gives back the input (inverted dropout; the original halves the
    weights at test time instead, which is the same in expectation). In training it needs a key.

    Args:
      rate: the fraction that is dropped, in [0, 1). (In stax and in early TensorFlow it is the fraction kept.)

    Raises:
      ValueError: if `rate` is out of range; when applied in training without a key.

    Reference: Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting", section 10.
    """
    rate = arguments.fraction(rate, "Dropout", "rate")

    def init(key: jax.Array, x: Any, /) -> tuple[Params, State]:
        del key
        expect.array(x, "Dropout")
        return {}, {}

    def apply(
        params: Params, state: State, x: Any, /, *, train: bool, key: jax.Array | None = None
    ) -> tuple[jax.Array, State]:
        expect.entries(params, "Dropout")
        expect.entries(state, "Dropout", "state")
        x = jnp.asarray(expect.array(x, "Dropout"))
        if not train or rate == 0:
            return x, state
        if key is None:
            raise ValueError(
                "Dropout needs a key when train=True: pass apply(…, train=True, key=jax.random.key(seed))."
            )
        kept = jax.random.bernoulli(key, 1 - rate, x.shape, out_sharding=ops.explicit_layout(x))
        return jnp.where(kept, x / (1 - rate), jnp.zeros_like(x)), state

    return Layer(init, apply, "dropout")
