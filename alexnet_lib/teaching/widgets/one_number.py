"""One number: what a single unit of a network is made of, down to each product."""

from ...front_end import photographs
from ...front_end.receptive_fields import Field
from . import stills
from .recorded import Recorded


class OneNumber(Recorded):
    """Take a unit's number to pieces: patch, filter, products, their sums, bias, ReLU.

        OneNumber(model, {"cat": cat}, class_names, until="conv1")

    A normalization shows its neighbours and the division, a pooling the winner, a fully connected
    layer its largest contributions. The browser does the sums, from the network's own weights and
    activities.

    Args:
        As in `Recorded`.
    """

    _module = "one_number"

    def still(self) -> str:
        layer = next(one for one in self.network["layers"] if one["name"] == self.layer)
        size, jump, start = Field(**layer["field"])
        maps = self._maps[self.layer]
        value = maps[self.row, self.column, self.channel] if maps.ndim == 3 else maps[self.channel]
        side = 227
        scale = side / self.network["input_shape"][0]
        top, left = start + self.row * jump, start + self.column * jump
        mark = 'fill="none" stroke="#ff9a52" stroke-width="2"'
        unit = f"{self.layer}, map {self.channel}, row {self.row}, column {self.column}"
        return stills.picture(
            f"One number: {unit} of the picture {self.picture} is {value:.4g}. "
            f"It is made of {size} × {size} pixels.",
            *(stills.WIDTH, side + 30),
            stills.text(0, 16, f"{unit}: {value:.4g}", size=15),
            stills.image(photographs.data_url(self._pixels), 0, 28, side),
            stills.rectangle(left * scale, 28 + top * scale, size * scale, size * scale, mark),
        )
