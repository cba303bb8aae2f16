"""What augmentation is worth on little data."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

Run = Callable[..., dict[str, Any]]


def test_all_kinds_and_seeds_are_told(run: Run) -> None:
    result = run("augmentation", "--few=3", "--steps=40", "--seeds=2", "--augment=translation=0.1")
    assert list(result["accuracies"]) == ["30 samples", "30 samples, augmented", "90 samples"]
    for name, accuracies in result["accuracies"].items():
        assert len(accuracies) == 2
        assert result["means"][name] == pytest.approx(np.mean(accuracies))
        assert result["deviations"][name] == pytest.approx(np.std(accuracies, ddof=1))
    means = list(result["means"].values())
    assert result["gain"] == pytest.approx(means[1] - means[0])
    assert means[2] > means[0]  # three times the samples


@pytest.mark.thorough
def test_little_data_is_learnt_better_with_augmentation(run: Run) -> None:
    result = run("augmentation")
    without, augmented = list(result["deviations"].values())[:2]
    assert result["gain"] > max(without, augmented) / 5**0.5
