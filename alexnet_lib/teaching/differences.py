"""The table of departures: what the networks called AlexNet have in common, and what not.

Six columns: the paper as printed, the source released as the network of 2012, BVLC's AlexNet in
Caffe, CaffeNet, torchvision's network, and what this library does unless told otherwise. Cells are
derived from the descriptions in `architecture` and from the library's own defaults; where the
library has no such fact (how others augment, what the paper leaves open), the cell is written here
and its source is named in the row.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .. import architecture, data
from ..architecture import Convolution, LocalResponseNorm, MapResponseNorm, MaxPooling
from ..augmentation import PCALighting

DESCRIPTIONS = {
    "paper": architecture.PAPER,
    "source of 2012": architecture.ORIGINAL,
    "Caffe": architecture.CAFFE,
    "CaffeNet": architecture.CAFFENET,
    "torchvision": architecture.OWT,
    "this book": architecture.describe(),
}
"""Column → the layers of its network."""

INPUT_SIZE = {
    "paper": 224,  # as printed, in section 3.5 and figure 2
    "source of 2012": architecture.VARIANTS["original"].input_size,
    "Caffe": architecture.VARIANTS["caffe"].input_size,
    "CaffeNet": architecture.VARIANTS["caffe"].input_size,
    "torchvision": architecture.VARIANTS["owt"].input_size,
    "this book": architecture.VARIANTS["paper"].input_size,
}
"""Column → pixels a side."""


@dataclass(frozen=True)
class Departure:
    """One row: a fact in which the networks differ."""

    name: str
    cells: dict[str, str]
    """Column → what it is there, for the columns of `DESCRIPTIONS`, in their order."""
    evidence: str
    """The files and sections that say so."""

    def as_dict(self) -> dict[str, str]:
        """The row of a data frame: its name under `"fact"`, its cells, and the `"evidence"`."""
        return {"fact": self.name} | self.cells | {"evidence": self.evidence}


def departures() -> list[Departure]:
    """The rows, in the order in which a picture meets them; the last four are about training."""
    return [
        _derived("input and sizes", _sizes, "section 3.5, figure 2; layers-145.cfg, convdata.py"),
        Departure(
            "rounding",
            _of_each(_rounding) | {"paper": "not said"},
            "layer.py; pooling_layer.cpp; section 3.5 has none",
        ),
        _derived(
            "LRN constants",
            _constants,
            "section 3.3; layer-params-145-2010.cfg, layer.py; train_val.prototxt, caffe.proto",
        ),
        _derived("LRN sums over", _scope, "section 3.3; layers-145.cfg"),
        _derived("after conv1", lambda layers: _order(layers, "conv1"), "section 3.5; see above"),
        _derived("after conv2", lambda layers: _order(layers, "conv2"), "section 3.5; see above"),
        _derived("second normalization", _within_maps, "layers-145.cfg (cnorm2a, cnorm2b)"),
        _derived("groups", _groups, "section 3.2; layers-145.cfg; train_val.prototxt; alexnet.py"),
        _derived("initial weights, σ", _weights, "section 5; layers-145.cfg; train_val.prototxt"),
        _derived("initial biases", _biases, "section 5; layers-145.cfg; train_val.prototxt"),
        Departure(
            "learning rate of biases",
            _BIAS_RATES,
            "section 5; layer-params-145-2010.cfg (epsW, epsB); train_val.prototxt; train.py",
        ),
        Departure("colour noise", _colour_noise(), "section 4.1; convdata.py; models' readme.md"),
        Departure("crops in training", _training_crops(), "section 4.1; convdata.py; presets.py"),
        Departure("crops in testing", _TESTING_CROPS, "section 4.1; run notes; models' readme.md"),
    ]


def _of_each(tell: Callable[[Sequence[architecture.Layer]], str]) -> dict[str, str]:
    return {column: tell(layers) for column, layers in DESCRIPTIONS.items()}


def _derived(name: str, tell: Callable[[Sequence[architecture.Layer]], str], evidence: str):
    return Departure(name, _of_each(tell), evidence)


def _sizes(layers: Sequence[architecture.Layer]) -> str:
    """The sides of the maps: input, conv1, and the three poolings."""
    size = next(INPUT_SIZE[column] for column in DESCRIPTIONS if DESCRIPTIONS[column] is layers)
    records = architecture.trace_layers(layers, (size, size, 3))
    shown = [r.output_shape[0] for r in records if r.name == "conv1" or r.kind == "pooling"]
    return " → ".join(map(str, (size, *shown)))


def _rounding(layers: Sequence[architecture.Layer]) -> str:
    word = {"floor": "down", "ceil": "up"}
    found = {
        kind: {layer.rounding for layer in layers if isinstance(layer, kind)}
        for kind in (Convolution, MaxPooling)
    }
    # The source rounds up everywhere; only in conv1 and the poolings there is something to round.
    convolution = word["ceil" if "ceil" in found[Convolution] else "floor"]
    (pooling,) = (word[rounding] for rounding in found[MaxPooling])
    return convolution if convolution == pooling else f"{convolution}, poolings {pooling}"


def _normalizations(layers: Sequence[architecture.Layer]) -> list[LocalResponseNorm]:
    return [layer for layer in layers if isinstance(layer, LocalResponseNorm)]


def _constants(layers: Sequence[architecture.Layer]) -> str:
    """k, n and β, and by what the sum of squares is multiplied, α or α/n."""
    settings = {(norm.k, norm.n, norm.alpha, norm.beta) for norm in _normalizations(layers)}
    if not settings:
        return "no LRN"
    ((k, n, alpha, beta),) = settings
    return f"k={k:g} n={n} β={beta:g}, {alpha:g}·Σa²"


def _scope(layers: Sequence[architecture.Layer]) -> str:
    norms = _normalizations(layers)
    if not norms:
        return "no LRN"
    return "one tower" if all(norm.groups > 1 for norm in norms) else "all channels"


def _order(layers: Sequence[architecture.Layer], name: str) -> str:
    """What stands between a convolution and the next, in order."""
    names = [layer.name for layer in layers]
    start = names.index(name)
    steps = ["ReLU"] if layers[start].activation == "relu" else []
    for layer in layers[start + 1 :]:
        if isinstance(layer, Convolution):
            break
        steps.append(_STEP[type(layer)])
    return ", ".join(steps)


_STEP = {
    LocalResponseNorm: "LRN",
    MapResponseNorm: "norm in maps",
    MaxPooling: "pool",
    architecture.Activation: "ReLU",
}


def _within_maps(layers: Sequence[architecture.Layer]) -> str:
    found = [layer for layer in layers if isinstance(layer, MapResponseNorm)]
    if not found:
        return "none"
    (norm,) = found
    return f"{norm.size}×{norm.size} positions, k={norm.k:g} β={norm.beta:g}, {norm.alpha:g}·Σa²"


def _groups(layers: Sequence[architecture.Layer]) -> str:
    names = [x.name for x in layers if isinstance(x, Convolution) and x.groups == 2]
    return "two in " + ", ".join(names) if names else "none"


def _weights(layers: Sequence[architecture.Layer]) -> str:
    """The standard deviation of most layers, and which layers differ."""
    return _most_and_others(layers, "stddev", "uniform ±1/√(fan in)")


def _biases(layers: Sequence[architecture.Layer]) -> str:
    if all(layer.stddev is None for layer in layers if hasattr(layer, "stddev")):
        return "uniform ±1/√(fan in)"
    return _most_and_others(layers, "bias", "")


def _most_and_others(layers: Sequence[architecture.Layer], setting: str, if_none: str) -> str:
    """A setting of the layers with weights: fc8's value, then what others have instead."""
    values = {x.name: getattr(x, setting) for x in layers if hasattr(x, setting)}
    usual = values["fc8"]
    if usual is None:
        return if_none
    others = {}
    for name, value in values.items():
        if value != usual:
            others.setdefault(value, []).append(name)
    told = [f"{value:g} in {', '.join(names)}" for value, names in others.items()]
    return "; ".join([f"{usual:g}", *told])


