"""Where examples come from: files, arrays, kept pictures, TensorFlow Datasets.

Each source has `class_names`, `size`, `labels`, `left_out` and two methods: `listed(random)` is a
pipeline of examples, dictionaries with at least "index" and "label", in an order drawn from the
NumPy generator `random`, or as they are for None; `picture(example, size)` is the central square of
one, uint8 `(size, size, 3)`. `identity()` tells its examples from others, and `lost()` says which
can no longer be read. Where examples are files, `files()` and `listing()` name them,
`without(places)` is the rest, and `taken(other, paths)` puts parts together anew.
"""

import hashlib
import os
import sys
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import numpy as np
import tensorflow as tf
from rich.console import Console

from .. import files
from . import downloads, pictures


class _Listed:
    """A source whose examples can be counted."""

    left_out: tuple[tuple[str, str], ...] = ()
    class_names: tuple[str, ...]
    labels: np.ndarray
    place = ""
    """Which of the source's pictures these are, for people; "" where there is nothing to say."""
    splits: tuple[str, ...] = ("train", "val")
    """The splits of the source that are different pictures."""

    @property
    def size(self) -> int:
        return len(self.labels)

    def take_classes(self, class_names: Sequence[str]) -> None:
        """Numbers the classes as somebody else does, who may have more of them."""
        place_of = {name: label for label, name in enumerate(class_names)}
        numbers = np.array([place_of[name] for name in self.class_names], "int32")
        self.labels, self.class_names = numbers[self.labels], tuple(class_names)

    def columns(self) -> dict[str, np.ndarray]:
        """What `picture` needs, one row an example."""
        return {}

    def identity(self) -> str:
        """What tells these examples from others: a hash of pictures, labels and class names."""
        digest = hashlib.sha256(repr(self.class_names).encode("utf-8", "surrogateescape"))
        digest.update(self.labels.tobytes())
        digest.update(self.contents().encode("utf-8", "surrogateescape"))
        return digest.hexdigest()[:16]

    def contents(self) -> str:
        """Which pictures these are, wherever they lie."""
        raise NotImplementedError

    def lost(self) -> dict[int, str]:
        """The places of pictures that can no longer be read, each with the reason."""
        return {}

    def listing(self) -> dict[str, list] | None:
        """None: these are no files that could vanish."""
        return None

    def listed(self, random: np.random.Generator | None) -> tf.data.Dataset:
        order = np.arange(self.size) if random is None else random.permutation(self.size)
        columns = {"index": np.arange(self.size), "label": self.labels} | self.columns()
        rows = {name: column[order] for name, column in columns.items()}
        return tf.data.Dataset.from_tensor_slices(rows)


