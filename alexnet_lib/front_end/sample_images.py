"""Sharp photographs that scikit-image and scikit-learn bring with them: no download, clear terms.

    picture = SAMPLE_IMAGES["cat"].square()

The live page, the explorers and the chapters show the same ones, from here.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from . import photographs


@dataclass(frozen=True)
class SampleImage:
    """A photograph, and what a page has to say beside it."""

    title: str
    """What is to be seen, for people, in the middle of a sentence: "a cup of coffee"."""
    source: str
    """The function that opens it: `"skimage.data.coffee"`."""
    author: str
    """Who made it, as its package says."""
    licence: str
    """On what terms it may be passed on, as its package says."""
    open: Callable[[], np.ndarray] = field(repr=False)
    """Opens it as its package has it."""

    @property
    def credit(self) -> str:
        """What a page says beside it: `"A cat. Stefan van der Walt, CC0 1.0."`

        Of more than two authors the first is named.
        """
        first, *others = self.author.split(", ")
        author = f"{first} and {len(others)} others" if len(others) > 1 else self.author
        return f"{self.title[0].upper()}{self.title[1:]}. {author}, {self.licence}."

    def pixels(self) -> np.ndarray:
        """The whole photograph, RGB: uint8 `(rows, columns, 3)`. Grey ones have equal channels."""
        pixels = np.asarray(self.open())
        return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=-1)

    def square(self, side: int = 227) -> np.ndarray:
        """Its central square, as section 2 of the paper cuts it: uint8 `(side, side, 3)`."""
        return np.asarray(photographs.square(self.pixels(), side))


def _scikit_image(name: str) -> Callable[[], np.ndarray]:
    def read():
        import skimage.data

        return getattr(skimage.data, name)()

    return read


def _scikit_learn(name: str) -> Callable[[], np.ndarray]:
    def read():
        from sklearn.datasets import load_sample_image

        return load_sample_image(name)

    return read


def _motorcycle() -> np.ndarray:
    import skimage.data

    # A stereo pair with its depth map; the picture of the left camera.
    return skimage.data.stereo_motorcycle()[0]


_CC0 = "CC0 1.0"
_PUBLIC_DOMAIN = "public domain"
_CC_BY = "CC BY 2.0"

SAMPLE_IMAGES = {
    "cat": SampleImage(
        "a cat", "skimage.data.cat", "Stefan van der Walt", _CC0, _scikit_image("cat")
    ),
    "coffee": SampleImage(
        "a cup of coffee",
        "skimage.data.coffee",
        "Rachel Michetti, Pikolo Espresso Bar",
        _CC0,
        _scikit_image("coffee"),
    ),
    "rocket": SampleImage(
        "a rocket on its launch pad",
        "skimage.data.rocket",
        "SpaceX",
        _PUBLIC_DOMAIN,
        _scikit_image("rocket"),
    ),
    "motorcycle": SampleImage(
        "a motorcycle in a garage",
        "skimage.data.stereo_motorcycle",
        "Nera Nesic, Porter Westling, Xi Wang, York Kitajima, Greg Krathwohl, Daniel Scharstein",
        "Middlebury 2014 stereo benchmark; scikit-image names no licence",
        _motorcycle,
    ),
    "astronaut": SampleImage(
        "the astronaut Eileen Collins",
        "skimage.data.astronaut",
        "NASA",
        _PUBLIC_DOMAIN,
        _scikit_image("astronaut"),
    ),
    "temple": SampleImage(
        "a temple tower above a lake",
        "sklearn.datasets.load_sample_image('china.jpg')",
        "danielbuechele",
        _CC_BY,
        _scikit_learn("china.jpg"),
    ),
    "flower": SampleImage(
        "a dahlia",
        "sklearn.datasets.load_sample_image('flower.jpg')",
        "vultilion",
        _CC_BY,
        _scikit_learn("flower.jpg"),
    ),
    "photographer": SampleImage(
        "a man behind a camera on a tripod",
        "skimage.data.camera",
        "Lav Varshney",
        _CC0,
        _scikit_image("camera"),
    ),
    "coins": SampleImage(
        "Greek coins from Pompeii",
        "skimage.data.coins",
        "Brooklyn Museum",
        "no known copyright restrictions",
        _scikit_image("coins"),
    ),
    "galaxies": SampleImage(
        "galaxies, by the Hubble telescope",
        "skimage.data.hubble_deep_field",
        "NASA",
        _PUBLIC_DOMAIN,
        _scikit_image("hubble_deep_field"),
    ),
    "bricks": SampleImage(
        "a pavement of bricks", "skimage.data.brick", "CC0Textures", _CC0, _scikit_image("brick")
    ),
    "grass": SampleImage("grass", "skimage.data.grass", "linolafett", _CC0, _scikit_image("grass")),
    "gravel": SampleImage(
        "gravel", "skimage.data.gravel", "CC0Textures", _CC0, _scikit_image("gravel")
    ),
    "retina": SampleImage(
        "the retina of an eye",
        "skimage.data.retina",
        "Mikael Häggström",
        _CC0,
        _scikit_image("retina"),
    ),
}
"""The photographs by name, the ones with a thing in the middle first."""
