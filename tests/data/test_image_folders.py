"""Folders of images. The PNG files are made by hand; JPEG and WebP by Pillow."""

import io
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from data import made
from PIL import Image, ImageFile

from fnn.data.files import decode, open_folder
from fnn.data.files.images import ImageFiles
from fnn.data.source import DataError, Examples, Source

GREY = made.pixels(4, 5)
COLOUR = made.pixels(4, 5, 3)


def save(image: Image.Image, kind: str, **how: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **how)
    return file.getvalue()


def only(source: Source) -> np.ndarray:
    (split,) = source.splits.values()
    return split.read(np.arange(len(split.labels)))


def folder_of(tmp_path: Path, *images: bytes, suffix: str = "png") -> Path:
    return made.write(tmp_path, {f"a/{number}.{suffix}": image for number, image in enumerate(images)})


def test_classes_are_subfolders_in_order(tmp_path: Path) -> None:
    images = {name: made.pixels(4, 5, seed=number) for number, name in enumerate(["b/2", "a/10", "b/1", "C/x", "a/9"])}
    source = open_folder(made.write(tmp_path, {f"{name}.png": made.png(image) for name, image in images.items()}))
    assert source.class_names == ("C", "a", "b")
    assert list(source.splits) == ["train"]
    train = source.splits["train"]
    assert train.image_shape == (4, 5, 1)
    assert train.labels.dtype == np.int32
    np.testing.assert_array_equal(np.sort(train.labels), [0, 1, 1, 2, 2])
    expected = train.read(np.arange(5))
    # The order is that of a hash; each image stands beside the label of its folder.
    read = {image.tobytes(): label for image, label in zip(expected, train.labels, strict=True)}
    assert read == {image.tobytes(): "Cab".index(name[0]) for name, image in images.items()}
    np.testing.assert_array_equal(train.read(np.array([4, 0, 4])), expected[[4, 0, 4]])
    assert train.read(np.array([], int)).shape == (0, 4, 5, 1)


@pytest.mark.parametrize("validation", ["val", "validation", "Valid"])
def test_splits_are_folders_of_classes(tmp_path: Path, validation: str) -> None:
    files = {f"{split}/{name}/1.png": made.png(made.pixels(4, 5, seed=number))
             for number, split in enumerate(["test", validation, "train"]) for name in "ab"}  # fmt: skip
    source = open_folder(made.write(tmp_path, files))
    assert list(source.splits) == ["train", "validation", "test"]
    assert source.class_names == ("a", "b")
    for split, seed in (("test", 0), ("validation", 1), ("train", 2)):
        expected = np.stack([made.pixels(4, 5, seed=seed)] * 2)[..., np.newaxis]
        np.testing.assert_array_equal(source.splits[split].read(np.arange(2)), expected)


def test_any_slice_has_some_of_each_class_always_the_same(tmp_path: Path) -> None:
    for place in ("here", "there"):
        images = {f"{place}/{name}/{i}.png": made.png(made.pixels(2, 2, seed=i)) for name in "abcd" for i in range(30)}
        made.write(tmp_path, images)
    here, there = (open_folder(tmp_path / place).splits["train"] for place in ("here", "there"))
    for start in range(0, 120, 40):
        assert np.bincount(here.labels[start : start + 40], minlength=4).min() >= 4
    np.testing.assert_array_equal(here.labels, there.labels)
    np.testing.assert_array_equal(here.read(np.arange(120)), there.read(np.arange(120)))


def test_only_the_chosen_files_are_decoded(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, *[made.png(made.pixels(4, 5, seed=seed)) for seed in range(3)])
    train = open_folder(folder).splits["train"]
    assert isinstance(train, ImageFiles)
    one, two = (train.files.index(folder / f"a/{number}.png") for number in (1, 2))
    whole = (folder / "a/1.png").read_bytes()
    (folder / "a/1.png").write_bytes(whole[:-20])
    np.testing.assert_array_equal(train.read(np.array([two]))[0, ..., 0], made.pixels(4, 5, seed=2))
    with pytest.raises(DataError, match=r"a/1\.png"):
        train.read(np.array([0, 1, 2]))
    (folder / "a/1.png").unlink()
    with pytest.raises(DataError, match=r"a/1\.png: there is no such file"):
        train.read(np.array([one]))
    (folder / "a/1.png").write_bytes(made.png(made.pixels(5, 4)))
    with pytest.raises(DataError, match=r"expected 4×5 pixels .* got 5×4"):
        train.read(np.array([one]))


