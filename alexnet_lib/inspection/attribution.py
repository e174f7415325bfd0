"""What an answer rests on: occlusion, Grad-CAM, gradients of the pixels, and the check that they
show what was learned."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from .. import architecture
from ..model import description
from .models import (
    as_batch,
    check_target,
    compiled,
    layer_named,
    linear_output,
    neutral_colour,
    part_of,
    record_named,
)


@dataclass(frozen=True, eq=False)
class HeatMap:
    """Numbers that belong to places of a picture, on a grid coarser than its pixels."""

    values: np.ndarray
    """`(rows, columns)`."""
    rows: np.ndarray
    """The row of the picture, in pixels, over which each row of `values` is centred."""
    columns: np.ndarray
    """The same for the columns."""

    def spread(self, height: int, width: int) -> np.ndarray:
        """The map at the picture's size: between the centres linear, beyond the last constant.

        Returns:
            float64 `(height, width)`.
        """
        tall = np.stack(
            [np.interp(np.arange(height), self.rows, column) for column in self.values.T], axis=1
        )
        return np.stack([np.interp(np.arange(width), self.columns, row) for row in tall])


def covered(
    model: keras.Model,
    picture: np.ndarray,
    size: int = 48,
    stride: int = 8,
    batch_size: int = 32,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All outputs of the network while a grey square covers one part after the other.

    Args:
        model: any of ours, with its top.
        picture: `(height, width, 3)`, what the model takes.
        size: side of the square, in pixels. Its colour is the one that is 0 after the
            preprocessing, the mean of the training pictures.
        stride: its step, in pixels. It stands where it fits entirely.
        batch_size: covered pictures that go through the network together.

    Returns:
        The outputs, float32 `(rows, columns, classes)`, and where the square begins: the first row
        of the picture for each row of outputs, and the first column for each column.

    Raises:
        ValueError: if the square does not fit.
    """
    pictures, _ = as_batch(model, picture)
    if size < 1 or stride < 1:
        raise ValueError(f"size is {size} and stride {stride}; both must be at least 1.")
    grey = neutral_colour(model)
    height, width = pictures.shape[1:3]
    tops, lefts = (
        np.arange(architecture.slide(side, size, stride).positions) * stride
        for side in (height, width)
    )
    corners = [(top, left) for top in tops for left in lefts]
    forward = compiled(model)
    values = []
    for start in range(0, len(corners), batch_size):
        # The last batch is as large as the others: TensorFlow compiles for one size.
        batch = np.repeat(pictures, min(batch_size, len(corners)), axis=0)
        some = corners[start : start + batch_size]
        for one, (top, left) in zip(batch, some, strict=False):
            one[top : top + size, left : left + size] = grey
        values.append(np.asarray(forward(tf.constant(batch)), "float32")[: len(some)])
    return np.concatenate(values).reshape(len(tops), len(lefts), -1), tops, lefts


def occlusion(
    model: keras.Model,
    picture: np.ndarray,
    target: int,
    size: int = 48,
    stride: int = 8,
    batch_size: int = 32,
) -> HeatMap:
    """The answer of the network while a grey square covers one part after the other.

    After Zeiler and Fergus (2014): where the covered part was needed, the probability of the class
    falls. `covered` gives the other classes, too.

    Args:
        target: the class whose output is watched.
        model, picture, size, stride, batch_size: as in `covered`.

    Returns:
        The output of the class for each place of the square, by the square's centre.

    Raises:
        ValueError: if the square does not fit, or there is no such class.
    """
    check_target(model, target)
    values, tops, lefts = covered(model, picture, size, stride, batch_size)
    middle = (size - 1) / 2
    return HeatMap(values[..., target], tops + middle, lefts + middle)


def grad_cam(
    model: keras.Model,
    picture: np.ndarray,
    target: int,
    layer: str = "conv5",
) -> HeatMap:
    """Where the maps of a layer speak for a class (Selvaraju et al. 2017).

    Each map is weighted with the mean, over its places, of the gradient of the class's score with
    respect to it; the weighted sum, where it is positive, is the result. The score is the number
    before the softmax: after it, the gradient vanishes where the network is sure.

    Args:
        model: any of ours, with its top.
        picture: `(height, width, 3)`, what the model takes.
        target: the class.
        layer: the name of a layer with maps; the last convolution by default.

    Returns:
        A map of at least 0, of the layer's size, each value over the centre of what it sees.

    Raises:
        ValueError: if there is no such layer or class, or the layer has no maps.
    """
    pictures, _ = as_batch(model, picture)
    check_target(model, target)
    record = record_named(description(model).trace(), layer)
    if not record.jump:
        raise ValueError(f"{layer} has no map; Grad-CAM weighs the maps of a layer.")
    part = part_of(
        model, [layer_named(model, layer).output, linear_output(model, model.layers[-1].name)]
    )
    pictures = tf.constant(pictures)
    with tf.GradientTape() as tape:
        # Watched, the picture keeps the tape running also where all layers are frozen.
        tape.watch(pictures)
        maps, scores = part(pictures)
        score = scores[0, target]
    gradient = tape.gradient(score, maps)
    weights = np.asarray(gradient, "float64")[0].mean(axis=(0, 1))
    values = np.maximum(np.asarray(maps, "float64")[0] @ weights, 0)
    first = record.start + (record.receptive_field - 1) / 2
    rows, columns = (first + record.jump * np.arange(side) for side in values.shape)
    return HeatMap(values, rows, columns)


