"""Chapter 6, Overlapping pooling."""

from dataclasses import replace

from ...architecture import PAPER, MaxPooling, trace_layers
from .kinds import FunctionExercise, NumberExercise, layer


def _max_pool_row(row, window, stride):
    starts = range(0, len(row) - window + 1, stride)
    return [max(row[start : start + window]) for start in starts]


check_max_pool_row = FunctionExercise(
    question=(
        "Write max_pool_row(row, window, stride): the list of the largest numbers of all windows "
        "that fit on a list of numbers."
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
        "It takes the mean of each window, not the largest number.": (
            lambda row, window, stride: [
                sum(row[start : start + window]) / window
                for start in range(0, len(row) - window + 1, stride)
            ]
        ),
        "It steps by the window; the step is the stride.": (
            lambda row, window, stride: _max_pool_row(row, window, window)
        ),
        "Its last window hangs over the end; only windows that fit count.": (
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
        "It compares with 0; a window of negative numbers has a negative maximum.": (
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
        "How many pixels a side does a unit of pool5 see if all three poolings have windows of 2 "
        "in steps of 2?"
    ),
    answer=_pool5_sees(2, 2),
    hints=(
        "Each layer adds (kernel - 1) × the distance between two units of its input.",
        "The strides have not changed, so the distances have not: 4, 8, 8, 16, ...",
        "Against 3/2, each pooling adds one distance less: 4, 8 and 16 pixels.",
    ),
    mistakes=(
        (_pool5_sees(3, 2), "That is with windows of 3, as the paper has them."),
        (_pool5_sees(3, 2) - 3, "One unit less, yes, but units of deeper maps are many pixels."),
        (_pool5_sees(3, 2) - 4, "That changes pool1 only; there are three poolings."),
        (
            layer("conv5").receptive_field,
            "That is conv5 in the paper's network; its poolings count, too.",
        ),
    ),
)

check_pool1_comparisons = NumberExercise(
    question="How many comparisons of two numbers does pool1 make for one picture?",
    answer=layer("pool1").units * (layer("pool1").kernel ** 2 - 1),
    hints=(
        "To find the largest of two numbers takes one comparison; of nine?",
        "Each of the 27·27·96 numbers that come out is the largest of nine.",
        "27·27·96 · 8.",
    ),
    mistakes=(
        (
            layer("pool1").units * layer("pool1").kernel ** 2,
            "The largest of nine numbers takes eight comparisons: the first has no rival yet.",
        ),
        (layer("pool1").units * 3, "That is for windows of 2×2."),
        (27 * 27 * 8, "That is one map; there are 96."),
        (layer("conv1").units * 8, "A window for each number that comes out, not that goes in."),
    ),
)

check_visits = NumberExercise(
    question=(
        "How many windows of pool1 look at the number in row 2, column 2 of a map, rows and "
        "columns counted from 0?"
    ),
    answer=4,
    hints=(
        "Along the rows: windows cover 0 to 2, 2 to 4, 4 to 6, ...",
        "Row 2 lies in two of them. So does column 2.",
    ),
    mistakes=(
        (1, "That holds for odd rows and columns, or for windows of 2."),
        (2, "In each direction. Rows and columns together make more."),
        (9, "That is how many numbers a window has."),
    ),
)
