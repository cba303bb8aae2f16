"""Sets prepared without TensorFlow are those that TFDS's own builders make; bad originals leave nothing."""

import errno
import fcntl
import gzip
import io
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
import warnings
import zipfile
from pathlib import Path
from typing import Any

import fake_originals as fake
import numpy as np
import pytest
import tensorflow_datasets as tfds
from tensorflow_datasets.core import hashing

from fnn.data.prepare import RECIPES, archives, network, prepare
from fnn.data.prepare.directory import _WORKPLACE
from fnn.data.source import DataError

SETS = ["mnist", "fashion_mnist", "kmnist", "emnist/letters", "cifar10", "cifar100", "svhn_cropped"]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    fake.make_small(monkeypatch)
    tfds.disable_progress_bar()


def given(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str) -> Path:
    """A folder with a set's originals."""
    files = fake.originals(name)
    fake.register(monkeypatch, name, files)
    return fake.write(folder, files)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_set_promised_has_a_recipe() -> None:
    assert list(RECIPES) == [name.partition("/")[0] for name in SETS]


@pytest.mark.parametrize("name", SETS)
def test_the_directory_is_byte_for_byte_what_the_stock_builder_writes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = prepare(name, tmp_path / "data", given(monkeypatch, tmp_path / "originals", name))
    stock = fake.stock_directory(monkeypatch, name, tmp_path)
    assert place.relative_to(tmp_path / "data") == stock.relative_to(tmp_path / "stock")
    ours, theirs = contents(tmp_path / "data"), contents(tmp_path / "stock")
    assert set(ours) == set(theirs)
    assert all(ours[file] == theirs[file] for file in ours)


def test_stock_tfds_reads_it_by_name_in_the_order_of_its_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare("cifar10", tmp_path / "data", given(monkeypatch, tmp_path / "originals", "cifar10"))
    builder: Any = tfds.builder("cifar10", data_dir=str(tmp_path / "data"))
    assert builder.is_prepared()
    assert builder.info.features["label"].names == [f"class {i}" for i in range(10)]
    raw = b"".join(content for file, content in fake.cifar_files("cifar10").items() if "data_batch" in file)
    records = np.frombuffer(raw, np.uint8).reshape(20, 3073)
    hasher = hashing.Hasher("train")
    order = sorted(range(20), key=hasher.hash_key)
    assert order != list(range(20))
    source = builder.as_data_source(split="train")
    assert [example["id"].decode() for example in source] == [f"train_{i:05d}" for i in order]
    assert [example["label"] for example in source] == records[order, 0].tolist()
    expected = records[order, 1:].reshape(20, 3, 32, 32).transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(np.stack([example["image"] for example in source]), expected)


