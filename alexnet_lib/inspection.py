"""Looks inside a network: filters, feature maps, what a unit wants, what an answer rests on.

    pictures = skimage.data.chelsea()[None, :227, 100:327]
    maps = activations(model, pictures, ["conv1", "conv5"])
    heat = occlusion(model, pictures[0], target=3)

Arrays go in, arrays come out; `alexnet_lib.plots` draws them. A model is any that this library
makes: what `AlexNet` or `build` returns, the same behind a `Preprocess` layer, or a `.keras` file
that `load_model` read. *Pictures* are always what the model takes: RGB, 0..255, with a `Preprocess`
layer, and `preprocess_input` of such pictures without.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from skimage.filters import gaussian

from . import architecture
from .architecture import LayerTrace
from .model import preprocess_input
from .recipe import Preprocess

# --- the filters of the first layer --------------------------------------------------------------


def filters(model: keras.Model, layer: str = "conv1") -> np.ndarray:
    """The kernels of a convolution, one after the other.

    Returns:
        float32 `(filters, rows, columns, channels)`; for `conv1` of the paper `(96, 11, 11, 3)`.
        With groups, a filter has the channels of its own tower only.

    Raises:
        ValueError: if there is no such layer, or it is no convolution.
    """
    kernel = getattr(_layer(model, layer), "kernel", None)
    if kernel is None or len(kernel.shape) != 4:
        raise ValueError(f"{layer} is no convolution: it has no filters.")
    return np.moveaxis(keras.ops.convert_to_numpy(kernel), -1, 0)


def filter_images(kernels: np.ndarray) -> np.ndarray:
    """Filters over three colours as pictures: grey where a weight is zero, each by its own scale.

    Args:
        kernels: `(filters, rows, columns, 3)`, as `filters` gives those of `conv1`.

    Returns:
        `(filters, rows, columns, 3)`, RGB, 0..1; the largest absolute weight of each filter becomes
        0 or 1. How strong a filter is compared with another cannot be seen.

    Raises:
        ValueError: if the filters do not see three colours.
    """
    kernels = _kernels(kernels)
    if kernels.shape[-1] != 3:
        raise ValueError(
            f"These filters see {kernels.shape[-1]} channels, which are no colours; only those of "
            "conv1 are pictures. For deeper layers, look at what excites them: strongest_patches."
        )
    largest = np.abs(kernels).max(axis=(1, 2, 3), keepdims=True)
    return 0.5 + kernels / np.where(largest > 0, 2 * largest, 1)


def structure(kernels: np.ndarray) -> np.ndarray:
    """How smooth each filter is: the correlation of the filter with itself, shifted by one tap.

    The mean of Pearson's correlation over the two directions (down, right) and all channels. White
    noise gives about 0 (for 11×11×3 with a standard deviation of about 0.04), an edge or a blob
    0.6 and more. A channel without variation counts as 0.

    Args:
        kernels: `(filters, rows, columns, channels)`, at least 3×3.

    Returns:
        float64 `(filters,)`, -1..1.
    """
    kernels = _kernels(kernels)
    down = _correlation(kernels[:, :-1], kernels[:, 1:])
    right = _correlation(kernels[:, :, :-1], kernels[:, :, 1:])
    return (down + right).mean(axis=1) / 2


def _correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Pearson's correlation over rows and columns: `(filters, channels)`."""
    one = one - one.mean(axis=(1, 2), keepdims=True)
    other = other - other.mean(axis=(1, 2), keepdims=True)
    norms = np.sqrt((one**2).sum((1, 2)) * (other**2).sum((1, 2)))
    return (one * other).sum((1, 2)) / np.where(norms > 0, norms, 1)


def colourfulness(kernels: np.ndarray) -> np.ndarray:
    """The share of each filter's energy that a grey picture could not excite.

    Each tap has a weight for red, green and blue. Their mean is what the tap answers to grey; the
    rest is colour. 0 for a filter of pure grey, 1 for one whose weights sum to 0 in every tap, 2/3
    for noise that is independent in the three colours.

    Args:
        kernels: `(filters, rows, columns, 3)`.

    Returns:
        float64 `(filters,)`, 0..1; 0 for a filter of zeros.
    """
    kernels = _kernels(kernels)
    grey = kernels.mean(axis=-1, keepdims=True)
    total = (kernels**2).sum(axis=(1, 2, 3))
    return ((kernels - grey) ** 2).sum(axis=(1, 2, 3)) / np.where(total > 0, total, 1)


