"""Chapter 6, Overlapping pooling."""

from dataclasses import replace

from ...architecture import PAPER, MaxPooling, trace_layers
from .kinds import FunctionExercise, NumberExercise, layer


def _max_pool_row(row, window, stride):
    starts = range(0, len(row) - window + 1, stride)
    return [max(row[start : start + window]) for start in starts]


check_max_pool_row = FunctionExercise(
    question=(
        "Write max_pool_row(row, window, stride): the list of the largest values of all windows "
        "that fit on a list of values."
    ),
    solution=_max_pool_row,
    cases=(
        ([1, 3, 2, 5, 4], 3, 2),
        ([1, 3, 2, 5, 4], 2, 2),
        ([4, 1, 0, 2, 9, 3], 3, 2),
        ([-3, -1, -2], 3, 2),
        ([7, 1, 6, 2], 2, 1),
        ([5, 4], 2, 2),
    ),
    hints=(
        "The windows start at 0, stride, 2·stride, ... as long as they fit.",
        "range(0, len(row) - window + 1, stride) gives the starts.",
        "max(row[start:start + window]) is one result.",
    ),
    mistakes={
        "It takes the mean of each window, not the largest value.": (
            lambda row, window, stride: [
                sum(row[start : start + window]) / window
                for start in range(0, len(row) - window + 1, stride)
            ]
        ),
        "It moves by the width of the window; the step is the stride.": (
            lambda row, window, stride: _max_pool_row(row, window, window)
        ),
        "Its last window extends past the end; only windows that fit count.": (
            lambda row, window, stride: [
                max(row[start : start + window]) for start in range(0, len(row), stride)
            ]
        ),
        "The last window is missing: one that ends exactly at the end fits.": (
            lambda row, window, stride: [
                max(row[start : start + window]) for start in range(0, len(row) - window, stride)
            ]
        ),
        "It exchanges window and stride.": (
            lambda row, window, stride: _max_pool_row(row, stride, window)
        ),
        "It compares with 0; a window of negative values has a negative maximum.": (
            lambda row, window, stride: [max(0, top) for top in _max_pool_row(row, window, stride)]
        ),
    },
)


def _pool5_sees(kernel: int, stride: int) -> int:
    """The receptive field of `pool5` if all poolings have this window and this stride."""
    layers = [
        replace(layer, kernel=kernel, stride=stride) if isinstance(layer, MaxPooling) else layer
        for layer in PAPER
    ]
    records = trace_layers(layers, (227, 227, 3))
    return next(record.receptive_field for record in records if record.name == "pool5")


check_pool5_sees = NumberExercise(
    question=(
        "How many pixels per side is the receptive field of pool5 if all three poolings have "
        "windows of 2 with a stride of 2?"
    ),
    answer=_pool5_sees(2, 2),
    hints=(
        "Each layer adds (kernel - 1) × the distance between neighbouring positions of its input.",
        "The strides have not changed, so neither have the distances: 4, 8, 8, 16, ...",
        "Compared with 3/2, each pooling adds one distance less: 4, 8 and 16 pixels.",
    ),
    mistakes=(
        (_pool5_sees(3, 2), "That is with windows of 3, as the paper has them."),
        (
            _pool5_sees(3, 2) - 3,
            "It is one position less per pooling, but a position of a deep map is many pixels.",
        ),
        (_pool5_sees(3, 2) - 4, "That changes only pool1; there are three poolings."),
        (
            layer("conv5").receptive_field,
            "That is conv5 in the paper's network; its poolings count as well.",
        ),
    ),
)

check_pool1_comparisons = NumberExercise(
    question="How many comparisons of two values does pool1 make for one picture?",
    answer=layer("pool1").units * (layer("pool1").kernel ** 2 - 1),
    hints=(
        "Finding the largest of two values takes one comparison. How many for nine?",
        "Each of the 27·27·96 outputs is the largest of nine values.",
        "27·27·96 · 8.",
    ),
    mistakes=(
        (
            layer("pool1").units * layer("pool1").kernel ** 2,
            "The largest of nine values takes eight comparisons, one less than there are values.",
        ),
        (layer("pool1").units * 3, "That is for windows of 2×2."),
        (27 * 27 * 8, "That is one map; there are 96."),
        (layer("conv1").units * 8, "There is one window for each output, not for each input."),
    ),
)

check_visits = NumberExercise(
    question=(
        "How many windows of pool1 contain the position in row 2, column 2 of a map, rows and "
        "columns counted from 0?"
    ),
    answer=4,
    hints=(
        "Along one direction, windows cover 0 to 2, 2 to 4, 4 to 6, ...",
        "Row 2 lies in two of them. So does column 2.",
    ),
    mistakes=(
        (1, "That is so for odd rows and columns, or for windows of 2."),
        (2, "That is so in each direction; rows and columns together give more."),
        (9, "That is the number of values in a window."),
    ),
)
