"""A circuit in words: as a table, and as what JSON can hold."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fnn.analysis.circuit.elements import Elements, Value


def format_number(number: complex | bool) -> str:
    """Writes a number with four significant digits, integers with all."""
    return str(number) if isinstance(number, int) else f"{number:.4g}"


def moments(array: np.ndarray) -> tuple[complex, float, float]:
    """Returns the mean, the standard deviation and the Euclidean norm of an array's entries, in double precision."""
    wide = array.astype(np.complex128 if np.iscomplexobj(array) else np.float64)
    if not wide.size:
        return math.nan, math.nan, 0.0
    with np.errstate(all="ignore"):
        return wide.mean().item(), float(wide.std()), float(np.sqrt(np.sum(np.square(np.abs(wide)))))


def describe(array: np.ndarray | None) -> str:
    """Writes a number, or the mean, spread and norm of an array; `"–"` where there is none."""
    if array is None:
        return "–"
    if array.ndim == 0:
        return format_number(array.item())
    mean, spread, norm = map(format_number, moments(array))
    return f"{mean} ± {spread} ‖{norm}‖"


def describe_shape(array: np.ndarray) -> str:
    """Writes the shape of an array; nothing for a number."""
    return str(array.shape).replace(",)", ")") if array.ndim else ""


def to_text(elements: Elements) -> str:
    """Writes a table with one row a value, and one for each wire where a value goes several ways.

    An array is shown by its shape, mean ± standard deviation and ‖Euclidean norm‖.
    """
    wires: dict[tuple[int, int], list[tuple[str, str]]] = {}
    for edge in elements.edges:
        target = elements.nodes[edge.target]
        wires.setdefault((edge.source, edge.output), []).append((target.outputs[0].name, describe(edge.gradient)))
    rows = [("value", "is", "shape", "forward", "gradient")]
    for place, node in enumerate(elements.nodes):
        rows += [_row(value, "  parameter") for value in node.parameters]
        for output, value in enumerate(node.outputs):
            rows.append(_row(value, node.formula or node.kind))
            ways = wires.get((place, output), [])
            if len(ways) > 1 and value.gradient is not None:
                rows += [("", f"  from {name}", "", "", gradient) for name, gradient in ways]
    if not any(row[2] for row in rows[1:]):
        rows = [(row[0], row[1], *row[3:]) for row in rows]
    return _align(rows, right=2)


def _row(value: Value, formula: str) -> tuple[str, ...]:
    return value.name, formula, describe_shape(value.array), describe(value.array), describe(value.gradient)


def _align(rows: Sequence[Sequence[str]], right: int) -> str:
    """Lines columns up, the last `right` of them at their right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    left = len(widths) - right

    def line(row: Sequence[str]) -> str:
        padded = [cell.ljust(width) for cell, width in zip(row[:left], widths[:left], strict=True)]
        return "  ".join(padded + [cell.rjust(width) for cell, width in zip(row[left:], widths[left:], strict=True)])

    return "\n".join(line(row).rstrip() for row in rows)


def to_dict(elements: Elements) -> dict[str, Any]:
    """Returns nodes and wires as what JSON can hold: numbers as they are, arrays as their shape and moments.

    What is not finite is written as a string, for which JSON has no number.
    """
    nodes = [
        {
            "kind": node.kind,
            "title": node.title,
            "formula": node.formula,
            "outputs": [_value(value) for value in node.outputs],
            "parameters": [_value(value) for value in node.parameters],
        }
        for node in elements.nodes
    ]
    edges = [
        {"from": edge.source, "output": edge.output, "to": edge.target, "gradient": _array(edge.gradient)}
        for edge in elements.edges
    ]
    return {"nodes": nodes, "edges": edges}


def _value(value: Value) -> dict[str, Any]:
    return {
        "name": value.name,
        "shape": list(value.array.shape),
        "dtype": str(value.array.dtype),
        "forward": _array(value.array),
        "gradient": _array(value.gradient),
    }


def _array(array: np.ndarray | None) -> Any:
    if array is None:
        return None
    if array.ndim == 0:
        return _number(array.item())
    mean, spread, norm = moments(array)
    return {"mean": _number(mean), "spread": _number(spread), "norm": _number(norm)}


def _number(number: complex) -> float | str:
    return str(number) if isinstance(number, complex) or not math.isfinite(number) else number
