"""The book's figures, one function a figure. Each returns a matplotlib `Figure`.

Figures of the network are drawn from its description; none holds a number of its own. They are
narrow, with large type, so that they can be read on a telephone.
"""

from collections.abc import Mapping, Sequence
from itertools import cycle
from math import ceil
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Patch, Rectangle
from matplotlib.ticker import MaxNLocator, PercentFormatter
from matplotlib.transforms import Bbox

from . import architecture
from .palette import ACTIVATION_LINES, BLUE, GREEN, GREY, ORANGE, SKY, VERMILION

if TYPE_CHECKING:
    from .inspection import HeatMap

_STYLE = {
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.dpi": 100,
    "savefig.dpi": 160,
    "svg.hashsalt": "alexnet",
}
# Curves in one pair of axes differ in colour and in dashes.
_LINES = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), (VERMILION, ":"), (GREY, "-"))


def _styles(names):
    """Colour and dashes of each curve: its own if it is that of an activation function."""
    own = {name: ACTIVATION_LINES[name] for name in names if name in ACTIVATION_LINES}
    taken = {colour for colour, _ in own.values()}
    others = cycle(line for line in _LINES if line[0] not in taken)
    return [own.get(name) or next(others) for name in names]


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


def silenced_units(layers: Mapping[str, np.ndarray], columns: int = 32) -> Figure:
    """The activities of one fully connected layer, once for each name, as a grid of squares.

    Args:
        layers: name → `(units,)`; NaN marks a unit that dropout has silenced, which is drawn in
            another colour. The grids share one scale, from 0 to the largest activity.
        columns: units in a row of the grid.
    """
    largest = max(np.nanmax(units) for units in layers.values())
    rows = ceil(len(next(iter(layers.values()))) / columns)
    colours = plt.get_cmap("gray").with_extremes(bad=SKY)
    with plt.rc_context(_STYLE):
        figure, all_axes = plt.subplots(
            len(layers),
            1,
            figsize=(5.4, len(layers) * (4.4 * rows / columns + 0.3)),
            layout="constrained",
            squeeze=False,
        )
        for axes, (name, units) in zip(all_axes[:, 0], layers.items(), strict=True):
            grid = np.zeros(rows * columns)
            grid[: len(units)] = units
            shown = axes.imshow(
                grid.reshape(rows, columns), cmap=colours, vmin=0, vmax=largest or 1
            )
            axes.set_title(name, fontsize=11, loc="left")
            axes.axis("off")
        figure.colorbar(shown, ax=all_axes, label="activity", shrink=0.6)
    return _finish(figure)


def spread(x: Sequence[float], runs: Mapping[str, np.ndarray], xlabel: str, ylabel: str) -> Figure:
    """What several runs with different seeds have in common: their mean, and their range as a band.

    Args:
        x: where the runs were measured, `(points,)`.
        runs: name → `(seeds, points)`. The third and the fourth take the colours of the first two
            and are dashed.
    """
    styles = [(BLUE, "-"), (ORANGE, "-"), (BLUE, "--"), (ORANGE, "--")]
    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(figsize=(5.4, 3.8), layout="constrained")
        for (colour, dashes), (name, values) in zip(styles, runs.items(), strict=False):
            axes.plot(x, values.mean(0), dashes, color=colour, label=name, linewidth=2)
            axes.fill_between(x, values.min(0), values.max(0), color=colour, alpha=0.2, linewidth=0)
        axes.set(xlabel=xlabel, ylabel=ylabel, xlim=(min(x), max(x)))
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False)
    return _finish(figure)


