"""Keras's `.weights.h5`: an HDF5 file with one group a layer, read without Keras.

`Model.load_weights` assigns layer by layer, so that a file whose last layer does not fit leaves a
model half changed. HDF5 can also refer to other files, which is not followed here.

The file does not say what network it belongs to: constants such as those of response normalization
have to be known.
"""

import re
from pathlib import Path

import h5py
import numpy as np

from . import Tensor, WeightFile, WeightsError, damaged

# As Keras names groups: after the class, counted.
_CLASSES = ("conv2d", "grouped_conv2d", "dense")


def read(path: Path) -> WeightFile:
    """Lists the layers of the file, in the order of each class.

    The layers are named as in the file: `conv2d`, `grouped_conv2d`, `conv2d_1`, ...

    Raises:
        WeightsError: if the file is damaged, refers to other files, holds other numbers than
            float32, or layers that this library has not.
    """
    try:
        with h5py.File(path, "r") as file:
            layers = _group(path, file, "layers")
            tensors = {}
            for name in layers:
                variables = _group(path, _group(path, layers, name), "vars")
                if not len(variables):
                    continue
                if re.sub(r"_\d+$", "", name) not in _CLASSES:
                    raise WeightsError(f"{path} has weights for a layer {name!r}; AlexNet has not.")
                tensors[name] = tuple(_tensor(path, variables, index) for index in ("0", "1"))
    except (OSError, RuntimeError, KeyError) as error:
        raise damaged(path, "HDF5", error) from error
    return WeightFile(path, "Keras", "channels last", tensors)


def _linked(path: Path, parent: h5py.Group, name: str):
    where = f"{parent.name.rstrip('/')}/{name}"
    if name not in parent:
        raise WeightsError(f"{path} has no {where}: it is not a whole .weights.h5 of Keras 3.")
    if parent.get(name, getlink=True, getclass=True) is not h5py.HardLink:
        raise WeightsError(
            f"{path}: {where} refers to another place or file. No file is read because another one "
            "names it."
        )
    return parent[name]


def _group(path: Path, parent: h5py.Group, name: str) -> h5py.Group:
    group = _linked(path, parent, name)
    if not isinstance(group, h5py.Group):
        raise WeightsError(f"{path}: {group.name} is no group of layers.")
    return group


def _tensor(path: Path, parent: h5py.Group, name: str) -> Tensor:
    data = _linked(path, parent, name)
    if not isinstance(data, h5py.Dataset) or data.external or data.is_virtual:
        raise WeightsError(
            f"{path}: {data.name} keeps its numbers in another file, or is no array. No file is "
            "read because another one names it."
        )
    if data.dtype != np.float32:
        raise WeightsError(
            f"{path} keeps {data.name} as {data.dtype}, not as float32: weights that were rounded "
            "are not the ones that were trained."
        )
    where = data.name

    def read_numbers() -> np.ndarray:
        try:
            with h5py.File(path, "r") as file:
                return file[where][()]
        except (OSError, RuntimeError) as error:
            raise damaged(path, "HDF5", f"{where}: {error}") from error

    return Tensor(where, tuple(data.shape), read_numbers)