@pytest.mark.parametrize("name", ["mnist", "emnist/letters", "cifar100"])
@pytest.mark.parametrize("bare", [True, False])
def test_unpacked_originals_give_the_same_set(
    name: str, bare: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = prepare(name, tmp_path / "packed", given(monkeypatch, tmp_path / "originals", name))
    loose = {(file.rpartition("/")[2] if bare else file): content for file, content in fake.unpacked(name).items()}
    said: list[str] = []
    place = prepare(name, tmp_path / "loose", fake.write(tmp_path / "files", loose), said.append)
    assert contents(place) == contents(packed)
    assert any("no checksum" in line for line in said)


def test_a_prepared_set_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = given(monkeypatch, tmp_path / "originals", "mnist")
    place = prepare("mnist", tmp_path / "data", folder)
    before = contents(place)
    said: list[str] = []
    assert prepare("mnist", tmp_path / "data", tmp_path / "nowhere", said.append) == place
    assert "already" in said[0]
    assert contents(place) == before
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["mnist"]


def test_mnist_packed_anew_passes_by_its_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fnn.data.prepare import checksums

    folder = given(monkeypatch, tmp_path / "originals", "mnist")
    kind: Any = tfds.builder_cls("mnist")
    known = {}
    for info in kind.url_infos.values():
        path = folder / info.filename
        content = gzip.decompress(path.read_bytes())
        known[info.checksum] = (len(content), checksums.hashlib.sha256(content).hexdigest())
        path.write_bytes(gzip.compress(content, 1, mtime=7))
    with pytest.raises(DataError, match="not the original"):
        prepare("mnist", tmp_path / "data", folder)
    monkeypatch.setattr(checksums, "UNPACKED", known)
    said: list[str] = []
    prepare("mnist", tmp_path / "data", folder, said.append)
    assert len([line for line in said if "packed anew" in line]) == 4

    plain = folder / "t10k-labels-idx1-ubyte"
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    plain.write_bytes(fake.idx(np.zeros(fake.TEST, np.uint8)))
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte is not the original"):
        prepare("mnist", tmp_path / "more", folder)


def test_the_known_contents_are_of_tfds_own_files() -> None:
    from fnn.data.prepare.checksums import UNPACKED

    kind: Any = tfds.builder_cls("mnist")
    assert {info.checksum for info in kind.url_infos.values()} == set(UNPACKED)


def harm_mnist(folder: Path, harm: str) -> None:
    """Replaces the originals by plain files, whose checksums nobody knows, one of them bad."""
    files = fake.mnist_files()
    images, labels = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
    pixels = np.zeros((fake.TRAIN, 28, 28), np.uint8)
    match harm:
        case "missing":
            del files[images]
        case "empty":
            files[images] = b""
        case "short header":
            files[images] = files[images][:10]
        case "short":
            files[images] = files[images][:-1]
        case "long":
            files[images] += b"\0"
        case "magic":
            files[images] = b"\x89PNG" + files[images][4:]
        case "type":
            files[images] = b"\0\0\x0d\x03" + files[images][4:]
        case "count":
            files[images] = fake.idx(pixels[:-1])
        case "shape":
            files[images] = fake.idx(pixels.reshape(-1, 14, 56))
        case "huge":
            files[images] = b"\0\0\x08\x03" + b"\xff" * 12 + files[images][16:]
        case "label":
            files[labels] = files[labels][:-1] + b"\x0a"
        case "swapped":
            files[images], files[labels] = files[labels], files[images]
    fake.write(folder, files)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        ("missing", "has no file train-images-idx3-ubyte.gz, packed or not"),
        ("empty", "begins with nothing"),
        ("short header", "ends within its header"),
        ("short", "cut short"),
        ("long", "more than|got|promises"),
        ("magic", "begins with 89 50 4e 47"),
        ("type", "begins with 00 00 0d 03"),
        ("count", r"\(30, 28, 28\).*\(29, 28, 28\)"),
        ("shape", r"\(30, 28, 28\).*\(30, 14, 56\)"),
        ("huge", r"\(4294967295, 4294967295, 4294967295\)"),
        ("label", "has the label 10; the 10 classes go to 9"),
        ("swapped", "3 dimensions"),
    ],
)
def test_bad_idx_files_are_refused_and_leave_nothing(harm: str, message: str, tmp_path: Path) -> None:
    harm_mnist(tmp_path / "files", harm)
    with pytest.raises(DataError, match=message) as refused:
        prepare("mnist", tmp_path / "data", tmp_path / "files")
    assert str(tmp_path / "files") in str(refused.value)
    assert list((tmp_path / "data").rglob("*")) == []


