"""What the explorers' pictures for pages without JavaScript are made of: SVG, as text.

Coordinates are pixels of the picture. Text takes the colour of the page.
"""

import html
from collections.abc import Iterable

WIDTH = 400
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float, digits: int = 2) -> str:
    """A number in few digits: 0.033, 12, 4.4·10⁻⁷."""
    mantissa, _, power = f"{value:.{digits}g}".partition("e")
    return mantissa + (f"·10{str(int(power)).translate(_RAISED)}" if power else "")


def picture(label: str, width: float, height: float, *parts: str) -> str:
    """An SVG picture that shrinks with the page; `label` is what a screen reader says of it."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{html.escape(label)}" '
        f'viewBox="0 0 {width} {height}" width="{width}" style="max-width: 100%; height: auto" '
        f'font-family="inherit" fill="currentColor">{"".join(parts)}</svg>'
    )


def rectangle(x: float, y: float, width: float, height: float, style: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" {style}/>'


def text(x: float, y: float, content: str, size: int = 13, style: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" {style}>{html.escape(content)}</text>'


def line(points: Iterable[tuple[float, float]], style: str) -> str:
    """A line through points `(x, y)`."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" {style}/>'


def image(address: str, x: float, y: float, side: float) -> str:
    """A square picture from a `data:` address; enlarged, its pixels stay squares."""
    return (
        f'<image href="{address}" x="{x}" y="{y}" width="{side}" height="{side}" '
        'style="image-rendering: pixelated"/>'
    )
