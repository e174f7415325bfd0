"""What networks cost: parameters and multiplications of any Keras model, counted without weights.

    model = abstract(keras.applications.ResNet152)
    print(census(model))

A model built by `abstract` has shapes and no numbers, so that hundreds of millions of parameters
take no memory. Beside those of `keras.applications` there are two networks here that Keras does not
have: `GoogLeNet` and `VisionTransformer`, with the sizes of its two largest (`VIT_L16`, `VIT_H14`).
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod

import keras
from keras import layers, ops

from ..layers import LocalResponseNormalization


@dataclass(frozen=True)
class Census:
    """One network, counted."""

    input_size: int
    """Pixels a side."""
    parameters: int
    """All numbers that the model keeps; the running means of batch normalization count, too."""
    macs: int
    """Multiply-accumulates for one image, of convolutions, dense layers and attention."""
    top_share: float
    """The share of the parameters that is behind the last map, where no grid is left."""
    first_window: str
    """Kernel and stride of the first convolution: "11×11/4"."""
    pooling: str
    """Windows and steps of the max poolings, in the order of their first use: "3/2"."""
    activation: str
    """The function that most layers use: "ReLU"."""
    normalization: str
    """The kinds of normalization, in the order of their first use: "LRN", "batch", "layer"."""
    groups: str
    """Convolutions in groups: their number, "depthwise" where each channel is one, or ""."""


def abstract(build: Callable[..., keras.Model], **options) -> keras.Model:
    """Builds a model whose variables have shapes but no values: it can be counted, not run.

    Args:
        build: makes a model; a function of `keras.applications` loads no weights.
        **options: passed on.
    """
    if build.__module__.startswith("keras."):
        options = {"weights": None} | options
    with keras.StatelessScope(initialize_variables=False):
        return build(**options)


def census(model: keras.Model) -> Census:
    """Counts a functional model for images of one size.

    Biases, normalizations, activations and poolings are not counted as multiplications, as
    everywhere in this book.

    Raises:
        ValueError: if the model takes images of any size.
    """
    _, rows, columns, _ = model.inputs[0].shape
    if rows is None or columns is None:
        raise ValueError(
            f"{model.name} takes images of any size; build it for one: input_shape=(224, 224, 3)."
        )
    leaves = list(_leaves(model))
    return Census(
        input_size=rows,
        parameters=model.count_params(),
        macs=sum(map(_macs, leaves)),
        top_share=_behind_the_last_map(leaves) / model.count_params(),
        first_window=_first_window(leaves),
        pooling=", ".join(_poolings(leaves)),
        activation=_most_common_activation(leaves),
        normalization=", ".join(_normalizations(leaves)),
        groups=_groups(leaves),
    )


def _leaves(model: keras.Model) -> Iterator[layers.Layer]:
    """All layers; those of a model that is used as a layer one by one."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _leaves(layer)
        else:
            yield layer


def _macs(layer: layers.Layer) -> int:
    if isinstance(layer, layers.MultiHeadAttention):
        # Self-attention: four projections of each token, then all tokens with all, twice.
        _, tokens, width = layer.output.shape
        inner = layer.num_heads * layer.key_dim
        return 4 * tokens * width * inner + 2 * tokens**2 * inner
    names = ("kernel", "depthwise_kernel", "pointwise_kernel")
    sizes = [prod(getattr(layer, name).shape) for name in names if hasattr(layer, name)]
    # Each number of a kernel is used once at each place of the output.
    return sum(sizes) * prod(layer.output.shape[1:-1]) if sizes else 0


def _behind_the_last_map(leaves: list[layers.Layer]) -> int:
    """Parameters of the last layers, as far as they have a single place."""
    parameters = 0
    for layer in reversed(leaves):
        if prod(layer.output.shape[1:-1]) > 1:
            break
        parameters += layer.count_params()
    return parameters


def _first_window(leaves: list[layers.Layer]) -> str:
    first = next(layer for layer in leaves if isinstance(layer, layers.Conv2D))
    return f"{first.kernel_size[0]}×{first.kernel_size[1]}/{first.strides[0]}"


def _poolings(leaves: list[layers.Layer]) -> dict[str, None]:
    return dict.fromkeys(
        f"{layer.pool_size[0]}/{layer.strides[0]}"
        for layer in leaves
        if isinstance(layer, layers.MaxPooling2D)
    )


_FUNCTIONS = {"relu": "ReLU", "relu6": "ReLU", "gelu": "GELU", "silu": "SiLU"}


def _most_common_activation(leaves: list[layers.Layer]) -> str:
    counts = Counter()
    for layer in leaves:
        if isinstance(layer, layers.ReLU):
            counts["ReLU"] += 1
        name = getattr(getattr(layer, "activation", None), "__name__", None)
        counts[_FUNCTIONS.get(name)] += 1
    del counts[None]
    return counts.most_common(1)[0][0]