class Files(_Listed):
    """Picture files."""

    def __init__(
        self, paths, headers: Sequence[pictures.Header], labels, class_names, left_out, place
    ):
        self.paths = np.array([os.fsencode(path) for path in paths])
        self.headers = headers
        self.labels = np.array(labels, "int32")
        self.class_names, self.left_out, self.place = class_names, left_out, place

    def columns(self):
        headers = {
            name: np.array([getattr(header, name) for header in self.headers])
            for name in ("height", "width", "orientation", "plain")
        }
        return headers | {"path": self.paths}

    def picture(self, example, size):
        return pictures.square(
            tf.io.read_file(example["path"]),
            tf.cast(example["height"], tf.int32),
            tf.cast(example["width"], tf.int32),
            example["orientation"],
            example["plain"],
            size,
        )

    def version(self) -> str:
        """Which pictures these are, and where: names, sizes and times."""
        return repr(list(zip(self.paths.tolist(), self._sizes_and_times, strict=True)))

    def contents(self) -> str:
        # A folder that was moved holds the same pictures. What `archives` unpacked is as old as the
        # unpacking, which says nothing.
        folder = os.path.commonpath([os.path.dirname(path) for path in self.paths.tolist()])
        names = [os.path.relpath(path, folder) for path in self.paths.tolist()]
        unpacked = os.fsencode(downloads.writable_home() / "unpacked")
        if os.path.abspath(folder).startswith(os.path.abspath(unpacked)):
            sizes = [size for size, _ in self._sizes_and_times]
            return repr(list(zip(names, sizes, strict=True)))
        return repr(list(zip(names, self._sizes_and_times, strict=True)))

    @cached_property
    def _sizes_and_times(self) -> list[tuple[int, int]]:
        """Of each file; what vanished since it was listed has none."""

        def of(path) -> tuple[int, int]:
            try:
                status = os.stat(path)
            except OSError:
                return -1, -1
            return status.st_size, status.st_mtime_ns

        return [of(path) for path in self.paths.tolist()]

    def lost(self):
        def problem(path, header) -> str | None:
            try:
                same = pictures.inspect(os.fsdecode(path)).digest == header.digest
            except pictures.BrokenPictureError as error:
                return str(error)
            return None if same else "another picture than before"

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            problems = list(pool.map(problem, self.paths.tolist(), self.headers))
        return {place: problem for place, problem in enumerate(problems) if problem}

    def files(self) -> list[str]:
        """The absolute path of each picture."""
        return [os.path.abspath(os.fsdecode(path)) for path in self.paths.tolist()]

    def listing(self) -> dict[str, list]:
        """Each picture's size, time and class, by its absolute path."""
        names = [self.class_names[label] for label in self.labels]
        rows = zip(self.files(), self._sizes_and_times, names, strict=True)
        return {path: [*size_and_time, name] for path, size_and_time, name in rows}

    def without(self, places: Collection[int]) -> "Files":
        return self._of(self, [place for place in range(self.size) if place not in places])

    def taken(self, other: "Files | Cached", paths: Sequence[str]) -> "Files":
        """The pictures at these paths, in that order, from these and from others."""
        other = getattr(other, "examples", other)
        both = Files(
            [os.fsdecode(path) for path in [*self.paths.tolist(), *other.paths.tolist()]],
            [*self.headers, *other.headers],
            np.concatenate([self.labels, other.labels]),
            self.class_names,
            self.left_out,
            self.place,
        )
        both._sizes_and_times = [*self._sizes_and_times, *other._sizes_and_times]
        places = {path: place for place, path in enumerate(both.files())}
        return self._of(both, [places[path] for path in paths])

    @staticmethod
    def _of(files: "Files", places: Sequence[int]) -> "Files":
        some = Files(
            [os.fsdecode(files.paths[place]) for place in places],
            [files.headers[place] for place in places],
            files.labels[list(places)],
            files.class_names,
            files.left_out,
            files.place,
        )
        some._sizes_and_times = [files._sizes_and_times[place] for place in places]
        return some


class Arrays(_Listed):
    """Pictures that are in memory, or windows of such: `read(index)` gives uint8 pixels."""

    def __init__(self, read: Callable[[int], np.ndarray], labels, class_names, name: str):
        self.read, self.class_names, self.name = read, class_names, name
        self.labels = np.array(labels, "int32")

    def picture(self, example, size):
        def read(index):
            return pictures.square_of_array(self.read(int(index)), size)

        pixels = tf.numpy_function(read, [example["index"]], tf.uint8, stateful=False)
        return tf.ensure_shape(pixels, (size, size, 3))

    def version(self) -> str:
        return f"{self.name} {self.size}"

    contents = version


