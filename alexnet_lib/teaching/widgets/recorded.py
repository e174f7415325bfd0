"""What explorers of a recorded pass have in common: its pictures, and the unit that is chosen."""

from collections.abc import Mapping, Sequence

import numpy as np
import traitlets

from ...front_end.live_page import WHOLE
from . import recordings
from .explorer import Explorer

CHAPTERS = {
    "convolution": ("02_convolution_arithmetic", "Convolution arithmetic"),
    "normalization": ("05_local_response_normalization", "Local response normalization"),
    "map normalization": ("05_local_response_normalization", "Local response normalization"),
    "activation": ("04_relu", "ReLU"),
    "pooling": ("06_overlapping_pooling", "Overlapping pooling"),
    "dense": ("03_eight_layers_one_table", "Eight layers, one table"),
}
"""By kind of layer the chapter that explains it, and its title: links on the book's pages."""


class Recorded(Explorer):
    """A recorded pass, of which one unit is chosen.

    Args:
        model: as `AlexNet` returns it.
        pictures: by name, `(rows, columns, 3)`, RGB, 0..255, as large as the model's input.
        class_names: of the model's outputs.
        picture, layer, channel, row, column: the unit that is chosen first. The last convolution,
            if not given, and where it answers most strongly, among the maps that are kept.
        until: the last layer that is kept; all of them if None.
        **kept: how much, see `recordings.record`.

    Raises:
        ValueError: if there is no picture, or what should be chosen first is not there.
    """

    picture = traitlets.Unicode().tag(sync=True)
    layer = traitlets.Unicode().tag(sync=True)
    channel = traitlets.Int(min=0).tag(sync=True)
    row = traitlets.Int(min=0, max=999).tag(sync=True)
    column = traitlets.Int(min=0, max=999).tag(sync=True)
    step = traitlets.Int(WHOLE, min=0, max=WHOLE).tag(sync=True)
    class_names = traitlets.List().tag(sync=True)
    chapters = traitlets.Dict().tag(sync=True)
    network = traitlets.Dict().tag(sync=True)
    recording = traitlets.Dict().tag(sync=True)

    _measured = ("recording",)

    def __init__(
        self,
        model,
        pictures: Mapping[str, np.ndarray],
        class_names: Sequence[str],
        *,
        picture: str | None = None,
        layer: str | None = None,
        channel: int | None = None,
        row: int | None = None,
        column: int | None = None,
        until: str | None = None,
        **kept,
    ):
        from ... import inspection  # loads TensorFlow
        from ...model import description
        from ...preprocessing import preprocess_input

        name = type(self).__name__
        if not pictures:
            raise ValueError(f"{name} needs at least one picture.")
        if len(class_names) != model.output_shape[-1]:
            raise ValueError(
                f"The model has {model.output_shape[-1]} classes, and there are "
                f"{len(class_names)} names for them."
            )
        network = recordings.describe_network(model, until)
        picture = next(iter(pictures)) if picture is None else picture
        if picture not in pictures:
            raise ValueError(f"There is no picture {picture!r}; there are {', '.join(pictures)}.")
        recording = recordings.record(model, network, pictures, **kept)
        shown = recording["shown"]
        if layer is None:
            with_maps = [one["name"] for one in network["layers"] if one["kind"] == "convolution"]
            layer = with_maps[-1]
        if layer not in shown:
            raise ValueError(f"There is no layer {layer!r}; there are {', '.join(shown)}.")
        if channel is not None and channel not in shown[layer]:
            kept_maps = ", ".join(map(str, shown[layer]))
            raise ValueError(f"Channel {channel!r} of {layer} is not kept; those are {kept_maps}.")
        pixels = recordings.rounded(pictures[picture])
        self._pixels = pixels
        self._maps = inspection.activations(
            model, preprocess_input(pixels, description(model).variant), list(shown)
        )
        activity = self._maps[layer]
        if activity.ndim == 1:
            activity = activity[None, None]
        if channel is None:
            channel = max(shown[layer], key=lambda one: activity[..., one].max())
        strongest = np.unravel_index(activity[..., channel].argmax(), activity.shape[:2])
        super().__init__(
            picture=picture,
            layer=layer,
            channel=channel,
            row=int(strongest[0]) if row is None else row,
            column=int(strongest[1]) if column is None else column,
            class_names=list(class_names),
            chapters={
                kind: list(chapter)
                for kind, chapter in CHAPTERS.items()
                if kind in {one["kind"] for one in network["layers"]}
            },
            network=network,
            recording=recording,
        )

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(picture={self.picture!r}, layer={self.layer!r}, "
            f"channel={self.channel}, row={self.row}, column={self.column})"
        )
