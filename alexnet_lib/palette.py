"""The book's colours, for figures and explorers alike: Okabe and Ito's.

People with colour-blindness can tell them apart. Standard library only.
"""

BLUE, ORANGE, GREEN, SKY, VERMILION, GREY = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#56b4e9",
    "#d55e00",
    "#8c8c8c",
)

ACTIVATION_LINES = {
    "ReLU": (BLUE, "-"),
    "tanh": (VERMILION, "--"),
    "sigmoid": (GREEN, ":"),
}
"""Colour and dashes (as Matplotlib writes them) of each activation function, wherever it is drawn.

`explorer.css` has the same hues, darker or lighter where a page's theme needs the contrast.
"""
