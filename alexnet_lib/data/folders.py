"""Folders of class folders: which folder is a class or a part, and which file a picture."""

import hashlib
import json
import os
import sys
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from .. import files
from . import downloads, pictures
from .sources import Files

_SPLIT_FOLDERS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "test", "testing"),
    "test": ("test", "testing", "val", "valid", "validation"),
}
_HOLD_OUT = 5
"""Without a held-out folder, every fifth file of a class, by name, is held out."""
_NO_DATA = {"thumbs.db", "desktop.ini", "__macosx"}
_PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp"}


def open_folder(folder: Path, split: str, limit: int | None, strict: bool, renamed: dict) -> Files:
    """The pictures of one part of a folder of class folders."""
    root = _descend(folder)
    parts = _parts(root)
    classes = _class_folders(parts["train"] if parts else root)
    if len(classes) < 2:
        raise ValueError(_too_few_classes(root, classes))
    here = classes if not parts or split == "train" else _class_folders(parts[split])
    unknown = sorted(set(here) - set(classes))
    if unknown:
        raise ValueError(
            f"{parts[split]} has classes that {parts['train']} has not: {_some(unknown)}."
        )
    paths, labels, loose = [], [], []
    for label, name in enumerate(classes):
        files = _files(here[name]) if name in here else []
        if not files and here is classes:
            raise ValueError(
                f"The class folder {here[name]} is empty. Put pictures into it, or remove it."
            )
        if not parts:
            # A class with a single picture learns from it rather than being tested on it.
            held_out = set(files[::_HOLD_OUT] if len(files) > 1 else [])
            files = [file for file in files if (file in held_out) == (split != "train")]
        paths += files
        labels += [label] * len(files)
    loose = [
        (str(path), "not in a class folder")
        for path in sorted((parts[split] if parts else root).iterdir())
        if path.suffix.lower() in _PICTURE_SUFFIXES and _is_data(path)
    ]
    headers = _scan(root, paths)
    found, broken = [], list(loose)
    for path, label, header in zip(paths, labels, headers, strict=True):
        if isinstance(header, str):
            broken.append((str(path), header))
        else:
            found.append((path, label, header))
    _report(root, broken, len(paths) + len(loose), strict)
    counts = np.bincount([label for _, label, _ in found], minlength=len(classes))
    if not found:
        raise ValueError(f"There are no readable pictures in {parts[split] if parts else root}.")
    if here is classes and split == "train" and not counts.all():
        name = list(classes)[int(counts.argmin())]
        raise ValueError(f"No picture in {here[name]} can be read; see the reasons above.")
    kept = limited([label for _, label, _ in found], limit)
    found = [found[index] for index in kept]
    return Files(
        [path for path, _, _ in found],
        [header for _, _, header in found],
        [label for _, label, _ in found],
        tuple(renamed.get(name, name) for name in classes),
        tuple(broken),
    )


def _descend(folder: Path) -> Path:
    """Goes through folders that hold nothing but one folder of folders, as archives often do."""
    seen = set()
    while True:
        inside = _subfolders(folder)
        # A link may lead back to a folder above it.
        seen.add(folder.resolve())
        if len(inside) != 1 or _is_part(inside[0]) or inside[0].resolve() in seen:
            return folder
        if not _subfolders(inside[0]):
            return folder
        folder = inside[0]


def _parts(root: Path) -> dict[str, Path] | None:
    """The folders of train, val and test; None where the class folders lie in the root itself."""
    inside = {path.name.lower(): path for path in _subfolders(root)}
    if not inside or not all(_is_part(path) for path in inside.values()):
        return None
    parts = {}
    for split, names in _SPLIT_FOLDERS.items():
        there = [inside[name] for name in names if name in inside]
        if not there:
            missing = "train/" if split == "train" else "val/ or test/"
            raise ValueError(
                f"{root} holds {_some([f'{path.name}/' for path in inside.values()])}, but no "
                f"{missing}. Give both, or the class folders alone: then every fifth picture is "
                "held out."
            )
        parts[split] = there[0]
    return parts


def _is_part(folder: Path) -> bool:
    """Whether a folder is named like a part of a data set and holds folders."""
    named = any(folder.name.lower() in names for names in _SPLIT_FOLDERS.values())
    return named and bool(_subfolders(folder))


