"""Broken files, and files that mean harm: each is refused with a sentence, and leaves no trace.

    python tests/test_hostile_inputs.py

prints the table of all of them with the message that each one gets.
"""

import builtins
import hashlib
import io
import json
import os
import pickle
import re
import socket
import stat
import struct
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import h5py
import numpy as np
import onnx
import published
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from published import CLASSES, UNITS, Pickled
from typer.testing import CliRunner

from alexnet_lib import AlexNet, data, load_model, pretrained
from alexnet_lib.cli import app
from alexnet_lib.data import pictures
from alexnet_lib.formats import WeightsError
from alexnet_lib.preprocessing import with_preprocessing

NARROW = {"classes": CLASSES, "fc_units": UNITS}


@dataclass(frozen=True)
class Case:
    """One input that must be refused."""

    kind: str
    name: str
    make: Callable[[Path], Any]
    """Puts the input into an empty folder and returns what is then given to the library."""
    says: str
    """A pattern that the message matches."""
    file: str = "weights.onnx"
    """What the input is called, where a single file is made."""
    variant: str = "caffe"
    """For weights: of the model that they are to go into."""


CASES: list[Case] = []


def case(kind: str, name: str, says: str, **options):
    """Adds the decorated function to the table."""

    def add(make):
        CASES.append(Case(kind, name, make, says, **options))
        return make

    return add


# --- Weights: any format --------------------------------------------------------------------------


class Bomb:
    """Whoever unpickles this writes a file."""

    def __reduce__(self):
        return builtins.open, (str(Bomb.mark), "w")

    mark = Path(tempfile.gettempdir()) / f"unpickled-{os.getpid()}"


def contents(kind, name, says, make, **options):
    """A case that is one file with these bytes."""

    def write(folder, options=options):
        path = folder / options.get("file", "weights.onnx")
        path.write_bytes(make())
        return path

    CASES.append(Case(kind, name, write, says, **options))


contents(
    "weights",
    "bvlc_alexnet.npy, a pickle that writes a file",
    "was not opened: it is a pickle.*AlexNet\\(weights='bvlc'\\)",
    lambda: pickle.dumps(Bomb()),
    file="bvlc_alexnet.npy",
)
contents(
    "weights",
    "a pickle under the name of ONNX",
    "not a whole ONNX file",
    lambda: pickle.dumps(Bomb()),
)
contents(
    "weights",
    "a plain pickle under the name of PyTorch",
    "no zip archive.*plain pickles",
    lambda: pickle.dumps(Bomb()),
    file="weights.pth",
)
contents(
    "weights", "a .pkl", "was not opened: it is a pickle", lambda: b"\x80\x04", file="weights.pkl"
)
contents(
    "weights",
    "Caffe's own format",
    "does not read Caffe's own format.*bvlcalexnet-12.onnx",
    lambda: b"\n\x07AlexNet",
    file="bvlc_alexnet.caffemodel",
)
contents("weights", "an unknown ending", "has none of the endings", lambda: b"x", file="a.txt")
contents("weights", "an empty file", "is empty", lambda: b"")
contents(
    "weights",
    "a web page in the place of the file",
    "is a web page",
    lambda: b"\n<!DOCTYPE html><title>Sign in</title>",
)
contents(
    "weights",
    "a pointer of Git LFS",
    "pointer of Git LFS",
    lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:6b0d\nsize 243863787\n",
)


@case("weights", "2 GB of nonsense", "has 2.1 GB.*about 0.25 GB")
def _(folder):
    path = folder / "weights.onnx"
    with open(path, "wb") as file:
        file.write(b"nonsense")
        file.truncate(2**31)
    return path


@case("weights", "a folder", "is a folder")
def _(folder):
    (folder / "weights.onnx").mkdir()
    return folder / "weights.onnx"


@case("weights", "a pipe that never ends", "no file of weights")
def _(folder):
    os.mkfifo(folder / "weights.onnx")
    return folder / "weights.onnx"


@case("weights", "a misspelt name", "no weights at 'bvcl'.*Did you mean 'bvlc'")
def _(folder):
    return "bvcl"


@case("weights", "a name longer than a file may have", "no weights at")
def _(folder):
    return folder / ("x" * 300 + ".onnx")


@case("weights", "a name with a zero byte", "no weights at")
def _(folder):
    return "weights\0.onnx"


# --- Weights: ONNX --------------------------------------------------------------------------------


@cache
def whole_onnx() -> bytes:
    return published.published_onnx().SerializeToString()


def bad_onnx(name, says):
    """A case that is the published network after the decorated function changed it."""

    def add(change):
        def make(folder):
            model = onnx.ModelProto.FromString(whole_onnx())
            model = change(model) or model
            (folder / "weights.onnx").write_bytes(model.SerializeToString())
            return folder / "weights.onnx"

        CASES.append(Case("weights: ONNX", name, make, says))
        return change

    return add


