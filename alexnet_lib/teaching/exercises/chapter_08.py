"""Chapter 8, Two GPUs, two towers."""

from dataclasses import replace
from math import prod

from ...architecture import PAPER, trace, trace_layers
from .kinds import FunctionExercise, NumberExercise, layer


def _parameters(**changes: dict) -> int:
    """Parameters of the paper's network with other settings in the named layers."""
    layers = [replace(one, **changes.get(one.name, {})) for one in PAPER]
    return sum(record.parameters for record in trace_layers(layers, (227, 227, 3)))


def _range_of_maps(filter_number: int, filters: int, channels: int, groups: int) -> tuple[int, int]:
    first = filter_number // (filters // groups) * (channels // groups)
    return first, first + channels // groups - 1


_INTO_CONV3 = prod(layer("conv3").input_shape) // 2

check_conv3_traffic = NumberExercise(
    question=(
        "How many values does one card receive from the other for one picture, in the forward "
        "pass, to compute its half of conv3?"
    ),
    answer=_INTO_CONV3,
    hints=(
        "conv3 takes input from all 256 maps of pool2. How many of them are on the other card?",
        "128 maps of 13×13.",
    ),
    mistakes=(
        (2 * _INTO_CONV3, "That is all of pool2; the card has computed half of it itself."),
        (4 * _INTO_CONV3, "That is the number of bytes; the question asks for values."),
        (
            layer("conv3").units // 2,
            "That is what it computes; the question asks what it receives.",
        ),
        (128, "That is the number of maps; each has 13×13 values."),
    ),
)

check_seen_maps = FunctionExercise(
    question=(
        "Write seen(filter, filters, channels, groups): the first and the last map of the input "
        "that a filter covers, as (first, last), counted from 0."
    ),
    solution=_range_of_maps,
    cases=(
        (0, 256, 96, 2),
        (127, 256, 96, 2),
        (128, 256, 96, 2),
        (255, 256, 96, 2),
        (200, 384, 256, 1),
        (200, 384, 384, 2),
        (300, 384, 384, 4),
    ),
    hints=(
        "Which group is the filter in? A group has filters / groups of them.",
        "Group g takes input from the g-th run of channels / groups maps.",
        "The last is the first + channels / groups - 1.",
    ),
    mistakes={
        "It ignores the groups.": lambda filter_number, filters, channels, groups: (
            0,
            channels - 1,
        ),
        "The last map is the one before the next group's first.": (
            lambda filter_number, filters, channels, groups: (
                filter_number // (filters // groups) * (channels // groups),
                (filter_number // (filters // groups) + 1) * (channels // groups),
            )
        ),
        "To find the group, compare the filter with the number of filters, not of maps.": (
            lambda filter_number, filters, channels, groups: (
                filter_number // (channels // groups) * (channels // groups),
                filter_number // (channels // groups) * (channels // groups)
                + channels // groups
                - 1,
            )
        ),
    },
)

_CONV5_KERNEL = layer("conv5", variant="one_tower").parameters - 256

check_block_zeros = NumberExercise(
    question=(
        "You write conv5 as one convolution without groups, with a block-diagonal kernel. How many "
        "of the weights of this kernel are zero?"
    ),
    answer=_CONV5_KERNEL // 2,
    hints=(
        "The kernel without groups has 3·3·384·256 weights.",
        "Two of its four blocks are zero: the weights of each filter for the other tower.",
    ),
    mistakes=(
        (_CONV5_KERNEL, "Those are all the weights of the kernel; half of them are zero."),
        (_CONV5_KERNEL // 4, "Two of the four blocks are zero, not one."),
        (layer("conv5").parameters, "You counted biases; a kernel has none."),
    ),
)

check_one_gpu_net = NumberExercise(
    question=(
        "The paper compares with a net for one GPU: half as many kernels in conv1 to conv4, conv5 "
        "and the fully connected layers as they are, no groups. How many parameters does it have?"
    ),
    answer=_parameters(
        conv1={"filters": 48},
        conv2={"filters": 128, "groups": 1},
        conv3={"filters": 192},
        conv4={"filters": 192, "groups": 1},
        conv5={"groups": 1},
    ),
    hints=(
        "48, 128, 192, 192 and 256 kernels.",
        "Replace filters and groups in PAPER and sum up trace_layers(layers, (227, 227, 3)).",
    ),
    mistakes=(
        (
            _parameters(
                conv1={"filters": 48},
                conv2={"filters": 128, "groups": 1},
                conv3={"filters": 192},
                conv4={"filters": 192, "groups": 1},
                conv5={"filters": 128, "groups": 1},
            ),
            "You halved conv5 as well; then fc6 would lose half of its weights.",
        ),
        (
            _parameters(
                conv1={"filters": 48},
                conv2={"filters": 128},
                conv3={"filters": 192},
                conv4={"filters": 192},
            ),
            "Your net still has groups; the net for one GPU has none.",
        ),
        (sum(record.parameters for record in trace()), "That is the net for two GPUs."),
    ),
)

_DENSE = sum(layer(name).input_shape[0] // 2 for name in ("fc6", "fc7", "fc8"))

check_batch_traffic = NumberExercise(
    question=(
        "How many megabytes (10⁶ bytes) does one card receive for a batch of 128, forward and "
        "backward, in float32, if nothing crosses in the normalizations?"
    ),
    answer=2 * 4 * 128 * (_INTO_CONV3 + _DENSE) / 1e6,
    tolerance=0.005,
    hints=(
        "Add up what it receives for conv3, fc6, fc7 and fc8.",
        "In the backward pass as many gradients come back as activations went out.",
        "Values × 2 directions × 4 bytes × 128 pictures.",
    ),
    mistakes=(
        (
            4 * 128 * (_INTO_CONV3 + _DENSE) / 1e6,
            "That is one direction; gradients come back as well.",
        ),
        (
            2 * 4 * 128 * _INTO_CONV3 / 1e6,
            "That is conv3 alone; fc6, fc7 and fc8 take input from both towers.",
        ),
        (2 * 4 * (_INTO_CONV3 + _DENSE) / 1e6, "That is one picture."),
        (
            2 * 128 * (_INTO_CONV3 + _DENSE) / 1e6,
            "That is the number of values, in millions; each takes 4 bytes.",
        ),
    ),
)