def _class_folders(root: Path) -> dict[str, Path]:
    """Class folders by class name, sorted. Names are composed, as most keyboards type them."""
    classes = {unicodedata.normalize("NFC", path.name): path for path in _subfolders(root)}
    return dict(sorted(classes.items()))


def _subfolders(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        inside = [Path(entry.path) for entry in entries if entry.is_dir()]
    return sorted(path for path in inside if _is_data(path))


def _files(folder: Path) -> list[Path]:
    """All files below a folder, sorted by their path; links to folders are followed once."""

    def unreadable(error: OSError):
        raise error

    files, seen = [], set()
    for inside, folders, names in os.walk(folder, onerror=unreadable, followlinks=True):
        seen.add(os.path.realpath(inside))
        folders[:] = [
            name
            for name in folders
            if _is_data(Path(name)) and os.path.realpath(os.path.join(inside, name)) not in seen
        ]
        files += [Path(inside, name) for name in names if _is_data(Path(name))]
    return sorted(files)


def _is_data(path: Path) -> bool:
    """Not one of the files that systems leave in every folder."""
    return not path.name.startswith(".") and path.name.lower() not in _NO_DATA


def _too_few_classes(root: Path, classes: dict[str, Path]) -> str:
    wanted = f"Make one folder for each class, such as {root / 'cats'} and {root / 'dogs'}."
    if len(classes) == 1:
        return f"{root} has a single class folder, {next(iter(classes))!r}; it takes two. {wanted}"
    if any(path.suffix.lower() in _PICTURE_SUFFIXES for path in root.iterdir()):
        return f"The pictures in {root} do not lie in class folders. {wanted}"
    return f"There are no class folders in {root}. {wanted}"


def limited(labels: Sequence[int], limit: int | None) -> list[int]:
    """The positions of the first `limit` examples of each class."""
    seen: dict[int, int] = {}
    kept = []
    for position, label in enumerate(labels):
        seen[label] = seen.get(label, 0) + 1
        if limit is None or seen[label] <= limit:
            kept.append(position)
    return kept


def _some(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _scan(root: Path, paths: Sequence[Path]) -> list[pictures.Header | str]:
    """The header of each picture file, or what is wrong with it; remembered until it changes."""
    name = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:16]
    record = downloads.writable_home() / "scans" / f"{name}.json"
    known = _remembered(record)
    keys, versions = [], []
    for path in paths:
        status = path.stat() if path.exists() else None
        keys.append(str(path.relative_to(root)))
        versions.append([status.st_size, status.st_mtime_ns] if status else None)
    new = [
        index
        for index, (key, version) in enumerate(zip(keys, versions, strict=True))
        if known.get(key, [None])[0] != version or version is None
    ]
    if new:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            results: Iterator = pool.map(_inspected, [paths[index] for index in new])
            if len(new) > 500:
                console = Console(file=sys.stderr)
                text = f"Looking through {len(new):,} files, once"
                results = track(results, text, len(new), console=console, transient=True)
            for index, result in zip(new, results, strict=True):
                known[keys[index]] = [versions[index], result]
        record.parent.mkdir(parents=True, exist_ok=True)
        files.write_text(record, json.dumps(known))
    results = [known[key][1] for key in keys]
    return [one if isinstance(one, str) else pictures.Header(**one) for one in results]


def _inspected(path: Path) -> dict | str:
    try:
        return asdict(pictures.inspect(path))
    except pictures.BrokenPictureError as error:
        return str(error)


def _remembered(record: Path) -> dict:
    try:
        known = json.loads(record.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _report(root: Path, broken: Sequence[tuple[str, str]], total: int, strict: bool) -> None:
    if not broken:
        return
    named = _some([f"{os.path.relpath(path, root)} ({reason})" for path, reason in broken], 3)
    message = f"{len(broken):,} of {total:,} files in {root} are no readable pictures: {named}."
    if strict:
        raise ValueError(f"{message} Mend or remove them, or load with strict=False.")
    warnings.warn(f"{message} They are left out; .left_out lists them.", stacklevel=5)
