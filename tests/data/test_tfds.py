"""Prepared sets of TFDS are read as stock TFDS reads them, without TensorFlow; bad ones are refused."""

import io
import json
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image
from tensorflow_datasets.core import registered

from fnn.data.source import DataError
from fnn.data.tfds import open_tfds

Examples = Iterable[dict[str, Any]]
kinds: Any = tfds.features
CLASSES = ["cat", "dog", "eel"]


def encoded(pixels: np.ndarray, form: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(file, form, **options)
    return file.getvalue()


def noise(count: int, *shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)


def make(
    data_dir: Path, features: dict[str, Any], splits: dict[str, Examples], *, shards: int = 1, supervised: Any = None
) -> Path:
    """Prepares a set called `pets` with stock TFDS, images given as encoded bytes."""

    with registered.skip_registration():

        class Pets(tfds.core.GeneratorBasedBuilder):
            name = "pets"
            VERSION = tfds.core.Version("1.2.0")
            pkg_dir_path: Any = Path(__file__).parent

            def _info(self) -> Any:
                info: Any = tfds.core.DatasetInfo
                return info(builder=self, features=kinds.FeaturesDict(features), supervised_keys=supervised)

            def _split_generators(self, dl_manager: Any, **_: Any) -> Any:
                return {split: enumerate(examples) for split, examples in splits.items()}

            def _generate_examples(self, **_: Any) -> Any:
                raise NotImplementedError

    tfds.disable_progress_bar()
    builder: Any = Pets(data_dir=str(data_dir))
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(try_download_gcs=False, num_shards=shards),
        file_format="array_record",
    )
    return Path(builder.data_dir)


def simple(**image: Any) -> dict[str, Any]:
    return {"image": kinds.Image(**image), "label": kinds.ClassLabel(names=CLASSES)}


def labelled(images: Iterable[bytes]) -> list[dict[str, Any]]:
    return [{"image": image, "label": index % 3} for index, image in enumerate(images)]


def small(data_dir: Path, count: int = 12, **options: Any) -> Path:
    images = labelled(encoded(pixels) for pixels in noise(count, 5, 7, 3))
    return make(data_dir, simple(shape=(5, 7, 3)), {"train": images, "test": images[:4]}, **options)


def test_examples_are_those_that_stock_tfds_reads(tmp_path: Path) -> None:
    place = small(tmp_path, count=23, shards=3, supervised=("image", "label"))
    assert len(list(place.glob("*train*"))) == 3
    source = open_tfds("pets", tmp_path)
    stock: Any = tfds.builder_from_directory(str(place))
    assert list(source.splits) == ["train", "test"]
    assert source.class_names == tuple(CLASSES)
    assert source.description == "TFDS pets/1.2.0"
    for split, examples in source.splits.items():
        expected = list(stock.as_data_source(split=split))
        np.testing.assert_array_equal(examples.labels, [example["label"] for example in expected])
        assert examples.labels.dtype == np.int32
        assert examples.image_shape == (5, 7, 3)
        pixels = np.stack([example["image"] for example in expected])
        images = examples.read(np.arange(len(expected)))
        assert images.dtype == np.uint8
        np.testing.assert_array_equal(images, pixels)
        chosen = np.array([3, 0, 3, 1])
        np.testing.assert_array_equal(examples.read(chosen), pixels[chosen])
        assert examples.read(np.array([], np.int64)).shape == (0, 5, 7, 3)
        with pytest.raises(IndexError, match=str(len(expected))):
            examples.read(np.array([len(expected)]))
        with pytest.raises(IndexError, match="-1"):
            examples.read(np.array([-1]))
        with pytest.raises(ValueError, match="read-only"):
            examples.labels[0] = 1


def test_labels_are_read_without_decoding_images(tmp_path: Path) -> None:
    make(tmp_path, simple(shape=(5, 7, 3)), {"train": labelled([b"no image"] * 7)})
    assert sorted(open_tfds("pets", tmp_path).splits["train"].labels) == [0, 0, 0, 1, 1, 2, 2]


