"""Weights in 8 bits: a quarter of the size, for a file that travels with the package.

A kernel becomes whole numbers from -127 to 127 and one scale for each output channel, so that the
largest weight of each filter is exact and no weight is off by more than half a step. Biases stay
float32.
"""

import json
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

LEVELS = 127


def quantize(kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rounds a kernel to 8 bits.

    Args:
        kernel: float32 `(..., output channels)`.

    Returns:
        int8 of the same shape, and float32 scales `(output channels,)`: their product is the
        kernel, but for half a scale.
    """
    scale = scales(kernel)
    return np.round(kernel / scale).astype("int8"), scale


def scales(kernel: np.ndarray) -> np.ndarray:
    """The step of each output channel: the largest weight is 127 of them. float32."""
    scale = np.abs(kernel).max(tuple(range(kernel.ndim - 1))) / LEVELS
    return np.where(scale > 0, scale, 1).astype("float32")


def read(path: str | Path) -> tuple[dict[str, np.ndarray], dict]:
    """Reads what `safetensors_file.write` wrote with `eight_bits`.

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
