"""Chapter 2, Convolution arithmetic."""

from ...architecture import slide
from .kinds import FunctionExercise, NumberExercise, layer

_SLIDES = (
    (227, 11, 4, 0),
    (224, 11, 4, 0),
    (27, 5, 1, 2),
    (13, 3, 1, 1),
    (55, 3, 2, 0),
    (224, 11, 4, 2),
    (56, 3, 2, 0),
)

check_output_size = FunctionExercise(
    question="Write output_size(size, kernel, stride, padding), rounding down.",
    solution=lambda size, kernel, stride, padding: slide(size, kernel, stride, padding).positions,
    cases=_SLIDES,
    hints=(
        "The first window stands at the left edge. How far from that edge can the last one start?",
        "Padding adds to the size at both ends.",
        "In Python, // divides and rounds down.",
    ),
    mistakes={
        "It forgets the padding.": lambda size, kernel, stride, padding: (
            (size - kernel) // stride + 1
        ),
        "Padding comes at both ends; yours counts it once.": lambda size, kernel, stride, padding: (
            (size + padding - kernel) // stride + 1
        ),
        "The + 1 for the first window is missing.": lambda size, kernel, stride, padding: (
            (size + 2 * padding - kernel) // stride
        ),
        "It rounds up. Here a last step that does not fit is left out.": (
            lambda size, kernel, stride, padding: -(-(size + 2 * padding - kernel) // stride) + 1
        ),
        "It gives a fraction, and there is no fraction of a position. Round down with //.": (
            lambda size, kernel, stride, padding: (size + 2 * padding - kernel) / stride + 1
        ),
    },
)

check_flatten_224 = NumberExercise(
    question=(
        "How many numbers enter fc6 when the picture is 224×224, the padding is the paper's, and "
        "every division rounds down?"
    ),
    answer=layer("flatten", 224).units,
    hints=(
        "conv1 gives 54, not 55.",
        "Follow 54 through three poolings of 3/2, rounding down each time.",
        "54 → 26 → 12 → 5, and 256 channels.",
    ),
    mistakes=(
        (
            layer("flatten").units,
            "That is the number for 227; from 224 you get it if you round up, as Caffe's poolings "
            "do. Here every division rounds down.",
        ),
        (5 * 5, "That is one map; there are 256 of them."),
    ),
)

check_pool2_receptive_field = NumberExercise(
    question="How large is the receptive field of a unit of pool2, in pixels per side?",
    answer=layer("pool2").receptive_field,
    hints=(
        "Each layer adds (kernel - 1) × the distance, in pixels, between two units of its input.",
        "The distance between two units is 4 after conv1, 8 after pool1.",
        "11, then + 2·4, then + 4·8, then + 2·8.",
    ),
    mistakes=(
        (
            11 + 3 + 5 + 3,
            "You added the kernel sizes; one step in a deep map is many pixels in the picture.",
        ),
        (layer("conv2").receptive_field, "That is conv2; pool2 comes after it."),
        (11 * 3 * 5 * 3, "You multiplied the kernel sizes; only strides are multiplied."),
    ),
)

check_dense_conv1 = NumberExercise(
    question=(
        "How many weights would conv1 have if each of its 55·55·96 units had weights of its own "
        "for every number of the 227×227×3 picture (no biases)?"
    ),
    answer=layer("conv1").units * 227 * 227 * 3,
    hints=(
        "Each unit would have a weight for every number of the picture.",
        "Multiply the units by the numbers in the picture.",
    ),
    mistakes=(
        (
            layer("conv1").macs,
            "That is with a window of 11×11×3 for each unit; here the window is the whole picture.",
        ),
        (
            96 * 227 * 227 * 3,
            "That is one set of weights per channel; here each position has its own.",
        ),
        (layer("conv1").units * 227 * 227, "The picture has three colours."),
    ),
)
