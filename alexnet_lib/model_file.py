"""Whole models in `.keras` files from elsewhere: nothing is built of one that claims too much."""

import io
import json
import math
import re
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import keras


class DishonestFileError(Exception):
    """A file claims to hold more than it does; the message says what."""


_MEMBERS = ("metadata.json", "config.json", "model.weights.h5")
RECORD = "run.json"
"""How a file of `transfer` was made. Nothing that loads a model reads it."""
_LONGEST_CONFIG = 2**24
"""Bytes. AlexNet's has about 15,000, and a thousand names of classes 30,000 more."""


def expect_honest(path: Path) -> None:
    """Compares what a `.keras` file claims with its size, before anything of that size is made.

    Raises:
        DishonestFileError: if a part is missing or compressed, which Keras never does, or there are
            fewer numbers than the network has weights.
    """
    with zipfile.ZipFile(path) as bundle:
        members = {member.filename: member for member in bundle.infolist()}
        if other := sorted(set(members) - {*_MEMBERS, RECORD}):
            raise DishonestFileError(f"it holds {other[0]!r}, which no model of this library has.")
        if missing := [name for name in _MEMBERS if name not in members]:
            raise DishonestFileError(f"it has no {missing[0]}, so that it is no .keras file.")
        with bundle.open("config.json") as file:
            config = file.read(_LONGEST_CONFIG + 1)
        if len(config) > _LONGEST_CONFIG:
            raise DishonestFileError(f"its config.json has more than {_LONGEST_CONFIG:,} bytes.")
        stored = members["model.weights.h5"]
        if stored.compress_type != zipfile.ZIP_STORED or stored.compress_size != stored.file_size:
            raise DishonestFileError(
                f"its weights are compressed, which Keras does not do, and unpack to "
                f"{stored.file_size / 1e6:,.0f} MB. If you trust it, unzip it and zip it again "
                "without compression (zip -0)."
            )
        with bundle.open(stored) as file, h5py.File(io.BytesIO(file.read())) as weights:
            _expect_plain_arrays(weights, stored.file_size)
    needed = _bytes_of_weights(json.loads(config))
    if needed > stored.file_size:
        raise DishonestFileError(
            f"its network has weights of {needed / 1e6:,.0f} MB, and the file holds "
            f"{stored.file_size / 1e6:,.0f} MB."
        )


def _expect_plain_arrays(weights: h5py.File, size: int) -> None:
    """HDF5 can compress arrays, leave them out where they are 0, and refer to other files."""
    total = 0

    def look(name: str, thing) -> None:
        nonlocal total
        if isinstance(thing, h5py.Dataset):
            total += thing.nbytes
            if thing.external or thing.is_virtual or total > size:
                raise DishonestFileError(
                    f"the array {name} of its weights does not lie in the file as it is."
                )

    def follow(group: h5py.Group) -> None:
        for name in group:
            if group.get(name, getlink=True, getclass=True) is not h5py.HardLink:
                raise DishonestFileError(f"{group.name}/{name} refers to another place or file.")

    weights.visititems(look)
    follow(weights)
    weights.visititems(lambda _, thing: follow(thing) if isinstance(thing, h5py.Group) else None)


def _bytes_of_weights(config: dict) -> int:
    """What a network's weights will take, from its configuration, without making one of them.

    In a stateless scope Keras notes a variable's shape and leaves its values for later. They are
    noted for each thread, so that this one takes the notes with it when it ends.
    """

    def count() -> int:
        with keras.StatelessScope(initialize_variables=False):
            model = keras.saving.deserialize_keras_object(config, safe_mode=True)
            return sum(
                math.prod(weight.shape) * _itemsize(weight.dtype) for weight in model.weights
            )

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(count).result()


def _itemsize(dtype: str) -> int:
    """Bytes of `float32`, `bfloat16`, `uint8`, ...; NumPy does not know all of them."""
    bits = re.search(r"[0-9]+", str(dtype))
    return int(bits[0]) // 8 if bits else 1
