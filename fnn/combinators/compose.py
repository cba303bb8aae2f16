"""Layers one after another, side by side, and around: `serial`, `parallel`, `branch`, `residual`."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp

from fnn import expect
from fnn.combinators.children import apply_child, check_trees, init_child, name_children, note_output, without_empty
from fnn.layer import Identity, Layer, Params, State

Join = Literal["concatenate", "sum"] | Callable[[Sequence[Any]], Any]


def serial(*layers: Layer, **named: Layer) -> Layer:
    """Applies layers one after another.

    Args:
      *layers: layers that are named by kind and count: `conv1`, `conv2`, `dense1`.
      **named: layers after those, under names of your own.

    Example:
      >>> net = serial(conv1=Conv(6, 5), act=Relu, flat=Flatten, head=Dense(10))
      >>> params, state = net.init(key, images)
      >>> logits, state = net.apply(params, state, images, train=False)
    """
    children = name_children("serial", layers, named)

    def init(key: jax.Array, x: Any, /) -> tuple[Params, State]:
        params, state, y = {}, {}, x
        for name, layer in children.items():
            params[name], state[name], y = init_child(name, layer, key, y)
        note_output(apply, x, y)
        return without_empty(params), without_empty(state)

    def apply(
        params: Params, state: State, x: Any, /, *, train: bool, key: jax.Array | None = None
    ) -> tuple[Any, State]:
        check_trees("serial", children, params, state)
        new_state = {}
        for name, layer in children.items():
            x, new_state[name] = apply_child(name, layer, params, state, x, train=train, key=key)
        return x, without_empty(new_state)

    return Layer(init, apply, "serial")


def parallel(*layers: Layer, **named: Layer) -> Layer:
    """Applies each layer to its own input: `(x1, x2)` becomes `(y1, y2)`.

    Args:
      *layers: layers that are named by kind and count.
      **named: layers after those, under names of your own.

    Raises:
      ValueError: when initialized or applied, if `x` is no tuple or list with one entry a layer.
    """
    children = name_children("parallel", layers, named)

    def split(x: Any) -> Sequence[Any]:
        if not isinstance(x, tuple | list) or len(x) != len(children):
            raise ValueError(
                f"parallel expects a tuple of {len(children)} inputs, one for each of {list(children)}, "
                f"got {expect.describe(x)}."
            )
        return x

    return _side_by_side("parallel", children, split, lambda outputs: tuple(outputs.values()))


def branch(*layers: Layer, join: Join = "concatenate", **named: Layer) -> Layer:
    """Applies several layers to one input and joins what they give, as in an inception block.

    Args:
      *layers: layers that are named by kind and count.
      join: `"concatenate"` along the last axis, `"sum"`, or any function of the list of outputs (`tuple` keeps them
        apart).
      **named: layers after those, under names of your own.

    Raises:
      ValueError: when initialized or applied, if the outputs' shapes do not fit the join.

    Reference: Szegedy et al. 2014, arXiv 1409.4842, figure 2.
    """
    children = name_children("branch", layers, named, options=" (its own option is join=)")
    if not callable(join) and join not in ("concatenate", "sum"):
        raise ValueError(f"branch expects join='concatenate', 'sum' or a function of the outputs, got {join!r}.")

    def join_outputs(outputs: dict[str, Any]) -> Any:
        if callable(join):
            return join(list(outputs.values()))
        return _concatenate(outputs) if join == "concatenate" else _sum("branch sums", outputs)

    return _side_by_side("branch", children, lambda x: [x] * len(children), join_outputs)


def residual(body: Layer, shortcut: Layer = Identity) -> Layer:
    """Adds what a layer computes to its input: `z + g(z)` (He et al. 2015, arXiv 1512.03385, eq. 1).

    Args:
      body: `g`, whose parameters stand under `body`.
      shortcut: what takes the place of `z`, under `shortcut`: the identity, or a projection (eq. 2) where the body
        changes the shape, such as `Conv(128, 1, strides=2)`.

    Raises:
      ValueError: when initialized or applied, if the two shapes differ; nothing is broadcast.
    """
    children = name_children("residual", (), {"body": body, "shortcut": shortcut})
    hint = " Give residual a shortcut that projects, e.g. residual(body, shortcut=Conv(features, 1, strides=…))."
    return _side_by_side("residual", children, lambda x: [x, x], lambda outputs: _sum("residual adds", outputs, hint))


def _side_by_side(
    name: str,
    children: dict[str, Layer],
    split: Callable[[Any], Sequence[Any]],
    join: Callable[[dict[str, Any]], Any],
) -> Layer:
    """Applies each child to its part of `split(x)` and joins their outputs by name."""

    def init(key: jax.Array, x: Any, /) -> tuple[Params, State]:
        params, state, outputs = {}, {}, {}
        for (child, layer), part in zip(children.items(), split(x), strict=True):
            params[child], state[child], outputs[child] = init_child(child, layer, key, part)
        # Outputs that do not fit are an error already here. Not eval_shape(join, outputs): JAX sorts a dict's keys.
        y = jax.eval_shape(lambda *values: join(dict(zip(outputs, values, strict=True))), *outputs.values())
        note_output(apply, x, y)
        return without_empty(params), without_empty(state)

    def apply(
        params: Params, state: State, x: Any, /, *, train: bool, key: jax.Array | None = None
    ) -> tuple[Any, State]:
        check_trees(name, children, params, state)
        outputs, new_state = {}, {}
        for (child, layer), part in zip(children.items(), split(x), strict=True):
            outputs[child], new_state[child] = apply_child(child, layer, params, state, part, train=train, key=key)
        return join(outputs), without_empty(new_state)

    return Layer(init, apply, name)


def _concatenate(outputs: dict[str, Any]) -> jax.Array:
    arrays = list(outputs.values())
    shapes = [expect.shape_of(a) for a in arrays]
    if not all(shapes) or len({shape[:-1] for shape in shapes if shape}) > 1:
        raise ValueError(
            "branch concatenates along the last axis, so all other axes must agree, got "
            f"{expect.describe(outputs)}. Change a padding or stride, or join another way: join='sum', join=function."
        )
    return jnp.concatenate(arrays, axis=-1)


def _sum(what: str, outputs: dict[str, Any], hint: str = "") -> jax.Array:
    first, *rest = outputs.values()
    total = first
    for other in rest:
        if expect.shape_of(other) is None or expect.shape_of(other) != expect.shape_of(first):
            raise ValueError(f"{what} arrays of one shape, got {expect.describe(outputs)}.{hint}")
        total = total + other
    return total
