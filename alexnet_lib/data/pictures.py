"""From the bytes of a file to a square picture: RGB, the right way up, `(size, size, 3)` uint8.

The paper (section 2) resizes a photograph so that its shorter side has 256 pixels and keeps the
central 256 × 256. Here the central square is cut out first and then resized: the same pixels, fewer
to decode. Plain JPEGs go through TensorFlow's decoder, at a half, a quarter or an eighth of their
size where they are that much larger than needed. Pillow reads whatever else there is.
"""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import (
    Image,
    ImageOps,
    WebPImagePlugin,  # noqa: F401 (Pillow registers this format only when asked to)
)

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP")

_END_OF_JPEG = b"\xff\xd9"
_ORIENTATION = 0x0112
_RATIOS = (1, 2, 4, 8)


class BrokenPictureError(ValueError):
    """The file holds no picture that can be read to its end; the message is the reason alone."""


@dataclass(frozen=True)
class Header:
    """What the decoder has to know about a file."""

    height: int
    width: int
    """Pixels as stored, before they are turned the right way up."""
    orientation: int
    """EXIF: 1 to 8; 1 is upright."""
    plain: bool
    """Whether it is an RGB or grey JPEG, which TensorFlow decodes."""


def inspect(path: str | Path) -> Header:
    """Reads a file and decodes it once, to know that it can be decoded.

    Raises:
        BrokenPictureError: if it is empty, not a picture, cut off or damaged, or not readable.
    """
    try:
        contents = Path(path).read_bytes()
    except OSError as error:
        raise BrokenPictureError(error.strerror or str(error)) from error
    if not contents:
        raise BrokenPictureError("empty file")
    try:
        with Image.open(io.BytesIO(contents), formats=FORMATS) as image:
            # MPO is the JPEG of phones that put several pictures into one file; the first counts.
            plain = image.format in ("JPEG", "MPO") and image.mode in ("RGB", "L")
            header = Header(image.height, image.width, _orientation(image), plain)
            if not plain or _END_OF_JPEG not in contents[-64:]:
                image.load()
            if plain:
                # The decoder that will be used decides. An eighth of the size is enough to read
                # all of the data.
                tf.io.decode_jpeg(contents, channels=3, ratio=8)
    except Image.UnidentifiedImageError as error:
        raise BrokenPictureError(f"not a picture ({', '.join(FORMATS)})") from error
    except Image.DecompressionBombError as error:
        raise BrokenPictureError("far too many pixels") from error
    except tf.errors.OpError as error:
        raise BrokenPictureError("cut off or damaged") from error
    except Exception as error:
        # Pillow's readers raise OSError, SyntaxError, ValueError, struct.error, ... on bad data.
        raise BrokenPictureError(f"cut off or damaged: {error}") from error
    return header


def read(path: str | Path, size: int = 256) -> np.ndarray:
    """The central square of a picture file, as every data set of this library sees it.

    Returns:
        uint8 `(size, size, 3)`, RGB.

    Raises:
        FileNotFoundError: if there is no such file.
        BrokenPictureError: if it is not a picture that can be read; the message names the file.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no picture at {str(path)!r}.")
    try:
        header = inspect(path)
    except BrokenPictureError as error:
        raise BrokenPictureError(f"{path} cannot be read: {error}.") from error
    contents = tf.io.read_file(str(path))
    return square(
        contents, header.height, header.width, header.orientation, header.plain, size
    ).numpy()


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
        lambda: _pillow_square(contents, size),
    )


def square_of_unknown(contents, size: int) -> tf.Tensor:
    """`square` for bytes of which nothing is known. EXIF orientation of JPEGs is not looked up."""
    shape = tf.cond(
        tf.io.is_jpeg(contents),
        lambda: tf.io.extract_jpeg_shape(contents),
        lambda: tf.zeros(3, tf.int32),
    )
    plain = tf.logical_or(tf.equal(shape[2], 1), tf.equal(shape[2], 3))
    return square(contents, shape[0], shape[1], tf.constant(1), plain, size)


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


def _pillow_square(contents: tf.Tensor, size: int) -> tf.Tensor:
    def decode(contents) -> np.ndarray:
        # In a pipeline, bytes arrive; outside, an array that holds them.
        contents = contents if isinstance(contents, bytes) else contents.item()
        with Image.open(io.BytesIO(contents), formats=FORMATS) as image:
            return np.asarray(_resized(_rgb(ImageOps.exif_transpose(image)), size))

    pixels = tf.numpy_function(decode, [contents], tf.uint8, stateful=False)
    return tf.ensure_shape(pixels, (size, size, 3))


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
