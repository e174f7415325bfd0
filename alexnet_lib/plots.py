"""The book's figures, one function a figure. Each returns a matplotlib `Figure`.

Figures of the network are drawn from its description; none holds a number of its own. They are
narrow, with large type, so that they can be read on a telephone.
"""

from collections.abc import Mapping, Sequence
from math import ceil

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Patch, Rectangle
from matplotlib.ticker import PercentFormatter

from . import architecture

# Okabe and Ito's colours, which people with colour-blindness can tell apart.
BLUE, ORANGE, GREEN, SKY, VERMILION, GREY = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#56b4e9",
    "#d55e00",
    "#8c8c8c",
)
_STYLE = {
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.dpi": 100,
    "savefig.dpi": 160,
    "svg.hashsalt": "alexnet",
}
_KIND_COLOUR = {
    "input": GREY,
    "convolution": BLUE,
    "normalization": GREEN,
    "map normalization": GREEN,
    "pooling": SKY,
    "dense": ORANGE,
}


def network(variant: str = "paper", input_size: int | None = None) -> Figure:
    """The network from the picture (top) to the classes (bottom), tower beside tower.

    The wider a box, the larger the map. A line that stays on its side is a group that sees its own
    tower only; lines that cross are layers that see both. (An LRN without groups also looks two
    channels past the seam between the towers, which is not drawn.)
    """
    size = input_size or architecture.NATIVE_INPUT_SIZE[variant]
    records = [
        record
        for record in architecture.trace(size, variant)
        if record.kind in _KIND_COLOUR and record.name != "flatten"
    ]
    towers = max(record.groups for record in records)
    centres = [0.0] if towers == 1 else [-1.55, 1.55]
    widest = 2.9 if towers == 2 else 4.5

    def width(side):
        return 1.9 + (widest - 1.9) * side / records[0].output_shape[0]

    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(figsize=(5.4, 0.46 * (len(records) + 1)), layout="constrained")
        _box(axes, 0, 0, widest, f"picture {size}×{size}×3", _KIND_COLOUR["input"])
        above = [0.0] * towers
        for depth, record in enumerate(records, start=1):
            sees_all = depth > 1 and record.groups == 1 and record.kind in ("convolution", "dense")
            last = record is records[-1]
            here = [0.0] if last else centres
            for tower, centre in enumerate(here):
                sources = set(above) if sees_all or last else {above[tower]}
                for source in sources:
                    crosses = sees_all and towers > 1
                    axes.plot(
                        [source, centre],
                        [-depth + 1 - 0.3, -depth + 0.3],
                        color=VERMILION if crosses else GREY,
                        linewidth=1.4,
                        zorder=0,
                    )
                shape = record.output_shape
                part = (*shape[:-1], shape[-1] // len(here))
                _box(
                    axes,
                    centre,
                    -depth,
                    width(shape[0]) if len(shape) == 3 else widest,
                    f"{record.name}  {'×'.join(map(str, part))}",
                    _KIND_COLOUR[record.kind],
                )
            above = here
        axes.set(xlim=(-3.1, 3.1), ylim=(-len(records) - 0.5, 0.5))
        axes.axis("off")
        kinds = dict.fromkeys(record.kind for record in records)
        axes.legend(
            handles=[Patch(color=_KIND_COLOUR[kind], alpha=0.35, label=kind) for kind in kinds],
            loc="upper center",
            bbox_to_anchor=(0.5, 0.0),
            ncols=2,
            frameon=False,
        )
    return _finish(figure)


def _box(axes, x, y, width, label, colour):
    axes.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - 0.24),
            width,
            0.48,
            boxstyle="round,pad=0,rounding_size=0.1",
            facecolor=colour,
            edgecolor="none",
            alpha=0.35,
        )
    )
    axes.text(x, y, label, ha="center", va="center")


def cost(variant: str = "paper", input_size: int | None = None) -> Figure:
    """Where the parameters are, where the arithmetic is, where the memory of the activations is.

    Each bar is a layer's share of the whole network's.
    """
    records = architecture.trace(input_size or architecture.NATIVE_INPUT_SIZE[variant], variant)
    records = [record for record in records if record.kind in ("convolution", "dense")]
    measures = {
        "parameters": [record.parameters for record in records],
        "multiply-accumulates": [record.macs for record in records],
        "activations": [record.units for record in records],
    }
    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(figsize=(5.4, 5.6), layout="constrained")
        places = np.arange(len(records))
        for offset, (colour, (name, counts)) in enumerate(
            zip((ORANGE, BLUE, GREEN), measures.items(), strict=True)
        ):
            shares = np.array(counts) / sum(counts)
            bars = axes.barh(places + 0.27 * (offset - 1), shares, 0.25, color=colour, label=name)
            axes.bar_label(bars, [f"{share:.1%}" for share in shares], padding=3, fontsize=9)
        axes.set_yticks(places, [record.name for record in records])
        axes.invert_yaxis()
        axes.xaxis.set_major_formatter(PercentFormatter(1))
        axes.set_xlim(0, 0.75)
        axes.set_xlabel("share of the eight layers together")
        axes.legend(frameon=False, loc="lower right")
    return _finish(figure)


