"""AlexNet described once, as data.

Everything else in this project is derived from the tuples of layers in this file: the Keras model,
the shape arithmetic 227 → 55 → 27 → 13 → 6, the counts of parameters and operations, the diagrams,
the tables of the book. The module needs the standard library only, so it loads at once.

"The paper" is Krizhevsky, Sutskever, Hinton: ImageNet Classification with Deep Convolutional
Neural Networks, NIPS 2012. "The released source" is the code that trained it, published by the
Computer History Museum (repository computerhistory/AlexNet-Source-Code).
"""

import contextlib
import difflib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from math import isclose, prod
from operator import index
from typing import ClassVar, Literal, NamedTuple, SupportsIndex

Shape = tuple[int, ...]
"""`(rows, columns, channels)` of a feature map, or `(units,)` of a vector. No batch axis."""

Rounding = Literal["floor", "ceil"]


class InputTooSmallError(ValueError):
    """A window does not fit on the map that it should slide over."""


class Steps(NamedTuple):
    """How a window steps along one side of a map. See `slide`."""

    positions: int
    """Where the window can stand: the size of the output along this side."""
    unseen: int
    """Rows (or columns) of the map that no window ever covers."""
    overhang: int
    """Rows (or columns) by which the last window hangs over the far edge; read as zeros."""


def slide(
    size: int, kernel: int, stride: int = 1, padding: int = 0, rounding: Rounding = "floor"
) -> Steps:
    """Slides a window of `kernel` along a side of `size`, `stride` at a time.

    The number of positions is `(size + 2·padding - kernel) / stride + 1`. Where the division leaves
    a remainder, `"floor"` drops the incomplete last step, so that some rows may go unseen;
    `"ceil"` takes it, so that the last window hangs over the edge (the released source of 2012
    does so everywhere, Caffe in its pooling layers). A window wholly outside is never taken.

    Args:
        size: rows or columns of the map, at least 1.
        kernel: rows or columns of the window, at least 1.
        stride: the step, at least 1.
        padding: zeros added at each of the two ends.
        rounding: what becomes of an incomplete last step.

    Raises:
        InputTooSmallError: if the window is larger than the padded map.
    """
    span = size + 2 * padding - kernel
    if span < 0:
        raise InputTooSmallError(
            f"a window of {kernel} does not fit on {size} + 2·{padding} = {size + 2 * padding}: "
            f"({size} + 2·{padding} - {kernel}) / {stride} is negative"
        )
    steps, remainder = divmod(span, stride)
    overhang = 0
    if remainder and rounding == "ceil" and stride - remainder < kernel:
        steps += 1
        overhang = stride - remainder

    def seen_before(place: int) -> int:
        """Of the padded map, the rows before this one that a window covers."""
        place = min(place, steps * stride + kernel)
        if stride <= kernel:
            return place
        return place // stride * kernel + min(place % stride, kernel)

    seen = seen_before(padding + size) - seen_before(padding)
    return Steps(steps + 1, size - seen, overhang)


@dataclass(frozen=True)
class Layer:
    """A layer of the description. Subclasses say what it does to a shape, and what it costs."""

    name: str
    kind: ClassVar[str]

    def output_shape(self, shape: Shape) -> Shape:
        """The shape that leaves the layer where `shape` enters."""
        return shape

    def parameters(self, shape: Shape) -> int:
        """Learned numbers: weights and biases."""
        return 0

    def macs(self, shape: Shape) -> int:
        """Multiplications, each with its addition, for one image; biases are not counted."""
        return 0


