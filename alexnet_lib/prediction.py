"""What a model says of picture files."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from . import augmentation, tensorflow_only  # noqa: F401
from .data import pictures
from .preprocessing import preprocess_layer


@dataclass(frozen=True)
class PredictedFile:
    """What a model says about one picture file."""

    path: Path
    ranking: tuple[tuple[str, float], ...]
    """Classes and probabilities, the most probable first; empty where the file cannot be read."""
    problem: str | None = None
    """Why the file cannot be read."""


def predict(
    model: keras.Model, paths: Iterable[str | Path], *, top: int = 3, crops: int = 1
) -> list[PredictedFile]:
    """Says for each picture file which classes are the most probable.

    A file that cannot be read does not stop the others.

    Args:
        model: with a `Preprocess` layer, as `load_model` returns it.
        paths: picture files.
        top: how many classes for each.
        crops: 1 for the centre, 10 for the mean over the paper's ten crops.

    Raises:
        ValueError: if `crops` is neither 1 nor 10, or `top` is below 1.
    """
    if crops not in (1, 10):
        raise ValueError(f"crops is {crops!r}; it must be 1 or 10.")
    if top < 1:
        raise ValueError(f"top is {top}; it must be at least 1.")
    names = preprocess_layer(model).class_names
    size = model.input_shape[1]
    predictions = []
    for path in map(Path, paths):
        if path.is_dir():
            problem = f"{path} is a folder; name the pictures in it, such as {path}/*.jpg."
            predictions.append(PredictedFile(path, (), problem))
            continue
        try:
            picture = pictures.read(path, short_side(size))
        except (FileNotFoundError, pictures.BrokenPictureError) as error:
            predictions.append(PredictedFile(path, (), str(error)))
            continue
        if crops == 10:
            images = augmentation.ten_crop(picture, size)
        else:
            images = augmentation.center_crop(picture, size)[None]
        output = model(tf.cast(images, tf.float32), training=False).numpy().mean(0)
        order = np.argsort(-output, kind="stable")[:top]
        ranking = tuple((names[label], float(output[label])) for label in order)
        predictions.append(PredictedFile(path, ranking))
    return predictions


def short_side(image_size: int) -> int:
    """The side of the picture that crops of this size are cut from: 256 for 224 and 227."""
    return 256 if image_size in (224, 227) else round(image_size * 256 / 227)