def test_threads_read_what_one_reads(tmp_path: Path) -> None:
    small(tmp_path, count=64, shards=4)
    alone = open_tfds("pets", tmp_path).splits["train"].read(np.arange(64))
    shared = open_tfds("pets", tmp_path).splits["train"]
    orders = [np.random.default_rng(seed).permutation(64) for seed in range(32)]
    with ThreadPoolExecutor(8) as threads:
        for order, images in zip(orders, threads.map(shared.read, orders), strict=True):
            np.testing.assert_array_equal(images, alone[order])
        assert len({labels.tobytes() for labels in threads.map(lambda _: shared.labels, range(32))}) == 1


def test_many_examples_are_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fnn.data import tfds as module

    small(tmp_path, count=10)
    whole = open_tfds("pets", tmp_path).splits["train"]
    images, labels = whole.read(np.arange(10)[::-1]), whole.labels
    monkeypatch.setattr(module, "_AT_ONCE", 3)
    parts = open_tfds("pets", tmp_path).splits["train"]
    np.testing.assert_array_equal(parts.read(np.arange(10)[::-1]), images)
    np.testing.assert_array_equal(parts.labels, labels)


@pytest.mark.parametrize("form", ["JPEG", "palette", "grey", "alpha"])
def test_images_of_every_mode_become_the_features_channels(form: str, tmp_path: Path) -> None:
    pixels = np.repeat(np.repeat(noise(1, 2, 3, 3)[0], 4, 0), 4, 1)
    file = io.BytesIO()
    match form:
        case "JPEG":
            file.write(encoded(pixels, "JPEG", quality=90))
        case "palette":
            Image.fromarray(pixels).quantize(256).save(file, "PNG")
        case "grey":
            Image.fromarray(pixels).convert("L").save(file, "PNG")
        case "alpha":
            Image.fromarray(pixels).convert("RGBA").save(file, "PNG")
    make(tmp_path, simple(shape=(8, 12, 3)), {"train": labelled([file.getvalue()])})
    with Image.open(file) as image:
        expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(open_tfds("pets", tmp_path).splits["train"].read(np.array([0]))[0], expected)