@dataclass(frozen=True)
class Convolution(Layer):
    """A convolution and its activation.

    With `groups=2` the first half of the filters sees the first half of the channels only, the
    second half the second: the paper's two towers, which meet in `conv3` and in the fully
    connected layers (section 3.2).

    `stddev` and `bias` are the initial values: weights from N(0, stddev²), biases constant
    (section 5). `stddev=None` is PyTorch's default: weights and biases uniform within
    ±1/√(fan in).
    """

    filters: int
    kernel: int
    stride: int = 1
    padding: int = 0
    groups: int = 1
    activation: str | None = "relu"
    stddev: float | None = 0.01
    bias: float = 0.0
    rounding: Rounding = "floor"
    kind: ClassVar[str] = "convolution"

    def output_shape(self, shape: Shape) -> Shape:
        if shape[2] % self.groups or self.filters % self.groups:
            raise ValueError(
                f"{self.name}: {self.groups} groups must divide both the {shape[2]} channels that "
                f"enter and the {self.filters} filters"
            )
        return (*_slide_both(self, shape), self.filters)

    def weights_per_filter(self, shape: Shape) -> int:
        """Taps of one filter: kernel rows × kernel columns × the channels that it sees."""
        return self.kernel**2 * shape[2] // self.groups

    def parameters(self, shape: Shape) -> int:
        return self.filters * (self.weights_per_filter(shape) + 1)

    def macs(self, shape: Shape) -> int:
        return prod(self.output_shape(shape)) * self.weights_per_filter(shape)


@dataclass(frozen=True)
class LocalResponseNorm(Layer):
    """Local response normalization across channels (section 3.3).

    Each activity is divided by `(k + alpha · Σ a²)^beta`, the sum taken over the `n` channels
    around its own, at the same place. With `groups=2` no sum crosses from one tower to the other.
    """

    k: float = 2.0
    n: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    groups: int = 1
    kind: ClassVar[str] = "normalization"


@dataclass(frozen=True)
class MapResponseNorm(Layer):
    """Response normalization within each map, over a square of `size` × `size` neighbours.

    Only the released source has it, after `norm2`; the paper never mentions it. The square stops at
    the edges of the map.
    """

    k: float = 1.0
    size: int = 5
    alpha: float = 1e-3 / 25
    beta: float = 0.75
    kind: ClassVar[str] = "map normalization"


@dataclass(frozen=True)
class MaxPooling(Layer):
    """Maximum over windows; they overlap where `stride < kernel` (section 3.4)."""

    kernel: int = 3
    stride: int = 2
    rounding: Rounding = "floor"
    padding: ClassVar[int] = 0
    kind: ClassVar[str] = "pooling"

    def output_shape(self, shape: Shape) -> Shape:
        return (*_slide_both(self, shape), shape[2])


@dataclass(frozen=True)
class Activation(Layer):
    """An activation that stands by itself, where it does not directly follow its weights."""

    function: str = "relu"
    kind: ClassVar[str] = "activation"


@dataclass(frozen=True)
class Flatten(Layer):
    """Feature maps become one vector: rows, then columns, then channels."""

    kind: ClassVar[str] = "flatten"

    def output_shape(self, shape: Shape) -> Shape:
        return (prod(shape),)


@dataclass(frozen=True)
class GlobalPooling(Layer):
    """The mean or the largest of each map: what a trunk without its top can end with.

    No network of 2012 has it; `keras.applications` offers it as `pooling`.
    """

    function: Literal["avg", "max"] = "avg"
    kind: ClassVar[str] = "global pooling"

    def output_shape(self, shape: Shape) -> Shape:
        return shape[2:]


@dataclass(frozen=True)
class Dense(Layer):
    """A fully connected layer and its activation. Initial values as in `Convolution`."""

    units: int
    activation: str | None = "relu"
    stddev: float | None = 0.01
    bias: float = 0.0
    kind: ClassVar[str] = "dense"

    def output_shape(self, shape: Shape) -> Shape:
        return (self.units,)

    def parameters(self, shape: Shape) -> int:
        return self.units * (shape[0] + 1)

    def macs(self, shape: Shape) -> int:
        return self.units * shape[0]


@dataclass(frozen=True)
class Dropout(Layer):
    """Sets each activity to zero with probability `rate` while training (section 4.2)."""

    rate: float = 0.5
    kind: ClassVar[str] = "dropout"