contents(
    "weights: ONNX",
    "cut off in the middle",
    "not a whole ONNX file",
    lambda: whole_onnx()[: len(whole_onnx()) // 2],
)
contents(
    "weights: ONNX",
    "a megabyte of nonsense",
    "not a whole ONNX file",
    lambda: np.random.default_rng(0).bytes(10**6),
)
contents(
    "weights: ONNX",
    "no network in it",
    "there is no network in it",
    lambda: helper.make_model(helper.make_graph([], "empty", [], [])).SerializeToString(),
)


@bad_onnx("numbers in another file, outside the folder", r"conv3_w_0 in another file, '\.\./")
def _(model):
    tensor = published.initializer(model, "conv3_w_0")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../etc/passwd")


@bad_onnx("half precision", "fc7_w_0 as float16, not as float32")
def _(model):
    published.put(model, "fc7_w_0", np.zeros((UNITS, UNITS), "float16"))


@bad_onnx("whole numbers of 8 bits", "conv2_w_0 as int8, not as float32")
def _(model):
    published.put(model, "conv2_w_0", np.zeros((256, 48, 5, 5), "int8"))


@bad_onnx("operators for 8 bits", "QLinearConv.*rounded to 8 bits. Take bvlcalexnet-12.onnx")
def _(model):
    published.node(model, "r4").op_type = "QLinearConv"


@bad_onnx("not a number inside", r"conv5_b_0 \(256,\) holds 1 numbers that are infinite or no num")
def _(model):
    bias = numpy_helper.to_array(published.initializer(model, "conv5_b_0")).copy()
    bias[7] = np.nan
    published.put(model, "conv5_b_0", bias)


@bad_onnx("infinity inside", "fc8_w_0 .* numbers that are infinite")
def _(model):
    published.put(model, "fc8_w_0", np.full((CLASSES, UNITS), -np.inf, "float32"))


@bad_onnx("a tensor missing", "no tensor 'conv4_b_0'")
def _(model):
    model.graph.initializer.remove(published.initializer(model, "conv4_b_0"))


@bad_onnx("another shape", r"fc8_w_0 has the shape \(7, 24\), and fc8/kernel.*takes \(10, 24\)")
def _(model):
    published.put(model, "fc8_w_0", np.zeros((7, UNITS), "float32"))


@bad_onnx("a shape with more numbers than there are", r"conv1_b_0 is \(9999999,\), and holds 96")
def _(model):
    published.initializer(model, "conv1_b_0").dims[0] = 9999999


@bad_onnx("a negative shape", r"conv1_b_0 is \(-96,\)")
def _(model):
    published.initializer(model, "conv1_b_0").dims[0] = -96


@bad_onnx("CaffeNet", "is CaffeNet, which pools before it normalizes, and does not fit")
def _(model):
    return published.caffenet()


@bad_onnx("an operator that AlexNet has not", "has Sigmoid .*no layer of AlexNet")
def _(model):
    published.node(model, "r5").op_type = "Sigmoid"


@bad_onnx("a branch", "'r3' is taken by 2 operators")
def _(model):
    model.graph.node.append(helper.make_node("Relu", ["r3"], ["beside"]))


@bad_onnx("a loop", "does not go from layer to layer|not a whole|no layer")
def _(model):
    published.node(model, "r3").output[0] = "data_0"


@bad_onnx("two inputs", "has 2 inputs")
def _(model):
    model.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, [1]))


@bad_onnx("another stride", "conv1 has stride=.* the file's conv1")
def _(model):
    (strides,) = (x for x in published.node(model, "r0").attribute if x.name == "strides")
    strides.ints[:] = [3, 3]


@bad_onnx("PyTorch's export, whose colours are in another order", "Whether it takes RGB or BGR")
def _(model):
    for tensor in model.graph.initializer:
        tensor.name = tensor.name.replace("conv1_w_0", "features.0.weight")
    published.node(model, "r0").input[1] = "features.0.weight"


@bad_onnx("groups that divide nothing", "holds a network that cannot be: conv2")
def _(model):
    (group,) = (x for x in published.node(model, "r4").attribute if x.name == "group")
    group.i = 7


# --- Weights: PyTorch -----------------------------------------------------------------------------


@cache
def state():
    return published.torchvision_state()


def bad_pth(name, says, **options):
    """A case that is torchvision's file with the members that the decorated function returns."""

    def add(change):
        def make(folder):
            result = change()
            if isinstance(result, bytes):
                (folder / "weights.pth").write_bytes(result)
            else:
                published.write_pth(folder / "weights.pth", **({"state": state()} | result))
            return folder / "weights.pth"

        CASES.append(Case("weights: PyTorch", name, make, says, "weights.pth", "owt"))
        return change

    return add


def falsified(**changes):
    """One tensor of the file says something wrong of itself."""
    name = "classifier.6.bias"
    return {"state": state() | {name: Pickled(state()[name], **changes)}}


@bad_pth("a program: os.system", r"wants to run posix\.system.*nothing was run")
def _():
    return {"before": b"cposix\nsystem\n" + b"X\x04\x00\x00\x00true" + b"\x85R0"}


@bad_pth("a program: eval", r"wants to run builtins\.eval")
def _():
    return {"before": b"cbuiltins\neval\n" + b"X\x03\x00\x00\x001+1" + b"\x85R0"}


@bad_pth("a program of protocol 4", r"wants to run builtins\.exec")
def _():
    return {"before": b"\x8c\x08builtins\x8c\x04exec\x930"}


