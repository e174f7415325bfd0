"""The painted digits of chapter 12: nothing of the training pictures is in the test pictures."""

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from alexnet_lib.front_end.sample_images import SAMPLE_IMAGES, SampleImage
from alexnet_lib.teaching import digits


def grey(level):
    picture = np.full((90, 80, 3), level, "uint8")
    return SampleImage("a grey sheet", "none", "nobody", "CC0 1.0", lambda: picture)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Pictures on plain grounds: black ones for training, white ones for the test."""
    folder = tmp_path_factory.mktemp("painted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digits, "SAMPLE_IMAGES", {"a": grey(0), "b": grey(255), "c": grey(0)})
        digits.write_painted_digits(folder, per_class=3, seed=1)
    return folder


def pictures(folder, part):
    for path in sorted((folder / part).rglob("*.png")):
        yield int(path.parent.name), np.asarray(Image.open(path))


def test_a_form_begins_with_the_digits_in_order_three_times():
    _, labels = load_digits(return_X_y=True)
    starts = digits.forms(labels)
    assert starts[0] == 0
    assert np.diff(starts).min() > 100
    rows = np.array([labels[start : start + 30] for start in starts])
    assert (rows == np.tile(np.arange(10), 3)).mean() > 0.98
    assert digits.forms(np.zeros(100, int)) == []


@pytest.mark.parametrize(("part", "ground"), [("train", 0), ("test", 255)])
def test_each_part_has_its_own_photographs_and_writers(written, part, ground):
    strokes, labels = load_digits(return_X_y=True)
    half = digits.forms(labels)[len(digits.forms(labels)) // 2]
    own, others = (
        (slice(half), slice(half, None)) if part == "train" else (slice(half, None), slice(half))
    )
    found = list(pictures(written, part))
    assert np.bincount([label for label, _ in found]).tolist() == [3] * 10
    for label, picture in found:
        assert picture.shape == (64, 64, 3)
        edge = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
        assert (edge == ground).all()
        # The ink, reduced to 8×8 again, is that of a digit of this part and class.
        ink = np.abs(picture[8:56, 8:56].astype(float) - ground).mean(-1)
        ink = ink.reshape(8, 6, 8, 6).mean((1, 3)).ravel()

        def likeness(which, ink=ink, label=label):
            known = strokes[which][labels[which] == label]
            return max(np.corrcoef(ink, one)[0, 1] for one in known)

        assert likeness(own) > 0.93
        assert likeness(own) > likeness(others)


@pytest.mark.parametrize("image", SAMPLE_IMAGES.values(), ids=SAMPLE_IMAGES)
def test_ink_stands_out_from_its_ground(image):
    random = np.random.default_rng(0)
    for _ in range(5):
        picture = digits.painted(np.full((8, 8), 16), image.pixels(), random).astype(float)
        ground = np.concatenate([picture[:7], picture[-7:]])
        assert np.abs(picture[16:48, 16:48].mean() - ground.mean()) > 40


def test_the_seed_chooses_digits_and_colours(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        digits.write_painted_digits(tmp_path / name, per_class=1, seed=seed)
    first, again, other = (
        np.stack([picture for _, picture in pictures(tmp_path / name, "train")]) for name in "abc"
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any((1, 2, 3)).all()
