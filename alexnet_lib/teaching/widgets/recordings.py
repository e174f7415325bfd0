"""A pass of pictures through a network, written down so that a browser can do its sums again.

What is kept is what the numbers of some maps are made of: the picture, the filters of these maps,
and of each layer that feeds them the maps that they take in. The browser (`arithmetic.js`)
multiplies, adds and divides.

The layers before the second convolution are not kept at all: the picture and the filters of the
first one are fewer bytes, and give every unit of every map there.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from ...front_end.receptive_fields import field_of
from ..colours import kind_named
from .network_map import links
from .packing import packed

COLOUR_STEP = 5
"""Between two levels of a colour. The recorded picture has 52 levels of each, and the network saw
that very picture; the difference is hard to see, and it takes half of the bytes."""

LEVELS, FINE_LEVELS = 1023, 4095
"""Levels of a recorded activity: of one that is read with hundreds of others, in whose sum errors
cancel out, and of one that is read nearly alone. They are steps of the square root, so that weak
activities stay exact."""

PASSES_ON = ("flatten", "dropout")
"""Kinds of layers that change no number when a network answers."""

DENSITY = 0.32
"""Maps shown of each tower, per root of its channels; the drawn width of a tower grows alike."""


def rounded(picture: np.ndarray) -> np.ndarray:
    """A picture `(rows, columns, 3)`, RGB, 0..255, in the colours that a recording has: uint8."""
    levels = np.round(np.asarray(picture, "float64") / COLOUR_STEP)
    return (COLOUR_STEP * levels.clip(0, 255 // COLOUR_STEP)).astype("uint8")


def describe_network(model, until: str | None = None) -> dict:
    """What the front ends have to know of a network to compute it, asked of the model itself.

    Args:
        model: one of the variants, as `AlexNet` returns it, without a layer that preprocesses.
        until: the last layer; all of them if None.

    Raises:
        ValueError: if there is no layer `until`, or the model is none of the variants.
    """
    from ...inspection.models import black_and_white  # loads TensorFlow
    from ...model import description

    described = description(model)
    layers, records = described.layers, described.trace()
    names = [record.name for record in records]
    if until is not None and until not in names:
        raise ValueError(f"{model.name} has no layer {until!r}; there are {', '.join(names)}.")
    towers = max(record.groups for record in records)
    # The preprocessing is linear: two colours say what it does to all.
    black, white = black_and_white(model)
    constants = ("n", "k", "alpha", "beta", "size", "activation", "function")
    return {
        "input_shape": list(described.input_shape),
        "colour_step": COLOUR_STEP,
        "black": [_short(value) for value in black],
        "white": [_short(value) for value in white],
        "towers": towers,
        "layers": [
            {
                "name": record.name,
                "kind": record.kind,
                "label": kind_named(record.kind).label,
                "shape": list(record.output_shape),
                "kernel": record.kernel,
                "stride": record.stride,
                "padding": record.padding,
                "groups": record.groups,
                "parameters": record.parameters,
                "macs": record.macs,
                "field": field_of(record)._asdict(),
                "links": links(record, towers),
                **{name: getattr(layer, name) for name in constants if hasattr(layer, name)},
            }
            for layer, record in zip(layers, records, strict=True)
        ][: len(names) if until is None else names.index(until) + 1],
    }


def record(
    model,
    network: Mapping,
    pictures: Mapping[str, np.ndarray],
    *,
    density: float = DENSITY,
    units: int = 1,
    classes: int = 5,
    opened: Sequence[str] | None = None,
) -> dict:
    """Sends pictures through a network and keeps what its front ends compute with.

    Args:
        model: as `AlexNet` returns it, without a layer that preprocesses.
        network: what `describe_network` says of it.
        pictures: by name, `(rows, columns, 3)`, RGB, 0..255, as large as the network's input. Their
            colours are `rounded` first.
        density: of the maps that are shown, see `DENSITY`.
        units: of each fully connected layer but the last, in each tower, that can be opened.
        classes: of the last one.
        opened: the layers whose numbers can be opened; all layers if None. Of the others only what
            these numbers are made of is kept, and of those that the browser computes, every map
            can be opened.

    Returns:
        `shown`: by layer, the channels that can be opened; `pictures`: by name the packed pixels,
        the maps of the layers, and the last layer's `scores`; `weights`: by layer.

    Raises:
        ValueError: if a layer that has to be kept has negative activities.
    """
    import keras  # loads TensorFlow

    from ... import inspection
    from ...model import description
    from ...preprocessing import preprocess_input

    variant = description(model).variant

    layers = [layer for layer in network["layers"] if layer["kind"] not in PASSES_ON]
    seen = {name: rounded(pixels) for name, pixels in pictures.items()}
    activities = {
        name: inspection.activations(
            model, preprocess_input(pixels, variant), [layer["name"] for layer in layers]
        )
        for name, pixels in seen.items()
    }
    strength = {
        layer["name"]: sum(
            of_picture[layer["name"]].reshape(-1, layer["shape"][-1]).sum(0)
            for of_picture in activities.values()
        )
        for layer in layers
    }
    shown = _chosen(layers, strength, network["towers"], density, units, classes)
    second = _second_with_weights(layers)
    if opened is not None:
        shown = _only(opened, shown, layers, second)
    wanted = _wanted(layers, shown, second)
    kept = [
        (layer, _levels(layers[second + 1 :][place : place + 1]))
        for place, layer in enumerate(layers[second:])
    ]
    result = {"shown": {name: channels.tolist() for name, channels in shown.items()}}
    result["pictures"] = {
        name: {
            "pixels": packed_picture(pixels),
            "maps": {
                layer["name"]: written_down(
                    activities[name][layer["name"]],
                    layer["name"],
                    shown[layer["name"]],
                    wanted[layer["name"]],
                    levels,
                )
                for layer, levels in kept
            },
        }
        for name, pixels in seen.items()
    }
    if layers[-1].get("activation") == "softmax":
        scores = inspection.models.linear_output(model, layers[-1]["name"])
        part = keras.Model(model.input, scores)
        for name, pixels in seen.items():
            values = np.asarray(part(preprocess_input(pixels, variant)[None]))[0]
            result["pictures"][name]["scores"] = [_short(value) for value in values]
    computed = {
        layer["name"]: (wanted if place < second else shown)[layer["name"]]
        for place, layer in enumerate(layers)
        if layer["kind"] in ("convolution", "dense")
    }
    result["weights"] = {
        name: packed_filters(model.get_layer(name), filters)
        for name, filters in computed.items()
        if len(filters)
    }
    return result


# ---- What is kept ------------------------------------------------------------------------------


def _second_with_weights(layers: Sequence[Mapping]) -> int:
    """The place of the second layer with weights: the browser computes every map before it."""
    weighty = [p for p, layer in enumerate(layers) if layer["kind"] in ("convolution", "dense")]
    return weighty[1] if len(weighty) > 1 else len(layers)


def _chosen(layers, strength, towers, density, units, classes) -> dict[str, np.ndarray]:
    """The channels of each layer that are shown: the most active ones of each tower."""
    shown = {}
    for place, layer in enumerate(layers):
        total = strength[layer["name"]]
        if layer["kind"] == "convolution":
            wanted = max(round(density * (len(total) / towers) ** 0.5), 1)
            # A normalization takes in neighbours: those of neighbours are the same, and kept once.
            side_by_side = place and layers[place + 1 :] and "n" in layers[place + 1]
            current = _strongest(total, towers, wanted, wanted if side_by_side else 1)
        elif layer["kind"] == "dense":
            last = place == len(layers) - 1
            current = _strongest(total, 1, classes) if last else _strongest(total, towers, units)
        shown[layer["name"]] = current  # other kinds keep their maps' numbers
    return shown


def _only(opened, shown, layers, second) -> dict[str, np.ndarray]:
    """The channels of the layers `opened`: those shown, or all where the browser computes them."""
    chosen = dict.fromkeys(shown, np.array([], int))
    for place, layer in enumerate(layers):
        name = layer["name"]
        if name in opened:
            chosen[name] = np.arange(layer["shape"][-1]) if place < second else shown[name]
    return chosen


def _strongest(total: np.ndarray, towers: int, wanted: int, run: int = 1) -> np.ndarray:
    """The numbers of the `wanted` largest of each tower, in order; in runs of `run` neighbours."""
    parts = total.reshape(towers, -1)
    width = parts.shape[1]
    sums = np.lib.stride_tricks.sliding_window_view(parts, min(run, width), axis=1).sum(-1)
    starts = np.argsort(-sums, axis=1, kind="stable")[:, : max(wanted // run, 1)]
    numbers = starts[:, :, None] + np.arange(min(run, width))
    return np.sort(numbers.reshape(towers, -1) + width * np.arange(towers)[:, None], axis=1).ravel()


def _wanted(layers, shown, second) -> dict[str, np.ndarray]:
    """The channels of each layer that something needs: those shown, and what they are made of."""
    wanted = {}
    needed: np.ndarray = np.array([], int)
    for place in range(len(layers) - 1, -1, -1):
        layer = layers[place]
        own = shown[layer["name"]]
        if layer["kind"] == "dense":
            own = np.arange(layer["shape"][-1])  # they are drawn, every one
        wanted[layer["name"]] = np.union1d(own, needed)
        # What a recorded layer has besides those shown is only read, and not computed again.
        made = wanted[layer["name"]] if place < second else shown[layer["name"]]
        needed = _inputs(layer, layers[place - 1]["shape"][-1] if place else 3, made)
    return wanted


def _inputs(layer: Mapping, channels: int, made: np.ndarray) -> np.ndarray:
    """The channels of its input that the channels `made` of a layer are made of."""
    everything = np.arange(channels)
    groups = everything // (channels // layer["groups"])
    if layer["kind"] == "convolution":
        own = made // (layer["shape"][-1] // layer["groups"])
        return everything[np.isin(groups, own)]
    if layer["kind"] == "dense":
        return everything
    if layer["kind"] == "normalization":
        near = np.abs(everything[:, None] - made) <= layer["n"] // 2
        return everything[(near & (groups[:, None] == groups[made])).any(1)]
    return made


# ---- How it is written down --------------------------------------------------------------------


def packed_picture(pixels: np.ndarray) -> str:
    """`rounded` pixels as levels: green, red less green, blue less green; of each, what the
    neighbours left, above and between do not foretell, as in JPEG-LS."""
    red, green, blue = np.moveaxis(pixels.astype(int) // COLOUR_STEP, -1, 0)
    planes = np.stack([green, red - green, blue - green])
    left, above, between = (np.zeros_like(planes) for _ in range(3))
    left[:, :, 1:] = planes[:, :, :-1]
    above[:, 1:] = planes[:, :-1]
    between[:, 1:, 1:] = planes[:, :-1, :-1]
    low, high = np.minimum(left, above), np.maximum(left, above)
    foretold = np.where(
        between >= high, low, np.where(between <= low, high, left + above - between)
    )
    return packed(((planes - foretold) & 255).astype("uint8"))


def _levels(readers: Sequence[Mapping]) -> int:
    """How finely a layer is written down: by the one that reads it, if there is one."""
    sums = ("convolution", "dense")
    return LEVELS if readers and readers[0]["kind"] in sums else FINE_LEVELS


def written_down(
    activities: np.ndarray, name: str, shown: np.ndarray, wanted: np.ndarray, levels: int
) -> dict:
    """The wanted maps of a layer; those that are shown as finely as those that are read alone."""
    if activities.min() < 0:
        raise ValueError(
            f"{name} has negative activities, down to {activities.min():g}; a recording keeps "
            "layers that end with a ReLU, or come after one."
        )
    parts = [(shown, FINE_LEVELS), (np.setdiff1d(wanted, shown), levels)]
    everything = len(wanted) == activities.shape[-1]
    return {
        "largest": float(activities.max()),
        "parts": [
            {
                "channels": None if everything and channels is not shown else channels.tolist(),
                "levels": top,
                "values": quantized(activities[..., channels] / (activities.max() or 1), top),
            }
            for channels, top in parts
            if len(channels)
        ],
    }


def quantized(shares: np.ndarray, levels: int) -> str:
    """Shares of the largest activity, `(rows, columns, channels)` or `(units,)`, map after map.

    A level q stands for the share `(q / levels)²`. It takes two bytes: the low ones of all come
    first, then the high ones, which compress better by themselves.
    """
    steps = np.moveaxis(np.round(levels * np.sqrt(shares)).astype("uint16"), -1, 0)
    return packed(np.stack([steps & 255, steps >> 8]).astype("uint8"))


def packed_filters(layer, filters: np.ndarray) -> dict:
    """Some filters of a layer: one after the other, of each channel after channel.

    A weight is a whole number times its filter's scale: of 8 bits where the weights are from 8 bits
    (`quantization`), as those that come with the package are, else of 16.
    """
    from ...formats import quantization

    kernel, bias = (np.asarray(value, "float32") for value in layer.get_weights())
    levels, scale = quantization.quantize(kernel)
    bits = 8
    if not np.allclose(levels * scale, kernel, rtol=1e-6, atol=0):
        bits = 16
        largest = np.abs(kernel).max(tuple(range(kernel.ndim - 1)))
        scale = np.where(largest > 0, largest, 1) / np.float32(32767)
        levels = np.round(kernel / scale).astype("<i2")
    axes = (3, 2, 0, 1) if kernel.ndim == 4 else (1, 0)
    return {
        "filters": filters.tolist(),
        "bits": bits,
        "scale": [_short(value) for value in scale[filters]],
        "bias": [_short(value) for value in bias[filters]],
        "values": packed(levels.transpose(axes)[filters].copy()),
    }


def _short(value) -> float:
    """A float32 in the fewest digits that say it."""
    return float(str(np.float32(value)))