@bad_pth("a class of its own", r"objects, such as __main__\.AlexNet.*torch\.save\(model\.state_d")
def _():
    return {"before": b"c__main__\nAlexNet\n)\x810"}


@bad_pth("a whole model", r"such as torchvision\.models\.alexnet\.AlexNet, and not weights alone")
def _():
    return {"program": b"\x80\x02ctorchvision.models.alexnet\nAlexNet\n)\x81}b."}


@bad_pth("a whole model that was wrapped", r"such as torch\.nn\.parallel\.data_parallel\.")
def _():
    return {"program": b"\x80\x02ctorch.nn.parallel.data_parallel\nDataParallel\n)\x81}b."}


@bad_pth("eval under its old name", r"wants to run __builtin__\.eval")
def _():
    return {"before": b"c__builtin__\neval\n" + b"X\x03\x00\x00\x001+1" + b"\x85R0"}


@bad_pth("an unknown instruction", r"pickle instruction INST.*torch\.save\(model\.state_dict\(\)")
def _():
    return {"program": b"\x80\x02(icollections\nOrderedDict\n."}


@bad_pth(
    "an object of an allowed name", r"pickle is damaged \(an object of collections\.OrderedDict"
)
def _():
    return {"before": b"ccollections\nOrderedDict\n)\x810"}


@bad_pth("an allowed name, called in another way", "called in another way than PyTorch does")
def _():
    return {"before": b"ctorch._utils\n_rebuild_tensor_v2\n)R0"}


@bad_pth("a tuple of tuples whose hash takes years", "a key that is neither a text nor a number")
def _():
    # Each step doubles what a hash would have to visit.
    doubled = b"(t" + b"".join(b"q" + bytes([i]) + b"h" + bytes([i]) + b"\x86" for i in range(99))
    return {"program": b"\x80\x02}" + doubled + b"Ns."}


@bad_pth("a pickle without an end", "its pickle is damaged")
def _():
    return {"program": published.pickle_program({})[:-1]}


@bad_pth("a pickle of several megabytes", "has more than 1,048,576 bytes")
def _():
    return {"program": b"\x80\x02" + b"N0" * 2**20 + b"N."}


@bad_pth("no pickle at all", "holds 0 files named data.pkl")
def _():
    return published.as_bytes(lambda buffer: zipfile.ZipFile(buffer, "w").close())


@bad_pth("a list in the place of tensors", "holds no dictionary of tensors")
def _():
    return {"program": b"\x80\x02N."}


