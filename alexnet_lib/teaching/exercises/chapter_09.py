"""Chapter 9, AlexNet in TensorFlow."""

from dataclasses import replace

from ...architecture import PAPER, trace, trace_layers
from .kinds import FunctionExercise, NumberExercise

_FOUR_GROUPS = [
    replace(layer, groups=4) if getattr(layer, "groups", 1) == 2 else layer for layer in PAPER
]


def _parameters(layers) -> int:
    return sum(record.parameters for record in trace_layers(layers, (227, 227, 3)))


check_kernel_shape = FunctionExercise(
    question=(
        "Write kernel_shape(kernel, channels, filters, groups): the shape of the kernel in Keras, "
        "as a tuple of four."
    ),
    solution=lambda kernel, channels, filters, groups: (
        kernel,
        kernel,
        channels // groups,
        filters,
    ),
    cases=((11, 3, 96, 1), (5, 96, 256, 2), (3, 256, 384, 1), (3, 384, 256, 2), (3, 8, 16, 4)),
    hints=(
        "Keras puts rows and columns first, then the input channels of one filter, then the "
        "filters.",
        "With two groups, a filter is connected to half of the channels; there are as many filters "
        "as before.",
    ),
    mistakes={
        "The groups are missing: a filter is connected to its own group's channels only.": (
            lambda kernel, channels, filters, groups: (kernel, kernel, channels, filters)
        ),
        "The filters are not divided: there are as many outputs as before.": (
            lambda kernel, channels, filters, groups: (
                kernel,
                kernel,
                channels // groups,
                filters // groups,
            )
        ),
        "That is PyTorch's order; Keras puts rows and columns first, filters last.": (
            lambda kernel, channels, filters, groups: (
                filters,
                channels // groups,
                kernel,
                kernel,
            )
        ),
        "Channels and filters are the wrong way round.": (
            lambda kernel, channels, filters, groups: (
                kernel,
                kernel,
                filters,
                channels // groups,
            )
        ),
    },
)

check_place_in_caffe = FunctionExercise(
    question=(
        "Write place_in_caffe(row, column, channel, filter): the four indices in Caffe's kernel of "
        "conv1 of the weight that Keras has at [row, column, channel, filter]. Caffe's order is "
        "(filter, channel, row, column), and blue is channel 0."
    ),
    solution=lambda row, column, channel, filter: (filter, 2 - channel, row, column),
    cases=((0, 0, 0, 0), (0, 10, 2, 95), (3, 7, 1, 40), (10, 0, 0, 8), (5, 5, 2, 61)),
    hints=(
        "The same four indices in another order, and one of them changes.",
        "Keras's channel 0 is red; in Caffe red is channel 2, and green stays in the middle.",
    ),
    mistakes={
        "Red and blue are exchanged: Caffe's channel 0 is blue, Keras's is red.": (
            lambda row, column, channel, filter: (filter, channel, row, column)
        ),
        "That is Keras's order; Caffe puts filters first, then channels.": (
            lambda row, column, channel, filter: (row, column, 2 - channel, filter)
        ),
        "Rows come before columns in both.": (
            lambda row, column, channel, filter: (filter, 2 - channel, column, row)
        ),
        "Channels and filters are the wrong way round.": (
            lambda row, column, channel, filter: (2 - channel, filter, row, column)
        ),
        "The three colours are channels 0, 1 and 2: the last is 2, not 3.": (
            lambda row, column, channel, filter: (filter, 3 - channel, row, column)
        ),
    },
)

check_four_groups = NumberExercise(
    question="How many parameters does AlexNet have with four groups in conv2, conv4 and conv5?",
    answer=_parameters(_FOUR_GROUPS),
    hints=(
        "A filter of conv2 then has 24 input channels, one of conv4 or conv5 has 96.",
        "replace(layer, groups=4) for the layers whose groups are 2, then trace_layers.",
    ),
    mistakes=(
        (_parameters(PAPER), "That is with two groups."),
        (
            _parameters([replace(x, groups=4) if x.name == "conv2" else x for x in PAPER]),
            "Only conv2 has changed; conv4 and conv5 get four groups, too.",
        ),
    ),
)

check_mixed_memory = NumberExercise(
    question=(
        "How many megabytes (10⁶ bytes) do the weights of AlexNet() take under the policy "
        "mixed_bfloat16?"
    ),
    answer=sum(record.parameter_bytes for record in trace()) / 1e6,
    tolerance=0.01,
    hints=(
        "Under a mixed policy a layer has two dtypes: one to compute in, one for its weights.",
        "A cell in the section on mixed precision prints the dtype of the weights.",
    ),
    mistakes=(
        (
            sum(record.parameter_bytes for record in trace()) / 2e6,
            "Only the computation uses two bytes per number. The weights are kept in four, because "
            "small updates would be lost in half precision.",
        ),
        (
            sum(record.parameters for record in trace()) / 1e6,
            "That is their number in millions; how many bytes does each take?",
        ),
    ),
)
