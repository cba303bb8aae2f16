"""Sets of TensorFlow Datasets that lie prepared on disk, read without TensorFlow. Nothing is downloaded."""

import difflib
import io
import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from fnn.data.prepare.recipes import RECIPES
from fnn.data.source import DataError, Examples, Source

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP")
_MOST_PIXELS = 80_000_000  # a little less than where Pillow begins to warn
_AT_ONCE = 4096
_VERSION = re.compile(r"\d+\.\d+\.\d+")


def open_tfds(name: str, data_dir: Path | str, image_size: tuple[int, int] | None = None) -> Source:
    """Opens a prepared set of images with one label each.

    Args:
      name: TFDS's name, with a config where the set has some (`"mnist"`, `"emnist/letters"`), or the path of a
        prepared directory (the one with `dataset_info.json`).
      data_dir: TFDS's `data_dir`: a set lies in `data_dir/NAME/[CONFIG/]VERSION`; the highest version is taken.
      image_size: `(height, width)` that every image is resized to, bilinearly; None leaves them as they are.

    Returns:
      The splits that have examples, as `Examples`.

    Raises:
      DataError: if there is no such set, it is not prepared (the message has the command that does it), its files are
        not in the format array_record, it has no one image and label, or its images differ in size and no `image_size`
        is given.
    """
    place = _find(name, Path(data_dir).expanduser())
    import tensorflow_datasets as tfds  # late: it takes a second

    try:
        builder: Any = tfds.builder_from_directory(place)
    except Exception as error:  # a damaged JSON file breaks in many ways
        raise DataError(f"{place} cannot be read as a set of TensorFlow Datasets: {error}") from error
    _check_format(builder, place)
    image_key, label_key = _keys(builder.info, place)
    feature = builder.info.features[image_key]
    shape = _image_shape(feature, image_size, place)
    class_names = builder.info.features[label_key].names
    if class_names is None:
        raise DataError(f"{place} does not tell how many classes {label_key} has.")
    splits: dict[str, Examples] = {}
    for split, about in builder.info.splits.items():
        missing = [path for path in about.filepaths if not path.exists()]
        if missing:
            raise DataError(f"{missing[0]} is missing; prepare the set anew.")
        if about.num_examples:
            raw = builder.as_data_source(split=split, deserialize_method=tfds.decode.DeserializeMethod.RAW_BYTES)
            resize = image_size is not None
            splits[split] = TfdsExamples(
                raw, f"{place}, split {split}", image_key, label_key, shape, resize, len(class_names)
            )
    return Source(splits, tuple(class_names), f"TFDS {builder.info.full_name}")


@dataclass(frozen=True, eq=False)
class TfdsExamples:
    """One split of a prepared set."""

    records: Any
    """TFDS's data source, giving each example as the bytes that are stored."""
    place: str
    """Where that is, for messages."""
    image_key: str
    label_key: str
    image_shape: tuple[int, int, int]
    """`(height, width, channels)` of every image."""
    resize: bool
    """Whether images of other sizes are resized to `image_shape`; otherwise they are an error."""
    classes: int

    def __len__(self) -> int:
        return len(self.records)

    @property
    def labels(self) -> np.ndarray:
        """`(examples,)`, int32: read from the records, whose images are left as they are.

        Raises:
          DataError: if the files are damaged or a label is of no class.
        """
        return self._labels

    @cached_property
    def _labels(self) -> np.ndarray:
        labels = np.empty(len(self.records), np.int32)
        for start in range(0, len(labels), _AT_ONCE):
            chosen = range(start, min(start + _AT_ONCE, len(labels)))
            for index, features in zip(chosen, self._features(list(chosen)), strict=True):
                labels[index] = self._value(features, self.label_key, "int64_list", index)
        wrong = (labels < 0) | (labels >= self.classes)
        if wrong.any():
            index = int(wrong.argmax())
            raise DataError(
                f"{self.place}: example {index} has the label {labels[index]}; the {self.classes} classes go from 0 to "
                f"{self.classes - 1}{' (a split without labels?)' if labels[index] < 0 else ''}."
            )
        labels.flags.writeable = False  # it is handed out again
        return labels

    def read(self, chosen: np.ndarray) -> np.ndarray:
        """Reads and decodes images; as `Examples.read`."""
        images = np.empty((len(chosen), *self.image_shape), np.uint8)
        indices = [int(index) for index in chosen]
        if indices and not 0 <= min(indices) <= max(indices) < len(self.records):
            raise IndexError(
                f"{self.place} has {len(self.records)} examples, asked for {min(indices)} to {max(indices)}."
            )
        for start in range(0, len(indices), _AT_ONCE):
            part = indices[start : start + _AT_ONCE]
            for place, (index, features) in enumerate(zip(part, self._features(part), strict=True), start):
                encoded = self._value(features, self.image_key, "bytes_list", index)
                images[place] = self._decode(encoded, index)
        return images

    def _features(self, indices: list[int]) -> list[Any]:
        """Returns the features of examples by name, as `tf.train.Feature` messages."""
        from tensorflow_datasets.proto import tf_example_pb2

        messages: Any = tf_example_pb2  # made when it is imported, so that type checkers cannot look into it
        try:
            raw = self.records.__getitems__(indices)
            return [messages.Example.FromString(record).features.feature for record in raw]
        except Exception as error:  # array_record and protobuf have errors of their own
            raise DataError(f"{self.place} cannot be read, a file of it is damaged: {error}") from error

    def _value(self, features: Any, key: str, kind: str, index: int) -> Any:
        values = getattr(features[key], kind).value if key in features else ()
        if len(values) != 1:
            raise DataError(f"{self.place}: example {index} should have one {key}, it has {len(values)}.")
        return values[0]

    def _decode(self, encoded: bytes, index: int) -> np.ndarray:
        from PIL import Image, UnidentifiedImageError

        height, width, channels = self.image_shape
        try:
            with Image.open(io.BytesIO(encoded), formats=_FORMATS) as image:
                # Opening reads the header alone: a size is refused before its pixels are unpacked.
                if not self.resize and image.size != (width, height):
                    raise DataError(
                        f"{self.place}: example {index} has {image.size[1]}×{image.size[0]} pixels, "
                        f"all should have {height}×{width}."
                    )
                if image.size[0] * image.size[1] > _MOST_PIXELS:
                    raise DataError(
                        f"{self.place}: example {index} has {image.size[1]}×{image.size[0]} pixels, too many."
                    )
                if image.mode != _MODES[channels]:
                    image = image.convert(_MODES[channels])
                if image.size != (width, height):
                    image = image.resize((width, height), Image.Resampling.BILINEAR)
                return np.asarray(image).reshape(self.image_shape)
        except DataError:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise DataError(f"{self.place}: example {index} has too many pixels: {error}") from error
        except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
            raise DataError(f"{self.place}: the image of example {index} is damaged: {error}") from error


