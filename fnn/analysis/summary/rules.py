"""What an array sees that one step makes: one rule for each primitive that moves numbers."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from fnn.analysis.summary.primitives import CUMULATIVE, ELEMENTWISE, REDUCTIONS, SCATTERS, WINDOWS
from fnn.analysis.summary.program import Step, Value
from fnn.analysis.summary.reach import Reach, arrange, fold, join, lose, scatter, slide, stack
from fnn.analysis.summary.reshape import reshape

Reaches = Sequence[Reach | None]
"""What each operand or result sees; None if nothing."""


def anything(step: Step, reaches: Reaches) -> Reaches:
    """The rule of what has none: each result sees all that all operands see."""
    return [blur(step.inputs, reaches, output) for output in step.outputs]


def blur(inputs: Sequence[Value], reaches: Reaches, output: Value) -> Reach | None:
    """What an array sees that was made of several in an unknown way."""
    rank = len(output.shape)
    lost = [
        None if reach is None else lose(reach, value.shape, rank) for value, reach in zip(inputs, reaches, strict=True)
    ]
    return join(lost, output.shape)


# One number of the result for one place of the operands.


def _elementwise(step: Step, reaches: Reaches) -> Reaches:
    (output,) = step.outputs
    fitting = [
        reach if reach is None or value.shape == output.shape else lose(reach, value.shape, len(output.shape))
        for value, reach in zip(step.inputs, reaches, strict=True)
    ]
    return [join(fitting, output.shape)]


def _one_by_one(step: Step, reaches: Reaches) -> Reaches:
    del step
    return reaches


# Other axes, the same numbers.


def _only(reaches: Reaches) -> Reach:
    """The reach of the first operand, the only one that depends on the input."""
    (reach,) = (reach for reach in reaches if reach is not None)
    return reach


def _broadcast(step: Step, reaches: Reaches) -> Reaches:
    (value, *_), (output,) = step.inputs, step.outputs
    axes: list[int | None] = [None] * len(output.shape)
    for axis, place in enumerate(step.params["broadcast_dimensions"]):
        axes[place] = axis if value.shape[axis] == output.shape[place] else None
    return [arrange(_only(reaches), axes)]


def _squeeze(step: Step, reaches: Reaches) -> Reaches:
    gone = step.params["dimensions"]
    return [arrange(_only(reaches), [axis for axis in range(len(step.inputs[0].shape)) if axis not in gone])]


def _expand(step: Step, reaches: Reaches) -> Reaches:
    new, old = step.params["dimensions"], iter(range(len(step.inputs[0].shape)))
    return [arrange(_only(reaches), [None if axis in new else next(old) for axis in range(len(step.outputs[0].shape))])]


def _transpose(step: Step, reaches: Reaches) -> Reaches:
    return [arrange(_only(reaches), step.params["permutation"])]


def _reshape(step: Step, reaches: Reaches) -> Reaches:
    return [reshape(_only(reaches), step.inputs[0].shape, step.outputs[0].shape)]


def _reverse(step: Step, reaches: Reaches) -> Reaches:
    reach = _only(reaches)
    for axis in step.params["dimensions"]:
        last = step.inputs[0].shape[axis] - 1
        reach = slide(reach, axis, last, last, -1)
    return [reach]


def _slice(step: Step, reaches: Reaches) -> Reaches:
    reach = _only(reaches)
    steps = step.params["strides"] or (1,) * len(step.inputs[0].shape)
    for axis, (start, stride) in enumerate(zip(step.params["start_indices"], steps, strict=True)):
        reach = slide(reach, axis, start, start, stride)
    return [reach]


def _split(step: Step, reaches: Reaches) -> Reaches:
    axis, start, results = step.params["axis"], 0, []
    for size in step.params["sizes"]:
        results.append(slide(_only(reaches), axis, start, start, 1))
        start += size
    return results


def _pad(step: Step, reaches: Reaches) -> Reaches:
    image, filling = reaches
    if image is not None:
        for axis, (low, _, interior) in enumerate(step.params["padding_config"]):
            offset = Fraction(-low, interior + 1)
            image = slide(image, axis, offset, offset, Fraction(1, interior + 1))
    (output,) = step.outputs
    return [join([image, filling and lose(filling, (), len(output.shape))], output.shape)]


def _concatenate(step: Step, reaches: Reaches) -> Reaches:
    axis, start, moved = step.params["dimension"], 0, []
    for value, reach in zip(step.inputs, reaches, strict=True):
        moved.append(reach and slide(reach, axis, -start, -start, 1))
        start += value.shape[axis]
    return [join(moved, step.outputs[0].shape)]


def _stack(step: Step, reaches: Reaches) -> Reaches:
    return [stack(reaches, step.outputs[0].shape, step.params["axis"])]


def _unstack(step: Step, reaches: Reaches) -> Reaches:
    axis, reach = step.params["axis"], _only(reaches)
    rest = [i for i in range(len(reach.strides)) if i != axis]
    return [arrange(slide(reach, axis, i, i, 1), rest) for i in range(len(step.outputs))]


def _tile(step: Step, reaches: Reaches) -> Reaches:
    repeated = [axis for axis, times in enumerate(step.params["reps"]) if times > 1]
    return [scatter(_only(reaches), step.inputs[0].shape, repeated)]


# Numbers from places that are known only when the program runs.


def _dynamic_slice(step: Step, reaches: Reaches) -> Reaches:
    value, *starts = step.inputs
    (output,) = step.outputs
    reach = reaches[0]
    if reach is not None:
        for axis, start in enumerate(starts):
            room = value.shape[axis] - output.shape[axis]
            if start.number is not None:
                first = min(max(int(start.number), 0), room)
                reach = slide(reach, axis, first, first, 1)
            elif room:
                reach = scatter(reach, value.shape, [axis])
    return [join([reach, blur(starts, reaches[1:], output)], output.shape)]


def _gather(step: Step, reaches: Reaches) -> Reaches:
    value, indices = step.inputs
    (output,) = step.outputs
    numbers, sizes = step.params["dimension_numbers"], step.params["slice_sizes"]
    dropped = {*numbers.collapsed_slice_dims, *getattr(numbers, "operand_batching_dims", ())}
    kept = [axis for axis in range(len(value.shape)) if axis not in dropped]
    reach = reaches[0]
    if reach is not None:
        chosen = [axis for axis in range(len(value.shape)) if sizes[axis] != value.shape[axis]]
        moving = any(reach.strides[axis] or reach.spread[axis] for axis in chosen)
        axes: list[int | None] = [None] * len(output.shape)
        for place, axis in zip(numbers.offset_dims, kept, strict=True):
            axes[place] = axis
        reach = arrange(fold(reach, value.shape, chosen), axes)
        if moving:
            reach = reach._replace(
                spread=tuple(
                    spread or axis is None or axis in chosen for spread, axis in zip(reach.spread, axes, strict=True)
                )
            )
    return [join([reach, blur([indices], reaches[1:], output)], output.shape)]


def _replaced_in_part(step: Step, reaches: Reaches) -> Reaches:
    (output,) = step.outputs
    return [join([reaches[0], blur(step.inputs[1:], reaches[1:], output)], output.shape)]


def _in_some_order(axis: str, step: Step, reaches: Reaches) -> Reaches:
    """Every operand is reordered along one axis, by all of them."""
    along = [step.params[axis]]
    shape = step.outputs[0].shape
    moved = [reach and scatter(reach, value.shape, along) for value, reach in zip(step.inputs, reaches, strict=True)]
    return [join(moved, shape)] * len(step.outputs)


# Sums over axes, windows and products.


def _reduce(step: Step, reaches: Reaches) -> Reaches:
    axes, shape = step.params["axes"], step.inputs[0].shape
    reach = fold(_only(reaches), shape, axes)
    return [arrange(reach, [axis for axis in range(len(shape)) if axis not in axes])]


def _cumulate(step: Step, reaches: Reaches) -> Reaches:
    return [scatter(_only(reaches), step.inputs[0].shape, [step.params["axis"]])]


def _fourier(step: Step, reaches: Reaches) -> Reaches:
    shape = step.inputs[0].shape
    return [fold(_only(reaches), shape, range(len(shape) - len(step.params["fft_lengths"]), len(shape)))]


def _window(reach: Reach, axis: int, window: int, stride: int, low: int, dilation: int, between: int) -> Reach:
    """Slides a window over an axis that was padded by `low`, with `between − 1` zeros put after each pixel before."""
    first, last = Fraction(-low, between), Fraction((window - 1) * dilation - low, between)
    return slide(reach, axis, first, last, Fraction(stride, between))


def _reduce_window(step: Step, reaches: Reaches) -> Reaches:
    params = step.params
    axes = zip(
        params["window_dimensions"],
        params["window_strides"],
        params["padding"],
        params["window_dilation"],
        params["base_dilation"],
        strict=True,
    )
    for axis, (window, stride, (low, _), dilation, between) in enumerate(axes):
        reaches = [reach and _window(reach, axis, window, stride, low, dilation, between) for reach in reaches]
    windows = reaches[: len(step.outputs)]  # the other operands are initial values
    return [join(windows, step.outputs[0].shape)] * len(step.outputs)


def _convolve(step: Step, reaches: Reaches) -> Reaches:
    image, kernel = reaches
    params, numbers, (output,) = step.params, step.params["dimension_numbers"], step.outputs
    sources = dict(zip(numbers.out_spec, numbers.lhs_spec, strict=True))  # batch, features, and spatial axes
    sizes = [step.inputs[1].shape[axis] for axis in numbers.rhs_spec[2:]]
    if image is not None:
        batch, channels, *axes = numbers.lhs_spec
        for axis, window, stride, (low, _), dilation, between in zip(
            axes,
            sizes,
            params["window_strides"],
            params["padding"],
            params["rhs_dilation"],
            params["lhs_dilation"],
            strict=True,
        ):
            image = _window(image, axis, window, stride, low, dilation, between)
        # Groups would see fewer channels. What moves along channels is folded all the same: one pixel has all of them.
        image = fold(image, step.inputs[0].shape, [channels, *([batch] if params["batch_group_count"] > 1 else [])])
        image = arrange(image, [sources[axis] for axis in range(len(output.shape))])
    return [join([image, blur([step.inputs[1]], [kernel], output)], output.shape)]


def _multiply(step: Step, reaches: Reaches) -> Reaches:
    (contracted, shared), (output,) = step.params["dimension_numbers"], step.outputs
    free = [
        [axis for axis in range(len(value.shape)) if axis not in (*contracted[side], *shared[side])]
        for side, value in enumerate(step.inputs)
    ]
    results = []
    for side, (value, reach) in enumerate(zip(step.inputs, reaches, strict=True)):
        if reach is not None:
            before, after = (0, len(free[1])) if side == 0 else (len(free[0]), 0)
            axes = [*shared[side], *[None] * before, *free[side], *[None] * after]
            results.append(arrange(fold(reach, value.shape, contracted[side]), axes))
    return [join(results, output.shape)]


RULES: Mapping[str, Callable[[Step, Any], Reaches]] = {
    **dict.fromkeys(ELEMENTWISE, _elementwise),
    **dict.fromkeys(REDUCTIONS, _reduce),
    **dict.fromkeys(WINDOWS, _reduce_window),
    **dict.fromkeys(CUMULATIVE, _cumulate),
    **dict.fromkeys(SCATTERS, _replaced_in_part),
    "optimization_barrier": _one_by_one,
    "broadcast_in_dim": _broadcast,
    "squeeze": _squeeze,
    "expand_dims": _expand,
    "transpose": _transpose,
    "reshape": _reshape,
    "rev": _reverse,
    "slice": _slice,
    "split": _split,
    "pad": _pad,
    "concatenate": _concatenate,
    "stack": _stack,
    "unstack": _unstack,
    "tile": _tile,
    "dynamic_slice": _dynamic_slice,
    "gather": _gather,
    "dynamic_update_slice": _replaced_in_part,
    "sort": lambda step, reaches: _in_some_order("dimension", step, reaches),
    "fft": _fourier,
    "conv_general_dilated": _convolve,
    "dot_general": _multiply,
}
"""From a step and what its operands see to what its results see."""
