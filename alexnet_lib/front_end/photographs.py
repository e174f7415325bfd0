"""Photographs small enough to be saved in a notebook with the explorer that shows them."""

import base64
import io

import numpy as np
from PIL import Image

SIDE = 256
LARGEST = 20_000
"""Characters of a data URL; a saved notebook holds it twice."""


def data_url(photograph, side: int = SIDE, largest: float = LARGEST) -> str:
    """A square photograph as a `data:` address of a JPEG, the best that fits in `largest`.

    Args:
        photograph: `(rows, columns, 3)`, RGB, 0..255, any numeric dtype; or the path of a file.
            What is not square is cropped to its central square, as in section 2 of the paper.
        side: pixels of the JPEG.
        largest: characters of the address.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is neither.
    """
    image = square(photograph, side)
    for quality in range(90, 0, -5):
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality, optimize=True)
        address = f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
        if len(address) <= largest:
            break
    return address


def square(photograph, side: int = SIDE) -> Image.Image:
    """The central square of a photograph as `data_url` takes it, `side` × `side`, RGB."""
    if isinstance(photograph, np.ndarray) or hasattr(photograph, "__array__"):
        pixels = np.asarray(photograph)
        if pixels.ndim != 3 or pixels.shape[2] != 3:
            raise ValueError(
                f"A photograph is an array (rows, columns, 3); this has the shape {pixels.shape}."
            )
        low, high = pixels.min(), pixels.max()
        if not (low >= 0 and high <= 255):
            raise ValueError(
                f"A photograph has values from 0 to 255; this goes from {low} to {high}."
            )
        image = Image.fromarray(np.round(pixels).astype("uint8"))
    else:
        with Image.open(photograph) as file:
            image = file.convert("RGB")
    shorter = min(image.size)
    left, top = (image.width - shorter) // 2, (image.height - shorter) // 2
    box = (left, top, left + shorter, top + shorter)
    return image.resize((side, side), Image.Resampling.BILINEAR, box=box)
