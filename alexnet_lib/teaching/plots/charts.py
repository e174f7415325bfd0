"""Charts of numbers."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter
from matplotlib.transforms import Bbox

from ..colours import ACTIVATION_LINES, BLUE, GREEN, GREY, LINES, ORANGE, SKY, VERMILION
from .style import STYLE, finish, styled

if TYPE_CHECKING:
    pass


def competition_results(
    years: Sequence[int], errors: Sequence[float], deep: Sequence[bool], human: float
) -> Figure:
    """Error of each year's best entry, in percent; convolutional networks stand out in colour."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(5.4, 3.6), layout="constrained")
        colours = [BLUE if is_deep else GREY for is_deep in deep]
        bars = axes.bar([str(year) for year in years], errors, color=colours)
        axes.bar_label(
            bars,
            [f"{error:.1f} %" for error in errors],
            padding=2,
            # The line of the person would run through a label that stands at its height.
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )
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
    return finish(figure)


def spread(x: Sequence[float], runs: Mapping[str, np.ndarray], xlabel: str, ylabel: str) -> Figure:
    """What several runs with different seeds have in common: their mean, and their range as a band.

    Args:
        x: where the runs were measured, `(points,)`.
        runs: name → `(seeds, points)`. The third and the fourth take the colours of the first two
            and are dashed.
    """
    styles = [(BLUE, "-"), (ORANGE, "-"), (BLUE, "--"), (ORANGE, "--")]
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(5.4, 3.8), layout="constrained")
        for (colour, dashes), (name, values) in styled(runs, styles):
            axes.plot(x, values.mean(0), dashes, color=colour, label=name, linewidth=2)
            axes.fill_between(x, values.min(0), values.max(0), color=colour, alpha=0.2, linewidth=0)
        axes.set(xlabel=xlabel, ylabel=ylabel, xlim=(min(x), max(x)))
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False)
    return finish(figure)


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
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(5.4, 3.4), layout="constrained")
        for colour, (name, numbers) in styled(values, (BLUE, GREY, ORANGE, GREEN)):
            axes.hist(numbers, edges, histtype="stepfilled", color=colour, alpha=0.3)
            axes.hist(numbers, edges, histtype="step", color=colour, linewidth=2, label=name)
        if line is not None:
            axes.axvline(line, color=VERMILION, linestyle="--", linewidth=1.2)
        axes.set(xlabel=xlabel, ylabel="filters")
        axes.legend(frameon=False)
    return finish(figure)


