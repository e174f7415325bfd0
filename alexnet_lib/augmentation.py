"""The paper's augmentation (section 4.1), one function a step.

    picture = center_crop(resize_short_side(photograph, 256), 256)
    crop = random_mirror(random_crop(picture, 227, seed), seed)
    crop = lighting(crop, seed)

An image is `(height, width, 3)`, RGB, 0..255. Nothing here keeps a random state: `seed` is a pair
of integers, such as (epoch, number of the example), and the same seed gives the same result, in any
order, on any number of threads. One seed serves all three random steps; each draws from a stream
of its own. A batch `(batch, height, width, 3)` takes seeds `(batch, 2)`, one an image.

All functions work eagerly and inside `tf.data`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

# The stream of numbers that `PCALighting` draws from. Crop and mirror share another, see `_draw`.
_LIGHTING = 1


def resize_short_side(image, size: int = 256) -> tf.Tensor:
    """Resizes so that the shorter side has `size` pixels, with antialiasing.

    Args:
        image: `(height, width, 3)` or `(batch, height, width, 3)`, any numeric dtype.
        size: in pixels.

    Returns:
        float32; the longer side is rounded to whole pixels.
    """
    image = _image(image)
    sides = tf.cast(tf.shape(image)[-3:-1], tf.float64)
    sides = tf.cast(tf.round(sides * tf.cast(size, tf.float64) / tf.reduce_min(sides)), tf.int32)
    return tf.image.resize(image, sides, antialias=True)


def center_crop(image, size: int = 227) -> tf.Tensor:
    """The central `size` × `size` pixels of an image or a batch. Keeps the dtype.

    Where the margin is odd, its larger half is below and on the right.

    Raises:
        ValueError: if the image is smaller than the crop.
    """
    image = _image(image)
    margin = _margin(image, size)
    return _window(image, margin // 2, size)


def random_crop(image, size: int, seed) -> tf.Tensor:
    """A `size` × `size` window, every position equally likely. Keeps the dtype.

    Args:
        image: `(height, width, 3)`, or a batch.
        size: in pixels. A 227 crop of a 256 picture has 30 · 30 positions.
        seed: two integers, or `(batch, 2)` for a batch.

    Raises:
        ValueError: if the image is smaller than the crop.
    """
    image = _image(image)
    margin = _margin(image, size)

    def offset(seed):
        return tf.cast(_draw(seed)[:2] * tf.cast(margin + 1, tf.float32), tf.int32)

    if image.shape.rank == 3:
        return _window(image, offset(seed), size)
    offsets = tf.map_fn(offset, _seeds(seed), fn_output_signature=tf.int32)
    return tf.map_fn(lambda pair: _window(pair[0], pair[1], size), (image, offsets), image.dtype)


def random_mirror(image, seed) -> tf.Tensor:
    """The image or its mirror image, with equal chance. Keeps the dtype.

    Args:
        image: `(height, width, 3)`, or a batch.
        seed: two integers, or `(batch, 2)` for a batch.
    """
    image = _image(image)

    def mirrored(seed):
        return _draw(seed)[2] < 0.5

    if image.shape.rank == 3:
        return tf.cond(mirrored(seed), lambda: tf.reverse(image, [1]), lambda: image)
    choice = tf.map_fn(mirrored, _seeds(seed), fn_output_signature=tf.bool)
    return tf.where(choice[:, None, None, None], tf.reverse(image, [2]), image)


def ten_crop(image, size: int = 227) -> tf.Tensor:
    """The ten crops of the paper's test: four corners and the centre, then their mirror images.

    Args:
        image: `(height, width, 3)`, or a batch.
        size: in pixels.

    Returns:
        `(10, size, size, 3)`, or `(batch, 10, size, size, 3)`: top left, top right, bottom left,
        bottom right, centre, and the mirror images of these five in the same order.

    Raises:
        ValueError: if the image is smaller than the crop.
    """
    image = _image(image)
    bottom, right = tf.unstack(_margin(image, size))
    offsets = [(0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)]
    crops = tf.stack([_window(image, offset, size) for offset in offsets], axis=-4)
    return tf.concat([crops, tf.reverse(crops, [-2])], axis=-4)


def average_crops(predictions) -> tf.Tensor:
    """The mean over the ten crops: `(batch, 10, classes)` or `(10, classes)` → without the ten."""
    return tf.reduce_mean(tf.convert_to_tensor(predictions), axis=-2)


@dataclass(frozen=True, eq=False)
class PCALighting:
    """Shifts the colour of a whole image along the principal components of the training pixels.

    To every pixel is added p₁·α₁λ₁ + p₂·α₂λ₂ + p₃·α₃λ₃, with pᵢ and λᵢ the eigenvectors and
    eigenvalues of the 3 × 3 covariance of the RGB values, and αᵢ drawn from N(0, σ) once an image.

    λ is a variance, so this formula depends on the unit of the pixel values, which the paper does
    not state. Here the unit is 1 for white: eigenvalues are those of pixels 0..1, and the shift is
    multiplied by 255. (Krizhevsky's published cuda-convnet multiplies by the standard deviations
    √λᵢ instead, where the unit cancels out, and divides the result by 1 + σ.)
    """

    eigenvalues: np.ndarray
    """`(3,)`, descending: variances of pixels 0..1 along the components."""
    eigenvectors: np.ndarray
    """`(3, 3)`; column i belongs to eigenvalue i. In each, the largest entry is positive."""
    mean: np.ndarray
    """`(3,)`: the mean colour, 0..255."""
    sigma: float = 0.1

    @classmethod
    def fit(cls, images: Iterable, sigma: float = 0.1) -> "PCALighting":
        """Computes the components from images in one pass, whatever their number.

        Args:
            images: arrays or tensors `(..., 3)`, 0..255: images of any size, or batches.
            sigma: standard deviation of α.

        Raises:
            ValueError: if there are no pixels, or a value is not finite.
        """
        count, total, products = 0, np.zeros(3), np.zeros((3, 3))
        for image in images:
            # Centred before squaring: E[x²] - E[x]² would lose digits.
            pixels = np.asarray(image, "float64").reshape(-1, 3) / 255 - 0.5
            count += len(pixels)
            total += pixels.sum(0)
            products += pixels.T @ pixels
        if not count:
            raise ValueError("There are no images to compute the principal components from.")
        mean = total / count
        covariance = products / count - np.outer(mean, mean)
        if not np.isfinite(covariance).all():
            raise ValueError("A pixel value is not finite; images hold numbers from 0 to 255.")
        values, vectors = np.linalg.eigh(covariance)
        values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
        largest = np.abs(vectors).argmax(0)
        vectors = vectors * np.sign(vectors[largest, range(3)])
        return cls(values, vectors, 255 * (mean + 0.5), sigma)

    def shift(self, seed) -> tf.Tensor:
        """What is added to every pixel of the image with this seed: float32 `(3,)`."""
        stream = tf.random.fold_in(tf.cast(seed, tf.int64), _LIGHTING)
        alpha = self.sigma * tf.random.stateless_normal([3], stream, alg="philox")
        directions = tf.constant(255 * self.eigenvectors * self.eigenvalues, tf.float32)
        return tf.linalg.matvec(directions, alpha)

    def __call__(self, image, seed) -> tf.Tensor:
        """Shifts an image `(height, width, 3)` with one seed, or a batch with `(batch, 2)` seeds.

        Returns:
            float32. Values may leave 0..255, as in the paper.
        """
        image = tf.cast(_image(image), tf.float32)
        if image.shape.rank == 3:
            return image + self.shift(seed)
        shifts = tf.map_fn(self.shift, _seeds(seed), fn_output_signature=tf.float32)
        return image + shifts[:, None, None, :]


def _image(image) -> tf.Tensor:
    image = tf.convert_to_tensor(image)
    if image.shape.rank not in (3, 4):
        raise ValueError(
            f"An image is (height, width, 3), a batch (batch, height, width, 3); this has the "
            f"shape {tuple(image.shape)}."
        )
    return image


def _seeds(seed) -> tf.Tensor:
    seeds = tf.convert_to_tensor(seed)
    if seeds.shape.rank != 2:
        raise ValueError(
            f"A batch of images takes one seed an image, (batch, 2); this has the shape "
            f"{tuple(seeds.shape)}."
        )
    return seeds


def _draw(seed) -> tf.Tensor:
    """Three numbers of [0, 1) from a seed: for the crop's row and column, and for the mirror.

    The algorithm is named so that a GPU draws the same numbers.
    """
    return tf.random.stateless_uniform([3], tf.cast(seed, tf.int64), alg="philox")


def _margin(image: tf.Tensor, size: int) -> tf.Tensor:
    """Rows and columns by which the image is larger than the crop: int32 `(2,)`."""
    sides = image.shape[-3:-1]
    if None not in sides and min(sides) < size:
        raise ValueError(f"A crop of {size}×{size} does not fit into {sides[0]}×{sides[1]} pixels.")
    return tf.shape(image)[-3:-1] - size


def _window(image: tf.Tensor, offset, size: int) -> tf.Tensor:
    # Where the image's size is known only at run time, one that is too small fails here.
    if image.shape.rank == 3:
        return tf.slice(image, [offset[0], offset[1], 0], [size, size, image.shape[-1]])
    begin = [0, offset[0], offset[1], 0]
    return tf.slice(image, begin, [image.shape[0] or -1, size, size, image.shape[-1]])
