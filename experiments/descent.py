"""Gradient descent on toy problems: every step on all data, all steps in one program."""

from collections.abc import Callable
from typing import Any, cast

import jax
import optax
from jax import lax

from fnn.layer import Params


def descend(
    loss: Callable[[Params], jax.Array], params: Params, optimizer: optax.GradientTransformation, steps: int
) -> tuple[Params, jax.Array]:
    """Descends on a loss. `jit` it; `vmap` what calls it to train many networks at once.

    Args:
      loss: `params -> ()`.
      params: where it begins.
      optimizer: any optax optimizer.
      steps: how many.

    Returns:
      The last parameters, and the loss before each step, `(steps,)`.
    """

    def step(carry: tuple[Params, Any], _: None) -> tuple[tuple[Params, Any], jax.Array]:
        params, opt_state = carry
        value, gradient = jax.value_and_grad(loss)(params)
        updates, opt_state = optimizer.update(gradient, opt_state, params)
        return (cast(Params, optax.apply_updates(params, updates)), opt_state), value

    (params, _), curve = lax.scan(step, (params, optimizer.init(params)), length=steps)
    return params, curve
