"""Archives of pictures, unpacked without trust."""

import contextlib
import gzip
import hashlib
import os
import re
import shutil
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from . import layout
from .downloads import writable_home

ARCHIVES = (".tgz", ".tar.gz", ".tar", ".zip")
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


class UnsafeArchiveError(ValueError):
    """The archive would write outside its folder, holds links or devices, or swells too much."""


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
                        yield _unicode(archive, member), file
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
    has_drive = parts and re.fullmatch("[A-Za-z]:", parts[0])
    if not parts or name.startswith(("/", "\\")) or ".." in parts or has_drive:
        raise _refused(archive, name, "a path that leads outside its folder")
    if os.name == "nt" and any(":" in part for part in parts):
        raise _refused(archive, name, "a name with a colon, which Windows does not allow")
    return folder.joinpath(*parts)


def _refused(archive: Path, member: str, what: str) -> UnsafeArchiveError:
    return UnsafeArchiveError(
        f"{archive} holds {member!r}, {what}. Nothing was unpacked; archives of pictures hold "
        "plain files and folders."
    )


_UNICODE_PATH = 0x7075
"""The extra field in which Info-ZIP and others give the name in UTF-8 as well."""


def _unicode(archive: Path, member: zipfile.ZipInfo) -> str:
    """A name in a zip file, which may be marked as UTF-8, be it unmarked, or carry it beside.

    Raises:
        ValueError: if the folders are named in some other encoding: what class they are cannot be
            known. Files may be called anything.
    """
    if member.flag_bits & 0x800:
        return member.filename
    raw = member.filename.encode("cp437")
    if (name := _unicode_path(member.extra, raw)) is not None:
        return name
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        pass
    folders, slash, file = raw.replace(b"\\", b"/").rpartition(b"/")
    if not folders.isascii():
        said = layout.readings(folders, ("cp437", "gbk", "shift_jis", "latin-1"))
        raise ValueError(
            f"{archive} does not say how its names are encoded. {said} Unpack it with a program "
            "that asks (unzip -O GBK, 7-Zip -mcp=936, ...) and give the folder."
        )
    return (folders + slash).decode("ascii") + file.decode("cp437")


def _unicode_path(extra: bytes, raw: bytes) -> str | None:
    while len(extra) >= 4:
        kind, size = struct.unpack("<HH", extra[:4])
        field, extra = extra[4 : 4 + size], extra[4 + size :]
        # A version, the checksum of the other name, the name.
        if kind == _UNICODE_PATH and field[:5] == struct.pack("<BI", 1, zlib.crc32(raw)):
            with contextlib.suppress(UnicodeDecodeError):
                return field[5:].decode("utf-8")
    return None


def _stem(archive: Path) -> str:
    name = archive.name
    return name[: -len(next(end for end in ARCHIVES if name.lower().endswith(end)))]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:12]
