"""Max pooling, 3/2 beside 2/2, of a small grey picture that shifts."""

import numpy as np
import traitlets

from ...front_end import photographs
from . import stills
from .explorer import Explorer

WINDOWS = {"overlapping": (3, 2), "plain": (2, 2)}
"""Kernel and stride: the paper's (section 3.4), and the pooling that it is compared with."""
VIEW = 15
"""Rows and columns that are pooled; a 3/2 window tiles them, and both give 7 × 7."""
REACH = 4
"""Pixels by which the picture can be shifted to each side."""
SIDE = VIEW + 2 * REACH


def max_pool(picture, kernel: int, stride: int) -> np.ndarray:
    """The maxima of all windows that fit on `(rows, columns)`, as `maxPool` in pooling.js."""
    windows = np.lib.stride_tricks.sliding_window_view(np.asarray(picture), (kernel, kernel))
    return windows[::stride, ::stride].max((2, 3))


class Pooling(Explorer):
    """A small grey picture is shifted, and pooled with 3/2 (overlapping) and 2/2 windows.

        Pooling(photograph)

    Shows both pooled maps with their values, and how much they change from where the picture stood
    first. Only what moves into view is new: no zeros are shifted in.

    Args:
        picture: `(23, 23)` grey values 0..255, which are used as they are; or a photograph as
            `NetworkMap` takes it, which is made grey and small.
        right, down: by how many pixels the picture is shifted, -4 to 4.
        row, column: which pooled value is looked at, counted from 0.

    Raises:
        ValueError: if the picture is neither.
        traitlets.TraitError: if a number is out of its range.

    >>> Pooling(right=1)
    Pooling(right=1, down=0)
    """

    _module = "pooling"

    right = traitlets.Int(min=-REACH, max=REACH).tag(sync=True)
    down = traitlets.Int(min=-REACH, max=REACH).tag(sync=True)
    row = traitlets.Int(min=0, max=(VIEW - 3) // 2).tag(sync=True)
    column = traitlets.Int(min=0, max=(VIEW - 3) // 2).tag(sync=True)
    picture = traitlets.List().tag(sync=True)
    windows = traitlets.Dict().tag(sync=True)

    def __init__(
        self, picture=None, *, right: int = 0, down: int = 0, row: int = 2, column: int = 2
    ):
        super().__init__(
            picture=_grey(picture).tolist(),
            windows={name: list(both) for name, both in WINDOWS.items()},
            right=right,
            down=down,
            row=row,
            column=column,
        )

    def __repr__(self) -> str:
        return f"Pooling(right={self.right}, down={self.down})"

    def view(self, right: int, down: int) -> np.ndarray:
        """The `(15, 15)` pixels that are pooled, with the picture shifted."""
        top, left = REACH - down, REACH - right
        return np.array(self.picture)[top : top + VIEW, left : left + VIEW]

    def still(self) -> str:
        first, now = self.view(0, 0), self.view(self.right, self.down)
        says, parts = [], [_cells(now, 10, 40, 150)]
        parts.append(stills.text(10, 30, f"{VIEW} × {VIEW} pixels"))
        for place, (name, (kernel, stride)) in enumerate(WINDOWS.items()):
            pooled = max_pool(now, kernel, stride)
            change = np.abs(pooled.astype(int) - max_pool(first, kernel, stride)).mean()
            says.append(f"{kernel}/{stride} {name}: mean change {change:.1f}")
            parts.append(_cells(pooled, 175 + 110 * place, 60, 100))
            parts.append(stills.text(175 + 110 * place, 50, f"{kernel}/{stride}"))
        moved = f"Shifted by {self.right} to the right and {self.down} down."
        parts += [
            stills.text(10, 215 + 20 * line, text) for line, text in enumerate([moved, *says])
        ]
        label = f"Max pooling of a grey picture. {moved} {'; '.join(says)}."
        return stills.picture(label, stills.WIDTH, 265, *parts)


def _grey(picture) -> np.ndarray:
    """`(SIDE, SIDE)` whole numbers 0..255."""
    if picture is None:
        return _blobs()
    if isinstance(picture, list | tuple):
        picture = np.asarray(picture)
    if isinstance(picture, np.ndarray) and picture.ndim == 2:
        if picture.shape != (SIDE, SIDE) or not (picture.min() >= 0 and picture.max() <= 255):
            raise ValueError(
                f"A grey picture is {SIDE} × {SIDE} values from 0 to 255; this is {picture.shape} "
                f"from {picture.min()} to {picture.max()}."
            )
        return np.round(picture).astype(int)
    return np.asarray(photographs.square(picture, SIDE).convert("L")).astype(int)


def _blobs() -> np.ndarray:
    """A stroke and two dots, such as a filter for edges leaves of a photograph."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    stroke = 235 * np.exp(-((rows - 0.6 * columns - 4) ** 2) / 3)
    dots = [(17, 6, 200), (7, 16, 160)]
    light = sum(v * np.exp(-((rows - r) ** 2 + (columns - c) ** 2) / 2) for r, c, v in dots)
    return np.clip(np.round(stroke + light), 0, 255).astype(int)


def _cells(values: np.ndarray, left: float, top: float, side: float) -> str:
    size = side / len(values)
    return "".join(
        stills.rectangle(
            left + column * size, top + row * size, size, size, f'fill="rgb({v},{v},{v})"'
        )
        for (row, column), v in np.ndenumerate(values)
    )
