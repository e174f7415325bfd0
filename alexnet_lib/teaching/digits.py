"""Handwritten digits, painted on photographs: pictures that no shipped weights have learned from.

scikit-learn carries the 1,797 digits of 8×8 pixels that 13 people wrote into forms. MNIST-M (Ganin
& Lempitsky 2015) blends digits with photographs in a similar way.
"""

from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from ..front_end.sample_images import SAMPLE_IMAGES

FORM = (*range(10),) * 3
"""How the labels of every form begin: the digits in order, three times."""
SIDE, DIGIT = 64, 48
"""Pixels a side of a picture, and of the digit in its middle."""


def write_painted_digits(folder: Path, per_class: int = 30, seed: int = 0) -> None:
    """Writes PNG files into `train/` and `test/` in a folder, each with ten class folders.

    The test digits are from other forms than the training digits, so written by other people, and
    painted on crops of other photographs, in a random colour that stands out.

    Args:
        folder: where; it need not be there yet.
        per_class: pictures of each digit, in each of the two parts.
        seed: of the choice of digits, crops and colours.
    """
    strokes, labels = load_digits(return_X_y=True)
    photographs = [image.pixels() for image in SAMPLE_IMAGES.values()]
    starts = forms(labels)
    half = starts[len(starts) // 2]
    random = np.random.default_rng(seed)
    parts = {
        "train": (np.arange(half), photographs[::2]),
        "test": (np.arange(half, len(labels)), photographs[1::2]),
    }
    for part, (members, backgrounds) in parts.items():
        for label in range(10):
            place = Path(folder) / part / str(label)
            place.mkdir(parents=True, exist_ok=True)
            of_class = members[labels[members] == label]
            for number, index in enumerate(random.choice(of_class, per_class, replace=False)):
                background = backgrounds[random.integers(len(backgrounds))]
                picture = painted(strokes[index].reshape(8, 8), background, random)
                Image.fromarray(picture).save(place / f"{number:03}.png")


def forms(labels: np.ndarray) -> list[int]:
    """Where forms begin in the list of digits, which names no writers."""
    windows = np.lib.stride_tricks.sliding_window_view(labels, len(FORM))
    return np.flatnonzero((windows == FORM).mean(1) > 0.9).tolist()


def painted(strokes: np.ndarray, photograph: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A digit on a crop of a photograph: light on a dark crop, dark on a light one.

    Args:
        strokes: ink, 0..16, `(8, 8)`.
        photograph: uint8 `(height, width, 3)`.

    Returns:
        uint8 `(SIDE, SIDE, 3)`.
    """
    height, width = photograph.shape[:2]
    side = random.integers(min(height, width) // 3, min(height, width) // 2)
    top, left = random.integers(height - side), random.integers(width - side)
    crop = Image.fromarray(photograph[top : top + side, left : left + side])
    ground = np.asarray(crop.resize((SIDE, SIDE), Image.Resampling.BOX), float)
    ink = Image.fromarray((strokes * 255 / 16).astype("uint8"))
    ink = np.asarray(ink.resize((DIGIT, DIGIT), Image.Resampling.BICUBIC), float) / 255
    cover = np.zeros((SIDE, SIDE, 1))
    middle = slice((SIDE - DIGIT) // 2, (SIDE + DIGIT) // 2)
    # Doubled, so that the strokes have edges again, which 8×8 grey values have not.
    cover[middle, middle, 0] = np.clip(2 * ink - 0.3, 0, 1)
    colour = random.uniform(0, 80, 3) + (175 if ground.mean() < 128 else 0)
    return (ground * (1 - cover) + colour * cover).astype("uint8")
