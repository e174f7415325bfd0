"""Files of weights as others publish them, with random numbers in them, for the tests.

ONNX: the model zoo's own graph of BVLC's AlexNet, which the onnx package carries for its backend
tests, with narrow dense layers. PyTorch: the zip and the pickle that `torch.save` writes, byte by
byte, so that no PyTorch is needed and hostile ones can be made as well.
"""

import io
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

UNITS, CLASSES = 24, 10

# Our layer → the tensor of the published graph that holds the same numbers.
TENSORS = {
    "conv1": "r1", "norm1": "r2", "pool1": "r3", "conv2": "r5", "norm2": "r6", "pool2": "r7",
    "conv3": "r9", "conv4": "r11", "conv5": "r13", "pool5": "r14", "fc6": "r17", "fc7": "r21",
    "fc8": "prob_1",
}  # fmt: skip


def published_onnx(size=224, units=UNITS, classes=CLASSES, opset=9, seed=0):
    """BVLC's AlexNet as published, with weights that keep each layer's activities near the size
    where response normalization bends them, and an input of `size` pixels a side."""
    random = np.random.default_rng(seed)
    path = Path(onnx.__file__).parent / "backend/test/data/light/light_bvlc_alexnet.onnx"
    model = onnx.load(path)
    if opset != 9:
        model = onnx.version_converter.convert_version(model, opset)
    graph = model.graph
    shapes = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    narrow = {
        "fc6_w_0": (units, 9216), "fc6_b_0": (units,), "fc7_w_0": (units, units),
        "fc7_b_0": (units,), "fc8_w_0": (classes, units), "fc8_b_0": (classes,),
    }  # fmt: skip
    weights = {}
    for node in [node for node in graph.node if node.op_type == "ConstantOfShape"]:
        (name,) = node.output
        shape = narrow.get(name, tuple(shapes[node.input[0]]))
        gain = {"conv1_w_0": 1.0, "conv2_w_0": 3.0, "fc8_w_0": 0.03}.get(name, 1.4)
        scale = gain / np.sqrt(np.prod(shape[1:])) if name.endswith("_w_0") else 1.0
        weights[name] = random.normal(0, scale, shape).astype("float32")
        graph.node.remove(node)
    del graph.initializer[:]
    graph.initializer.extend(numpy_helper.from_array(w, n) for n, w in weights.items())
    graph.initializer.append(numpy_helper.from_array(shapes["OC2_DUMMY_1"], "OC2_DUMMY_1"))
    (picture,) = [i for i in graph.input if i.name == "data_0"]
    for axis in (2, 3):
        picture.type.tensor_type.shape.dim[axis].dim_value = size
    del graph.input[:]
    graph.input.append(picture)
    model.ir_version = 8  # weights need not be inputs as well
    return model


def caffenet(size=224):
    """CaffeNet as published: the same tensors, pooling before normalization."""
    model = published_onnx(size)
    nodes = {node.output[0]: node for node in model.graph.node}
    for norm, pool in (("r2", "r3"), ("r6", "r7")):
        norm, pool = nodes[norm], nodes[pool]
        pool.input[0], norm.input[0] = norm.input[0], pool.output[0]
        following = next(
            n for n in model.graph.node if n.op_type == "Conv" and n.input[0] == pool.output[0]
        )
        following.input[0] = norm.output[0]
        # A graph lists each operator after those whose results it takes.
        order = list(model.graph.node)
        i, j = order.index(norm), order.index(pool)
        order[i], order[j] = order[j], order[i]
        order = [onnx.NodeProto.FromString(node.SerializeToString()) for node in order]
        del model.graph.node[:]
        model.graph.node.extend(order)
        nodes = {node.output[0]: node for node in model.graph.node}
    return model


def initializer(model, name):
    return next(i for i in model.graph.initializer if i.name == name)


def node(model, output):
    return next(n for n in model.graph.node if n.output[0] == output)


def put(model, name, array):
    """Replaces an initializer."""
    initializer(model, name).CopyFrom(numpy_helper.from_array(array, name))
    return model


def all_outputs(model):
    """The serialized graph with every tensor of `TENSORS` as an output."""
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    del copy.graph.output[:]
    copy.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in TENSORS.values()
    )
    return copy.SerializeToString()


# --- PyTorch --------------------------------------------------------------------------------------


def torchvision_shapes(units=UNITS, classes=CLASSES):
    """The names and shapes of torchvision's AlexNet."""
    convolutions = {0: (64, 3, 11), 3: (192, 64, 5), 6: (384, 192, 3), 8: (256, 384, 3)}
    convolutions[10] = (256, 256, 3)
    dense = {1: (units, 9216), 4: (units, units), 6: (classes, units)}
    kernels = {f"features.{i}": (f, c, k, k) for i, (f, c, k) in convolutions.items()}
    kernels |= {f"classifier.{i}": shape for i, shape in dense.items()}
    shapes = {}
    for name, shape in kernels.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return shapes


def torchvision_state(units=UNITS, classes=CLASSES, seed=0):
    """Random weights that keep each layer's activities at about their size.

    From NumPy's old generator, whose numbers never change: the stored reference depends on them.
    """
    random = np.random.RandomState(seed)
    return {
        name: (
            random.standard_normal(shape) * (1.4 / np.sqrt(np.prod(shape[1:])) if shape[1:] else 1)
        ).astype("float32")
        for name, shape in torchvision_shapes(units, classes).items()
    }


def torchvision_pictures(size, seed=1):
    """Standardized pictures, channels last."""
    return np.random.RandomState(seed).standard_normal((1, size, size, 3)).astype("float32")