def test_many_threads_read_the_same(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, *[made.png(made.pixels(4, 5, seed=seed)) for seed in range(50)])
    train = open_folder(folder).splits["train"]
    order = [int(train.files[i].stem) for i in range(50)]  # pyright: ignore[reportAttributeAccessIssue]
    expected = np.stack([made.pixels(4, 5, seed=seed) for seed in order])[..., np.newaxis]

    def read(seed: int) -> bool:
        chosen = np.random.default_rng(seed).integers(0, 50, 40)
        return bool((train.read(chosen) == expected[chosen]).all())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(16)))


# What becomes of an image's mode.

LIGHT = np.array([[0, 255], [100, 200]], np.uint8)
PALETTE = made.chunk(b"PLTE", bytes([10, 10, 10, 20, 20, 20, 30, 30, 30]))
COLOURED = made.chunk(b"PLTE", bytes([10, 20, 30, 40, 50, 60, 70, 80, 90]))
INDICES = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)
CLEAR = made.chunk(b"tRNS", bytes([255, 0]))  # the second colour of a palette cannot be seen

MODES = {
    "grey": (made.png(LIGHT), LIGHT[..., np.newaxis]),
    "grey 16 bits": (made.png(LIGHT.astype(np.uint16) * 256 + 77), LIGHT[..., np.newaxis]),
    "one bit": (made.png_of(8, 2, 1, 0, np.array([[0b10110000], [1]], np.uint8)),
                np.array([[1, 0, 1, 1, 0, 0, 0, 0], [0] * 7 + [1]], np.uint8)[..., np.newaxis] * 255),
    "grey and alpha": (made.png(np.stack([LIGHT, np.full((2, 2), 255, np.uint8)], -1)), LIGHT[..., np.newaxis]),
    "grey and clear": (made.png(np.stack([LIGHT, np.zeros((2, 2), np.uint8)], -1)), np.full((2, 2, 1), 255, np.uint8)),
    "colour": (made.png(COLOUR), COLOUR),
    "colour 16 bits": (made.png(COLOUR.astype(np.uint16) * 256 + 77), COLOUR),
    "colour and alpha": (made.png(np.concatenate([COLOUR, np.full((4, 5, 1), 255, np.uint8)], -1)), COLOUR),
    "colour and clear": (made.png(np.concatenate([COLOUR, np.zeros((4, 5, 1), np.uint8)], -1)),
                         np.full_like(COLOUR, 255)),
    "colour, one clear": (made.png(COLOUR, made.chunk(b"tRNS", bytes(v for c in COLOUR[0, 0] for v in (0, c)))),
                          np.where((COLOUR[0, 0] == COLOUR).all(-1, keepdims=True), np.uint8(255), COLOUR)),
    "grey palette": (made.png_of(3, 2, 8, 3, INDICES, PALETTE),
                     np.array([10, 20, 30], np.uint8)[INDICES][..., np.newaxis]),
    "palette": (made.png_of(3, 2, 8, 3, INDICES, COLOURED),
                np.array([[10, 20, 30], [40, 50, 60], [70, 80, 90]], np.uint8)[INDICES]),
    "palette, one clear": (made.png_of(3, 2, 8, 3, INDICES, COLOURED + CLEAR),
                           np.array([[10, 20, 30], [255, 255, 255], [70, 80, 90]], np.uint8)[INDICES]),
    "grey palette, one clear": (made.png_of(3, 2, 8, 3, INDICES, PALETTE + CLEAR),
                                np.array([10, 255, 30], np.uint8)[INDICES][..., np.newaxis]),
}  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
def test_modes_become_grey_or_colour(tmp_path: Path, mode: str) -> None:
    content, expected = MODES[mode]
    np.testing.assert_array_equal(only(open_folder(folder_of(tmp_path, content)))[0], expected)


def test_half_transparent_pixels_lie_over_white(tmp_path: Path) -> None:
    image = np.concatenate([COLOUR, np.full((4, 5, 1), 128, np.uint8)], -1)
    expected = COLOUR * (128 / 255) + 255 * (127 / 255)
    read = only(open_folder(folder_of(tmp_path, made.png(image))))[0]
    np.testing.assert_allclose(read, expected, atol=1)


def test_one_colour_image_makes_all_of_them_three_channels(tmp_path: Path) -> None:
    read = only(open_folder(folder_of(tmp_path, made.png(GREY), made.png(COLOUR))))
    np.testing.assert_array_equal(read, np.stack([np.stack([GREY] * 3, -1), COLOUR]))


