"""The main job, started as a user would: a process of its own, an empty directory."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.experiments.conftest import Start, start


def test_it_trains_says_and_writes_what_it_promises(tmp_path: Path, fork: Start) -> None:
    done = start(tmp_path, "classify", "--epochs=4", "--seed=3")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # no bar where there is no terminal, no chatter of libraries
    lines = done.stdout.splitlines()
    result = json.loads((tmp_path / "runs/digits-lenet5-seed3/result.json").read_text())
    assert lines[-1] == f"test_accuracy: {result['test_accuracy']:.4f}"
    assert [line.split()[0] for line in lines[2:7]] == ["epoch", "1", "2", "3", "4"]
    assert result["dataset"] == "digits"
    assert result["model"] == "lenet5"
    assert result["seed"] == 3
    # conv 5·5·1·6 + 6, conv 5·5·6·16 + 16, dense 64·120 + 120, 120·84 + 84, 84·10 + 10
    assert result["parameters"] == 156 + 2416 + 7800 + 10164 + 850
    assert 0.5 < result["test_accuracy"] <= 1  # four epochs: far from done, far from the 0.1 of guessing
    assert 0.5 < result["train_accuracy"] <= 1
    assert 0 < result["test_loss"] < 2
    assert result["seconds"] > 0
    assert result["flags"]["epochs"] == 4
    for picture in ("learning_curve.png", "confusion.png", "hardest.png"):
        with Image.open(tmp_path / "runs/digits-lenet5-seed3" / picture) as image:
            assert min(image.size) > 300

    weights = "runs/digits-lenet5-seed3/weights.safetensors"
    done = fork(
        *(tmp_path, "classify"),
        *(f"--init_from={weights}", "--epochs=1", "--learning_rate=1e-9", "--weight_decay=0", "--workdir=again"),
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "again/result.json").read_text())["test_accuracy"] == result["test_accuracy"]


def test_equal_flags_give_equal_results(tmp_path: Path, fork: Start) -> None:
    flags = (
        *("--model=mlp", "--epochs=2", "--dropout=0.2", "--optimizer=adam", "--learning_rate=0.003"),
        *("--schedule=warmup_cosine", "--weight_decay=0.001", "--precision=bfloat16", "--loss=multiclass_hinge"),
    )
    results = []
    for name, run in (("a", start), ("b", fork)):
        done = run(tmp_path, "classify", *flags, f"--workdir={name}")
        assert done.returncode == 0, done.stderr
        results.append(json.loads((tmp_path / name / "result.json").read_text()))
        results[-1].pop("seconds")
        assert results[-1]["flags"].pop("workdir") == name
    assert results[0] == results[1]


def test_files_of_ones_own_are_learnt_from_in_memory_and_streamed_alike(tmp_path: Path, fork: Start) -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 240)
    images = generator.integers(0, 100, (240, 9, 9), np.uint8) + (labels * 70).astype(np.uint8)[:, None, None]
    np.savez(
        tmp_path / "mine.npz", x_train=images[:180], y_train=labels[:180], x_test=images[180:], y_test=labels[180:]
    )
    results = []
    for name, memory in (("whole", "1"), ("streamed", "0")):
        done = fork(
            *(tmp_path, "classify"),
            *("--dataset=./mine.npz", "--model=linear_classifier", "--epochs=3", "--augment=crop=1,mixup=0.2"),
            *(f"--memory_gib={memory}", f"--workdir={name}"),
        )
        assert done.returncode == 0, done.stderr
        results.append(json.loads((tmp_path / name / "result.json").read_text()))
    for same in ("test_loss", "test_accuracy", "train_accuracy", "validation_accuracy"):
        assert results[0][same] == results[1][same]
    assert results[0]["test_accuracy"] > 0.6  # brightness tells the three classes apart
    assert results[0]["flags"]["augment"] == "crop=1,mixup=0.2"
    assert results[0]["flags"]["dataset"] == "./mine.npz"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--model=resnet5000"], "linear_classifier|mlp|lenet5|convnet"),
        (["--dataset=dogs"], "no data set is called 'dogs'"),
        (["--dataset=mnist", "--data_dir=."], "python -m fnn.data.prepare mnist --data_dir=."),
        (["--dataset=./nowhere"], "does not exist"),
        (["--train_split=train+test"], "share 360 samples"),
        (["--fold=5/5"], "no fold 5 of 5"),
        (["--augment=spin=3"], "no augmentation is called 'spin'"),
        (["--augment=mixup=0.2", "--loss=multiclass_hinge"], "shares of two classes"),
        (["--batch_size=100000"], "at most 1347"),
        (["--learning_rate=-1"], "must be positive"),
        (["--optimizer=adam", "--momentum=0.5"], "sgd, rmsprop"),
        (["--model=linear_classifier", "--dropout=0.5"], "mlp, lenet5, convnet"),
        (["--filters=8"], "convnet can take it"),
        (["--model=resnet20_cifar", "--small"], "vgg16, "),
        (["--init_from=nowhere.safetensors"], "there is no file nowhere.safetensors"),
        (["--model=alexnet"], "cannot take images of 8×8; see --image_size"),
        (["--dropout=1"], "not including, 1, got 1.0"),
        (["--early_stopping=3", "--train_split=train+validation"], "needs validation samples"),
        (["--average=1", "--process=1"], "belong to --coordinator"),
        (["--average=1"], "not including, 1, got 1.0"),
        (["--epoch=3"], "epochs"),
        (["--workdir=a_file/inside"], "cannot be written"),
        (["--workdir=a_file"], "is no directory"),
    ],
)
def test_wrong_flags_are_refused_in_one_line(tmp_path: Path, fork: Start, flags: list[str], said: str) -> None:
    (tmp_path / "a_file").touch()
    done = fork(tmp_path, "classify", *flags)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert said in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_run_that_diverges_says_where_and_leaves_its_batch(tmp_path: Path, fork: Start) -> None:
    done = fork(tmp_path, "classify", "--model=linear_classifier", "--schedule=constant", "--learning_rate=1e38")
    assert done.returncode == 1
    assert done.stderr.startswith("stopped: ")
    assert "where: layer 'head'" in done.stderr
    assert list(tmp_path.rglob("nonfinite-step-1.npz"))
    assert not list(tmp_path.rglob("result.json*"))


def test_help_says_what_it_is_and_lists_the_flags(tmp_path: Path, fork: Start) -> None:
    done = fork(tmp_path, "classify", "--help")
    assert "Train any model on any data set" in done.stdout
    for flag in ("dataset", "model", "epochs", "batch_size", "optimizer", "learning_rate", "schedule", "momentum",
                 "weight_decay", "dropout", "precision", "seed", "workdir"):  # fmt: skip
        assert f"--{flag}" in done.stdout or f"--[no]{flag}" in done.stdout
