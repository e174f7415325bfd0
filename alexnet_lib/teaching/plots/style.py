"""What all figures share."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

STYLE = {
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.dpi": 100,
    "savefig.dpi": 160,
    "svg.hashsalt": "alexnet",
}


def finish(figure: Figure) -> Figure:
    """Takes the figure out of pyplot's hands, so that a notebook shows it once, not twice."""
    plt.close(figure)
    return figure
