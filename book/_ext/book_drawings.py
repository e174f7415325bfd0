"""The book's mark, drawn from the description of the network: favicon, logo, card for links.

Each tower is a row of slabs, one a convolution: as high as the root of its maps' side, as wide as
the root of its channels. `python book/_ext/book_drawings.py` writes the favicon, which Sphinx wants
as a file; the logo and the card are made whenever the book is built.
"""

import io
from pathlib import Path

from alexnet_lib import files
from alexnet_lib.architecture import trace

FAVICON = Path(__file__).parents[1] / "_static" / "favicon.svg"
TOWERS = (("#1f77b4", -1), ("#ff7f0e", 1))
"""Colour of a tower, and the side of the middle line on which it stands."""

CARD = (1200, 630)
"""Pixels of the picture that is shown beside a link, in the proportion that such places expect."""


def slabs(width: float, height: float, gap: float):
    """Yield `(left, width, height)` of each convolution of one tower, to fill a box."""
    records = [record for record in trace() if record.kind == "convolution"]
    widths = [record.output_shape[-1] ** 0.5 for record in records]
    heights = [record.output_shape[0] ** 0.5 for record in records]
    unit = (width - gap * (len(records) - 1)) / sum(widths)
    left = 0.0
    for wide, high in zip(widths, heights, strict=True):
        yield left, unit * wide, height * high / max(heights)
        left += unit * wide + gap


def mark(side: float = 32, gap: float = 1.2) -> str:
    """Both towers, mirrored at the middle line, as the elements of an SVG picture."""
    margin = side / 16
    lines = []
    for colour, direction in TOWERS:
        lines.append(f'  <g fill="{colour}">')
        box = slabs(side - 2 * margin, side / 2 - margin - gap, gap)
        for left, width, height in box:
            middle = side / 2 + direction * gap
            top = middle if direction > 0 else middle - height
            lines.append(
                f'    <rect x="{margin + left:.2f}" y="{top:.2f}" width="{width:.2f}" '
                f'height="{height:.2f}" rx="0.6"/>'
            )
        lines.append("  </g>")
    return "\n".join(lines)


def favicon(title: str = "AlexNet, Layer by Layer") -> str:
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">\n'
        f"  <title>{title}</title>\n{mark()}\n</svg>\n"
    )


def logo() -> str:
    """The mark for the page itself, beside the title, which says all that is to be said."""
    return f'<svg class="book-mark" viewBox="0 0 32 32" aria-hidden="true">\n{mark()}\n</svg>'


def card(title: str) -> bytes:
    """A PNG for those who see a link to the book: the mark, the title, the network in numbers."""
    import matplotlib.pyplot as plt  # only a build draws this

    records = trace()
    sides = list(
        dict.fromkeys(
            record.output_shape[0]
            for record in records
            if len(record.output_shape) == 3
        )
    )
    steps = " → ".join(map(str, [records[0].input_shape[0], *sides]))
    parameters = (
        f"{sum(record.parameters for record in records):,} parameters"
    )
    width, height = CARD
    figure = plt.figure(
        figsize=(width / 100, height / 100), dpi=100, facecolor="white"
    )
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    for colour, direction in TOWERS:
        for left, wide, high in slabs(1040, 150, 22):
            bottom = 405 - (direction > 0) * high - direction * 8
            axes.add_patch(
                plt.Rectangle((80 + left, bottom), wide, high, color=colour)
            )
    axes.text(80, 148, title, fontsize=44, weight="bold", color="#16202a")
    axes.text(
        80, 80, f"{steps}      {parameters}", fontsize=24, color="#44505c"
    )
    file = io.BytesIO()
    figure.savefig(file, format="png")
    plt.close(figure)
    return file.getvalue()


if __name__ == "__main__":
    files.write_text(FAVICON, favicon())