def orientation(kernels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """In which direction the stripes or the edge of each filter run, and how clearly.

    From the power spectrum of the filter, summed over its channels and without its mean: each
    frequency is a direction, and directions are averaged with their angles doubled, since θ and
    θ + 180° are the same.

    Args:
        kernels: `(filters, rows, columns, channels)`.

    Returns:
        The angles, in degrees, `(filters,)`, 0 up to 180: 0 for horizontal stripes, 90 for
        vertical ones, 45 for stripes that rise to the right; and how clear the angle is,
        `(filters,)`, from 0 (no direction, a round blob) to 1 (a single direction).
    """
    kernels = _kernels(kernels)
    kernels = kernels - kernels.mean(axis=(1, 2), keepdims=True)
    # Zeros around the filter sample its spectrum more finely than its few taps would.
    size = 4 * max(kernels.shape[1:3])
    power = (np.abs(np.fft.fft2(kernels, (size, size), axes=(1, 2))) ** 2).sum(-1)
    rows, columns = np.meshgrid(*[np.fft.fftfreq(size)] * 2, indexing="ij")
    # Frequencies beyond the circle exist along the diagonals only and would favour them.
    power = power * (np.hypot(rows, columns) <= 0.5)
    # A frequency points across the stripes, rows count downwards: hence the quarter turn and sign.
    across = np.arctan2(-rows, columns)
    mean = (power * np.exp(2j * across)).sum((1, 2))
    total = power.sum((1, 2))
    return (np.degrees(np.angle(mean)) / 2 + 90) % 180, np.abs(mean) / np.where(total > 0, total, 1)


def _kernels(kernels: np.ndarray) -> np.ndarray:
    kernels = np.asarray(kernels, "float64")
    if kernels.ndim != 4:
        raise ValueError(
            f"Filters are an array (filters, rows, columns, channels), as `filters` returns it; "
            f"this one has the shape {kernels.shape}."
        )
    return kernels


# --- activities ----------------------------------------------------------------------------------


def activations(
    model: keras.Model, pictures: np.ndarray, layers: Sequence[str] | None = None
) -> dict[str, np.ndarray]:
    """What leaves each of the named layers, from one pass through the network.

    Args:
        model: any of ours.
        pictures: what the model takes: `(height, width, 3)` or `(batch, height, width, 3)`.
        layers: their names; all that the model has by default. Dropout passes everything on.

    Returns:
        name → float32 `(rows, columns, channels)` or `(units,)`, with the axis `batch` in front if
        the pictures have one.

    Raises:
        ValueError: if there is no such layer, or the pictures do not fit the model.
    """
    pictures, one = _batch(model, pictures)
    if layers is None:
        # The input layer gives back what it got.
        layers = [layer.name for layer in model.layers[1:]]
    outputs = _part(model, {name: _layer(model, name).output for name in layers})(pictures)
    arrays = {name: np.asarray(outputs[name], "float32") for name in layers}
    return {name: array[0] for name, array in arrays.items()} if one else arrays


def features(model: keras.Model, data, layer: str = "fc7") -> tuple[np.ndarray, np.ndarray]:
    """What leaves a layer, for every picture of a data set.

    Args:
        model: any of ours.
        data: what `data.load` returns (its epoch 0), or batches `(pictures, labels)`.
        layer: its name. Maps become vectors: rows, then columns, then channels.

    Returns:
        float32 `(examples, numbers)`, and the labels, int `(examples,)`.
    """
    forward = _compiled(model, _layer(model, layer).output)
    vectors, labels = [], []
    for pictures, truth in _batches(model, data):
        output = np.asarray(forward(tf.constant(pictures)), "float32")
        vectors.append(output.reshape(len(output), -1))
        labels.append(np.asarray(truth))
    if not vectors:
        raise ValueError("The data set has no examples.")
    return np.concatenate(vectors), np.concatenate(labels)


def nearest(
    queries: np.ndarray, vectors: np.ndarray, count: int = 5
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest neighbours by Euclidean distance (section 6.1 and figure 4 of the paper).

    Args:
        queries: `(queries, numbers)`.
        vectors: `(examples, numbers)`, among which to look.
        count: how many neighbours, at most `examples`.

    Returns:
        The places of the neighbours in `vectors`, int `(queries, count)`, and their distances,
        float64 of the same shape; the nearest first, and the earlier of two at the same distance.

    Raises:
        ValueError: if the vectors differ in length, or `count` is out of its range.
    """
    queries, vectors = np.atleast_2d(queries), np.atleast_2d(vectors)
    if queries.shape[1] != vectors.shape[1]:
        raise ValueError(
            f"The queries have {queries.shape[1]} numbers each, the vectors {vectors.shape[1]}."
        )
    if not 1 <= count <= len(vectors):
        raise ValueError(f"count is {count}; there are {len(vectors)} vectors to choose from.")
    # One query at a time: the differences of all to all would not fit into memory.
    distances = np.stack(
        [np.linalg.norm(vectors.astype("float64") - query, axis=1) for query in queries]
    )
    order = np.argsort(distances, axis=1, kind="stable")[:, :count]
    return order, np.take_along_axis(distances, order, axis=1)


# --- the picture behind a unit -------------------------------------------------------------------


def receptive_boxes(records: Sequence[LayerTrace], layer: str) -> np.ndarray:
    """The part of the picture that each place of a layer can see.

    Args:
        records: `architecture.trace(...)` of the network.
        layer: the name of a layer.

    Returns:
        int `(rows, columns, 4)`: top, left, bottom and right, the last two exclusive, cut off at
        the picture's edges. A fully connected layer is one place that sees everything.

    Raises:
        ValueError: if there is no such layer.
    """
    if not _record(records, layer).jump:
        return np.array([[[0, 0, *records[0].input_shape[:2]]]])
    (tops, bottoms), (lefts, rights) = (_seen(records, layer, axis) for axis in (0, 1))
    shape = len(tops), len(lefts)
    parts = tops[:, None], lefts, bottoms[:, None], rights
    return np.stack([np.broadcast_to(part, shape) for part in parts], axis=-1)


def _seen(records: Sequence[LayerTrace], layer: str, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """The first pixel along one axis that each place of a layer sees, and the one after its last.

    Followed window by window: a window over the edge sees only what is there, and a remainder that
    a layer drops stays unseen by all that come after.
    """
    first = np.arange(records[0].input_shape[axis])
    end = first + 1
    for record in records:
        if record.kernel:
            starts = np.arange(record.output_shape[axis]) * (record.stride or 1) - _padding(record)
            ends = np.minimum(starts + record.kernel, len(first))
            first, end = first[np.maximum(starts, 0)], end[ends - 1]
        if record.name == layer:
            break
    return first, end


def _starts(records: Sequence[LayerTrace], layer: str, axis: int) -> np.ndarray:
    """Where the squares of `receptive_field` pixels begin that the places of a layer look at.

    Negative where they hang over the near edge.
    """
    start, jump = 0, 1
    for record in records:
        if record.kernel:
            start, jump = start - _padding(record) * jump, jump * (record.stride or 1)
        if record.name == layer:
            break
    return start + jump * np.arange(_record(records, layer).output_shape[axis])


def _padding(record: LayerTrace) -> int:
    """Places by which the first window hangs over the near edge."""
    # Normalization within a map has no padding: its square is centred on its unit.
    return record.kernel // 2 if record.padding is None else record.padding


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


@dataclass(frozen=True, eq=False)
class Patches:
    """The parts of a data set's pictures that excite some units most; `strongest_patches`."""

    units: tuple[int, ...]
    activities: np.ndarray
    """float32 `(units, count)`, the largest first."""
    examples: np.ndarray
    """int `(units, count)`: which picture of the stream, from 0."""
    labels: np.ndarray
    """int `(units, count)`: its label; -1 where the data has none."""
    places: np.ndarray
    """int `(units, count, 2)`: row and column of the unit on its map."""
    boxes: np.ndarray
    """int `(units, count, 4)`: what it sees, top, left, bottom, right; see `receptive_boxes`."""
    patches: np.ndarray
    """float32 `(units, count, side, side, 3)`: those parts of the pictures, RGB, 0..255. What lies
    outside the picture is white."""


def strongest_patches(
    model: keras.Model,
    data,
    layer: str,
    units: Sequence[int],
    count: int = 9,
    records: Sequence[LayerTrace] | None = None,
) -> Patches:
    """What some units of a convolution or pooling layer answer to most, in one pass over the data.

    Of each picture only the strongest place counts, for otherwise one picture would fill the list.
    In memory are one batch, and the best patches so far.

    Args:
        model: any of ours.
        data: what `data.load` returns (its epoch 0, so load it with `augment=False`), or batches of
            pictures `(batch, height, width, 3)`, or pairs `(pictures, labels)`.
        layer: its name.
        units: channels of the layer.
        count: how many patches a unit.
        records: `architecture.trace` of the network, for one that is none of the variants.

    Raises:
        ValueError: if there is no such layer or unit, the layer has no map, or the data holds fewer
            than `count` pictures.
    """
    records = _records(model, records)
    boxes = receptive_boxes(records, layer)
    record = _record(records, layer)
    if not record.jump:
        raise ValueError(f"{layer} has no map: each of its units sees the whole picture.")
    _check_units(record, units)
    units = tuple(int(unit) for unit in units)
    forward = _compiled(model, _layer(model, layer).output)
    side = record.receptive_field
    tops, lefts = _starts(records, layer, 0), _starts(records, layer, 1)
    kept: list[list[tuple]] = [[] for _ in units]
    seen = 0
    for pictures, labels in _batches(model, data):
        maps = np.asarray(forward(tf.constant(pictures)), "float32")[..., list(units)]
        strongest = maps.reshape(len(maps), -1, len(units))
        places, peaks = strongest.argmax(1), strongest.max(1)
        for place_of_unit, (best, unit_peaks) in enumerate(zip(kept, peaks.T, strict=True)):
            for index in np.argsort(-unit_peaks, kind="stable")[:count]:
                if len(best) == count and unit_peaks[index] <= best[-1][0]:
                    break
                row, column = divmod(int(places[index, place_of_unit]), maps.shape[2])
                patch = _window(model, pictures[index], tops[row], lefts[column], side)
                label = int(labels[index])
                best.append((unit_peaks[index], seen + index, label, row, column, patch))
                best.sort(key=lambda entry: (-entry[0], entry[1]))
                del best[count:]
        seen += len(pictures)
    if seen < count:
        raise ValueError(f"The data set has {seen} pictures, but {count} a unit are asked for.")
    peaks, examples, labels, rows, columns, patches = (
        np.array([[entry[part] for entry in best] for best in kept]) for part in range(6)
    )
    return Patches(
        units, peaks, examples, labels, np.stack([rows, columns], -1), boxes[rows, columns], patches
    )


def _window(model: keras.Model, picture: np.ndarray, top: int, left: int, side: int) -> np.ndarray:
    """A square of a picture, RGB 0..255, white where it hangs over the edge."""
    height, width = picture.shape[:2]
    window = np.full((side, side, 3), 255.0, "float32")
    rows = slice(max(top, 0), min(top + side, height))
    columns = slice(max(left, 0), min(left + side, width))
    inside = as_pictures(model, picture[rows, columns])
    window[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = inside
    return window


def effective_receptive_field(model: keras.Model, pictures: np.ndarray, layer: str) -> np.ndarray:
    """How much each pixel matters to the middle unit of a layer (Luo et al. 2016).

    The gradient of the unit with respect to the pixels, its absolute value summed over the colours,
    and averaged over the layer's channels together and over the pictures.

    Args:
        model: any of ours.
        pictures: `(batch, height, width, 3)`, what the model takes.
        layer: the name of a layer with maps.

    Returns:
        float64 `(height, width)`, scaled to a sum of 1. Where it is exactly 0, the unit is blind.

    Raises:
        ValueError: if the layer has no maps, or no picture excites the unit.
    """
    pictures, _ = _batch(model, pictures)
    if len(_layer(model, layer).output.shape) != 4:
        raise ValueError(f"{layer} has no map, and so no middle.")
    part = _part(model, _layer(model, layer).output)
    total = np.zeros(pictures.shape[1:3])
    for start in range(0, len(pictures), 16):
        images = tf.constant(pictures[start : start + 16])
        with tf.GradientTape() as tape:
            tape.watch(images)
            maps = part(images)
            middle = tf.reduce_sum(maps[:, maps.shape[1] // 2, maps.shape[2] // 2])
        total += np.abs(tape.gradient(middle, images)).sum(axis=(0, 3), dtype="float64")
    if not total.any():
        raise ValueError(f"None of the pictures excites the middle unit of {layer}.")
    return total / total.sum()


def side_holding(field: np.ndarray, share: float = 0.95) -> int:
    """The side of the smallest square that holds a share of a field's sum, wherever it lies.

    Args:
        field: `(height, width)`, not negative, as `effective_receptive_field` returns it.
        share: above 0, at most 1.

    Returns:
        Pixels. A square may be larger than one of the field's sides.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share is {share}; it must be above 0 and at most 1.")
    sums = np.pad(np.cumsum(np.cumsum(field, 0, "float64"), 1), ((1, 0), (1, 0)))
    # Sums in another order may end a rounding error below the whole.
    enough = share * sums[-1, -1] * (1 - 1e-12)

    def most(side):
        rows, columns = (min(side, length) for length in field.shape)
        strips = sums[rows:] - sums[:-rows]
        return (strips[:, columns:] - strips[:, :-columns]).max()

    return next(side for side in range(1, max(field.shape) + 1) if most(side) >= enough)


# --- what an answer rests on ---------------------------------------------------------------------


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
    pictures, _ = _batch(model, picture)
    if size < 1 or stride < 1:
        raise ValueError(f"size is {size} and stride {stride}; both must be at least 1.")
    grey = _palette(model)[1]
    height, width = pictures.shape[1:3]
    tops, lefts = (
        np.arange(architecture.slide(side, size, stride).positions) * stride
        for side in (height, width)
    )
    corners = [(top, left) for top in tops for left in lefts]
    forward = _compiled(model)
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
    _check_target(model, target)
    values, tops, lefts = covered(model, picture, size, stride, batch_size)
    middle = (size - 1) / 2
    return HeatMap(values[..., target], tops + middle, lefts + middle)


def grad_cam(
    model: keras.Model,
    picture: np.ndarray,
    target: int,
    layer: str = "conv5",
    records: Sequence[LayerTrace] | None = None,
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
        records: `architecture.trace` of the network, for one that is none of the variants.

    Returns:
        A map of at least 0, of the layer's size, each value over the centre of what it sees.

    Raises:
        ValueError: if there is no such layer or class, or the layer has no maps.
    """
    pictures, _ = _batch(model, picture)
    _check_target(model, target)
    records = _records(model, records)
    record = _record(records, layer)
    if not record.jump:
        raise ValueError(f"{layer} has no map; Grad-CAM weighs the maps of a layer.")
    part = _part(model, [_layer(model, layer).output, _linear_output(model, model.layers[-1].name)])
    pictures = tf.constant(pictures)
    with tf.GradientTape() as tape:
        # Watched, the picture keeps the tape running also where all layers are frozen.
        tape.watch(pictures)
        maps, scores = part(pictures)
        score = scores[0, target]
    gradient = tape.gradient(score, maps)
    weights = np.asarray(gradient, "float64")[0].mean(axis=(0, 1))
    values = np.maximum(np.asarray(maps, "float64")[0] @ weights, 0)
    centres = [_starts(records, layer, a) + (record.receptive_field - 1) / 2 for a in (0, 1)]
    return HeatMap(values, *centres)


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
    _layer(model, down_to)
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


def maximize(
    model: keras.Model,
    layer: str,
    units: Sequence[int],
    steps: int = 128,
    rate: float = 2.0,
    jitter: int = 8,
    decay: float = 0.01,
    blur: float = 0.5,
    seed: int = 0,
) -> np.ndarray:
    """Pictures made to excite a unit: gradient ascent on the pixels (Simonyan et al. 2014).

    Without regularization the ascent ends in fine noise that no photograph resembles. Three pulls
    work against it: before each step the picture is shifted at random (*jitter*, Mordvintsev et al.
    2015), after it every pixel moves towards the mean colour (*L2 decay*, Simonyan et al. 2014),
    and the picture is blurred (*Gaussian blur*, Yosinski et al. 2015). 0 turns each of them off.

    What rises is the unit before its ReLU or softmax: behind these a silent unit, or a sure one,
    has no gradient. Of a layer with maps it is the unit in the middle.

    Args:
        model: any of ours.
        layer: the name of a convolution or a fully connected layer.
        units: its channels or units; each gets a picture of its own.
        steps: of the ascent.
        rate: the root mean square by which a step changes the pixels, on the scale 0..255.
        jitter: the largest shift, in pixels, along each axis; the picture wraps around.
        decay: the share of the difference to the mean colour that is lost in each step.
        blur: the standard deviation of the blur in each step, in pixels.
        seed: of the first picture, noise around the mean colour, and of the shifts.

    Returns:
        RGB, float32 `(units, height, width, 3)`, 0..255.

    Raises:
        ValueError: if there is no such layer or unit, or a number is out of its range.
    """
    if min(steps, rate) <= 0 or min(jitter, blur) < 0 or not 0 <= decay < 1:
        raise ValueError(
            f"steps={steps} and rate={rate} must be above 0, jitter={jitter} and blur={blur} at "
            f"least 0, and decay={decay} at least 0 and below 1."
        )
    output = _linear_output(model, layer)
    _check_units(output, units)
    black, grey, white = _palette(model)
    scale = (white - black) / 255
    objective = keras.Model(model.input, output)
    places = tf.constant([[index, unit] for index, unit in enumerate(units)])

    @tf.function
    def gradient(pictures):
        with tf.GradientTape() as tape:
            tape.watch(pictures)
            activities = objective(pictures, training=False)
            if activities.shape.rank == 4:
                rows, columns = activities.shape[1:3]
                activities = activities[:, rows // 2, columns // 2]
            total = tf.reduce_sum(tf.gather_nd(activities, places))
        return tape.gradient(total, pictures)

    random = np.random.default_rng(seed)
    shape = (len(units), *model.input_shape[1:])
    pictures = (grey + scale * random.normal(0, 10, shape)).astype("float32")
    for _ in range(steps):
        shift = random.integers(-jitter, jitter + 1, 2)
        shifted = np.roll(pictures, shift, (1, 2))
        slope = np.roll(gradient(tf.constant(shifted)), -shift, (1, 2))
        spread = np.sqrt((slope**2).mean(axis=(1, 2, 3), keepdims=True))
        pictures += scale * rate * slope / np.where(spread > 0, spread, 1)
        pictures = grey + (1 - decay) * (pictures - grey)
        if blur:
            pictures = np.stack([gaussian(one, blur, channel_axis=-1) for one in pictures])
        pictures = np.clip(pictures, black, white).astype("float32")
    return as_pictures(model, pictures)


# --- models, pictures, data ----------------------------------------------------------------------


def as_pictures(model: keras.Model, pictures: np.ndarray) -> np.ndarray:
    """What the model takes, turned back into RGB, 0..255: undoes `preprocess_input`.

    Behind a `Preprocess` layer there is nothing to undo.
    """
    black, _, white = _palette(model)
    return (255 * (pictures - black) / (white - black)).clip(0, 255).astype("float32")


def _palette(model: keras.Model) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Black, the colour that is 0 after the preprocessing, and white, as the model takes them."""
    preprocess = next((layer for layer in model.layers if isinstance(layer, Preprocess)), None)
    variant = preprocess.variant if preprocess else model.name.removeprefix("alexnet_")
    if variant not in architecture.VARIANTS:
        variant = "paper"
    ends = np.array([[[[0.0] * 3, [255.0] * 3]]], "float32")
    black, white = np.asarray(preprocess_input(ends, variant))[0, 0]
    if preprocess is None:
        return black, np.zeros(3, "float32"), white
    # The preprocessing is linear: where it is 0 lies by its ends.
    return ends[0, 0, 0], -255 * black / (white - black), ends[0, 0, 1]


def _layer(model: keras.Model, name: str) -> keras.layers.Layer:
    names = [layer.name for layer in model.layers]
    if name not in names:
        raise ValueError(f"There is no layer {name!r} in {model.name}; it has {', '.join(names)}.")
    return model.get_layer(name)


def _part(model: keras.Model, outputs) -> Callable:
    """The model up to some of its tensors, as it computes when it does not train."""
    part = keras.Model(model.input, outputs)
    return lambda pictures: part(pictures, training=False)


def _compiled(model: keras.Model, output=None) -> Callable:
    """The model up to a tensor, or the whole of it, as one graph for batches of any number."""
    forward = model if output is None else keras.Model(model.input, output)
    graph = tf.function(lambda pictures: forward(pictures, training=False))
    # A concrete function is traced once, here; a plain one would warn when the next model comes.
    return graph.get_concrete_function(tf.TensorSpec(model.input_shape, tf.float32))


def _linear_output(model: keras.Model, name: str):
    """A layer's output before its activation: for the last layer the scores before the softmax."""
    layer = _layer(model, name)
    if not hasattr(layer, "activation") or not hasattr(layer, "kernel"):
        raise ValueError(f"{name} is neither a convolution nor fully connected.")
    linear = type(layer).from_config(layer.get_config() | {"activation": None})
    output = linear(layer.input)
    linear.set_weights(layer.get_weights())
    return output


def _batch(model: keras.Model, pictures: np.ndarray) -> tuple[np.ndarray, bool]:
    """Pictures as a float32 batch, and whether they were a single one."""
    pictures = np.asarray(pictures, "float32")
    one = pictures.ndim == 3
    if one:
        pictures = pictures[None]
    if pictures.ndim != 4 or pictures.shape[1:] != tuple(model.input_shape[1:]):
        wanted = "×".join(map(str, model.input_shape[1:]))
        raise ValueError(
            f"The pictures have the shape {pictures.shape[1:] if one else pictures.shape}; "
            f"{model.name} takes {wanted}, or a batch of such. augmentation.resize_short_side and "
            "center_crop bring a photograph to size."
        )
    return pictures, one


def _batches(model: keras.Model, data) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches `(pictures, labels)` as arrays, of whatever holds them; label -1 where it is none."""
    batches: Iterable = data.epoch(0) if hasattr(data, "epoch") else data
    for batch in batches:
        pictures, labels = batch if isinstance(batch, tuple | list) else (batch, None)
        pictures, _ = _batch(model, pictures)
        yield pictures, np.full(len(pictures), -1) if labels is None else np.asarray(labels)


def _records(model: keras.Model, records: Sequence[LayerTrace] | None) -> Sequence[LayerTrace]:
    """The description whose shapes the model has; those that share them share their geometry."""
    if records is not None:
        return records
    shapes = {layer.name: tuple(layer.output.shape[1:]) for layer in model.layers}
    size = tuple(model.input_shape[1:3])
    for variant in architecture.VARIANTS:
        try:
            records = architecture.trace(size, variant)
        except architecture.InputTooSmallError:
            continue
        maps = {record.name: record.output_shape for record in records if record.jump}
        if all(shapes.get(name) == shape for name, shape in maps.items()):
            return records
    raise ValueError(
        f"{model.name} has the shapes of no variant of AlexNet; pass records=architecture."
        "trace_layers(layers, input_shape) of the layers that it was built from."
    )


def _record(records: Sequence[LayerTrace], layer: str) -> LayerTrace:
    for record in records:
        if record.name == layer:
            return record
    names = ", ".join(record.name for record in records)
    raise ValueError(f"There is no layer {layer!r}; there are {names}.")


def _check_target(model: keras.Model, target: int) -> None:
    if len(model.output_shape) != 2:
        raise ValueError(f"{model.name} has no classes; build it with include_top=True.")
    if not 0 <= target < model.output_shape[-1]:
        raise ValueError(
            f"target is {target}; {model.name} has the classes 0 to {model.output_shape[-1] - 1}."
        )


def _check_units(output, units: Sequence[int]) -> None:
    channels = (output.output_shape if isinstance(output, LayerTrace) else output.shape)[-1]
    if not len(units) or min(units) < 0 or max(units) >= channels:
        raise ValueError(f"units are {list(units)}; the layer has the units 0 to {channels - 1}.")