@bad_pth("cut off in the middle", "not a whole PyTorch file")
def _():
    whole = published.as_bytes(published.write_pth, state())
    return whole[: len(whole) // 2]


@bad_pth("a changed byte", "classifier.6.weight: Bad CRC-32")
def _():
    whole = bytearray(published.as_bytes(published.write_pth, state()))
    place = whole.find(state()["classifier.6.weight"].tobytes()[:32])
    whole[place] ^= 1
    return bytes(whole)


@bad_pth("an array that swells: a bomb", "should lie in 40 plain bytes, and the archive has 8,00")
def _():
    return falsified(contents=bytes(8 * 10**6), compress=zipfile.ZIP_DEFLATED)


@bad_pth("an array from outside the archive", "a storage without a number")
def _():
    return falsified(key="../../../etc/passwd")


@bad_pth("an array that begins beyond its end", r"no room for classifier\.6\.bias \(10,\)")
def _():
    return falsified(offset=5)


@bad_pth("an array before the beginning", r"no room for classifier\.6\.bias \(10,\)")
def _():
    return falsified(offset=-5)


@bad_pth("an enormous shape", "no room for classifier.6.bias")
def _():
    return falsified(shape=(2**31 - 1, 2**31 - 1), strides=(2**31 - 1, 1))


@bad_pth("an array that steps beyond its end", r"no room for classifier\.6\.bias \(10,\)")
def _():
    return falsified(strides=(2,))


@bad_pth("an array that steps backwards", r"no room for classifier\.6\.bias \(10,\)")
def _():
    return falsified(strides=(-1,), offset=9)


@bad_pth("one number for a whole array", r"no room for classifier\.6\.weight")
def _():
    one = Pickled(state()["classifier.6.weight"], strides=(0, 0), length=1, contents=bytes(4))
    return {"state": state() | {"classifier.6.weight": one}}


@bad_pth("two networks, one of them wrapped", "no tensor 'classifier.1.bias'|holds 'module")
def _():
    return {"state": state() | {f"module.{name}": value for name, value in state().items()}}


@bad_pth("half precision", "keeps classifier.6.bias as half")
def _():
    return falsified(storage="HalfStorage")


@bad_pth("a big-endian machine's numbers", "big-endian")
def _():
    return {"byteorder": "big"}


@bad_pth("another network", "no tensor 'classifier.1.bias'")
def _():
    return {"state": {k: v for k, v in state().items() if k.startswith("features")}}


@bad_pth("one tensor more", "holds 'head.bias', which torchvision's AlexNet has not")
def _():
    return {"state": state() | {"head.bias": np.zeros(3, "float32")}}


@bad_pth("torchvision's weights with other units", r"classifier\.4\.weight has the shape \(24, 9\)")
def _():
    return {"state": state() | {"classifier.4.weight": np.zeros((UNITS, 9), "float32")}}


# --- Weights: safetensors and HDF5 ----------------------------------------------------------------


def safetensors(header: dict | bytes, body: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def entry(shape, start, end, kind="F32"):
    return {"dtype": kind, "shape": shape, "data_offsets": [start, end]}


_PLACES = {"fc6": (0, 16), "fc7": (16, 32), "fc8": (32, 44)}

for name, says, make in (
    ("cut off", "not a whole safetensors file", lambda: safetensors({"a": entry([4], 0, 16)})),
    (
        "a header longer than the file",
        "not a whole safetensors file",
        lambda: safetensors(b"{}", length=2**40),
    ),
    (
        "a header that is no JSON",
        "not a whole safetensors file",
        lambda: safetensors(b"import os"),
    ),
    (
        "a tensor beyond the end",
        "not a whole safetensors file",
        lambda: safetensors({"a": entry([4], 0, 2**40)}, bytes(16)),
    ),
    (
        "two tensors in one place",
        "not a whole safetensors file",
        lambda: safetensors({"a": entry([4], 0, 16), "b": entry([4], 8, 24)}, bytes(24)),
    ),
    (
        "half precision",
        "keeps conv1/bias as F16, not as F32",
        lambda: safetensors({"conv1/bias": entry([4], 0, 8, "F16")}, bytes(8)),
    ),
    (
        "a bias without its kernel",
        "has no tensor 'conv1/kernel'",
        lambda: safetensors({"conv1/bias": entry([4], 0, 16)}, bytes(16)),
    ),
    (
        "other names",
        "no tensor 'classifier.1.bias'",
        lambda: safetensors({"lm_head": entry([4], 0, 16)}, bytes(16)),
    ),
    (
        "a description of no variant",
        "There is no variant 'alexnot'",
        lambda: safetensors(
            {
                "__metadata__": {
                    "description": '{"variant": "alexnot", "classes": 3, "fc_units": 4}'
                },
                "conv1/kernel": entry([0], 0, 0),
                "conv1/bias": entry([0], 0, 0),
            }
        ),
    ),
    (
        "a description of more units than there are",
        r"its description says classes 1000000000, and fc8/bias is \(3,\)",
        lambda: safetensors(
            {
                "__metadata__": {
                    "description": '{"variant": "paper", "classes": 1000000000, "fc_units": 4}'
                },
                **{
                    f"{layer}/{part}": entry([size] if part == "bias" else [0], *place)
                    for layer, size in (("fc6", 4), ("fc7", 4), ("fc8", 3))
                    for part in ("bias", "kernel")
                    for place in [_PLACES[layer] if part == "bias" else (44, 44)]
                },
            },
            bytes(44),
        ),
    ),
    (
        "8 bits without their scale",
        "holds no whole network in 8 bits",
        lambda: safetensors(
            {"conv1/kernel": entry([4], 0, 4, "I8"), "conv2/scale": entry([0], 4, 4)}, bytes(4)
        ),
    ),
):
    contents("weights: safetensors", name, says, make, file="weights.safetensors")


def bad_h5(name, says):
    """A case that is a file of Keras's weights after the decorated function changed it."""

    def add(change):
        def make(folder):
            path = folder / "weights.weights.h5"
            with h5py.File(path, "w") as file:
                variables = file.create_group("layers/conv2d/vars")
                variables["0"] = np.zeros((11, 11, 3, 96), "float32")
                variables["1"] = np.zeros(96, "float32")
                change(file, variables, folder)
            return path

        CASES.append(Case("weights: HDF5", name, make, says))
        return change

    return add


@bad_h5("layers missing", "no weights for conv2 .grouped_conv2d.")
def _(file, variables, folder):
    pass


@bad_h5("a link to another file", "refers to another place or file")
def _(file, variables, folder):
    with h5py.File(folder / "other.h5", "w") as other:
        other["secret"] = np.zeros(96, "float32")
    del variables["1"]
    variables["1"] = h5py.ExternalLink("other.h5", "secret")


@bad_h5("a link that goes in a circle", "refers to another place or file")
def _(file, variables, folder):
    file["layers/dense"] = h5py.SoftLink("/layers/dense")


@bad_h5("numbers in another file", "keeps its numbers in another file")
def _(file, variables, folder):
    del variables["1"]
    (folder / "secret").write_bytes(bytes(400))
    variables.create_dataset("1", (96,), "float32", external=[(str(folder / "secret"), 0, 384)])


@bad_h5("numbers put together from elsewhere", "keeps its numbers in another file")
def _(file, variables, folder):
    del variables["1"]
    layout = h5py.VirtualLayout((96,), "float32")
    layout[:] = h5py.VirtualSource("other.h5", "secret", (96,))
    variables.create_virtual_dataset("1", layout)


@bad_h5("an array that swells: a bomb", r"vars/0 has the shape \(1000000, 1000000\)")
def _(file, variables, folder):
    del variables["0"]
    variables.create_dataset("0", (10**6, 10**6), "float32", chunks=(1000, 1000))


@bad_h5("double precision", "as float64, not as float32")
def _(file, variables, folder):
    del variables["1"]
    variables["1"] = np.zeros(96)


@bad_h5("layers that AlexNet has not", "weights for a layer 'lstm'")
def _(file, variables, folder):
    file["layers/lstm/vars/0"] = np.zeros(3, "float32")


contents(
    "weights: HDF5",
    "nonsense",
    "not a whole HDF5 file",
    lambda: np.random.default_rng(0).bytes(5000),
    file="weights.weights.h5",
)


# --- Whole models ---------------------------------------------------------------------------------


def keras_archive(config: dict) -> bytes:
    def write(buffer):
        with zipfile.ZipFile(buffer, "w") as bundle:
            bundle.writestr("metadata.json", json.dumps({"keras_version": "3.0.0"}))
            bundle.writestr("config.json", json.dumps(config))
            bundle.writestr("model.weights.h5", b"")

    return published.as_bytes(write)


contents(
    "model",
    "a Lambda layer with a program",
    "not a whole .keras file|unsafe|safe_mode",
    lambda: keras_archive(
        {
            "module": "keras",
            "class_name": "Sequential",
            "config": {
                "name": "bomb",
                "layers": [
                    {
                        "module": "keras.layers",
                        "class_name": "Lambda",
                        "config": {
                            "name": "lambda",
                            "function": {
                                "class_name": "__lambda__",
                                "config": {"code": "4wEAAAA=", "defaults": None, "closure": None},
                            },
                        },
                        "registered_name": None,
                    }
                ],
            },
            "registered_name": None,
        }
    ),
    file="model.keras",
)
contents(
    "model",
    "a function of another module",
    "not a whole .keras file|Could not|unsafe",
    lambda: keras_archive(
        {
            "module": "os",
            "class_name": "system",
            "config": {"command": "true"},
            "registered_name": None,
        }
    ),
    file="model.keras",
)
contents("model", "no zip archive", "not a whole .keras file", lambda: b"nonsense", file="m.keras")


@cache
def whole_keras() -> dict[str, bytes]:
    """A small model as it is saved, member by member."""
    with tempfile.TemporaryDirectory() as folder:
        network = AlexNet(classes=3, fc_units=4, input_shape=(67, 67, 3))
        with_preprocessing(network, list("abc")).save(f"{folder}/m.keras")
        with zipfile.ZipFile(f"{folder}/m.keras") as bundle:
            return {name: bundle.read(name) for name in bundle.namelist()}


def bad_keras(name, says, **options):
    """A case that is a saved model whose members the decorated function changed."""

    def add(change):
        def make():
            members = dict(whole_keras())
            config = json.loads(members["config.json"])
            change(members, config, {one["name"]: one for one in config["config"]["layers"]})
            members.setdefault("config.json", b"")
            if members["config.json"] == whole_keras()["config.json"]:
                members["config.json"] = json.dumps(config).encode()

            def write(buffer):
                with zipfile.ZipFile(buffer, "w", **options) as bundle:
                    for member, body in members.items():
                        bundle.writestr(member, body)

            return published.as_bytes(write)

        contents("model", name, says, make, file="m.keras")
        return change

    return add


def changed_weights(members, change):
    file = io.BytesIO(members["model.weights.h5"])
    with h5py.File(file, "r+") as weights:
        change(weights)
    members["model.weights.h5"] = file.getvalue()


@bad_keras("150,000 units that are not in it", "its network has weights of 90,")
def _(members, config, layers):
    for name in ("fc6", "fc7"):
        layers[name]["config"]["units"] = 150_000
    for name in ("fc7", "fc8"):
        layers[name]["build_config"]["input_shape"][-1] = 150_000


@bad_keras("a shape to build that its layers have not", "not a whole .keras file")
def _(members, config, layers):
    layers["fc6"]["config"]["units"] = 10**5
    layers["fc6"]["build_config"]["input_shape"][-1] = 10**5


@bad_keras("weights that swell: a bomb", "weights are compressed", compression=zipfile.ZIP_DEFLATED)
def _(members, config, layers):
    members["model.weights.h5"] += bytes(50 * 10**6)


@bad_keras("an array that swells: a bomb", "the array .* does not lie in the file as it is")
def _(members, config, layers):
    def swell(weights):
        weights.create_dataset("layers/bomb", (10**6, 10**6), "float32", chunks=(1000, 1000))

    changed_weights(members, swell)


@bad_keras("a link to another file", "layers/secret refers to another place or file")
def _(members, config, layers):
    def link(weights):
        weights["layers/secret"] = h5py.ExternalLink("/etc/passwd", "x")

    changed_weights(members, link)


@bad_keras("a configuration of 20 MB", "config.json has more than 16,777,216 bytes")
def _(members, config, layers):
    members["config.json"] = b"[" + b" " * 20_000_000 + b"]"


@bad_keras("other files beside", "it holds 'assets/../../evil', which no model of this library has")
def _(members, config, layers):
    members["assets/../../evil"] = b"x"


@bad_keras("no weights", "it has no model.weights.h5")
def _(members, config, layers):
    del members["model.weights.h5"]


@bad_keras("too few names of classes", "tells 3 classes apart and names 2")
def _(members, config, layers):
    layers["preprocess"]["config"]["class_names"] = ["a", "b"]


# --- Pictures -------------------------------------------------------------------------------------


def encoded(format, size=(64, 48), **options) -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), dtype="uint8")
    Image.fromarray(noise).save(buffer, format, **options)
    return buffer.getvalue()