def test_images_that_differ_in_size_need_one(tmp_path: Path) -> None:
    pictures = [noise(1, height, width, 3)[0] for height, width in ((9, 6), (4, 8), (6, 5))]
    make(tmp_path, simple(), {"train": labelled(encoded(pixels) for pixels in pictures)})
    with pytest.raises(DataError, match=r"differ in size.*image_size"):
        open_tfds("pets", tmp_path)
    train = open_tfds("pets", tmp_path, image_size=(6, 5)).splits["train"]
    assert train.image_shape == (6, 5, 3)
    images = train.read(np.arange(3))
    for label, image in zip(train.labels, images, strict=True):  # the labels tell which picture it is
        resized = Image.fromarray(pictures[label]).resize((5, 6), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(image, np.asarray(resized))
    assert any((image == pictures[2]).all() for image in images)


def test_image_size_resizes_sets_of_one_size_too(tmp_path: Path) -> None:
    small(tmp_path)
    assert open_tfds("pets", tmp_path, image_size=(3, 2)).splits["train"].read(np.arange(2)).shape == (2, 3, 2, 3)


def test_supervised_keys_choose_among_several_labels(tmp_path: Path) -> None:
    features = {**simple(shape=(5, 7, 3)), "coarse": kinds.ClassLabel(num_classes=2), "id": kinds.Text()}
    examples = [{**example, "coarse": 1, "id": "x"} for example in labelled([encoded(noise(1, 5, 7, 3)[0])] * 3)]
    make(tmp_path, features, {"train": examples}, supervised=("image", "label"))
    source = open_tfds("pets", tmp_path)
    assert sorted(source.splits["train"].labels) == [0, 1, 2]
    make(tmp_path / "other", features, {"train": examples}, supervised=("image", "coarse"))
    source = open_tfds("pets", tmp_path / "other")
    assert source.class_names == ("0", "1")
    assert set(source.splits["train"].labels) == {1}
    make(tmp_path / "neither", features, {"train": examples})
    with pytest.raises(DataError, match=r"1 images \(image\) and 2 labels \(\w+, \w+\)"):
        open_tfds("pets", tmp_path / "neither")


@pytest.mark.parametrize(
    "features",
    [
        {"image": kinds.Image(shape=(5, 7, 1), dtype=np.uint16), "label": kinds.ClassLabel(num_classes=3)},
        {"image": kinds.LabeledImage(shape=(5, 7, 1), labels=3), "label": kinds.ClassLabel(num_classes=3)},
        {"image": kinds.Image(shape=(5, 7, 1)), "label": kinds.Text()},
    ],
)
def test_sets_that_are_no_image_classification_are_refused(features: dict[str, Any], tmp_path: Path) -> None:
    label = "text" if isinstance(features["label"], kinds.Text) else 0
    make(tmp_path, features, {"train": [{"image": encoded(noise(1, 5, 7, 1)[0]), "label": label}]})
    with pytest.raises(DataError, match=r"no set of images with one label each|only uint8"):
        open_tfds("pets", tmp_path)


def test_a_directory_opens_by_its_path(tmp_path: Path) -> None:
    place = small(tmp_path)
    assert set(open_tfds(str(place), "/nowhere").splits) == {"train", "test"}
    with pytest.raises(DataError, match="neither the directory of a prepared set nor a name"):
        open_tfds(str(tmp_path / "nothing"), tmp_path)


def test_the_highest_version_is_taken(tmp_path: Path) -> None:
    place = small(tmp_path)
    for version in ("1.10.0", "1.9.0"):
        other = place.with_name(version)
        shutil.copytree(place, other)
        info = json.loads((other / "dataset_info.json").read_text())
        (other / "dataset_info.json").write_text(json.dumps({**info, "version": version}))
    place.with_name("2.0.0").mkdir()  # not prepared
    assert open_tfds("pets", tmp_path).description == "TFDS pets/1.10.0"


def test_configs_are_found_and_have_to_be_named_where_there_are_several(tmp_path: Path) -> None:
    place = small(tmp_path / "made")
    for config in ("long", "short"):
        other = tmp_path / "pets" / config / "1.2.0"
        shutil.copytree(place, other)
        info = json.loads((other / "dataset_info.json").read_text())
        (other / "dataset_info.json").write_text(json.dumps({**info, "configName": config}))
        assert open_tfds(f"pets/{config}", tmp_path).description == f"TFDS pets/{config}/1.2.0"
        if config == "long":
            assert open_tfds("pets", tmp_path).description == "TFDS pets/long/1.2.0"
    with pytest.raises(DataError, match="choose one of pets/long, pets/short"):
        open_tfds("pets", tmp_path)
    (tmp_path / "pets" / ".config").mkdir()
    (tmp_path / "pets" / ".config" / "metadata.json").write_text('{"default_config_name": "short"}')
    assert open_tfds("pets", tmp_path).description == "TFDS pets/short/1.2.0"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mnist", r"python -m fnn.data.prepare mnist --data_dir={}$"),
        ("emnist/letters", r"python -m fnn.data.prepare emnist/letters --data_dir={}$"),
        ("rock_paper_scissors", r"needs TensorFlow.*tfds build rock_paper_scissors --file_format=array_record"),
        ("minst", r"no data set is called 'minst'; did you mean .*mnist"),
        ("pest", r"did you mean .*pets"),
        ("qqqqqq", r"there are mnist, fashion_mnist"),
        ("../pets", r"neither the directory of a prepared set nor a name"),
    ],
)
def test_what_is_not_there_is_told_at_once_with_what_to_do(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "pets").mkdir()
    with pytest.raises(DataError, match=message.replace("{}", str(tmp_path))):
        open_tfds(name, tmp_path)
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "pets"]


