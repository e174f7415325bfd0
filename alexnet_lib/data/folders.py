"""Folders of class folders: which file is a picture, and which pictures are held out."""

import hashlib
import json
import os
import sys
import warnings
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from .. import files
from . import downloads, layout, pictures, similar
from .layout import printable, shown
from .sources import Files

_HOLD_OUT = 5
"""Without a held-out folder, every fifth file of a class, by name, is held out."""
_COMPARED = 20_000
"""Parts of up to so many pictures are searched for shots of the same scene in another part."""
_RECORD = 2
"""Of the list of files that were looked at; another number is another format."""


def open_folder(
    folder: Path,
    split: str,
    limit: int | None,
    strict: bool,
    renamed: dict,
    known: Collection[str] | None = None,
) -> Files:
    """The pictures of one part of a folder of class folders.

    Args:
        renamed: names of classes for people, by name of folder.
        known: the classes of a model. The folder may then lack some of them.
    """
    where = layout.read(folder, known or ())
    parts = list(where.parts.values()) if split == "all" else [where.part(split)]
    here = _joined(where.classes(part, known or ()) for part in parts)
    classes = here if known is not None else where.classes(where.parts["train"])
    if known is None and len(classes) < 2:
        raise ValueError(_too_few_classes(where.parts["train"], classes))
    if unknown := sorted(set(here) - set(classes)):
        raise ValueError(
            f"{parts[0]} has classes that {where.parts['train']} has not: {shown(unknown)}."
        )
    paths, labels = [], []
    for label, name in enumerate(classes):
        inside = sorted(file for path in here.get(name, []) for file in layout.files(path))
        if not inside and known is None and where.parts["train"] in parts:
            raise ValueError(
                f"The class folder {here[name][0]} is empty. Put pictures into it, or remove it."
            )
        paths += inside
        labels += [label] * len(inside)
    divides = not where.is_divided and split != "all"
    record = _Record(where.root)
    headers = record.scan(paths, look=divides or len(paths) <= _COMPARED)
    notes = [where.sentence(), *_names_that_differ_little(where, classes)]
    chosen = list(range(len(paths)))
    if divides:
        chosen, said = _divide(where.root, list(classes), paths, labels, headers, split)
        notes += said
    elif split != "all":
        notes.append(_seen_in_another_part(where, split, paths, labels, headers, record))
    loose = [(str(path), "not in a class folder") for part in parts for path in layout.loose(part)]
    found = [index for index in chosen if isinstance(headers[index], pictures.Header)]
    broken = loose + [(str(paths[i]), headers[i]) for i in chosen if isinstance(headers[i], str)]
    _report(where.root, broken, len(chosen) + len(loose), strict)
    _say(notes)
    if not found:
        raise ValueError(
            f"There are no readable pictures in {shown([str(part) for part in parts])}"
            f"{' that can be held out' if divides and split != 'train' else ''}."
        )
    counts = np.bincount([labels[index] for index in found], minlength=len(classes))
    if known is None and split in ("train", "all") and not counts.all():
        name = list(classes)[int(counts.argmin())]
        raise ValueError(f"No picture in {classes[name][0]} can be read; see the reasons above.")
    found = [found[place] for place in limited([labels[index] for index in found], limit)]
    some = Files(
        [paths[index] for index in found],
        [headers[index] for index in found],
        [labels[index] for index in found],
        tuple(renamed.get(name, name) for name in classes),
        tuple(broken),
        _place(where, split),
    )
    if {"val", "test"} <= where.parts.keys():
        some.splits = ("train", "val", "test")
    return some


def limited(labels: Sequence[int], limit: int | None) -> list[int]:
    """The positions of the first `limit` examples of each class."""
    seen: dict[int, int] = {}
    kept = []
    for position, label in enumerate(labels):
        seen[label] = seen.get(label, 0) + 1
        if limit is None or seen[label] <= limit:
            kept.append(position)
    return kept