def input_gradients(model: keras.Model, picture: np.ndarray, target: int) -> np.ndarray:
    """How the score of a class changes with each number of the picture (Simonyan et al. 2014).

    The score is the number before the softmax, as in `grad_cam`. The gradient says what a small
    change would do, not how much of the score a pixel has brought: see `integrated_gradients`.

    Args:
        model: any of ours, with its top.
        picture: `(height, width, 3)`, what the model takes.
        target: the class.

    Returns:
        float32 `(height, width, 3)`: score for each unit of what the model takes. A map for the eye
        is the largest absolute value over the three colours.

    Raises:
        ValueError: if there is no such class, or the picture does not fit the model.
    """
    pictures, _ = as_batch(model, picture)
    check_target(model, target)
    return _score_gradients(model, target)(pictures[:1])[0]


def integrated_gradients(
    model: keras.Model,
    picture: np.ndarray,
    target: int,
    baseline: np.ndarray | None = None,
    steps: int = 64,
    batch_size: int = 32,
) -> np.ndarray:
    """How much of the score of a class each number of the picture brought.

    After Sundararajan, Taly and Yan (2017): the gradient of the score is averaged over the straight
    way from a baseline to the picture, and multiplied by the difference between the two. Summed
    over the picture it is the difference between their scores (*completeness*), but for the error
    of the average, which falls with `steps`.

    Args:
        model, picture, target: as in `input_gradients`.
        baseline: a picture that stands for nothing to see, of the same shape; by default the colour
            that is 0 after the preprocessing, the mean of the training pictures.
        steps: places on the way: the middles of as many equal parts.
        batch_size: of them at a time.

    Returns:
        float32 `(height, width, 3)`, in units of the score: positive where the picture speaks for
        the class. Its sum over the colours is a map.

    Raises:
        ValueError: if there is no such class, picture or baseline do not fit the model, or a number
            is below 1.
    """
    pictures, _ = as_batch(model, picture)
    check_target(model, target)
    if steps < 1 or batch_size < 1:
        raise ValueError(f"steps is {steps} and batch_size {batch_size}; both must be at least 1.")
    if baseline is None:
        start = np.broadcast_to(neutral_colour(model), pictures[0].shape)
    else:
        start = as_batch(model, baseline)[0][0]
    difference = pictures[0] - start
    shares = ((np.arange(steps) + 0.5) / steps).astype("float32")[:, None, None, None]
    gradients = _score_gradients(model, target)
    total = np.zeros(difference.shape, "float64")
    for first in range(0, steps, batch_size):
        total += gradients(start + shares[first : first + batch_size] * difference).sum(0)
    return (total / steps * difference).astype("float32")


def _score_gradients(model: keras.Model, target: int) -> Callable[[np.ndarray], np.ndarray]:
    """A function from pictures to the gradient of each one's score, before the softmax."""
    part = part_of(model, linear_output(model, model.layers[-1].name))

    def gradients(pictures: np.ndarray) -> np.ndarray:
        inputs = tf.constant(pictures, tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            # Pictures do not meet in the network: the gradient of the sum holds each one's own.
            total = tf.reduce_sum(part(inputs)[:, target])
        return np.asarray(tape.gradient(total, inputs), "float32")

    return gradients


def randomized(model: keras.Model, down_to: str = "conv1", seed: int = 0) -> keras.Model:
    """A copy whose layers, from the last down to the named one, have forgotten what they learned.

    The sanity check of Adebayo et al. (2018): an explanation that looks the same for such a network
    does not explain what was learned. Each variable keeps its numbers, in a random order, so that
    no layer becomes louder or quieter than it was.

    Args:
        model: any of ours.
        down_to: the first layer, counted from the picture, that forgets; "conv1" for all of them.
        seed: of the orders.

    Raises:
        ValueError: if there is no such layer.
    """
    layer_named(model, down_to)
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    random = np.random.default_rng(seed)
    for layer in reversed(copy.layers):
        for variable in layer.trainable_variables + layer.non_trainable_variables:
            values = keras.ops.convert_to_numpy(variable)
            variable.assign(random.permutation(values.ravel()).reshape(values.shape))
        if layer.name == down_to:
            break
    return copy