def cut_shard(place: Path) -> None:
    shard = next(place.glob("*train*"))
    shard.write_bytes(shard.read_bytes()[:-2000])


def overwrite_shard(place: Path) -> None:
    shard = next(place.glob("*train*"))
    content = shard.read_bytes()
    shard.write_bytes(content[:400] + bytes(len(content) - 800) + content[-400:])


def empty_shard(place: Path) -> None:
    next(place.glob("*train*")).write_bytes(b"")


@pytest.mark.parametrize("harm", [cut_shard, overwrite_shard, empty_shard])
def test_damaged_files_are_told(harm: Callable[[Path], None], tmp_path: Path) -> None:
    place = small(tmp_path, count=200)
    harm(place)
    with pytest.raises(DataError, match=r"pets/1.2.0, split train .*damaged"):
        open_tfds("pets", tmp_path).splits["train"].read(np.arange(200))
    with pytest.raises(DataError, match=r"pets/1.2.0, split train .*damaged"):
        _ = open_tfds("pets", tmp_path).splits["train"].labels


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    place = small(tmp_path, shards=2)
    (place / "pets-train.array_record-00001-of-00002").unlink()
    with pytest.raises(DataError, match=r"pets-train.array_record-00001-of-00002 is missing"):
        open_tfds("pets", tmp_path)


def test_other_file_formats_are_refused_with_what_to_do(tmp_path: Path) -> None:
    place = small(tmp_path)
    info = json.loads((place / "dataset_info.json").read_text())
    (place / "dataset_info.json").write_text(json.dumps({**info, "fileFormat": "tfrecord"}))
    with pytest.raises(DataError, match=r"format tfrecord.*tfds convert_format"):
        open_tfds("pets", tmp_path)
    (place / "dataset_info.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read as a set"):
        open_tfds("pets", tmp_path)


def png_of_size(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it has that many pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("image", "size", "message"),
    [
        (b"no image", None, "image of example 0 is damaged"),
        (encoded(noise(1, 5, 7, 3)[0])[:-60], None, "image of example 0 is damaged"),
        (encoded(noise(1, 7, 5, 3)[0]), None, "example 0 has 7×5 pixels, all should have 5×7"),
        (encoded(noise(1, 5, 7, 3)[0], "TIFF"), None, "image of example 0 is damaged"),
        (png_of_size(40_000, 40_000), None, "too many pixels"),
        (png_of_size(40_000, 40_000), (5, 7), "too many pixels"),
        (png_of_size(9_200, 9_500), (5, 7), "9500×9200 pixels, too many"),
    ],
    ids=["no image", "cut", "size", "format", "huge", "huge to resize", "large to resize"],
)
def test_bad_images_are_told(image: bytes, size: tuple[int, int] | None, message: str, tmp_path: Path) -> None:
    make(tmp_path, simple(shape=(5, 7, 3)), {"train": labelled([image])})
    with pytest.raises(DataError, match=message):
        open_tfds("pets", tmp_path, size).splits["train"].read(np.array([0]))


def test_labels_of_no_class_are_told(tmp_path: Path) -> None:
    image = encoded(noise(1, 5, 7, 3)[0])
    make(tmp_path, simple(shape=(5, 7, 3)), {"test": [{"image": image, "label": -1}]})
    with pytest.raises(DataError, match=r"has the label -1.*from 0 to 2 \(a split without labels\?\)"):
        _ = open_tfds("pets", tmp_path).splits["test"].labels


def test_reading_imports_no_tensorflow(tmp_path: Path) -> None:
    small(tmp_path)
    code = f"""
import sys
import numpy as np
import fnn.data.tfds
assert "tensorflow_datasets" not in sys.modules and "PIL" not in sys.modules
train = fnn.data.tfds.open_tfds("pets", {str(tmp_path)!r}).splits["train"]
train.read(np.arange(len(train.labels)))
assert "tensorflow" not in sys.modules
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