@dataclass(frozen=True)
class LayerTrace:
    """What happens in one layer, for one image. All numbers are exact."""

    name: str
    kind: str
    input_shape: Shape
    output_shape: Shape
    kernel: int | None
    """Rows and columns of the window; None for a layer that has none."""
    stride: int | None
    padding: int | None
    """Zeros at each side, as the layer asks for them; `overhang` comes on top."""
    groups: int
    parameters: int
    macs: int
    receptive_field: int
    """Side of the square of input pixels that one unit can depend on, ignoring the picture's edges;
    for the fully connected layers, the longer side of the input."""
    jump: int
    """Input pixels between two neighbouring units; 0 for layers without a grid."""
    start: int
    """First row (and first column) of the square that the first unit depends on; negative where it
    begins in the padding."""
    unseen: tuple[int, int]
    """(rows, columns) of the layer's input that no window ever covers."""
    overhang: tuple[int, int]
    """(rows, columns) by which the last windows hang over the far edges."""

    @property
    def units(self) -> int:
        """How many activations leave the layer, the paper's "neurons"."""
        return prod(self.output_shape)

    @property
    def activation_bytes(self) -> int:
        """Memory of the layer's output for one image, in bytes, at 4 bytes a number (float32)."""
        return 4 * self.units

    @property
    def parameter_bytes(self) -> int:
        """Memory of the layer's parameters, in bytes, at 4 bytes a number (float32)."""
        return 4 * self.parameters

    def as_dict(self) -> dict:
        """The record as a dictionary ready for JSON."""
        return asdict(self) | {"units": self.units, "activation_bytes": self.activation_bytes}


# The network of the paper (figure 2; sections 3.1 to 3.5, 4.2 and 5).
PAPER = (
    Convolution("conv1", filters=96, kernel=11, stride=4),
    LocalResponseNorm("norm1"),
    MaxPooling("pool1"),
    Convolution("conv2", filters=256, kernel=5, padding=2, groups=2, bias=1.0),
    LocalResponseNorm("norm2"),
    MaxPooling("pool2"),
    Convolution("conv3", filters=384, kernel=3, padding=1),
    Convolution("conv4", filters=384, kernel=3, padding=1, groups=2, bias=1.0),
    Convolution("conv5", filters=256, kernel=3, padding=1, groups=2, bias=1.0),
    MaxPooling("pool5"),
    Flatten("flatten"),
    Dense("fc6", units=4096, bias=1.0),
    Dropout("drop6"),
    Dense("fc7", units=4096, bias=1.0),
    Dropout("drop7"),
    Dense("fc8", units=1000, activation="softmax"),
)


def _change(layers: Sequence[Layer], **changes: dict) -> tuple[Layer, ...]:
    """A copy of `layers` in which the named ones have other settings."""
    return tuple(replace(layer, **changes.get(layer.name, {})) for layer in layers)


# BVLC's replica in Caffe: its LRN divides alpha by n, its k is 1, its biases start at 0.1, the wide
# layers' weights at 0.005, and its pooling layers round up.
CAFFE = _change(
    PAPER,
    **{norm: {"k": 1.0, "alpha": 1e-4 / 5} for norm in ("norm1", "norm2")},
    **{pool: {"rounding": "ceil"} for pool in ("pool1", "pool2", "pool5")},
    **{conv: {"bias": 0.1} for conv in ("conv2", "conv4", "conv5")},
    **{dense: {"bias": 0.1, "stddev": 0.005} for dense in ("fc6", "fc7")},
)

# BVLC's second network, CaffeNet: its AlexNet with pooling before normalization. Its
# train_val.prototxt starts at 1 the biases that BVLC's AlexNet had to start at 0.1.
CAFFENET = _change(
    [CAFFE[{1: 2, 2: 1, 4: 5, 5: 4}.get(place, place)] for place in range(len(CAFFE))],
    **{name: {"bias": 1.0} for name in ("conv2", "conv4", "conv5", "fc6", "fc7")},
)

# The paper's network on one device: every filter sees every channel.
ONE_TOWER = _change(PAPER, **{conv: {"groups": 1} for conv in ("conv2", "conv4", "conv5")})

# torchvision's network, after Krizhevsky, "One weird trick for parallelizing convolutional neural
# networks", 2014: other widths, no groups, no LRN, dropout before the dense layers.
OWT = (
    Convolution("conv1", filters=64, kernel=11, stride=4, padding=2, stddev=None),
    MaxPooling("pool1"),
    Convolution("conv2", filters=192, kernel=5, padding=2, stddev=None),
    MaxPooling("pool2"),
    Convolution("conv3", filters=384, kernel=3, padding=1, stddev=None),
    Convolution("conv4", filters=256, kernel=3, padding=1, stddev=None),
    Convolution("conv5", filters=256, kernel=3, padding=1, stddev=None),
    MaxPooling("pool5"),
    Flatten("flatten"),
    Dropout("drop6"),
    Dense("fc6", units=4096, stddev=None),
    Dropout("drop7"),
    Dense("fc7", units=4096, stddev=None),
    Dense("fc8", units=1000, activation="softmax", stddev=None),
)