def enormous_png() -> bytes:
    """70,000 × 70,000 pixels, says the header; there are none."""

    def chunk(kind, body):
        checksum = zipfile.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", 70_000, 70_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IEND", b"")


for name, says, make in (
    ("an empty file", "empty file", lambda: b""),
    ("a text", "not a picture", lambda: b"This is no picture."),
    ("a program", "not a picture", lambda: b"\x7fELF" + bytes(100)),
    ("SVG, which can hold scripts", "not a picture", lambda: b"<svg><script>1</script></svg>"),
    ("PostScript, which is a program", "not a picture", lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n"),
    ("a JPEG cut off", "cut off or damaged", lambda: encoded("JPEG")[:-2000]),
    ("a PNG cut off", "cut off or damaged", lambda: encoded("PNG")[:-500]),
    ("4.9 thousand million pixels", "far too many pixels: 70,000 × 70,000", enormous_png),
    (
        "a video",
        "not a picture, but a video",
        lambda: b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1",
    ),
    ("a video of another kind", "video .Matroska", lambda: b"\x1a\x45\xdf\xa3" + bytes(60)),
    ("a PDF", "but a PDF", lambda: b"%PDF-1.7\n"),
    ("a web page", "but a web page", lambda: b"<!DOCTYPE html><title>404</title>"),
    ("JPEG 2000", "JPEG 2000, which this library does not read", lambda: encoded("JPEG2000")),
    ("JPEG XL", "JPEG XL, which this library does not read", lambda: b"\xff\x0a" + bytes(70)),
    (
        "a pointer of Git LFS",
        "git lfs pull",
        lambda: b"version https://git-lfs.github.com/spec/v1\n",
    ),
    ("a raw file with a preview", "camera's raw file", lambda: encoded("TIFF", tiffinfo={254: 1})),
    ("a TIFF cut off", "cut off or damaged", lambda: encoded("TIFF")[:-2000]),
    ("fractions", "which of them is white cannot be known", lambda: fractions()),
):
    contents("picture", name, says, make, file="picture.jpg")


def fractions() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((9, 9), "float32")).save(buffer, "TIFF")
    return buffer.getvalue()


