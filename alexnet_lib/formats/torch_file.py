"""PyTorch: torchvision's AlexNet, read without PyTorch.

A `.pth` file is a zip of plain arrays and one pickle that says what they are. Unpickling means
running a small program that may call anything, so this is not done: the program's instructions are
listed (`pickletools.genops`, which runs none of them), and only the few that a dictionary of
tensors needs are followed, on plain values. A "call" of one of three known names becomes a record;
any other name ends the reading. `torch.load(weights_only=True)` guards against the same, but needs
PyTorch and follows more instructions than these files have.
"""

import pickletools
import zipfile
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .. import architecture
from . import Tensor, WeightFile, WeightsError, damaged, tensor_missing

_NAMES = {
    "conv1": "features.0", "conv2": "features.3", "conv3": "features.6", "conv4": "features.8",
    "conv5": "features.10", "fc6": "classifier.1", "fc7": "classifier.4", "fc8": "classifier.6",
}  # fmt: skip

_LONGEST_PROGRAM = 2**20
"""Bytes. That of AlexNet has about two thousand."""


class _Global(NamedTuple):
    """A name that a pickle wants to call."""

    module: str
    name: str


class _Storage(NamedTuple):
    """A file of numbers in the zip."""

    kind: str
    key: str
    length: int


class _Stored(NamedTuple):
    """Where in a storage a tensor lies."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read(path: Path) -> WeightFile:
    """Reads the pickle's instructions and looks at every array that they name.

    Raises:
        WeightsError: if the file is damaged, not a dictionary of float32 tensors, wants to call
            something, or is not torchvision's AlexNet.
    """
    if not zipfile.is_zipfile(path):
        raise damaged(
            path, "PyTorch", "it is no zip archive (PyTorch before 1.6 wrote plain pickles, which "
            "are not read)"
        )  # fmt: skip
    try:
        with zipfile.ZipFile(path) as bundle:
            archive = _Archive(path, bundle)
            state = archive.state()
            tensors = named(path, archive.tensors(state))
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError) as error:
        raise damaged(path, "PyTorch", error) from error
    return WeightFile(
        path,
        "PyTorch",
        "channels first",
        tensors,
        layers=described(tensors),
        preprocessing="owt",
    )


def named(path: Path, tensors: Mapping[str, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
    """torchvision's names → the layers' own. Also used for the same tensors in other containers."""
    wanted = {f"{name}.{part}" for name in _NAMES.values() for part in ("weight", "bias")}
    if missing := sorted(wanted - set(tensors)):
        raise tensor_missing(path, missing[0], list(tensors))
    if extra := sorted(set(tensors) - wanted):
        raise WeightsError(f"{path} holds {extra[0]!r}, which torchvision's AlexNet has not.")
    return {
        layer: (tensors[f"{name}.weight"], tensors[f"{name}.bias"])
        for layer, name in _NAMES.items()
    }


def described(tensors: Mapping[str, tuple[Tensor, Tensor]]) -> tuple[architecture.Layer, ...]:
    """The network: these files do not say what it is, but their names are torchvision's."""
    units, classes = (max(1, (tensors[layer][1].shape or (0,))[0]) for layer in ("fc7", "fc8"))
    return architecture.describe("owt", classes=classes, fc_units=units)


