"""The network map: what each layer is, costs and sees, and which tower feeds which."""

import traitlets

from ... import architecture
from ...front_end import photographs
from ...front_end.receptive_fields import field_of
from ..colours import colour_of, kind_named
from . import stills
from .explorer import Explorer


def links(record: architecture.LayerTrace, towers: int) -> str:
    """How a layer of a network of two towers takes in what comes before it.

    Returns:
        `"all"`: every unit sees the channels of both towers, or the picture; `"own"`: those of its
        own tower only; `"seam"`: a normalization whose sums reach a few channels past the seam
        between the towers; with one tower, always `"all"`.
    """
    if towers == 1:
        return "all"
    if record.kind in ("convolution", "dense"):
        return "own" if record.groups == 2 else "all"
    return "seam" if record.kind == "normalization" and record.groups == 1 else "own"


def constants(layer: architecture.Layer) -> str:
    """What a layer's record does not say: its constants, in the paper's signs."""
    if isinstance(layer, architecture.LocalResponseNorm):
        return f"n = {layer.n}, k = {layer.k:g}, α = {layer.alpha:g}, β = {layer.beta:g}"
    if isinstance(layer, architecture.MapResponseNorm):
        square = f"{layer.size} × {layer.size}"
        return f"{square} places of a map, k = {layer.k:g}, α = {layer.alpha:g}, β = {layer.beta:g}"
    if isinstance(layer, architecture.Dropout):
        return f"silences a share of {layer.rate:g} while training"
    function = getattr(layer, "activation", None) or getattr(layer, "function", None)
    return {"relu": "ReLU", None: ""}.get(function, function)


def describe_network(variant: str) -> dict:
    """A variant as the front end needs it, all of it from `architecture.trace`."""
    network = architecture.variant_named(variant)
    records = architecture.trace(network.input_size, variant)
    return {
        "label": network.label,
        "input_size": network.input_size,
        "towers": network.towers,
        "layers": [
            {
                "name": record.name,
                "kind": record.kind,
                **kind_named(record.kind)._asdict(),
                "says": constants(layer),
                "shape": list(record.output_shape),
                "kernel": record.kernel,
                "stride": record.stride,
                "padding": record.padding,
                "parameters": record.parameters,
                "macs": record.macs,
                "field": field_of(record)._asdict(),
                "links": links(record, network.towers),
            }
            for layer, record in zip(network.layers, records, strict=True)
        ],
    }


class NetworkMap(Explorer):
    """Click a layer: its shape, parameters, multiplications, receptive field, and what feeds it.

        NetworkMap(photograph)

    Every number is from `architecture.trace`. The receptive field of the unit at (row, column) is
    drawn on the photograph.

    Args:
        photograph: `(rows, columns, 3)`, 0..255, or a file. Its central square is shown as the
            network's input.
        variant: as in `architecture.describe`.
        layer: a layer of the variant.
        row, column: the unit whose field is drawn, counted from 0; the one in the middle if None.

    Raises:
        ValueError: if the variant or the layer is unknown.

    >>> NetworkMap(layer="conv5")
    NetworkMap(variant='paper', layer='conv5', row=6, column=6)
    """

    _module = "network_map"

    variant = traitlets.Enum(list(architecture.VARIANTS)).tag(sync=True)
    layer = traitlets.Unicode().tag(sync=True)
    row = traitlets.Int(min=0).tag(sync=True)
    column = traitlets.Int(min=0).tag(sync=True)
    photograph = traitlets.Dict().tag(sync=True)
    networks = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        photograph=None,
        variant: str = "paper",
        layer: str = "conv1",
        *,
        row: int | None = None,
        column: int | None = None,
    ):
        architecture.describe(variant)  # explains an unknown variant
        networks = {name: describe_network(name) for name in architecture.VARIANTS}
        shapes = {record["name"]: record["shape"] for record in networks[variant]["layers"]}
        if layer not in shapes:
            raise ValueError(f"{variant!r} has no layer {layer!r}; there are {', '.join(shapes)}.")
        rows, columns = shapes[layer][:2] if len(shapes[layer]) == 3 else (1, 1)
        super().__init__(
            variant=variant,
            layer=layer,
            row=rows // 2 if row is None else row,
            column=columns // 2 if column is None else column,
            photograph={} if photograph is None else {"image": photographs.data_url(photograph)},
            networks=networks,
        )

    def __repr__(self) -> str:
        return (
            f"NetworkMap(variant={self.variant!r}, layer={self.layer!r}, row={self.row}, "
            f"column={self.column})"
        )

    def still(self) -> str:
        network = self.networks[self.variant]
        chosen = next(r for r in network["layers"] if r["name"] == self.layer)
        parts, top = [], 40
        for record in network["layers"]:
            colour = colour_of(record["kind"])
            if colour is None:
                continue
            here = record is chosen
            for tower in range(network["towers"]):
                width = 210 / network["towers"] - 6
                style = f'fill="{colour}" fill-opacity="{0.9 if here else 0.4}"'
                parts.append(stills.rectangle(10 + tower * (width + 6), top, width, 14, style))
            shape = " × ".join(map(str, record["shape"]))
            weight = 'font-weight="bold"' if here else ""
            parts.append(stills.text(232, top + 12, f"{record['name']}: {shape}", style=weight))
            top += 22
        side = chosen["field"]["size"]
        says = [
            f"{chosen['name']}: the receptive field of a unit is {side} × {side} pixels;",
            f"{chosen['parameters']:,} parameters, {chosen['macs']:,} multiplications",
        ]
        title = f"The network of {network['label']}"
        return stills.picture(
            f"{title}, layer by layer. {' '.join(says)}.",
            *(stills.WIDTH, top + 40),
            stills.text(10, 24, title, size=16),
            *parts,
            *(stills.text(10, top + 14 + 18 * line, text) for line, text in enumerate(says)),
        )