@case("picture", "12 GB of video", "not a picture, but a video")
def _(folder):
    return sparse(folder / "video.mp4", b"\0\0\0\x20ftypmp42")


@case("picture", "12 GB that begin as a picture", "12.0 GB, more than any picture")
def _(folder):
    return sparse(folder / "picture.jpg", encoded("JPEG"))


def sparse(path, start):
    """A file of 12 GB that takes no room."""
    with open(path, "wb") as file:
        file.write(start)
        file.truncate(12 * 10**9)
    return path


@case("picture", "a pipe that never ends", "not a picture, but a pipe, a device")
def _(folder):
    os.mkfifo(folder / "x.jpg")
    return folder / "x.jpg"


@case("picture", "a device that never ends", "not a picture, but a pipe, a device")
def _(folder):
    (folder / "x.jpg").symlink_to("/dev/zero")
    return folder / "x.jpg"


@case("picture", "none", "There is no picture at")
def _(folder):
    return folder / "picture.jpg"


@case("picture", "a folder", "There is no picture at")
def _(folder):
    return folder


# --- Archives -------------------------------------------------------------------------------------


def tar_of(*members):
    """Each member is a name and contents, or a header without contents."""

    def make():
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for member in members:
                if isinstance(member, tarfile.TarInfo):
                    archive.addfile(member)
                else:
                    header = tarfile.TarInfo(member[0])
                    header.size = len(member[1])
                    archive.addfile(header, io.BytesIO(member[1]))
        return buffer.getvalue()

    return make


def special(kind, target=""):
    header = tarfile.TarInfo("pictures/1.jpg")
    header.type, header.linkname = kind, target
    return header


def zip_of(*members, compress=zipfile.ZIP_DEFLATED):
    def write(buffer):
        with zipfile.ZipFile(buffer, "w", compress) as archive:
            for name, body in members:
                archive.writestr(name, body)

    return lambda: published.as_bytes(write)


def unmarked(name, encoding):
    """A member whose name is in another encoding, as old programs write it."""

    class Unmarked(zipfile.ZipInfo):
        def _encodeFilenameFlags(self):
            return name.encode(encoding), self.flag_bits & ~0x800

    return Unmarked(name)


def encrypted_zip():
    raw = bytearray(zip_of(("a/1.jpg", b"x"))())
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    return bytes(raw)


def zipped_link():
    member = zipfile.ZipInfo("cats/1.jpg")
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return zip_of((member, "/etc/passwd"))()


