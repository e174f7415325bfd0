"""From the bytes of a file to a square picture: RGB, the right way up, `(size, size, 3)` uint8.

The paper (section 2) resizes a photograph so that its shorter side has 256 pixels and keeps the
central 256 × 256. Here the central square is cut out first and then resized: the same pixels, fewer
to decode. Plain JPEGs go through TensorFlow's decoder, at a half, a quarter or an eighth of their
size where they are that much larger than needed. Pillow reads whatever else there is.
"""

import contextlib
import hashlib
import io
import os
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import (  # Pillow registers some formats only when their modules are imported
    BmpImagePlugin,  # noqa: F401
    GifImagePlugin,  # noqa: F401
    Image,
    JpegImagePlugin,  # noqa: F401
    PngImagePlugin,  # noqa: F401
    TiffImagePlugin,  # noqa: F401
    WebPImagePlugin,  # noqa: F401
)

from . import similar

with contextlib.suppress(ImportError):
    # Since Pillow 11.3.
    from PIL import AvifImagePlugin  # noqa: F401

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "AVIF", "HEIF")
SUFFIXES = {
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".avif",
    ".heic", ".heif",
}  # fmt: skip
"""How names of picture files end; what a file is, its first bytes say."""
START = 64
"""So many bytes tell what a file is."""
LARGEST_FILE = 2**30
MAX_PIXELS = 300_000_000
"""Phones take pictures of 200 megapixels. Decoded whole, these take 0.9 GB."""

_MANY_PIXELS = 50_000_000
_one_at_a_time = threading.Lock()
"""Held while Pillow decodes more than `_MANY_PIXELS`: the threads together have one memory."""
_END_OF_JPEG = b"\xff\xd9"
_ORIENTATION = 0x0112
_NEW_SUBFILE_TYPE, _REDUCED = 254, 1
_RATIOS = (1, 2, 4, 8)
_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# What else is found among pictures, by its first bytes.
_OTHER_FILES = {
    b"%PDF": "a PDF",
    b"8BPS": "a Photoshop file",
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"\x1a\x45\xdf\xa3": "a video (Matroska or WebM)",
    b"\x00\x00\x01\xba": "a video (MPEG)",
    b"\x00\x00\x01\x00": "an icon",
    b"\xff\x4f\xff\x51": "JPEG 2000, which this library does not read; convert it to PNG",
    b"\x00\x00\x00\x0cjP  ": "JPEG 2000, which this library does not read; convert it to PNG",
    b"\xff\x0a": "JPEG XL, which this library does not read; convert it to PNG",
    b"\x00\x00\x00\x0cJXL ": "JPEG XL, which this library does not read; convert it to PNG",
    b"version https://git-lfs": "a pointer of Git LFS; fetch what it stands for (git lfs pull)",
    b"<svg": "SVG, a drawing",
    b"<?xml": "XML",
    b"<!doctype": "a web page",
    b"<html": "a web page",
}
_RAW_CAMERA = (
    "a camera's raw file, whose first picture is only a preview; develop it to JPEG or TIFF"
)


class BrokenPictureError(ValueError):
    """The file holds no picture that can be read to its end; the message is the reason alone."""


@dataclass(frozen=True)
class Header:
    """What the decoder has to know about a file, and what tells it from others."""

    height: int
    width: int
    """Pixels as stored, before they are turned the right way up."""
    orientation: int
    """EXIF: 1 to 8; 1 is upright."""
    plain: bool
    """Whether it is an RGB or grey JPEG, which TensorFlow decodes."""
    digest: str
    """BLAKE2 of the bytes."""
    look: str
    """See `similar.look`; empty where it was not asked for."""


