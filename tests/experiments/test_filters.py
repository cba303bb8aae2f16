"""What filters and pools do is what their kernels promise."""

from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., dict[str, Any]]


def test_filters_and_pools_do_what_their_kernels_promise(run: Run) -> None:
    result = run("filters", "--factors=2,4")
    assert result["size"] == [427, 640]
    for about in result["filters"].values():
        assert about["noise_gain"] == pytest.approx(about["expected_noise_gain"], rel=0.02)
        if about["sum"] == 0:
            assert abs(about["mean"]) < 0.01
        else:
            assert about["sum"] == pytest.approx(1)
            assert about["mean"] == pytest.approx(0.564, abs=0.015)  # as bright as the photograph
    assert result["filters"]["box"]["expected_noise_gain"] == pytest.approx(0.2)
    assert result["filters"]["sharpen"]["expected_noise_gain"] == pytest.approx(29**0.5)
    # (w + 2p − k)/s + 1 with p = 0 and k = 3, rounded down
    assert result["sizes_by_stride"] == {"1": [425, 638], "2": [213, 319], "4": [107, 160]}
    largest, average, subsampled = (result["pools"][name]["4"] for name in ("largest", "average", "subsampled"))
    assert average["noise_left"] == pytest.approx(0.25, rel=0.05)
    assert subsampled["noise_left"] == pytest.approx(1, rel=0.05)
    assert abs(average["brighter"]) < 1e-5
    assert largest["brighter"] > 0.05
    changes = [pool["changed_by_a_pixel"] for pool in (average, largest, subsampled)]
    assert changes == sorted(changes)
    assert changes[2] > 2 * changes[0]


def test_what_is_no_photograph_is_refused(refuse: Callable[..., str]) -> None:
    assert "--photograph expects china, flower or the path of an image, got 'cat'" in refuse(
        "filters", "--photograph=cat"
    )