for name, says, file, make in (
    ("a path outside", "leads outside", "a.tgz", tar_of(("../outside.jpg", b"x"))),
    ("a path from the root", "leads outside", "a.tgz", tar_of(("/tmp/outside.jpg", b"x"))),
    ("a link", "a link", "a.tgz", tar_of(special(tarfile.SYMTYPE, "/etc/passwd"))),
    ("a hard link outside", "a link", "a.tgz", tar_of(special(tarfile.LNKTYPE, "../../x"))),
    ("a device", "a device", "a.tgz", tar_of(special(tarfile.CHRTYPE))),
    ("a pipe", "a device", "a.tgz", tar_of(special(tarfile.FIFOTYPE))),
    ("a zip with a path outside", "leads outside", "a.zip", zip_of(("../outside.jpg", b"x"))),
    ("a zip with a drive letter", "leads outside", "a.zip", zip_of(("C:\\outside.jpg", b"x"))),
    ("a zip with a link", "a link or a device", "a.zip", zipped_link),
    ("a zip with a password", "encrypted", "a.zip", encrypted_zip),
    (
        "one name twice",
        "holds 'a/1.jpg' twice",
        "a.tgz",
        tar_of(("a/1.jpg", b"x"), ("a/1.jpg", b"y")),
    ),
    (
        "120 MB of zeros: a bomb",
        "unpacks to more than 105 MB",
        "a.zip",
        zip_of(("a/1.bmp", bytes(120 * 10**6))),
    ),
    (
        "cut off",
        "not a whole archive",
        "a.tgz",
        lambda: tar_of(("a/1.jpg", np.random.default_rng(0).bytes(9999)))()[:5000],
    ),
    (
        "a zip with names in GBK",
        "does not say how its names are encoded.*'狗' in gbk.*unzip -O GBK",
        "a.zip",
        lambda: zip_of((unmarked("狗/1.jpg", "gbk"), b"x"))(),
    ),
    (
        "a zip with names in Shift-JIS",
        "does not say how its names are encoded.*'猫' in shift_jis",
        "a.zip",
        lambda: zip_of((unmarked("猫/1.jpg", "shift_jis"), b"x"))(),
    ),
    ("nonsense", "not a whole archive", "a.zip", lambda: np.random.default_rng(0).bytes(999)),
):
    contents("archive", name, says, make, file=file)


# --- Folders --------------------------------------------------------------------------------------


def folder_case(name, says, files):
    def make(folder):
        for file, body in files.items():
            (folder / "set" / file).parent.mkdir(parents=True, exist_ok=True)
            if body is not None:
                (folder / "set" / file).write_bytes(body)
        return folder / "set"

    CASES.append(Case("folder", name, make, says))


TEXT = b"no picture"
folder_case("there is none", "no folder or archive at", {})
folder_case("without class folders", "class", {"1.jpg": TEXT})
folder_case("with one class", "class", {"cats/1.jpg": TEXT})
folder_case("with an empty class", "dogs is empty", {"cats/1.jpg": TEXT, "dogs/.keep": b""})
folder_case("without a picture", "no readable pictures", {"cats/1.jpg": TEXT, "dogs/1.jpg": TEXT})


JPEG = b"\xff\xd8\xff" + bytes(20)
TWO = {"cats/1.jpg": JPEG, "dogs/1.jpg": JPEG}
folder_case(
    "parts without classes",
    "do not lie in class folders, but all together in test/, train/",
    {"train/1.jpg": JPEG, "test/1.jpg": JPEG},
)
folder_case(
    "pictures without classes beside classes",
    "Is .*test a class, or pictures without classes",
    TWO | {"test/1.jpg": JPEG},
)
folder_case(
    "a test part alone", "but no train/", {f"test/{name}": one for name, one in TWO.items()}
)
folder_case(
    "two training parts",
    "train/, training/, each of which could be the part 'train'",
    {f"{part}/{name}": one for name, one in TWO.items() for part in ("train", "training")},
)
folder_case(
    "classes inside a class named train",
    "can be read in two ways: the classes are the folders in train/ .cats, dogs",
    {f"train/{name}": one for name, one in TWO.items()} | {"bus/1.jpg": JPEG},
)
folder_case(
    "parts inside the classes",
    "Turn the folders inside out: .*train/cats, not .*cats/train",
    {f"{pet}/{part}/1.jpg": JPEG for pet in ("cats", "dogs") for part in ("train", "test")},
)
folder_case(
    "a part with classes of its own",
    "Is .*test a class, or a part of the data set",
    TWO | {"test/owls/1.jpg": JPEG, "test/rats/1.jpg": JPEG},
)


@case("folder", "names in Latin-1", r"b\\xe4ume is not Unicode.*'bäume' in latin-1.*Rename it")
def _(folder):
    for name in (b"dogs", "b\xe4ume".encode("latin-1")):
        place = os.path.join(os.fsencode(folder), b"set", name)
        os.makedirs(place)
        with open(os.path.join(place, b"1.jpg"), "wb") as file:
            file.write(JPEG)
    return folder / "set"


@case("folder", "nothing but pipes, devices and videos", "no readable pictures")
def _(folder):
    for name in ("cats", "dogs"):
        (folder / "set" / name).mkdir(parents=True)
        os.mkfifo(folder / "set" / name / "x.jpg")
        (folder / "set" / name / "y.jpg").symlink_to("/dev/zero")
        sparse(folder / "set" / name / "z.mp4", b"\0\0\0\x20ftypmp42")
    return folder / "set"


@case("folder", "a link that goes in a circle", "class")
def _(folder):
    (folder / "set").mkdir()
    (folder / "set" / "again").symlink_to(folder / "set")
    return folder / "set"


