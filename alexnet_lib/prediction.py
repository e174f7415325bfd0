"""What a model says of picture files."""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from . import applications, augmentation, pretrained, tensorflow_only, transfer  # noqa: F401
from .data import pictures
from .data.layout import is_data
from .labels import imagenet_classes
from .preprocessing import preprocess_layer
from .training.devices import uses_xla
from .training.steps import divisible, forward_step, shared_out

BATCH = {1: 32, 10: 6}
"""Pictures to a batch, by the number of crops."""


@dataclass(frozen=True)
class PredictedFile:
    """What a model says about one picture file."""

    path: Path
    ranking: tuple[tuple[str, float], ...]
    """Classes and probabilities, the most probable first; empty where there is a problem."""
    problem: str | None = None
    """Why there is no prediction, in a sentence."""


def load(source: str | Path) -> keras.Model:
    """A model that names what it sees, from a file or by name.

    Args:
        source: a `.keras` file of this library; `"pocket"`, which comes with the package; `"bvlc"`,
            `"torchvision"` or one of `applications.NAMES`, which are fetched once; or a file of
            weights, whose classes are numbered if it does not name them.

    Returns:
        A model from pictures 0..255 to probabilities, with a `Preprocess` layer. Published networks
        have ImageNet's names; where two classes have the same, WordNet's number stands behind it.

    Raises:
        As `transfer.load_trunk`.
    """
    model = transfer.load_trunk(source)
    if str(source) in (*pretrained.PUBLISHED, *applications.NAMES):
        classes = imagenet_classes()
        names = [name for _, name in classes]
        preprocess_layer(model).class_names = [
            name if names.count(name) == 1 else f"{name} ({number})" for number, name in classes
        ]
    return model


def predict(
    model: keras.Model,
    paths: str | Path | Iterable[str | Path],
    *,
    top: int = 3,
    crops: int = 1,
) -> list[PredictedFile]:
    """Says for each picture file which classes are the most probable.

    A file that cannot be read does not stop the others.

    Args:
        model: with a `Preprocess` layer, as `load_model` returns it.
        paths: picture files, and folders for all pictures in them; or one of these.
        top: how many classes for each.
        crops: 1 for the centre, 10 for the mean over the paper's ten crops.

    Raises:
        ValueError: if `crops` is neither 1 nor 10, or `top` is below 1.
    """
    return list(predictions(model, files_in(paths), top=top, crops=crops))


def predictions(
    model: keras.Model, paths: Iterable[Path], *, top: int = 3, crops: int = 1
) -> Iterator[PredictedFile]:
    """`predict`, one file after the other; the next ones are read while a batch is computed.

    Args: as for `predict`; `paths` are files.
    """
    if crops not in BATCH:
        raise ValueError(f"crops is {crops!r}; it must be 1 or 10.")
    if top < 1:
        raise ValueError(f"top is {top}; it must be at least 1.")
    # Checked above at the call, not when the first prediction is asked for.
    return _predictions(model, iter(paths), top, crops)


def files_in(paths: str | Path | Iterable[str | Path]) -> list[Path]:
    """The files that paths stand for: themselves, and for folders the pictures in them, sorted.

    A folder without pictures stands for itself, so that `predict` says so.
    """
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    files = []
    for path in map(Path, paths):
        files += (_pictures_below(path) or [path]) if path.is_dir() else [path]
    return files


def short_side(image_size: int) -> int:
    """The side of the picture that crops of this size are cut from: 256 for 224 and 227."""
    return 256 if image_size in (224, 227) else round(image_size * 256 / 227)


def _predictions(model, paths: Iterator[Path], top: int, crops: int) -> Iterator[PredictedFile]:
    names, size = preprocess_layer(model).class_names, model.input_shape[1]
    strategy = model.distribute_strategy
    forward = forward_step(model, uses_xla(strategy.num_replicas_in_sync))
    batch_size = divisible(BATCH[crops], strategy)

    def read(path: Path) -> np.ndarray | str:
        if path.is_dir():
            return f"There are no pictures in the folder {path}."
        try:
            return pictures.read(path, short_side(size))
        except (FileNotFoundError, pictures.BrokenPictureError) as error:
            return str(error)
        except (OSError, ValueError, MemoryError, tf.errors.OpError) as error:
            return f"{path} cannot be read: {str(error) or type(error).__name__}."

    def answers(batch: list[tuple[Path, np.ndarray | str]]) -> Iterator[PredictedFile]:
        squares = [picture for _, picture in batch if not isinstance(picture, str)]
        rows = iter(_probabilities(forward, squares, size, crops, batch_size, strategy))
        for path, picture in batch:
            yield _answer(path, picture if isinstance(picture, str) else next(rows), names, top)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        reading = deque((path, pool.submit(read, path)) for path in islice(paths, 2 * batch_size))
        while reading:
            count = min(batch_size, len(reading))
            batch = [(path, future.result()) for path, future in islice(reading, count)]
            for _ in batch:
                reading.popleft()
            reading.extend((path, pool.submit(read, path)) for path in islice(paths, count))
            yield from answers(batch)


def _probabilities(forward, squares, size: int, crops: int, batch_size: int, strategy):
    """Of each square the probabilities, averaged over its crops; one shape for all batches."""
    if not squares:
        return np.zeros((0, 1), "float32")
    blank = np.zeros_like(squares[0])
    batch = np.stack(squares + [blank] * (batch_size - len(squares)))
    cut = augmentation.ten_crop if crops == 10 else augmentation.center_crop
    images = tf.cast(tf.stack([cut(square, size) for square in batch]), tf.float32)
    images = tf.reshape(images, (-1, *images.shape[-3:]))
    output = np.asarray(forward(*shared_out((images,), strategy)))
    return output.reshape(batch_size, crops, -1).mean(1)[: len(squares)]


def _answer(path: Path, row: np.ndarray | str, names, top: int) -> PredictedFile:
    if isinstance(row, str):
        return PredictedFile(path, (), row)
    if not np.isfinite(row).all():
        problem = f"{path}: the model's output is no number; its training has diverged."
        return PredictedFile(path, (), problem)
    order = np.argsort(-row, kind="stable")[:top]
    return PredictedFile(path, tuple((names[label], float(row[label])) for label in order))


def _pictures_below(folder: Path) -> list[Path]:
    found = []
    for inside, folders, names in os.walk(folder):
        folders[:] = filter(is_data, folders)
        found += [
            Path(inside, name)
            for name in filter(is_data, names)
            if Path(name).suffix.lower() in pictures.SUFFIXES
        ]
    return sorted(found)