def windows(
    sizes: Sequence[int], kernel: int, stride: int, padding: int = 0, rounding: str = "floor"
) -> Figure:
    """The last windows along one side of maps of several sizes, at the far edge.

    Pixels that no window sees are red; a window that hangs over the edge reaches past the line.
    """
    shown = 3 * stride + kernel
    with plt.rc_context(_STYLE):
        figure, all_axes = plt.subplots(
            len(sizes), 1, figsize=(5.4, 1.75 * len(sizes)), layout="constrained", squeeze=False
        )
        for size, axes in zip(sizes, all_axes[:, 0], strict=True):
            steps = architecture.slide(size, kernel, stride, padding, rounding)
            first = size - shown
            end_of_last = (steps.positions - 1) * stride - padding + kernel
            for pixel in range(first, size):
                unseen = pixel >= end_of_last
                axes.add_patch(
                    Rectangle(
                        (pixel, 0),
                        1,
                        1,
                        facecolor=VERMILION if unseen else "#dddddd",
                        edgecolor="white",
                        hatch="//" if unseen else None,
                    )
                )
            for row in range(3):
                position = steps.positions - 3 + row
                start = position * stride - padding
                axes.add_patch(
                    Rectangle((start, 1.5 + row), kernel, 0.7, facecolor=BLUE, alpha=0.35)
                )
                axes.text(start + kernel / 2, 1.85 + row, position, ha="center", va="center")
            axes.axvline(size, color="black", linewidth=1)
            axes.set(xlim=(first - 1, size + stride + 1), ylim=(0, 4.6), yticks=[])
            axes.spines["left"].set_visible(False)
            axes.set_title(
                f"{size} pixels: {steps.positions} windows, {steps.unseen} pixels unseen, "
                f"overhang {steps.overhang}",
                fontsize=11,
                loc="left",
            )
        axes.set_xlabel("pixel")
    return _finish(figure)


def receptive_fields(
    image: np.ndarray, records: Sequence[architecture.LayerTrace], layers: Sequence[str]
) -> Figure:
    """What one unit in the middle of each layer can see, as squares on the picture.

    Args:
        image: RGB, `(height, width, 3)`, 0..255.
        records: the trace for an input of the picture's size.
        layers: names of the layers to draw.
    """
    height, width = image.shape[:2]
    colours = plt.get_cmap("viridis")(np.linspace(0.95, 0.05, len(layers)))
    by_name = {record.name: record for record in records}
    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(figsize=(5.4, 5.4 * height / width), layout="constrained")
        axes.imshow(image.astype("uint8"))
        for name, colour in zip(layers, colours, strict=True):
            side = by_name[name].receptive_field
            axes.add_patch(
                Rectangle(
                    ((width - side) / 2, (height - side) / 2),
                    side,
                    side,
                    fill=False,
                    edgecolor=colour,
                    linewidth=2.5,
                    label=f"{name}: {side}×{side}",
                )
            )
        axes.axis("off")
        axes.legend(loc="upper left", bbox_to_anchor=(0, 0), ncols=3, frameon=False, fontsize=10)
    return _finish(figure)


def pictures(images: Mapping[str, np.ndarray], columns: int = 3) -> Figure:
    """Pictures side by side, each under its name.

    Args:
        images: name → `(height, width, 3)` RGB 0..255, or `(height, width)` of any range, which is
            drawn in grey from its least to its greatest value.
    """
    rows = ceil(len(images) / columns)
    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(
            rows,
            columns,
            figsize=(5.4, rows * (5.4 / columns + 0.3)),
            layout="constrained",
            squeeze=False,
        )
        for cell in axes.flat:
            cell.axis("off")
        for cell, (name, image) in zip(axes.flat, images.items(), strict=False):
            cell.imshow(image.astype("uint8") if image.ndim == 3 else image, cmap="gray")
            cell.set_title(name, fontsize=11)
    return _finish(figure)


def feature_maps(maps: np.ndarray, columns: int = 12) -> Figure:
    """All maps of one layer for one picture, each drawn from its own least to greatest value.

    Args:
        maps: `(height, width, channels)`.
    """
    channels = maps.shape[-1]
    rows = ceil(channels / columns)
    gap = 1
    height, width = maps.shape[0] + gap, maps.shape[1] + gap
    sheet = np.ones((rows * height, columns * width))
    for channel in range(channels):
        row, column = divmod(channel, columns)
        values = maps[..., channel].astype("float32")
        spread = values.max() - values.min()
        top, left = row * height, column * width
        sheet[top : top + height - gap, left : left + width - gap] = (
            (values - values.min()) / spread if spread else 0
        )
    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(
            figsize=(5.4, 5.4 * sheet.shape[0] / sheet.shape[1]), layout="constrained"
        )
        axes.imshow(sheet, cmap="gray", vmin=0, vmax=1)
        axes.axis("off")
    return _finish(figure)


def competition_results(
    years: Sequence[int], errors: Sequence[float], deep: Sequence[bool], human: float
) -> Figure:
    """Error of each year's winner, in percent; convolutional networks stand out in colour."""
    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(figsize=(5.4, 3.6), layout="constrained")
        colours = [BLUE if is_deep else GREY for is_deep in deep]
        bars = axes.bar([str(year) for year in years], errors, color=colours)
        axes.bar_label(bars, [f"{error:.1f} %" for error in errors], padding=2)
        line = axes.axhline(human, color=VERMILION, linestyle="--", linewidth=1.2)
        line.set_label(f"one trained person, {human} %")
        axes.set_ylabel("top-5 test error, percent")
        axes.legend(
            handles=[
                Patch(color=GREY, label="hand-made features"),
                Patch(color=BLUE, label="convolutional network"),
                line,
            ],
            frameon=False,
        )
    return _finish(figure)


def _finish(figure: Figure) -> Figure:
    """Takes the figure out of pyplot's hands, so that a notebook shows it once, not twice."""
    plt.close(figure)
    return figure
