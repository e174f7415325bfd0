"""Pictures in, batches out.

    train = data.load("my_photos", "train")
    for images, labels in train.epoch(0):
        ...

Epoch n is a function of the seed and n alone: the same order, crops and mirrorings, bit for bit,
whatever the number of threads and whether or not epochs before it were read.
"""

import itertools
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import tensorflow as tf

from .. import augmentation
from ..augmentation import PCALighting
from .layout import shown
from .named import open_source
from .sources import TFDS, Arrays, Cached, Files

_SPLITS = ("train", "val", "test", "all")


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
    class_names: Sequence[str] | None = None,
    cache: Literal["memory", "disk"] | None = None,
    workers: int | None = None,
) -> "Dataset":
    """Opens a data set.

    A folder holds one folder of pictures for each class, or parts with such folders in each:
    `train/` and `val/` or `test/`, or both, or names like these (`seg_train`, `dev`, `valid`).
    Where nothing is held out, the first and then every fifth file of a class, in the order of the
    names, is `"val"` and `"test"`, and the rest is `"train"`; shots of one scene, and copies, stay
    together. Folders inside a class folder belong to the class. Hidden files, what systems leave in
    folders, and this library's own runs are passed over. A folder that can be read in two ways is
    refused, and where something was passed over, put together or found twice, a warning says so.

    JPEG, PNG, GIF, TIFF (the first frame), BMP, WebP and AVIF arrive as RGB, turned as their EXIF
    data says, HEIC as well where the package pillow-heif is installed; transparent parts lie on
    white. All files are decoded once to find broken ones; the result is remembered in
    `ALEXNET_HOME` until a file changes. Nothing is written beside the pictures.

    Args:
        source: a folder, a `.zip`, `.tar`, `.tar.gz` or `.tgz` of one, or a name: `"photos"` (needs
            no download), `"flowers"`, `"imagenette"`, `"cifar10"`, `"tfds:NAME"` (needs the package
            tensorflow-datasets). For a name, `ALEXNET_HOME` may hold the folder or archive already;
            a folder of this name here goes before it.
        split: `"train"`, `"val"`, `"test"` or `"all"`; the second and the third are one where a
            source has two parts.
        image_size: side of the crops that the network takes.
        short_side: side of the picture that they are cut from (section 2).
        batch_size: examples a batch; the last batch may be smaller.
        augment: random crops and mirrorings; the centre crop if False. By default, for `"train"`.
        lighting: add PCA lighting; True computes it from these examples, in one pass.
        shuffle: a new order each epoch. By default, for `"train"`.
        seed: of order and augmentation.
        limit_per_class: keep only the first examples of each class.
        strict: raise where a file is broken, instead of leaving it out with a warning.
        class_names: number the classes in this order, that of a model. The source may then lack
            some of them, but has no others.
        cache: `"memory"` or `"disk"` keeps the decoded pictures, 196,608 bytes each at a short side
            of 256; their crops still differ each epoch.
        workers: pictures decoded at a time; None lets `tf.data` choose. It changes no result.

    Raises:
        FileNotFoundError: if the source is neither a folder, an archive nor a name.
        ValueError: if the pictures are not in class folders or the folder can be read in two ways,
            there are fewer than two classes, a class is empty, `strict` finds a broken file, or an
            argument is out of its range.
        PermissionError: if a folder may not be read.
        downloads.DownloadError, archives.UnsafeArchiveError: see there.
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
    examples = open_source(source, split, limit_per_class, strict, class_names)
    if class_names is not None:
        if unknown := sorted(set(examples.class_names) - set(class_names)):
            raise ValueError(
                f"{source} has classes that the model does not know: {shown(unknown)}. The model "
                f"knows {shown(class_names)}."
            )
        examples.take_classes(class_names)
    training = split == "train"
    dataset = Dataset(
        name=str(source),
        split=split,
        class_names=examples.class_names,
        size=examples.size,
        left_out=examples.left_out,
        place=examples.place,
        splits=examples.splits,
        image_size=image_size,
        short_side=short_side,
        batch_size=batch_size,
        augment=training if augment is None else augment,
        shuffle=training if shuffle is None else shuffle,
        seed=seed,
        workers=workers,
        examples=examples,
    )
    if cache:
        dataset = dataset.cached(cache)
    if lighting is True:
        return dataset.lit()
    return replace(dataset, lighting=lighting or None)


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
    place: str
    """Which of the source's pictures these are, such as `"val/"`; "" for the usual division."""
    splits: tuple[str, ...]
    """The splits of the source that are different pictures: `("train", "val")`, where `"test"` is
    the same as `"val"`, or `("train", "val", "test")`."""
    image_size: int
    short_side: int
    batch_size: int
    augment: bool
    shuffle: bool
    seed: int
    workers: int | None
    examples: "Files | Arrays | TFDS | Cached" = field(repr=False)
    lighting: PCALighting | None = field(default=None, repr=False)

    def epoch(self, number: int = 0) -> tf.data.Dataset:
        """The batches of one epoch, the same each time they are asked for.

        Returns:
            A pipeline of `(images, labels)`: float32 `(batch, image_size, image_size, 3)`, RGB,
            0..255 (PCA lighting may lead outside), and int32 `(batch,)`.
        """
        return self._epoch(number, self._listed(number), self.batch_size)

    def rows_of_epoch(self, number: int, rows: slice, batch_size: int) -> tf.data.Dataset:
        """The same, of which each batch has only these rows: one machine's share of what several
        machines learn from together. The other pictures are not decoded.

        Args:
            number: of the epoch, from 0.
            rows: of each batch.
            batch_size: examples per batch, before the rows are taken.
        """
        # What is listed are names, or the bytes of files, not pixels.
        listed = self._listed(number).batch(batch_size)
        listed = listed.map(lambda batch: {name: batch[name][rows] for name in batch}).unbatch()
        return self._epoch(number, listed, len(range(batch_size)[rows]))

    def _epoch(self, number: int, listed: tf.data.Dataset, batch_size: int) -> tf.data.Dataset:
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

        return self._pipeline(listed, prepare, batch_size, finish)

    def batches(self) -> tf.data.Dataset:
        """What Keras's own `fit`, `evaluate` and `predict` take, of known cardinality.

        Each time it is read to its end it gives the next epoch, from 0: other crops, another order,
        as `epoch` has them.

            model.fit(train.batches(), validation_data=held_out.batches(), shuffle=False)
        """
        numbers = itertools.count()
        signature = self.epoch(0).element_spec

        def next_epoch():
            yield from self.epoch(next(numbers))

        steps = -(-self.size // self.batch_size)
        batches = tf.data.Dataset.from_generator(next_epoch, output_signature=signature)
        return batches.apply(tf.data.experimental.assert_cardinality(steps)).prefetch(2)

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

    def lit(self) -> "Dataset":
        """The same with PCA lighting, computed from these pictures (section 4.1)."""
        return replace(self, lighting=self.fit_lighting())

    def cached(self, where: Literal["memory", "disk"]) -> "Dataset":
        """The same, of which each picture is decoded once: 196,608 bytes at a short side of 256.

        Raises:
            ValueError: for `"tfds:NAME"`, which keeps its own files.
        """
        return self._with(Cached(self.examples, where == "disk", self.workers))

    @property
    def is_streamed(self) -> bool:
        """Whether TensorFlow Datasets hands the examples out one by one; then none is cached."""
        return isinstance(self.examples, TFDS)

    @property
    def labels(self) -> np.ndarray:
        """The label of each example, int32 `(size,)`, in the order of the files."""
        return self.examples.labels

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many examples each class has."""
        counts = np.bincount(self.labels, minlength=len(self.class_names))
        return dict(zip(self.class_names, counts.tolist(), strict=True))

    @cached_property
    def channel_mean(self) -> np.ndarray:
        """The mean colour of these pictures, `(3,)`, 0..255."""
        return self.fit_lighting().mean

    @cached_property
    def identity(self) -> dict:
        """What tells these epochs from others, ready for JSON.

        `pictures` is a hash of names, sizes, times and labels; the rest is how they are taken.
        """
        return {
            "pictures (names, sizes, times, classes)": self.examples.identity(),
            "examples": self.size,
            "image_size": self.image_size,
            "short_side": self.short_side,
            "augment": self.augment,
            "shuffle": self.shuffle,
            "lighting": self.lighting and self.lighting.sigma,
            "seed": self.seed,
        }

    def without_lost(self) -> "Dataset":
        """The same without files that vanished or broke since; a warning counts and names them.

        Returns:
            The data set itself if all can still be read.

        Raises:
            ValueError: if nothing is left.
        """
        lost = self.examples.lost()
        if not lost:
            return self
        files = self.examples.files()
        named = [(files[place], reason) for place, reason in sorted(lost.items())]
        which = shown([f"{path} ({reason})" for path, reason in named], 3)
        if len(lost) == self.size:
            raise ValueError(f"None of the pictures can be read any more: {which}.")
        warnings.warn(
            f"{len(lost):,} of {self.size:,} pictures can no longer be read and are left out from "
            f"here on: {which}.",
            stacklevel=2,
        )
        rest = self._with(self.examples.without(lost))
        return replace(rest, left_out=(*self.left_out, *named))

    def listing(self) -> dict[str, list] | None:
        """Size, time and class of each picture by its path; None where these are no files."""
        return self.examples.listing()

    def taken(self, other: "Dataset", paths: Sequence[str]) -> "Dataset":
        """The pictures at these paths, from this part and another one of the same data set."""
        return self._with(self.examples.taken(other.examples, paths))

    def _with(self, examples) -> "Dataset":
        return replace(self, examples=examples, size=examples.size)

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
