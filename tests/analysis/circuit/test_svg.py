"""Every drawing is legible: nothing overlaps, nothing is cut off, no wire runs through a box or through words."""

import itertools
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.ad_checkpoint import checkpoint_name

import fnn

SVG = "{http://www.w3.org/2000/svg}"
LETTER = 6.63  # pixels: a letter of DejaVu Sans Mono at 11 pixels is 0.602 times as wide as high


class Rectangle(NamedTuple):
    what: str
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "Rectangle") -> bool:
        return (
            self.left < other.right - 0.5
            and other.left < self.right - 0.5
            and self.top < other.bottom - 0.5
            and other.top < self.bottom - 0.5
        )


class Drawing(NamedTuple):
    width: float
    height: float
    boxes: list[Rectangle]
    words: list[Rectangle]
    wires: list[list[tuple[float, float]]]
    """Points along each."""
    heads: list[tuple[float, float]]
    """The points of the arrows."""


def read(svg: str) -> Drawing:
    """Reads a drawing as a browser would: any XML parser's view of it, with every transformation applied."""
    root = ET.fromstring(svg)
    drawing = Drawing(float(root.get("width", "")), float(root.get("height", "")), [], [], [], [])

    def walk(element: ET.Element, dx: float, dy: float) -> None:
        if move := re.fullmatch(r"translate\((\S+) (\S+)\)", element.get("transform", "")):
            dx, dy = dx + float(move[1]), dy + float(move[2])
        get = lambda name: float(element.get(name, "nan"))  # noqa: E731
        if element.tag == f"{SVG}rect" and element.get("class"):
            x, y = get("x") + dx, get("y") + dy
            drawing.boxes.append(Rectangle(element.get("class", ""), x, y, x + get("width"), y + get("height")))
        elif element.tag == f"{SVG}text":
            words = element.text or ""
            x, y, wide = get("x") + dx, get("y") + dy, LETTER * len(words)
            left = x - wide * {"start": 0, "middle": 0.5, "end": 1}[element.get("text-anchor", "start")]
            drawing.words.append(Rectangle(words, left, y - 8, left + wide, y + 2))
        elif element.tag == f"{SVG}path":
            drawing.wires.append([(x + dx, y + dy) for x, y in points(element.get("d", ""))])
            if "L" in element.get("d", ""):
                drawing.heads.append(drawing.wires[-1][1])
        for child in element:
            walk(child, dx, dy)

    walk(root, 0, 0)
    return drawing


def points(path: str) -> Iterator[tuple[float, float]]:
    """Points along a path that consists of a move and straight lines, horizontal lines or one curve."""
    numbers = [float(n) for n in re.findall(r"-?[\d.]+", path)]
    x0, y0, *rest = numbers
    if "H" in path:
        yield from ((x, y0) for x in np.linspace(x0, rest[0], 40))
    elif "C" in path:
        (x1, y1, x2, y2, x3, y3) = rest
        for t in np.linspace(0, 1, 40):
            weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
            xs, ys = (x0, x1, x2, x3), (y0, y1, y2, y3)
            yield float(np.dot(weights, xs)), float(np.dot(weights, ys))
    else:
        yield from zip(numbers[::2], numbers[1::2], strict=True)


