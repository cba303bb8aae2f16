"""The chart of sizes: every network has its mark and its name."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fnn.analysis import Size, draw_sizes, sizes


def draw(path: Path, networks: list[Size]) -> np.ndarray:
    draw_sizes(networks, path, "a title")
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def has(picture: np.ndarray, colour: str) -> bool:
    rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return bool(np.any(np.all(picture == rgb, axis=-1)))


def test_each_family_has_its_colour(tmp_path: Path) -> None:
    networks = [Size(f"net{i}", f"family {i % 2}", 10**i, 10 ** (i + 1)) for i in range(1, 5)]
    both = draw(tmp_path / "both.png", networks)
    blue, red = (mark[0] for mark in sizes.MARKS[:2])
    assert has(both, blue)
    assert has(both, red)
    assert not has(draw(tmp_path / "one.png", networks[::2]), red)


def test_names_of_neighbours_do_not_cover_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.figure import Figure

    boxes = []
    save = Figure.savefig

    def look(figure: Figure, *args: object, **kwargs: object) -> None:
        renderer = figure.canvas.get_renderer()  # pyright: ignore[reportAttributeAccessIssue]
        boxes.extend(text.get_window_extent(renderer) for text in figure.axes[0].texts)
        save(figure, *args, **kwargs)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(Figure, "savefig", look)
    near = [Size(f"network number {i}", "one", 10**6 + i * 10**4, 10**9 + i * 10**7) for i in range(4)]
    draw(tmp_path / "near.png", [*near, Size("far", "one", 10**3, 10**4)])
    assert len(boxes) == 5
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_more_families_than_marks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="7 families"):
        draw_sizes([Size("n", str(i), 1, 1) for i in range(8)], tmp_path / "x.png", "t")
