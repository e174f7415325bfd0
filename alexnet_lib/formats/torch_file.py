"""PyTorch: torchvision's AlexNet, read without PyTorch.

A `.pth` file is a zip of plain arrays and one pickle that says what they are. Unpickling means
running a small program that may call anything, so this is not done: the program's instructions are
listed (`pickletools.genops`, which runs none of them), and only the few that a dictionary of
tensors needs are followed, on plain values. A "call" of one of three known names becomes a record,
one of a few that training scripts leave in checkpoints becomes nothing at all, and any other name
ends the reading. `torch.load(weights_only=True)` guards against the same, but needs PyTorch.

Files differ in what is around the weights. Training scripts keep them in a checkpoint beside the
optimizer's state; `DataParallel`, `torch.compile` and Lightning put a word in front of each name.
"""

import pickletools
import re
import sys
import zipfile
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from .. import architecture
from . import Tensor, WeightFile, WeightsError, damaged, tensor_missing

_NAMES = {
    "conv1": "features.0", "conv2": "features.3", "conv3": "features.6", "conv4": "features.8",
    "conv5": "features.10", "fc6": "classifier.1", "fc7": "classifier.4", "fc8": "classifier.6",
}  # fmt: skip

_LONGEST_PROGRAM = 2**20
"""Bytes. That of AlexNet has about two thousand."""

_WRAPPERS = {"module", "_orig_mod"}
"""What `DataParallel` and `torch.compile` put into names, wherever the wrapped part begins."""

_SAVE = (
    "In PyTorch, where the model is at home, save the weights alone: "
    'torch.save(model.state_dict(), "weights.pth").'
)


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

    def has_room(self) -> bool:
        """Whether it lies within its storage.

        PyTorch may keep the channels last: any order of the axes will do that stays within the
        storage and takes no number twice.
        """
        steps = zip(self.shape, self.strides, strict=True)
        end = self.offset + sum((side - 1) * step for side, step in steps) + 1
        return (
            min((self.offset, *self.shape, *self.strides)) >= 0
            and max(end, self.offset + prod(self.shape)) <= self.storage.length
        )

    def taken_from(self, numbers: np.ndarray) -> np.ndarray:
        """The tensor, copied from the numbers of its storage."""
        steps = [numbers.itemsize * step for step in self.strides]
        view = np.lib.stride_tricks.as_strided(numbers[self.offset :], self.shape, steps)
        return np.array(view, order="C")


