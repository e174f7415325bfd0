"""Published weights: fetched and checked, read without trust, and put into a model exactly.

    model = AlexNet(weights="bvlc")          # BVLC's AlexNet: the paper's architecture
    model = AlexNet(weights="torchvision")   # torchvision's, after "One weird trick"
    pretrained.load_weights(model, "bvlcalexnet-12.onnx")

Is an import right? BVLC publishes 57.1 % top-1 and 80.2 % top-5 on the 50,000 validation pictures
of ILSVRC-2012, centre crop. `alexnet evaluate --weights bvlc --data DIR` prints what you get:

| top-1 | what it means |
|---|---|
| 55.9 to 57.1 % | a right import; how the picture was resized makes the difference |
| 54.8 % | pictures of 224×224 where the network was trained on 227×227 |
| about 50 % | response normalization with other constants, or red and blue exchanged |
| 0.1 % | the layers are in place, but the inputs of `fc6` or the classes are in another order |
"""

import difflib
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from math import prod
from pathlib import Path

import keras
import numpy as np
from rich.console import Console

from . import architecture, formats
from . import calibration as calibrations
from .architecture import variant_of
from .calibration import Calibration
from .data import downloads
from .data.downloads import Remote
from .formats import Tensor, WeightFile, WeightsError, safetensors_file
from .labels import imagenet_classes
from .model import description
from .preprocessing import Preprocess

POCKET = Path(__file__).parent / "weights" / "pocket.safetensors"
"""The weights that this project trained; `weights/README.md` is their model card."""


@dataclass(frozen=True)
class Published:
    """Weights with a name."""

    title: str
    licence: str
    source: str
    """Where they are described."""
    top1: float
    """Percent of ILSVRC-2012's validation pictures, centre crop, as published."""
    top5: float
    input_size: int
    """Pixels a side, as in training."""
    remote: Remote


PUBLISHED = {
    "bvlc": Published(
        title="BVLC's AlexNet",
        licence="BSD-3-Clause; the weights are released for unrestricted use",
        source="https://github.com/BVLC/caffe/tree/master/models/bvlc_alexnet",
        top1=57.1,
        top5=80.2,
        input_size=227,
        remote=Remote(
            "https://huggingface.co/onnxmodelzoo/legacy_models/resolve/main/validated/vision/"
            "classification/alexnet/model/bvlcalexnet-12.onnx",
            "6b0da9510f27f234ee96a85dc3809dd210150fdefad87f6850f9788513216945",
            243_863_787,
            mirrors=(
                "https://huggingface.co/onnxmodelzoo/bvlcalexnet-12/resolve/main/"
                "bvlcalexnet-12.onnx",
                "https://media.githubusercontent.com/media/onnx/models/main/validated/vision/"
                "classification/alexnet/model/bvlcalexnet-12.onnx",
            ),
        ),
    ),
    "torchvision": Published(
        title="torchvision's AlexNet",
        licence="BSD-3-Clause",
        source="https://pytorch.org/vision/stable/models/alexnet.html",
        top1=56.522,
        top5=79.066,
        input_size=224,
        remote=Remote(
            "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
            "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
            244_408_911,
        ),
    ),
}

NAMES = (*PUBLISHED, "pocket")
"""What `AlexNet(weights=...)` and `load_weights` take beside paths.

`"pocket"` travels with the package."""


