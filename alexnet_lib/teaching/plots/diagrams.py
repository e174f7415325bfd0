"""Diagrams of the network, drawn from its description."""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Patch, Rectangle
from matplotlib.ticker import PercentFormatter

from ... import architecture
from ..colours import BLUE, GREEN, GREY, ORANGE, VERMILION, colour_of
from .style import STYLE, finish

if TYPE_CHECKING:
    pass


def network(variant: str = "paper", input_size: int | None = None) -> Figure:
    """The network from the picture (top) to the classes (bottom), tower beside tower.

    The wider a box, the larger the map. A line that stays on its side is a group that takes in its
    own tower only; lines that cross are layers that take in both. Dashed lines cross for the two
    channels past the seam that an LRN without groups sums over.
    """
    size = input_size or architecture.variant_named(variant).input_size
    records = [record for record in architecture.trace(size, variant) if colour_of(record.kind)]
    towers = max(record.groups for record in records)
    centres = [0.0] if towers == 1 else [-1.55, 1.55]
    widest = 2.9 if towers == 2 else 4.5

    def width(side):
        return 1.9 + (widest - 1.9) * side / records[0].output_shape[0]

    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(5.4, 0.46 * (len(records) + 1)), layout="constrained")
        _box(axes, 0, 0, widest, f"picture {size}×{size}×3", colour_of("input"))
        above = [0.0] * towers
        for depth, record in enumerate(records, start=1):
            whole = depth > 1 and record.groups == 1
            sees_all = whole and record.kind in ("convolution", "dense")
            sees_seam = whole and record.kind == "normalization" and towers > 1
            last = record is records[-1]
            here = [0.0] if last else centres
            for tower, centre in enumerate(here):
                sources = set(above) if sees_all or sees_seam or last else {above[tower]}
                for source in sources:
                    of_seam = sees_seam and source != centre
                    crosses = (sees_all and towers > 1) or of_seam
                    axes.plot(
                        [source, centre],
                        [-depth + 1 - 0.3, -depth + 0.3],
                        color=VERMILION if crosses else GREY,
                        linestyle="--" if of_seam else "-",
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
                    colour_of(record.kind),
                )
            above = here
        axes.set(xlim=(-3.1, 3.1), ylim=(-len(records) - 0.5, 0.5))
        axes.axis("off")
        kinds = dict.fromkeys(record.kind for record in records)
        axes.legend(
            handles=[Patch(color=colour_of(kind), alpha=0.35, label=kind) for kind in kinds],
            loc="upper center",
            bbox_to_anchor=(0.5, 0.0),
            ncols=2,
            frameon=False,
        )
    return finish(figure)


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
    records = architecture.trace(
        input_size or architecture.variant_named(variant).input_size, variant
    )
    records = [record for record in records if record.kind in ("convolution", "dense")]
    measures = {
        "parameters": [record.parameters for record in records],
        "multiply-accumulates": [record.macs for record in records],
        "activations": [record.units for record in records],
    }
    with plt.rc_context(STYLE):
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
    return finish(figure)


def windows(
    sizes: Sequence[int], kernel: int, stride: int, padding: int = 0, rounding: str = "floor"
) -> Figure:
    """The last windows along one side of maps of several sizes, at the far edge.

    Pixels in no window are red; a window that hangs over the edge reaches past the line.
    """
    shown = 3 * stride + kernel
    with plt.rc_context(STYLE):
        figure, all_axes = plt.subplots(
            len(sizes), 1, figsize=(5.4, 1.75 * len(sizes)), layout="constrained", squeeze=False
        )
        for size, axes in zip(sizes, all_axes[:, 0], strict=True):
            steps = architecture.slide(size, kernel, stride, padding, rounding)
            first = size - shown
            end_of_last = (steps.positions - 1) * stride - padding + kernel
            left_out = f"{steps.unseen} pixel{'' if steps.unseen == 1 else 's'}"
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
                f"{size} pixels: {steps.positions} windows, {left_out} in none, "
                f"overhang {steps.overhang}",
                fontsize=11,
                loc="left",
            )
        axes.set_xlabel("pixel")
    return finish(figure)


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
    with plt.rc_context(STYLE):
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
    return finish(figure)


