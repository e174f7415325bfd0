"""Feature maps: every map of some layers, for some pictures, each beside its filter."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import traitlets

from ...architecture import LayerTrace
from ...front_end import photographs
from ...front_end.live_page import WHOLE
from ...front_end.receptive_fields import Field, field_of
from . import recordings, stills
from .explorer import Explorer
from .packing import map_url, packed

LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5")
LEVELS = 127
"""Brightnesses of a map. They are steps of the square root, so that weak answers stay exact."""
WEIGHT_LEVELS = 31
"""Levels of a weight, to each side of zero."""
SLICES = 6
"""Input channels of a filter that are shown where there are too many to show all."""
OPENED_DENSITY = 0.15
"""Maps of each tower whose numbers can be opened, per root of its channels. The filters of all
would be 2.3 MB."""


def quantized_maps(maps: np.ndarray) -> dict:
    """Maps `(rows, columns, channels)` as the front end reads them.

    A level q stands for `largest · (q / LEVELS)²`. What is negative becomes 0.
    """
    largest = float(max(maps.max(), 0))
    share = np.clip(maps / (largest or 1), 0, 1)
    levels = np.round(LEVELS * np.sqrt(share)).astype("uint8")
    # One map after the other, which compresses better.
    return {"largest": largest, "values": packed(np.moveaxis(levels, -1, 0).copy())}


def strongest_slices(kernel: np.ndarray, groups: int = 1) -> dict:
    """Of each filter the input channels with the largest weights, the strongest first.

    Args:
        kernel: `(rows, columns, input channels / groups, filters)`, as Keras keeps it.
        groups: of the convolution. Channels are counted over all groups.

    Returns:
        `channels`: int `(filters, slices)`; `weights`: int8 `(filters, slices, rows, columns)`, the
        largest weight of each filter is `WEIGHT_LEVELS`. A filter over the three colours of a
        picture keeps all of them, in order.
    """
    depth, filters = kernel.shape[2:]
    slices = np.moveaxis(kernel, (3, 2), (0, 1))
    if depth == 3:
        order = np.tile(np.arange(3), (filters, 1))
    else:
        norms = (slices**2).sum((2, 3))
        order = np.argsort(-norms, axis=1, kind="stable")[:, :SLICES]
    chosen = np.take_along_axis(slices, order[:, :, None, None], axis=1)
    largest = np.abs(chosen).max((1, 2, 3), keepdims=True)
    weights = np.round(WEIGHT_LEVELS * chosen / np.where(largest > 0, largest, 1)).astype("int8")
    group = np.arange(filters) // (filters // groups)
    return {"channels": order + depth * group[:, None], "weights": weights}


class FeatureMaps(Explorer):
    """The maps of a network for some pictures; each map's filter; each unit's receptive field.

        FeatureMaps(model, {"cat": cat, "coffee": coffee})

    Choose picture, layer and map; the square on the picture is the receptive field of the unit.
    Python computes the maps once, rounded to 7 bits; a picture adds about 0.4 MB to the notebook's
    output.

    Args:
        model: any of ours.
        pictures: by name, each `(height, width, 3)`, what the model takes (`inspection`).
        layers: of the model, with maps.
        picture, layer, channel: what is shown first. The first, and map 0, if not given.
        row, column: the unit that is chosen, counted from 0; the middle of the map if not given.
        live: whether the page "AlexNet live" runs this network on these pictures. Then a link leads
            from each unit to the same one there, where its number can be taken to pieces.
        numbers: whether numbers can be taken to pieces here, too: every one of the first
            convolution, and those of the most active maps of the other layers. The pictures are
            then 0..255, and shown and sent through the network in `recordings.rounded` colours.

    Raises:
        ValueError: if there is no picture, a layer has no maps, or what should be shown first is
            not there; with `numbers`, if a layer is no convolution.
    """

    _module = "feature_maps"

    picture = traitlets.Unicode().tag(sync=True)
    layer = traitlets.Unicode().tag(sync=True)
    channel = traitlets.Int(min=0, max=9999).tag(sync=True)
    row = traitlets.Int(min=0).tag(sync=True)
    column = traitlets.Int(min=0).tag(sync=True)
    input_shape = traitlets.List().tag(sync=True)
    shapes = traitlets.Dict().tag(sync=True)
    fields = traitlets.Dict().tag(sync=True)
    groups = traitlets.Dict().tag(sync=True)
    levels = traitlets.List([LEVELS, WEIGHT_LEVELS]).tag(sync=True)
    photographs = traitlets.Dict().tag(sync=True)
    maps = traitlets.Dict().tag(sync=True)
    filters = traitlets.Dict().tag(sync=True)
    live = traitlets.Bool(False).tag(sync=True)
    step = traitlets.Int(WHOLE, min=0, max=WHOLE).tag(sync=True)
    opened = traitlets.Bool(False).tag(sync=True)
    network = traitlets.Dict().tag(sync=True)
    recording = traitlets.Dict().tag(sync=True)

    _measured = ("maps", "filters", "recording")

    def __init__(
        self,
        model,
        pictures: Mapping[str, np.ndarray],
        layers: str | Sequence[str] = LAYERS,
        *,
        picture: str | None = None,
        layer: str | None = None,
        channel: int = 0,
        row: int | None = None,
        column: int | None = None,
        live: bool = False,
        numbers: bool = False,
    ):
        from ... import inspection  # loads TensorFlow
        from ...model import description

        if numbers:
            pictures = {name: recordings.rounded(pixels) for name, pixels in pictures.items()}
        pictures = {str(name): np.asarray(pixels, "float32") for name, pixels in pictures.items()}
        if not pictures or not layers:
            raise ValueError("FeatureMaps needs at least one picture and one layer.")
        layers = [layers] if isinstance(layers, str) else layers
        picture = next(iter(pictures)) if picture is None else picture
        layer = layers[0] if layer is None else layer
        for what, name, known in (("picture", picture, pictures), ("layer", layer, layers)):
            if name not in known:
                raise ValueError(f"There is no {what} {name!r}; there are {', '.join(known)}.")
        maps = {
            name: inspection.activations(model, pixels, layers) for name, pixels in pictures.items()
        }
        shapes = {name: values.shape for name, values in maps[picture].items()}
        flat = [name for name, shape in shapes.items() if len(shape) != 3]
        if flat:
            raise ValueError(f"{', '.join(flat)}: no maps, only units; FeatureMaps shows maps.")
        rows, columns, channels = shapes[layer]
        if not 0 <= channel < channels:
            raise ValueError(f"{layer} has the maps 0 to {channels - 1}; channel is {channel!r}.")
        side = next(iter(pictures.values())).shape[0]
        records = {record.name: record for record in description(model).trace()}
        self._first = maps[picture][layer][..., channel]
        network, recording = _recorded(model, pictures, shapes) if numbers else ({}, {})
        super().__init__(
            picture=picture,
            layer=layer,
            channel=channel,
            row=rows // 2 if row is None else row,
            column=columns // 2 if column is None else column,
            live=live,
            input_shape=[side, side],
            shapes={name: list(shape) for name, shape in shapes.items()},
            fields={name: field_of(records[name])._asdict() for name in shapes},
            groups=_towers(records, shapes),
            photographs={
                name: photographs.data_url(inspection.as_pictures(model, pixels))
                for name, pixels in pictures.items()
            },
            maps={
                name: {
                    layer: quantized_maps(values)
                    for layer, values in of_picture.items()
                    if layer not in _computed(network)
                }
                for name, of_picture in maps.items()
            },
            network=network,
            recording=recording,
            filters={
                name: _packed_filters(model.get_layer(name))
                for name in shapes
                if len(getattr(model.get_layer(name), "kernel", np.empty(0)).shape) == 4
            },
        )

    def __repr__(self) -> str:
        return (
            f"FeatureMaps(picture={self.picture!r}, layer={self.layer!r}, channel={self.channel}, "
            f"row={self.row}, column={self.column})"
        )

    def still(self) -> str:
        size, jump, start = Field(**self.fields[self.layer])
        rows, _, channels = self.shapes[self.layer]
        top, left = start + self.row * jump, start + self.column * jump
        side, gap, above = 190, 20, 30
        scale = side / self.input_shape[0]
        unit = side / rows
        label = (
            f"Feature maps: map {self.channel} of {channels} of {self.layer} for the picture "
            f"{self.picture}. The unit in row {self.row}, column {self.column} has a "
            f"receptive field of {size} × {size} pixels."
        )
        # As the front end draws maps: weak answers are seen, too.
        brightness = np.sqrt(np.clip(self._first / (self._first.max() or 1), 0, 1))
        mark = 'fill="none" stroke="#ff9a52" stroke-width="2"'
        return stills.picture(
            label,
            2 * side + gap,
            above + side,
            stills.text(0, 16, self.picture),
            stills.text(side + gap, 16, f"{self.layer}, map {self.channel}"),
            stills.image(self.photographs[self.picture], 0, above, side),
            stills.image(map_url(brightness), side + gap, above, side),
            stills.rectangle(left * scale, above + top * scale, size * scale, size * scale, mark),
            stills.rectangle(
                side + gap + self.column * unit, above + self.row * unit, unit, unit, mark
            ),
        )


def _towers(records: Mapping[str, LayerTrace], shown: Iterable[str]) -> dict[str, int]:
    """How many towers the filters of each layer belong to: two where the network has groups."""
    towers = max(record.groups for record in records.values())
    convolutions = [name for name in shown if records[name].kind == "convolution"]
    return dict.fromkeys(convolutions, towers)


def _recorded(model, pictures: Mapping[str, np.ndarray], shown: Iterable[str]) -> tuple[dict, dict]:
    """The network up to the last layer that is shown, and what the numbers are made of."""
    from ...model import build, description
    from ...preprocessing import Preprocess

    described = description(model)
    preprocess = next((layer for layer in model.layers if isinstance(layer, Preprocess)), None)
    if preprocess is None or (preprocess.variant, preprocess.scale) != (described.variant, 1):
        raise ValueError(
            "With numbers=True, FeatureMaps takes pictures as they are, 0..255, and a model that "
            "preprocesses them: with_preprocessing(model, class_names)."
        )
    kinds = {record.name: record.kind for record in described.trace()}
    others = [name for name in shown if kinds[name] != "convolution"]
    if others:
        raise ValueError(
            f"{', '.join(others)}: no convolution; with numbers=True, FeatureMaps shows those."
        )
    bare = build(described.layers, described.input_shape)
    bare.set_weights(model.get_weights())
    network = recordings.describe_network(bare, until=max(shown, key=list(kinds).index))
    recording = recordings.record(
        bare, network, pictures, density=OPENED_DENSITY, opened=list(shown)
    )
    return network, recording


def _computed(network: Mapping) -> tuple[str, ...]:
    """The layers whose maps the browser computes: the first, from the picture."""
    return tuple(layer["name"] for layer in network.get("layers", ())[:1])


def _packed_filters(layer) -> dict:
    slices = strongest_slices(np.asarray(layer.kernel), layer.groups)
    return {
        "shape": list(slices["weights"].shape),
        "channels": packed(slices["channels"].astype("<u2")),
        "weights": packed(slices["weights"]),
    }