class _Archive:
    def __init__(self, path: Path, bundle: zipfile.ZipFile):
        self.path = path
        self.members = {member.filename: member for member in bundle.infolist()}
        self.bundle = bundle
        programs = [name for name in self.members if name.endswith("/data.pkl")]
        if len(programs) != 1:
            raise damaged(path, "PyTorch", f"it holds {len(programs)} files named data.pkl, not 1")
        self.folder = programs[0].removesuffix("data.pkl")
        order = self.members.get(f"{self.folder}byteorder")
        if order and self._small(order, 16) != b"little":
            raise WeightsError(f"{path} holds numbers of a big-endian machine.")

    def state(self) -> Mapping:
        """The dictionary of tensors."""
        program = self._small(self.members[f"{self.folder}data.pkl"], _LONGEST_PROGRAM)
        try:
            state = _follow(self.path, program)
        except WeightsError:
            raise
        except (ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
            raise damaged(self.path, "PyTorch", f"its pickle is damaged ({error})") from error
        if not isinstance(state, dict):
            raise WeightsError(
                f"{self.path} holds no dictionary of tensors. Save a state_dict(), not a model."
            )
        return state

    def tensors(self, state: Mapping) -> dict[str, Tensor]:
        return {str(name): self._tensor(str(name), stored) for name, stored in state.items()}

    def _tensor(self, name: str, stored) -> Tensor:
        if not isinstance(stored, _Stored):
            raise WeightsError(f"{self.path}: {name} is no tensor, but {type(stored).__name__}.")
        storage, offset, shape, strides = stored
        if storage.kind != "FloatStorage":
            raise WeightsError(
                f"{self.path} keeps {name} as {storage.kind.removesuffix('Storage').lower()}, not "
                "as float32: weights that were rounded are not the published ones."
            )
        if strides != _contiguous(shape):
            raise WeightsError(f"{self.path}: {name} is not stored row by row, but turned.")
        member = self.members.get(f"{self.folder}data/{storage.key}")
        end = offset + prod(shape)
        if member is None or min((offset, *shape)) < 0 or not end <= storage.length:
            raise damaged(self.path, "PyTorch", f"there is no room for {name} {shape} in it")
        if member.compress_type != zipfile.ZIP_STORED or member.file_size != 4 * storage.length:
            # PyTorch stores arrays as they are; a compressed one could swell without limit.
            raise damaged(
                self.path,
                "PyTorch",
                f"{name} should lie in {4 * storage.length:,} plain bytes, and the archive has "
                f"{member.file_size:,}",
            )
        path = self.path

        def read_numbers() -> np.ndarray:
            try:
                # To the end, so that the archive's checksum is compared.
                with zipfile.ZipFile(path) as bundle, bundle.open(member) as file:
                    contents = file.read()
            except (zipfile.BadZipFile, EOFError, OSError) as error:
                raise damaged(path, "PyTorch", f"{name}: {error}") from error
            return np.frombuffer(contents, "<f4")[offset:end].reshape(shape)

        return Tensor(name, shape, read_numbers)

    def _small(self, member: zipfile.ZipInfo, limit: int) -> bytes:
        with self.bundle.open(member) as file:
            contents = file.read(limit + 1)
        if len(contents) > limit:
            raise damaged(self.path, "PyTorch", f"{member.filename} has more than {limit:,} bytes")
        return contents


def _contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(prod(shape[axis + 1 :]) for axis in range(len(shape)))


_MARK = object()


def _follow(path: Path, program: bytes):
    """The value that a pickle describes, if it is made of dictionaries, tuples and tensors."""
    stack: list = []
    memory: dict[int, object] = {}

    def after_mark() -> list:
        start = len(stack) - 1 - stack[::-1].index(_MARK)
        values = stack[start + 1 :]
        del stack[start:]
        return values

    for instruction, argument, _ in pickletools.genops(program):
        match instruction.name:
            case "PROTO" | "FRAME":
                pass
            case "STOP":
                return stack.pop()
            case "MARK":
                stack.append(_MARK)
            case "NONE":
                stack.append(None)
            case "NEWTRUE" | "NEWFALSE":
                stack.append(instruction.name == "NEWTRUE")
            case "BININT" | "BININT1" | "BININT2" | "LONG1":
                stack.append(argument)
            case "BINUNICODE" | "SHORT_BINUNICODE":
                stack.append(argument)
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(instruction.name[-1])
                stack[-count:] = [tuple(stack[-count:])]
            case "TUPLE":
                stack.append(tuple(after_mark()))
            case "BINPUT" | "LONG_BINPUT":
                memory[argument] = stack[-1]
            case "MEMOIZE":
                memory[len(memory)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memory[argument])
            case "GLOBAL":
                stack.append(_allowed(path, *argument.split(" ", 1)))
            case "STACK_GLOBAL":
                name, module = stack.pop(), stack.pop()
                stack.append(_allowed(path, module, name))
            case "BINPERSID":
                stack.append(_storage(stack.pop()))
            case "REDUCE":
                arguments, function = stack.pop(), stack.pop()
                stack.append(_call(function, arguments))
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                _set(stack[-1], [key], [value])
            case "SETITEMS":
                values = after_mark()
                _set(stack[-1], values[::2], values[1::2])
            case "BUILD":
                # Only a dictionary's further attributes, such as the versions of layers.
                stack.pop()
            case name:
                raise WeightsError(
                    f"{path} has the pickle instruction {name}, which no dictionary of tensors "
                    "needs. It was not followed."
                )
    raise ValueError("it has no end")


_CALLABLE = {
    ("collections", "OrderedDict"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"),
}


def _allowed(path: Path, module: str, name: str) -> _Global:
    is_storage = module == "torch" and name.endswith("Storage")
    if (module, name) not in _CALLABLE and not is_storage:
        raise WeightsError(
            f"{path} wants to run {module}.{name} when it is read. Weights need no program; "
            "nothing was run. Do not open this file with torch.load either."
        )
    return _Global(module, name)


def _set(dictionary: dict, keys: list, values: list) -> None:
    # Only texts: a few instructions make a tuple of tuples whose hash takes years.
    if not all(isinstance(key, str) for key in keys):
        raise ValueError("a key that is no text")
    dictionary.update(zip(keys, values, strict=True))


def _storage(identifier: tuple) -> _Storage:
    _, kind, key, _, length = identifier
    if not isinstance(key, str) or not key.isdecimal() or not isinstance(length, int):
        raise ValueError("a storage without a number or a length")
    return _Storage(kind.name, key, length)


def _call(function: _Global, arguments: tuple):
    match function.name, arguments:
        case "OrderedDict", ():
            return {}
        case "_rebuild_tensor_v2", (_Storage() as storage, int(offset), shape, strides, *_):
            if not all(isinstance(number, int) for number in (*shape, *strides)):
                raise ValueError("a shape that is not made of whole numbers")
            return _Stored(storage, offset, shape, strides)
        case "_rebuild_parameter", (_Stored() as stored, *_):
            return stored
    raise ValueError(f"{function.name} is called in another way than PyTorch does")
