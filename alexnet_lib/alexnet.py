"""`AlexNet()`: the network by name, with or without trained weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import keras

from . import architecture, pretrained
from .model import build


def AlexNet(
    weights: str | Path | None = None,
    *,
    classes: int | None = None,
    input_shape: tuple[int, int, int] | None = None,
    include_top: bool = True,
    pooling: Literal["avg", "max"] | None = None,
    input_tensor=None,
    classifier_activation: str | None = "softmax",
    variant: str | None = None,
    fc_units: int | None = None,
    dropout: float = 0.5,
    name: str | None = None,
) -> keras.Model:
    """AlexNet (Krizhevsky, Sutskever, Hinton 2012), in the manner of `keras.applications`.

    The layers are named `conv1 norm1 pool1 conv2 norm2 pool2 conv3 conv4 conv5 pool5 fc6 fc7 fc8`;
    their initial values are those of section 5, drawn from Keras's random generator
    (`keras.utils.set_random_seed`).

    Args:
        weights: None for initial values; `"pocket"` for the weights that travel with this package
            (`alexnet_lib/weights/README.md`); `"bvlc"` or `"torchvision"` for published ones,
            trained on ImageNet, which are fetched once and checked; or the path of a file that
            `pretrained.load_weights` reads.
        classes: how many classes `fc8` tells apart; None means the weights' own, else 1000.
        input_shape: `(height, width, 3)`; None means the variant's own size, 227 or 224 pixels a
            side. The paper prints 224 where its arithmetic needs 227.
        include_top: False ends with `pool5`, output `(batch, 6, 6, 256)` at 227×227.
        pooling: without the top, `"avg"` or `"max"` makes one number of each map: output
            `(batch, 256)`.
        input_tensor: a Keras tensor that the network takes in, in place of an input of its own.
        classifier_activation: activation of `fc8`; None gives logits.
        variant: `"paper"`: two groups, LRN with k=2, n=5, α=1e-4, β=0.75.
            `"caffe"`: BVLC's replica: k=1, α=1e-4/5, biases from 0.1, pooling rounds up.
            `"one_tower"`: the paper's without groups.
            `"owt"`: torchvision's "one weird trick" network.
            `"original"`: the source released for the paper; made for 224×224.
            None means the weights' own, else the paper's.
        fc_units: width of `fc6` and `fc7`; None means the weights' own, else 4096.
        dropout: the share of activations that are zeroed after `fc6` and `fc7`.
        name: of the model; by default `alexnet_` and the variant.

    Returns:
        A functional model from images `(batch, height, width, 3)` that went through
        `preprocess_input` to probabilities `(batch, classes)`. Under a mixed-precision policy the
        probabilities are still float32.

    Raises:
        ValueError: if an argument is out of its range or contradicts the weights, the input is too
            small for the windows, or the weights are unsafe, damaged or do not fit.
        FileNotFoundError: if `weights` is neither a file nor a name.
        alexnet_lib.data.downloads.DownloadError: if published weights cannot be fetched.
    """
    if weights is not None:
        file = pretrained.read(weights)
        own = pretrained.options(file)
        # A network that ends with `pool5` has neither classes nor dense layers.
        classes = _agreed("classes", classes, own if include_top else {}, weights)
        fc_units = _agreed("fc_units", fc_units, own if include_top else {}, weights)
        variant = _agreed("variant", variant, own, weights)
    variant = variant or "paper"
    layers = architecture.describe(
        variant,
        classes=1000 if classes is None else classes,
        fc_units=4096 if fc_units is None else fc_units,
        dropout=dropout,
        include_top=include_top,
        pooling=pooling,
        classifier_activation=classifier_activation,
    )
    model = build(layers, _input_shape(input_shape, input_tensor, variant), input_tensor, name)
    if weights is not None:
        pretrained.assign(model, file)
    return model


def _agreed(setting: str, asked, own: Mapping, weights: str | Path):
    """What was asked for, or the weights' own where it was left open; a contradiction is an error.

    Raises:
        ValueError: if both are there and differ.
    """
    if setting not in own or asked in (None, own[setting]):
        return own.get(setting, asked)
    raise ValueError(
        f"The weights {str(weights)!r} have {setting}={own[setting]!r}; you asked for {asked!r}. "
        f"Leave {setting} out to take the weights' own. For other classes give the trunk a new "
        "head, as alexnet_lib.transfer does, or take include_top=False."
    )


def _input_shape(input_shape, input_tensor, variant: str) -> tuple[int, int, int]:
    if input_tensor is not None:
        found = tuple(input_tensor.shape[1:])
        if input_shape is not None and tuple(input_shape) != found:
            raise ValueError(
                f"input_tensor has the shape {found} and input_shape is {tuple(input_shape)}; give "
                "one of them."
            )
        return found
    side = architecture.variant_named(variant).input_size
    return (side, side, 3) if input_shape is None else input_shape
