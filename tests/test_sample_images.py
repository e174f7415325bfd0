"""The photographs that pages show, against what the packages that bring them say."""

import inspect
import json
import subprocess
import sys

import numpy as np
import pytest
import skimage.data
from conftest import ROOT
from PIL import Image
from sklearn.datasets import load_sample_images

from alexnet_lib.front_end.sample_images import SAMPLE_IMAGES

EACH = pytest.mark.parametrize("image", SAMPLE_IMAGES.values(), ids=SAMPLE_IMAGES)
TERMS = {
    "CC0 1.0": ("cc0",),
    "public domain": ("public domain",),
    "no known copyright restrictions": ("no known copyright restrictions",),
    "Middlebury 2014 stereo benchmark; scikit-image names no licence": ("middlebury 2014 stereo",),
}


def said_by_its_package(image):
    """The part of the package's own text that is about the photograph, in small letters."""
    if image.source.startswith("skimage"):
        text = inspect.getdoc(getattr(skimage.data, image.source.rpartition(".")[2]))
    else:
        file = image.source.split("'")[1]
        (text,) = (p for p in load_sample_images().DESCR.split("Image: ") if p.startswith(file))
    return " ".join(text.split()).lower()


def test_they_load_without_a_network():
    """In a process of its own, where nothing can be connected and nothing is cached elsewhere."""
    code = """
import json, socket
def refuse(*arguments, **settings):
    raise OSError("a photograph asked for the network")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from alexnet_lib.front_end.sample_images import SAMPLE_IMAGES
print(json.dumps({name: image.pixels().shape for name, image in SAMPLE_IMAGES.items()}))
"""
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    shapes = json.loads(answer.stdout)
    assert len(shapes) >= 10
    assert list(shapes) == list(SAMPLE_IMAGES)
    assert all(min(shape[:2]) >= 227 and shape[2] == 3 for shape in shapes.values())


def test_a_credit_names_the_thing_the_author_and_the_terms():
    credits = {name: image.credit for name, image in SAMPLE_IMAGES.items()}
    assert credits["cat"] == "A cat. Stefan van der Walt, CC0 1.0."
    assert credits["coffee"] == "A cup of coffee. Rachel Michetti, Pikolo Espresso Bar, CC0 1.0."
    assert credits["motorcycle"].startswith("A motorcycle in a garage. Nera Nesic and 5 others, ")
    assert credits["temple"] == "A temple tower above a lake. danielbuechele, CC BY 2.0."


@EACH
def test_the_square_is_the_middle_of_the_photograph(image):
    whole, square = image.pixels(), image.square()
    assert whole.dtype == square.dtype == np.uint8
    assert square.shape == (227, 227, 3)
    assert image.square(64).shape == (64, 64, 3)
    side = min(whole.shape[:2])
    top, left = ((length - side) // 2 for length in whole.shape[:2])
    middle = Image.fromarray(whole[top : top + side, left : left + side])
    expected = np.asarray(middle.resize((227, 227), Image.Resampling.BILINEAR), float)
    # At its edges the square may take a little of what lies beside it.
    assert np.abs(square - expected)[8:-8, 8:-8].max() <= 1


@EACH
def test_they_are_sharp(image):
    """Reduced to 64 pixels a side and enlarged again, each loses something that can be seen."""
    square = Image.fromarray(image.square())
    coarse = square.resize((64, 64), Image.Resampling.BOX).resize((227, 227))
    assert np.abs(np.asarray(square, float) - np.asarray(coarse, float)).mean() > 1


@EACH
def test_author_and_licence_are_those_that_its_package_names(image):
    said = said_by_its_package(image)
    if image.licence == "CC BY 2.0":
        assert "creative commons" in said
        assert "creativecommons.org/licenses/by/2.0" in load_sample_images().DESCR
        flickr = [line for line in load_sample_images().DESCR.splitlines() if "flickr" in line]
        assert f"flickr.com/photos/{image.author}/" in " ".join(flickr)
    else:
        assert any(term in said for term in TERMS[image.licence])
        for author in image.author.replace(" and ", ", ").split(", "):
            assert author.lower() in said


def test_the_titles_are_for_the_middle_of_a_sentence():
    titles = [image.title for image in SAMPLE_IMAGES.values()]
    assert len(set(titles)) == len(titles)
    assert not any(title.endswith(".") for title in titles)
