"""The two towers of section 3.2: what each card holds, what crosses between them, both at work.

    for half in halves("original"):
        print(half.name, half.parameters, half.received)

    network = Towers(AlexNet(), devices=("GPU:0", "GPU:1"))
    probabilities = network(images)

A layer is cut through the middle: the first card has the first half of its channels or units, the
second card the second. Whether a half needs what the other card holds follows from the description:
a convolution in two groups does not, nor does a pooling; a convolution in one group does, a fully
connected layer does, and so does a normalization whose window slides over the seam.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from .. import architecture
from ..layers import GroupedConv2D, LocalResponseNormalization


@dataclass(frozen=True)
class Half:
    """What one of two cards has to do with a layer, for one image. All numbers are exact."""

    name: str
    kind: str
    output_shape: architecture.Shape
    """What this card computes."""
    parameters: int
    macs: int
    received: int
    """Numbers that come from the other card on the way forwards; on the way back, as many
    gradients go the other way."""

    @property
    def units(self) -> int:
        """Numbers that leave this half of the layer."""
        return prod(self.output_shape)


def halves(variant: str = "paper", input_size: int | None = None, **options) -> list[Half]:
    """The layers of a variant as one of two cards has them; the other card has the same.

    `fc8` is halved like the others, and the 500 scores that each card has of 1,000 are brought
    together by whoever wants the probabilities; the paper does not say where that happens.

    Args:
        variant, input_size, **options: as for `architecture.trace`; the size is by default the one
            that the variant was made for.

    Raises:
        ValueError: if the variant is unknown, or a layer has an odd number of channels.
    """
    size = input_size or architecture.variant_named(variant).input_size
    layers = architecture.describe(variant, **options)
    return [
        _half(layer, record)
        for layer, record in zip(
            layers, architecture.trace_layers(layers, (size, size, 3)), strict=True
        )
    ]


def _half(layer: architecture.Layer, record: architecture.LayerTrace) -> Half:
    *rest, channels = record.output_shape
    if channels % 2 or record.parameters % 2 or record.macs % 2:
        raise ValueError(f"{layer.name} has {channels} channels, which two cards cannot share.")
    return Half(
        name=layer.name,
        kind=layer.kind,
        output_shape=(*rest, channels // 2),
        parameters=record.parameters // 2,
        macs=record.macs // 2,
        received=_received(layer, record),
    )


def _received(layer: architecture.Layer, record: architecture.LayerTrace) -> int:
    """Numbers of its input that a half of the layer needs and the other card has."""
    *positions, channels = record.input_shape
    match layer:
        case architecture.Convolution(groups=1) if channels != 3:  # both cards have the picture
            return prod(positions) * channels // 2
        case architecture.Dense():
            return channels // 2
        case architecture.LocalResponseNorm(groups=1):
            return prod(positions) * (layer.n // 2)
        case _:
            return 0


class Towers:
    """A network on two devices, each with half of every layer, as it was trained in 2012.

    It answers as the model does that it was made of. After a call, `placement` says which half was
    computed where, and `received` what was copied from device to device. It is an eager program
    that does one half after the other: it shows *where* things happen, and saves no time. Gradients
    flow through it (`tf.GradientTape`), back over the same copies. Dropout is off.

    Args:
        model: what `AlexNet` returns, with an even number of channels or units in each layer; only
            the number of classes may be odd.
        devices: two names, as `tf.device` takes them.

    Raises:
        ValueError: if there are not two devices, TensorFlow has no such device, or a layer cannot
            be halved.
    """

    def __init__(self, model: keras.Model, devices: Sequence[str] = ("GPU:0", "GPU:1")):
        there = [
            device.name.removeprefix("/device:") for device in tf.config.list_logical_devices()
        ]
        if len(devices) != 2 or any(device not in there for device in devices):
            raise ValueError(
                f"Two towers need two devices. You gave {', '.join(devices)}; TensorFlow has "
                f"{', '.join(there)}. One processor can be divided before TensorFlow starts: "
                "tf.config.set_logical_device_configuration."
            )
        self.devices = tuple(devices)
        self.layers = [layer for layer in model.layers if layer.name != model.layers[0].name]
        self.halves = {
            layer.name: [
                self._on(tower, _halved, layer, tower, layer is self.layers[-1]) for tower in (0, 1)
            ]
            for layer in self.layers
        }
        self.placement: dict[str, tuple[str, str]] = {}
        """Layer → the devices on which its two halves were computed."""
        self.received: dict[str, int] = {}
        """Layer → numbers an image that each device got from the other."""

    def __call__(self, images) -> tf.Tensor:
        """Probabilities `(batch, classes)` for images `(batch, height, width, 3)`."""
        parts = [self._on(tower, tf.identity, images) for tower in (0, 1)]
        both_see_all = True  # of the picture, until a layer is divided
        for layer in self.layers:
            exchanges = _mixes(layer) and not both_see_all
            own, others = parts, [None, None]
            if exchanges:
                others = _needed_of_other(layer, *own)
                self.received[layer.name] = prod(others[0].shape[1:])
            parts = [
                self._on(tower, _with_other, self.halves[layer.name][tower], tower, *tensors)
                for tower, tensors in enumerate(zip(own, others, strict=True))
            ]
            self.placement[layer.name] = tuple(_device(part) for part in parts)
            both_see_all = both_see_all and not layer.weights
        whole = self._on(0, _beside, *parts)
        last = self.layers[-1]
        return (
            self._on(0, last.activation, whole) if isinstance(last, keras.layers.Dense) else whole
        )

    def _on(self, tower: int, function, *arguments):
        with tf.device(self.devices[tower]):
            return function(*arguments)


def _halved(layer: keras.layers.Layer, tower: int, is_last: bool) -> keras.layers.Layer:
    """A copy of a layer with half of its weights, on the device that is current."""
    config = layer.get_config() | {"name": f"{layer.name}_{tower + 1}"}
    kind = keras.layers.Conv2D if isinstance(layer, GroupedConv2D) else type(layer)
    if "groups" in config:
        config["groups"] = 1  # a tower is a group
    for width in {"filters", "units"} & config.keys():
        if config[width] % 2 and not is_last:
            raise ValueError(f"{layer.name} has {config[width]} {width}; two cards need halves.")
        first = -(-config[width] // 2)  # of an odd number of classes, one more
        config[width] = (first, config[width] - first)[tower]
    if is_last and "activation" in config:
        config["activation"] = None  # softmax needs the scores of both towers
    half = kind.from_config(config)
    if layer.weights:
        kernel, bias = (np.asarray(weight) for weight in layer.weights)
        kernel = kernel[_tower_by_tower(layer)] if kernel.ndim == 2 else kernel
        half.build((*[None] * (kernel.ndim - 1), kernel.shape[-2]))
        half.set_weights([np.split(weight, [first], axis=-1)[tower] for weight in (kernel, bias)])
    return half


def _tower_by_tower(layer: keras.layers.Dense) -> np.ndarray:
    """The order of a dense layer's inputs where each tower has flattened its own maps.

    One flattened map after the other would alternate between the towers at every position.
    """
    shape = layer.input.shape[1:]
    flatten = layer.input._keras_history.operation
    if isinstance(flatten, keras.layers.Flatten):
        shape = flatten.input.shape[1:]
    places = np.arange(prod(shape)).reshape(shape)
    return np.concatenate([half.ravel() for half in np.split(places, 2, axis=-1)])


def _mixes(layer: keras.layers.Layer) -> bool:
    """Whether half of a layer needs what the other tower has."""
    if isinstance(layer, keras.layers.Conv2D | LocalResponseNormalization):
        return layer.groups == 1
    return isinstance(layer, keras.layers.Dense)


def _needed_of_other(layer, first, second) -> tuple:
    """What the first tower needs of the second, and the second of the first."""
    if isinstance(layer, LocalResponseNormalization):
        return second[..., : layer.depth_radius], first[..., -layer.depth_radius :]
    return second, first


def _with_other(layer, tower: int, own, other):
    """The output of half a layer, on the current device; `other` is copied here if need be."""
    if other is None:
        return layer(own)
    outputs = layer(_beside(own, other) if tower == 0 else _beside(other, own))
    if layer.weights:
        return outputs
    # A normalization has made as many channels as it was given: those of the tower stay.
    channels = own.shape[-1]
    return outputs[..., :channels] if tower == 0 else outputs[..., -channels:]


def _beside(*parts):
    return ops.concatenate(parts, axis=-1)


def _device(tensor) -> str:
    return tensor.device.rpartition("device:")[2]


def connections(model: keras.Model, layer: str, maps: np.ndarray) -> np.ndarray:
    """How much each map of a layer depends on each map of its input, measured by gradients.

    Taken before the activation function, in the unit at the middle of each map, so that a ReLU
    that happens to be off does not hide a connection.

    Args:
        model: what `AlexNet` returns.
        layer: a convolution with stride 1 or a normalization across channels, by name.
        maps: one input of that layer, `(rows, columns, channels)`.

    Returns:
        float32 `(maps of the layer, maps of its input)`: absolute gradients, summed over the
        positions of the window; exactly 0 where no path leads.

    Raises:
        ValueError: if there is no such layer, or it is of another kind.
    """
    kinds = (keras.layers.Conv2D, LocalResponseNormalization)
    found = [one for one in model.layers if one.name == layer and isinstance(one, kinds)]
    if not found:
        raise ValueError(f"{layer!r} is no convolution and no normalization of {model.name}.")
    linear = _linear(found[0])
    side = getattr(linear, "kernel_size", (1, 1))[0]
    rows, columns = (middle // 2 - side // 2 for middle in maps.shape[:2])
    window = tf.constant(maps[None, rows : rows + side, columns : columns + side])
    with tf.GradientTape() as tape:
        tape.watch(window)
        unit = linear(window)[0, side // 2, side // 2]
    return np.abs(tape.jacobian(unit, window)[:, 0]).sum(axis=(1, 2))


def _linear(layer: keras.layers.Layer) -> keras.layers.Layer:
    """The layer without its activation function."""
    if not hasattr(layer, "activation"):
        return layer
    linear = type(layer).from_config(layer.get_config() | {"activation": None})
    linear.build(layer.input.shape)
    linear.set_weights(layer.get_weights())
    return linear
