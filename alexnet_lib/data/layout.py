"""Which folder is a class, which a part of the data set, and which neither.

A folder is understood or refused: where two readings are possible, the error names both, and what
is passed over is said.
"""

import contextlib
import os
import re
import stat
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from . import pictures

ROLES = {
    "train": {"train", "training", "trainset", "trainingset"},
    "val": {"val", "valid", "validation", "dev", "eval", "valset", "validset", "devset"},
    "test": {"test", "testing", "testset"},
}
"""Words in the name of a folder that make it a part, where it holds class folders."""

_UNLABELLED = {"unlabeled", "unlabelled", "unsup", "unsupervised", "pred", "prediction"}

# Systems and programs leave these beside the data: macOS and Windows, NAS boxes, Linux, Python.
_SYSTEM = {
    "__macosx", "$recycle.bin", "recycler", "system volume information", "lost+found", "@eadir",
    "#recycle", "@recycle", "@recently-snapshot", "network trash folder", "temporary items",
    "found.000", "__pycache__", "thumbs.db", "ehthumbs.db", "desktop.ini", "picasa.ini", "icon\r",
}  # fmt: skip
_THUMBNAILS = {"thumbnails", "thumbnail", "thumbs", "_thumbnails", "_thumbs"}
_MAY_BE_CLASSES = {"thumbs"}
"""Beside class folders: one of the gestures of a hand, say."""


@dataclass(frozen=True)
class Layout:
    """How a folder was read."""

    root: Path
    parts: dict[str, Path]
    """The folders that hold the class folders, by role. `"train"` is always there; without another
    one, pictures are held out of it."""
    passed_over: tuple[str, ...] = ()
    """Folders that are neither classes nor parts, each with the reason."""

    @property
    def is_divided(self) -> bool:
        return len(self.parts) > 1

    def part(self, split: str) -> Path:
        """Where the pictures of a split are; `"val"` and `"test"` stand in for each other."""
        other = {"val": "test", "test": "val"}.get(split)
        return self.parts.get(split) or self.parts.get(other) or self.parts["train"]

    def name_of(self, part: Path) -> str:
        """How a part is called in a message."""
        name = os.path.relpath(part, self.root)
        return "the folders beside it" if name == "." else f"{name}/"

    def classes(self, part: Path, known: Collection[str] = ()) -> dict[str, list[Path]]:
        """The class folders of a part by class name, sorted.

        Names are composed, as most keyboards type them: a folder that was copied from an older Mac
        and one that was made elsewhere are one class.
        """
        parts = {path for inside in self.parts.values() for path in (inside, *inside.parents)}
        found: dict[str, list[Path]] = {}
        for path in _candidates(part)[0]:
            nothing = _look(path) == "nothing" and not _is_empty(path)
            if path not in parts and (class_name(path) in known or not nothing):
                found.setdefault(class_name(path), []).append(path)
        return dict(sorted(found.items()))

    def sentence(self) -> str:
        """What was taken for what, where that is not plain to see; else ""."""
        named = [path for path in self.parts.values() if path != self.root]
        plain = all(_is_plain(path) and path.parent == self.root for path in named)
        usual = not named or (self.is_divided and self.parts["train"] in named and plain)
        if usual and not self.passed_over:
            return ""
        said = []
        if named:
            said.append(f"{self.name_of(self.parts['train'])} to learn from")
            held_out = [self.name_of(path) for part, path in self.parts.items() if part != "train"]
            said.append(f"{' and '.join(held_out) or 'a fifth of it'} held out")
        else:
            said.append("each folder is a class")
        if self.passed_over:
            said.append(f"passed over: {shown(self.passed_over)}")
        return f"{printable(self.root)}: {'; '.join(said)}."


