"""ONNX: BVLC's AlexNet, CaffeNet and their like, as the ONNX model zoo publishes them.

Caffe's networks came there by way of Caffe2, which named the weights `conv1_w_0`, `conv1_b_0`, ...
and kept what Caffe had: channels first, colours in the order blue, green, red. The file says what
the network is, so the graph is read as well, and becomes a description that can be compared with a
model, or built.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import prod
from pathlib import Path

import onnx
from onnx import helper, numpy_helper

from .. import architecture
from ..architecture import Layer
from . import Tensor, WeightFile, WeightsError, damaged, tensor_missing

_QUANTIZED = ("Quantize", "Dequantize", "QLinear", "Integer")


def read(path: Path) -> WeightFile:
    """Reads the graph and looks at every tensor that it names.

    Raises:
        WeightsError: if the file is damaged, is no chain of AlexNet's layers, keeps its numbers in
            other files, or keeps them in another type than float32.
    """
    try:
        # Not onnx.load: that would follow a tensor to whatever file it names.
        model = onnx.load_model_from_string(path.read_bytes())
    except Exception as error:
        # protobuf's readers, written in C or in Python, raise errors of their own.
        raise damaged(path, "ONNX", error) from error
    if not model.graph.node:
        raise damaged(path, "ONNX", "there is no network in it")
    graph = _Graph(path, model.graph)
    layers, weights = graph.follow()
    tensors = {
        layer: (graph.tensor(kernel), graph.tensor(bias))
        for layer, (kernel, bias) in weights.items()
    }
    for layer, (kernel, bias) in tensors.items():
        if (kernel.name, bias.name) != (f"{layer}_w_0", f"{layer}_b_0"):
            raise WeightsError(
                f"{path} calls the weights of {layer} {kernel.name!r} and {bias.name!r}, not "
                f"'{layer}_w_0' and '{layer}_b_0' as the model zoo's conversions from Caffe do. "
                "Whether it takes RGB or BGR, and on which scale, cannot be known."
            )
    return WeightFile(
        path,
        "ONNX",
        "channels first",
        tensors,
        layers=layers,
        blue_first=True,
        preprocessing="caffe",
    )


class _Graph:
    """A graph in which every operator takes what the one before it gave."""

    def __init__(self, path: Path, graph: onnx.GraphProto):
        self.path = path
        self.stored = {tensor.name: tensor for tensor in graph.initializer}
        self.constants: dict[str, onnx.TensorProto] = dict(self.stored)
        self.users: dict[str, list[onnx.NodeProto]] = {}
        for node in graph.node:
            if node.op_type == "Constant":
                values = [item.t for item in node.attribute if item.name == "value"]
                if values:
                    self.constants[node.output[0]] = values[0]
                continue
            for name in node.input[:1]:
                self.users.setdefault(name, []).append(node)
        inputs = [item.name for item in graph.input if item.name not in self.stored]
        if len(inputs) != 1:
            raise WeightsError(f"{path} has {len(inputs)} inputs; AlexNet takes one, the picture.")
        self.input = inputs[0]

    def follow(self) -> tuple[tuple[Layer, ...], dict[str, tuple[str, str]]]:
        """The layers in order, and the names of each one's weights."""
        layers: list[Layer] = []
        weights: dict[str, tuple[str, str]] = {}
        for node in self._chain():
            name = f"{_PREFIX.get(node.op_type, '')}{len(weights)}"
            match node.op_type:
                case "Conv":
                    name = f"conv{len(weights) + 1}"
                    layers.append(self._convolution(name, node))
                    weights[name] = self._weights(node)
                case "Gemm":
                    name = f"fc{len(weights) + 1}"
                    layers.append(self._dense(name, node))
                    weights[name] = self._weights(node)
                case "Relu" | "Softmax":
                    _activate(layers, node.op_type.lower(), name)
                case "LRN":
                    layers.append(_normalization(name, node))
                case "MaxPool":
                    layers.append(self._pooling(name, node))
                case "Reshape" | "Flatten":
                    layers.append(architecture.Flatten("flatten"))
                case "Dropout":
                    layers.append(architecture.Dropout(name, self._rate(node)))
                case kind:
                    raise self._unknown(node, kind)
        return tuple(layers), weights

    def tensor(self, name: str) -> Tensor:
        """A tensor that the graph holds.

        Raises:
            WeightsError: if it is not there, not float32, kept elsewhere, or cut off.
        """
        stored = self.stored.get(name)
        if stored is None:
            raise tensor_missing(self.path, name, list(self.stored))
        if stored.data_location == onnx.TensorProto.EXTERNAL:
            where = {entry.key: entry.value for entry in stored.external_data}.get("location", "?")
            raise WeightsError(
                f"{self.path} keeps {name} in another file, {where!r}. No file is read because "
                "another one names it; take a conversion that holds its own weights."
            )
        if stored.data_type != onnx.TensorProto.FLOAT:
            kind = helper.tensor_dtype_to_np_dtype(stored.data_type)
            raise WeightsError(
                f"{self.path} keeps {name} as {kind}, not as float32: weights that were rounded "
                "are not the published ones. Take the file without -int8, -qdq or fp16 in its name."
            )
        shape = tuple(stored.dims)
        wanted = prod(shape)
        found = len(stored.raw_data) // 4 if stored.raw_data else len(stored.float_data)
        if min(shape, default=0) < 0 or found != wanted or len(stored.raw_data) % 4:
            raise damaged(self.path, "ONNX", f"{name} is {shape}, and holds {found:,} numbers")
        return Tensor(name, shape, lambda: numpy_helper.to_array(stored))

    def _chain(self) -> Iterator[onnx.NodeProto]:
        name, seen = self.input, set()
        while nodes := self.users.get(name):
            if len(nodes) > 1 or name in seen:
                raise WeightsError(
                    f"{self.path} does not go from layer to layer: {name!r} is taken by "
                    f"{len(nodes)} operators. AlexNet has no branches."
                )
            seen.add(name)
            yield nodes[0]
            name = nodes[0].output[0]

    def _weights(self, node: onnx.NodeProto) -> tuple[str, str]:
        if len(node.input) != 3:
            raise self._unknown(node, f"{node.op_type} without a bias")
        return node.input[1], node.input[2]

    def _convolution(self, name: str, node: onnx.NodeProto) -> architecture.Convolution:
        settings = _attributes(node)
        shape = self.tensor(node.input[1]).shape
        if len(shape) != 4 or settings.get("dilations", [1, 1]) != [1, 1]:
            raise self._unknown(node, "a convolution that is not plainly two-dimensional")
        kernel, stride, padding, rounding = self._window(node, settings, shape[2:])
        return architecture.Convolution(
            name,
            filters=shape[0],
            kernel=kernel,
            stride=stride,
            padding=padding,
            groups=settings.get("group", 1),
            activation=None,
            rounding=rounding,
        )

    def _pooling(self, name: str, node: onnx.NodeProto) -> architecture.MaxPooling:
        settings = _attributes(node)
        kernel, stride, padding, rounding = self._window(node, settings)
        if padding or settings.get("dilations", [1, 1]) != [1, 1]:
            raise self._unknown(node, "a pooling with padding in front")
        return architecture.MaxPooling(name, kernel, stride, rounding)

    def _window(self, node, settings: Mapping, kernel=None) -> tuple[int, int, int, str]:
        """Kernel, stride, padding and rounding, where rows and columns have the same."""
        rows, columns = settings.get("kernel_shape") or kernel or (0, 1)
        strides = settings.get("strides", [1, 1])
        top, left, bottom, right = settings.get("pads", [0, 0, 0, 0])
        automatic = settings.get("auto_pad", b"NOTSET") != b"NOTSET"
        if rows != columns or len(set(strides)) > 1 or (top, bottom) != (left, right) or automatic:
            raise self._unknown(node, "a window whose rows and columns differ")
        stride = strides[0]
        # Zeros at the far edge alone stand for a last step that is taken though it is incomplete:
        # floor((span + stride - 1) / stride) is ceil(span / stride).
        if bottom - top not in (0, stride - 1):
            raise self._unknown(node, f"padding of {top} in front and {bottom} behind")
        rounds_up = settings.get("ceil_mode", 0) or bottom > top
        return rows, stride, top, "ceil" if rounds_up else "floor"

    def _dense(self, name: str, node: onnx.NodeProto) -> architecture.Dense:
        settings = {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0} | _attributes(node)
        if settings != {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 1}:
            raise self._unknown(node, f"a dense layer with {settings}")
        shape = self.tensor(node.input[1]).shape
        if len(shape) != 2:
            raise self._unknown(node, f"a dense layer with weights of shape {shape}")
        return architecture.Dense(name, units=shape[0], activation=None)

    def _rate(self, node: onnx.NodeProto) -> float:
        """Of dropout: an attribute up to operator set 11, an input since."""
        if len(node.input) > 1 and node.input[1] in self.constants:
            ratio = numpy_helper.to_array(self.constants[node.input[1]])
            return float(ratio) if ratio.size == 1 else 0.5
        return _attributes(node).get("ratio", 0.5)

    def _unknown(self, node: onnx.NodeProto, what: str) -> WeightsError:
        quantized = any(mark in node.op_type for mark in _QUANTIZED)
        why = (
            "its weights were rounded to 8 bits. Take bvlcalexnet-12.onnx, without -int8 or -qdq"
            if quantized
            else "that is no layer of AlexNet"
        )
        return WeightsError(f"{self.path} has {what} (operator {node.name!r}): {why}.")


_PREFIX = {"LRN": "norm", "MaxPool": "pool", "Dropout": "drop", "Relu": "relu"}


def _attributes(node: onnx.NodeProto) -> dict:
    return {item.name: helper.get_attribute_value(item) for item in node.attribute}


def _normalization(name: str, node: onnx.NodeProto) -> architecture.LocalResponseNorm:
    """ONNX, as Caffe, divides alpha by the number of channels; the paper's formula does not."""
    settings = {"alpha": 1e-4, "beta": 0.75, "bias": 1.0} | _attributes(node)
    n = settings["size"]
    return architecture.LocalResponseNorm(
        name, k=settings["bias"], n=n, alpha=settings["alpha"] / n, beta=settings["beta"]
    )


def _activate(layers: list[Layer], function: str, name: str) -> None:
    """The activation goes to the layer before it, or stands alone where that has no weights."""
    last = layers[-1] if layers else None
    if getattr(last, "activation", "taken") is None:
        layers[-1] = replace(last, activation=function)
    else:
        layers.append(architecture.Activation(name, function))
