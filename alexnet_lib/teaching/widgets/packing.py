"""What a network answered, in few characters, for explorers that show it without the network."""

import base64
import io
import zlib

import numpy as np
from PIL import Image


def packed(numbers: np.ndarray) -> str:
    """Whole numbers, compressed (zlib), as base64; the front end knows their shape and type."""
    return base64.b64encode(zlib.compress(numbers.tobytes(), 9)).decode("ascii")


def map_url(brightness: np.ndarray) -> str:
    """A map `(rows, columns)`, 0 for black to 1 for white, as a PNG in a `data:` address."""
    file = io.BytesIO()
    Image.fromarray(np.round(255 * brightness).astype("uint8")).save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
