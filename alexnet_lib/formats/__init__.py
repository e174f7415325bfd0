"""Files of weights, as strangers publish them: one reader a format.

A reader looks at a file without running anything that the file says, and tells what it holds: the
tensors, by the place that they have in a network of this library, and the network that they belong
to, where the format says so. Tensors are read when they are asked for.

A file from elsewhere may be damaged, or made to harm. Every reader therefore checks lengths before
it reads and compares what a file claims with what is there; and none of them unpickles.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from ..architecture import Layer

LARGEST = 2**30
"""Bytes. AlexNet's weights take a quarter of that; a larger file holds something else."""

Layout = Literal["channels last", "channels first"]


class WeightsError(ValueError):
    """The weights cannot be used, and nothing was changed. The message says which, and why."""


@dataclass(frozen=True)
class Tensor:
    """An array in a file."""

    name: str
    """As the file calls it."""
    shape: tuple[int, ...]
    """As the file stores it."""
    read: Callable[[], np.ndarray] = field(repr=False)
    """Reads it: float32, of that shape."""


@dataclass(frozen=True)
class WeightFile:
    """What a file holds."""

    path: Path
    format: str
    """For people: "ONNX", "PyTorch", ..."""
    layout: Layout
    """`"channels last"`: kernels are `(rows, columns, channels, filters)` and `(inputs, units)`, as
    in Keras. `"channels first"`: `(filters, channels, rows, columns)` and `(units, inputs)`, the
    inputs of the first dense layer channel by channel, as in Caffe, ONNX and PyTorch."""
    tensors: Mapping[str, tuple[Tensor, Tensor]]
    """Layer → kernel and bias, in the order of the network."""
    layers: Sequence[Layer] | None = None
    """The network, where the file says what it is."""
    blue_first: bool = False
    """Whether `conv1` takes blue, green, red, as Caffe's pictures came from OpenCV."""
    preprocessing: str | None = None
    """The variant whose `preprocess_input` the weights were trained with, where that is known."""
    class_names: tuple[str, ...] | None = None


def read(path: Path) -> WeightFile:
    """Opens a file of weights, whatever its format; the end of its name says which.

    Raises:
        FileNotFoundError: if there is no such file.
        WeightsError: if the format is not one of those that can be read safely, or the file is
            damaged or holds something else.
    """
    if path.is_dir():
        raise WeightsError(f"{path} is a folder; give the path of one file of weights.")
    if not path.is_file():
        raise FileNotFoundError(f"There is no file of weights at {str(path)!r}.")
    name = path.name.lower()
    # Before anything is opened: to look into one of these would be to trust it.
    for end, why in _REFUSED.items():
        if name.endswith(end):
            raise WeightsError(f"{path} was not opened: {why}")
    module = next((module for end, module in _READERS.items() if name.endswith(end)), None)
    if module is None:
        raise WeightsError(
            f"{path} has none of the endings that this library reads: {', '.join(_READERS)}."
        )
    _look_at_the_start(path)
    # Each reader needs a library of its own, which loads only where such a file is read.
    match module:
        case "onnx":
            try:
                from .onnx_file import read as read_format
            except ImportError as error:
                raise ImportError(
                    f"{path} is read with the package onnx: pip install 'alexnet-lib[onnx]'."
                ) from error
        case "torch":
            from .torch_file import read as read_format
        case "safetensors":
            from .safetensors_file import read as read_format
        case "keras":
            from .keras_file import read as read_format
    return read_format(path)


_READERS = {
    ".onnx": "onnx",
    ".pth": "torch",
    ".pth.tar": "torch",
    ".pt": "torch",
    ".safetensors": "safetensors",
    ".weights.h5": "keras",
}

_PICKLE = (
    "it is a pickle, which can run any program when it is read. The same weights are safe to read "
    "as bvlcalexnet-12.onnx, which AlexNet(weights='bvlc') fetches and checks."
)
_REFUSED = {
    ".npy": _PICKLE,
    ".npz": _PICKLE,
    ".pkl": _PICKLE,
    ".pickle": _PICKLE,
    ".caffemodel": (
        "this library does not read Caffe's own format. The same weights are in "
        "bvlcalexnet-12.onnx, which AlexNet(weights='bvlc') fetches and checks."
    ),
    ".keras": (
        "it is a whole model, not weights alone. alexnet_lib.load_model reads it, in safe mode."
    ),
    ".ckpt": "a checkpoint may be a pickle. Save the weights as .safetensors or .weights.h5.",
}


def _look_at_the_start(path: Path) -> None:
    """Refuses what is often found under the name of weights, and what is far too large."""
    size = path.stat().st_size
    if size == 0:
        raise WeightsError(f"{path} is empty. Fetch it again.")
    if size > LARGEST:
        raise WeightsError(
            f"{path} has {size / 1e9:.1f} GB; AlexNet's weights take about 0.25 GB, so these are "
            "others. Nothing was read."
        )
    with open(path, "rb") as file:
        start = file.read(64).lstrip().lower()
    if start.startswith((b"<!doctype", b"<html")):
        raise WeightsError(
            f"{path} is a web page, not weights: the site answered with a page, as for a login or "
            "an error. Fetch the file again."
        )
    if start.startswith(b"version https://git-lfs"):
        raise WeightsError(
            f"{path} is a pointer of Git LFS, not the weights themselves. Fetch the file that it "
            "stands for (git lfs pull)."
        )


def damaged(path: Path, format: str, reason: object) -> WeightsError:
    """The error for a file that cannot be read to its end."""
    why = str(reason).rstrip(".")
    return WeightsError(
        f"{path} is not a whole {format} file: {why}. It may have been cut off; fetch it again."
    )


def tensor_missing(path: Path, name: str, known: Sequence[str]) -> WeightsError:
    """The error for a tensor that is not in the file."""
    shown = ", ".join(list(known)[:6]) or "nothing"
    more = f" and {len(known) - 6} more" if len(known) > 6 else ""
    return WeightsError(
        f"{path} has no tensor {name!r}, so it is not a whole AlexNet of a layout that this "
        f"library knows. It holds {shown}{more}."
    )
