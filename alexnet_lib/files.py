"""Files that are whole or not there: written beside their place, then renamed."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path


def write(path: Path, writer: Callable[[Path], object]) -> None:
    """Lets `writer` write a file beside `path`, then renames it: `path` is never half written.

    The temporary file keeps the suffix, by which Keras and NumPy choose a format.
    """
    unfinished = path.with_name(f".unfinished-{path.name}")
    writer(unfinished)
    with open(unfinished, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(unfinished, path)


def write_text(path: Path, text: str) -> None:
    """`write` for a text in UTF-8."""
    write(path, lambda unfinished: unfinished.write_text(text, "utf-8"))


def sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