def load_weights(model: keras.Model, source: str | Path) -> None:
    """Puts weights from a file, or published ones, into a model: all of them or none.

    The file has to hold this very network. Every tensor's place, shape and type is checked, and
    that its numbers are finite, before the first is assigned. Where the format says what the
    network is (ONNX; PyTorch by its names; our own safetensors), the order of the layers, strides,
    groups and the constants of response normalization have to be the model's; a `.weights.h5`
    says shapes alone. A model that ends earlier than the file, at `pool5` say, takes what it has.

    What a file stores in another order is put right: BVLC's `conv1` takes blue, green, red and is
    turned round for RGB; `fc6` takes the maps channel by channel and is reordered for Keras.

    Rounding at the edges is the model's own. At 227×227 the ONNX file and the variant `"caffe"`
    agree; at 224×224 the file's first two poolings round down, Caffe's up. `describe` gives the
    network as the file has it.

    Args:
        model: as `AlexNet` or `build` returns it; also with a `Preprocess` layer in front.
        source: the path of a `.onnx`, `.pth`, `.safetensors` or `.weights.h5` file, or one of
            `NAMES`. Published weights are fetched into `ALEXNET_HOME` first, once.

    Raises:
        FileNotFoundError: if there is no such file, nor a published name.
        WeightsError: a ValueError: if the file is unsafe, damaged or does not fit. The model is
            unchanged, and the message names the tensor and both shapes.
        downloads.DownloadError: if published weights cannot be fetched.
    """
    assign(model, read(source))