def shares(values: Mapping[str, float], xlabel: str) -> Figure:
    """A bar for each name, 0 to 1 in percent."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(5.4, 0.36 * len(values) + 0.8), layout="constrained")
        bars = axes.barh(list(values), list(values.values()), color=BLUE)
        axes.bar_label(bars, [f"{value:.0%}" for value in values.values()], padding=3)
        axes.invert_yaxis()
        axes.xaxis.set_major_formatter(PercentFormatter(1))
        axes.set(xlim=(0, 1.08), xlabel=xlabel)
    return finish(figure)


def functions_and_slopes(
    z: np.ndarray, values: Mapping[str, np.ndarray], slopes: Mapping[str, np.ndarray]
) -> Figure:
    """Functions on the left, their slopes on the right.

    Args:
        z: `(points,)`.
        values, slopes: name → `(points,)`; the same names in both.
    """
    with plt.rc_context(STYLE):
        figure, all_axes = plt.subplots(1, 2, figsize=(5.4, 2.9), layout="constrained")
        for axes, title, curves in zip(
            all_axes, ("output", "slope"), (values, slopes), strict=True
        ):
            for (colour, dashes), (name, curve) in zip(
                _styles(curves), curves.items(), strict=True
            ):
                axes.plot(z, curve, dashes, color=colour, label=name, linewidth=2)
            axes.set_title(title, fontsize=11)
            axes.set(xlabel="input", ylim=(-1.1, 2.1))
            axes.axhline(0, color=GREY, linewidth=0.8, zorder=0)
        all_axes[0].legend(frameon=False, loc="upper left")
    return finish(figure)


def _styles(names: Iterable[str]) -> list[tuple[str, str]]:
    """Colour and dashes of each curve: its own if it is that of an activation function."""
    own = {name: ACTIVATION_LINES[name] for name in names if name in ACTIVATION_LINES}
    taken = {colour for colour, _ in own.values()}
    others = cycle(line for line in LINES if line[0] not in taken)
    return [own.get(name) or next(others) for name in names]


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
    with plt.rc_context(STYLE):
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
        _legend_beside_the_curves(figure, axes)
    return finish(figure)


def _legend_beside_the_curves(figure: Figure, axes: Axes) -> None:
    """A legend in the axes where it covers no curve; above them if there is no such place."""
    legend = axes.legend(frameon=False)
    figure.draw_without_rendering()
    covered = legend.get_window_extent()
    if any(
        line.get_transform().transform_path(line.get_path()).intersects_bbox(covered, filled=False)
        for line in axes.lines
    ):
        legend.remove()
        figure.legend(loc="outside upper center", ncols=2, frameon=False)


def dots(groups: Mapping[str, Sequence[float]], xlabel: str, percent: bool = True) -> Figure:
    """Every measurement as a dot and the mean as a line, one row a group.

    Args:
        groups: name → measurements.
        xlabel: what was measured.
        percent: the measurements are shares, 0..1.
    """
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(5.4, 0.7 * len(groups) + 0.9), layout="constrained")
        for row, values in enumerate(groups.values()):
            axes.plot(values, [row] * len(values), "o", color=BLUE, alpha=0.7, markersize=7)
            axes.plot([np.mean(values)] * 2, [row - 0.28, row + 0.28], color=VERMILION, linewidth=3)
        axes.set_yticks(range(len(groups)), list(groups))
        axes.set_ylim(len(groups) - 0.5, -0.5)
        if percent:
            axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.set_xlabel(xlabel)
    return finish(figure)


def dot_panels(
    panels: Mapping[str, Mapping[str, Sequence[float]]], xlabel: str, chance: float | None = None
) -> Figure:
    """As `dots`, in panels side by side that share their rows and their scale.

    Args:
        panels: title → name of a row → measurements, shares 0..1. A row may be missing in a panel.
        xlabel: what was measured.
        chance: the share of a guess, a dashed line.
    """
    names = list(dict.fromkeys(name for groups in panels.values() for name in groups))
    with plt.rc_context(STYLE):
        figure, all_axes = plt.subplots(
            1,
            len(panels),
            figsize=(5.4, 0.34 * len(names) + 1.2),
            layout="constrained",
            sharex=True,
            sharey=True,
            squeeze=False,
        )
        for axes, (title, groups) in zip(all_axes[0], panels.items(), strict=True):
            for name, values in groups.items():
                row = names.index(name)
                axes.plot(values, [row] * len(values), "o", color=BLUE, alpha=0.7, markersize=6)
                mean = [np.mean(values)] * 2
                axes.plot(mean, [row - 0.3, row + 0.3], color=VERMILION, linewidth=2.5)
            if chance is not None:
                axes.axvline(chance, color=GREY, linestyle="--", linewidth=1.2)
            axes.set_title(title, fontsize=11)
            axes.grid(axis="y", color=GREY, alpha=0.25)
            axes.set(xlim=(0, 1), xticks=(0, 0.5, 1), ylim=(len(names) - 0.5, -0.5))
            axes.set_yticks(range(len(names)), names)
            axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        figure.supxlabel(xlabel, fontsize=11)
    return finish(figure)


def channels(values: Mapping[str, np.ndarray], ylabel: str = "activation") -> Figure:
    """The numbers of all channels at one place, one row of bars for each name.

    Args:
        values: name → `(channels,)`, all of one length. Each row has its own scale.
    """
    with plt.rc_context(STYLE):
        figure, all_axes = plt.subplots(
            len(values),
            1,
            figsize=(5.4, 1.7 * len(values) + 0.4),
            layout="constrained",
            sharex=True,
            squeeze=False,
        )
        for axes, (colour, (name, row)) in zip(
            all_axes[:, 0], styled(values, (SKY, BLUE, ORANGE)), strict=True
        ):
            axes.bar(range(len(row)), row, width=0.8, color=colour)
            axes.set_title(name, fontsize=11, loc="left")
            axes.set(ylabel=ylabel, xlim=(-1, len(row)))
        axes.set_xlabel("channel")
    return finish(figure)


def matrix(values: np.ndarray, names: Sequence, xlabel: str, ylabel: str, label: str) -> Figure:
    """A square of numbers in colour: blue below 0, red above, white at 0.

    Args:
        values: `(size, size)`, row after row from the top.
        names: what stands at both edges, `(size,)`.
        label: of the scale.
    """
    largest = np.abs(values).max() or 1
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(5.4, 4.4), layout="constrained")
        shown = axes.imshow(values, cmap="RdBu_r", vmin=-largest, vmax=largest)
        ticks = range(len(names))
        axes.set_xticks(ticks, names)
        axes.set_yticks(ticks, names)
        axes.set(xlabel=xlabel, ylabel=ylabel)
        axes.spines[:].set_visible(False)
        figure.colorbar(shown, ax=axes, label=label, shrink=0.85)
    return finish(figure)


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
    with plt.rc_context(STYLE):
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
    return finish(figure)


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
