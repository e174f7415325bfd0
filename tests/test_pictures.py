"""Decoding against Pillow: every format, mode and orientation arrives as the same RGB square."""

import io
import sys
import warnings

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from alexnet_lib.data import pictures

SIZE = 32


def scene(height=90, width=120):
    """Smooth, so that JPEG hardly changes it, and different in every direction."""
    y, x = np.mgrid[:height, :width] / [[[height]], [[width]]]
    return np.stack([255 * x, 255 * y, 127 + 100 * np.sin(3 * x + 5 * y)], -1).astype("uint8")


def reference(image, size=SIZE):
    """Pillow's own way: upright, central square, resized."""
    image = ImageOps.exif_transpose(image).convert("RGB")
    return np.asarray(ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR), "float32")


def difference(path, expected, size=SIZE):
    return np.abs(pictures.read(path, size).astype("float32") - expected)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.jpg", {"quality": 95}),
        ("progressive.jpeg", {"quality": 95, "progressive": True}),
        ("full.jpg", {"quality": 95, "subsampling": 0}),
        ("a.png", {}),
        ("a.bmp", {}),
        ("lossy.webp", {"quality": 95}),
        ("a.webp", {"lossless": True}),
        ("a.tif", {}),
        ("packed.tiff", {"compression": "tiff_lzw"}),
        ("a.avif", {"quality": 95}),
    ],
)
def test_formats(tmp_path, name, options):
    image = Image.fromarray(scene())
    image.save(tmp_path / name, **options)
    assert difference(tmp_path / name, reference(image)).max() < 8


@pytest.mark.parametrize("side", [16, 40, 100, 300, 700])
@pytest.mark.parametrize("ratio", [1, 1.5])
def test_sizes_that_use_every_reduced_scale(tmp_path, side, ratio):
    image = Image.fromarray(scene(side, round(side * ratio)))
    image.save(tmp_path / "a.jpg", quality=98, subsampling=0)
    off = difference(tmp_path / "a.jpg", reference(image))
    assert off.mean() < 3
    assert off.max() < 20


def test_real_photograph_against_pillow(tmp_path):
    import skimage.data

    image = Image.fromarray(skimage.data.coffee()).resize((500, 375))
    image.save(tmp_path / "a.jpg", quality=90)
    expected = reference(Image.open(tmp_path / "a.jpg"), 256)
    assert difference(tmp_path / "a.jpg", expected, 256).mean() < 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif", "a.avif"])
def test_exif_orientation(tmp_path, orientation, name):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(scene()).save(tmp_path / name, exif=exif, quality=95)
    expected = reference(Image.open(tmp_path / name))
    assert difference(tmp_path / name, expected).mean() < 3


def test_orientation_that_exif_does_not_know_is_ignored(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 77
    Image.fromarray(scene()).save(tmp_path / "a.jpg", exif=exif)
    assert pictures.inspect(tmp_path / "a.jpg").orientation == 1


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        ("L", "a.jpg"),
        ("L", "a.png"),
        ("1", "a.png"),
        ("P", "a.png"),
        ("P", "a.gif"),
        ("CMYK", "a.jpg"),
        ("L", "a.bmp"),
        ("L", "a.tif"),
        ("CMYK", "a.tif"),
    ],
)
def test_modes_become_rgb(tmp_path, mode, name):
    image = Image.fromarray(scene()).convert(mode)
    image.save(tmp_path / name)
    expected = reference(Image.open(tmp_path / name))
    assert difference(tmp_path / name, expected).max() < 8


def test_cmyk_keeps_its_colours(tmp_path):
    red = Image.new("RGB", (40, 40), (200, 30, 30)).convert("CMYK")
    red.save(tmp_path / "a.jpg", quality=95)
    assert np.abs(pictures.read(tmp_path / "a.jpg", 8) - [200.0, 30, 30]).max() < 6


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_lies_on_white(tmp_path, mode):
    image = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    image.paste((100, 100, 100, 255), (0, 0, 20, 40))
    image.convert(mode).save(tmp_path / "a.png")
    pixels = pictures.read(tmp_path / "a.png", 40)
    assert (pixels[:, :19] == 100).all()
    assert (pixels[:, 21:] == 255).all()