def read(path: Path) -> WeightFile:
    """Reads the pickle's instructions and looks at every array that they name.

    Raises:
        WeightsError: if the file is damaged, not a dictionary of float32 tensors, wants to call
            something, or is not torchvision's AlexNet.
    """
    if not zipfile.is_zipfile(path):
        raise damaged(
            path, "PyTorch", "it is no zip archive (PyTorch before 1.6 wrote plain pickles, which "
            "are not read; load it in a newer PyTorch and save it again)"
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
    tensors = _unwrapped(tensors)
    if missing := sorted(wanted - set(tensors)):
        raise tensor_missing(path, missing[0], list(tensors))
    if extra := sorted(set(tensors) - wanted):
        raise WeightsError(f"{path} holds {extra[0]!r}, which torchvision's AlexNet has not.")
    return {
        layer: (tensors[f"{name}.weight"], tensors[f"{name}.bias"])
        for layer, name in _NAMES.items()
    }


def _unwrapped(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under the names that they had before the network was wrapped in another."""
    plain = {
        ".".join(word for word in name.split(".") if word not in _WRAPPERS): tensor
        for name, tensor in tensors.items()
    }
    if len(plain) < len(tensors):
        # Two networks, one of them wrapped.
        return dict(tensors)
    starts = {re.match(r"(.*?)(features|classifier)\.", name) for name in plain}
    prefixes = {start[1] if start else None for start in starts}
    (prefix,) = prefixes if len(prefixes) == 1 else ("",)
    return {name.removeprefix(prefix or ""): tensor for name, tensor in plain.items()}


def described(tensors: Mapping[str, tuple[Tensor, Tensor]]) -> tuple[architecture.Layer, ...]:
    """The network: these files do not say what it is, but their names are torchvision's."""
    units, classes = (max(1, (tensors[layer][1].shape or (0,))[0]) for layer in ("fc7", "fc8"))
    return architecture.describe("owt", classes=classes, fc_units=units)


def _weights_in(path: Path, state: Mapping) -> Mapping:
    """The dictionary of weights, where a checkpoint keeps it beside other things."""
    if any(isinstance(value, _Stored) for value in state.values()) and not any(
        map(_is_weights, state.values())
    ):
        return state
    inside = {name: value for name, value in state.items() if _is_weights(value)}
    for name in ("state_dict", "model_state_dict"):
        if name in inside:
            return inside[name]
    if len(inside) == 1:
        return next(iter(inside.values()))
    held = ", ".join(map(str, inside or state)) or "nothing"
    raise WeightsError(
        f"{path} is a checkpoint that holds {held}, so which are the weights is not clear. {_SAVE}"
    )


def _is_weights(value) -> bool:
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(name, str) for name in value)
        and all(isinstance(tensor, _Stored) for tensor in value.values())
    )


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
            state = follow(self.path, program)
        except WeightsError:
            raise
        except (ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
            raise damaged(self.path, "PyTorch", f"its pickle is damaged ({error})") from error
        if not isinstance(state, dict):
            raise WeightsError(f"{self.path} holds no dictionary of tensors. {_SAVE}")
        return _weights_in(self.path, state)

    def tensors(self, state: Mapping) -> dict[str, Tensor]:
        return {str(name): self._tensor(str(name), stored) for name, stored in state.items()}

    def _tensor(self, name: str, stored) -> Tensor:
        if not isinstance(stored, _Stored):
            raise WeightsError(f"{self.path}: {name} is no tensor, but {type(stored).__name__}.")
        storage, shape = stored.storage, stored.shape
        if storage.kind != "FloatStorage":
            raise WeightsError(
                f"{self.path} keeps {name} as {storage.kind.removesuffix('Storage').lower()}, not "
                "as float32: weights that were rounded are not the published ones."
            )
        member = self.members.get(f"{self.folder}data/{storage.key}")
        if member is None or not stored.has_room():
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
            return stored.taken_from(np.frombuffer(contents, "<f4"))

        return Tensor(name, shape, read_numbers)

    def _small(self, member: zipfile.ZipInfo, limit: int) -> bytes:
        with self.bundle.open(member) as file:
            contents = file.read(limit + 1)
        if len(contents) > limit:
            raise damaged(self.path, "PyTorch", f"{member.filename} has more than {limit:,} bytes")
        return contents


_MARK = object()


def follow(path: Path, program: bytes | BinaryIO):
    """The value that a pickle describes, if it is made of dictionaries, tuples and tensors.

    Args:
        path: of the file, for messages.
        program: the pickle, or a file that stands where one begins; it then stands at its end.

    Raises:
        WeightsError: if it wants to call something.
    """
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
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT":
                stack.append(argument)
            case "BINUNICODE" | "SHORT_BINUNICODE" | "BINBYTES" | "SHORT_BINBYTES":
                stack.append(argument)
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case "APPEND":
                value = stack.pop()
                _append(stack[-1], [value])
            case "APPENDS":
                values = after_mark()
                _append(stack[-1], values)
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
            case "NEWOBJ":
                arguments, function = stack.pop(), stack.pop()
                if function not in _INERT:
                    raise ValueError(f"an object of {'.'.join(function)}")
                stack.append(_NOTHING)
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
                    f"{path} holds more than a dictionary of tensors (the pickle instruction "
                    f"{name}); nothing of it was followed. {_SAVE}"
                )
    raise ValueError("it has no end")


_CALLABLE = {
    ("collections", "OrderedDict"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"),
}


_INERT = {
    ("argparse", "Namespace"),
    ("collections", "Counter"),
    ("collections", "defaultdict"),
    ("builtins", "dict"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("_codecs", "encode"),
    ("torch", "Size"),
    ("torch", "device"),
}
"""What training scripts keep in a checkpoint beside the weights: settings, an accuracy. It is not
made, only passed over."""

_NOTHING = object()


def _allowed(path: Path, module: str, name: str) -> _Global:
    if (module, name) in _CALLABLE | _INERT or (
        module == "torch" and (name.endswith("Storage") or name in _DTYPES)
    ):
        return _Global(module, name)
    package = module.partition(".")[0]
    if package in sys.stdlib_module_names | {"__builtin__"}:
        raise WeightsError(
            f"{path} wants to run {module}.{name} when it is read. Weights need no program; "
            "nothing was run. Do not open this file with torch.load either."
        )
    raise WeightsError(
        f"{path} holds objects, such as {module}.{name}, and not weights alone: a whole model, it "
        f"seems. To read it would be to run whatever it says, so nothing was read. {_SAVE}"
    )


_DTYPES = {"float32", "float64", "float16", "bfloat16", "int64", "int32", "uint8", "bool"}


def _set(dictionary, keys: list, values: list) -> None:
    # A few instructions make a tuple of tuples whose hash takes years.
    if not all(isinstance(key, str | int) for key in keys):
        raise ValueError("a key that is neither a text nor a number")
    if dictionary is not _NOTHING:
        dictionary.update(zip(keys, values, strict=True))


def _append(sequence, values: list) -> None:
    if sequence is not _NOTHING:
        sequence.extend(values)


def _storage(identifier: tuple) -> _Storage:
    # Before version 1.6 there was a sixth part, for one storage within another.
    _, kind, key, _, length, *within = identifier
    if (
        any(within)
        or not isinstance(key, str)
        or not key.isdecimal()
        or not isinstance(length, int)
    ):
        raise ValueError("a storage without a number or a length")
    return _Storage(kind.name, key, length)


def _call(function: _Global, arguments: tuple):
    if function in _INERT:
        return _NOTHING
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