def test_jpeg_and_webp(tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(0, 160, 5), np.arange(0, 64, 2)).astype(np.uint8)
    colour = np.stack([smooth, 255 - smooth, smooth // 2], -1)
    exact = save(Image.fromarray(colour), "WEBP", lossless=True)
    made.write(tmp_path, {
        "a/1.webp": exact,
        "a/2.jpg": save(Image.fromarray(colour), "JPEG", quality=95),
        "a/3.JPEG": save(Image.fromarray(colour).convert("CMYK"), "JPEG", quality=95),
        "a/4.jpeg": save(Image.fromarray(colour), "JPEG", quality=95, progressive=True),
        "a/5.jpg": exact,  # it is what it is, not what it is called
    })  # fmt: skip
    read = only(open_folder(tmp_path))
    np.testing.assert_array_equal(read[0], colour)
    np.testing.assert_array_equal(read[4], colour)
    for image in read:
        assert np.abs(image.astype(int) - colour).mean() < 4


def test_grey_jpeg_has_one_channel(tmp_path: Path) -> None:
    folder_of(tmp_path, save(Image.new("L", (5, 4), 90), "JPEG"), suffix="jpg")
    np.testing.assert_array_equal(only(open_folder(tmp_path)), np.full((1, 4, 5, 1), 90))


def test_sizes_that_differ_need_image_size(tmp_path: Path) -> None:
    checks = np.indices((8, 8)).sum(0) % 2 * 255
    folder_of(tmp_path, made.png(checks.astype(np.uint8)), made.png(np.full((4, 6), 9, np.uint8)))
    with pytest.raises(DataError, match=r"1\.png: expected 8×8 pixels as in .*0\.png, got 4×6;.* image_size"):
        open_folder(tmp_path)
    source = open_folder(tmp_path, image_size=(2, 4))
    assert source.splits["train"].image_shape == (2, 4, 1)
    read = only(source)
    assert read.shape == (2, 2, 4, 1)
    assert np.abs(read[0].astype(int) - 127.5).max() < 20  # averaged, not picked: a chessboard is grey from afar
    assert (read[1] == 9).all()


def test_resizing_is_linear_between_pixels(tmp_path: Path) -> None:
    folder_of(tmp_path, made.png(np.array([[0, 200]], np.uint8)))
    np.testing.assert_array_equal(only(open_folder(tmp_path, image_size=(1, 4)))[0, 0, :, 0], [0, 50, 150, 200])


def test_transparency_is_resolved_before_resizing(tmp_path: Path) -> None:
    hidden = np.zeros((4, 4, 4), np.uint8)
    hidden[:, 2:] = 255  # black and invisible beside white and visible
    read = only(open_folder(folder_of(tmp_path, made.png(hidden)), image_size=(2, 2)))
    assert (read == 255).all()


@pytest.mark.parametrize("size", [(0, 4), (-1, -4), (10**6, 10**6)])
def test_impossible_image_size_is_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="image_size must be"):
        open_folder(folder_of(tmp_path, made.png(GREY)), image_size=size)


def test_hidden_files_and_junk_are_ignored(tmp_path: Path) -> None:
    junk = {
        "a/.DS_Store": b"",
        "a/Thumbs.db": b"",
        ".git/x": b"",
        "__MACOSX/a/._0.png": b"",
        "a/._0.png": b"",
        "LICENSE": b"",
    }
    source = open_folder(made.write(folder_of(tmp_path, made.png(GREY)), junk))
    assert source.class_names == ("a",)
    assert len(source.splits["train"].labels) == 1


GOOD = {f"{split}/{name}/1.png": made.png(GREY) for split in ("train", "test") for name in "ab"}
WRONG = {
    "other file": ({"train/a/notes.txt": b"", "train/a/2.gif": b""}, r"train/a: .* got 2\.gif, notes\.txt"),
    "folder in a class": ({"train/a/more/1.png": made.png(GREY)}, r"train/a: .* got more/"),
    "empty class": ({"train/c/.keep": b"", "test/c/1.png": made.png(GREY)}, "train/c: .* images of the class 'c'"),
    "class in one only": ({"test/c/1.png": made.png(GREY)}, "same classes in 'train' and 'test', got c in one"),
    "unknown split": ({"other/a/1.png": made.png(GREY)}, "got other, test, train, of which"),
    "class beside splits": ({"dog/1.png": made.png(GREY)}, "got dog, test, train, of which test, train hold"),
    "split twice": ({"val/a/1.png": made.png(GREY), "valid/a/1.png": made.png(GREY)}, "got test, train, val, valid"),
    "loose image": ({"1.png": made.png(GREY)}, r"got 1\.png of no class"),
    "not an image": ({"train/a/2.png": b"hello"}, r"train/a/2\.png: cannot be read as PNG, JPEG or WebP, it is none"),
    "empty file": ({"train/a/2.png": b""}, r"train/a/2\.png: cannot be read"),
    "another format": ({"train/a/2.png": save(Image.fromarray(GREY), "GIF")}, r"a/2\.png: cannot be read .* none"),
    "cut header": ({"train/a/2.png": made.png(GREY)[:30]}, r"train/a/2\.png: cannot be read"),
    "bad header": ({"train/a/2.png": made.png(GREY).replace(b"\0\0\0\5", b"\0\0\0\6", 1)}, r"2\.png: cannot be read"),
    "bomb": ({"train/a/2.png": made.png_of(10**4, 10**4, 1, 0, GREY)}, r"2\.png: .* up to 50000000 pixels"),
    "small bomb": ({"train/a/2.png": made.png_of(7100, 7100, 1, 0, GREY)}, r"up to 50000000 pixels, got 7100×7100"),
    "great bomb": ({"train/a/2.png": made.png_of(10**6, 10**6, 1, 0, GREY)}, r"2\.png: .* up to 50000000 pixels"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_refused(tmp_path: Path, case: str) -> None:
    changes, message = WRONG[case]
    open_folder(made.write(tmp_path, GOOD))
    with pytest.raises(DataError, match=message) as caught:
        open_folder(made.write(tmp_path, changes))
    assert str(tmp_path) in str(caught.value)


def test_bombs_are_refused_also_where_pillow_only_warns(tmp_path: Path) -> None:
    folder_of(tmp_path, made.png_of(10**4, 10**4, 1, 0, GREY))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(DataError, match="got 10000×10000"):
            open_folder(tmp_path)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "progressive JPEG"])
def test_images_cut_anywhere_are_errors_not_filled(tmp_path: Path, kind: str) -> None:
    how = {"progressive": True} if "progressive" in kind else {}
    content = save(Image.fromarray(made.pixels(24, 24, 3)), kind.split()[-1], **how)
    end = len(content) - (12 if kind == "PNG" else 2)  # what ends the file holds no pixels
    train = open_folder(folder_of(tmp_path, content)).splits["train"]
    for kept in np.linspace(0, end - 1, 30).astype(int):
        (tmp_path / "a/0.png").write_bytes(content[:kept])
        with pytest.raises(DataError, match=r"a/0\.png"):
            train.read(np.array([0]))


def test_truncated_images_stay_errors_when_others_allow_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = open_folder(folder_of(tmp_path, save(Image.fromarray(COLOUR), "JPEG"))).splits["train"]
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(DataError, match="LOAD_TRUNCATED_IMAGES is set"):
        train.read(np.array([0]))


def test_a_flipped_bit_in_a_png_is_noticed(tmp_path: Path) -> None:
    # Some of these flips change pixels and Pillow does not mind.
    content = save(Image.fromarray(np.add.outer(np.arange(200), np.arange(200)).astype(np.uint8)), "PNG")
    train = open_folder(folder_of(tmp_path, content)).splits["train"]
    right = train.read(np.array([0]))
    unnoticed = 0
    for place in range(content.index(b"IDAT") + 4, content.index(b"IEND") - 8):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        (tmp_path / "a/0.png").write_bytes(changed)
        try:
            unnoticed += not np.array_equal(train.read(np.array([0])), right)
        except DataError:
            continue
    assert unnoticed == 0


def test_animation_gives_its_first_picture(tmp_path: Path) -> None:
    frames = [Image.fromarray(made.pixels(4, 5, 3, seed=seed)) for seed in (1, 2)]
    content = save(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True, duration=100)
    read = only(open_folder(folder_of(tmp_path, content, suffix="webp")))
    np.testing.assert_array_equal(read[0], np.asarray(frames[0]))


def test_many_headers_are_read_and_the_first_fault_is_named(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, *[made.png(GREY)] * 100)
    (folder / "a/77.png").write_bytes(b"x")
    (folder / "a/78.png").write_bytes(b"x")
    with pytest.raises(DataError, match=r"a/77\.png"):
        open_folder(folder)


def test_file_size_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "_FILE_LIMIT", 50)
    with pytest.raises(DataError, match="up to 50 bytes"):
        open_folder(folder_of(tmp_path, made.png(GREY)))


def test_source_is_what_it_promises(tmp_path: Path) -> None:
    split: Examples = open_folder(folder_of(tmp_path, made.png(GREY))).splits["train"]
    assert split.read(np.array([0])).flags.c_contiguous
