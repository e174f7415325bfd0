"""Files from elsewhere: fetched once and checked, archives unpacked without trust.

`ALEXNET_HOME` (default: the platform's cache folder) holds what was fetched and unpacked. A file
under its final name is whole: it is written under another name, checked, then renamed.
"""

import gzip
import hashlib
import os
import shutil
import stat
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import urlsplit

import platformdirs
import pooch
import requests
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

ARCHIVES = (".tgz", ".tar.gz", ".tar", ".zip")
RETRIES = 3
TIMEOUT = 30
"""Seconds without a byte after which a host counts as silent."""

MAX_UNPACKED = 400 * 2**30
MAX_RATIO = 200
SMALL = 100 * 2**20
"""An archive is refused when what it unpacks to exceeds `MAX_UNPACKED` bytes, or both `SMALL` bytes
and `MAX_RATIO` times its own size: pictures hardly compress, bombs do."""


# What the readers of archives raise on damaged data.
_DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
)


class DownloadError(OSError):
    """The file could not be fetched, or is not the file that was expected."""


class UnsafeArchiveError(ValueError):
    """The archive would write outside its folder, holds links or devices, or swells too much."""


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
    """`home()`, or the platform's cache folder where `ALEXNET_HOME` is there but read-only."""
    folder = home()
    # A superuser may write anywhere; a folder without any write permission is meant to stay as is.
    if folder.exists() and not (folder.stat().st_mode & 0o222 and os.access(folder, os.W_OK)):
        folder = platformdirs.user_cache_path("alexnet")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def held(remote: Remote) -> Path | None:
    """Where the whole file is already: fetched before, or put into `ALEXNET_HOME` by hand."""
    for folder in (writable_home() / "downloads", home() / "downloads", home()):
        path = folder / remote.name
        if path.is_file() and path.stat().st_size == remote.size and _sha256(path) == remote.sha256:
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


def unpack(archive: Path) -> Path:
    """Unpacks a `.zip`, `.tar`, `.tar.gz` or `.tgz` under `ALEXNET_HOME`, once.

    Returns:
        The folder of its contents.

    Raises:
        UnsafeArchiveError: if a member has an absolute path, leaves the folder, is a link, a device
            or encrypted, or the archive unpacks to too much.
        ValueError: if the file is not a whole archive.
        OSError: if the disk has too little room.
    """
    status = archive.stat()
    version = f"{archive.resolve()}|{status.st_size}|{status.st_mtime_ns}"
    target = writable_home() / "unpacked" / f"{_stem(archive)}-{_digest(version)}"
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=target.parent))
    try:
        _unpack_into(archive, unfinished)
        # A process that finished the same archive first is just as good.
        if not target.is_dir():
            unfinished.rename(target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return target


def is_archive(path: Path) -> bool:
    return path.name.lower().endswith(ARCHIVES)


def _unpack_into(archive: Path, folder: Path) -> None:
    limit = min(MAX_UNPACKED, max(SMALL, MAX_RATIO * archive.stat().st_size))
    written = 0
    try:
        for name, file in _members(archive):
            path = _safe(name, folder, archive)
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "xb") as copy:
                # Counted as they come: what a header says about a size need not be true.
                while block := file.read(2**20):
                    written += len(block)
                    if written > limit:
                        raise UnsafeArchiveError(
                            f"{archive} unpacks to more than {limit / 1e6:,.0f} MB, far beyond its "
                            f"{archive.stat().st_size / 1e6:,.1f} MB: it is not a set of pictures."
                        )
                    copy.write(block)
    except FileExistsError as error:
        raise UnsafeArchiveError(
            f"{archive} holds {str(path.relative_to(folder))!r} twice. Nothing was unpacked."
        ) from error
    except _DAMAGED as error:
        raise ValueError(
            f"{archive} is not a whole archive: {error}. Fetch or make it again."
        ) from error
    except OSError as error:
        raise OSError(
            f"{archive} could not be unpacked into {folder.parent}: {error}. Make room there, or "
            "point ALEXNET_HOME to a disk that has it."
        ) from error


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """The regular files of an archive: name as stored, contents."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as bundle:
            for member in bundle.infolist():
                kind = stat.S_IFMT(member.external_attr >> 16)
                if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                    raise _refused(archive, member.filename, "a link or a device")
                if member.flag_bits & 1:
                    raise _refused(archive, member.filename, "encrypted")
                if not member.is_dir():
                    with bundle.open(member) as file:
                        yield _unicode(member), file
        return
    with tarfile.open(archive) as bundle:
        for member in bundle:
            try:
                tarfile.data_filter(member, str(archive.parent))
            except tarfile.FilterError as error:
                what = "a link, a device or a path that leads outside its folder"
                raise _refused(archive, member.name, what) from error
            if member.isfile():
                yield member.name, bundle.extractfile(member)
            elif not member.isdir():
                raise _refused(archive, member.name, "a link or a device")


def _safe(name: str, folder: Path, archive: Path) -> Path:
    """Where a member goes, if that is inside the folder on every system."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0]:
        raise _refused(archive, name, "a path that leads outside its folder")
    return folder.joinpath(*parts)


def _refused(archive: Path, member: str, what: str) -> UnsafeArchiveError:
    return UnsafeArchiveError(
        f"{archive} holds {member!r}, {what}. Nothing was unpacked; archives of pictures hold "
        "plain files and folders."
    )


def _unicode(member: zipfile.ZipInfo) -> str:
    """A name in a zip file. Some programs write UTF-8 without saying so."""
    if member.flag_bits & 0x800:
        return member.filename
    try:
        return member.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return member.filename


def _stem(archive: Path) -> str:
    name = archive.name
    return name[: -len(next(end for end in ARCHIVES if name.lower().endswith(end)))]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
