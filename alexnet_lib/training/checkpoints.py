"""Checkpoints with a checksum.

A checkpoint is two files: `NAME.npz` with the arrays, and `NAME.json` with everything else and the
SHA-256 of the arrays. Each is written under another name, then renamed; the JSON comes last. A
process that dies at any moment leaves older checkpoints as they were. Nothing is ever unpickled.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..files import sha256, write, write_text

KEPT = 2
"""Checkpoints that stay: the newest, and the one before it in case the newest is damaged."""


@dataclass(frozen=True)
class Checkpoint:
    """What `save` wrote."""

    name: str
    arrays: Mapping[str, np.ndarray]
    state: dict


def save(folder: Path, name: str, arrays: Mapping[str, np.ndarray], state: dict) -> None:
    """Writes a checkpoint and removes all but the newest `KEPT`.

    Args:
        folder: made if it is not there.
        name: sorts after the names of older checkpoints.
        arrays: any names, any numeric dtypes.
        state: whatever JSON can hold.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{name}.npz"
    size = sum(array.nbytes for array in arrays.values())
    write(target, lambda unfinished: np.savez(unfinished, **arrays), size)
    record = {"arrays_sha256": sha256(target), "state": state}
    write_text(folder / f"{name}.json", json.dumps(record, indent=1))
    for old in _names(folder)[KEPT:]:
        # The JSON goes first: without it, the arrays do not count.
        (folder / f"{old}.json").unlink()
        (folder / f"{old}.npz").unlink(missing_ok=True)
    # Arrays without a JSON were written by a process that died before it could finish.
    for arrays_file in folder.glob("[!.]*.npz"):
        if not arrays_file.with_suffix(".json").exists():
            arrays_file.unlink()


def newest(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint whose checksum is right, and what was wrong with those after it."""
    damaged = []
    for name in _names(folder):
        try:
            record = json.loads((folder / f"{name}.json").read_text("utf-8"))
            arrays = folder / f"{name}.npz"
            if sha256(arrays) != record["arrays_sha256"]:
                raise ValueError("its checksum is wrong")
            with np.load(arrays, allow_pickle=False) as file:
                return Checkpoint(name, dict(file), record["state"]), damaged
        except (OSError, ValueError, KeyError) as error:
            damaged.append(f"{folder / name}: {error}")
    return None, damaged


def _names(folder: Path) -> list[str]:
    """The names of the checkpoints, newest first. Hidden files are unfinished ones."""
    return sorted((path.stem for path in folder.glob("[!.]*.json")), reverse=True)
