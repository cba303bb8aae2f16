"""Networks as files: the same predictions in a process without fnn, and nothing believed that a file says."""

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export as jax_export

import fnn
from fnn.data import DataError, Normalization
from fnn.interop import export

SHAPE = (6, 5, 3)
NORMALIZATION = Normalization(np.array([0.4, 0.5, 0.6], np.float32), np.array([0.2, 0.3, 0.1], np.float32))
NAMES = ("cat", "dog", "fish", "Ölaf")
IMAGES = np.random.default_rng(0).integers(0, 256, (5, *SHAPE), np.uint8)
BODY = fnn.serial(fnn.Conv(4, 3, bias=False), fnn.BatchNorm(), fnn.Relu, fnn.Conv(4, 3))
NET = fnn.serial(
    stem=fnn.Conv(4, 3),
    body=fnn.repeat(fnn.residual(BODY), 2),
    pool=fnn.MaxPool(3, strides=2, padding="SAME"),
    mean=fnn.AvgPool(2, padding="SAME"),
    up=fnn.ConvTranspose(3, 2, strides=2),
    drop=fnn.Dropout(0.5),
    flat=fnn.Flatten,
    hidden=fnn.Maxout(4),
    head=fnn.mixed_precision(fnn.Dense(4)),
)


@pytest.fixture(scope="module")
def trained() -> tuple[Any, Any]:
    """Parameters and state off their initial values."""
    rng = np.random.default_rng(1)
    shapes = jax.eval_shape(NET.init, jax.random.key(0), jax.ShapeDtypeStruct((1, *SHAPE), jnp.float32))
    params, state = jax.tree.map(lambda leaf: rng.uniform(-0.5, 0.5, leaf.shape).astype(leaf.dtype), shapes)
    return params, jax.tree.map(lambda leaf: leaf + 1, state)  # variances are positive


@pytest.fixture(scope="module")
def expected(trained: tuple[Any, Any]) -> np.ndarray:
    apply = jax.jit(partial(NET.apply, train=False))
    made = np.asarray(jax.nn.softmax(apply(*trained, NORMALIZATION(IMAGES))[0]))
    assert made.max(axis=1).std() > 0.01  # the images are told apart
    assert made.max() < 0.99
    return made


