"""Files that are whole or not there, and things that one process at a time works on.

A file is written beside its place under a name that nobody else uses, then renamed.
"""

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock

UNFINISHED = ".unfinished-"
"""How the names of unfinished files begin."""

_WAIT = 0.2
"""Seconds between two looks at a lock."""
_END = 40
"""So much of a name stays: with the whole of a long one, the temporary name would be too long."""


class BusyError(OSError):
    """Another process is working on the same thing."""


class DiskFullError(OSError):
    """There is no room for a file; nothing of it is left."""


def write(path: Path, writer: Callable[[Path], object], size: int | None = None) -> None:
    """Lets `writer` write a file beside `path`, then renames it: `path` is never half written.

    The temporary file ends like `path`: by that Keras and NumPy choose a format. Its name is new
    each time, so that two processes that write the same file do not write into each other's.

    Args:
        path: the file; an older one is replaced.
        writer: is given the path to write to.
        size: how many bytes it will be, where that is known: then a full disk is noticed before.

    Raises:
        DiskFullError: if the disk has no room for it. An older file stays as it was.
    """
    free = shutil.disk_usage(path.parent).free
    if size is not None and size > free:
        raise _no_room(path, size)
    end = path.name[-_END:]
    unfinished = path.with_name(f"{UNFINISHED}{secrets.token_hex(8)}-{end}")
    try:
        writer(unfinished)
        with open(unfinished, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except BaseException as error:
        with suppress(OSError):
            unfinished.unlink()
        if _is_disk_full(error):
            raise _no_room(path, size) from error
        raise


def write_text(path: Path, text: str) -> None:
    """`write` for a text in UTF-8."""
    write(path, lambda unfinished: unfinished.write_text(text, "utf-8"))


def clear_unfinished(folder: Path, name: str = "") -> None:
    """Removes what killed processes left of a file, or of all; only for who has the lock on it."""
    with os.scandir(folder) as entries:
        left = [entry for entry in entries if entry.name.startswith(UNFINISHED)]
    for entry in left:
        if entry.is_file() and entry.name.endswith(name[-_END:]):
            os.unlink(entry)


@contextmanager
def lock(path: Path, busy: str) -> Iterator[None]:
    """Only one process at a time is inside; the next one is refused.

    Args:
        path: of the lock, a hidden file; removed at the end. A killed process gives up its lock.
        busy: what the second comer is told.

    Raises:
        BusyError: if another process, or another thread of this one, is inside.
    """
    held = filelock.FileLock(path, thread_local=False)
    try:
        held.acquire(timeout=0)
    except filelock.Timeout:
        raise BusyError(busy) from None
    try:
        yield
    finally:
        # While it is still held: nobody waits for it, and who comes later makes a new one. Windows
        # does not remove an open file, which then stays.
        with suppress(OSError):
            path.unlink()
        held.release()


@contextmanager
def turn(path: Path, waiting: Callable[[], object]) -> Iterator[None]:
    """Only one process at a time is inside; the next one waits.

    Args:
        path: of the lock, a hidden file, which stays.
        waiting: is called once if there is somebody inside.
    """
    held = filelock.FileLock(path, thread_local=False)
    try:
        held.acquire(timeout=0)
    except filelock.Timeout:
        waiting()
        held.acquire(poll_interval=_WAIT)
    try:
        yield
    finally:
        held.release()


def sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_disk_full(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    # HDF5 writes the number into its message and raises another class.
    return f"errno = {errno.ENOSPC}" in str(error) or os.strerror(errno.ENOSPC) in str(error)


def _no_room(path: Path, size: int | None) -> DiskFullError:
    free = shutil.disk_usage(path.parent).free
    needed = "" if size is None else f" {_amount(size)} are needed."
    return DiskFullError(
        f"{path} cannot be written: its disk is full, with {_amount(free)} free.{needed} Make room "
        "and run the same command again."
    )


def _amount(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size / 1e3:,.1f} kB"
