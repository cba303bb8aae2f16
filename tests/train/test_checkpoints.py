"""Checkpoints: whole or not there, found again, refused when they are another run's, and written beside the run."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import optax
import pytest

import fnn
from fnn import data, train
from fnn.train import checkpoint
from fnn.train.checkpoint import Snapshot, Store


def snapshot(step: int) -> Snapshot:
    arrays = {
        "params/conv1/kernel": np.random.default_rng(step).standard_normal((3, 3, 2, 4), np.float32),
        "params/../../etc": np.arange(3, dtype=ml_dtypes.bfloat16),  # a name that would be a path elsewhere
        "step": np.asarray(step, np.int32),
        "nothing": np.zeros((0, 5), np.float32),
        "flag": np.asarray([True, False]),
    }
    return Snapshot(step, arrays, {"seed": 1}, {"history": [{"loss": 0.1 + step, "accuracy": float("nan")}]})


def written(tmp_path: Path, *steps: int, keep: int = 3) -> Store:
    store = Store(tmp_path / "checkpoints", keep)
    store.directory.mkdir()
    for step in steps:
        store.write(snapshot(step))
    return store


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    store = written(tmp_path, 7)
    read = store.newest()
    assert read is not None
    expected = snapshot(7)
    assert read.step == 7
    assert read.identity == expected.identity
    assert repr(read.told) == repr(expected.told)
    assert list(read.arrays) == list(expected.arrays)
    for path, array in expected.arrays.items():
        assert read.arrays[path].dtype == array.dtype
        np.testing.assert_array_equal(read.arrays[path], array, strict=True)
    assert not any("etc" in path.name for path in tmp_path.rglob("*"))


def test_the_last_few_and_the_best_are_kept(tmp_path: Path) -> None:
    store = written(tmp_path, 1, 2, 3, 4, keep=2)
    store.write(snapshot(2), "best")
    store.write(snapshot(3), "best")
    assert store.steps() == [3, 4]
    assert store.steps("best") == [3]
    assert sorted(path.name for path in store.directory.iterdir()) == [
        "best-00000003",
        "step-00000003",
        "step-00000004",
    ]


def test_leftovers_of_a_killed_run_are_cleared_and_not_read(tmp_path: Path) -> None:
    store = written(tmp_path, 1)
    for name in (".writing-step-00000002", ".removing-step-00000000"):
        (store.directory / name).mkdir()
        (store.directory / name / "part").write_text("x")
    assert store.steps() == [1]
    store.clear_leftovers()
    assert [path.name for path in store.directory.iterdir()] == ["step-00000001"]


def test_all_damaged_is_an_error_and_not_a_new_beginning(tmp_path: Path) -> None:
    store = written(tmp_path, 1, 2)
    for step in (1, 2):
        (store.path(step) / "record.json").write_text("{}")
    with (
        pytest.warns(checkpoint.DamagedCheckpointWarning, match=r"record\.json is not as it was written"),
        pytest.raises(checkpoint.DamagedError, match="holds 2 checkpoints, and none is whole"),
    ):
        store.newest()


def test_a_removed_directory_is_not_made_again(tmp_path: Path) -> None:
    store = written(tmp_path)
    store.directory.rmdir()
    with pytest.raises(checkpoint.CheckpointError, match="No such file or directory"):
        store.write(snapshot(1))


def test_the_digest_of_a_tree_sees_names_shapes_dtypes_and_numbers() -> None:
    tree = {"a": jnp.arange(4.0), "b": {"c": jnp.zeros((2, 2))}}
    others = [
        {"a": jnp.arange(4.0) + 1e-6, "b": {"c": jnp.zeros((2, 2))}},
        {"a": jnp.arange(4.0), "b": {"d": jnp.zeros((2, 2))}},
        {"a": jnp.arange(4.0), "b": {"c": jnp.zeros((4, 1))}},
        {"a": jnp.arange(4.0), "b": {"c": jnp.zeros((2, 2), jnp.int32)}},
    ]
    digests = [checkpoint.digest_of_tree(one) for one in (tree, *others)]
    assert len(set(digests)) == 5
    assert digests[0] == checkpoint.digest_of_tree(jax.tree.map(jnp.copy, tree))


def test_writing_does_not_hold_up_whoever_submits_until_the_next() -> None:
    release, writer = threading.Event(), checkpoint.Writer(patience=10)
    writer.submit(lambda: release.wait(10))
    writer.check()
    release.set()
    writer.wait()


def test_a_job_that_fails_is_told_at_the_next_occasion_and_once() -> None:
    writer = checkpoint.Writer(patience=10)

    def fail() -> None:
        raise checkpoint.CheckpointError("disk full")

    writer.submit(fail)
    with pytest.raises(checkpoint.CheckpointError, match="disk full"):
        writer.wait()
    writer.check()
    writer.wait()


def test_a_job_that_hangs_is_an_error_in_time() -> None:
    release, writer = threading.Event(), checkpoint.Writer(patience=0.05)
    writer.submit(lambda: release.wait(10))
    with pytest.raises(checkpoint.CheckpointError, match=r"hung for 0\.05 s"):
        writer.submit(lambda: None)
    release.set()


def test_a_lock_keeps_others_out_says_who_holds_it_and_dies_with_its_process(tmp_path: Path) -> None:
    program = (
        "import sys, time, pathlib; from fnn.train import checkpoint\n"
        "with checkpoint.locked(pathlib.Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(checkpoint.InUseError, match=f"in use by process {holder.pid} on "),
            checkpoint.locked(tmp_path),
        ):
            pass
        holder.kill()
        holder.wait()
    with checkpoint.locked(tmp_path):
        assert json.loads((tmp_path / ".owner.json").read_text())["process"] != holder.pid


# In `fit`.


def fit(directory: Path, **options: Any) -> train.Fit:
    split = data.load("digits", "train[:60]")
    layer = fnn.serial(flat=fnn.Flatten, hidden=fnn.Dense(4), norm=fnn.BatchNorm(), head=fnn.Dense(10))
    arguments: dict[str, Any] = {"epochs": 2, "batch_size": 16, "validation": split.take(range(20))}
    arguments |= {"checkpoints": train.Checkpoints(directory)} | options
    return train.fit(layer, split, optax.sgd(0.1), **arguments)


def test_a_finished_run_is_found_finished(tmp_path: Path) -> None:
    first = fit(tmp_path)
    resumed_at: list[int] = []
    epochs: list[train.Epoch] = []
    again = fit(tmp_path, on_resume=resumed_at.append, on_epoch=epochs.append)
    assert resumed_at == [8]
    assert epochs == []
    assert again.history == first.history
    assert checkpoint.digest_of_tree(again.train_state) == checkpoint.digest_of_tree(first.train_state)
    for mine, theirs in zip(again.normalization, first.normalization, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_more_epochs_go_on_from_the_end_to_the_same_bits(tmp_path: Path) -> None:
    fit(tmp_path / "a", epochs=1)
    longer = fit(tmp_path / "a", epochs=3)
    whole = fit(tmp_path / "b", epochs=3)
    assert checkpoint.digest_of_tree(longer.train_state) == checkpoint.digest_of_tree(whole.train_state)
    assert [epoch._replace(seconds=0) for epoch in longer.history] == [
        epoch._replace(seconds=0) for epoch in whole.history
    ]


@pytest.mark.parametrize(
    ("options", "difference"),
    [
        ({"seed": 1}, "seed: 0 there, 1 here"),
        ({"batch_size": 15}, "batch_size: 16 there, 15 here"),
        ({"validation": None}, "validation: nothing there, None here"),
        ({"momentum": 0.9}, r"train_state/opt_state/0/trace/.*: nothing there, 'float32 \(4,\)' here"),
        ({"scale_loss": True}, "train_state/loss_scale/value: nothing there"),
    ],
)
def test_another_run_is_refused_with_the_difference(tmp_path: Path, options: Any, difference: str) -> None:
    fit(tmp_path, epochs=1)
    before = sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*") if path.suffix == ".json")
    split = data.load("digits", "train[:60]")
    layer = fnn.serial(flat=fnn.Flatten, hidden=fnn.Dense(4), norm=fnn.BatchNorm(), head=fnn.Dense(10))
    arguments: dict[str, Any] = {"epochs": 1, "batch_size": 16, "validation": split.take(range(20))} | options
    optimizer = optax.sgd(0.1, momentum=arguments.pop("momentum", None))
    with pytest.raises(checkpoint.MismatchError, match=difference) as caught:
        train.fit(layer, split, optimizer, checkpoints=train.Checkpoints(tmp_path), **arguments)
    assert "step-00000004 is of another run" in str(caught.value)
    after = sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*") if path.suffix == ".json")
    assert [entry for entry in after if entry[0].name == "record.json"] == [
        entry for entry in before if entry[0].name == "record.json"
    ]


def test_another_network_or_data_set_is_refused(tmp_path: Path) -> None:
    fit(tmp_path, epochs=1)
    split = data.load("digits", "train[:60]")
    wider = fnn.serial(flat=fnn.Flatten, hidden=fnn.Dense(5), norm=fnn.BatchNorm(), head=fnn.Dense(10))
    arguments: dict[str, Any] = {"epochs": 1, "batch_size": 16, "checkpoints": train.Checkpoints(tmp_path)}
    with pytest.raises(checkpoint.MismatchError, match=r"hidden/bias: 'float32 \(4,\)' there, 'float32 \(5,\)' here"):
        train.fit(wider, split, optax.sgd(0.1), validation=split.take(range(20)), **arguments)
    changed = data.Split(255 - split.images, split.labels, split.class_names, split.source)
    with pytest.raises(checkpoint.MismatchError, match="train/sha256"):
        train.fit(wider, changed, optax.sgd(0.1), validation=split.take(range(20)), **arguments)


def test_the_best_is_what_had_the_highest_validation_accuracy(tmp_path: Path) -> None:
    fitted = fit(tmp_path, epochs=6)
    accuracies = [epoch.validation_accuracy for epoch in fitted.history]
    best = 1 + max(range(6), key=lambda i: (accuracies[i], -i))
    assert Store(tmp_path).steps("best") == [4 * best]


def test_time_decides_when_to_save_and_nothing_else(tmp_path: Path) -> None:
    often = fit(tmp_path / "a", checkpoints=train.Checkpoints(tmp_path / "a", seconds=0, keep=100))
    never = fit(tmp_path / "b", checkpoints=None)
    assert Store(tmp_path / "a").steps() == list(range(1, 9))
    assert checkpoint.digest_of_tree(often.train_state) == checkpoint.digest_of_tree(never.train_state)


def test_a_failed_save_stops_the_run_and_leaves_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Store.write

    def full(self: Store, snapshot: Snapshot, kind: str = "step") -> None:
        if snapshot.step >= 4 and kind == "step":
            raise checkpoint.CheckpointError("the checkpoint of step 4 could not be written: No space left on device")
        write(self, snapshot, kind)

    monkeypatch.setattr(Store, "write", full)
    with pytest.raises(checkpoint.CheckpointError, match="No space left"):
        fit(tmp_path, epochs=50, checkpoints=train.Checkpoints(tmp_path, steps=2))
    assert Store(tmp_path).steps()[-1] == 2


def test_two_runs_in_one_directory_are_refused(tmp_path: Path) -> None:
    with checkpoint.locked(tmp_path), pytest.raises(checkpoint.InUseError, match="in use by process"):
        fit(tmp_path)


def test_training_goes_on_while_a_checkpoint_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    during: list[int] = []
    steps: list[int] = []
    write = Store.write

    def slow(self: Store, snapshot: Snapshot, kind: str = "step") -> None:
        before = len(steps)
        time.sleep(0.2)
        during.append(len(steps) - before)
        write(self, snapshot, kind)

    monkeypatch.setattr(Store, "write", slow)

    def count(key: jax.Array, images: jax.Array, labels: jax.Array) -> tuple[jax.Array, jax.Array]:
        jax.debug.callback(lambda: steps.append(1))
        return images, labels

    fit(tmp_path, epochs=30, augment=count, checkpoints=train.Checkpoints(tmp_path, steps=30))
    assert max(during) > 10