def _default(function: Callable, name: str):
    return inspect.signature(function).parameters[name].default


def _colour_noise() -> dict[str, str]:
    """Only the last column is ours; the others are what their authors write."""
    sigma = PCALighting.__dataclass_fields__["sigma"].default
    ours = f"N(0, {sigma:g})·λ, if asked for"
    if _default(data.load, "lighting"):
        ours = f"N(0, {sigma:g})·λ"
    return {
        "paper": "N(0, 0.1)·λ",
        "source of 2012": "N(0, 0.1)·√λ, then all / 1.1",
        "Caffe": "none",
        "CaffeNet": "none",
        "torchvision": "none",
        "this book": ours,
    }


def _training_crops() -> dict[str, str]:
    """As `_colour_noise`."""
    size, side = _default(data.load, "image_size"), _default(data.load, "short_side")
    return {
        "paper": "224 of 256, mirrored",
        "source of 2012": "224 of 256, mirrored; 32 pictures alike",
        "Caffe": "227 of 256, mirrored",
        "CaffeNet": "227 of 256, mirrored",
        "torchvision": "8 to 100 % of the area, to 224, mirrored",
        "this book": f"{size} of {side}, mirrored",
    }


_BIAS_RATES = {
    "paper": "as the weights",
    "source of 2012": "its own: 0.002 at the end, weights 0.00001",
    "Caffe": "twice the weights'",
    "CaffeNet": "twice the weights'",
    "torchvision": "as the weights",
    "this book": "as the weights",
}

_TESTING_CROPS = {
    "paper": "ten; centre",
    "source of 2012": "ten; centre",
    "Caffe": "centre",
    "CaffeNet": "centre",
    "torchvision": "centre",
    "this book": "centre; ten if asked for",
}