def read(folder: Path, classes: Collection[str] = ()) -> Layout:
    """Finds the class folders and the parts below a folder.

    Args:
        folder: what somebody gave.
        classes: names that are known to be classes, those of a model.

    Raises:
        ValueError: if it can be read in more than one way, or in none. The message says what would
            be understood.
    """
    _look.cache_clear()
    root, passed_over, seen = folder, [], set()
    while True:
        seen.add(root.resolve())
        inside, reasons = _candidates(root)
        passed_over += reasons
        if chosen := _parts(root, inside):
            return _divided(root, inside, chosen, passed_over)
        with_pictures = [path for path in inside if _look(path) != "nothing"]
        passed_over += [
            f"{path.name}/ (no pictures in it)"
            for path in inside
            if path not in with_pictures and not _is_empty(path)
        ]
        if len(with_pictures) != 1:
            break
        (only,) = with_pictures
        # A link may lead back to a folder above it.
        if _look(only) != "folders" or class_name(only) in classes or only.resolve() in seen:
            break
        root = only
    if not classes:
        _refuse_flat_parts(root, with_pictures)
        _refuse_parts_in_classes(root, with_pictures)
    return Layout(root, {"train": root}, tuple(passed_over))


def _candidates(root: Path) -> tuple[list[Path], list[str]]:
    """The folders that may be classes or parts, and the others with the reason."""
    inside, others = [], []
    for path in subfolders(root):
        if is_run(path):
            others.append(f"{path.name}/ (training runs)")
        elif path.name.lower() in _THUMBNAILS - _MAY_BE_CLASSES:
            others.append(f"{path.name}/ (thumbnails)")
        else:
            inside.append(path)
    return inside, others


def class_name(folder: Path) -> str:
    """The name of a class folder, composed.

    Raises:
        ValueError: if it is no Unicode: what it says cannot be known.
    """
    name = unicodedata.normalize("NFC", folder.name)
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"The name of the folder {printable(folder)} is not Unicode (UTF-8). "
            f"{readings(os.fsencode(folder.name), ('latin-1', 'gbk', 'shift_jis'))} Rename it, "
            "or unpack or copy the folder again with the right encoding."
        ) from None
    return name


def readings(name: bytes, encodings: Sequence[str]) -> str:
    """A sentence about what a name says in each of some encodings."""
    found = []
    for encoding in encodings:
        with contextlib.suppress(UnicodeDecodeError):
            text = name.decode(encoding)
            if text.isprintable():
                found.append(f"{text!r} in {encoding}")
    return f"{printable(os.fsdecode(name))} would be {' or '.join(found)}." if found else ""


def printable(path: Path | str) -> str:
    """A path for a message: bytes that are no Unicode become escapes such as `\\xe4`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def files(folder: Path) -> list[Path]:
    """All files below a folder, sorted by their path; links to folders are followed once."""

    def unreadable(error: OSError):
        raise error

    found, seen = [], set()
    for inside, folders, names in os.walk(folder, onerror=unreadable, followlinks=True):
        seen.add(os.path.realpath(inside))
        folders[:] = [
            name
            for name in folders
            if is_data(name)
            and name.lower() not in _THUMBNAILS
            and os.path.realpath(os.path.join(inside, name)) not in seen
            and not is_run(Path(inside, name))
        ]
        found += [Path(inside, name) for name in names if is_data(name)]
    return sorted(found)


def loose(folder: Path) -> list[Path]:
    """Picture files that lie in a folder of class folders, in no class."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in pictures.SUFFIXES and is_data(path.name) and not path.is_dir()
    )


