"""fnn's own weights in safetensors files."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

import fnn
from fnn.interop import safetensors

PARAMS = {"features": {"conv": {"kernel": jnp.arange(6.0).reshape(2, 3)}}, "head": {"bias": jnp.ones(2, jnp.bfloat16)}}
STATE = {"features": {"norm": {"mean": jnp.full(3, 2.0)}}}


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    safetensors.save(path, PARAMS, STATE)
    params, state = safetensors.load(path)
    assert jax.tree.structure((params, state)) == jax.tree.structure((PARAMS, STATE))
    for got, wanted in zip(jax.tree.leaves((params, state)), jax.tree.leaves((PARAMS, STATE)), strict=True):
        assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape)
        np.testing.assert_array_equal(got, wanted)
    assert [file.name for file in tmp_path.iterdir()] == ["weights.safetensors"]


def test_the_names_in_the_file_are_the_paths(tmp_path: Path) -> None:
    safetensors.save(tmp_path / "a", PARAMS, STATE)
    with safe_open(tmp_path / "a", "np") as file:
        assert set(file.keys()) == {"params/features/conv/kernel", "params/head/bias", "state/features/norm/mean"}


def test_a_network_without_state_has_an_empty_one(tmp_path: Path) -> None:
    safetensors.save(tmp_path / "a", PARAMS, {})
    assert safetensors.load(tmp_path / "a")[1] == {}


def test_a_transposed_array_is_written_in_its_own_order(tmp_path: Path) -> None:
    array = np.arange(6.0, dtype=np.float32).reshape(2, 3).T
    safetensors.save(tmp_path / "a", {"kernel": array}, {})
    np.testing.assert_array_equal(safetensors.load(tmp_path / "a")[0]["kernel"], array)


def test_a_failed_save_leaves_the_file_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "weights.safetensors"
    safetensors.save(path, PARAMS, STATE)

    def break_off(arrays: object, file: Path) -> None:
        file.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr("safetensors.numpy.save_file", break_off)
    with pytest.raises(OSError, match="disk full"):
        safetensors.save(path, {}, {})
    np.testing.assert_array_equal(safetensors.load(path)[0]["head"]["bias"], PARAMS["head"]["bias"])


def test_files_of_others_are_refused(tmp_path: Path) -> None:
    save_file({"conv1.weight": np.zeros(2)}, tmp_path / "theirs.safetensors")
    with pytest.raises(ValueError, match=r"not written by fnn: \['conv1.weight'\].*fnn.interop.torch.load"):
        safetensors.load(tmp_path / "theirs.safetensors")
    (tmp_path / "broken").write_bytes(b"\x00" * 20)
    with pytest.raises(ValueError, match="no whole safetensors file"):
        safetensors.load(tmp_path / "broken")
    with pytest.raises(FileNotFoundError, match="there is no file"):
        safetensors.load(tmp_path / "nowhere")


def test_a_network_goes_on_from_a_file(tmp_path: Path) -> None:
    net = fnn.serial(dense=fnn.Dense(2), norm=fnn.BatchNorm())
    params, state = net.init(jax.random.key(1), jnp.ones((3, 4)))
    safetensors.save(tmp_path / "a", params, state)
    started = fnn.train.starting_from(net, *safetensors.load(tmp_path / "a"))
    jax.tree.map(np.testing.assert_array_equal, started.init(jax.random.key(2), jnp.ones((3, 4))), (params, state))