# The released source (layers/layers-145.cfg, layers/layer-params-145-2010.cfg, layer.py): windows
# hang over the far edge instead of being dropped, LRN stays within a tower and divides alpha by n,
# conv1 is rectified only after it was normalized and pooled, a second normalization works within
# each map, and conv3 to conv5 start wider. The source rectifies conv5 after pool5 as well; that
# changes no number, because a maximum and a ReLU can trade places.
ORIGINAL = (
    Convolution("conv1", filters=96, kernel=11, stride=4, activation=None, rounding="ceil"),
    LocalResponseNorm("norm1", alpha=1e-4 / 5, groups=2),
    MaxPooling("pool1", rounding="ceil"),
    Activation("relu1"),
    Convolution("conv2", filters=256, kernel=5, padding=2, groups=2, bias=1.0),
    LocalResponseNorm("norm2", alpha=1e-4 / 5, groups=2),
    MapResponseNorm("mapnorm2"),
    MaxPooling("pool2", rounding="ceil"),
    Convolution("conv3", filters=384, kernel=3, padding=1, stddev=0.03),
    Convolution("conv4", filters=384, kernel=3, padding=1, groups=2, stddev=0.03, bias=1.0),
    Convolution("conv5", filters=256, kernel=3, padding=1, groups=2, stddev=0.03, bias=1.0),
    MaxPooling("pool5", rounding="ceil"),
    *PAPER[PAPER.index(Flatten("flatten")) :],
)

ILSVRC_MEAN = (122.679, 116.669, 104.007)
"""Mean of ImageNet's training pictures, R, G, B, on the scale 0..255; see `preprocess_input`."""

STANDARD_DEVIATION = 58.0
"""About the standard deviation of a colour of ImageNet's pictures, on the scale 0..255."""


@dataclass(frozen=True)
class Variant:
    """A network of the family, and all that belongs to it. A new one is one more of these."""

    label: str
    """For people."""
    layers: tuple[Layer, ...]
    """In order, with their initial values."""
    input_size: int = 227
    """The input that it was made for, in pixels a side."""
    mean: tuple[float, float, float] = ILSVRC_MEAN
    """What is taken off each colour, R, G, B, on the scale 0..255."""
    deviation: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """What each difference is then divided by."""

    @property
    def towers(self) -> int:
        """How many runs of channels stay apart where layers have groups, as the paper's GPUs."""
        return max(getattr(layer, "groups", 1) for layer in self.layers)


VARIANTS: dict[str, Variant] = {
    "paper": Variant("the paper", PAPER),
    "caffe": Variant("Caffe's replica", CAFFE),
    "one_tower": Variant("one tower", ONE_TOWER),
    "owt": Variant(
        "torchvision",
        OWT,
        input_size=224,
        # torchvision's constants, which it gives on the scale 0..1.
        mean=(255 * 0.485, 255 * 0.456, 255 * 0.406),
        deviation=(255 * 0.229, 255 * 0.224, 255 * 0.225),
    ),
    "original": Variant("source of 2012", ORIGINAL, input_size=224),
}


def variant_named(name: str) -> Variant:
    """The variant of that name.

    Raises:
        ValueError: if there is none.
    """
    if name not in VARIANTS:
        close = difflib.get_close_matches(str(name), VARIANTS, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"There is no variant {name!r}; there are {', '.join(VARIANTS)}.{hint}")
    return VARIANTS[name]