def held_out(scenes: Sequence[int | None]) -> tuple[set[int], bool]:
    """Which pictures of a class are held out, where all are in one folder.

    Every fifth in the order given; of pictures of one scene, all or none. A scene of more than half
    of the class is learned from.

    Args:
        scenes: the number of the scene that each picture shows; None for a file that is no picture.

    Returns:
        Positions, and whether a scene was divided, because there is but one.
    """
    # What is no picture is a scene by itself.
    scenes = [f"file {place}" if scene is None else scene for place, scene in enumerate(scenes)]
    total, sizes = len(scenes), Counter(scenes)
    real = [scene for scene in sizes if not isinstance(scene, str)]
    if len(real) == 1 and sizes[real[0]] > 1:
        return set(range(0, total, _HOLD_OUT)), True
    chosen, decided = set(), set()
    held = 0
    for position, scene in enumerate(scenes):
        if scene in decided:
            continue
        decided.add(scene)
        # A class with a single picture learns from it rather than being tested on it.
        if _HOLD_OUT * held <= position and 2 * sizes[scene] <= total:
            chosen.add(scene)
            held += sizes[scene]
    return {place for place, scene in enumerate(scenes) if scene in chosen}, False


# --- dividing ------------------------------------------------------------------------------------


def _divide(
    root: Path, names: Sequence[str], paths, labels, headers, split: str
) -> tuple[list[int], list[str]]:
    """The positions of the pictures of a split, and what is to be said about the division."""
    looks, digests = _traits(headers)
    chosen, one_scene, alike, copies = [], [], [], []
    for label, members in _by_label(labels, len(names)):
        scenes = similar.scenes([looks[i] for i in members], [digests[i] for i in members])
        pairs = zip(scenes.tolist(), members, strict=True)
        out, divided = held_out([scene if digests[i] else None for scene, i in pairs])
        one_scene += [names[label]] if divided else []
        chosen += [i for place, i in enumerate(members) if (place in out) == (split != "train")]
        copies += _copies(members, digests)
        alike += _shots(members, scenes, digests)
    if split != "train":
        return chosen, []
    said = []
    if alike:
        number, first, second = sum(len(one) for one in alike), *alike[0][:2]
        said.append(
            f"{number:,} of {len(paths):,} pictures are nearly the same as others: shots of "
            f"{len(alike):,} {'scene' if len(alike) == 1 else 'scenes'}, such as "
            f"{_name(root, paths[first])} and {_name(root, paths[second])}. A scene is held out as "
            "a whole or not at all."
        )
    if copies:
        said.append(_said_of_copies(root, paths, copies))
    if one_scene:
        said.append(
            f"{shown(one_scene)}: all pictures of the class look like shots of one scene. A fifth "
            "is held out all the same, so that the accuracy is too good to be true of new pictures."
        )
    return chosen, [*said, _said_of_two_classes(root, paths, labels, digests)]


def _traits(headers) -> tuple[list[str], list[str]]:
    """Look and digest of each file; broken ones are like no other."""
    whole = [header if isinstance(header, pictures.Header) else None for header in headers]
    return [h.look if h else "" for h in whole], [h.digest if h else "" for h in whole]


def _by_label(labels, classes: int) -> Iterator[tuple[int, list[int]]]:
    members: list[list[int]] = [[] for _ in range(classes)]
    for index, label in enumerate(labels):
        members[label].append(index)
    return enumerate(members)


def _copies(members: list[int], digests) -> list[tuple[int, int]]:
    """Exact copies: each file that another one, before it, is the same as, with that one."""
    first: dict[str, int] = {}
    return [
        (index, first[digests[index]])
        for index in members
        if digests[index] and first.setdefault(digests[index], index) != index
    ]


def _shots(members: list[int], scenes: np.ndarray, digests) -> list[list[int]]:
    """The scenes of which there are several shots that are no exact copies, each a list."""
    found: dict[int, dict[str, int]] = {}
    for index, scene in zip(members, scenes.tolist(), strict=True):
        found.setdefault(scene, {}).setdefault(digests[index] or str(index), index)
    return [list(shots.values()) for shots in found.values() if len(shots) > 1]


