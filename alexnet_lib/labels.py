"""The names of classes: ImageNet's 1,000, and what a row of probabilities says in words."""

import json
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from .calibration import Calibration
from .data import downloads
from .data.downloads import Remote

CLASS_INDEX = Remote(
    "https://storage.googleapis.com/download.tensorflow.org/data/imagenet_class_index.json",
    "a1e7a966a1f601d39e4b43e119b3e7dd4a2ad3ea08cf69847cbaf021013767bc",
    35_363,
    mirrors=(
        "https://s3.amazonaws.com/deep-learning-models/image-models/imagenet_class_index.json",
    ),
)
"""ImageNet's 1,000 classes, as Keras keeps them; its MD5 is the one in `keras.applications`."""


class Prediction(NamedTuple):
    """One class and its probability, as `keras.applications` gives them."""

    class_id: str
    """WordNet's number (`"n02123045"`), or the class's number where it has none."""
    name: str
    probability: float


@cache
def imagenet_classes() -> tuple[tuple[str, str], ...]:
    """ImageNet's 1,000 classes in the order of the published networks' outputs.

    Returns:
        WordNet's number and a name for each: `("n01440764", "tench")`, ...; fetched once, 35 kB.

    Raises:
        downloads.DownloadError: if they are not here and cannot be fetched.
    """
    index = json.loads(downloads.fetch(CLASS_INDEX).read_text("utf-8"))
    return tuple((index[str(i)][0], index[str(i)][1].replace("_", " ")) for i in range(len(index)))


def imagenet_labels(folders: Sequence[str]) -> np.ndarray:
    """The outputs of a published network that stand for folders named by WordNet's numbers.

    A data set of some of ImageNet's classes numbers them from 0; the network has 1,000.

    Args:
        folders: such as `("n01440764", "n02102040")`.

    Returns:
        int32 `(len(folders),)`, 0..999.

    Raises:
        ValueError: if a folder is none of the 1,000.
    """
    folders = [folders] if isinstance(folders, str) else folders
    numbers = {class_id: number for number, (class_id, _) in enumerate(imagenet_classes())}
    if unknown := [folder for folder in folders if folder not in numbers]:
        raise ValueError(
            f"{len(unknown)} folders are no classes of ImageNet's 1,000, {unknown[0]!r} for one. "
            "Folders are named by WordNet's numbers, n01440764 and so on."
        )
    return np.array([numbers[folder] for folder in folders], "int32")


def decode_predictions(
    probabilities, top: int = 5, class_names: Sequence[str] | None = None
) -> list[list[Prediction]]:
    """The likeliest classes by name, for each picture, the likeliest first.

    Args:
        probabilities: `(batch, classes)`, as a model gives them.
        top: how many a picture; all classes if there are fewer.
        class_names: one for each column. By default ImageNet's 1,000, fetched once (35 kB). For a
            model of your own, `pretrained.class_names(model)`.

    Returns:
        A list a picture, of `(class_id, name, probability)`.

    Raises:
        ValueError: if the shape is another, `top` is below 1, or the names are not one for each
            column.
        downloads.DownloadError: if ImageNet's names are not here and cannot be fetched.
    """
    values = np.asarray(probabilities)
    if values.ndim != 2:
        raise ValueError(
            f"The probabilities have the shape {values.shape}; they must be (batch, classes), as "
            "model.predict gives them."
        )
    if top < 1:
        raise ValueError(f"top is {top}; it must be at least 1.")
    classes = values.shape[1]
    named: Sequence[tuple[str, str]]
    if isinstance(class_names, str):
        # A string has letters, which nobody means by classes.
        class_names = [class_names]
    if class_names is not None:
        named = [(str(number), str(name)) for number, name in enumerate(class_names)]
    elif classes == 1000:
        named = imagenet_classes()
    else:
        raise ValueError(
            f"There are {classes} probabilities a picture, and ImageNet has 1000 classes. For a "
            "model of your own, pass class_names=pretrained.class_names(model)."
        )
    if len(named) != classes:
        raise ValueError(f"There are {classes} probabilities a picture, and {len(named)} names.")
    return [
        [
            Prediction(named[i][0], named[i][1], float(row[i]))
            for i in np.argsort(-row, kind="stable")[:top]
        ]
        for row in values
    ]


def in_words(predictions: Sequence[Prediction], calibration: Calibration | None = None) -> str:
    """What a network says of one picture, as a line for people.

        names = pretrained.class_names("pocket")
        (predictions,) = decode_predictions(model.predict(pictures), class_names=names)
        print(in_words(predictions, pretrained.calibration("pocket")))

    Args:
        predictions: of one picture, the likeliest first: a row of what `decode_predictions` gives.
        calibration: of the network; with it the line says how often it is right when it is so sure.

    Returns:
        `"cat 61%, fox 20%, lynx 4%. When it says 61%, it is right 58 times in 100."`

    Raises:
        ValueError: if there are no predictions.
    """
    if not predictions:
        raise ValueError("There are no predictions; a row of decode_predictions has one at least.")
    line = ", ".join(f"{name} {probability:.0%}" for _, name, probability in predictions)
    surest = predictions[0].probability
    right = calibration.right_at(surest) if calibration else None
    if right is None:
        return f"{line}."
    return f"{line}. When it says {surest:.0%}, it is right {100 * right:.0f} times in 100."
