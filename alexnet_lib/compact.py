"""Weights in 8 bits: a quarter of the size, for a file that travels with the package.

A kernel becomes whole numbers from -127 to 127 and one scale an output channel, so that the largest
weight of each filter is exact and no weight is off by more than half a step. Biases stay float32.
The file is in the safetensors format: a header in JSON, then the numbers. Reading it runs no code.
"""

import json
from pathlib import Path

import keras
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from . import checkpoints

POCKET = Path(__file__).parent / "weights" / "pocket.safetensors"
"""The weights that this project trained; `weights/README.md` is their model card."""

LEVELS = 127


def quantize(kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rounds a kernel to 8 bits.

    Args:
        kernel: float32 `(..., output channels)`.

    Returns:
        int8 of the same shape, and float32 scales `(output channels,)`: their product is the
        kernel, but for half a scale.
    """
    scale = np.abs(kernel).max(tuple(range(kernel.ndim - 1))) / LEVELS
    scale = np.where(scale > 0, scale, 1).astype("float32")
    return np.round(kernel / scale).astype("int8"), scale


def write(model: keras.Model, path: str | Path, class_names: list[str]) -> None:
    """Writes the weights of an `AlexNet`, with the names of its classes.

    Args:
        model: as `AlexNet(...)` returns it; every layer with weights has a kernel and a bias.
        path: ends with `.safetensors`; its folder is made if it is not there.
        class_names: one for each output.
    """
    path = Path(path)
    tensors = {}
    for layer in model.layers:
        if layer.weights:
            kernel, bias = (keras.ops.convert_to_numpy(value) for value in layer.weights)
            tensors[f"{layer.name}/kernel"], tensors[f"{layer.name}/scale"] = quantize(kernel)
            tensors[f"{layer.name}/bias"] = bias.astype("float32")
    metadata = {
        "class_names": json.dumps(list(class_names), ensure_ascii=False),
        "description": json.dumps(
            {
                "variant": "paper",
                "classes": model.output_shape[-1],
                "fc_units": model.get_layer("fc7").units,
                "input_shape": list(model.input_shape[1:]),
            }
        ),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    checkpoints.write(path, lambda unfinished: save_file(tensors, unfinished, metadata))


def read(path: str | Path = POCKET) -> tuple[dict[str, np.ndarray], dict]:
    """Reads what `write` wrote.

    Returns:
        float32 arrays by name, `"conv1/kernel"`, `"conv1/bias"` and so on; and the description:
        `variant`, `classes`, `fc_units`, `input_shape`, `class_names`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged, or not one of these.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There are no weights at {str(path)!r}.")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        description = json.loads(metadata["description"])
        description["class_names"] = json.loads(metadata["class_names"])
        arrays = {}
        for name, values in tensors.items():
            layer, what = name.split("/")
            if what == "kernel":
                values = values.astype("float32") * tensors[f"{layer}/scale"]
            if what != "scale":
                arrays[name] = values
    except (SafetensorError, KeyError, ValueError) as error:
        raise ValueError(f"{path} holds no whole network in 8 bits: {error}") from error
    return arrays, description
