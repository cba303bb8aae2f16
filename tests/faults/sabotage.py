"""Ways to leave something out of a checkpoint that a resumed run needs: each must make the kills fail."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fnn.train.course import Course

_resume = Course.resume


def _without(change: Callable[[Any, int], tuple[Any, int]]) -> Callable[[], None]:
    """Makes what breaks `Course.resume`, in this process, by changing the tree and the step that it gets."""

    def break_it() -> None:
        def resume(self: Course, tree: Any, step: int, told: Any) -> None:
            tree, step = change(tree, step)
            _resume(self, tree, step, told)

        Course.resume = resume

    return break_it


def _key(tree: Any, step: int) -> tuple[Any, int]:
    return tree | {"train_state": tree["train_state"]._replace(key=jax.random.key(99))}, step


def _count(tree: Any, step: int) -> tuple[Any, int]:
    def reset(leaf: Any) -> Any:
        return jnp.zeros_like(leaf) if jnp.issubdtype(leaf.dtype, jnp.integer) else leaf

    train_state = tree["train_state"]
    return tree | {"train_state": train_state._replace(opt_state=jax.tree.map(reset, train_state.opt_state))}, step


def _moments(tree: Any, step: int) -> tuple[Any, int]:
    train_state = tree["train_state"]
    state = jax.tree.map(jnp.zeros_like, train_state.state)
    return tree | {"train_state": train_state._replace(state=state)}, step


def _position(tree: Any, step: int) -> tuple[Any, int]:
    return tree, max(step - 1, 0)


def _measured(tree: Any, step: int) -> tuple[Any, int]:
    return tree | {"measured": np.zeros_like(tree["measured"])}, step


SABOTAGES = {
    "key": _without(_key),
    "optimizer's count": _without(_count),
    "running moments": _without(_moments),
    "data position": _without(_position),
    "epoch's measurements": _without(_measured),
}