def format_of(start: bytes) -> str | None:
    """The format of a file that begins with these `START` bytes, if it is one of `FORMATS`."""
    if start.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if start.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if start.startswith(b"BM"):
        return "BMP"
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return "WEBP"
    if start.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "TIFF"
    if start[4:8] == b"ftyp":
        # The brand of the file, then those that it is compatible with.
        brands = {start[at : at + 4] for at in (8, *range(16, START, 4))}
        if brands & {b"avif", b"avis"}:
            return "AVIF"
        if brands & {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"}:
            return "HEIF"
    return None


def inspect(path: str | Path, look: bool = False) -> Header:
    """Reads a file and decodes it once, to know that it can be decoded.

    Args:
        path: of anything, also of what is no picture.
        look: whether to compute the header's `look`.

    Raises:
        BrokenPictureError: if it is empty, not a picture, cut off or damaged, or not readable.
    """
    contents = _contents(path)
    with _damage_told(), _opened(contents) as image:
        plain = _is_plain(image)
        height, width = image.height, image.width
        _expect_end(image, contents) if plain else _load(image)
        # After loading, in which Pillow turns TIFFs itself.
        orientation = _orientation(image)
        if plain:
            # The decoder that will be used decides.
            ratio = _ratio(min(height, width), similar.SIDE) if look else 8
            pixels = tf.io.decode_jpeg(contents, channels=3, ratio=ratio)
            seen = similar.look(Image.fromarray(pixels.numpy())) if look else ""
        else:
            seen = similar.look(_rgb(_thinned(image))) if look else ""
    digest = hashlib.blake2b(contents, digest_size=16).hexdigest()
    return Header(height, width, orientation, plain, digest, seen)


def read(path: str | Path, size: int = 256) -> np.ndarray:
    """The central square of a picture file, as every data set of this library sees it.

    It is decoded once; what lies outside the square is not looked at where that saves time.

    Returns:
        uint8 `(size, size, 3)`, RGB.

    Raises:
        FileNotFoundError: if there is no such file.
        BrokenPictureError: if it is not a picture that can be read; the message names the file.
    """
    if not Path(path).exists() or Path(path).is_dir():
        raise FileNotFoundError(f"There is no picture at {str(path)!r}.")
    try:
        contents = _contents(path)
        with _damage_told(), _opened(contents) as image:
            if not _is_plain(image):
                return _pillow_square(image, 0, size)
            _expect_end(image, contents)
            pixels = _jpeg_square(contents, image.height, image.width, size)
            return _upright(pixels, _orientation(image)).numpy()
    except BrokenPictureError as error:
        raise BrokenPictureError(f"{path} cannot be read: {error}.") from error


@contextlib.contextmanager
def _damage_told() -> Iterator[None]:
    """Whatever decoders raise on bad data becomes a `BrokenPictureError`."""
    try:
        yield
    except BrokenPictureError:
        raise
    except tf.errors.OpError as error:
        raise BrokenPictureError("cut off or damaged") from error
    except Exception as error:
        # Pillow's readers raise OSError, SyntaxError, ValueError, struct.error, ... on bad data.
        raise BrokenPictureError(f"cut off or damaged: {error}") from error


def _is_plain(image: Image.Image) -> bool:
    # MPO is the JPEG of phones that put several pictures into one file; the first counts.
    return image.format in ("JPEG", "MPO") and image.mode in ("RGB", "L")


def _expect_end(image: Image.Image, contents: bytes) -> None:
    """Reads a JPEG to its end where it does not end like one."""
    if _END_OF_JPEG not in contents[-64:]:
        # An eighth of the size is enough to read all of the data; the header keeps its numbers.
        with _opened(contents) as copy:
            copy.draft(None, (image.width // 8, image.height // 8))
            _load(copy)


def _contents(path: str | Path) -> bytes:
    """The bytes of a picture file. What is no picture is recognized by its first bytes."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            # To open a pipe would be to wait for somebody who writes into it.
            raise BrokenPictureError("not a picture, but a pipe, a device or the like")
        if not status.st_size:
            raise BrokenPictureError("empty file")
        with open(path, "rb") as file:
            start = file.read(START)
            if format_of(start) is None:
                raise BrokenPictureError(_no_picture(start))
            if status.st_size > LARGEST_FILE:
                raise BrokenPictureError(
                    f"{status.st_size / 1e9:,.1f} GB, more than any picture should have"
                )
            return start + file.read()
    except OSError as error:
        raise BrokenPictureError(error.strerror or str(error)) from error


def _no_picture(start: bytes) -> str:
    text = start.lstrip().lower()
    for magic, what in _OTHER_FILES.items():
        if start.startswith(magic) or text.startswith(magic):
            return f"not a picture that can be used, but {what}"
    if start[4:8] == b"ftyp":
        return "not a picture, but a video (MP4, MOV or the like)"
    if start.startswith(b"RIFF"):
        return "not a picture, but a video or sound (RIFF)"
    return f"not a picture ({', '.join(FORMATS)})"


def _opened(contents: bytes) -> Image.Image:
    """`Image.open` with our limit of pixels; Pillow's own warns, and is set for a whole process."""
    format = format_of(contents[:START])
    if format == "HEIF" and format not in Image.OPEN:
        with contextlib.suppress(ImportError):
            import pillow_heif

            pillow_heif.register_heif_opener()
    if format not in Image.OPEN:
        needed = {"HEIF": "the package pillow-heif", "AVIF": "the package pillow from 11.3 on"}
        package = {"HEIF": "pillow-heif", "AVIF": '"pillow>=11.3"'}[format]
        name = {"HEIF": "HEIC (HEIF)"}.get(format, format)
        raise BrokenPictureError(f"{name} needs {needed[format]}: pip install {package}")
    factory, _ = Image.OPEN[format]
    image = factory(io.BytesIO(contents), "")
    if image.width * image.height > MAX_PIXELS:
        raise BrokenPictureError(
            f"far too many pixels: {image.width:,} × {image.height:,}; up to "
            f"{MAX_PIXELS / 1e6:,.0f} million are read"
        )
    if image.format == "TIFF" and image.tag_v2.get(_NEW_SUBFILE_TYPE, 0) & _REDUCED:
        raise BrokenPictureError(f"not a picture that can be used, but {_RAW_CAMERA}")
    if image.mode == "F":
        raise BrokenPictureError(
            "its values are fractions, and which of them is white cannot be known; save it with 8 "
            "or 16 bits"
        )
    return image


def _load(image: Image.Image) -> None:
    many = image.width * image.height > _MANY_PIXELS
    with _one_at_a_time if many else contextlib.nullcontext():
        image.load()


def _ratio(shortest: int, size: int) -> int:
    """The largest of the decoder's reductions that leaves a side of `size` pixels."""
    return max(ratio for ratio in _RATIOS if ratio == 1 or shortest // ratio >= size)


def _thinned(image: Image.Image) -> Image.Image:
    """Rows and columns left out of a large picture; any mode can do that."""
    step = max(1, min(image.size) // 256)
    return image.resize((image.width // step, image.height // step), Image.Resampling.NEAREST)


def square(contents, height, width, orientation, plain, size: int) -> tf.Tensor:
    """The central square of an encoded picture, for use inside `tf.data`.

    Args:
        contents: the file's bytes, a scalar string tensor.
        height, width, orientation, plain: as in `Header`, scalars.
        size: side of the result in pixels.

    Returns:
        uint8 `(size, size, 3)`.
    """
    return tf.cond(
        plain,
        lambda: _upright(_jpeg_square(contents, height, width, size), orientation),
        lambda: _other_square(contents, orientation, size),
    )


def square_of_unknown(contents, size: int) -> tf.Tensor:
    """`square` for bytes of which nothing is known. EXIF orientation of JPEGs is not looked up."""
    shape = tf.cond(
        tf.io.is_jpeg(contents),
        lambda: tf.io.extract_jpeg_shape(contents),
        lambda: tf.zeros(3, tf.int32),
    )
    plain = tf.logical_or(tf.equal(shape[2], 1), tf.equal(shape[2], 3))
    # 0: Pillow looks up what EXIF says; JPEGs are taken as they are.
    orientation = tf.where(plain, 1, 0)
    return square(contents, shape[0], shape[1], orientation, plain, size)


def square_of_array(pixels: np.ndarray, size: int) -> np.ndarray:
    """The central square of decoded pixels `(height, width, 3)`, resized with antialiasing."""
    return np.asarray(_resized(Image.fromarray(pixels), size))


def _jpeg_square(contents, height, width, size: int) -> tf.Tensor:
    shortest = tf.minimum(height, width)
    # The smallest of the sizes that is still at least as large as needed.
    choice = tf.add_n([tf.cast(shortest // ratio >= size, tf.int32) for ratio in _RATIOS[1:]])

    def decode(ratio):
        rows, columns = -(-height // ratio), -(-width // ratio)
        side = tf.minimum(rows, columns)
        window = tf.stack([(rows - side) // 2, (columns - side) // 2, side, side])
        return tf.io.decode_and_crop_jpeg(contents, window, channels=3, ratio=ratio)

    pixels = tf.switch_case(choice, [lambda ratio=ratio: decode(ratio) for ratio in _RATIOS])

    def resize():
        # At most a factor of 2 is left, so that two neighbours a side suffice.
        resized = tf.raw_ops.ResizeBilinear(
            images=pixels[None], size=[size, size], half_pixel_centers=True
        )
        return tf.cast(resized[0] + 0.5, tf.uint8)

    resized = tf.cond(tf.equal(tf.shape(pixels)[0], size), lambda: pixels, resize)
    return tf.ensure_shape(resized, (size, size, 3))


def _upright(pixels: tf.Tensor, orientation) -> tf.Tensor:
    """Undoes the eight EXIF orientations of a square."""

    def turn():
        # 5 to 8: rows and columns are exchanged. Then the mirrorings that are left.
        turned = tf.cond(orientation >= 5, lambda: tf.transpose(pixels, (1, 0, 2)), lambda: pixels)
        upside_down = tf.reduce_any(tf.equal(orientation, [3, 4, 7, 8]))
        back_to_front = tf.reduce_any(tf.equal(orientation, [2, 3, 6, 7]))
        turned = tf.cond(upside_down, lambda: tf.reverse(turned, [0]), lambda: turned)
        return tf.cond(back_to_front, lambda: tf.reverse(turned, [1]), lambda: turned)

    return tf.cond(tf.equal(orientation, 1), lambda: pixels, turn)


def _other_square(contents: tf.Tensor, orientation, size: int) -> tf.Tensor:
    def decode(contents, orientation) -> np.ndarray:
        # In a pipeline, bytes arrive; outside, an array that holds them.
        contents = contents if isinstance(contents, bytes) else contents.item()
        with _opened(contents) as image:
            return _pillow_square(image, int(orientation), size)

    pixels = tf.numpy_function(decode, [contents, orientation], tf.uint8, stateful=False)
    return tf.ensure_shape(pixels, (size, size, 3))


def _pillow_square(image: Image.Image, orientation: int, size: int) -> np.ndarray:
    """The central square of a picture that Pillow has opened; 0: upright is what EXIF says."""
    _load(image)
    turned = _TRANSPOSITIONS.get(orientation or _orientation(image))
    square = _resized(_rgb(image), size)
    return np.asarray(square if turned is None else square.transpose(turned))


def _resized(image: Image.Image, size: int) -> Image.Image:
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    box = (left, top, left + side, top + side)
    return image.resize((size, size), Image.Resampling.BILINEAR, box=box)


def _rgb(image: Image.Image) -> Image.Image:
    """Any mode as RGB; what is transparent lies on white, as on a page."""
    if image.mode.startswith("I"):
        # 16 bits a pixel; Pillow's own conversion would clip at 255.
        grey = (np.asarray(image, "float32") / 257).round().astype("uint8")
        return Image.fromarray(grey).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def _orientation(image: Image.Image) -> int:
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except Exception:
        # Damaged EXIF data does not make the picture unreadable.
        return 1
    return orientation if orientation in range(1, 9) else 1