def filter_sheet(images: np.ndarray, towers: int = 2, columns: int = 16) -> Figure:
    """The filters of the first layer, tower under tower, as figure 3 of the paper lays them out.

    Args:
        images: `(filters, rows, columns, 3)`, RGB, 0..1, as `inspection.filter_images` gives them.
        towers: into how many equal runs the filters are divided.
        columns: filters in a row.
    """
    blocks = [_sheet(part, columns) for part in np.split(np.asarray(images), towers)]
    ratios = [block.shape[0] / block.shape[1] for block in blocks]
    with plt.rc_context(_STYLE):
        figure, all_axes = plt.subplots(
            towers,
            1,
            figsize=(5.4, 5.4 * sum(ratios) + (0.3 * towers if towers > 1 else 0)),
            layout="constrained",
            squeeze=False,
        )
        for number, (axes, block) in enumerate(zip(all_axes[:, 0], blocks, strict=True), start=1):
            axes.imshow(block, interpolation="nearest")
            axes.axis("off")
            if towers > 1:
                axes.set_title(f"tower {number}", fontsize=11, loc="left")
    return _finish(figure)


def _sheet(images: np.ndarray, columns: int) -> np.ndarray:
    """Small pictures of one size in rows, with a white line between them."""
    height, width = images.shape[1:3]
    rows = ceil(len(images) / columns)
    sheet = np.ones((rows * (height + 1) - 1, columns * (width + 1) - 1, 3))
    for index, image in enumerate(images):
        top, left = (
            part * side
            for part, side in zip(divmod(index, columns), (height + 1, width + 1), strict=True)
        )
        sheet[top : top + height, left : left + width] = image
    return sheet


def distributions(
    values: Mapping[str, np.ndarray], xlabel: str, line: float | None = None
) -> Figure:
    """How several sets of numbers are spread, as outlines of histograms over shared bins.

    Args:
        values: name → `(numbers,)`.
        xlabel: what the numbers are.
        line: a value to mark.
    """
    edges = np.histogram_bin_edges(np.concatenate(list(values.values())), 30)
    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(figsize=(5.4, 3.4), layout="constrained")
        for colour, (name, numbers) in zip(
            (BLUE, GREY, ORANGE, GREEN), values.items(), strict=False
        ):
            axes.hist(numbers, edges, histtype="stepfilled", color=colour, alpha=0.3)
            axes.hist(numbers, edges, histtype="step", color=colour, linewidth=2, label=name)
        if line is not None:
            axes.axvline(line, color=VERMILION, linestyle="--", linewidth=1.2)
        axes.set(xlabel=xlabel, ylabel="filters")
        axes.legend(frameon=False)
    return _finish(figure)


def towers(horizontal: np.ndarray, vertical: np.ndarray, xlabel: str, ylabel: str) -> Figure:
    """Each filter as a point by two measures, its tower by colour and shape.

    Args:
        horizontal, vertical: `(filters,)`; the first half belongs to the first tower.
        xlabel, ylabel: what the measures are.
    """
    with plt.rc_context(_STYLE):
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
    return _finish(figure)


def shares(values: Mapping[str, float], xlabel: str) -> Figure:
    """A bar for each name, 0 to 1 in percent."""
    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(figsize=(5.4, 0.36 * len(values) + 0.8), layout="constrained")
        bars = axes.barh(list(values), list(values.values()), color=BLUE)
        axes.bar_label(bars, [f"{value:.0%}" for value in values.values()], padding=3)
        axes.invert_yaxis()
        axes.xaxis.set_major_formatter(PercentFormatter(1))
        axes.set(xlim=(0, 1.08), xlabel=xlabel)
    return _finish(figure)


def picture_rows(rows: Mapping[str, Sequence[np.ndarray]], apart: int = 0) -> Figure:
    """Rows of pictures, each row under its name.

    Args:
        rows: name → pictures: `(height, width, 3)`, RGB 0..255, or `(height, width)` of any range,
            which is drawn in grey from its least to its greatest value. Rows are equally long.
        apart: so many pictures at the left of each row stand apart from the rest.
    """
    width, gap, title = 5.4, 0.04, 0.26  # inches
    columns = max(map(len, rows.values()))
    aside = 4 * gap if apart else 0.0
    side = (width - aside - (columns - 1) * gap) / columns
    height = len(rows) * (side + title)
    with plt.rc_context(_STYLE):
        figure = plt.figure(figsize=(width, height))
        for line, (name, images) in enumerate(rows.items()):
            top = line * (side + title)
            figure.text(0, 1 - (top + 0.8 * title) / height, name, fontsize=10)
            for place, image in enumerate(images):
                left = place * (side + gap) + (aside if place >= apart else 0)
                bottom = height - top - title - side
                axes = figure.add_axes((left / width, bottom / height, side / width, side / height))
                axes.imshow(image.astype("uint8") if image.ndim == 3 else image, cmap="gray")
                axes.axis("off")
    return _finish(figure)


