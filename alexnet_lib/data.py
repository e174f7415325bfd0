"""Pictures in, batches out: folders of class folders, archives of them, and data sets by name.

    train = data.load("my_photos", "train")
    for images, labels in train.epoch(0):
        ...

Epoch n is a function of the seed and n alone: the same order, crops and mirrorings, bit for bit,
whatever the number of threads and whether or not epochs before it were read.
"""

import hashlib
import json
import os
import sys
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.progress import track

from . import augmentation, checkpoints, downloads, pictures
from .augmentation import PCALighting
from .downloads import Remote

NAMES = ("photos", "flowers", "imagenette", "cifar10", "tfds:NAME")

# The address, hash and size of the second and fourth are those of TensorFlow Datasets.
REMOTES = {
    "flowers": Remote(
        "https://storage.googleapis.com/download.tensorflow.org/example_images/flower_photos.tgz",
        "4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c",
        228_813_984,
    ),
    "imagenette": Remote(
        "https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-320.tgz",
        "569b4497c98db6dd29f335d1f109cf315fe127053cedf69010d047f0188e158c",
        341_663_724,
    ),
    "cifar10": Remote(
        "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        170_052_171,
    ),
}

_SPLITS = ("train", "val", "test")
_SPLIT_FOLDERS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "test", "testing"),
    "test": ("test", "testing", "val", "valid", "validation"),
}
_HOLD_OUT = 5
"""Without a held-out folder, every fifth file of a class, by name, is held out."""

_NO_DATA = {"thumbs.db", "desktop.ini", "__macosx"}
_PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp"}

_IMAGENETTE = {
    "n01440764": "tench",
    "n02102040": "English springer",
    "n02979186": "cassette player",
    "n03000684": "chain saw",
    "n03028079": "church",
    "n03394916": "French horn",
    "n03417042": "garbage truck",
    "n03425413": "gas pump",
    "n03445777": "golf ball",
    "n03888257": "parachute",
}

# Photographs that scikit-image's wheel carries, by class.
_PHOTOGRAPHS = {
    "brick": "brick",
    "cat": "chelsea",
    "coffee": "coffee",
    "galaxies": "hubble_deep_field",
    "grass": "grass",
    "gravel": "gravel",
    "motorcycle": "stereo_motorcycle",
    "retina": "retina",
    "rocket": "rocket",
    "tissue": "immunohistochemistry",
}
_TRAINING_PART = 0.62
_GAP = 8
_CROPS = {"train": 100, "val": 25, "test": 25}


def load(
    source: str | Path,
    split: str = "train",
    *,
    image_size: int = 227,
    short_side: int = 256,
    batch_size: int = 128,
    augment: bool | None = None,
    lighting: bool | PCALighting = False,
    shuffle: bool | None = None,
    seed: int = 0,
    limit_per_class: int | None = None,
    strict: bool = False,
    cache: str | None = None,
    workers: int | None = None,
) -> "Dataset":
    """Opens a data set.

    A folder holds one folder of pictures a class, or `train/` and `val/` (or `test/`) with such
    folders in each. Where nothing is held out, the first and then every fifth file of a class, in
    the order of the names, is `"val"` and `"test"`, and the rest is `"train"`. Folders inside a
    class folder belong to the class; hidden files are passed over.

    JPEG, PNG, GIF (the first frame), BMP and WebP arrive as RGB, turned as their EXIF data says;
    transparent parts lie on white. All files are decoded once to find broken ones; the result is
    remembered in `ALEXNET_HOME` until a file changes. Nothing is written beside the pictures.

    Args:
        source: a folder, a `.zip`, `.tar`, `.tar.gz` or `.tgz` of one, or a name: `"photos"` (needs
            no download), `"flowers"`, `"imagenette"`, `"cifar10"`, `"tfds:NAME"` (needs the package
            tensorflow-datasets). For a name, `ALEXNET_HOME` may hold the folder or archive already.
        split: `"train"`, `"val"` or `"test"`; the last two are one where a source has two parts.
        image_size: side of the crops that the network takes.
        short_side: side of the picture that they are cut from (section 2).
        batch_size: examples a batch; the last batch may be smaller.
        augment: random crops and mirrorings; the centre crop if False. By default, for `"train"`.
        lighting: add PCA lighting; True computes it from these examples, in one pass.
        shuffle: a new order each epoch. By default, for `"train"`.
        seed: of order and augmentation.
        limit_per_class: keep only the first examples of each class.
        strict: raise where a file is broken, instead of leaving it out with a warning.
        cache: `"memory"` or `"disk"` keeps the decoded pictures, 196,608 bytes each at a short side
            of 256; their crops still differ each epoch.
        workers: pictures decoded at a time; None lets `tf.data` choose. It changes no result.

    Raises:
        FileNotFoundError: if the source is neither a folder, an archive nor a name.
        ValueError: if the pictures are not in class folders, there are fewer than two classes, a
            class is empty, `strict` finds a broken file, or an argument is out of its range.
        PermissionError: if a folder may not be read.
        downloads.DownloadError, downloads.UnsafeArchiveError: see there.
        ImportError: for `"tfds:NAME"` without the package.
    """
    if split not in _SPLITS:
        raise ValueError(f"split is {split!r}; it must be one of {', '.join(_SPLITS)}.")
    for name, value in {
        "image_size": image_size,
        "short_side": short_side,
        "batch_size": batch_size,
        "limit_per_class": limit_per_class or 1,
        "workers": workers or 1,
    }.items():
        if value < 1:
            raise ValueError(f"{name} is {value}; it must be at least 1.")
    if limit_per_class == 0:
        raise ValueError("limit_per_class is 0; it must be at least 1, or None for no limit.")
    if image_size > short_side:
        raise ValueError(
            f"image_size is {image_size}, short_side {short_side}: crops cannot be larger than the "
            "picture. Raise short_side, too."
        )
    if cache not in (None, "memory", "disk"):
        raise ValueError(f"cache is {cache!r}; it must be None, 'memory' or 'disk'.")
    examples = _open(source, split, limit_per_class, strict)
    if cache:
        examples = _Cached(examples, cache == "disk", workers)
    training = split == "train"
    dataset = Dataset(
        name=str(source),
        split=split,
        class_names=examples.class_names,
        size=examples.size,
        left_out=examples.left_out,
        image_size=image_size,
        short_side=short_side,
        batch_size=batch_size,
        augment=training if augment is None else augment,
        shuffle=training if shuffle is None else shuffle,
        seed=seed,
        workers=workers,
        examples=examples,
    )
    if lighting is True:
        lighting = dataset.fit_lighting()
    if lighting:
        object.__setattr__(dataset, "lighting", lighting)
    return dataset