def subfolders(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        inside = [Path(entry.path) for entry in entries if entry.is_dir()]
    return sorted(path for path in inside if is_data(path.name))


def is_data(name: str) -> bool:
    """Not the name of something hidden, or that systems leave in every folder."""
    return not name.startswith(".") and name.lower() not in _SYSTEM


def is_run(folder: Path) -> bool:
    """Whether this library wrote the folder: a run, its stages, or several runs."""
    if (folder / "run.json").is_file():
        return True
    with os.scandir(folder) as entries:
        inside = [(e.is_dir(follow_symlinks=False), Path(e.path)) for e in entries]
    if not inside:
        # One that was about to begin.
        return folder.suffix == ".run" or folder.name == "runs"
    return all(is_folder and is_run(path) for is_folder, path in inside)


def shown(names: Sequence[str], most: int = 5) -> str:
    """The first few of many names."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


# --- parts ---------------------------------------------------------------------------------------


def _role(folder: Path) -> str | None:
    """What part the name of a folder says it is: `train`, `seg_train`, `Training Set`, ..."""
    # TrainImages and train2017 are words as well.
    words = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", folder.name).lower())
    roles = {role for role, names in ROLES.items() if names & set(words)}
    return roles.pop() if len(roles) == 1 else None


def _is_plain(folder: Path) -> bool:
    """Whether a folder has the name of a part and nothing else in its name."""
    return any(folder.name.lower() in names for names in ROLES.values())


def _holds_classes(folder: Path) -> bool:
    inside = [path for path in subfolders(_unwrapped(folder)) if _look(path) != "nothing"]
    return len(inside) > 1 or (len(inside) == 1 and _look(folder) == "folders")


def _unwrapped(folder: Path) -> Path:
    """`seg_train/seg_train/`: the folder itself where it holds nothing but one like it."""
    inside = [path for path in subfolders(folder) if _look(path) != "nothing"]
    if len(inside) == 1 and _look(folder) == _look(inside[0]) == "folders":
        return inside[0]
    return folder


def _parts(root: Path, inside: list[Path]) -> dict[str, Path] | None:
    """The folders that are parts, by role; None where the class folders lie in the root itself."""
    candidates: dict[str, list[Path]] = {}
    for path in inside:
        role = _role(path)
        if role and _look(path) != "nothing" and _holds_classes(path):
            candidates.setdefault(role, []).append(path)
    chosen = {role: _one_of(root, role, paths) for role, paths in candidates.items()}
    if "train" in chosen or not chosen:
        return chosen or None
    others = [path for path in inside if path not in chosen.values() and _look(path) != "nothing"]
    names = {name for path in chosen.values() for name in _names(_unwrapped(path))}
    if others and names <= {unicodedata.normalize("NFC", path.name) for path in others}:
        # cats/ dogs/ test/cats/ test/dogs/
        return chosen
    path = next(iter(chosen.values()))
    if not others:
        there = [f"{path.name}/" for path in chosen.values()]
        raise ValueError(
            f"{root} holds {shown(there)}, but no train/. Put the pictures to learn from into "
            f"train/, or give {path} alone, whose folders are then the classes."
        )
    raise ValueError(
        f"Is {path} a class, or a part of the data set? It holds folders ({shown(sorted(names))}), "
        f"and beside it lie {shown([f'{other.name}/' for other in others])}. Put the pictures to "
        "learn from into train/, or rename it."
    )


def _one_of(root: Path, role: str, paths: list[Path]) -> Path:
    plain = [path for path in paths if _is_plain(path)]
    if len(plain) == 1:
        return plain[0]
    if len(paths) == 1:
        return paths[0]
    raise ValueError(
        f"{root} holds {shown([f'{path.name}/' for path in paths])}, each of which could be the "
        f"part {role!r}. Call the right one {role}/, and move the others elsewhere."
    )


def _names(folder: Path) -> set[str]:
    return {unicodedata.normalize("NFC", path.name) for path in subfolders(folder)}


def _divided(
    root: Path, inside: list[Path], chosen: dict[str, Path], passed_over: list[str]
) -> Layout:
    parts = {role: _unwrapped(path) for role, path in chosen.items()}
    if "train" not in parts:
        return Layout(root, {"train": root} | parts, tuple(passed_over))
    for path in inside:
        if path in chosen.values():
            continue
        reason = "no part of the data set"
        if _look(path) == "nothing":
            reason = "no pictures in it"
        elif _is_unlabelled(path):
            reason = "pictures without class folders"
        elif len(parts) == 1:
            learning = chosen["train"]
            raise ValueError(
                f"{root} can be read in two ways: the classes are the folders in {learning.name}/ "
                f"({shown(sorted(_names(parts['train'])))}), or {learning.name}/, {path.name}/ and "
                f"so on are themselves the classes. Move {path.name}/ elsewhere, or give "
                f"{parts['train']} alone."
            )
        passed_over.append(f"{path.name}/ ({reason})")
    return Layout(root, parts, tuple(passed_over))


def _is_unlabelled(folder: Path) -> bool:
    words = set(re.findall(r"[a-z]+", folder.name.lower()))
    named = _role(folder) or words & _UNLABELLED
    return bool(named) and not _holds_classes(folder)


def _refuse_flat_parts(root: Path, inside: list[Path]) -> None:
    """`train/` and `test/` with pictures in them are parts without classes, not two classes."""
    flat = {_role(path) for path in inside if _is_plain(path)}
    held_out = [path for path in inside if _is_plain(path) and _role(path) != "train"]
    unlabelled = [path for path in inside if path.name.lower() in _UNLABELLED]
    if "train" in flat and held_out:
        raise ValueError(
            f"The pictures in {root} do not lie in class folders, but all together in "
            f"{shown([f'{path.name}/' for path in inside])}. Make one folder for each class, such "
            f"as {root / 'train' / 'cats'} and {root / 'train' / 'dogs'}."
        )
    if held_out or unlabelled:
        path = (held_out or unlabelled)[0]
        raise ValueError(
            f"Is {path} a class, or pictures without classes? It lies beside "
            f"{shown([f'{other.name}/' for other in inside if other != path])}. If it is a class, "
            "give it another name; if not, move it elsewhere."
        )


def _refuse_parts_in_classes(root: Path, inside: list[Path]) -> None:
    """`cats/train/`, `cats/test/`, `dogs/train/`: turned inside out."""
    for path in inside:
        roles = {_role(one) for one in subfolders(path) if _is_plain(one)}
        if _look(path) == "folders" and "train" in roles and len(roles - {None}) > 1:
            raise ValueError(
                f"{path} holds parts of a data set, train/ for one. Turn the folders inside out: "
                f"{root / 'train' / path.name}, not {path / 'train'}."
            )


# --- what a folder holds -------------------------------------------------------------------------


_LOOKED_INTO = 200
"""So many files without a picture's suffix are opened to see whether a folder has pictures."""


@cache
def _look(folder: Path) -> str:
    """`"pictures"` lie in the folder itself, or only in `"folders"` below it, or `"nothing"`."""
    return _looked(folder, set())


def _looked(folder: Path, seen: set[str]) -> str:
    seen.add(os.path.realpath(folder))
    inside, unknown = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if not is_data(entry.name):
                continue
            if entry.is_dir():
                inside.append(entry.path)
            elif os.path.splitext(entry.name)[1].lower() in pictures.SUFFIXES:
                return "pictures"
            else:
                unknown.append(entry.path)
    # ImageNet's and many other files have no suffix, or another one.
    if any(map(_starts_as_picture, sorted(unknown)[:_LOOKED_INTO])):
        return "pictures"
    for path in sorted(inside):
        if os.path.realpath(path) in seen or is_run(Path(path)):
            continue
        if _looked(Path(path), seen) != "nothing":
            return "folders"
    return "nothing"


def _starts_as_picture(path: str) -> bool:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return False
        with open(path, "rb") as file:
            return pictures.format_of(file.read(pictures.START)) in pictures.FORMATS
    except OSError:
        return False


def _is_empty(folder: Path) -> bool:
    """Whether no file lies below a folder but hidden ones and the system's."""
    return not files(folder)
