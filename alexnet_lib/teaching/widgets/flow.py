"""The flow: the whole network in one view, and a picture on its way through it."""

import numpy as np
import traitlets

from ...front_end import photographs
from . import recordings, stills
from .packing import map_url
from .recorded import Recorded

TOWERS = ("#2680c2", "#e2761b")
"""Colours of the two towers."""


class Flow(Recorded):
    """Let a picture flow through the whole network, and take any number on its way to pieces.

        Flow(model, {"cat": cat}, class_names)

    The maps are those that leave the layers for this picture: of each tower some of the most active
    ones. Point at a unit, and its receptive field is drawn in every layer before it. Click it, and
    see how its number comes about.

    Args:
        opened: whether the number of the chosen unit is taken to pieces from the start.
        Others as in `Recorded`.
    """

    _module = "flow"

    opened = traitlets.Bool(False).tag(sync=True)

    def __init__(self, model, pictures, class_names, *, opened: bool = False, **settings):
        super().__init__(model, pictures, class_names, **settings)
        self.opened = opened

    def still(self) -> str:
        shown, towers = self.recording["shown"], self.network["towers"]
        layers = [
            layer
            for layer in self.network["layers"]
            if len(layer["shape"]) == 3 and layer["kind"] not in recordings.PASSES_ON
        ]
        photo, gap, top, tower = 84, 8, 26, 84
        parts = [
            stills.image(
                photographs.data_url(self._pixels, photo, 8_000),
                *(0, top + tower - photo / 2 + 6, photo),
            )
        ]
        width = 460
        sides = [layer["shape"][0] ** 0.5 for layer in layers]
        unit = (width - photo - gap * len(layers)) / sum(sides)
        left = float(photo + gap)
        for layer, root in zip(layers, sides, strict=True):
            side = unit * root
            maps = self._maps[layer["name"]]
            for number in range(towers):
                channel = shown[layer["name"]][number * len(shown[layer["name"]]) // towers]
                values = maps[..., channel]
                brightness = np.sqrt(np.clip(values / (values.max() or 1), 0, 1))
                middle = top + tower / 2 + number * (tower + 12)
                frame = f'fill="none" stroke="{TOWERS[number]}" stroke-width="3"'
                parts.append(stills.image(map_url(brightness), left, middle - side / 2, side))
                parts.append(stills.rectangle(left, middle - side / 2, side, side, frame))
            left += side + gap
        answers = self._maps[self.network["layers"][-1]["name"]]
        height = top + towers * (tower + 12)
        said = ""
        if answers.ndim == 1 and len(answers) == len(self.class_names):
            best = int(answers.argmax())
            said = f"The network predicts {self.class_names[best]}, {answers[best]:.0%}."
        names = ", ".join(layer["name"] for layer in layers)
        label = f"{self.picture} on its way through the network: a map of each tower of {names}."
        return stills.picture(
            f"{label} {said}",
            *(width, height + 24),
            stills.text(0, 16, "The network, and a picture that flows through it", size=15),
            *parts,
            stills.text(0, height + 14, said),
        )
