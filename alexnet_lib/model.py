"""The description made a Keras model."""

from collections.abc import Sequence
from pathlib import Path

import keras
from keras import ops

from . import architecture
from .architecture import ILSVRC_MEAN
from .layers import GroupedConv2D, LocalResponseNormalization, MapResponseNormalization

# What torchvision's network was trained with, R, G, B, on the scale 0..1.
_TORCHVISION_MEAN = (0.485, 0.456, 0.406)
_TORCHVISION_DEVIATION = (0.229, 0.224, 0.225)


def AlexNet(
    weights: str | Path | None = None,
    classes: int = 1000,
    input_shape: tuple[int, int, int] = (227, 227, 3),
    include_top: bool = True,
    classifier_activation: str | None = "softmax",
    variant: str = "paper",
    fc_units: int = 4096,
    dropout: float = 0.5,
) -> keras.Model:
    """AlexNet (Krizhevsky, Sutskever, Hinton 2012), in the manner of `keras.applications`.

    The layers are named `conv1 norm1 pool1 conv2 norm2 pool2 conv3 conv4 conv5 pool5 fc6 fc7 fc8`;
    their initial values are those of section 5, drawn from Keras's random generator
    (`keras.utils.set_random_seed`).

    Args:
        weights: None for initial values; `"pocket"` for the weights that travel with this package
            (`alexnet_lib/weights/README.md`); `"bvlc"` or `"torchvision"` for published ones, which
            are fetched once and checked; or the path of a file that `pretrained.load` reads.
            Weights bring the `variant`, `classes` and `fc_units` that they were trained with.
        classes: how many classes `fc8` tells apart.
        input_shape: `(height, width, 3)`. The paper prints 224 where its arithmetic needs 227.
        include_top: False ends with `pool5`, output `(batch, 6, 6, 256)` at 227×227.
        classifier_activation: activation of `fc8`; None gives logits.
        variant: `"paper"`: two groups, LRN with k=2, n=5, α=1e-4, β=0.75.
            `"caffe"`: BVLC's replica: k=1, α=1e-4/5, biases from 0.1, pooling rounds up.
            `"one_tower"`: the paper's without groups.
            `"owt"`: torchvision's "one weird trick" network.
            `"original"`: the source released for the paper; made for 224×224.
        fc_units: width of `fc6` and `fc7`.
        dropout: the share of activities silenced after `fc6` and `fc7`.

    Returns:
        A functional model from images `(batch, height, width, 3)` that went through
        `preprocess_input` to probabilities `(batch, classes)`. Under a mixed-precision policy the
        probabilities are still float32.

    Raises:
        ValueError: if an argument is out of its range, the input is too small for the windows, or
            the weights are unsafe, damaged or do not fit.
        FileNotFoundError: if `weights` is neither a file nor a name.
        alexnet_lib.downloads.DownloadError: if published weights cannot be fetched.
    """
    file = None
    if weights is not None:
        # What reads weights loads only where there are some.
        from . import pretrained

        file = pretrained.read(weights)
        asked = {"variant": variant} | (
            {"classes": classes, "fc_units": fc_units} if include_top else {}
        )
        trained = _as_trained(weights, pretrained.options(file), asked)
        variant = trained["variant"]
        classes, fc_units = trained.get("classes", classes), trained.get("fc_units", fc_units)
    layers = architecture.describe(
        variant,
        classes=classes,
        fc_units=fc_units,
        dropout=dropout,
        include_top=include_top,
        classifier_activation=classifier_activation,
    )
    model = build(layers, input_shape, name=f"alexnet_{variant}")
    if file is not None:
        pretrained.fit(model, file)
    return model


def _as_trained(weights: str | Path, trained: dict, asked: dict) -> dict:
    """The settings that weights bring; an error where other ones were asked for."""
    # What was left at its default was not asked for.
    defaults = {"variant": "paper", "classes": 1000, "fc_units": 4096}
    for name, value in asked.items():
        if name in trained and value not in (defaults[name], trained[name]):
            raise ValueError(
                f"The weights {str(weights)!r} have {name}={trained[name]!r}; you asked for "
                f"{value!r}. For other classes give the trunk a new head, as alexnet_lib.transfer "
                "does, or take include_top=False."
            )
    return asked | trained


def build(
    layers: Sequence[architecture.Layer],
    input_shape: tuple[int, int, int] = (227, 227, 3),
    name: str = "alexnet",
) -> keras.Model:
    """Makes a functional Keras model of any sequence of layers of `alexnet_lib.architecture`.

    Change the description, build it, and you have another network:

    >>> from dataclasses import replace
    >>> wide = [replace(layer, filters=128) if layer.name == "conv1" else layer
    ...         for layer in architecture.PAPER]
    >>> build(wide).get_layer("conv1").output.shape
    (None, 55, 55, 128)

    Raises:
        ValueError: if the input is too small, or the groups do not divide the channels.
    """
    if len(input_shape) != 3:
        raise ValueError(f"input_shape is {input_shape!r}; it must be (height, width, channels).")
    records = architecture.trace_layers(layers, tuple(input_shape))
    tensor = inputs = keras.Input(input_shape, name="image")
    for layer, record in zip(layers, records, strict=True):
        for keras_layer in keras_layers(layer, record):
            tensor = keras_layer(tensor)
    return keras.Model(inputs, tensor, name=name)


