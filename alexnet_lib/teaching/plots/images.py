"""Photographs, maps and filters."""

from collections.abc import Collection, Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from ..colours import SKY
from .style import STYLE, finish

if TYPE_CHECKING:
    from ...inspection import HeatMap


def _cells(names: Collection[str], columns: int) -> tuple[Figure, dict[str, Axes]]:
    """A figure of square cells without axes, each under its name; the last row may have gaps."""
    rows = ceil(len(names) / columns)
    figure, cells = plt.subplots(
        rows,
        columns,
        figsize=(5.4, rows * (5.4 / columns + 0.3)),
        layout="constrained",
        squeeze=False,
    )
    for cell in cells.flat:
        cell.axis("off")
    named = dict(zip(names, cells.flat, strict=False))
    for name, cell in named.items():
        cell.set_title(name, fontsize=11)
    return figure, named


def pictures(images: Mapping[str, np.ndarray], columns: int = 3) -> Figure:
    """Pictures side by side, each under its name.

    Args:
        images: name → `(height, width, 3)` RGB 0..255, or `(height, width)` of any range, which is
            drawn in grey from its least to its greatest value.
    """
    with plt.rc_context(STYLE):
        figure, cells = _cells(images, columns)
        for name, image in images.items():
            cells[name].imshow(image.astype("uint8") if image.ndim == 3 else image, cmap="gray")
    return finish(figure)


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
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            figsize=(5.4, 5.4 * sheet.shape[0] / sheet.shape[1]), layout="constrained"
        )
        axes.imshow(sheet, cmap="gray", vmin=0, vmax=1)
        axes.axis("off")
    return finish(figure)


def filter_sheet(images: np.ndarray, towers: int = 2, columns: int = 16) -> Figure:
    """The filters of the first layer, tower under tower, as figure 3 of the paper lays them out.

    Args:
        images: `(filters, rows, columns, 3)`, RGB, 0..1, as `inspection.filter_images` gives them.
        towers: into how many equal runs the filters are divided.
        columns: filters in a row.
    """
    blocks = [_sheet(part, columns) for part in np.split(np.asarray(images), towers)]
    ratios = [block.shape[0] / block.shape[1] for block in blocks]
    with plt.rc_context(STYLE):
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
    return finish(figure)


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


def picture_rows(
    rows: Mapping[str, Sequence[np.ndarray]], apart: int = 0, *, one_scale: bool = False
) -> Figure:
    """Rows of pictures, each row under its name.

    Args:
        rows: name → pictures: `(height, width, 3)`, RGB 0..255, or `(height, width)` of any range,
            which is drawn in grey from its least to its greatest value. Rows are equally long.
        apart: so many pictures at the left of each row stand apart from the rest.
        one_scale: draws the grey pictures of a row on one scale, so that they can be compared.
    """
    width, gap, title = 5.4, 0.04, 0.26  # inches
    columns = max(map(len, rows.values()))
    aside = 4 * gap if apart else 0.0
    side = (width - aside - (columns - 1) * gap) / columns
    height = len(rows) * (side + title)
    with plt.rc_context(STYLE):
        figure = plt.figure(figsize=(width, height))
        for line, (name, images) in enumerate(rows.items()):
            top = line * (side + title)
            figure.text(0, 1 - (top + 0.8 * title) / height, name, fontsize=10)
            grey = [image for image in images if image.ndim == 2] if one_scale else []
            scale = {"vmin": min(map(np.min, grey)), "vmax": max(map(np.max, grey))} if grey else {}
            for place, image in enumerate(images):
                left = place * (side + gap) + (aside if place >= apart else 0)
                bottom = height - top - title - side
                axes = figure.add_axes((left / width, bottom / height, side / width, side / height))
                axes.imshow(
                    image.astype("uint8") if image.ndim == 3 else image, cmap="gray", **scale
                )
                axes.axis("off")
    return finish(figure)


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
    with plt.rc_context(STYLE):
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
    return finish(figure)


def effective_fields(
    fields: Mapping[str, np.ndarray], boxes: Mapping[str, Sequence[int]], columns: int = 2
) -> Figure:
    """How much each pixel matters to a unit, inside the square that it could see.

    Args:
        fields: name → `(height, width)`, as `inspection.effective_receptive_field` gives them.
        boxes: name → top, left, bottom, right of what the unit can see in theory; each picture
            shows this and a margin.
    """
    with plt.rc_context(STYLE):
        figure, cells = _cells(fields, columns)
        for name, field in fields.items():
            axes = cells[name]
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
    return finish(figure)


def silenced_units(layers: Mapping[str, np.ndarray], columns: int = 32) -> Figure:
    """The activities of one fully connected layer, once for each name, as a grid of squares.

    Args:
        layers: name → `(units,)`; NaN marks a unit that dropout has silenced, which is drawn in
            another colour. The grids share one scale, from 0 to the largest activation.
        columns: units in a row of the grid.
    """
    largest = max(np.nanmax(units) for units in layers.values())
    rows = ceil(len(next(iter(layers.values()))) / columns)
    colours = plt.get_cmap("gray").with_extremes(bad=SKY)
    with plt.rc_context(STYLE):
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
        figure.colorbar(shown, ax=all_axes, label="activation", shrink=0.6)
    return finish(figure)
