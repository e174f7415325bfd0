"""What all figures share."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

Style = TypeVar("Style")
Values = TypeVar("Values")

STYLE = {
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.dpi": 100,
    "savefig.dpi": 160,
    "svg.hashsalt": "alexnet",
}


def styled(
    curves: Mapping[str, Values], styles: Sequence[Style]
) -> Iterator[tuple[Style, tuple[str, Values]]]:
    """Each curve `(name, values)` with a style of its own.

    Raises:
        ValueError: if there are more curves than styles: none is left out without a word.
    """
    if len(curves) > len(styles):
        raise ValueError(
            f"This figure can tell {len(styles)} curves apart; it was given {len(curves)}: "
            f"{', '.join(curves)}. Draw them in several figures."
        )
    return zip(styles, curves.items(), strict=False)


def finish(figure: Figure) -> Figure:
    """Takes the figure out of pyplot's hands, so that a notebook shows it once, not twice."""
    plt.close(figure)
    return figure
