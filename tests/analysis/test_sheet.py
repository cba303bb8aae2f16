"""A sheet shows every image at its place, in grey and in colour."""

from pathlib import Path

import numpy as np
from PIL import Image

from fnn import analysis


def colours(path: Path) -> set[tuple[int, int, int]]:
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    found, counts = np.unique(pixels, axis=0, return_counts=True)
    return {(int(r), int(g), int(b)) for (r, g, b), count in zip(found, counts, strict=True) if count > 2000}


def test_a_sheet_shows_grey_as_grey_and_colour_as_colour(tmp_path: Path) -> None:
    grey = np.stack([np.full((4, 4, 1), value, np.float32) for value in (0.2, 0.8)])
    colour = np.stack([np.broadcast_to(np.array(rgb, np.float32), (4, 4, 3)) for rgb in ([1, 0, 0], [0, 0.6, 1])])
    rows = [analysis.SheetRow("grey", grey, ["a", "b\nc"]), analysis.SheetRow("colour", colour)]
    analysis.draw_sheet(rows, tmp_path / "sheet.png", "a title")
    shown = {(51, 51, 51), (204, 204, 204), (255, 0, 0), (0, 153, 255), (255, 255, 255)}
    assert colours(tmp_path / "sheet.png") == shown
    with Image.open(tmp_path / "sheet.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    found = [np.argwhere(np.all(pixels == colour, axis=-1)).mean(axis=0) for colour in sorted(shown)[:4]]
    places = dict(zip(sorted(shown)[:4], found, strict=True))
    assert places[51, 51, 51][1] < places[204, 204, 204][1]  # from left to right
    assert places[51, 51, 51][0] < places[255, 0, 0][0]  # from top to bottom