# --- Command lines --------------------------------------------------------------------------------


def command(line, says, name=None):
    def make(folder):
        return [word.replace("DIR", str(folder)) for word in line.split()]

    CASES.append(Case("command", name or f"alexnet {line}", make, says))


command("sumary", "No such command")
command("summary --variant alexnot", "There is no variant 'alexnot'")
command("summary --input-size 5", "cannot place its 11×11 window")
command("summary --input-size minus", "not a valid int")
command("train DIR/nothing", "no folder or archive at")
command("train photos --recipe secret", "--recipe is secret; it must be modern or paper")
command("train photos --epochs 0", "0 is not in the range")
command("finetune DIR --out DIR/model.pkl", "keras")
command("finetune DIR/nothing --out DIR/m.keras", "no folder or archive at|There is no")
command("predict DIR/none.keras DIR/a.jpg", "There is no model at")
command("evaluate --data DIR", "Give either MODEL.keras or --weights")
command("evaluate --data DIR --weights DIR/bvlc.npy", "no weights at|was not opened")
command("evaluate --data DIR --weights bvcl", "Did you mean 'bvlc'")
command("predict DIR/a.keras DIR/a.jpg --crops 7", "--crops is 7; it must be 1 or 10")


# --- What happens to them -------------------------------------------------------------------------


@cache
def model(variant):
    return AlexNet(variant=variant, **NARROW)


def give(case: Case, thing) -> str:
    """Gives the input to the library and returns the message."""
    match case.kind.partition(":")[0]:
        case "weights":
            errors, use = (WeightsError, FileNotFoundError), pretrained.load_weights
            arguments = model(case.variant), thing
        case "model":
            errors, use, arguments = ValueError, load_model, (thing,)
        case "picture":
            errors, use, arguments = (ValueError, FileNotFoundError), pictures.read, (thing,)
        case "archive" | "folder":
            errors, use, arguments = (ValueError, OSError), data.load, (thing,)
        case "command":
            result = CliRunner().invoke(app, thing)
            assert result.exit_code == 2, result.output
            assert "Traceback" not in result.output
            return result.stderr
    with pytest.raises(errors) as caught:
        use(*arguments)
    return str(caught.value)


def everything_in(folder: Path) -> dict:
    return {
        path: path.stat().st_mtime_ns if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        # The list of files that were found broken is kept on purpose.
        if "scans" not in path.parts and path.is_file()
    }


def fingerprint(variant) -> str:
    digest = hashlib.sha256()
    for weight in model(variant).get_weights():
        digest.update(weight.tobytes())
    return digest.hexdigest()


def assert_refused(case: Case, folder: Path) -> str:
    inputs, home = folder / "in", folder / "home"
    inputs.mkdir()
    home.mkdir()
    thing = case.make(inputs)
    before = everything_in(folder), os.listdir()
    weights = fingerprint(case.variant) if case.kind.startswith("weights") else None
    message = give(case, thing)
    assert re.search(case.says, message, re.DOTALL), message
    assert (everything_in(folder), os.listdir()) == before, "something was left on disk"
    assert not Bomb.mark.exists(), "a pickle was executed"
    if weights:
        assert fingerprint(case.variant) == weights, "the model was changed"
    # A person is to read it: one sentence or a few, not a dump.
    assert 10 < len(message) < 1500
    return message


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    """An input that makes the library ask the network would be a failure of its own."""

    def refuse(*_):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_a_summary_of_an_enormous_input_is_computed_at_once():
    """Rows were once counted one by one, in sets of all of them."""
    result = CliRunner().invoke(app, ["summary", "--input-size", "100000000", "--json"])
    first = json.loads(result.stdout)["layers"][0]
    assert first["output_shape"][0] == (100_000_000 - 11) // 4 + 1


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}: {case.name}")
def test_it_is_refused_and_leaves_no_trace(case, tmp_path, monkeypatch):
    monkeypatch.setenv("ALEXNET_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert_refused(case, tmp_path)


def test_the_table_is_long_and_names_nothing_twice():
    names = [(case.kind, case.name) for case in CASES]
    assert len(names) == len(set(names))
    assert len(names) >= 40


def test_the_harmless_files_are_accepted(tmp_path):
    """What the cases falsify is taken as it is: they are refused for their faults alone."""
    (tmp_path / "right.onnx").write_bytes(whole_onnx())
    published.write_pth(tmp_path / "right.pth", state())
    pretrained.load_weights(AlexNet(variant="caffe", **NARROW), tmp_path / "right.onnx")
    pretrained.load_weights(AlexNet(variant="owt", **NARROW), tmp_path / "right.pth")


def print_table() -> None:
    """The table of all inputs and messages, in Markdown."""
    print("| | input | message |\n|---|---|---|")
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["ALEXNET_HOME"] = f"{folder}/home"
            message = assert_refused(case, Path(folder))
            message = " ".join(message.replace(folder, "…").split()).replace("|", "\\|")
        name = case.name if len(case.name) < 90 else case.name[:87] + "..."
        print(f"| {case.kind} | {name} | {message} |")


if __name__ == "__main__":
    import warnings

    warnings.simplefilter("ignore")
    sys.exit(print_table())