def read(source: str | Path) -> WeightFile:
    """Opens the weights of a file, or published ones.

    Arguments and errors as for `load_weights`.
    """
    if str(source) == "imagenet":
        raise ValueError(
            "Two networks here are trained on ImageNet: 'bvlc', the paper's architecture, and "
            "'torchvision'. Take one of these names in place of 'imagenet'."
        )
    if str(source) == "pocket":
        return formats.read(POCKET)
    if str(source) in PUBLISHED:
        return formats.read(fetch(str(source)))
    path = Path(source)
    # Not path.exists: a name that no file can have makes that raise.
    if not os.path.exists(path):
        close = difflib.get_close_matches(str(source), NAMES, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise FileNotFoundError(
            f"There are no weights at {str(source)!r}; give the path of a file that ends with "
            f".onnx, .pth, .safetensors or .weights.h5, or one of the names {', '.join(NAMES)}."
            f"{hint}"
        )
    return formats.read(path)


def fetch(name: str) -> Path:
    """Downloads published weights into `ALEXNET_HOME`, unless they are there, and checks them.

    Says before it begins what comes from where, under which licence, with which SHA-256.

    Args:
        name: one of `PUBLISHED`.

    Raises:
        downloads.DownloadError: if no host sends the file.
    """
    published = PUBLISHED[name]
    remote = published.remote
    if not downloads.held(remote):
        # On stderr: what a command prints on stdout is its result.
        Console(file=sys.stderr, highlight=False, soft_wrap=True, markup=False).print(
            f"{published.title} ({published.source}), licence: {published.licence}.\n"
            f"Fetching {remote.url}: {remote.size / 1e6:,.0f} MB, SHA-256 {remote.sha256}."
        )
    return downloads.fetch(remote)


def assign(model: keras.Model, file: WeightFile) -> None:
    """Puts the weights of an opened file into a model. Errors as for `load_weights`."""
    _expect_network(model, file)
    places = _places(model, file)
    values = [_converted(model, file, *place) for place in places]
    for (_, layer, _), (kernel, bias) in zip(places, values, strict=True):
        layer.kernel.assign(kernel)
        layer.bias.assign(bias)


def options(file: WeightFile) -> dict:
    """What `AlexNet` has to be called with for a file's weights to fit; empty where it is open.

    Returns:
        `variant`, where the network is one of ours, `classes` and `fc_units`.
    """
    if file.layers is None:
        return {}
    units = {layer.name: layer.units for layer in file.layers if hasattr(layer, "units")}
    known = {"variant": variant_of(file.layers), "classes": units.get("fc8")}
    known["fc_units"] = units.get("fc6")
    return {name: value for name, value in known.items() if value is not None}


def describe(source: str | Path) -> tuple[architecture.Layer, ...]:
    """The network that a file's weights belong to, for `alexnet_lib.model.build`.

        model = build(pretrained.describe("caffenet-12.onnx"))
        pretrained.load_weights(model, "caffenet-12.onnx")

    Raises:
        WeightsError: if the file does not say; and as for `load_weights`.
    """
    file = read(source)
    if file.layers is None:
        raise WeightsError(
            f"{file.path} does not say what network its weights belong to; an ONNX file does."
        )
    return tuple(file.layers)


def save(
    model: keras.Model,
    path: str | Path,
    class_names: Sequence[str] = (),
    *,
    eight_bits: bool = False,
) -> None:
    """Writes weights as safetensors, which any program can read and none runs.

    The file says which variant they belong to, where the model is one, and the classes' names.

    Args:
        model: as `AlexNet` returns it; also with a `Preprocess` layer in front, whose class names
            are then taken.
        path: ends with `.safetensors`; its folder is made if it is not there.
        class_names: one for each output, or none.
        eight_bits: round the kernels to 8 bits, for a file of a quarter of the size.

    Raises:
        ValueError: if the path ends otherwise, or the names are not one for each output.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"The path {str(path)!r} must end with .safetensors.")
    preprocess = _preprocess(model)
    # A string has letters, which nobody means by classes.
    class_names = [class_names] if isinstance(class_names, str) else list(class_names)
    names = class_names or (preprocess.class_names if preprocess else [])
    if names and len(names) != model.output_shape[-1]:
        raise ValueError(f"The model has {model.output_shape[-1]} outputs, and {len(names)} names.")
    arrays = {layer.name: (_array(layer.kernel), _array(layer.bias)) for layer in _learners(model)}
    safetensors_file.write(path, arrays, _header(model), names, eight_bits=eight_bits)


def _array(variable: keras.Variable) -> np.ndarray:
    return np.ascontiguousarray(keras.ops.convert_to_numpy(variable), "float32")


def _header(model: keras.Model) -> dict | None:
    """The variant that a model is, and its widths, for the header of a file."""
    described = description(model)
    dense = (layer for layer in described.layers if isinstance(layer, architecture.Dense))
    widths = {layer.name: layer.units for layer in dense}
    if described.variant is None or not widths:
        return None
    return {
        "variant": described.variant,
        "classes": widths["fc8"],
        "fc_units": widths["fc6"],
        "input_shape": list(described.input_shape),
    }


def _preprocess(model: keras.Model) -> Preprocess | None:
    return next((layer for layer in model.layers if isinstance(layer, Preprocess)), None)


def _learners(model: keras.Model) -> list[keras.layers.Layer]:
    return [layer for layer in model.layers if layer.weights]


# What layers may differ in without computing anything else, or what the shapes say already.
_IMMATERIAL = {"name", "filters", "units", "stddev", "bias", "rounding", "rate"}


def _computing(layers: Sequence[architecture.Layer]) -> list[architecture.Layer]:
    """The layers that do something to a picture when the network does not train."""
    return [layer for layer in layers if layer.kind not in ("dropout", "global pooling")]


def _expect_network(model: keras.Model, file: WeightFile) -> None:
    """Compares the network that the file describes with the model, layer by layer."""
    _expect_preprocessing(_preprocess(model), file)
    if file.layers is None:
        return
    try:
        described = description(model)
        architecture.trace_layers(file.layers, described.input_shape)
    except (ValueError, TypeError) as error:
        raise WeightsError(f"{file.path} holds a network that cannot be: {error}") from error
    ours, theirs = _computing(described.layers), _computing(file.layers)
    for number, (mine, other) in enumerate(zip_longest(ours, theirs)):
        if mine is None:
            # The model ends earlier: it takes what it has.
            return
        last = number == len(ours) - 1
        difference = _difference(mine, other, ignore_activation=last)
        if difference:
            raise WeightsError(
                f"{_name_of(file)} does not fit the model {model.name!r}: {difference}. "
                f"{_advice(file)} Nothing was changed."
            )


def _expect_preprocessing(preprocess: keras.layers.Layer | None, file: WeightFile) -> None:
    if preprocess is None or file.preprocessing is None:
        return
    wanted = file.preprocessing == "owt"
    if (preprocess.variant == "owt") != wanted or preprocess.scale != 1:
        raise WeightsError(
            f"{_name_of(file)} was trained on preprocess_input(images, {file.preprocessing!r}); "
            f"the model's Preprocess layer gives that of {preprocess.variant!r} times "
            f"{preprocess.scale:.4g}. Build the model with Preprocess(variant="
            f"{file.preprocessing!r}, scale=1)."
        )


def _difference(
    mine: architecture.Layer, other: architecture.Layer | None, ignore_activation: bool
) -> str:
    if other is None:
        return f"the file ends before {mine.name}"
    if mine.kind != other.kind:
        return (
            f"where the model has {mine.name} ({mine.kind}), the file has {other.name} "
            f"({other.kind})"
        )
    immaterial = _IMMATERIAL | ({"activation"} if ignore_activation else set())
    if mine.kind == "convolution":
        # The shapes of its weights say it, and their error says more.
        immaterial = immaterial | {"kernel"}
    for key, ours in vars(mine).items():
        theirs = getattr(other, key)
        if key not in immaterial and not architecture.same(ours, theirs):
            return f"{mine.name} has {key}={_short(ours)}, the file's {other.name} {_short(theirs)}"
    return ""


def _short(value) -> str:
    return f"{value:.6g}" if isinstance(value, float) else repr(value)


def _name_of(file: WeightFile) -> str:
    if file.layers is None:
        return f"{file.path}"
    ours, caffenet = _computing(file.layers), _computing(architecture.CAFFENET)
    if len(ours) == len(caffenet) and not any(
        map(_difference, ours, caffenet, [False] * len(ours))
    ):
        return f"{file.path} is CaffeNet, which pools before it normalizes, and"
    if variant := variant_of(file.layers):
        return f"{file.path} is AlexNet in the variant {variant!r}, and"
    return f"{file.path}"


def _advice(file: WeightFile) -> str:
    if file.layers is not None and (variant := variant_of(file.layers)):
        return f"Build the model with AlexNet(variant={variant!r})."
    return "Build the file's own network with build(pretrained.describe(path))."


def _places(model: keras.Model, file: WeightFile) -> list[tuple[str, keras.layers.Layer, tuple]]:
    """The file's name of each layer, the model's layer, and its tensors. Checks every shape."""
    places, left = [], dict(file.tensors)
    for name, layer in _file_names(model, file):
        if name not in left:
            raise WeightsError(
                f"{file.path} has no weights for {layer.name} ({name}); it has those of "
                f"{', '.join(file.tensors) or 'no layer'}. Nothing was changed."
            )
        tensors = left.pop(name)
        for part, tensor in zip((layer.kernel, layer.bias), tensors, strict=True):
            wanted = _stored_shape(tuple(part.shape), file.layout)
            if tensor.shape != wanted:
                raise WeightsError(
                    f"{file.path}: {tensor.name} has the shape {tensor.shape}, and "
                    f"{layer.name}/{part.name} of the model {model.name!r} takes {wanted}"
                    f"{_why(layer, part)}. Nothing was changed."
                )
        places.append((name, layer, tensors))
    if surplus := _surplus(file, left, [name for name, _, _ in places]):
        raise WeightsError(
            f"{file.path} has weights for {surplus}, which the model {model.name!r} has not. "
            "Nothing was changed."
        )
    return places


def _surplus(file: WeightFile, left: Iterable[str], taken: Sequence[str]) -> str | None:
    """A layer that the file has and the model lacks, though the model does not end before it."""
    if file.format == "Keras":
        # Layers stand there by class, not in order: where the model ends cannot be told.
        return next((name for name in left if not name.startswith("dense")), None)
    order = list(file.tensors)
    last = max(map(order.index, taken), default=-1)
    return next((name for name in left if order.index(name) < last), None)


def _file_names(model: keras.Model, file: WeightFile):
    """Each layer that learns, and the name that the file has for it."""
    counts: dict[str, int] = {}
    for layer in _learners(model):
        kind = {"Conv2D": "conv2d", "GroupedConv2D": "grouped_conv2d", "Dense": "dense"}.get(
            type(layer).__name__
        )
        if kind is None:
            raise WeightsError(
                f"The model {model.name!r} has {layer.name}, a {type(layer).__name__}; weights are "
                "put into convolutions and dense layers only."
            )
        if file.format != "Keras":
            yield layer.name, layer
            continue
        # Keras counts the layers of each class.
        number = counts.get(kind, 0)
        counts[kind] = number + 1
        yield (f"{kind}_{number}" if number else kind), layer


def _stored_shape(shape: tuple[int, ...], layout: formats.Layout) -> tuple[int, ...]:
    """A Keras shape as the file's layout has it."""
    if layout == "channels last" or len(shape) == 1:
        return shape
    if len(shape) == 4:
        rows, columns, channels, filters = shape
        return filters, channels, rows, columns
    return shape[::-1]


def _why(layer: keras.layers.Layer, part) -> str:
    if layer.name == "fc8":
        return " (another number of classes: leave the top out with include_top=False)"
    if layer.name == "fc6" and part is layer.kernel:
        return " (another size of the input, or of fc6, than in training)"
    return ""


def _converted(
    model: keras.Model, file: WeightFile, name: str, layer: keras.layers.Layer, tensors
) -> tuple[np.ndarray, np.ndarray]:
    """Kernel and bias as Keras has them."""
    kernel, bias = (_finite(file, tensor) for tensor in tensors)
    if file.layout == "channels last":
        return kernel, bias
    if kernel.ndim == 4:
        kernel = kernel.transpose(2, 3, 1, 0)
        return kernel[:, :, ::-1] if file.blue_first and name == "conv1" else kernel, bias
    maps = _maps_before(model, layer)
    if maps is not None:
        rows, columns, channels = maps
        kernel = kernel.reshape(-1, channels, rows, columns).transpose(0, 2, 3, 1)
    return kernel.reshape(len(kernel), -1).T, bias


def _maps_before(model: keras.Model, dense: keras.layers.Layer) -> tuple[int, int, int] | None:
    """The shape of the maps that the first dense layer sees as one vector."""
    maps = None
    for layer in model.layers:
        if isinstance(layer, keras.layers.Flatten):
            maps = tuple(layer.input.shape[1:])
        elif isinstance(layer, keras.layers.Dense):
            return maps if layer is dense else None
    return None


def _finite(file: WeightFile, tensor: Tensor) -> np.ndarray:
    values = tensor.read()
    if values.shape != tensor.shape or values.dtype != np.float32:
        raise formats.damaged(
            file.path, file.format, f"{tensor.name} {tensor.shape} came as {values.shape}"
        )
    if not np.isfinite(values).all():
        wrong = int(prod(values.shape) - np.isfinite(values).sum())
        raise WeightsError(
            f"{file.path}: {tensor.name} {tensor.shape} holds {wrong:,} numbers that are infinite "
            "or no number. Nothing was changed."
        )
    return values


def class_names(source: str | Path | keras.Model) -> tuple[str, ...]:
    """The names of the classes, in the order of the outputs.

    Args:
        source: a model with a `Preprocess` layer; one of `NAMES`; or a file of weights that
            carries names.

    Raises:
        ValueError: if the source has no class names; and as for `load`.
    """
    if isinstance(source, keras.Model):
        preprocess = _preprocess(source)
        names = tuple(preprocess.class_names) if preprocess else None
    elif str(source) in PUBLISHED:
        names = tuple(name for _, name in imagenet_classes())
    else:
        names = read(source).class_names
    if not names:
        what = source.name if isinstance(source, keras.Model) else source
        raise ValueError(f"{str(what)!r} has no class names.")
    return names


def calibration(source: str | Path) -> Calibration | None:
    """How often the network of a file of weights is right, by its probability.

    Measured by `results/weights_report.py`, with one crop, and kept in a small file beside the
    weights (`pocket.calibration.json`).

    Args:
        source: `"pocket"`, or the path of a file of weights or of a `.keras` file. Weights that
            others published have none.

    Returns:
        None if it was not measured.

    Raises:
        ValueError: if the file is damaged, or was measured with other weights.
    """
    if str(source) in PUBLISHED:
        return None
    return calibrations.read(POCKET if str(source) == "pocket" else Path(source))