def assert_legible(svg: str) -> Drawing:
    drawing = read(svg)
    assert drawing.words
    places = [*drawing.boxes, *drawing.words]
    for place in places:
        assert place.left >= 0, place
        assert place.right <= drawing.width, place
        assert place.top >= 0, place
        assert place.bottom <= drawing.height, place
    for a, b in [*itertools.combinations(drawing.boxes, 2), *itertools.combinations(drawing.words, 2)]:
        assert not a.meets(b), (a, b)
    for words, box in itertools.product(drawing.words, drawing.boxes):
        inside = box.left <= words.left and words.right <= box.right
        assert not words.meets(box) or inside, (words, box)
    edges = np.add([place[1:] for place in places], [0.5, 0.5, -0.5, -0.5])
    for wire in map(np.array, drawing.wires):
        assert np.all(wire >= 0), wire
        assert np.all(wire <= [drawing.width, drawing.height]), wire
        inside = np.all((edges[:, None, :2] < wire) & (wire < edges[:, None, 2:]), axis=-1)
        assert not inside.any(), (places[inside.any(axis=1).argmax()], wire[[0, -1]])
    for head in drawing.heads:
        ends = any(box.left == head[0] and box.top <= head[1] <= box.bottom for box in drawing.boxes)
        names = any(0 < words.left - head[0] < 6 and abs(words.top + 4 - head[1]) < 4 for words in drawing.words)
        assert ends or names, head
    return drawing


def random_circuit(seed: int, operations: int) -> Callable[..., Any]:
    """A function of four numbers and a vector, whose operations each read any of what was computed before."""

    def tangle(a: Any, b: Any, c: Any, d: Any, v: Any) -> Any:
        random = np.random.default_rng(seed)
        values = [a, b, c, d, jnp.sum(v), v]
        for i in range(operations):
            x, y = (values[j] for j in random.integers(len(values), size=2))
            if x.ndim < y.ndim:
                x, y = y, x
            if y.ndim < x.ndim:
                y = jnp.broadcast_to(y, x.shape)
            made = (jnp.add, jnp.multiply, lambda x, y: jnp.tanh(x - y))[random.integers(3)](x, y)
            values.append(checkpoint_name(made, f"named{i}") if random.random() < 0.2 else made)
        return sum((jnp.sum(value) for value in values), jnp.float32(0))

    return tangle


@pytest.fixture(scope="module", params=[0, 2])
def circuit(request: pytest.FixtureRequest) -> fnn.analysis.Circuit:
    numbers = [jnp.float32(x) for x in (0.3, -0.2, 0.5, 0.7)]
    return fnn.backprop(random_circuit(request.param, 6 + 5 * request.param), *numbers, jnp.array([0.1, -0.4, 0.2]))


@pytest.mark.parametrize("width", [None, 700.0])
def test_any_circuit_is_legible_at_any_width(circuit: fnn.analysis.Circuit, width: float | None) -> None:
    drawing = assert_legible(circuit.svg(width))
    assert len(drawing.boxes) == len(circuit.elements.nodes)
    if width is not None:
        assert drawing.width <= 900  # a column is as wide as it must be


def test_what_nothing_reads_is_left_out_but_not_what_is_returned() -> None:
    used = fnn.backprop(lambda x, unused: x * 2.0, 1.0, 3.0)
    assert {words.what for words in assert_legible(used.svg()).words} >= {"x", "× 2"}
    assert "unused" not in used.svg()
    assert "unused" in str(used)
    assert len(assert_legible(fnn.backprop(lambda x: x, 2.0).svg()).boxes) == 1


def test_a_layer_shows_its_parameters_by_their_places_in_it(key: jax.Array) -> None:
    net = fnn.serial(body=fnn.serial(fnn.Dense(2), fnn.Dense(3)))
    params, state = net.init(key, jnp.ones((2, 3)))

    def loss(params: Any, x: Any) -> Any:
        return jnp.sum(net.apply(params, state, x, train=False)[0])

    circuit = fnn.backprop(loss, params, jnp.ones((2, 3)))
    leaves = {words.what for words in assert_legible(circuit.svg()).words}
    assert leaves >= {"body/", "dense1", "dense2", "kernel (3, 2)", "kernel (2, 3)", "bias (2)", "bias (3)"}
    whole = {words.what for words in assert_legible(circuit.fold(depth=1).svg()).words}
    assert whole >= {"body", "dense1/kernel (3, 2)", "dense2/kernel (2, 3)", "dense1/bias (2)", "dense2/bias (3)"}