@pytest.fixture(scope="module")
def path(trained: tuple[Any, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "net.fnn"
    save(path, trained)
    return path


def save(path: Path, trained: tuple[Any, Any], layer: fnn.Layer = NET, **options: Any) -> None:
    arguments = {"normalization": NORMALIZATION, "image_shape": SHAPE, "class_names": NAMES} | options
    export.save(path, layer, *trained, **arguments)


def documented() -> str:
    """The lines in the module's docstring that use a file without fnn."""
    assert export.__doc__
    lines = [line[4:] for line in export.__doc__.splitlines() if line.startswith("    ") or not line]
    return "\n".join(lines)


def test_a_process_without_fnn_predicts_the_same(path: Path, tmp_path: Path, expected: np.ndarray) -> None:
    np.save(tmp_path / "images.npy", IMAGES)
    code = documented()
    assert code.count("digits.fnn") == code.count("np.zeros((3, *about") == 1
    code = code.replace("digits.fnn", str(path)).replace(
        'np.zeros((3, *about["image_shape"]), np.uint8)', 'np.load("images.npy")'
    )
    before = "import sys\nsys.modules['fnn'] = None  # whoever imports it gets an ImportError\n"
    after = (
        "\nnp.save('outputs.npy', outputs)"
        "\nnp.save('single.npy', jax.jit(program.call)(weights, images[:1]))"
        "\nprint(about['class_names'], about['outputs'])"
        "\ntry:\n    import fnn\nexcept ImportError:\n    print('no fnn')"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", before + code + after],
        cwd=tmp_path,
        env={"PATH": "", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        timeout=300,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{list(NAMES)} probabilities", "no fnn"]
    np.testing.assert_allclose(np.load(tmp_path / "outputs.npy"), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(np.load(tmp_path / "single.npy"), expected[:1], rtol=1e-4, atol=1e-6)


def test_it_is_read_as_it_was_written(path: Path, expected: np.ndarray) -> None:
    network = export.load(path)
    assert network._replace(predict=len) == (len, SHAPE, NAMES, "probabilities", ("cpu", "cuda", "tpu"))
    for count in (5, 2):
        np.testing.assert_allclose(network.predict(IMAGES[:count]), expected[:count], rtol=1e-4, atol=1e-6)
    for wrong in (IMAGES[:0], IMAGES[0], IMAGES.astype(np.float32), IMAGES[:, :5]):
        with pytest.raises(ValueError, match=r"expects uint8 images of shape \(batch, 6, 5, 3\), at least one, got"):
            network.predict(wrong)
    about = json.loads(zipfile.ZipFile(path).read("about.json"))
    np.testing.assert_array_equal(np.float32(about["mean"]), NORMALIZATION.mean)
    np.testing.assert_array_equal(np.float32(about["std"]), NORMALIZATION.std)


def test_equal_networks_give_equal_files_and_no_part_is_left(trained: Any, path: Path, tmp_path: Path) -> None:
    (tmp_path / "again.fnn").write_bytes(b"what was there before")
    save(tmp_path / "again.fnn", trained)
    assert (tmp_path / "again.fnn").read_bytes() == path.read_bytes()
    assert str(Path(fnn.__file__).parent).encode() not in path.read_bytes()
    assert [file.name for file in tmp_path.iterdir()] == ["again.fnn"]


def linear(dtype: Any = jnp.float32) -> tuple[fnn.Layer, Any]:
    layer = fnn.serial(flat=fnn.Flatten, head=fnn.Dense(4))
    kernel = np.random.default_rng(3).standard_normal((90, 4)).astype(dtype)
    return layer, ({"head": {"kernel": kernel, "bias": np.arange(4).astype(dtype)}}, {})


@pytest.mark.thorough
@pytest.mark.parametrize("name", fnn.models.MODELS)
def test_every_model_becomes_a_program_for_any_batch_and_platform(name: str) -> None:
    layer = fnn.models.MODELS[name](10)
    size = 64 if name == "alexnet" else 32
    params, state = jax.eval_shape(layer.init, jax.random.key(0), jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32))
    params, state = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), (params, state))
    program, weights = export.make_program(layer, params, state, NORMALIZATION, (size, size, 3))
    assert str(program.out_avals) == "(ShapedArray(float32[batch,10]),)"
    assert len(weights) == len(jax.tree.leaves((params, state)))
    assert program.platforms == ("cpu", "cuda", "tpu")


def test_scores_of_narrow_weights(tmp_path: Path) -> None:
    layer, trained = linear(jnp.bfloat16)
    save(tmp_path / "net.fnn", trained, layer, outputs="scores", platforms=("cpu",))
    network = export.load(tmp_path / "net.fnn")
    assert network.outputs == "scores"
    got = network.predict(IMAGES)
    params, state = trained
    wanted, _ = layer.apply(params, state, NORMALIZATION(IMAGES), train=False)
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-4)
    assert got.dtype == jnp.float32


def test_a_program_runs_where_it_was_made_for(tmp_path: Path) -> None:
    layer, trained = linear()
    save(tmp_path / "net.fnn", trained, layer, platforms=("cuda", "rocm"))
    network = export.load(tmp_path / "net.fnn")
    assert network.platforms == ("cuda", "rocm")
    with pytest.raises(ValueError, match="platforms"):
        network.predict(IMAGES)


def test_what_cannot_be_exported(tmp_path: Path) -> None:
    layer, trained = linear()
    with pytest.raises(ValueError, match="3 class names for a network with 4 outputs"):
        save(tmp_path / "net.fnn", trained, layer, class_names="abc")
    with pytest.raises(ValueError, match="outputs as one of probabilities, scores, got 'logits'"):
        save(tmp_path / "net.fnn", trained, layer, outputs="logits")
    with pytest.raises(ValueError, match=r"maps images to \(batch, classes\)"):
        save(tmp_path / "net.fnn", ({}, {}), fnn.Relu)
    with pytest.raises(ValueError, match=r"expects numbers as weights, got .* as params/k"):
        save(tmp_path / "net.fnn", ({"k": jax.random.key(0)}, {}), fnn.Flatten)
    assert list(tmp_path.iterdir()) == []


# Files of somebody else.


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "small.fnn"
    layer, trained = linear()
    save(path, trained, layer, platforms=("cpu",))
    return path


Members = dict[str, bytes]


def changed(small: Path, path: Path, change: Callable[[Members], object], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(small) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def about_with(**entries: Any) -> Callable[[Members], object]:
    def change(members: Members) -> None:
        members["about.json"] = json.dumps(json.loads(members["about.json"]) | entries).encode()

    return change


def array(values: np.ndarray, pickled: bool = False) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values, allow_pickle=pickled)
    return stream.getvalue()


def program(function: Callable[..., Any]) -> bytes:
    (batch,) = jax_export.symbolic_shape("batch")
    weights = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((4,), (90, 4))]
    images = jax.ShapeDtypeStruct((batch, *SHAPE), jnp.uint8)
    return bytes(jax_export.export(jax.jit(function), platforms=["cpu"])(weights, images).serialize())


