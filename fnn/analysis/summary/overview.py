"""`summarize`: a network traced without numbers, and what its program says about each layer."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import jax

from fnn.analysis.summary.cost import Cost, charges
from fnn.analysis.summary.flow import Known, flow
from fnn.analysis.summary.kept import kept_bytes
from fnn.analysis.summary.memory import live_bytes
from fnn.analysis.summary.pixels import receptive_field, spatial_axes, unseen
from fnn.analysis.summary.program import Program, Scope, Step, Value, read_program
from fnn.analysis.summary.reach import along
from fnn.analysis.summary.rows import ReceptiveField, Row
from fnn.analysis.summary.table import Summary
from fnn.intermediates import Passage, intermediates
from fnn.layer import Layer


def summarize(layer: Layer, x: Any, *, depth: int | None = None) -> Summary:
    """Says what each layer inside a network makes, costs and sees, without computing anything.

    The network is traced in evaluation mode; what it costs and sees is read off the program, so layers of your own
    need no table. `print(summarize(net, x))` shows it. Costs and memory are those of the whole batch: give a batch of
    one for the figures that papers publish.

    - Multiply-adds: of convolutions and matrix products, taps on padding included, as is the field's convention.
    - FLOPs: two for each multiply-add, and one for each number that other floating-point arithmetic makes (a bias, a
      normalization, a maximum; each pair that a reduction or a pool combines). Comparisons, conversions, integers,
      random numbers and moves count nothing. They are those of the definition, whatever a compiler makes of it.
    - Training memory: the arrays that JAX's reverse mode keeps between the forward and the backward pass, besides the
      parameters and the input. What a layer that is used twice keeps is told at its first turn.
    - Inference memory: the most bytes of arrays that are alive at once, the input included and parameters not, if
      elementwise operations write over what nobody reads any more.
    - Receptive field: size, stride and centre in pixels of the input, along each axis between the first and the last.
      What enlarges an image, such as a transposed convolution after a stride, is told as a window that moves evenly,
      which may be too long by less than that stride.

    Args:
      layer: any layer.
      x: its input: an array, a `jax.ShapeDtypeStruct`, or a tree of them. Only shapes and dtypes are read.
      depth: how many levels of layers within layers to show; all by default.

    Raises:
      TypeError: if `layer` is no layer, or `x` holds something that has no shape and dtype.
      ValueError: if `depth` is less than 1; whatever the layer says about an input that does not fit.
    """
    _check(layer, x, depth)
    x = jax.eval_shape(lambda x: x, x)  # NumPy's float64 is held as float32
    params, state = jax.eval_shape(lambda x: layer.init(jax.random.key(0), x), x)
    traced = _trace(layer, params, state, x)
    bill, unknown_costs = _costs(traced.program)
    alive = _most(live_bytes(traced.program, traced.inputs.values()))
    seen, unknown_fields = _fields(traced)
    kept, why_not = _kept(layer, params, state, x)

    rows = [
        Row(
            path=passage.path or layer.name,
            output=passage.y,
            parameters=passage.parameters,
            multiply_adds=bill[scope].multiply_adds,
            flops=bill[scope].flops,
            training_bytes=None if kept is None else kept[scope],
            inference_bytes=alive.get(scope, _nbytes(passage.y)),
            receptive_fields=seen(values.y),
            unseen=_unseen(traced.steps[scope], values),
        )
        for scope, passage, values in traced.passages
    ]
    total, *inside = rows
    if depth is not None:
        inside = [row for row in inside if row.path.count("/") < depth]
    notes = (
        *(f"Costs leave out {name}, for which there is no rule." for name in unknown_costs if name != "while"),
        *("Of a while loop, one turn is counted." for name in unknown_costs if name == "while"),
        *(f"What passes through {name} is taken to see everything." for name in unknown_fields),
        *([f"Training memory is unknown: {why_not}"] if why_not else []),
    )
    return Summary(tuple(inside) or (total,), total, notes)


def _check(layer: Any, x: Any, depth: Any) -> None:
    if not isinstance(layer, Layer):
        raise TypeError(f"summarize expects a Layer, got {layer!r}.")
    if depth is not None and (not isinstance(depth, int) or isinstance(depth, bool) or depth < 1):
        raise ValueError(f"summarize expects depth as an integer of at least 1, or None for all, got {depth!r}.")
    if not jax.tree.leaves(x) or not all(hasattr(a, "shape") and hasattr(a, "dtype") for a in jax.tree.leaves(x)):
        raise TypeError(
            f"summarize expects x as an array, a jax.ShapeDtypeStruct or a tree of them, got {x!r}. "
            "Write for example jax.ShapeDtypeStruct((1, 224, 224, 3), jnp.float32)."
        )


class _Turn(NamedTuple):
    """One layer's turn, as shapes and as values of the program."""

    scope: Scope
    shapes: Passage
    values: Passage