@dataclass(frozen=True, eq=False)
class Dataset:
    """One part of a data set; `load` makes it."""

    name: str
    split: str
    class_names: tuple[str, ...]
    """Label i stands for `class_names[i]`."""
    size: int
    """Examples an epoch."""
    left_out: tuple[tuple[str, str], ...]
    """The files that were left out, each with the reason."""
    image_size: int
    short_side: int
    batch_size: int
    augment: bool
    shuffle: bool
    seed: int
    workers: int | None
    examples: "_Files | _Arrays | _TFDS | _Cached" = field(repr=False)
    lighting: PCALighting | None = field(default=None, repr=False)

    def epoch(self, number: int = 0) -> tf.data.Dataset:
        """The batches of one epoch, the same each time they are asked for.

        Returns:
            A pipeline of `(images, labels)`: float32 `(batch, image_size, image_size, 3)`, RGB,
            0..255 (PCA lighting may lead outside), and int32 `(batch,)`.
        """
        key = self._key(number)

        def prepare(example):
            picture, label = self._picture(example), example["label"]
            seed = tf.stack([key, example["index"]])
            if self.augment:
                crop = augmentation.random_crop(picture, self.image_size, seed)
                crop = augmentation.random_mirror(crop, seed)
            else:
                crop = augmentation.center_crop(picture, self.image_size)
            if self.lighting:
                return crop, label, self.lighting.shift(seed)
            return crop, label

        # Bytes, not floats, travel from step to step until the batch is whole.
        def finish(crops, labels, *shifts):
            images = tf.cast(crops, tf.float32)
            for shift in shifts:
                images += shift[:, None, None, :]
            return images, labels

        return self._pipeline(self._listed(number), prepare, self.batch_size, finish)

    def ten_crops(self) -> tf.data.Dataset:
        """The examples in order, ten crops each (section 4.1; order as in `ten_crop`).

        Returns:
            A pipeline of `(images, labels)`: float32 `(batch, 10, image_size, image_size, 3)`, RGB,
            0..255, and int32 `(batch,)`.
        """

        def prepare(example):
            return augmentation.ten_crop(self._picture(example), self.image_size), example["label"]

        def finish(crops, labels):
            return tf.cast(crops, tf.float32), labels

        # As many crops a batch as there are images a batch otherwise.
        batch_size = max(1, self.batch_size // 10)
        return self._pipeline(self.examples.listed(None), prepare, batch_size, finish)

    def pictures(self) -> tf.data.Dataset:
        """The examples in order, before any crop: uint8 `(short_side, short_side, 3)`, label."""

        def prepare(example):
            return self._picture(example), example["label"]

        return self.examples.listed(None).map(prepare, self.workers or tf.data.AUTOTUNE)

    def fit_lighting(self, sigma: float = 0.1) -> PCALighting:
        """The principal components of these pictures' pixels, computed in one pass.

        `mean` of the result is the mean colour. Every fourth row and column is read.
        """
        images = self.pictures().map(lambda picture, _: picture[::4, ::4]).batch(self.batch_size)
        return PCALighting.fit(images.as_numpy_iterator(), sigma)

    @property
    def labels(self) -> np.ndarray:
        """The label of each example, in the order of the files: int32 `(size,)`."""
        return self.examples.labels

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many examples each class has."""
        counts = np.bincount(self.labels, minlength=len(self.class_names))
        return dict(zip(self.class_names, counts.tolist(), strict=True))

    @cached_property
    def channel_mean(self) -> np.ndarray:
        """The mean colour of these pictures: `(3,)`, 0..255."""
        return self.fit_lighting().mean

    def _picture(self, example) -> tf.Tensor:
        return self.examples.picture(example, self.short_side)

    def _listed(self, number: int) -> tf.data.Dataset:
        if not self.shuffle:
            return self.examples.listed(None)
        return self.examples.listed(np.random.default_rng([self.seed, number]))

    def _key(self, number: int) -> tf.Tensor:
        """One integer for seed and epoch; neighbours have nothing in common."""
        state = np.random.SeedSequence([self.seed, number]).generate_state(1)
        return tf.constant(state[0], tf.int64)

    def _pipeline(self, listed, prepare: Callable, batch_size: int, finish: Callable):
        options = tf.data.Options()
        options.deterministic = True
        # One picture is too little work to be divided among threads.
        options.threading.max_intra_op_parallelism = 1
        return (
            listed.map(prepare, num_parallel_calls=self.workers or tf.data.AUTOTUNE)
            .batch(batch_size)
            .map(finish)
            .prefetch(2)
            .with_options(options)
        )


# --- where examples come from --------------------------------------------------------------------
# Each source has class_names, size, labels, left_out and two methods: `listed(random)` is a
# pipeline of examples, dictionaries with at least "index" and "label", in an order drawn from the
# NumPy generator `random`, or as they are for None; `picture(example, size)` is the central square
# of one, uint8 `(size, size, 3)`.


class _Listed:
    """A source whose examples can be counted."""

    left_out: tuple[tuple[str, str], ...] = ()
    class_names: tuple[str, ...]
    labels: np.ndarray

    @property
    def size(self) -> int:
        return len(self.labels)

    def columns(self) -> dict[str, np.ndarray]:
        """What `picture` needs, one row an example."""
        return {}

    def listed(self, random: np.random.Generator | None) -> tf.data.Dataset:
        order = np.arange(self.size) if random is None else random.permutation(self.size)
        columns = {"index": np.arange(self.size), "label": self.labels} | self.columns()
        rows = {name: column[order] for name, column in columns.items()}
        return tf.data.Dataset.from_tensor_slices(rows)


class _Files(_Listed):
    """Picture files."""

    def __init__(self, paths, headers: Sequence[pictures.Header], labels, class_names, left_out):
        self.paths = np.array([os.fsencode(path) for path in paths])
        self.headers = headers
        self.labels = np.array(labels, "int32")
        self.class_names, self.left_out = class_names, left_out

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
        stats = [os.stat(path) for path in self.paths.tolist()]
        return repr([(p, s.st_size, s.st_mtime_ns) for p, s in zip(self.paths, stats, strict=True)])


class _Arrays(_Listed):
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


class _Cached(_Listed):
    """The pictures of another source, kept after the first time."""

    def __init__(self, examples, on_disk: bool, workers: int | None):
        if isinstance(examples, _TFDS):
            raise ValueError("TensorFlow Datasets keeps its own files; load it without a cache.")
        self.examples, self.on_disk, self.workers = examples, on_disk, workers
        self.class_names, self.left_out = examples.class_names, examples.left_out
        self.labels = examples.labels
        self.kept: dict[int, np.ndarray] = {}

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
            path.parent.mkdir(parents=True, exist_ok=True)

            def write(unfinished):
                def make(shape, dtype):
                    return np.lib.format.open_memmap(unfinished, "w+", dtype, shape)

                self._fill(size, make).flush()

            checkpoints.write(path, write)
        return np.load(path, mmap_mode="r")


class _TFDS:
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
        self.part = self._part(split)
        self.class_names = tuple(features["label"].names)
        self.size = self.builder.info.splits[self.part].num_examples

    def _part(self, split: str) -> str:
        there = set(self.builder.info.splits)
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


# --- finding them --------------------------------------------------------------------------------


def _open(source, split: str, limit: int | None, strict: bool):
    name = str(source)
    if name.startswith("tfds:"):
        if limit:
            raise ValueError("limit_per_class does not go together with tfds:NAME.")
        return _TFDS(name.removeprefix("tfds:"), split)
    if name == "photos":
        return _photos(split, limit)
    if name == "cifar10":
        return _cifar10(split, limit, strict)
    renamed = _IMAGENETTE if name == "imagenette" else {}
    if name == "flowers":
        folder = _fetched(name, "flower_photos*")
    elif name == "imagenette":
        folder = _fetched(name, "imagenette2*")
    else:
        folder = _given(Path(source))
    return _folder(folder, split, limit, strict, renamed)


def _given(path: Path) -> Path:
    if path.is_dir():
        return path
    if path.is_file() and downloads.is_archive(path):
        return downloads.unpack(path)
    if path.is_file():
        raise ValueError(
            f"{path} is neither a folder nor an archive ({', '.join(downloads.ARCHIVES)})."
        )
    raise FileNotFoundError(
        f"There is no folder or archive at {str(path)!r}, and no data set of that name; names are "
        f"{', '.join(NAMES)}."
    )


def _fetched(name: str, pattern: str) -> Path:
    """The folder of a named data set: from `ALEXNET_HOME`, or else downloaded."""
    there = sorted(downloads.home().glob(pattern))
    for path in there:
        if path.is_dir():
            return path
    for path in there:
        if downloads.is_archive(path):
            return downloads.unpack(path)
    return downloads.unpack(downloads.fetch(REMOTES[name]))


def _folder(folder: Path, split: str, limit: int | None, strict: bool, renamed: dict) -> _Files:
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
    kept = _limited([label for _, label, _ in found], limit)
    found = [found[index] for index in kept]
    return _Files(
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


def _limited(labels: Sequence[int], limit: int | None) -> list[int]:
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


# --- broken files --------------------------------------------------------------------------------


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
        checkpoints.write_text(record, json.dumps(known))
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


# --- named data sets -----------------------------------------------------------------------------


def _photos(split: str, limit: int | None) -> _Arrays:
    """Crops of ten photographs: from the left part for training, from the right part for the rest.

    Between the parts lie columns that no crop touches. The crops are the same at every call.
    """
    import skimage.data

    boxes, labels, images = [], [], []
    for label, photograph in enumerate(_PHOTOGRAPHS.values()):
        image = getattr(skimage.data, photograph)()
        # The motorcycle is a stereo pair with a depth map.
        image = image[0] if isinstance(image, tuple) else image
        image = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
        images.append(np.ascontiguousarray(image[..., :3]))
        height, width = image.shape[:2]
        border = int(width * _TRAINING_PART)
        left, right = (0, border) if split == "train" else (border + _GAP, width)
        # Squares of the same sizes in both parts: what fits into the smaller one.
        largest = min(height, width - border - _GAP)
        random = np.random.default_rng([label, split == "train"])
        for _ in range(min(limit or _CROPS[split], _CROPS[split])):
            side = int(random.integers(largest * 3 // 5, largest + 1))
            top = int(random.integers(0, height - side + 1))
            start = int(random.integers(left, right - side + 1))
            boxes.append((top, start, side))
            labels.append(label)

    def read(index: int) -> np.ndarray:
        top, start, side = boxes[index]
        return images[labels[index]][top : top + side, start : start + side]

    return _Arrays(read, labels, tuple(_PHOTOGRAPHS), f"photos {split}")


def _cifar10(split: str, limit: int | None, strict: bool):
    """CIFAR-10 from a folder or archive of class folders, or from the published binary files.

    The version for Python is a pickle, which can run code as it is read; it is never opened.
    """
    there = sorted(downloads.home().glob("cifar*10*"))
    there = [path for path in there if "python" not in path.name and "-py" not in path.name]
    for path in there:
        if path.is_dir() or downloads.is_archive(path):
            folder = _given(path)
            break
    else:
        folder = downloads.unpack(downloads.fetch(REMOTES["cifar10"]))
    batches = sorted(folder.rglob("data_batch_*.bin" if split == "train" else "test_batch.bin"))
    if not batches:
        return _folder(folder, split, limit, strict, {})
    names = (batches[0].parent / "batches.meta.txt").read_text("ascii").split()
    # A record is the label, then 32 × 32 red, green and blue values.
    records = [np.memmap(batch, "uint8", "r") for batch in batches]
    for batch, record in zip(batches, records, strict=True):
        if len(record) % 3073 or not len(record):
            raise ValueError(
                f"{batch} has {len(record):,} bytes, not a multiple of 3,073. Remove "
                f"{batch.parent} and load again."
            )
    rows = [row for record in records for row in record.reshape(-1, 3073)]
    rows = [rows[index] for index in _limited([int(row[0]) for row in rows], limit)]

    def read(index: int) -> np.ndarray:
        return rows[index][1:].reshape(3, 32, 32).transpose(1, 2, 0)

    return _Arrays(read, [row[0] for row in rows], tuple(names), f"cifar10 {split} {limit}")
