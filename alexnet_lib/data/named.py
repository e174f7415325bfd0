"""Data sets by name: what they are, where they are fetched from, and how they are read."""

import os
import warnings
from pathlib import Path

import numpy as np

from . import archives, downloads
from .downloads import Remote
from .folders import limited, open_folder
from .sources import TFDS, Arrays

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


def open_source(source, split: str, limit: int | None, strict: bool, known=None):
    """The examples of a source; `known` as in `folders.open_folder`."""
    name = str(source)
    # Somebody's own folder goes before a data set of the same name.
    if Path(name).is_dir():
        return _own_folder(name, split, limit, strict, known)
    if name.startswith("tfds:"):
        if limit:
            raise ValueError("limit_per_class does not go together with tfds:NAME.")
        return TFDS(name.removeprefix("tfds:"), split)
    if name == "photos":
        return _photos(split, limit)
    if name == "cifar10":
        return _cifar10(split, limit, strict, known)
    renamed = _IMAGENETTE if name == "imagenette" else {}
    if name == "flowers":
        folder = _fetched(name, "flower_photos*")
    elif name == "imagenette":
        folder = _fetched(name, "imagenette2*")
    else:
        folder = _given(Path(source))
    return open_folder(folder, split, limit, strict, renamed, known)


def _own_folder(name: str, split: str, limit: int | None, strict: bool, known):
    if name not in NAMES:
        return open_folder(Path(name), split, limit, strict, {}, known)
    path = os.path.join(os.curdir, name)
    warnings.warn(
        f"{name} is the folder {path}, not the data set of this name, which is found from where "
        "there is no such folder.",
        stacklevel=4,
    )
    return open_folder(Path(path), split, limit, strict, {}, known)


def _given(path: Path) -> Path:
    if path.is_dir():
        return path
    if path.is_file() and archives.is_archive(path):
        return archives.unpack(path)
    if path.is_file():
        raise ValueError(
            f"{path} is neither a folder nor an archive ({', '.join(archives.ARCHIVES)})."
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
        if archives.is_archive(path):
            return archives.unpack(path)
    return archives.unpack(downloads.fetch(REMOTES[name]))


def _photos(split: str, limit: int | None) -> Arrays:
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
        # Squares of the same sizes in both parts: what fits into the smaller one.
        largest = min(height, width - border - _GAP)
        for part in ("train", "val") if split == "all" else (split,):
            left, right = (0, border) if part == "train" else (border + _GAP, width)
            random = np.random.default_rng([label, part == "train"])
            for _ in range(min(limit or _CROPS[part], _CROPS[part])):
                side = int(random.integers(largest * 3 // 5, largest + 1))
                top = int(random.integers(0, height - side + 1))
                start = int(random.integers(left, right - side + 1))
                boxes.append((top, start, side))
                labels.append(label)

    def read(index: int) -> np.ndarray:
        top, start, side = boxes[index]
        return images[labels[index]][top : top + side, start : start + side]

    return Arrays(read, labels, tuple(_PHOTOGRAPHS), f"photos {split}")


def _cifar10(split: str, limit: int | None, strict: bool, known=None):
    """CIFAR-10 from a folder or archive of class folders, or from the published binary files.

    The version for Python is a pickle, which can run code as it is read; it is never opened.
    """
    there = sorted(downloads.home().glob("cifar*10*"))
    there = [path for path in there if "python" not in path.name and "-py" not in path.name]
    for path in there:
        if path.is_dir() or archives.is_archive(path):
            folder = _given(path)
            break
    else:
        folder = archives.unpack(downloads.fetch(REMOTES["cifar10"]))
    patterns = {"train": ("data_batch_*.bin",), "all": ("data_batch_*.bin", "test_batch.bin")}
    wanted = patterns.get(split, ("test_batch.bin",))
    batches = [path for pattern in wanted for path in sorted(folder.rglob(pattern))]
    if not batches:
        return open_folder(folder, split, limit, strict, {}, known)
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
    rows = [rows[index] for index in limited([int(row[0]) for row in rows], limit)]

    def read(index: int) -> np.ndarray:
        return rows[index][1:].reshape(3, 32, 32).transpose(1, 2, 0)

    return Arrays(read, [row[0] for row in rows], tuple(names), f"cifar10 {split} {limit}")