def variant_of(layers: Sequence[Layer], input_shape: Shape | None = None) -> str | None:
    """The variant whose network computes what `layers` do.

    Names, initial values, dropout, the widths of the dense layers and the activation of the last
    one may differ, and layers may end with `pool5`. How a window rounds counts only where it makes
    a difference.

    Args:
        layers: in order.
        input_shape: `(rows, columns, channels)`; by default that of each variant.
    """
    for name, variant in VARIANTS.items():
        shape = input_shape or (variant.input_size, variant.input_size, 3)
        with contextlib.suppress(ValueError):
            computed = _computation(layers, shape)
            if computed and computed[-1]["kind"] == "global pooling":
                del computed[-1]
            if any(
                same(computed, _computation(known, shape))
                for known in (variant.layers, describe(name, include_top=False))
            ):
                return name
    return None


def _computation(layers: Sequence[Layer], input_shape: Shape) -> list[dict]:
    """What each layer computes, as plain values that can be compared."""
    immaterial = {"name", "stddev", "bias", "rounding", "units", "rate"}
    found = [
        {"kind": layer.kind, "overhang": record.overhang}
        | {key: value for key, value in vars(layer).items() if key not in immaterial}
        for layer, record in zip(layers, trace_layers(layers, input_shape), strict=True)
        if layer.kind != "dropout"
    ]
    if found and found[-1]["kind"] == "dense":
        del found[-1]["activation"]
    return found


def same(one, other) -> bool:
    """Equal, but for the last digits of constants: files may keep them in float32."""
    if isinstance(one, float) and isinstance(other, float):
        return isclose(one, other, rel_tol=1e-6)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def describe(
    variant: str = "paper",
    *,
    classes: int = 1000,
    fc_units: int = 4096,
    dropout: float = 0.5,
    include_top: bool = True,
    pooling: Literal["avg", "max"] | None = None,
    classifier_activation: str | None = "softmax",
) -> tuple[Layer, ...]:
    """The layers of a variant, in order.

    Args:
        variant: `"paper"`, `"caffe"`, `"one_tower"`, `"owt"` or `"original"`.
        classes: units of `fc8`.
        fc_units: units of `fc6` and `fc7`.
        dropout: the share of activities that `drop6` and `drop7` silence, in [0, 1).
        include_top: False ends the network with `pool5`.
        pooling: `"avg"` or `"max"` then makes one number of each map; None leaves the maps. Of no
            effect where the top is included, as in `keras.applications`.
        classifier_activation: what `fc8` ends with; None leaves the logits.

    Raises:
        ValueError: if the variant is unknown or a number is out of its range.
    """
    layers = variant_named(variant).layers
    classes = _positive_integer("classes", classes)
    fc_units = _positive_integer("fc_units", fc_units)
    if not 0 <= dropout < 1:
        raise ValueError(
            f"dropout is {dropout!r}; it is the share of activities to silence, "
            "at least 0 and below 1."
        )
    if pooling not in (None, "avg", "max"):
        raise ValueError(f"pooling is {pooling!r}; it must be None, 'avg' or 'max'.")
    if not include_top:
        end = (GlobalPooling(f"{pooling}_pool", pooling),) if pooling else ()
        return layers[: layers.index(Flatten("flatten"))] + end
    return _change(
        layers,
        fc6={"units": fc_units},
        fc7={"units": fc_units},
        fc8={"units": classes, "activation": classifier_activation},
        drop6={"rate": dropout},
        drop7={"rate": dropout},
    )


def trace(
    input_size: int | tuple[int, int] = 227, variant: str = "paper", **options
) -> list[LayerTrace]:
    """Follows one RGB image through a variant and keeps a record of each layer.

    Args:
        input_size: pixels a side, or `(rows, columns)`.
        variant: see `describe`.
        **options: `classes`, `fc_units`, `dropout`, `include_top`, `pooling`,
            `classifier_activation`, as in `describe`.

    Raises:
        ValueError: if the variant is unknown or a number is out of its range.
        InputTooSmallError: a ValueError whose message names the layer, shows its arithmetic and
            gives the smallest input that fits.

    >>> [record.output_shape for record in trace() if record.kind == "pooling"]
    [(27, 27, 96), (13, 13, 256), (6, 6, 256)]
    """
    sides = input_size if isinstance(input_size, tuple) else (input_size, input_size)
    if len(sides) != 2:
        raise ValueError(f"input_size is {input_size!r}; give pixels a side, or (rows, columns).")
    return trace_layers(describe(variant, **options), (*sides, 3))