def keras_layers(
    layer: architecture.Layer, record: architecture.LayerTrace
) -> list[keras.layers.Layer]:
    """The Keras layers that one layer of the description stands for: itself, after its padding."""
    match layer:
        case architecture.Convolution():
            keeps_size = layer.stride == 1 and 2 * layer.padding == layer.kernel - 1
            convolution = {
                "name": layer.name,
                "filters": layer.filters,
                "kernel_size": layer.kernel,
                "strides": layer.stride,
                "padding": "same" if keeps_size else "valid",
                "activation": layer.activation,
                **_initializers(layer, layer.weights_per_filter(record.input_shape)),
            }
            edges = [(layer.padding, layer.padding + hanging) for hanging in record.overhang]
            padding = [keras.layers.ZeroPadding2D(edges, name=f"{layer.name}_pad")]
            return (padding if not keeps_size and edges != [(0, 0), (0, 0)] else []) + [
                GroupedConv2D(groups=layer.groups, **convolution)
                if layer.groups > 1
                else keras.layers.Conv2D(**convolution)
            ]
        case architecture.LocalResponseNorm():
            return [
                LocalResponseNormalization(
                    depth_radius=layer.n // 2,
                    bias=layer.k,
                    alpha=layer.alpha,
                    beta=layer.beta,
                    groups=layer.groups,
                    name=layer.name,
                )
            ]
        case architecture.MapResponseNorm():
            return [
                MapResponseNormalization(
                    size=layer.size,
                    bias=layer.k,
                    alpha=layer.alpha,
                    beta=layer.beta,
                    name=layer.name,
                )
            ]
        case architecture.MaxPooling():
            return _poolings(layer, record)
        case architecture.Activation():
            return [keras.layers.Activation(layer.function, name=layer.name)]
        case architecture.Flatten():
            return [keras.layers.Flatten(name=layer.name)]
        case architecture.Dense():
            # Probabilities in half precision would be coarse: the last layer keeps the precision
            # of the variables, which under a mixed policy is float32.
            last = layer.activation != "relu"
            return [
                keras.layers.Dense(
                    layer.units,
                    activation=layer.activation,
                    name=layer.name,
                    dtype=keras.config.dtype_policy().variable_dtype if last else None,
                    **_initializers(layer, record.input_shape[0]),
                )
            ]
        case architecture.Dropout():
            return [keras.layers.Dropout(layer.rate, name=layer.name)]
        case _:
            raise TypeError(f"{layer!r} is not a layer of alexnet_lib.architecture.")


def _poolings(
    layer: architecture.MaxPooling, record: architecture.LayerTrace
) -> list[keras.layers.Layer]:
    """Windows that hang over the far edge are Keras's "same" where that adds nothing in front.

    Where they hang over along one side only, each side is pooled by itself: a maximum over a
    square is the maximum over its rows of the maximum over each row.
    """
    paddings = []
    for size, positions, overhang in zip(
        record.input_shape[:2], record.output_shape[:2], record.overhang, strict=True
    ):
        if overhang and (positions != -(-size // layer.stride) or overhang > 1):
            raise ValueError(
                f"{layer.name}: Keras has no {layer.kernel}×{layer.kernel} pooling with stride "
                f"{layer.stride} whose windows hang over the edge of a map of {size} by "
                f"{overhang}; use rounding='floor' or another input size."
            )
        paddings.append("same" if overhang else "valid")
    kernel, stride = layer.kernel, layer.stride
    rows, columns = paddings
    if rows == columns:
        return [keras.layers.MaxPooling2D(kernel, stride, rows, name=layer.name)]
    return [
        keras.layers.MaxPooling2D((kernel, 1), (stride, 1), rows, name=f"{layer.name}_rows"),
        keras.layers.MaxPooling2D((1, kernel), (1, stride), columns, name=layer.name),
    ]


def _initializers(layer: architecture.Convolution | architecture.Dense, fan_in: int) -> dict:
    """Initial values as the description gives them; see `architecture.Convolution`."""
    if layer.stddev is None:
        bound = fan_in**-0.5
        return {
            "kernel_initializer": keras.initializers.RandomUniform(-bound, bound),
            "bias_initializer": keras.initializers.RandomUniform(-bound, bound),
        }
    return {
        "kernel_initializer": keras.initializers.RandomNormal(stddev=layer.stddev),
        "bias_initializer": keras.initializers.Constant(layer.bias),
    }


def preprocess_input(images, variant: str = "paper"):
    """Makes pictures what the network takes.

    The paper's network, and Caffe's, take the difference to ImageNet's mean colour, on the scale
    0..255; torchvision's network takes standardized values.

    Args:
        images: RGB, 0..255, `(batch, height, width, 3)` or `(height, width, 3)`, any real dtype;
            NumPy arrays and tensors alike.
        variant: as for `AlexNet`.

    Returns:
        float32 of the same shape: `images - ILSVRC_MEAN`, or for `"owt"` `images / 255` less
        torchvision's mean, divided by its standard deviation.

    Raises:
        ValueError: if the last axis does not hold three colours, or the variant is unknown.
    """
    architecture.describe(variant)
    if len(images.shape) not in (3, 4) or images.shape[-1] != 3:
        raise ValueError(
            f"The images have shape {tuple(images.shape)}; they must be (batch, height, width, 3) "
            "or (height, width, 3), RGB."
        )
    images = ops.cast(images, "float32")
    if variant == "owt":
        mean = ops.convert_to_tensor(_TORCHVISION_MEAN)
        return (images / 255 - mean) / ops.convert_to_tensor(_TORCHVISION_DEVIATION)
    return images - ops.convert_to_tensor(ILSVRC_MEAN)
