"""What TFDS's builders ask for files: a download manager that needs no TensorFlow.

TFDS's own unpacks by way of TensorFlow. This one gives the same answers, from the network by TFDS's own downloader or
from a folder, leaves gz files packed (the readers unpack them) and opens archives itself.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fnn.data.prepare.archives import unpack
from fnn.data.prepare.checksums import check_packed, check_unpacked
from fnn.data.source import DataError

Fetch = Callable[[str], Path]
"""Gives the file of a URL, or the folder that holds what would be in it."""


class Originals:
    """Stands where a builder expects a `tfds.download.DownloadManager`."""

    def __init__(
        self,
        fetch: Fetch,
        members: Mapping[str, int],
        workplace: Path,
        downloaded_size: int,
        check: Callable[[Path], None] | None = None,
    ) -> None:
        """Takes what is needed to answer.

        Args:
          fetch: gives a URL's file.
          members: what an archive is opened for: names within it, and how many bytes each may have.
          workplace: an empty folder for what is unpacked.
          downloaded_size: of all originals, in bytes; TFDS stores it.
          check: looks at the folder that has an archive's members.
        """
        self.fetch, self.members, self.workplace, self.check = fetch, members, workplace, check
        self.downloaded_size = downloaded_size

    def download(self, urls: Any) -> Any:
        """Gives the files of one URL or of a dict of them."""
        return _map(lambda url: str(self.fetch(url)), urls)

    def extract(self, paths: Any) -> Any:
        """Gives the folder of an unpacked archive, and any other file as it is."""
        return _map(self._extracted, paths)

    def download_and_extract(self, urls: Any) -> Any:
        """Does both."""
        return self.extract(self.download(urls))

    def _extracted(self, path: str) -> str:
        folder = Path(path)
        if not self.members or (path.endswith(".gz") and not path.endswith(".tar.gz")):
            return path
        if folder.is_file():
            folder = self.workplace / "unpacked"
            unpack(Path(path), self.members, folder)
        if self.check:
            self.check(folder)
        return str(folder)


def fetch_from_folder(
    folder: Path,
    registered: Mapping[str, Any],
    members: Mapping[str, int],
    workplace: Path,
    say: Callable[[str], None],
    doubts: list[DataError],
) -> Fetch:
    """Returns a `Fetch` that takes originals from a folder.

    Args:
      folder: where they lie, under their own names, gz files packed or not; an archive's members may lie there, too,
        in their folder or without it.
      registered: TFDS's `UrlInfo` by URL.
      members: what an archive is opened for.
      workplace: an empty folder for links to an archive's members.
      say: is told what was found out about each file.
      doubts: gets an error for a file whose content is not the original's; whoever reads it may find a clearer reason.
    """

    def fetch(url: str) -> Path:
        name = registered[url].filename
        packed, plain = folder / name, folder / name.removesuffix(".gz")
        if packed.is_file():
            say(f"{packed} {check_packed(packed, registered[url])}.")
            return packed
        if plain.is_file():
            try:
                say(f"{plain} {check_unpacked(plain, registered[url])}.")
            except DataError as doubt:
                doubts.append(doubt)
            return plain
        if not members:
            wanted = f"{name}, packed or not" if name.endswith(".gz") else name
            raise DataError(f"{folder} has no file {wanted}. Fetch it from {url}.")
        return linked(url)

    def linked(url: str) -> Path:
        links = workplace / "linked"
        for member in members:
            bare = member.rpartition("/")[2]
            places = [folder / member, folder / bare]
            places += [place.with_suffix("") for place in places if member.endswith(".gz")]
            place = next((place for place in places if place.is_file()), None)
            if place is None:
                raise DataError(f"{folder} has neither {registered[url].filename} (from {url}) nor {bare} out of it.")
            (links / member).parent.mkdir(parents=True, exist_ok=True)
            (links / member).symlink_to(os.path.realpath(place))
        say(
            f"{folder} has what is in {registered[url].filename}: TFDS registers no checksum of that, only its form "
            "can be checked."
        )
        return links

    if not folder.is_dir():
        raise DataError(f"{folder} is no folder.")
    return fetch


def _map(function: Callable[[str], str], names: Any) -> Any:
    if isinstance(names, dict):
        return {key: function(str(name)) for key, name in names.items()}
    return function(str(names))
