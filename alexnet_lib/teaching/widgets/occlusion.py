"""Occlusion: a grey square is dragged over a picture, and the answers change."""

from collections.abc import Mapping, Sequence

import numpy as np
import traitlets

from ...architecture import ILSVRC_MEAN
from ...front_end import photographs
from . import stills
from .explorer import Explorer
from .packing import map_url, packed

LEVELS = 10_000
"""Steps of a probability: hundredths of a per cent."""
LEAST_RANGE = 0.25
"""From black to white: less would make noise of a per cent look like a pattern."""
GUESSES = 5
GREY = "#" + "".join(f"{round(colour):02x}" for colour in ILSVRC_MEAN)
"""The colour that is 0 after the preprocessing."""


class Occlusion(Explorer):
    """Which parts of a picture the answers of a network rest on (Zeiler and Fergus 2014).

        Occlusion(model, {"cat": cat}, class_names)

    The reader drags the square, and sees the probabilities with it and without it. Python asks the
    network once for each place of the square: 23 × 23 for the default on 227 × 227 pixels.

    Args:
        model: any of ours, with its top.
        pictures: by name, each `(height, width, 3)`, what the model takes (`inspection`).
        class_names: one for each output.
        size: side of the square, in pixels.
        stride: its step, in pixels.
        picture: what is shown first; the first if not given.
        row, column: the place of the square, in steps; the middle if not given.
        watched: the class whose map is shown; the most probable one if not given.

    Raises:
        ValueError: if there is no picture, the names do not fit the model, the square does not fit
            the picture, or what should be shown first is not there.
    """

    _module = "occlusion"

    picture = traitlets.Unicode().tag(sync=True)
    row = traitlets.Int(min=0).tag(sync=True)
    column = traitlets.Int(min=0).tag(sync=True)
    watched = traitlets.Unicode().tag(sync=True)
    input_shape = traitlets.List().tag(sync=True)
    square = traitlets.List().tag(sync=True)
    places = traitlets.List().tag(sync=True)
    grey = traitlets.List([GREY]).tag(sync=True)
    class_names = traitlets.List().tag(sync=True)
    photographs = traitlets.Dict().tag(sync=True)
    answers = traitlets.Dict().tag(sync=True)

    _measured = ("answers",)

    def __init__(
        self,
        model,
        pictures: Mapping[str, np.ndarray],
        class_names: Sequence[str],
        size: int = 48,
        stride: int = 8,
        *,
        picture: str | None = None,
        row: int | None = None,
        column: int | None = None,
        watched: str | None = None,
    ):
        from ... import inspection  # loads TensorFlow

        pictures = {str(name): np.asarray(pixels, "float32") for name, pixels in pictures.items()}
        class_names = [str(name) for name in class_names]
        if not pictures:
            raise ValueError("Occlusion needs at least one picture.")
        picture = next(iter(pictures)) if picture is None else picture
        if picture not in pictures:
            raise ValueError(f"There is no picture {picture!r}; there are {', '.join(pictures)}.")
        answers, plain = {}, {}
        for name, pixels in pictures.items():
            covered, tops, lefts = inspection.covered(model, pixels, size, stride)
            plain[name] = np.asarray(model(pixels[None], training=False))[0]
            answers[name] = covered
        classes = len(plain[picture])
        if len(class_names) != classes:
            raise ValueError(f"{len(class_names)} names were given for {classes} classes.")
        if watched is None:
            watched = class_names[int(plain[picture].argmax())]
        elif watched not in class_names:
            raise ValueError(f"There is no class {watched!r}; there are {', '.join(class_names)}.")
        kept = _kept(answers, plain, class_names.index(watched))
        self._first = answers[picture][..., class_names.index(watched)]
        side = pictures[picture].shape[0]
        super().__init__(
            picture=picture,
            row=len(tops) // 2 if row is None else row,
            column=len(lefts) // 2 if column is None else column,
            watched=watched,
            input_shape=[side, side],
            square=[size, stride],
            places=[len(tops), len(lefts)],
            photographs={
                name: photographs.data_url(inspection.as_pictures(model, pixels))
                for name, pixels in pictures.items()
            },
            class_names=[class_names[index] for index in kept],
            answers={
                name: {
                    "plain": [round(float(share), 4) for share in plain[name][kept]],
                    "covered": packed(_levels(answers[name][..., kept])),
                }
                for name in pictures
            },
        )

    def __repr__(self) -> str:
        size, stride = self.square
        return (
            f"Occlusion(picture={self.picture!r}, size={size}, stride={stride}, row={self.row}, "
            f"column={self.column}, watched={self.watched!r})"
        )

    def still(self) -> str:
        size, stride = self.square
        rows, columns = self.places
        top, left = self.row * stride, self.column * stride
        side, gap, above = 190, 20, 30
        scale = side / self.input_shape[0]
        label = (
            f"Occlusion: a grey square of {size} × {size} pixels covers a part of the picture "
            f"{self.picture}. Beside it a map of {rows} × {columns} places of the square: the "
            f"brighter, the more probable is {self.watched} while it stands there."
        )
        black, white = grey_range(float(self._first.min()), float(self._first.max()))
        brightness = (self._first - black) / (white - black)
        square = stills.rectangle(
            left * scale, above + top * scale, size * scale, size * scale, f'fill="{GREY}"'
        )
        return stills.picture(
            label,
            2 * side + gap,
            above + side,
            stills.text(0, 16, self.picture),
            stills.text(side + gap, 16, self.watched),
            stills.image(self.photographs[self.picture], 0, above, side),
            square,
            stills.image(map_url(brightness), side + gap, above, side),
        )


def grey_range(low: float, high: float) -> tuple[float, float]:
    """What is black and what is white in a map from `low` to `high`, as `greyRange` draws it."""
    if high - low >= LEAST_RANGE:
        return low, high
    black = min(max((low + high - LEAST_RANGE) / 2, 0), 1 - LEAST_RANGE)
    return black, black + LEAST_RANGE


def _kept(answers: Mapping, plain: Mapping, watched: int) -> list[int]:
    """The classes that are ever among the first five answers, in their order, and the watched."""
    kept = {watched}
    for name, covered in answers.items():
        everywhere = [*covered.reshape(-1, covered.shape[-1]), plain[name]]
        kept.update(np.argsort(everywhere, axis=1)[:, -GUESSES:].ravel().tolist())
    return sorted(kept)


def _levels(probabilities: np.ndarray) -> np.ndarray:
    return np.round(LEVELS * probabilities).astype("<u2")
