"""What an experiment learns from when nobody says, and that no sample is in two splits."""

import pytest

from experiments.dataset import default_splits
from fnn.data.selection import overlap, parse


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ({"train": 10, "validation": 5, "test": 5}, ("train", "validation", "test")),
        ({"train": 100, "test": 50}, ("train[:95%]", "train[95%:]", "test")),
        ({"train": 100, "validation": 50}, ("train[:80%]", "validation", "train[80%:]")),
        ({"train": 100}, ("train[:75%]", "train[75%:80%]", "train[80%:]")),
        ({"images": 100}, ("images[:75%]", "images[75%:80%]", "images[80%:]")),
        ({"train": 100, "val": 9, "test": 50, "extra": 7}, ("train", "val", "test")),
    ],
)
def test_defaults_share_no_sample(sizes: dict[str, int], expected: tuple[str, str, str]) -> None:
    chosen = default_splits(sizes)
    assert chosen == expected
    slices = [parse(selection, sizes) for selection in chosen]
    for number, some in enumerate(slices):
        assert not any(overlap(a, b) for others in slices[:number] for a in some for b in others)
