"""Taking over what another network has learnt: parts of trees by name, initial values, an optimizer for each part.

A part is named by a pattern of paths such as `"features/conv1/kernel"`: it stands for every entry whose path, or the
beginning of whose path, it matches. `"features"` is all below `features`; `*` stands for anything, slashes included,
so that `"*/norm?"` is every layer called `norm1`, `norm2`, … at any depth.

    pretrained = fnn.interop.torch.load(fnn.models.resnet(50), "resnet50.safetensors")
    net = fnn.models.resnet(50, classes=10)                                   # another head
    net = starting_from(net, *pretrained, parts=["features"])                 # features taken over, the head fresh
    optimizer = by_part({"features/conv1": optax.set_to_zero(), "features": optax.sgd(1e-4), "head": optax.sgd(1e-2)})

That freezes the first convolution, and moves the other features slowly. Where BatchNorm shall keep its moments too,
compose the network of `fnn.evaluating(fnn.models.resnet_features(50))`.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import optax

from fnn.layer import Layer, Params, State

Tree = TypeVar("Tree")


def matching(tree: Tree, *parts: str) -> Tree:
    """Says of each entry of a tree whether it belongs to one of the parts: a mask, as `optax.masked` takes it.

    Args:
      tree: nested dicts, such as parameters; in a tuple of several, each has its own paths.
      *parts: patterns.

    Raises:
      ValueError: if a pattern names nothing.
    """
    paths = [_path(path) for path, _ in jax.tree.leaves_with_path(tree)]
    _check_named(parts, paths)
    return jax.tree.map_with_path(lambda path, _: any(_is_in(_path(path), part) for part in parts), tree)


def take(tree: Tree, source: Tree, *parts: str) -> Tree:
    """Returns `tree` with the entries of some parts replaced by those of `source`.

    Args:
      tree: parameters, state, or a tuple of both.
      source: what is taken from; it may be another network's, as long as the parts agree.
      *parts: patterns; all of it if none is given.

    Raises:
      ValueError: if a pattern names nothing, or the parts differ in names or shapes; every difference is listed.
    """
    chosen = parts or ("*",)
    wanted, found = _entries(tree, chosen), _entries(source, chosen)
    _check_named(chosen, [_path(path) for path in (*wanted, *found)])
    missing = [path for path in wanted if path not in found]
    left_over = [path for path in found if path not in wanted]
    misshapen = [path for path in wanted if path in found and jnp.shape(found[path]) != jnp.shape(wanted[path])]
    faults = [f"missing {_path(path)}" for path in missing]
    faults += [f"left over {_path(path)}" for path in left_over]
    faults += [f"{_path(p)} of shape {jnp.shape(found[p])} for {jnp.shape(wanted[p])}" for p in misshapen]
    if faults:
        raise ValueError(
            f"the parts {list(chosen)} of the two trees differ: {'; '.join(faults)}. They are another "
            "network's, or its head has other outputs: name the parts that agree."
        )
    return jax.tree.map_with_path(
        lambda path, leaf: jnp.asarray(found[path], leaf.dtype) if path in found else leaf, tree
    )


def starting_from(layer: Layer, params: Params, state: State, *, parts: Sequence[str] = ()) -> Layer:
    """Gives a layer initial values that somebody learnt.

    Args:
      layer: what is to start there; it is the same layer in all else.
      params: the parameters to start from.
      state: the state to start from.
      parts: patterns of what is taken over; the rest starts as it would. All of it if empty.

    Raises:
      ValueError: when initialized, as `take`.
    """

    def init(key: jax.Array, x: Any, /) -> tuple[Params, State]:
        return take(layer.init(key, x), (params, state), *parts)

    return layer._replace(init=init)


def by_part(
    optimizers: Mapping[str, optax.GradientTransformation], rest: optax.GradientTransformation | None = None
) -> optax.GradientTransformationExtraArgs:
    """Optimizes each part in its own way; `optax.set_to_zero()` freezes a part.

    Args:
      optimizers: by pattern; of several patterns that match an entry, the first counts.
      rest: optimizes what no pattern matches.

    Raises:
      ValueError: when initialized, if a pattern names nothing, or nothing optimizes an entry.
    """
    ways: dict[Hashable, optax.GradientTransformation] = {**optimizers, **({} if rest is None else {"": rest})}

    def label(params: Any) -> Any:
        paths = [_path(path) for path, _ in jax.tree.leaves_with_path(params)]
        _check_named(optimizers, paths)
        left = [path for path in paths if not any(_is_in(path, part) for part in optimizers)]
        if left and rest is None:
            raise ValueError(f"by_part has no optimizer for {left}: add a pattern, or rest=.")

        def first(path: Any, _: Any) -> str:
            return next((part for part in optimizers if _is_in(_path(path), part)), "")

        return jax.tree.map_with_path(first, params)

    return optax.partition(ways, label)


def _path(path: Any) -> str:
    """The names on the way to an entry; places in a tuple are none."""
    return "/".join(str(entry.key) for entry in path if isinstance(entry, jax.tree_util.DictKey))


def _is_in(path: str, part: str) -> bool:
    return fnmatchcase(path, part) or fnmatchcase(path, f"{part}/*")


def _entries(tree: Any, parts: Iterable[str]) -> dict[Any, Any]:
    return {p: leaf for p, leaf in jax.tree.leaves_with_path(tree) if any(_is_in(_path(p), part) for part in parts)}


def _check_named(parts: Iterable[str], paths: Sequence[str]) -> None:
    for part in parts:
        if not any(_is_in(path, part) for path in paths):
            tops = sorted({"/".join(path.split("/")[:2]) for path in paths})
            raise ValueError(f"no entry is in the part {part!r}; there are {', '.join(tops) or 'none'}.")