def heat_maps(
    image: np.ndarray,
    heats: Mapping[str, "HeatMap"],
    columns: int = 2,
    label: str | None = None,
) -> Figure:
    """A picture, and beside it heat maps over a pale grey copy of it.

    Args:
        image: `(height, width, 3)`, RGB, 0..255.
        heats: name → `inspection.HeatMap`.
        columns: pictures in a row.
        label: what the values are. With it, all maps share one scale, which is drawn; without, each
            is drawn from its own least to its own greatest value.
    """
    height, width = image.shape[:2]
    grey = image.mean(-1) / 255
    fields = [heat.spread(height, width) for heat in heats.values()]
    limits = (min(f.min() for f in fields), max(f.max() for f in fields)) if label else (None, None)
    rows = ceil((len(heats) + 1) / columns)
    with plt.rc_context(_STYLE):
        figure, all_axes = plt.subplots(
            rows,
            columns,
            figsize=(5.4, rows * (5.4 / columns + 0.3) + (0.7 if label else 0)),
            layout="constrained",
            squeeze=False,
        )
        for axes in all_axes.flat:
            axes.axis("off")
        all_axes.flat[0].imshow(image.astype("uint8"))
        all_axes.flat[0].set_title("the picture", fontsize=11)
        for axes, name, field in zip(all_axes.flat[1:], heats, fields, strict=False):
            axes.imshow(0.35 + 0.65 * grey, cmap="gray", vmin=0, vmax=1)
            shown = axes.imshow(field, cmap="inferno", alpha=0.6, vmin=limits[0], vmax=limits[1])
            axes.set_title(name, fontsize=11)
        if label:
            bar = figure.colorbar(
                shown, ax=all_axes, label=label, location="bottom", shrink=0.7, aspect=30
            )
            bar.locator = MaxNLocator(4)
    return _finish(figure)


