"""Files from elsewhere: fetched once and checked.

`ALEXNET_HOME` (default: the platform's cache folder) holds what was fetched and unpacked. A file
under its final name is whole: it is written under another name, checked, then renamed.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import platformdirs
import pooch
import requests
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from ..files import sha256

RETRIES = 3
TIMEOUT = 30
"""Seconds without a byte after which a host counts as silent."""


class DownloadError(OSError):
    """The file could not be fetched, or is not the file that was expected."""


@dataclass(frozen=True)
class Remote:
    """A published file."""

    url: str
    sha256: str
    size: int
    """Bytes."""
    mirrors: tuple[str, ...] = ()
    """Where else the same file is, in the order in which to ask."""

    @property
    def name(self) -> str:
        return PurePosixPath(self.url).name


def home() -> Path:
    """The folder of downloads and caches: `ALEXNET_HOME`, or the platform's cache folder."""
    chosen = os.environ.get("ALEXNET_HOME")
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("alexnet")


def writable_home() -> Path:
    """`home()`, or the platform's cache folder where `ALEXNET_HOME` is there but read-only.

    Raises:
        OSError: if it cannot be made.
    """
    folder = home()
    # A superuser may write anywhere; a folder without any write permission is meant to stay as is.
    if folder.exists() and not (folder.stat().st_mode & 0o222 and os.access(folder, os.W_OK)):
        folder = platformdirs.user_cache_path("alexnet")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            f"The folder of downloads and caches, {folder}, cannot be made: "
            f"{error.strerror or error}. Set the environment variable ALEXNET_HOME to a folder "
            "that can be written."
        ) from error
    return folder


def held(remote: Remote) -> Path | None:
    """Where the whole file is already: fetched before, or put into `ALEXNET_HOME` by hand."""
    for folder in (writable_home() / "downloads", home() / "downloads", home()):
        path = folder / remote.name
        if path.is_file() and path.stat().st_size == remote.size and sha256(path) == remote.sha256:
            return path
    return None


def fetch(remote: Remote) -> Path:
    """Downloads a file into `ALEXNET_HOME`, unless it is there, and checks its SHA-256.

    Shows a progress bar; tries again after a failure, then asks the mirrors. What is longer than
    the file should be is not taken to its end.

    Returns:
        The path of the whole, checked file.

    Raises:
        DownloadError: if no host can be reached, or each breaks off or sends another file.
    """
    if path := held(remote):
        return path
    hosts_of: dict[str, list[str]] = {}
    for url in (remote.url, *remote.mirrors):
        try:
            return _fetch_from(url, remote)
        except DownloadError as error:
            hosts_of.setdefault(str(error), []).append(urlsplit(url).netloc)
    reasons = "; ".join(
        f"{', '.join(dict.fromkeys(hosts))}: {reason}" for reason, hosts in hosts_of.items()
    )
    raise DownloadError(
        f"{remote.name} ({_amount(remote.size)}) could not be fetched ({reasons}). Check the "
        f"network and try again, or fetch {remote.url} by other means and put it into {home()}."
    )


def _fetch_from(url: str, remote: Remote) -> Path:
    pooch.get_logger().setLevel("WARNING")
    store = pooch.create(
        writable_home() / "downloads",
        base_url="",
        registry={remote.name: f"sha256:{remote.sha256}"},
        urls={remote.name: url},
        retry_if_failed=RETRIES - 1,
    )
    try:
        with _Bar(remote) as bar:
            downloader = pooch.HTTPDownloader(progressbar=bar, timeout=TIMEOUT)
            return Path(store.fetch(remote.name, downloader=downloader))
    except requests.exceptions.RequestException as error:
        raise DownloadError(f"{_reason(error)}, tried {RETRIES} times") from error
    except ValueError as error:
        raise DownloadError(
            "what comes is not the file this library knows, whose SHA-256 is "
            f"{remote.sha256}; it was thrown away"
        ) from error


def _amount(size: int) -> str:
    return f"{size / 1e6:,.0f} MB" if size >= 1e6 else f"{size / 1e3:,.0f} kB"


def _reason(error: requests.exceptions.RequestException) -> str:
    response = getattr(error, "response", None)
    if response is not None:
        return f"the server answers {response.status_code} {response.reason}"
    if isinstance(error, requests.exceptions.Timeout):
        return f"no answer within {TIMEOUT} seconds"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the transfer broke off"
    return "the host cannot be reached"


class _Bar:
    """A progress bar as Pooch wants it: `total`, `update`, `reset`, `close`."""

    def __init__(self, remote: Remote):
        self.total = remote.size
        self._remote, self._received = remote, 0
        columns = TextColumn(remote.name), BarColumn(), DownloadColumn(), TransferSpeedColumn()
        # On stderr: what a command prints on stdout is its result.
        self._progress = Progress(*columns, console=Console(file=sys.stderr), transient=True)
        self._task = self._progress.add_task("", total=remote.size)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def update(self, count: int) -> None:
        self._received += count
        # Pooch counts whole chunks; a host that never stops would fill the disk.
        if self._received > self._remote.size + 2**20:
            raise DownloadError(
                f"it sends more than the {_amount(self._remote.size)} of this file; what came was "
                "thrown away"
            )
        self._progress.start()
        self._progress.update(self._task, advance=count, total=self.total)

    def reset(self) -> None:
        # Pooch calls this after the last byte, to fill the bar by a following update(total).
        self._received = 0
        self._progress.reset(self._task, total=self.total)

    def close(self) -> None:
        # Even a bar that was never shown would end with an empty line.
        if self._progress.live.is_started:
            self._progress.stop()
