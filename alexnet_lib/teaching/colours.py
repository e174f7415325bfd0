"""The colours of the book, one table for figures and explorers.

Okabe and Ito's, which people with colour-blindness can tell apart.
"""

from typing import NamedTuple

BLUE, ORANGE, GREEN, SKY, VERMILION, GREY = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#56b4e9",
    "#d55e00",
    "#8c8c8c",
)

LINES = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), (VERMILION, ":"), (GREY, "-"))
"""Curves in one pair of axes differ in colour and in dashes."""

ACTIVATION_LINES = {
    "ReLU": (BLUE, "-"),
    "tanh": (VERMILION, "--"),
    "sigmoid": (GREEN, ":"),
}
"""Colour and dashes (as Matplotlib writes them) of each activation function, wherever it is drawn.

`explorer.css` has the same hues, darker or lighter where a page's theme needs the contrast.
"""


class Kind(NamedTuple):
    """How a kind of layer is called and drawn."""

    label: str
    colour: str | None
    """None for a kind that has no box of its own in a figure."""


KINDS = {
    "input": Kind("picture", GREY),
    "convolution": Kind("convolution", BLUE),
    "normalization": Kind("local response normalization", GREEN),
    "map normalization": Kind("normalization within each map", GREEN),
    "pooling": Kind("max pooling", SKY),
    "global pooling": Kind("pooling of whole maps", SKY),
    "dense": Kind("fully connected", ORANGE),
    "activation": Kind("activation", None),
    "flatten": Kind("the maps become one vector", None),
    "dropout": Kind("dropout", None),
}
"""Every kind of layer, for figures and explorers."""


def kind_named(name: str) -> Kind:
    """How a kind of layer is called and drawn.

    Raises:
        KeyError: if it has no entry in `KINDS`.
    """
    if name not in KINDS:
        raise KeyError(f"Layers of kind {name!r} have no colour; add one to teaching/colours.py.")
    return KINDS[name]


def colour_of(kind: str) -> str | None:
    """The colour of a kind of layer, or None where it is not drawn; errors as `kind_named`."""
    return kind_named(kind).colour
