"""The figures of the book, where a chapter's own output does not show what they must do."""

from itertools import pairwise

import numpy as np
import pytest

from alexnet_lib.teaching import plots

CURVES = {str(number): np.linspace(1, 2, 5) + number for number in range(6)}
PAIRS = {name: (range(1, 6), values) for name, values in CURVES.items()}


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plots.losses(CURVES, chance=2.3),
        lambda: plots.learning_rates(PAIRS),
        lambda: plots.run_notes(PAIRS, last=9, notes={}),
        lambda: plots.accuracy_against_time(PAIRS, dict.fromkeys(PAIRS, 0.5)),
        lambda: plots.spread(range(5), {n: v[None] for n, v in CURVES.items()}, "x", "y"),
        lambda: plots.distributions(CURVES, "x"),
        lambda: plots.channels(CURVES, "y"),
    ],
)
def test_no_curve_is_left_out_without_a_word(draw):
    with pytest.raises(ValueError, match=r"can tell \d curves apart; it was given 6: 0, 1, 2"):
        draw()


def test_each_curve_has_a_colour_of_its_own():
    some = dict(list(CURVES.items())[:3])
    lines = plots.losses(some, chance=2.3).axes[0].lines[:3]
    assert [line.get_label() for line in lines] == list(some)
    assert len({line.get_color() for line in lines}) == 3


def _covered(figure):
    """The curves that run under a legend."""
    axes = figure.axes[0]
    figure.draw_without_rendering()
    for legend in filter(None, [axes.get_legend(), *figure.legends]):
        box = legend.get_window_extent()
        for line in axes.lines:
            corners = line.get_transform().transform(line.get_xydata())
            # Points along the curve, closer to each other than a line of text is high.
            path = np.concatenate([np.linspace(a, b, 200) for a, b in pairwise(corners)])
            if np.any(np.all((path > box.min) & (path < box.max), axis=1)):
                yield line.get_label()


@pytest.mark.parametrize("arches", [1, 2])
def test_a_legend_covers_no_curve(arches):
    x = np.arange(17)
    curves = {
        f"curve of height {height}": (x, height * np.abs(np.sin(arches * np.pi * x / 16)))
        for height in (0.55, 0.4, 0.3, 0.2)
    }
    assert not list(_covered(plots.lines(curves, "shift", "change")))
