"""The shape calculator: a window slides over a map, and what does not fit is shown."""

import traitlets

from ... import architecture
from . import stills
from .explorer import Explorer

LIMITS = {
    "input_size": (1, 300),
    "kernel": (1, 31),
    "stride": (1, 16),
    "padding": (0, 16),
}
"""The smallest and largest setting of each number."""

DASHED = 'fill="none" stroke="#8c8c8c" stroke-dasharray="3 3"'
UNSEEN = 'fill="#d55e00"'


def describe_networks() -> dict[str, dict]:
    """Every variant as the front end needs it: its input, and its layers whose windows slide."""
    return {
        variant: {
            "label": network.label,
            "input_size": network.input_size,
            "layers": [
                {
                    "name": layer.name,
                    "kernel": layer.kernel,
                    "stride": layer.stride,
                    "padding": layer.padding,
                    "rounding": layer.rounding,
                    "input_size": record.input_shape[0],
                    "channels": record.output_shape[2],
                }
                for layer, record in zip(
                    network.layers,
                    architecture.trace(network.input_size, variant),
                    strict=True,
                )
                if isinstance(layer, architecture.Convolution | architecture.MaxPooling)
            ],
        }
        for variant, network in architecture.VARIANTS.items()
    }


def _within(name: str) -> traitlets.Int:
    low, high = LIMITS[name]
    return traitlets.Int(min=low, max=high).tag(sync=True)


class ShapeCalculator(Explorer):
    """How many positions a window has on a map, which pixels it misses, and what that changes.

    Start from a layer of a variant and change what you like; what is not given is the layer's.
    Everything is computed in the browser, by the same rule as `architecture.slide`.

    Args:
        variant: as in `architecture.describe`.
        layer: a convolution or a pooling layer of the variant.
        input_size: pixels per side, 1 to 300.
        kernel: rows and columns of the window, 1 to 31.
        stride: 1 to 16.
        padding: zeros at each side, 0 to 16.
        rounding: `"floor"` or `"ceil"`, what becomes of an incomplete last step.
        row, column: where the window stands, counted from 0; the last position if there are fewer.

    Raises:
        ValueError: if the variant or the layer is unknown.
        traitlets.TraitError: if a number is out of its range.

    >>> ShapeCalculator(input_size=224)
    ShapeCalculator(input_size=224, kernel=11, stride=4, padding=0, rounding='floor')
    """

    _module = "shape_calculator"

    variant = traitlets.Enum(list(architecture.VARIANTS)).tag(sync=True)
    layer = traitlets.Unicode().tag(sync=True)
    input_size = _within("input_size")
    kernel = _within("kernel")
    stride = _within("stride")
    padding = _within("padding")
    rounding = traitlets.Enum(["floor", "ceil"]).tag(sync=True)
    row = traitlets.Int(min=0).tag(sync=True)
    column = traitlets.Int(min=0).tag(sync=True)
    networks = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        variant: str = "paper",
        layer: str = "conv1",
        *,
        input_size: int | None = None,
        kernel: int | None = None,
        stride: int | None = None,
        padding: int | None = None,
        rounding: architecture.Rounding | None = None,
        row: int = 0,
        column: int = 0,
    ):
        architecture.describe(variant)  # explains an unknown variant
        networks = describe_networks()
        preset = {record["name"]: record for record in networks[variant]["layers"]}
        if layer not in preset:
            raise ValueError(
                f"No window slides in a layer {layer!r} of {variant!r}; there are "
                f"{', '.join(preset)}."
            )
        given = {
            "input_size": input_size,
            "kernel": kernel,
            "stride": stride,
            "padding": padding,
            "rounding": rounding,
        }
        settings = {
            name: preset[layer][name] if value is None else value for name, value in given.items()
        }
        super().__init__(
            variant=variant, layer=layer, row=row, column=column, networks=networks, **settings
        )

    def __repr__(self) -> str:
        return (
            f"ShapeCalculator(input_size={self.input_size}, kernel={self.kernel}, "
            f"stride={self.stride}, padding={self.padding}, rounding={self.rounding!r})"
        )

    def still(self) -> str:
        size, kernel, stride, padding = self.input_size, self.kernel, self.stride, self.padding
        quotient = (size + 2 * padding - kernel) / stride + 1
        formula = f"({size} + 2·{padding} − {kernel}) / {stride} + 1 = {quotient:.6g}"
        try:
            steps = architecture.slide(size, kernel, stride, padding, self.rounding)
        except architecture.InputTooSmallError:
            steps = architecture.Steps(0, size, 0)
        positions = f"{steps.positions} × {steps.positions} positions"
        notes = [f"A window of {kernel} × {kernel} on {size} × {size} pixels: {positions}."]
        if steps.unseen:
            unseen = size**2 - (size - steps.unseen) ** 2
            notes.append(f"{unseen:,} pixels are in no window.")
        if steps.overhang:
            notes.append(f"The last windows hang over the edge by {steps.overhang}.")
        # The picture: the map with its padding and overhang, what no window covers, and one window.
        side, left, top = 300, 10, 40
        extent = max(size + 2 * padding + steps.overhang, kernel)
        scale, corner = side / extent, padding * side / extent
        shapes = [
            stills.rectangle(left, top, side, side, DASHED),
            stills.rectangle(
                left + corner,
                top + corner,
                size * scale,
                size * scale,
                'fill="#56b4e9" fill-opacity="0.25" stroke="#8c8c8c"',
            ),
        ]
        starts = range(-padding, -padding + steps.positions * stride, stride)
        seen = {start + offset for start in starts for offset in range(kernel)}
        for line in sorted(set(range(size)) - seen):
            along, across = corner + line * scale, (corner, size * scale)
            shapes.append(stills.rectangle(left + along, top + across[0], scale, across[1], UNSEEN))
            shapes.append(stills.rectangle(left + across[0], top + along, across[1], scale, UNSEEN))
        row, column = (min(place, max(steps.positions - 1, 0)) for place in (self.row, self.column))
        shapes.append(
            stills.rectangle(
                left + column * stride * scale,
                top + row * stride * scale,
                kernel * scale,
                kernel * scale,
                'fill="#0072b2" fill-opacity="0.35" stroke="#0072b2" stroke-width="2"',
            )
        )
        lines = [
            stills.text(left, top + side + 24 + 20 * index, note)
            for index, note in enumerate(notes)
        ]
        return stills.picture(
            f"Shape calculator: {formula}. {' '.join(notes)}",
            *(400, top + side + 14 + 20 * len(notes)),
            stills.text(left, 24, formula, size=16),
            *shapes,
            *lines,
        )
