"""The colours of the book, one table for figures and explorers.

Okabe and Ito's, which people with colour-blindness can tell apart.
"""

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

KINDS: dict[str, str | None] = {
    "input": GREY,
    "convolution": BLUE,
    "normalization": GREEN,
    "map normalization": GREEN,
    "pooling": SKY,
    "global pooling": SKY,
    "dense": ORANGE,
    "activation": None,
    "flatten": None,
    "dropout": None,
}
"""Kind of layer → its colour; None for a kind that has no box of its own in a picture."""


def colour_of(kind: str) -> str | None:
    """The colour of a kind of layer, or None where it is not drawn.

    Raises:
        KeyError: if the kind has no entry in `KINDS`.
    """
    if kind not in KINDS:
        raise KeyError(f"Layers of kind {kind!r} have no colour; add one to teaching/colours.py.")
    return KINDS[kind]