def _said_of_copies(root: Path, paths, copies: Sequence[tuple[int, int]]) -> str:
    named = shown([f"{_name(root, paths[i])} of {_name(root, paths[j])}" for i, j in copies], 3)
    if len(copies) == 1:
        return f"One file is an exact copy of another: {named}."
    return f"{len(copies):,} files are exact copies of others: {named}."


def _said_of_two_classes(root: Path, paths, labels, digests) -> str:
    pairs = [(i, j) for i, j in _copies(list(range(len(paths))), digests) if labels[i] != labels[j]]
    if not pairs:
        return ""
    i, j = pairs[0]
    more = f", and so do {len(pairs) - 1:,} more" if len(pairs) > 1 else ""
    return (
        f"The same picture lies in two classes: {_name(root, paths[j])} and "
        f"{_name(root, paths[i])}{more}. Remove it where it does not belong."
    )


def _seen_in_another_part(where, split: str, paths, labels, headers, record: "_Record") -> str:
    """Says how many pictures of a held-out part are, nearly or exactly, in another one as well.

    Only what was looked at before counts, so that a part is never read for the sake of another.
    """
    own = where.part(split)
    looks, digests = _traits(headers)
    classes = list(where.classes(where.parts["train"]))
    seen, of_what = set(), None
    for other in where.parts.values():
        if other == own:
            continue
        there = where.classes(other)
        for label, members in _by_label(labels, len(classes)):
            files_there = [
                file for path in there.get(classes[label], []) for file in layout.files(path)
            ]
            before = [record.remembered(file) for file in files_there]
            before = [pair for pair in zip(files_there, before, strict=True) if pair[1]]
            if not before or not members:
                continue
            scenes = similar.scenes(
                [header.look for _, header in before] + [looks[i] for i in members],
                [header.digest for _, header in before] + [digests[i] for i in members],
            ).tolist()
            known = {scene: file for scene, (file, _) in zip(scenes, before, strict=False)}
            for index, scene in zip(members, scenes[len(before) :], strict=True):
                if scene in known:
                    seen.add(index)
                    of_what = of_what or (paths[index], known[scene])
    if not seen:
        return ""
    return (
        f"{len(seen):,} of the {len(paths):,} pictures in {where.name_of(own)} are nearly or "
        f"exactly the same as some in another part, such as {_name(where.root, of_what[0])} and "
        f"{_name(where.root, of_what[1])}. The accuracy on them says little about new pictures."
    )


def _name(root: Path, path: Path | str) -> str:
    return printable(os.path.relpath(path, root))


# --- words ---------------------------------------------------------------------------------------


def _joined(parts) -> dict[str, list[Path]]:
    """The class folders of several parts."""
    joined: dict[str, list[Path]] = {}
    for classes in parts:
        for name, paths in classes.items():
            joined.setdefault(name, []).extend(paths)
    return dict(sorted(joined.items()))


def _place(where: layout.Layout, split: str) -> str:
    part = where.part(split)
    name = "" if part == where.root else where.name_of(part)
    if split == "all":
        return "all pictures"
    if where.is_divided:
        return name or where.name_of(part)
    what = "what is left of" if split == "train" else "a fifth of"
    return f"{what} {name}" if name else ""


def _names_that_differ_little(where: layout.Layout, classes: dict[str, list[Path]]) -> list[str]:
    """Sentences about folders that are one class, and about classes that may be meant to be one."""
    said = []
    if merged := [name for name, paths in classes.items() if len({p.name for p in paths}) > 1]:
        said.append(
            f"{shown(merged)}: two folders whose names look the same, with composed and with "
            "decomposed accents, are one class."
        )
    alike: dict[str, list[str]] = {}
    for name in classes:
        alike.setdefault(" ".join(name.casefold().split()), []).append(name)
    for names in alike.values():
        if len(names) > 1:
            said.append(f"{' and '.join(map(repr, names))} are two classes here.")
    return said