def calls_outside(weights: Any, images: Any) -> Any:
    square = jnp.eye(4) + weights[0][:, None] * weights[0][None]
    return jnp.broadcast_to(jnp.linalg.cholesky(square)[:1], (images.shape[0], 4))


BIAS = "params/head/bias.npy"
CHANGES: dict[str, tuple[Callable[[Members], object], str]] = {
    "no program": (lambda m: m.pop("program.bin"), "there is no program.bin"),
    "no about": (lambda m: m.pop("about.json"), "there is no about.json"),
    "no weight": (lambda m: m.pop(BIAS), "bias.npy: is not there"),
    "no JSON": (lambda m: m.update({"about.json": b"{"}), "no JSON"),
    "deep JSON": (lambda m: m.update({"about.json": b"[" * 100_000}), "no JSON"),
    "other JSON": (lambda m: m.update({"about.json": b"[1]"}), "expected a network of format"),
    "long JSON": (lambda m: m.update({"about.json": b" " * 2**23 + m["about.json"]}), "about.json should lie"),
    "other version": (about_with(version=2), "version 1"),
    "no shape": (about_with(image_shape=None), "about.json makes no sense"),
    "true as a size": (about_with(image_shape=[6, 5, True]), "about.json makes no sense"),
    "unknown outputs": (about_with(outputs="logits"), "about.json makes no sense"),
    "names of numbers": (about_with(class_names=[1, 2, 3, 4]), "about.json makes no sense"),
    "weights by number": (about_with(weights={"0": 1}), "about.json makes no sense"),
    "other shape": (about_with(image_shape=[5, 6, 3]), "do not belong together"),
    "other classes": (about_with(class_names=["a"]), "do not belong together"),
    "weights in another order": (about_with(weights=["params/head/kernel.npy", BIAS]), "do not belong together"),
    "another dtype": (lambda m: m.update({BIAS: array(np.zeros(4))}), "do not belong together"),
    "a pickle": (lambda m: m.update({BIAS: array(np.array([{}]), True)}), "never done here"),
    "a short weight": (lambda m: m.update({BIAS: m[BIAS][:-4]}), "promises"),
    "a short program": (lambda m: m.update({"program.bin": m["program.bin"][:100]}), "program.bin cannot be read"),
    "no bytes": (lambda m: m.update({"program.bin": b""}), "program.bin cannot be read"),
    "calls": (lambda m: m.update({"program.bin": program(calls_outside)}), "calls functions outside"),
    "other program": (
        lambda m: m.update(
            {"program.bin": program(lambda weights, images: weights[0][None] * jnp.float32(images.shape[0]))}
        ),
        "do not belong together",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_foreign_file_is_refused(name: str, small: Path, tmp_path: Path) -> None:
    change, message = CHANGES[name]
    with pytest.raises(DataError, match=message) as caught:
        export.load(changed(small, tmp_path / "foreign.fnn", change))
    assert "foreign.fnn" in str(caught.value)


def test_an_unchanged_copy_is_read(small: Path, tmp_path: Path) -> None:
    """So that the tests above do not refuse it for being copied."""
    assert export.load(changed(small, tmp_path / "copy.fnn", lambda m: None)).class_names == NAMES


def test_packed_and_doubled_and_cut_files_are_refused(small: Path, tmp_path: Path) -> None:
    packed = changed(small, tmp_path / "packed.fnn", lambda m: None, zipfile.ZIP_DEFLATED)
    with pytest.raises(DataError, match=r"about\.json should lie in it unpacked"):
        export.load(packed)
    doubled = changed(small, tmp_path / "doubled.fnn", lambda m: None)
    with zipfile.ZipFile(doubled, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("about.json", b"{}")
    with pytest.raises(DataError, match="two members of one name"):
        export.load(doubled)
    (tmp_path / "cut.fnn").write_bytes(small.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"cut\.fnn: cannot be read"):
        export.load(tmp_path / "cut.fnn")
    for missing in (tmp_path / "nowhere.fnn", tmp_path):
        with pytest.raises(DataError, match=r"no such file|expected a file"):
            export.load(missing)


def test_flipped_bytes_give_a_data_error_or_are_harmless(small: Path, tmp_path: Path) -> None:
    whole = np.frombuffer(small.read_bytes(), np.uint8)
    rng = np.random.default_rng(0)
    refused = 0
    for place in rng.integers(0, len(whole), 60):
        broken = whole.copy()
        broken[place] ^= np.uint8(rng.integers(1, 256))
        (tmp_path / "broken.fnn").write_bytes(broken.tobytes())
        try:
            export.load(tmp_path / "broken.fnn")
        except DataError:
            refused += 1
    assert refused > 40  # the others lie in what nobody reads: times, attributes