def _normalizations(leaves: list[layers.Layer]) -> dict[str, None]:
    kinds = {
        LocalResponseNormalization: "LRN",
        layers.BatchNormalization: "batch",
        layers.LayerNormalization: "layer",
    }
    return dict.fromkeys(
        name for layer in leaves for kind, name in kinds.items() if isinstance(layer, kind)
    )


def _groups(leaves: list[layers.Layer]) -> str:
    convolutions = [layer for layer in leaves if isinstance(layer, layers.Conv2D)]
    most = max(layer.groups for layer in convolutions)
    apart = (layers.DepthwiseConv2D, layers.SeparableConv2D)
    if any(isinstance(layer, apart) for layer in leaves) or any(
        layer.groups == layer.filters > 1 for layer in convolutions
    ):
        return "depthwise"
    return str(most) if most > 1 else ""


# Table 1 of Szegedy and others, 2015: of each Inception module the filters of its 1×1, of its 3×3
# after a reduction, of its 5×5 after a reduction, and of the 1×1 after its pooling.
_INCEPTION = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def GoogLeNet(classes: int = 1000) -> keras.Model:
    """GoogLeNet without its two auxiliary classifiers, for images of 224×224 (Szegedy 2015)."""

    def convolution(tensor, filters, kernel, stride=1):
        return layers.Conv2D(filters, kernel, stride, padding="same", activation="relu")(tensor)

    def pool(tensor, stride=2):
        return layers.MaxPooling2D(3, stride, padding="same")(tensor)

    images = keras.Input((224, 224, 3))
    tensor = LocalResponseNormalization()(pool(convolution(images, 64, 7, 2)))
    tensor = convolution(convolution(tensor, 64, 1), 192, 3)
    tensor = pool(LocalResponseNormalization()(tensor))
    for name, (one, to_three, three, to_five, five, pooled) in _INCEPTION.items():
        branches = [
            convolution(tensor, one, 1),
            convolution(convolution(tensor, to_three, 1), three, 3),
            convolution(convolution(tensor, to_five, 1), five, 5),
            convolution(pool(tensor, stride=1), pooled, 1),
        ]
        tensor = layers.Concatenate()(branches)
        if name in ("3b", "4e"):
            tensor = pool(tensor)
    tensor = layers.Dropout(0.4)(layers.GlobalAveragePooling2D()(tensor))
    return keras.Model(
        images, layers.Dense(classes, activation="softmax")(tensor), name="googlenet"
    )


# As the paper tested them on ImageNet, at a higher resolution than in training (Dosovitskiy 2021,
# table 1 and section 4.1).
VIT_L16 = {"input_size": 512, "width": 1024, "depth": 24, "heads": 16}
VIT_H14 = {"input_size": 518, "patch": 14, "width": 1280, "depth": 32, "heads": 16}


def VisionTransformer(
    input_size: int = 224,
    patch: int = 16,
    width: int = 768,
    depth: int = 12,
    heads: int = 12,
    classes: int = 1000,
) -> keras.Model:
    """The Vision Transformer (Dosovitskiy 2021); by default ViT-B/16.

    Args:
        input_size, patch: pixels a side of the image, and of the squares it is cut into.
        width, depth, heads: of the transformer; its inner layers are four times as wide.
        classes: what is told apart.

    Raises:
        ValueError: if the squares do not fill the image.
    """
    if input_size % patch:
        raise ValueError(f"Squares of {patch} pixels do not fill an image of {input_size}.")
    images = keras.Input((input_size, input_size, 3))
    tensor = layers.Conv2D(width, patch, patch)(images)
    tensor = _Tokens()(layers.Reshape((-1, width))(tensor))
    for _ in range(depth):
        normed = layers.LayerNormalization(epsilon=1e-6)(tensor)
        tensor += layers.MultiHeadAttention(heads, width // heads)(normed, normed)
        normed = layers.LayerNormalization(epsilon=1e-6)(tensor)
        tensor += layers.Dense(width)(layers.Dense(4 * width, activation="gelu")(normed))
    tensor = layers.LayerNormalization(epsilon=1e-6)(tensor)[:, 0]
    return keras.Model(images, layers.Dense(classes, activation="softmax")(tensor), name="vit")


class _Tokens(layers.Layer):
    """Puts the class token in front of the patches and adds to each what says where it is."""

    def build(self, input_shape):
        _, patches, width = input_shape
        self.token = self.add_weight(shape=(1, 1, width), initializer="zeros", name="token")
        self.places = self.add_weight(
            shape=(1, patches + 1, width),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
            name="places",
        )

    def call(self, patches):
        token = ops.repeat(self.token, ops.shape(patches)[0], axis=0)
        return ops.concatenate([token, patches], axis=1) + self.places
