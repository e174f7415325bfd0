"""safetensors: a header in JSON, then plain arrays. Made to be safe, and read by its own library.

Three layouts are known: the layers' own names (`conv1/kernel`, ...), as `write` writes them;
the same in 8 bits; and torchvision's names (`features.0.weight`).
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from .. import architecture, files
from . import Tensor, WeightFile, WeightsError, damaged, quantization, torch_file


def write(
    path: Path,
    arrays: Mapping[str, tuple[np.ndarray, np.ndarray]],
    description: Mapping | None,
    class_names: Sequence[str],
    *,
    eight_bits: bool = False,
) -> None:
    """Writes kernels and biases under the names of their layers; the one writer of weights.

    Args:
        path: its folder is made if it is not there.
        arrays: layer → kernel and bias, float32.
        description: `variant`, `classes`, `fc_units` and `input_shape` of the network that they
            belong to; None where it is no variant.
        class_names: one for each output, or none.
        eight_bits: round the kernels; see `quantization`.
    """
    tensors = {}
    for layer, (kernel, bias) in arrays.items():
        if eight_bits:
            kernel, tensors[f"{layer}/scale"] = quantization.quantize(kernel)
        tensors[f"{layer}/kernel"], tensors[f"{layer}/bias"] = kernel, bias
    metadata = {}
    if description:
        metadata["description"] = json.dumps(description)
    if class_names:
        metadata["class_names"] = json.dumps(list(class_names), ensure_ascii=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(path, lambda unfinished: save_file(tensors, unfinished, metadata))


def read(path: Path) -> WeightFile:
    """Reads the header and looks at every tensor that it names.

    Raises:
        WeightsError: if the file is damaged, holds other numbers than float32, or is of none of the
            layouts.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            shapes = {name: tuple(part.get_shape()) for name, part in slices.items()}
            types = {name: part.get_dtype() for name, part in slices.items()}
    except SafetensorError as error:
        raise damaged(path, "safetensors", error) from error
    if any(name.endswith("/scale") for name in shapes):
        return _in_8_bits(path)
    for name, kind in types.items():
        if kind != "F32":
            raise WeightsError(
                f"{path} keeps {name} as {kind}, not as F32: weights that were rounded are not the "
                "published ones."
            )
    tensors = {name: Tensor(name, shape, _reader(path, name)) for name, shape in shapes.items()}
    if any("/" in name for name in tensors):
        return _own(path, tensors, metadata)
    found = torch_file.named(path, tensors)
    return WeightFile(
        path,
        "safetensors",
        "channels first",
        found,
        layers=torch_file.described(found),
        preprocessing="owt",
    )


def _reader(path: Path, name: str):
    def read_numbers():
        try:
            with safe_open(path, framework="numpy") as file:
                return file.get_tensor(name)
        except SafetensorError as error:
            raise damaged(path, "safetensors", error) from error

    return read_numbers


def _own(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> WeightFile:
    layers = sorted({name.rpartition("/")[0] for name in tensors}, key=_number)
    try:
        pairs = {layer: (tensors[f"{layer}/kernel"], tensors[f"{layer}/bias"]) for layer in layers}
        description = json.loads(metadata.get("description", "null"))
        class_names = json.loads(metadata.get("class_names", "null"))
    except KeyError as error:
        raise WeightsError(f"{path} has no tensor {error}.") from None
    except ValueError as error:
        raise damaged(path, "safetensors", f"its header says {error}") from error
    return _described(path, pairs, description, class_names)


def _in_8_bits(path: Path) -> WeightFile:
    try:
        arrays, description = quantization.read(path)
    except ValueError as error:
        raise WeightsError(str(error)) from error
    names = sorted({name.rpartition("/")[0] for name in arrays}, key=_number)

    def tensor(name):
        return Tensor(name, arrays[name].shape, lambda: arrays[name])

    pairs = {name: (tensor(f"{name}/kernel"), tensor(f"{name}/bias")) for name in names}
    return _described(path, pairs, description, description["class_names"])


def _described(path: Path, pairs, description, class_names) -> WeightFile:
    layers = preprocessing = None
    if description is not None:
        try:
            preprocessing = description["variant"]
            layers = architecture.describe(
                preprocessing,
                classes=description["classes"],
                fc_units=description["fc_units"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(path, "safetensors", f"its description says {error}") from error
        _expect_widths(path, pairs, description)
    return WeightFile(
        path,
        "safetensors",
        "channels last",
        pairs,
        layers=layers,
        preprocessing=preprocessing,
        class_names=tuple(map(str, class_names)) if class_names else None,
    )


def _expect_widths(path: Path, pairs, description) -> None:
    """What a few digits claim would otherwise be made before it is compared with the tensors."""
    for layer, claim in (("fc6", "fc_units"), ("fc7", "fc_units"), ("fc8", "classes")):
        if layer in pairs and pairs[layer][1].shape != (description[claim],):
            raise damaged(
                path,
                "safetensors",
                f"its description says {claim} {description[claim]}, and {layer}/bias is "
                f"{pairs[layer][1].shape}",
            )
    if missing := [layer for layer in ("fc6", "fc7", "fc8") if layer not in pairs]:
        raise damaged(path, "safetensors", f"it has no tensors of {missing[0]}")


def _number(layer: str) -> tuple[int, str]:
    """Sorts `conv1` to `fc8`, as the number in the name says."""
    digits = "".join(filter(str.isdecimal, layer))
    return int(digits or 0), layer
