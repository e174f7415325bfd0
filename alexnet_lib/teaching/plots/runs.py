"""Charts of training runs."""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ..colours import BLUE, GREEN, GREY, ORANGE, VERMILION
from .style import STYLE, finish, styled

if TYPE_CHECKING:
    pass


def losses(curves: Mapping[str, Sequence[float]], chance: float) -> Figure:
    """The training loss of several runs, epoch by epoch.

    Args:
        curves: name → one loss an epoch, in nats.
        chance: the loss of a network that finds all classes equally likely; a dashed line.
    """
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(5.4, 3.4), layout="constrained")
        for colour, (name, values) in styled(curves, (VERMILION, BLUE, GREEN)):
            axes.plot(range(1, len(values) + 1), values, color=colour, label=name, linewidth=2)
        axes.axhline(chance, color=GREY, linestyle="--", linewidth=1.2, label="all equally likely")
        axes.set(xlabel="epoch", ylabel="training loss", ylim=(0, None))
        axes.legend(frameon=False)
    return finish(figure)


def run_charts(runs: Mapping[str, Sequence[Mapping]], chance: float) -> Figure:
    """Training runs as small charts of equal axes: loss while training, and on validation data.

    Args:
        runs: name → the rows of `Run.history`; a run without rows is an empty chart.
        chance: as in `losses`.
    """
    rows = ceil(len(runs) / 2)
    with plt.rc_context(STYLE):
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
    return finish(figure)


def learning_rates(schedules: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> Figure:
    """Learning rates over the epochs, on a logarithmic scale.

    Args:
        schedules: name → (epochs, rates), all rates above 0.
    """
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(5.4, 3.2), layout="constrained")
        for colour, (name, (epochs, rates)) in styled(schedules, (VERMILION, BLUE, GREEN)):
            axes.plot(epochs, rates, color=colour, label=name, linewidth=2)
        axes.set(xlabel="epoch", ylabel="learning rate", yscale="log")
        axes.legend(frameon=False)
    return finish(figure)


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
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(5.4, 4.0), layout="constrained")
        for (colour, dashes), (name, (epochs, values)) in styled(
            rates, ((BLUE, "-"), (VERMILION, "--"))
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
    return finish(figure)


def accuracy_against_time(
    runs: Mapping[str, tuple[Sequence[float], Sequence[float]]], ends: Mapping[str, float]
) -> Figure:
    """How well a network knows pictures that it never saw, minute by minute of its training.

    Args:
        runs: name → (minutes, accuracy 0..1), one point an epoch.
        ends: name → the accuracy of the finished run with ten crops, a star at its last minute.
    """
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(5.4, 3.8), layout="constrained")
        for colour, (name, (minutes, accuracy)) in styled(runs, (ORANGE, BLUE, GREEN, VERMILION)):
            axes.plot(minutes, accuracy, color=colour, label=name, linewidth=1.6)
            axes.plot(minutes[-1], ends[name], "*", color=colour, markersize=14, clip_on=False)
        axes.plot([], [], "*", color=GREY, markersize=12, label="at the end, ten crops")
        axes.set(xlabel="minutes of training", ylabel="top-1 accuracy", xscale="log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.set_ylim(0, 1)
        axes.legend(frameon=False, loc="lower right")
    return finish(figure)