def trace_layers(layers: Sequence[Layer], input_shape: Shape) -> list[LayerTrace]:
    """Follows one image of `(rows, columns, channels)` through any sequence of layers.

    Raises:
        ValueError: as `trace`.
    """
    input_shape = tuple(
        _positive_integer(f"the input's number of {name}", number)
        for name, number in zip(("rows", "columns", "channels"), input_shape, strict=True)
    )
    records: list[LayerTrace] = []
    shape, receptive_field, jump, start = input_shape, 1, 1, 0
    for layer in layers:
        try:
            output_shape = layer.output_shape(shape)
            steps = _steps(layer, shape)
        except InputTooSmallError as error:
            raise InputTooSmallError(
                _too_small(layers, input_shape, records, layer, error)
            ) from None
        kernel, stride = _extent(layer), getattr(layer, "stride", None)
        if len(output_shape) == 1:
            receptive_field, jump, start = max(input_shape[:2]), 0, 0
        elif kernel:
            receptive_field += (kernel - 1) * jump
            # Normalization within a map has no padding: its square is centred on its unit.
            start -= getattr(layer, "padding", kernel // 2) * jump
            jump *= stride or 1
        records.append(
            LayerTrace(
                name=layer.name,
                kind=layer.kind,
                input_shape=shape,
                output_shape=output_shape,
                kernel=kernel,
                stride=stride,
                padding=getattr(layer, "padding", None),
                groups=getattr(layer, "groups", 1),
                parameters=layer.parameters(shape),
                macs=layer.macs(shape),
                receptive_field=receptive_field,
                jump=jump,
                start=start,
                unseen=(steps[0].unseen, steps[1].unseen),
                overhang=(steps[0].overhang, steps[1].overhang),
            )
        )
        shape = output_shape
    return records


def smallest_input(layers: Sequence[Layer]) -> int:
    """The smallest square input, in pixels a side, that every window of `layers` fits on."""
    size = 1
    while True:
        try:
            shape: Shape = (size, size, 3)
            for layer in layers:
                shape = layer.output_shape(shape)
            return size
        except InputTooSmallError:
            size += 1


def _extent(layer: Layer) -> int | None:
    """Side of the square of its input that one unit of the layer looks at, in units of the map."""
    return getattr(layer, "kernel", None) or getattr(layer, "size", None)


def _steps(layer: Layer, shape: Shape) -> tuple[Steps, Steps]:
    """How the layer's window steps down the rows and along the columns of `shape`."""
    if not isinstance(layer, Convolution | MaxPooling):
        return Steps(0, 0, 0), Steps(0, 0, 0)
    rows, columns = (
        slide(side, layer.kernel, layer.stride, layer.padding, layer.rounding) for side in shape[:2]
    )
    return rows, columns


def _slide_both(layer: Convolution | MaxPooling, shape: Shape) -> tuple[int, int]:
    rows, columns = _steps(layer, shape)
    return rows.positions, columns.positions


def _positive_integer(name: str, number: SupportsIndex) -> int:
    """The number as Python's own integer: NumPy's count as well."""
    if isinstance(number, bool) or not isinstance(number, SupportsIndex) or index(number) < 1:
        raise ValueError(f"{name} is {number!r}; it must be a whole number, at least 1.")
    return index(number)


def _too_small(
    layers: Sequence[Layer],
    input_shape: Shape,
    records: list[LayerTrace],
    layer: Layer,
    error: InputTooSmallError,
) -> str:
    """The error for people: which layer, on which map, after which steps, and what would fit."""
    side = _extent(layer)
    rows, columns, _ = records[-1].output_shape if records else input_shape
    path = " → ".join(
        [f"input {input_shape[0]}×{input_shape[1]}"]
        + [
            f"{record.name} {record.output_shape[0]}×{record.output_shape[1]}"
            for record in records
            if record.kind in ("convolution", "pooling")
        ]
    )
    return (
        f"{layer.name} cannot place its {side}×{side} window on a {rows}×{columns} map: "
        f"{error}. The way there: {path}. "
        f"The smallest square input for these layers is {smallest_input(layers)} pixels a side."
    )