@pytest.mark.parametrize("harm", ["cut", "flipped", "another"])
@pytest.mark.parametrize("name", SETS)
def test_originals_of_another_checksum_are_refused(
    name: str, harm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = given(monkeypatch, tmp_path / "originals", name)
    path = max(folder.iterdir(), key=lambda path: path.name)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes({"cut": content[:-40], "flipped": content, "another": b"not found"}[harm])
    with pytest.raises(DataError, match=rf"{path.name} is not the original"):
        prepare(name, tmp_path / "data", folder)
    assert list((tmp_path / "data").rglob("*")) == []


def registered_anyway(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, files: dict[str, bytes]) -> Path:
    """A folder with other files that TFDS is told are the originals: what lies behind the checksums is tried."""
    fake.register(monkeypatch, name, files)
    return fake.write(folder, files)


def test_a_gz_that_breaks_off_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = fake.originals("mnist")
    files["train-labels-idx1-ubyte.gz"] = files["train-labels-idx1-ubyte.gz"][:-9]
    folder = registered_anyway(monkeypatch, tmp_path / "files", "mnist", files)
    with pytest.raises(DataError, match=r"train-labels-idx1-ubyte.gz"):
        prepare("mnist", tmp_path / "data", folder)
    assert list((tmp_path / "data").rglob("*")) == []


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def bad_cifar(harm: str) -> bytes:
    files = fake.cifar_files("cifar10")
    first, names = "cifar-10-batches-bin/data_batch_1.bin", "cifar-10-batches-bin/batches.meta.txt"
    match harm:
        case "climbs":
            return fake.tar_gz(files | {"../outside.bin": b"x"})
        case "absolute":
            return fake.tar_gz(files | {"/tmp/fnn_outside.bin": b"x"})
        case "symlink":
            return fake.tar_gz(files, link=link("cifar-10-batches-bin/extra.bin", "/etc/passwd"))
        case "hard link":
            return fake.tar_gz(files, link=link("cifar-10-batches-bin/extra.bin", first, tarfile.LNKTYPE))
        case "device":
            return fake.tar_gz(files, link=link("cifar-10-batches-bin/tty", "", tarfile.CHRTYPE))
        case "large member":
            return fake.tar_gz(files | {first: files[first] + b"\0"})
        case "bomb":
            return fake.tar_gz(files | {"cifar-10-batches-bin/zeros": bytes(archives._MOST_BESIDE + 100_000)})
        case "missing member":
            return fake.tar_gz({name: content for name, content in files.items() if name != first})
        case "twice":
            packed = io.BytesIO()
            with warnings.catch_warnings(), tarfile.open(fileobj=packed, mode="w:gz") as tar:
                for name, content in [*files.items(), (first, files[first])]:
                    member = tarfile.TarInfo(name)
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
            return packed.getvalue()
        case "breaks off":
            return fake.tar_gz(files)[:-2000]
        case "no archive":
            return b"<html>not found</html>" * 100
        case "short member":
            return fake.tar_gz(files | {first: files[first][:-1]})
        case "label":
            return fake.tar_gz(files | {first: b"\x0a" + files[first][1:]})
        case "names":
            return fake.tar_gz(files | {names: b"cat\ndog\n"})
        case "names twice":
            return fake.tar_gz(files | {names: b"cat\n" * 10})
        case "names no text":
            return fake.tar_gz(files | {names: b"\xff\xfe\n" * 10})
    raise AssertionError(harm)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        ("climbs", r"'\.\./outside\.bin' leads out of the folder"),
        ("absolute", "leads out of the folder"),
        ("symlink", "is a link or a device"),
        ("hard link", "is a link or a device"),
        ("device", "is a link or a device"),
        ("large member", "has 12293 bytes, at most 12292"),
        ("bomb", "unpacks to more than"),
        ("missing member", "has no member cifar-10-batches-bin/data_batch_1.bin"),
        ("twice", "data_batch_1.bin twice"),
        ("breaks off", "cut short or damaged"),
        ("no archive", "cut short or damaged"),
        ("short member", "should have 4 records of 3073 bytes"),
        ("label", "has the label 10; the 10 classes go to 9"),
        ("names", "10 different class names"),
        ("names twice", "10 different class names"),
        ("names no text", "is no text"),
    ],
)
def test_bad_archives_are_refused_and_leave_nothing(
    harm: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"cifar-10-binary.tar.gz": bad_cifar(harm)}
    folder = registered_anyway(monkeypatch, tmp_path / "files", "cifar10", files)
    with pytest.raises(DataError, match=message):
        prepare("cifar10", tmp_path / "data", folder)
    assert list((tmp_path / "data").rglob("*")) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "files"]


