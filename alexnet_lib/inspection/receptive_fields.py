"""The picture behind a unit: what it can depend on, what excites it, what matters to it."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from ..architecture import LayerTrace
from ..model import description
from .models import (
    as_batch,
    as_pictures,
    batches_of,
    check_units,
    compiled,
    layer_named,
    part_of,
    record_named,
)


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
    if not record_named(records, layer).jump:
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
            # Normalization within a map has no padding: its square is centred on its unit.
            padding = record.kernel // 2 if record.padding is None else record.padding
            starts = np.arange(record.output_shape[axis]) * (record.stride or 1) - padding
            ends = np.minimum(starts + record.kernel, len(first))
            first, end = first[np.maximum(starts, 0)], end[ends - 1]
        if record.name == layer:
            break
    return first, end


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
    *,
    one_per_label: bool = False,
    inside: bool = False,
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
        one_per_label: keep only the strongest picture of each label. Where pictures are parts of
            larger ones, the number of the whole as their label keeps its parts from filling the
            list.
        inside: look only at places that see no padding. Its zeros are an edge that no photograph
            has, and many units answer to it.

    Raises:
        ValueError: if there is no such layer or unit, the layer has no map, every place sees
            padding and `inside` forbids it, or the data holds fewer than `count` pictures, or
            labels where each may have one.
    """
    records = description(model).trace()
    boxes = receptive_boxes(records, layer)
    record = record_named(records, layer)
    if not record.jump:
        raise ValueError(f"{layer} has no map: each of its units sees the whole picture.")
    check_units(record, units)
    units = tuple(int(unit) for unit in units)
    forward = compiled(model, layer_named(model, layer).output)
    side = record.receptive_field
    cut_off = ((boxes[..., 2:] - boxes[..., :2]) < side).any(-1)
    if inside and cut_off.all():
        raise ValueError(
            f"Every unit of {layer} sees padding around pictures of this size; leave out inside."
        )
    kept: list[list[tuple]] = [[] for _ in units]
    seen = 0
    for pictures, labels in batches_of(model, data):
        maps = np.asarray(forward(tf.constant(pictures)), "float32")[..., list(units)]
        if inside:
            maps[:, cut_off] = -np.inf
        strongest = maps.reshape(len(maps), -1, len(units))
        places, peaks = strongest.argmax(1), strongest.max(1)
        for place_of_unit, (best, unit_peaks) in enumerate(zip(kept, peaks.T, strict=True)):
            for index in np.argsort(-unit_peaks, kind="stable"):
                if len(best) == count and unit_peaks[index] <= best[-1][0]:
                    break
                label = int(labels[index])
                of_label = [
                    n for n, entry in enumerate(best) if one_per_label and entry[2] == label
                ]
                if of_label:
                    if unit_peaks[index] <= best[of_label[0]][0]:
                        continue
                    del best[of_label[0]]
                row, column = divmod(int(places[index, place_of_unit]), maps.shape[2])
                patch = _window(
                    model,
                    pictures[index],
                    record.start + row * record.jump,
                    record.start + column * record.jump,
                    side,
                )
                best.append((unit_peaks[index], seen + index, label, row, column, patch))
                best.sort(key=lambda entry: (-entry[0], entry[1]))
                del best[count:]
        seen += len(pictures)
    if seen < count:
        raise ValueError(f"The data set has {seen} pictures, but {count} a unit are asked for.")
    if len(kept[0]) < count:
        raise ValueError(
            f"The pictures have {len(kept[0])} different labels, but {count} patches of different "
            "labels are asked for. Ask for fewer, or leave out one_per_label."
        )
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
    pictures, _ = as_batch(model, pictures)
    if len(layer_named(model, layer).output.shape) != 4:
        raise ValueError(f"{layer} has no map, and so no middle.")
    part = part_of(model, layer_named(model, layer).output)
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
