"""A model for other programs, or as a page, compared with itself before it is kept."""

import importlib.util
import json
import os
import shutil
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import safetensors.numpy
import tensorflow as tf

from . import files, transfer
from .architecture import Convolution, variant_named
from .formats import quantization
from .front_end import live_page
from .model import description
from .preprocessing import preprocess_layer
from .terminal import printable

FORMATS = {"savedmodel": ".savedmodel", "tflite": ".tflite", "onnx": ".onnx", "web": ".web"}
"""The formats, and how the names of what is written end."""

TOLERANCE = 1e-3
"""An export whose probabilities differ more than this from the model's is refused."""

_PICTURES = 8


@dataclass(frozen=True)
class Exported:
    """What `export` wrote."""

    path: Path
    labels: Path
    """One class name a line, in the order of the outputs."""
    difference: float
    """The largest difference of a probability from the model's."""


def export(model: keras.Model, to: str, path: str | Path) -> Exported:
    """Writes a model in another format, with a file of labels, and compares the two.

    The picture's way into the network is part of it: RGB, 0..255, float32 `(batch, side, side, 3)`
    go in, probabilities come out. All is computed in float32.

    Args:
        model: from pictures 0..255 to probabilities, with a `Preprocess` layer.
        to: `"savedmodel"`: TensorFlow's, a folder. `"tflite"`: for telephones and small computers
            (LiteRT). `"onnx"`: for ONNX Runtime and many others. `"web"`: a folder whose
            `index.html` runs the network in a browser, without a server and without a network; for
            networks of AlexNet's layers.
        path: where. A file that is there is replaced, a folder is not.

    Raises:
        ValueError: if the format is none of these, or what was written computes something else;
            then it is not kept.
        FileExistsError: if there is a folder at `path`.
        ImportError: if a package is missing; the message names it.
        files.DiskFullError: if there is no room.
    """
    if to not in FORMATS:
        raise ValueError(f"The format is {to!r}; it must be one of {', '.join(FORMATS)}.")
    path = Path(path)
    if path.is_dir():
        raise FileExistsError(f"{path} is a folder; remove it, or give another name.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {str(path.parent)!r} for {path.name}.")
    names = [printable(name) for name in preprocess_layer(model).class_names]
    model = transfer.in_float32(model)
    pictures = _pictures(model.input_shape[1])
    # Keras exports to ONNX only what has been called.
    expected = model(pictures, training=False).numpy()
    with tempfile.TemporaryDirectory(prefix=files.UNFINISHED, dir=path.parent) as folder:
        unfinished = Path(folder, f"model{FORMATS[to]}")
        with warnings.catch_warnings():
            # Of the packages that write the formats, about their own future.
            warnings.simplefilter("ignore")
            outputs = _WRITERS[to](model, unfinished, names, pictures, path.stem)
        difference = float(np.abs(outputs - expected).max())
        if not difference <= TOLERANCE:
            raise ValueError(
                f"The model as {to} differs by up to {difference:.2g} in a probability, more than "
                f"{TOLERANCE:g}. It was not kept."
            )
        labels = path.with_name(f"{path.name}.labels.txt")
        files.write_text(labels, "".join(f"{name}\n" for name in names))
        os.replace(unfinished, path)
    return Exported(path, labels, difference)


def _pictures(side: int) -> np.ndarray:
    """Pictures with coarse and fine detail: float32 `(8, side, side, 3)`, 0..255."""
    random = np.random.default_rng(0)
    coarse = random.uniform(0, 255, (_PICTURES, 6, 6, 3))
    smooth = tf.image.resize(coarse, (side, side), "bicubic").numpy()
    fine = random.normal(0, np.linspace(0, 40, _PICTURES)[:, None, None, None], smooth.shape)
    return (smooth + fine).clip(0, 255).astype("float32")


def _savedmodel(model: keras.Model, path: Path, names, pictures, title) -> np.ndarray:
    model.export(path, format="tf_saved_model", verbose=False)
    # A name keeps its variables alive until they are used.
    loaded = tf.saved_model.load(path)
    return loaded.serve(pictures).numpy()


def _tflite(model: keras.Model, path: Path, names, pictures, title) -> np.ndarray:
    saved = path.with_suffix("")
    model.export(saved, format="tf_saved_model", verbose=False)
    contents = tf.lite.TFLiteConverter.from_saved_model(str(saved)).convert()
    shutil.rmtree(saved)
    files.write(path, lambda unfinished: unfinished.write_bytes(contents), len(contents))
    if importlib.util.find_spec("ai_edge_litert"):
        from ai_edge_litert.interpreter import Interpreter
    else:
        Interpreter = tf.lite.Interpreter
    runner = Interpreter(model_path=str(path)).get_signature_runner()
    (name,) = runner.get_input_details()
    (outputs,) = runner(**{name: pictures}).values()
    return outputs


def _onnx(model: keras.Model, path: Path, names, pictures, title) -> np.ndarray:
    for package in ("tf2onnx", "onnxruntime"):
        if not importlib.util.find_spec(package):
            raise ImportError(
                "Writing ONNX takes the packages tf2onnx and onnxruntime, and "
                f"{package} is not installed: pip install tf2onnx onnxruntime."
            )
    import onnx
    import onnxruntime

    model.export(path, format="onnx", verbose=False)
    described = onnx.load_model_from_string(Path(path).read_bytes())
    onnx.helper.set_model_props(described, {"class_names": json.dumps(names)})
    onnx.save(described, path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: pictures})[0]


def _web(model: keras.Model, path: Path, names, pictures, title) -> np.ndarray:
    try:
        described = description(model)
    except ValueError as error:
        raise ValueError(
            f"A page runs networks of AlexNet's layers, and this is none: {error} Export it as "
            "tflite, onnx or savedmodel."
        ) from error
    rows, columns, channels = described.input_shape
    first = described.layers[0]
    if not isinstance(first, Convolution) or rows != columns or channels != 3:
        raise ValueError(
            f"A page runs networks that begin with a convolution of square RGB pictures; this one "
            f"begins with {first.name} of {rows}×{columns}×{channels}."
        )
    preprocess = preprocess_layer(model)
    constants = variant_named(preprocess.variant)
    tensors = {}
    for layer in described.layers:
        keras_layer = model.get_layer(layer.name)
        if not keras_layer.weights:
            continue
        kernel, bias = keras_layer.get_weights()
        if layer is first:
            # The page subtracts the mean colour and nothing else.
            kernel = kernel * (preprocess.scale / np.array(constants.deviation))[:, None]
        # As the page reads 8 bits: in steps of a scale, but here with the fractions of a step.
        scale = quantization.scales(kernel)
        tensors[f"{layer.name}/kernel"] = (kernel / scale).astype("float32")
        tensors[f"{layer.name}/scale"], tensors[f"{layer.name}/bias"] = scale, bias
    network = live_page.describe(described.layers, described.input_shape, constants.mean)
    places = live_page.fields(described.layers, described.input_shape)
    path.mkdir()
    live_page.write_page(path, title, network, places, names, safetensors.numpy.save(tensors))
    try:
        return live_page.probabilities(path, network, pictures)
    except ValueError as error:
        raise ValueError(f"The page cannot run this network: {error}. It was not kept.") from error


_WRITERS = {"savedmodel": _savedmodel, "tflite": _tflite, "onnx": _onnx, "web": _web}
