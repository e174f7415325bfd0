"""What leaves a layer, how selective its units are, and which pictures are alike."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from .models import as_batch, batches_of, compiled, layer_named, part_of


def activations(
    model: keras.Model, pictures: np.ndarray, layers: str | Sequence[str] | None = None
) -> dict[str, np.ndarray]:
    """What leaves each of the named layers, from one pass through the network.

    Args:
        model: any of ours.
        pictures: what the model takes: `(height, width, 3)` or `(batch, height, width, 3)`.
        layers: their names, or one name; all that the model has by default. Dropout passes
            everything on.

    Returns:
        name → float32 `(rows, columns, channels)` or `(units,)`, with the axis `batch` in front if
        the pictures have one.

    Raises:
        ValueError: if there is no such layer, or the pictures do not fit the model.
    """
    pictures, one = as_batch(model, pictures)
    if layers is None:
        # The input layer gives back what it got.
        layers = [layer.name for layer in model.layers[1:]]
    elif isinstance(layers, str):
        layers = [layers]
    outputs = part_of(model, {name: layer_named(model, name).output for name in layers})(pictures)
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
    forward = compiled(model, layer_named(model, layer).output)
    vectors, labels = [], []
    for pictures, truth in batches_of(model, data):
        output = np.asarray(forward(tf.constant(pictures)), "float32")
        vectors.append(output.reshape(len(output), -1))
        labels.append(np.asarray(truth))
    if not vectors:
        raise ValueError("The data set has no examples.")
    return np.concatenate(vectors), np.concatenate(labels)


def sparseness(activations: np.ndarray) -> np.ndarray:
    """How selective each channel is: the sparseness of Vinje and Gallant (2000).

    1 − (mean of a)² / (mean of a²), divided by 1 − 1/n, over all n positions of all pictures: 0 for
    a channel that is equally active everywhere, 1 for one that is active at a single position. A
    channel that is 0 throughout is not selective: 0.

    Args:
        activations: `(..., channels)`, none of them negative, as after a ReLU; of `activations`,
            with several pictures.

    Returns:
        float64 `(channels,)`, 0..1.

    Raises:
        ValueError: if an activation is negative, or there is one position only.
    """
    values = _positions(activations)
    if values.min() < 0:
        raise ValueError(
            f"Sparseness is measured after a ReLU, where nothing is negative; the least of these "
            f"activations is {values.min():.3g}."
        )
    if len(values) < 2:
        raise ValueError("Sparseness compares positions or pictures; there is only one.")
    mean, of_squares = values.mean(0), (values**2).mean(0)
    even = np.where(of_squares > 0, mean**2 / np.where(of_squares > 0, of_squares, 1), 1)
    return (1 - even) / (1 - 1 / len(values))


def selective_units(activations: np.ndarray, count: int, alike: float = 0.3) -> np.ndarray:
    """The most selective channels of a layer that respond to different things.

    By `sparseness`, and among channels whose largest activation is at least the layer's median one:
    a channel that is nearly silent may be sparse without being of any use. Of channels that are
    correlated, position by position, only the most selective one is taken.

    Args:
        activations: as for `sparseness`.
        count: how many.
        alike: the correlation from which on two channels respond to the same.

    Returns:
        int `(count,)`, the most selective first.

    Raises:
        ValueError: as `sparseness`, or if there are fewer channels that differ.
    """
    selectivity, values = sparseness(activations), _positions(activations)
    peaks = values.max(0)
    chosen: list[int] = []
    for channel in np.argsort(-selectivity, kind="stable"):
        constant = values[:, channel].min() == peaks[channel]
        if constant or peaks[channel] < np.median(peaks):
            continue
        if all(np.corrcoef(values[:, channel], values[:, other])[0, 1] < alike for other in chosen):
            chosen.append(int(channel))
        if len(chosen) == count:
            return np.array(chosen)
    raise ValueError(
        f"Only {len(chosen)} channels respond to different things, but {count} are asked for. "
        "Show more pictures, or let channels be more alike."
    )


def _positions(activations: np.ndarray) -> np.ndarray:
    """float64 `(positions of all pictures, channels)`."""
    activations = np.asarray(activations, "float64")
    return activations.reshape(-1, activations.shape[-1])


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