def connections(layers: Mapping[str, np.ndarray]) -> Figure:
    """Which map of a layer depends on which map of its input: one square table a layer.

    Args:
        layers: name → `(maps of the layer, maps of its input)`, at least 0, as
            `towers.connections` measures them. Exactly 0 is white; the rest is drawn from the
            least to the largest value of its layer.
    """
    rows = ceil(len(layers) / 2)
    colours = plt.get_cmap("viridis_r").with_extremes(bad="white")
    with plt.rc_context(STYLE):
        figure, all_axes = plt.subplots(
            rows, 2, figsize=(5.4, 2.9 * rows), layout="constrained", squeeze=False
        )
        for axes, (name, values) in zip(all_axes.flat, layers.items(), strict=True):
            axes.imshow(
                np.where(values == 0, np.nan, values),
                cmap=colours,
                aspect="auto",
                interpolation="nearest",
            )
            axes.set_title(name, fontsize=11)
            axes.set(xlabel="map of the input", ylabel="map of the layer")
            axes.set(
                xticks=[0, values.shape[1] // 2, values.shape[1]],
                yticks=[0, values.shape[0] // 2, values.shape[0]],
            )
    return finish(figure)


def towers(horizontal: np.ndarray, vertical: np.ndarray, xlabel: str, ylabel: str) -> Figure:
    """Each filter as a point by two measures, its tower by colour and shape.

    Args:
        horizontal, vertical: `(filters,)`; the first half belongs to the first tower.
        xlabel, ylabel: what the measures are.
    """
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(5.4, 4.2), layout="constrained")
        for number, tower in enumerate(np.split(np.arange(len(horizontal)), 2), start=1):
            axes.scatter(
                horizontal[tower],
                vertical[tower],
                color=(BLUE, ORANGE)[number - 1],
                marker="o^"[number - 1],
                alpha=0.75,
                label=f"tower {number}",
            )
        axes.set(xlabel=xlabel, ylabel=ylabel)
        axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, 1.12), ncols=2)
    return finish(figure)


def pooling_windows(size: int, pools: Mapping[str, tuple[int, int]]) -> Figure:
    """All windows along one side of a map, and how many of them look at each of its numbers.

    Args:
        size: numbers along the side; up to about 15 can be read.
        pools: name → (kernel, stride). Windows that hang over the edge are left out.
    """
    with plt.rc_context(STYLE):
        figure, all_axes = plt.subplots(
            len(pools), 1, figsize=(5.4, 1.8 * len(pools)), layout="constrained", squeeze=False
        )
        for axes, (name, (kernel, stride)) in zip(all_axes[:, 0], pools.items(), strict=True):
            places = architecture.slide(size, kernel, stride).positions
            visits = np.zeros(size, int)
            for place in range(places):
                start = place * stride
                visits[start : start + kernel] += 1
                axes.add_patch(
                    Rectangle(
                        (start + 0.06, 1.2 + 0.75 * (place % 2)),
                        kernel - 0.12,
                        0.6,
                        facecolor=BLUE,
                        alpha=0.35,
                    )
                )
            for number, count in enumerate(visits):
                axes.add_patch(
                    Rectangle(
                        (number, 0),
                        1,
                        1,
                        facecolor=("#f0b49a", "#e8e8e8", "#c4c4c4")[min(count, 2)],
                        edgecolor="white",
                    )
                )
                axes.text(number + 0.5, 0.5, count, ha="center", va="center")
            axes.set(xlim=(-0.1, size + 0.1), ylim=(-0.05, 2.7), yticks=[], xticks=[])
            axes.spines[["left", "bottom"]].set_visible(False)
            axes.set_title(f"{name}: {places} windows", fontsize=11, loc="left")
    return finish(figure)