def _find(name: str, data_dir: Path) -> Path:
    """Returns the directory of a set: of the highest version that is prepared."""
    given = Path(name).expanduser()
    if (given / "dataset_info.json").is_file():
        return given
    set_name, _, config = name.partition("/")
    folder = data_dir / set_name
    if not re.fullmatch(r"\w+(/[\w.+-]+)?", name):
        raise DataError(f"{name!r} is neither the directory of a prepared set nor a name like mnist or emnist/letters.")
    if not config and not _versions(folder):
        config = _config(name, folder)
    versions = _versions(folder / config)
    if versions:
        return max(versions, key=lambda place: [int(part) for part in place.name.split(".")])
    raise _not_prepared(name, set_name, data_dir)


def _versions(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    places = [place for place in folder.iterdir() if _VERSION.fullmatch(place.name)]
    return [place for place in places if (place / "dataset_info.json").is_file()]


def _config(name: str, folder: Path) -> str:
    """Returns the config that a name without one means: TFDS's default if it is prepared, or the only one."""
    if not folder.is_dir():
        return ""
    configs = sorted(place.name for place in folder.iterdir() if _versions(place))
    try:
        default = json.loads((folder / ".config" / "metadata.json").read_text())["default_config_name"]
    except (OSError, ValueError, KeyError, TypeError):
        default = None
    if default in configs:
        return default
    if len(configs) > 1:
        raise DataError(
            f"{name} is there in several configs; choose one of {', '.join(f'{name}/{c}' for c in configs)}."
        )
    return configs[0] if configs else ""


def _not_prepared(name: str, set_name: str, data_dir: Path) -> DataError:
    if set_name in RECIPES:
        return DataError(
            f"{name} is not prepared in {data_dir}. Prepare it once by: "
            f"python -m fnn.data.prepare {name} --data_dir={data_dir}"
        )
    import tensorflow_datasets as tfds

    names = tfds.list_builders(with_community_datasets=False)
    if set_name in names:
        return DataError(
            f"{name} is not prepared in {data_dir}, and preparing it needs TensorFlow: on a machine that has it, run "
            f"tfds build {name} --file_format=array_record --data_dir={data_dir}"
        )
    here = [place.name for place in data_dir.iterdir() if place.is_dir()] if data_dir.is_dir() else []
    near = difflib.get_close_matches(set_name, {*names, *here, "digits"}, 3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"without TensorFlow there are {', '.join(RECIPES)}."
    return DataError(f"no data set is called {set_name!r}; {hint}")


def _check_format(builder: Any, place: Path) -> None:
    file_format = builder.info.file_format
    if file_format is None or file_format.value != "array_record":
        kind = file_format.value if file_format else "unknown"
        raise DataError(
            f"{place} holds files of the format {kind}, which cannot be read without TensorFlow. Prepare the set in "
            "another --data_dir by python -m fnn.data.prepare, or where TensorFlow is installed run "
            f"tfds convert_format --dataset_version_dir={place} --out_file_format=array_record --out_dir=ANOTHER_FOLDER"
        )


def _keys(info: Any, place: Path) -> tuple[str, str]:
    """Returns the names of the image and the label."""
    from tensorflow_datasets.core import features as kinds

    features: Any = info.features if isinstance(info.features, kinds.FeaturesDict) else {}
    # Subclasses are other things: a LabeledImage is a map of labels.
    images = [key for key, feature in features.items() if type(feature) is kinds.Image]
    labels = [key for key, feature in features.items() if type(feature) is kinds.ClassLabel]
    supervised = info.supervised_keys
    if supervised and len(supervised) == 2 and supervised[0] in images and supervised[1] in labels:
        return supervised
    if len(images) == len(labels) == 1:
        return images[0], labels[0]
    raise DataError(
        f"{place} is no set of images with one label each: it has {len(images)} images ({', '.join(images)}) and "
        f"{len(labels)} labels ({', '.join(labels)}) an example."
    )


def _image_shape(feature: Any, image_size: tuple[int, int] | None, place: Path) -> tuple[int, int, int]:
    height, width, channels = feature.shape
    if feature.np_dtype != np.uint8 or channels not in _MODES:
        raise DataError(
            f"{place} has images of {np.dtype(feature.np_dtype).name} with {channels} channels; "
            "only uint8 with 1, 3 or 4 channels can be read."
        )
    if image_size is not None:
        height, width = image_size
    if height is None or width is None:
        raise DataError(
            f"the images of {place} differ in size; give the size to bring them to, --image_size=HEIGHT,WIDTH."
        )
    return height, width, channels
