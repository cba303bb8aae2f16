"""Originals from the network: by TFDS's downloader and its checksums, but only where there is a network."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fnn.data.prepare.originals import Fetch
from fnn.data.source import DataError

_SECONDS = 10.0


def fetch_from_network(make_manager: Callable[[], Any], registered: Mapping[str, Any], download_dir: Path) -> Fetch:
    """Downloads all originals of a set, where they are not in `download_dir` already.

    Args:
      make_manager: makes TFDS's download manager, which compares the checksums.
      registered: TFDS's `UrlInfo` by URL.
      download_dir: where the manager keeps what it has downloaded.

    Raises:
      DataError: if a server does not answer, in seconds (TFDS would try for minutes), or gives another file.
    """
    from tensorflow_datasets.core.download import download_manager, resource, util

    missing = [
        url
        for url, info in registered.items()
        if not any(download_dir.rglob(resource.get_dl_fname(url, info.checksum)))
    ]
    for url in missing:
        reach(url)
    try:
        files = make_manager().download({url: url for url in registered})
    except download_manager.NonMatchingChecksumError as error:
        raise DataError(f"what was downloaded is not the original: {error}") from error
    except (util.DownloadError, OSError) as error:
        raise DataError(f"the download failed: {error}") from error
    return lambda url: Path(files[url])


def reach(url: str, seconds: float = _SECONDS) -> None:
    """Asks a server for a file without reading it.

    Raises:
      DataError: if there is no good answer within `seconds`.
    """
    import requests  # TFDS's own

    problem = [f"no answer within {seconds:g} seconds"]

    def ask() -> None:
        try:
            with requests.get(url, stream=True, timeout=seconds) as answer:
                problem[0] = "" if answer.ok else f"the server answered {answer.status_code} {answer.reason}"
        except requests.RequestException as error:
            problem[0] = f"no connection ({type(error).__name__})"

    # In a thread, since looking up a name can take longer than any timeout allows.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    if problem[0]:
        raise DataError(
            f"{url} cannot be downloaded: {problem[0]}. On a machine without network, fetch the originals elsewhere "
            "and give their folder by --from_dir."
        )