def effective_fields(
    fields: Mapping[str, np.ndarray], boxes: Mapping[str, Sequence[int]], columns: int = 2
) -> Figure:
    """How much each pixel matters to a unit, inside the square that it could see.

    Args:
        fields: name → `(height, width)`, as `inspection.effective_receptive_field` gives them.
        boxes: name → top, left, bottom, right of what the unit can see in theory; each picture
            shows this and a margin.
    """
    rows = ceil(len(fields) / columns)
    with plt.rc_context(_STYLE):
        figure, all_axes = plt.subplots(
            rows,
            columns,
            figsize=(5.4, rows * (5.4 / columns + 0.3)),
            layout="constrained",
            squeeze=False,
        )
        for axes in all_axes.flat:
            axes.axis("off")
        for axes, (name, field) in zip(all_axes.flat, fields.items(), strict=False):
            top, left, bottom, right = boxes[name]
            # The square root shows what a linear scale would leave black.
            axes.imshow(np.sqrt(field), cmap="magma")
            axes.add_patch(
                Rectangle(
                    (left - 0.5, top - 0.5),
                    right - left,
                    bottom - top,
                    fill=False,
                    edgecolor=SKY,
                    linewidth=2,
                )
            )
            margin = max(2, (bottom - top) // 10)
            axes.set(xlim=(left - margin, right + margin), ylim=(bottom + margin, top - margin))
            axes.set_title(name, fontsize=11)
    return _finish(figure)


def functions_and_slopes(
    z: np.ndarray, values: Mapping[str, np.ndarray], slopes: Mapping[str, np.ndarray]
) -> Figure:
    """Functions on the left, their slopes on the right.

    Args:
        z: `(points,)`.
        values, slopes: name → `(points,)`; the same names in both.
    """
    with plt.rc_context(_STYLE):
        figure, all_axes = plt.subplots(1, 2, figsize=(5.4, 2.9), layout="constrained")
        for axes, title, curves in zip(
            all_axes, ("what comes out", "slope"), (values, slopes), strict=True
        ):
            for (colour, dashes), (name, curve) in zip(
                _styles(curves), curves.items(), strict=True
            ):
                axes.plot(z, curve, dashes, color=colour, label=name, linewidth=2)
            axes.set_title(title, fontsize=11)
            axes.set(xlabel="what goes in", ylim=(-1.1, 2.1))
            axes.axhline(0, color=GREY, linewidth=0.8, zorder=0)
        all_axes[0].legend(frameon=False, loc="upper left")
    return _finish(figure)


def lines(
    curves: Mapping[str, tuple[Sequence, Sequence[float]]],
    xlabel: str,
    ylabel: str,
    *,
    xscale: str = "linear",
    yscale: str = "linear",
    level: float | None = None,
) -> Figure:
    """Curves of measured points, joined by lines, in one pair of axes.

    Args:
        curves: name → (x, y): x `(points,)`, numbers or names, such as those of layers; y
            `(points,)`, or `(runs, points)`, of which the mean is drawn and the range as a band.
        xscale, yscale: `"linear"`, `"log"` or `"log2"` (ticks at powers of two, written out).
        level: draws a thin horizontal line here.
    """
    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(figsize=(5.4, 3.8), layout="constrained")
        if level is not None:
            axes.axhline(level, color=GREY, linewidth=1, zorder=0)
        for (colour, dashes), (name, (x, y)) in zip(_styles(curves), curves.items(), strict=True):
            runs = np.atleast_2d(y)
            axes.plot(
                x, runs.mean(0), "o" + dashes, color=colour, label=name, linewidth=1.8, markersize=5
            )
            if len(runs) > 1:
                axes.fill_between(x, runs.min(0), runs.max(0), color=colour, alpha=0.2, linewidth=0)
        axes.set(xlabel=xlabel, ylabel=ylabel)
        for set_scale, axis, scale in (
            (axes.set_xscale, axes.xaxis, xscale),
            (axes.set_yscale, axes.yaxis, yscale),
        ):
            if scale == "log":
                set_scale("log")
            elif scale == "log2":
                set_scale("log", base=2)
                axis.set_major_formatter("{x:g}")
        if xscale == "linear" and not isinstance(x[0], str):
            axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(framealpha=0.85, edgecolor="none")
    return _finish(figure)


def losses(curves: Mapping[str, Sequence[float]], chance: float) -> Figure:
    """The training loss of several runs, epoch by epoch.

    Args:
        curves: name → one loss an epoch, in nats.
        chance: the loss of a network that finds all classes equally likely; a dashed line.
    """
    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(figsize=(5.4, 3.4), layout="constrained")
        for colour, (name, values) in zip((VERMILION, BLUE, GREEN), curves.items(), strict=False):
            axes.plot(range(1, len(values) + 1), values, color=colour, label=name, linewidth=2)
        axes.axhline(chance, color=GREY, linestyle="--", linewidth=1.2, label="all equally likely")
        axes.set(xlabel="epoch", ylabel="training loss", ylim=(0, None))
        axes.legend(frameon=False)
    return _finish(figure)


def run_charts(runs: Mapping[str, Sequence[Mapping]], chance: float) -> Figure:
    """Training runs as small charts of equal axes: loss while training, and on validation data.

    Args:
        runs: name → the rows of `Run.history`; a run without rows is an empty chart.
        chance: as in `losses`.
    """
    rows = ceil(len(runs) / 2)
    with plt.rc_context(_STYLE):
        figure, all_axes = plt.subplots(
            rows, 2, figsize=(5.4, 2.1 * rows + 0.4), layout="constrained", sharey=True
        )
        for axes in all_axes.flat[len(runs) :]:
            axes.axis("off")
        for axes, (name, history) in zip(all_axes.flat, runs.items(), strict=False):
            epochs = [row["epoch"] for row in history]
            for key, colour, label in (
                ("loss", ORANGE, "training"),
                ("val_loss", BLUE, "validation"),
            ):
                values = [row[key] for row in history]
                axes.plot(epochs, values, color=colour, linewidth=2, label=label)
            axes.axhline(
                chance, color=GREY, linestyle="--", linewidth=1, label="all equally likely"
            )
            axes.set_title(name, fontsize=11)
            axes.set_ylim(0, 1.6 * chance)
        for axes in all_axes[:, 0]:
            axes.set_ylabel("loss")
        for axes in all_axes[-1]:
            axes.set_xlabel("epoch")
        handles, labels = all_axes.flat[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return _finish(figure)


def learning_rates(schedules: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> Figure:
    """Learning rates over the epochs, on a logarithmic scale.

    Args:
        schedules: name → (epochs, rates), all rates above 0.
    """
    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(figsize=(5.4, 3.2), layout="constrained")
        for colour, (name, (epochs, rates)) in zip(
            (VERMILION, BLUE, GREEN), schedules.items(), strict=False
        ):
            axes.plot(epochs, rates, color=colour, label=name, linewidth=2)
        axes.set(xlabel="epoch", ylabel="learning rate", yscale="log")
        axes.legend(frameon=False)
    return _finish(figure)


def run_notes(
    rates: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    last: int,
    notes: Mapping[int, str],
) -> Figure:
    """The learning rates of a run as its notes give them, and what else they say.

    Args:
        rates: name → (epochs, rates): each rate holds from its epoch on. A rate of 0 ends the line
            with a cross.
        last: the epoch in which the run ended.
        notes: epoch → text; a vertical line.
    """
    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(figsize=(5.4, 4.0), layout="constrained")
        for (name, (epochs, values)), (colour, dashes) in zip(
            rates.items(), ((BLUE, "-"), (VERMILION, "--")), strict=False
        ):
            ends = values[-1] == 0
            x = list(epochs) if ends else [*epochs, last]
            y = [*values[:-1], values[-2]] if ends else [*values, values[-1]]
            axes.step(x, y, dashes, where="post", color=colour, label=name, linewidth=2)
            if ends:
                axes.plot(x[-1], y[-1], "X", color=colour, markersize=9)
        axes.set(xlabel="epoch", ylabel="learning rate", yscale="log", xlim=(0, last + 3))
        for epoch, text in notes.items():
            axes.axvline(epoch, color=GREY, linewidth=1, zorder=0)
            axes.annotate(
                text,
                (epoch, 0.98),
                (-3, 0),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                rotation=90,
                ha="right",
                va="top",
                fontsize=9,
            )
        axes.legend(frameon=False, loc="lower left")
    return _finish(figure)


def accuracy_against_time(
    runs: Mapping[str, tuple[Sequence[float], Sequence[float]]], ends: Mapping[str, float]
) -> Figure:
    """How well a network knows pictures that it never saw, minute by minute of its training.

    Args:
        runs: name → (minutes, accuracy 0..1), one point an epoch.
        ends: name → the accuracy of the finished run with ten crops, a star at its last minute.
    """
    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(figsize=(5.4, 3.8), layout="constrained")
        for colour, (name, (minutes, accuracy)) in zip(
            (ORANGE, BLUE, GREEN, VERMILION), runs.items(), strict=False
        ):
            axes.plot(minutes, accuracy, color=colour, label=name, linewidth=1.6)
            axes.plot(minutes[-1], ends[name], "*", color=colour, markersize=14, clip_on=False)
        axes.plot([], [], "*", color=GREY, markersize=12, label="at the end, ten crops")
        axes.set(xlabel="minutes of training", ylabel="top-1 accuracy", xscale="log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.set_ylim(0, 1)
        axes.legend(frameon=False, loc="lower right")
    return _finish(figure)


def dots(groups: Mapping[str, Sequence[float]], xlabel: str) -> Figure:
    """Every measurement as a dot and the mean as a line, one row a group.

    Args:
        groups: name → measurements, shares 0..1.
        xlabel: what was measured.
    """
    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(figsize=(5.4, 0.7 * len(groups) + 0.9), layout="constrained")
        for row, values in enumerate(groups.values()):
            axes.plot(values, [row] * len(values), "o", color=BLUE, alpha=0.7, markersize=7)
            axes.plot([np.mean(values)] * 2, [row - 0.28, row + 0.28], color=VERMILION, linewidth=3)
        axes.set_yticks(range(len(groups)), list(groups))
        axes.set_ylim(len(groups) - 0.5, -0.5)
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.set_xlabel(xlabel)
    return _finish(figure)


def accuracy_by_pictures(
    ways: Mapping[str, Mapping[int, tuple[float, tuple[float, float]]]], chance: float
) -> Figure:
    """How accurate several ways of learning are, by the number of pictures they learned from.

    Args:
        ways: name → training pictures a class → (accuracy 0..1, its interval).
        chance: the accuracy of a guess; a dashed line.
    """
    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(figsize=(5.4, 4.4), layout="constrained")
        for place, (colour, (name, points)) in enumerate(
            zip((BLUE, GREEN, ORANGE, VERMILION, SKY), ways.items(), strict=False)
        ):
            # A little apart, so that bars at the same number do not hide each other.
            numbers = np.array(list(points)) * 1.03 ** (place - (len(ways) - 1) / 2)
            shares = np.array([share for share, _ in points.values()])
            low, high = np.array([interval for _, interval in points.values()]).T
            axes.errorbar(
                numbers,
                shares,
                [shares - low, high - shares],
                color=colour,
                marker="o",
                linewidth=1.6,
                capsize=3,
                label=name,
            )
        axes.axhline(chance, color=GREY, linestyle="--", linewidth=1.2, label="a guess")
        every = sorted({number for points in ways.values() for number in points})
        axes.set(xscale="log", xlabel="training pictures a class", ylabel="top-1 accuracy")
        axes.set_xticks(every, [str(number) for number in every])
        axes.minorticks_off()
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.set_ylim(0, 1)
        figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return _finish(figure)


def connections(layers: Mapping[str, np.ndarray]) -> Figure:
    """Which map of a layer depends on which map of its input: one square table a layer.

    Args:
        layers: name → `(maps of the layer, maps of its input)`, at least 0, as
            `towers.connections` measures them. Exactly 0 is white; the rest is drawn from the
            least to the largest value of its layer.
    """
    rows = ceil(len(layers) / 2)
    colours = plt.get_cmap("viridis_r").with_extremes(bad="white")
    with plt.rc_context(_STYLE):
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
    return _finish(figure)


def channels(values: Mapping[str, np.ndarray], ylabel: str = "activity") -> Figure:
    """The numbers of all channels at one place, one row of bars for each name.

    Args:
        values: name → `(channels,)`, all of one length. Each row has its own scale.
    """
    with plt.rc_context(_STYLE):
        figure, all_axes = plt.subplots(
            len(values),
            1,
            figsize=(5.4, 1.7 * len(values) + 0.4),
            layout="constrained",
            sharex=True,
            squeeze=False,
        )
        for axes, colour, (name, row) in zip(
            all_axes[:, 0], (SKY, BLUE, ORANGE), values.items(), strict=False
        ):
            axes.bar(range(len(row)), row, width=0.8, color=colour)
            axes.set_title(name, fontsize=11, loc="left")
            axes.set(ylabel=ylabel, xlim=(-1, len(row)))
        axes.set_xlabel("channel")
    return _finish(figure)


def matrix(values: np.ndarray, names: Sequence, xlabel: str, ylabel: str, label: str) -> Figure:
    """A square of numbers in colour: blue below 0, red above, white at 0.

    Args:
        values: `(size, size)`, row after row from the top.
        names: what stands at both edges, `(size,)`.
        label: of the scale.
    """
    largest = np.abs(values).max() or 1
    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(figsize=(5.4, 4.4), layout="constrained")
        shown = axes.imshow(values, cmap="RdBu_r", vmin=-largest, vmax=largest)
        ticks = range(len(names))
        axes.set_xticks(ticks, names)
        axes.set_yticks(ticks, names)
        axes.set(xlabel=xlabel, ylabel=ylabel)
        axes.spines[:].set_visible(False)
        figure.colorbar(shown, ax=axes, label=label, shrink=0.85)
    return _finish(figure)


def pooling_windows(size: int, pools: Mapping[str, tuple[int, int]]) -> Figure:
    """All windows along one side of a map, and how many of them look at each of its numbers.

    Args:
        size: numbers along the side; up to about 15 can be read.
        pools: name → (kernel, stride). Windows that hang over the edge are left out.
    """
    with plt.rc_context(_STYLE):
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
    return _finish(figure)


def accuracy_against_cost(
    networks: Mapping[str, tuple[float, Mapping[str, float]]], highlighted: Sequence[str]
) -> Figure:
    """Networks on the same axes: accuracy against each kind of cost, on a logarithmic scale.

    Args:
        networks: name → accuracy in percent, and cost by what it is, such as "parameters"; the
            same kinds for all. The first network is marked, with a line at its accuracy.
        highlighted: names to draw in another colour.
    """
    kinds = list(next(iter(networks.values()))[1])
    with plt.rc_context(_STYLE):
        figure, all_axes = plt.subplots(
            len(kinds), 1, figsize=(5.4, 4.4 * len(kinds)), layout="constrained", squeeze=False
        )
        for axes, kind in zip(all_axes[:, 0], kinds, strict=True):
            points = {name: (costs[kind], height) for name, (height, costs) in networks.items()}
            for index, (name, (cost, height)) in enumerate(points.items()):
                colour = VERMILION if index == 0 else ORANGE if name in highlighted else BLUE
                axes.plot(cost, height, "*" if index == 0 else "o", color=colour, markersize=9)
            first = next(iter(networks.values()))[0]
            axes.axhline(first, color=VERMILION, linestyle=":", linewidth=1, zorder=0)
            axes.set(xscale="log", xlabel=kind, ylabel="top-1 accuracy, percent")
            axes.margins(x=0.16, y=0.08)
        figure.draw_without_rendering()
        for axes, kind in zip(all_axes[:, 0], kinds, strict=True):
            _name_points(axes, {name: (costs[kind], y) for name, (y, costs) in networks.items()})
    return _finish(figure)


def _name_points(axes, points: Mapping[str, tuple[float, float]]) -> None:
    """Writes a name beside each point, on the side where it covers the least."""
    sides = [(8, 0), (-8, 0), (0, 10), (0, -10), (7, 9), (-7, 9), (7, -9), (-7, -9)]
    centres = axes.transData.transform(list(points.values()))
    taken = [Bbox.from_extents(x - 6, y - 6, x + 6, y + 6) for x, y in centres]
    frame = axes.get_window_extent().padded(-4)
    for name, point in points.items():
        choices = []
        for right, up in sides:
            text = axes.annotate(
                name,
                point,
                xytext=(right, up),
                textcoords="offset points",
                ha="left" if right > 0 else "right" if right < 0 else "center",
                va="center_baseline" if abs(up) < 10 else "bottom" if up > 0 else "top",
                fontsize=9,
            )
            box = text.get_window_extent()
            covered = box.count_overlaps(taken) + 3 * (
                box.x0 < frame.x0 or box.x1 > frame.x1 or box.y0 < frame.y0
            )
            choices.append((covered, text, box))
        best = min(choices, key=lambda choice: choice[0])
        for choice in choices:
            if choice is not best:
                choice[1].remove()
        taken.append(best[2])


def _finish(figure: Figure) -> Figure:
    """Takes the figure out of pyplot's hands, so that a notebook shows it once, not twice."""
    plt.close(figure)
    return figure