def test_transparent_palette(tmp_path):
    image = Image.new("P", (20, 20), 0)
    image.putpalette([0, 0, 0, 90, 90, 90])
    image.paste(1, (0, 0, 10, 20))
    image.save(tmp_path / "a.png", transparency=0)
    pixels = pictures.read(tmp_path / "a.png", 20)
    assert (pixels[:, :9] == 90).all()
    assert (pixels[:, 11:] == 255).all()


def test_sixteen_bits(tmp_path):
    grey = np.linspace(0, 65535, 40 * 40).reshape(40, 40).astype("uint16")
    Image.fromarray(grey).save(tmp_path / "a.png")
    pixels = pictures.read(tmp_path / "a.png", 40)
    np.testing.assert_allclose(pixels[..., 1], grey / 257, atol=0.51)


def test_first_frame_of_a_gif(tmp_path):
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert (pictures.read(tmp_path / "a.gif", 8) == [255, 0, 0]).all()


def encoded(**options):
    buffer = io.BytesIO()
    Image.fromarray(scene()).save(buffer, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("contents", "reason"),
    [
        (b"", "empty file"),
        (b"These are my holidays.", "not a picture"),
        (b"\x00" * 5000, "not a picture"),
        (encoded(format="JPEG", quality=95)[:2000], "cut off or damaged"),
        (encoded(format="JPEG", quality=95)[:150], "cut off or damaged|not a picture"),
        (encoded(format="PNG")[:2000], "cut off or damaged"),
        (encoded(format="WEBP")[:300], "cut off or damaged|not a picture"),
        (encoded(format="BMP")[:5000], "cut off or damaged"),
        (encoded(format="GIF")[:2000], "cut off or damaged"),
        (encoded(format="TIFF")[:-2000], "cut off or damaged"),
        (encoded(format="JPEG2000"), "JPEG 2000, which this library does not read; convert it"),
    ],
)
def test_broken_files(tmp_path, contents, reason):
    path = tmp_path / "a.jpg"
    path.write_bytes(contents)
    with pytest.raises(pictures.BrokenPictureError, match=reason):
        pictures.inspect(path)
    with pytest.raises(pictures.BrokenPictureError, match=r"a\.jpg cannot be read"):
        pictures.read(path)


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)


def test_heic_needs_a_package_and_says_which(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setattr(Image, "OPEN", {k: v for k, v in Image.OPEN.items() if k != "HEIF"})
    (tmp_path / "a.jpg").write_bytes(HEIC)
    with pytest.raises(pictures.BrokenPictureError, match=r"HEIC.*pip install pillow-heif"):
        pictures.inspect(tmp_path / "a.jpg")


def test_heic_where_the_package_is(tmp_path, monkeypatch):
    package = pytest.importorskip("pillow_heif")
    image = Image.fromarray(scene())
    package.from_pillow(image).save(tmp_path / "a.heic", quality=95)
    monkeypatch.setattr(Image, "OPEN", {k: v for k, v in Image.OPEN.items() if k != "HEIF"})
    assert difference(tmp_path / "a.heic", reference(image)).mean() < 3


def test_a_photograph_of_a_phone_with_200_megapixels(tmp_path):
    """With what some phones write behind the picture; and no warning of Pillow's."""
    image = Image.new("RGB", (16320, 12240), (90, 120, 30))
    image.paste((200, 10, 10), (6000, 4000, 10000, 8000))
    image.save(tmp_path / "a.jpg", quality=80)
    with open(tmp_path / "a.jpg", "ab") as file:
        file.write(bytes(500))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pictures.inspect(tmp_path / "a.jpg", look=True).width == 16320
        np.testing.assert_allclose(
            pictures.read(tmp_path / "a.jpg")[128, 128], [200, 10, 10], atol=3
        )


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.jpg"):
        pictures.read(tmp_path / "nothing.jpg")


def test_a_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "MAX_PIXELS", 100)
    Image.fromarray(scene()).save(tmp_path / "a.png")
    with pytest.raises(pictures.BrokenPictureError, match="too many pixels"):
        pictures.inspect(tmp_path / "a.png")


@pytest.mark.parametrize("options", [{"format": "JPEG"}, {"format": "PNG"}, {"format": "WEBP"}])
def test_bytes_of_which_nothing_is_known(options):
    contents = encoded(**options)
    dataset = tf.data.Dataset.from_tensors(contents)
    square = next(iter(dataset.map(lambda one: pictures.square_of_unknown(one, SIZE))))
    expected = reference(Image.open(io.BytesIO(contents)))
    assert np.abs(square.numpy() - expected).mean() < 3