@pytest.mark.parametrize(
    ("harm", "message"),
    [("climbs", "leads out"), ("drive", "leads out"), ("large", "at most"), ("missing", "no member"), ("link", "link")],
)
def test_bad_zip_files_are_refused(harm: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {f"{name}.gz": gzip.compress(content) for name, content in fake.emnist_files().items()}
    first = next(iter(files))
    match harm:
        case "climbs":
            files["gzip/../../outside"] = b"x"
        case "drive":
            files["C:\\outside"] = b"x"
        case "large":
            files[first] = bytes(1_000_000)  # which zip packs into a kilobyte
        case "missing" | "link":
            del files[first]
    packed = io.BytesIO(fake.zipped(files))
    if harm == "link":
        with zipfile.ZipFile(packed, "a") as archive:
            member = zipfile.ZipInfo(first)
            member.external_attr = 0o120777 << 16
            archive.writestr(member, "/etc/passwd")
    folder = registered_anyway(monkeypatch, tmp_path / "files", "emnist/letters", {"gzip.zip": packed.getvalue()})
    with pytest.raises(DataError, match=message):
        prepare("emnist/letters", tmp_path / "data", folder)
    assert list((tmp_path / "data").rglob("*")) == []


@pytest.mark.parametrize("harm", ["breaks off", "no mat", "shape", "label"])
def test_bad_mat_files_are_refused(harm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import scipy.io

    files = fake.svhn_files()
    image, label = np.zeros((32, 32, 3, 7), np.uint8), np.ones((7, 1), np.uint8)
    changed = io.BytesIO()
    message = "is no readable MATLAB file"
    match harm:
        case "breaks off":
            scipy.io.savemat(changed, {"y": label, "X": image + np.arange(7, dtype=np.uint8)})
            changed.seek(-3000, io.SEEK_END)
            changed.truncate()
        case "no mat":
            changed.write(b"<html>" * 100)
        case "shape":
            scipy.io.savemat(changed, {"X": image[..., :6], "y": label})
            message = "should hold"
        case "label":
            scipy.io.savemat(changed, {"X": image, "y": 0 * label})
            message = "labels from 1 to 10, it has 0"
    files["train_32x32.mat"] = changed.getvalue()
    folder = registered_anyway(monkeypatch, tmp_path / "files", "svhn_cropped", files)
    with pytest.raises(DataError, match=message):
        prepare("svhn_cropped", tmp_path / "data", folder)
    assert list((tmp_path / "data").rglob("*")) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mnits", "did you mean mnist"),
        ("imagenet2012", "there are mnist, fashion_mnist"),
        ("emnist/letter", "it has byclass, bymerge, balanced, letters, digits, mnist"),
        ("mnist/x", "it has none"),
    ],
)
def test_unknown_sets_are_refused_with_those_there_are(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        prepare(name, tmp_path / "data", tmp_path)
    assert not (tmp_path / "data").exists()


def test_what_a_killed_run_left_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.write(tmp_path / "data" / _WORKPLACE, {"mnist/3.0.1/half": b"x"})
    place = prepare("mnist", tmp_path / "data", given(monkeypatch, tmp_path / "originals", "mnist"))
    assert not (place / "half").exists()
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["mnist"]


def test_two_runs_do_not_meet(tmp_path: Path) -> None:
    (tmp_path / "data" / _WORKPLACE).mkdir(parents=True)
    held = os.open(tmp_path / "data", os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    try:
        with pytest.raises(DataError, match="another process"):
            prepare("mnist", tmp_path / "data", tmp_path)
        assert (tmp_path / "data" / _WORKPLACE).exists()
    finally:
        os.close(held)


def test_an_interruption_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = given(monkeypatch, tmp_path / "originals", "mnist")
    from fnn.data.prepare import mnist

    def interrupt(image: np.ndarray) -> bytes:
        assert list((tmp_path / "data").rglob("incomplete*"))
        raise KeyboardInterrupt

    monkeypatch.setattr(mnist, "encode_png", interrupt)
    with pytest.raises(KeyboardInterrupt):
        prepare("mnist", tmp_path / "data", folder)
    assert list((tmp_path / "data").iterdir()) == []


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = given(monkeypatch, tmp_path / "originals", "mnist")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match=r"file.* cannot be written"):
        prepare("mnist", tmp_path / "file" / "data", folder)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(DataError, match="cannot be written: No space left"):
        prepare("mnist", tmp_path / "data", folder)
    assert [path for path in (tmp_path / "data").rglob("*") if path.is_file()] == []


def test_a_directory_that_is_no_set_is_not_touched(tmp_path: Path) -> None:
    fake.write(tmp_path / "mnist" / "3.0.1", {"mine.txt": b"x"})
    with pytest.raises(DataError, match="no prepared set"):
        prepare("mnist", tmp_path, tmp_path)
    assert (tmp_path / "mnist" / "3.0.1" / "mine.txt").exists()


def test_sets_larger_than_tfds_memory_are_sorted_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tensorflow_datasets.core import shuffle

    folder = given(monkeypatch, tmp_path / "originals", "mnist")
    whole = prepare("mnist", tmp_path / "data", folder)
    monkeypatch.setattr(shuffle, "MAX_MEM_BUFFER_SIZE", 1000)
    assert contents(prepare("mnist", tmp_path / "more", folder)) == contents(whole)
    assert shuffle.MAX_MEM_BUFFER_SIZE == 1000


def test_without_a_network_nothing_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import requests

    enough = threading.Event()

    def hang(*_: object, **__: object) -> None:
        enough.wait(20)
        raise requests.ConnectionError

    monkeypatch.setattr(requests, "get", hang)
    began = time.monotonic()
    with pytest.raises(DataError, match=r"no answer within 0.2 seconds.*--from_dir"):
        network.reach("http://localhost/x.gz", seconds=0.2)
    assert time.monotonic() - began < 5
    enough.set()

    def refuse(*_: object, **__: object) -> None:
        raise requests.ConnectionError

    monkeypatch.setattr(requests, "get", refuse)
    with pytest.raises(DataError, match=r"train-images.*no connection|t10k.*no connection"):
        prepare("mnist", tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []


def test_downloads_pass_tfds_checksums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import requests

    files = fake.originals("mnist")
    fake.register(monkeypatch, "mnist", files)
    monkeypatch.setattr(network, "reach", lambda url: None)

    def answer(self: requests.Session, url: str, **_: object) -> Any:
        response = requests.Response()
        response.status_code, response.url = 200, url
        response.raw = io.BytesIO(files[url.rpartition("/")[2]])
        return response

    monkeypatch.setattr(requests.Session, "get", answer)
    place = prepare("mnist", tmp_path / "data")
    assert contents(place) == contents(prepare("mnist", tmp_path / "more", fake.write(tmp_path / "originals", files)))

    files["train-labels-idx1-ubyte.gz"] += b"x"
    with pytest.raises(DataError, match="not the original"):
        prepare("mnist", tmp_path / "changed")
    assert not (tmp_path / "changed" / "mnist").exists()

    # What was downloaded once is not asked for again.
    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(network, "reach", never)
    (tmp_path / "data" / "mnist").rename(tmp_path / "gone")
    assert contents(prepare("mnist", tmp_path / "data")) == contents(tmp_path / "gone" / "3.0.1")


COMMAND = [sys.executable, "-W", "error", "-m", "fnn.data.prepare"]


def test_the_command_refuses_in_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "mnist", f"--data_dir={tmp_path}/data", f"--from_dir={tmp_path}"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert f"{tmp_path} has no file train-images-idx3-ubyte.gz, packed or not." in done.stderr


def test_the_command_works_without_tensorflow_and_a_kill_or_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    code = """
import os, sys
import fake_originals as fake, pytest
from pathlib import Path
patch = pytest.MonkeyPatch()
fake.make_small(patch)
files = fake.originals("mnist")
fake.register(patch, "mnist", files)
fake.write(Path("originals"), files)
mode = sys.argv.pop()
if mode == "full":
    import resource, signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
if mode == "slow":
    from fnn.data.prepare import mnist
    import time
    patch.setattr(mnist, "encode_png", lambda image: print("begun", flush=True) or time.sleep(60))
from fnn.data.prepare import __main__ as command
try:
    command.app.run(command._main, flags_parser=command._parse)
finally:
    print("tensorflow" in sys.modules)
"""
    here = Path(__file__).parent
    path = f"{here}:{here.parents[1]}"
    run = [sys.executable, "-c", code, "mnist", "--data_dir=data", "--from_dir=originals"]
    environment = {**os.environ, "PYTHONPATH": path}
    with subprocess.Popen([*run, "slow"], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as slow:
        assert slow.stdout is not None
        while "begun" not in slow.stdout.readline():
            assert slow.poll() is None
        slow.send_signal(signal.SIGTERM)
        assert slow.wait(30) == 143
    assert list((tmp_path / "data").iterdir()) == []
    done = subprocess.run([*run, "full"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    assert "File too large" in done.stderr
    assert done.stderr.count("\n") == 1
    assert list((tmp_path / "data").iterdir()) == []
    done = subprocess.run([*run, "fast"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert "mnist is in " in done.stdout
    assert done.stdout.endswith("False\n")
    assert (tmp_path / "data" / "mnist" / "3.0.1" / "features.json").is_file()