@dataclass
class Pickled:
    """What `torch.save` writes for a tensor, each part of which a test can falsify."""

    array: np.ndarray
    storage: str = "FloatStorage"
    key: str | None = None
    length: int | None = None
    shape: tuple | None = None
    strides: tuple | None = None
    offset: int = 0
    contents: bytes | None = None
    function: bytes = b"ctorch._utils\n_rebuild_tensor_v2\n"
    compress: int = field(default=zipfile.ZIP_STORED)


def _text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def _integers(values):
    return b"(" + b"".join(b"J" + struct.pack("<i", value) for value in values) + b"t"


_EMPTY = b"ccollections\nOrderedDict\n)R"


def pickle_program(tensors: dict[str, Pickled], before: bytes = b"") -> bytes:
    program = b"\x80\x02" + before + _EMPTY + b"("
    for number, (name, tensor) in enumerate(tensors.items()):
        shape = tensor.array.shape if tensor.shape is None else tensor.shape
        strides = tensor.strides
        if strides is None:
            strides = [int(np.prod(shape[axis + 1 :])) for axis in range(len(shape))]
        length = tensor.array.size if tensor.length is None else tensor.length
        program += _text(name) + tensor.function + b"("
        program += b"(" + _text("storage") + b"ctorch\n" + tensor.storage.encode() + b"\n"
        program += _text(str(number) if tensor.key is None else tensor.key) + _text("cpu")
        program += b"J" + struct.pack("<i", length) + b"tQ"
        program += b"J" + struct.pack("<i", tensor.offset)
        program += _integers(shape) + _integers(strides) + b"\x89" + _EMPTY + b"tR"
    return program + b"u."


def write_pth(path, state, program=None, before=b"", **members):
    """A file as `torch.save(state_dict)` writes it. `state`: arrays, or `Pickled` to falsify."""
    tensors = {
        name: value if isinstance(value, Pickled) else Pickled(value)
        for name, value in state.items()
    }
    with zipfile.ZipFile(path, "w") as bundle:
        bundle.writestr("archive/data.pkl", program or pickle_program(tensors, before))
        for number, tensor in enumerate(tensors.values()):
            contents = tensor.array.tobytes() if tensor.contents is None else tensor.contents
            bundle.writestr(f"archive/data/{number}", contents, tensor.compress)
        bundle.writestr("archive/version", "3\n")
        for name, contents in members.items():
            bundle.writestr(f"archive/{name}", contents)
    return path


def torch_pickle(thing, monkeypatch, within=()):
    """PyTorch's pickle of a thing, by Python's own pickler, and the bytes of each storage.

    NumPy arrays become tensors. The names that the pickle refers to are those of PyTorch, made up
    for as long as it is written. `within`: what an identifier of a storage ends with.
    """
    modules = {name: types.ModuleType(name) for name in ("torch", "torch._utils")}
    storages = []

    class FloatStorage:
        pass

    class DoubleStorage:
        pass

    class LongStorage:
        pass

    def _rebuild_tensor_v2(*_):
        raise AssertionError("nothing is unpickled here")

    for one in (FloatStorage, DoubleStorage, LongStorage):
        one.__module__, one.__qualname__ = "torch", one.__name__
        setattr(modules["torch"], one.__name__, one)
    _rebuild_tensor_v2.__module__ = "torch._utils"
    _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
    modules["torch._utils"]._rebuild_tensor_v2 = _rebuild_tensor_v2

    class Storage:
        def __init__(self, array):
            kinds = {"f4": FloatStorage, "f8": DoubleStorage, "i8": LongStorage}
            kind = kinds[array.dtype.str[1:]]
            self.identifier = ("storage", kind, str(len(storages)), "cuda:0", array.size, *within)
            storages.append(array.ravel("K").tobytes())

    class Pickler(pickle.Pickler):
        def persistent_id(self, one):
            return one.identifier if isinstance(one, Storage) else None

        def reducer_override(self, one):
            if not isinstance(one, np.ndarray):
                return NotImplemented
            strides = tuple(step // one.itemsize for step in one.strides)
            arguments = Storage(one), 0, one.shape, strides, False, OrderedDict()
            return _rebuild_tensor_v2, arguments

    program = io.BytesIO()
    with monkeypatch.context() as patch:
        for name, module in modules.items():
            patch.setitem(sys.modules, name, module)
        Pickler(program, 2).dump(thing)
    return program.getvalue(), storages


def save_as_torch(path, thing, monkeypatch):
    """What `torch.save(thing)` writes; NumPy arrays become tensors."""
    program, storages = torch_pickle(thing, monkeypatch)
    with zipfile.ZipFile(path, "w") as bundle:
        bundle.writestr("archive/data.pkl", program)
        bundle.writestr("archive/byteorder", "little")
        for number, contents in enumerate(storages):
            bundle.writestr(f"archive/data/{number}", contents)
        bundle.writestr("archive/version", "3\n")
    return path


def save_as_old_torch(path, state, monkeypatch):
    """What `torch.save(state)` wrote before version 1.6: pickles, then each storage's numbers."""
    program, storages = torch_pickle(state, monkeypatch, within=(None,))
    with path.open("wb") as file:
        for header in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
            pickle.dump(header, file, protocol=2)
        file.write(program)
        pickle.dump([str(number) for number in range(len(storages))], file, protocol=2)
        for array, contents in zip(state.values(), storages, strict=True):
            file.write(array.size.to_bytes(8, "little"))
            file.write(contents)
    return path


def as_bytes(write, *arguments):
    """What a writer of zip files writes, in memory."""
    buffer = io.BytesIO()
    write(buffer, *arguments)
    return buffer.getvalue()