class Cached(_Listed):
    """The pictures of another source, kept after the first time."""

    def __init__(self, examples, on_disk: bool, workers: int | None):
        if isinstance(examples, TFDS):
            raise ValueError("TensorFlow Datasets keeps its own files; load it without a cache.")
        self.examples, self.on_disk, self.workers = examples, on_disk, workers
        self.class_names, self.left_out = examples.class_names, examples.left_out
        self.place = examples.place
        self.labels = examples.labels
        self.kept: dict[int, np.ndarray] = {}

    def identity(self):
        return self.examples.identity()

    def lost(self):
        return self.examples.lost()

    def files(self):
        return self.examples.files()

    def listing(self):
        return self.examples.listing()

    def without(self, places):
        return Cached(self.examples.without(places), self.on_disk, self.workers)

    def taken(self, other, paths):
        return Cached(self.examples.taken(other, paths), self.on_disk, self.workers)

    def picture(self, example, size):
        if size not in self.kept:
            # A pipeline is being traced; this is done at once, not in its graph.
            with tf.init_scope():
                fill = self._from_disk if self.on_disk else self._in_memory
                self.kept[size] = fill(size)
        kept = self.kept[size]
        pixels = tf.numpy_function(
            lambda index: kept[index], [example["index"]], tf.uint8, stateful=False
        )
        return tf.ensure_shape(pixels, (size, size, 3))

    def _fill(self, size: int, make: Callable) -> np.ndarray:
        kept = make(shape=(self.size, size, size, 3), dtype="uint8")
        decoded = self.examples.listed(None).map(
            lambda example: self.examples.picture(example, size), self.workers or tf.data.AUTOTUNE
        )
        for index, picture in enumerate(decoded.as_numpy_iterator()):
            kept[index] = picture
        return kept

    def _in_memory(self, size: int) -> np.ndarray:
        return self._fill(size, np.empty)

    def _from_disk(self, size: int) -> np.ndarray:
        version = f"{size} {self.examples.version()}"
        name = hashlib.sha256(version.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        path = downloads.writable_home() / "decoded" / f"{name}.npy"
        if not path.exists():
            locks = downloads.writable_home() / "locks"
            for folder in (path.parent, locks):
                folder.mkdir(parents=True, exist_ok=True)
            # One process decodes; another one that wants the same pictures waits for it.
            with files.turn(locks / f"{name}.lock", self._say_that_it_waits):
                files.clear_unfinished(path.parent, path.name)
                if not path.exists():
                    self._write(path, size)
        return np.load(path, mmap_mode="r")

    def _write(self, path: Path, size: int) -> None:
        count = self.size * size * size * 3

        def write(unfinished):
            def make(shape, dtype):
                kept = np.lib.format.open_memmap(unfinished, "w+", dtype, shape)
                # A full disk is an error here; later, in mapped memory, it would kill the process.
                if hasattr(os, "posix_fallocate"):
                    with open(unfinished, "rb+") as file:
                        os.posix_fallocate(file.fileno(), 0, unfinished.stat().st_size)
                return kept

            self._fill(size, make).flush()

        files.write(path, write, count)

    def _say_that_it_waits(self) -> None:
        Console(file=sys.stderr, highlight=False, soft_wrap=True).print(
            f"Waiting for another process that decodes the same {self.size:,} pictures."
        )


class TFDS:
    """A data set of the package TensorFlow Datasets, read as it streams."""

    left_out = ()
    _WINDOW = 4096
    """Examples among which the next one is drawn; the order of the files is drawn, too."""

    def __init__(self, name: str, split: str):
        try:
            import tensorflow_datasets as tfds
        except ImportError as error:
            raise ImportError(
                f"tfds:{name} needs the package tensorflow-datasets: pip install "
                "tensorflow-datasets."
            ) from error
        self.tfds, self.builder = tfds, tfds.builder(name)
        features = self.builder.info.features
        if not {"image", "label"} <= set(features):
            raise ValueError(
                f"tfds:{name} has {', '.join(features)}; a data set to classify has 'image' and "
                "'label'."
            )
        self.builder.download_and_prepare()
        self.place = self.part = self._part(split)
        self.class_names = tuple(features["label"].names)
        in_three = {"train", "validation", "test"} <= set(self.builder.info.splits)
        self.splits = ("train", "val", "test") if in_three else ("train", "val")
        self.size = self.builder.info.splits[self.part].num_examples

    def take_classes(self, class_names: Sequence[str]) -> None:
        if tuple(class_names) != self.class_names:
            raise ValueError(
                f"The data set's classes are {', '.join(self.class_names)}, in this order; a model "
                f"of {', '.join(class_names)} cannot be measured on it as it streams."
            )

    def identity(self) -> str:
        """The name, version and part: what a version holds does not change."""
        return f"{self.builder.info.full_name} {self.part}"

    def lost(self) -> dict[int, str]:
        return {}

    def listing(self) -> None:
        return None

    def _part(self, split: str) -> str:
        there = set(self.builder.info.splits)
        if split == "all":
            return "+".join(part for part in ("train", "validation", "test") if part in there)
        wanted = {
            "train": ("train",),
            "val": ("validation", "test"),
            "test": ("test", "validation"),
        }[split]
        for part in wanted:
            if part in there and (split != "train" or there & {"validation", "test"}):
                return part
        return "train[20%:]" if split == "train" else "train[:20%]"

    @cached_property
    def labels(self) -> np.ndarray:
        rows = self.listed(None).map(lambda example: example["label"])
        return np.fromiter(rows.as_numpy_iterator(), "int32", self.size)

    def listed(self, random):
        seed = None if random is None else int(random.integers(2**31))
        rows = self.builder.as_dataset(
            split=self.part,
            shuffle_files=seed is not None,
            read_config=self.tfds.ReadConfig(shuffle_seed=seed),
            decoders={"image": self.tfds.decode.SkipDecoding()},
        )
        if seed is not None:
            rows = rows.shuffle(self._WINDOW, seed)
        return rows.enumerate().map(
            lambda index, row: {
                "index": index,
                "label": tf.cast(row["label"], tf.int32),
                "contents": row["image"],
            }
        )

    def picture(self, example, size):
        return pictures.square_of_unknown(example["contents"], size)