class _Traced(NamedTuple):
    program: Program
    inputs: dict[str, Value]
    """What x holds, by place."""
    passages: list[_Turn]
    """The whole network's first, then each layer's before those inside of it."""
    steps: dict[Scope, list[Step]]
    """Those of each layer."""


def _trace(layer: Layer, params: Any, state: Any, x: Any) -> _Traced:
    def forward(params: Any, state: Any, x: Any) -> list[Passage]:
        y, _, passages = intermediates(layer, params, state, x, train=False)
        return [Passage("", sum(leaf.size for leaf in jax.tree.leaves(params)), x, y), *passages]

    closed, shapes = jax.make_jaxpr(forward, return_shape=True)(params, state, x)
    program = read_program(closed)
    values = jax.tree.unflatten(jax.tree.structure(shapes), program.outputs)
    turns = [
        _Turn(tuple(shape.path.split("/")) if shape.path else (), shape, value)
        for shape, value in zip(shapes, values, strict=True)
    ]
    ends = {turn.scope: number for number, turn in enumerate(turns)}
    # Layers beside each other end in the order in which they ran.
    turns.sort(key=lambda turn: [ends[turn.scope[: i + 1]] for i in range(len(turn.scope))])
    program = program._replace(outputs=tuple(jax.tree.leaves(values[0].y)))
    steps: dict[Scope, list[Step]] = defaultdict(list)
    for step in program.steps:
        for scope in _around(step.scope):
            steps[scope].append(step)
    return _Traced(program, _named(values[0].x), turns, steps)


def _around(scope: Scope) -> Iterator[Scope]:
    """The layers that a step belongs to, the whole network first."""
    return (scope[:i] for i in range(len(scope) + 1))


def _named(tree: Any) -> dict[str, Any]:
    """The leaves of a tree by their places in it; one leaf alone is called ""."""
    leaves = jax.tree.leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}


def _nbytes(tree: Any) -> int:
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def _costs(program: Program) -> tuple[dict[Scope, Cost], list[str]]:
    bill: dict[Scope, Cost] = defaultdict(Cost)
    unknown = set()
    for charge in charges(program.steps):
        unknown.add(charge.unknown)
        for scope in _around(charge.scope):
            sums = bill[scope]
            bill[scope] = Cost(sums.multiply_adds + charge.cost.multiply_adds, sums.flops + charge.cost.flops)
    return bill, sorted(unknown - {""})


def _most(entries: Iterable[tuple[Scope, int]]) -> dict[Scope, int]:
    most: dict[Scope, int] = {}
    for inside, nbytes in entries:
        for scope in _around(inside):
            most[scope] = max(nbytes, most.get(scope, 0))
    return most


def _fields(traced: _Traced) -> tuple[Callable[[Any], tuple[ReceptiveField, ...]], list[str]]:
    """Returns what says the receptive fields of some values of the program, and which primitives have no rule."""
    known: dict[str, list[Known]] = {}
    unknown: set[str] = set()
    for name, value in traced.inputs.items():
        known[name] = [{value: along(axis, value.shape)} for axis in spatial_axes(value.shape)]
        for axis in known[name]:
            unknown |= flow(traced.program.steps, axis)

    def seen(values: Any) -> tuple[ReceptiveField, ...]:
        fields = (
            receptive_field([axis.get(value) for axis in axes], value.shape, name, place)
            for place, value in _named(values).items()
            for name, axes in known.items()
        )
        return tuple(field for field in fields if field is not None)

    return seen, sorted(unknown)


def _unseen(steps: Sequence[Step], values: Passage) -> tuple[int, ...]:
    """What of one array no part of one other array that is made of it sees; nothing where there are several."""
    given, made = jax.tree.leaves(values.x), jax.tree.leaves(values.y)
    if len(given) != 1 or len(made) != 1:
        return ()
    counts = []
    for axis in spatial_axes(given[0].shape):
        known = {given[0]: along(axis, given[0].shape)}
        flow(steps, known)
        counts.append(unseen(known.get(made[0]), made[0].shape))
    return tuple(counts)


def _kept(layer: Layer, params: Any, state: Any, x: Any) -> tuple[dict[Scope, int] | None, str]:
    """How many bytes each layer makes that the gradient of the parameters needs, or why that is not known."""

    def forward(params: Any, state: Any, x: Any, key: jax.Array) -> Any:
        return layer.apply(params, state, x, train=True, key=key)[0]

    kept: dict[Scope, int] = defaultdict(int)
    try:
        closed = jax.make_jaxpr(forward)(params, state, x, jax.eval_shape(jax.random.key, 0))
        learnt, given = (len(jax.tree.leaves(tree)) for tree in (params, (params, state)))
        invars = closed.jaxpr.invars
        for inside, nbytes in kept_bytes(closed, invars[:learnt], invars[given:], closed.jaxpr.outvars):
            for scope in _around(inside):
                kept[scope] += nbytes
    except (NotImplementedError, TypeError, ValueError) as error:
        return None, str(error).partition("\n")[0]
    return kept, ""
