"""The scales of layers are drawn where they are, and nothing that a logarithm does not have."""

from pathlib import Path

import numpy as np
from PIL import Image

from fnn import analysis


def test_scales_show_what_can_be_shown(tmp_path: Path) -> None:
    blue = (0x00, 0x72, 0xB2)
    counts = []
    for name, middle in (("good", [1e5, 1e5, 1e5]), ("bad", [0.0, float("nan"), float("inf")])):
        panel = analysis.ScalePanel("activations", "standard deviation", {"at first": [1e5, *middle, 1e5]})
        analysis.draw_scales(list("abcde"), [panel], tmp_path / f"{name}.png", "a title")
        with Image.open(tmp_path / f"{name}.png") as image:
            counts.append(np.count_nonzero(np.all(np.asarray(image.convert("RGB")) == blue, axis=-1)))
    assert 0 < counts[1] < 0.7 * counts[0]