def _too_few_classes(root: Path, classes: dict[str, list[Path]]) -> str:
    wanted = f"Make one folder for each class, such as {root / 'cats'} and {root / 'dogs'}."
    if len(classes) == 1:
        return f"{root} has a single class folder, {next(iter(classes))!r}; it takes two. {wanted}"
    if layout.loose(root):
        return f"The pictures in {root} do not lie in class folders. {wanted}"
    return f"There are no class folders in {root}. {wanted}"


_CALLER = 5
"""So many functions up is the code that called `data.load`: what it is warned of is its data."""


def _say(notes: Sequence[str]) -> None:
    if told := " ".join(filter(None, notes)):
        warnings.warn(told, stacklevel=_CALLER)


def _report(root: Path, broken: Sequence[tuple[str, str]], total: int, strict: bool) -> None:
    if not broken:
        return
    # Photographs come with videos and notes beside them, behind which a broken one must not hide.
    first = sorted(broken, key=lambda pair: Path(pair[0]).suffix.lower() not in pictures.SUFFIXES)
    named = shown([f"{_name(root, path)} ({reason})" for path, reason in first], 3)
    message = f"{len(broken):,} of {total:,} files in {root} are no readable pictures: {named}."
    if strict:
        raise ValueError(f"{message} Mend or remove them, or load with strict=False.")
    warnings.warn(f"{message} They are left out; .left_out lists them.", stacklevel=_CALLER)


# --- what is known of the files ------------------------------------------------------------------


class _Record:
    """What was found when files were looked at; kept in `ALEXNET_HOME` until a file changes."""

    def __init__(self, root: Path):
        self.root = root
        name = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:16]
        self.path = downloads.writable_home() / "scans" / f"{name}-{_RECORD}.json"
        try:
            known = json.loads(self.path.read_text("utf-8"))
        except (OSError, ValueError):
            known = {}
        self.known: dict[str, list] = known if isinstance(known, dict) else {}

    def remembered(self, path: Path) -> pictures.Header | None:
        _, found = self.known.get(str(path.relative_to(self.root)), (None, None))
        return pictures.Header(*found) if isinstance(found, list) else None

    def scan(self, paths: Sequence[Path], look: bool) -> list[pictures.Header | str]:
        """The header of each picture file, or what is wrong with it."""
        keys, versions = [], []
        for path in paths:
            status = path.stat() if path.exists() else None
            keys.append(str(path.relative_to(self.root)))
            versions.append([status.st_size, status.st_mtime_ns] if status else None)
        new = [
            index
            for index, (key, version) in enumerate(zip(keys, versions, strict=True))
            if version is None or not self._is_known(key, version, look)
        ]
        if new:
            some = [[column[index] for index in new] for column in (paths, keys, versions)]
            self._look_at(*some, look)
        found = [self.known[key][1] for key in keys]
        return [one if isinstance(one, str) else pictures.Header(*one) for one in found]

    def _is_known(self, key: str, version: list, look: bool) -> bool:
        before, found = self.known.get(key, (None, None))
        return before == version and (isinstance(found, str) or not look or bool(found[-1]))

    def _look_at(self, paths, keys, versions, look: bool) -> None:
        def look_at(path: Path) -> list | str:
            try:
                return list(astuple(pictures.inspect(path, look=look)))
            except pictures.BrokenPictureError as error:
                return str(error)

        # Pillow warns of odd files without their names; what cannot be read is named by us.
        with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
            warnings.simplefilter("ignore")
            results: Iterator = pool.map(look_at, paths)
            if len(paths) > 500:
                console = Console(file=sys.stderr)
                text = f"Looking through {len(paths):,} files, once"
                results = track(results, text, len(paths), console=console, transient=True)
            for key, version, result in zip(keys, versions, results, strict=True):
                self.known[key] = [version, result]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        files.write_text(self.path, json.dumps(self.known))
