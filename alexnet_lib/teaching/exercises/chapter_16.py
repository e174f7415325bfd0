"""Chapter 16, After AlexNet."""

from ...architecture import trace
from .kinds import FunctionExercise, NumberExercise, layer

check_vgg_fc6 = NumberExercise(
    question=(
        "The convolutions of VGG-16 end with 512 maps of 7×7, and its first fully connected layer "
        "has 4,096 units. How many parameters does this layer have, biases included?"
    ),
    answer=4096 * (7 * 7 * 512 + 1),
    hints=("How many inputs does it have?", "7·7·512 = 25,088 weights per unit, and a bias."),
    mistakes=(
        (4096 * 7 * 7 * 512, "The 4,096 biases are missing."),
        (4096 * (7 * 7 * 512 + 1) + 4096, "You counted the biases twice."),
        (layer("fc6").parameters, "That is AlexNet's fc6, which has 6·6·256 inputs."),
        (4096 * (512 + 1), "That is with one input per map; here each map has 7×7."),
    ),
)

check_stacked_weights = FunctionExercise(
    question=(
        "Write weights(kernel, layers, channels): the number of weights in a stack of "
        "convolutions, each kernel×kernel from channels to channels, without biases."
    ),
    solution=lambda kernel, layers, channels: layers * kernel**2 * channels**2,
    cases=((7, 1, 64), (3, 3, 64), (5, 1, 256), (3, 2, 256), (11, 1, 96)),
    hints=(
        "One filter has kernel · kernel · channels weights.",
        "A layer has one filter for each of its output channels.",
    ),
    mistakes={
        "Each filter covers all channels, and there are as many filters: square channels.": (
            lambda kernel, layers, channels: layers * kernel**2 * channels
        ),
        "A kernel has kernel × kernel taps.": (
            lambda kernel, layers, channels: layers * kernel * channels**2
        ),
        "Leave out the biases.": (
            lambda kernel, layers, channels: layers * (kernel**2 * channels + 1) * channels
        ),
        "The number of layers is missing.": (
            lambda kernel, layers, channels: kernel**2 * channels**2
        ),
    },
)

check_separable_macs = FunctionExercise(
    question=(
        "Write separable_macs(size, kernel, channels, filters): the number of multiplications in a "
        "depthwise convolution on maps of size×size that keeps their size, and in the 1×1 "
        "convolution to filters maps after it."
    ),
    solution=lambda size, kernel, channels, filters: (
        size**2 * (kernel**2 * channels + channels * filters)
    ),
    cases=((14, 3, 512, 512), (112, 3, 32, 64), (7, 5, 96, 24), (1, 1, 8, 8)),
    hints=(
        "The depthwise part has one kernel×kernel filter for each channel.",
        "In the 1×1 part, each filter has one weight per channel.",
        "Both are applied at each of the size² positions.",
    ),
    mistakes={
        "That is the ordinary convolution; here each channel is convolved by itself first.": (
            lambda size, kernel, channels, filters: size**2 * kernel**2 * channels * filters
        ),
        "The 1×1 convolution is missing.": (
            lambda size, kernel, channels, filters: size**2 * kernel**2 * channels
        ),
        "The depthwise part is missing.": (
            lambda size, kernel, channels, filters: size**2 * channels * filters
        ),
        "Those are the weights; each is used at all size² positions.": (
            lambda size, kernel, channels, filters: kernel**2 * channels + channels * filters
        ),
    },
)

check_tokens = NumberExercise(
    question=(
        "How many tokens does ViT-L/16 process for a picture of 512×512 pixels, including the "
        "class token?"
    ),
    answer=(512 // 16) ** 2 + 1,
    hints=(
        "The picture is cut into squares of 16×16 pixels.",
        "32 · 32 squares, and one more token.",
    ),
    mistakes=(
        ((512 // 16) ** 2, "The class token is missing."),
        (512 // 16, "That is one row of squares."),
        ((224 // 16) ** 2 + 1, "That is for 224 pixels."),
    ),
)

_CONVOLUTIONS = sum(record.parameters for record in trace() if record.kind == "convolution")

check_global_pooling = NumberExercise(
    question=(
        "Remove fc6 and fc7 from AlexNet; average each of the 256 maps of conv5 to one number, as "
        "GoogLeNet does, and put fc8 on top. How many parameters are left?"
    ),
    answer=_CONVOLUTIONS + 1000 * (256 + 1),
    hints=(
        "The convolutions stay as they are.",
        "fc8 then has 256 inputs and 1,000 units.",
    ),
    mistakes=(
        (
            _CONVOLUTIONS + 1000 * (layer("flatten").units + 1),
            "That is without averaging: fc8 would have all 9,216 activations of pool5 as inputs.",
        ),
        (_CONVOLUTIONS + layer("fc8").parameters, "fc8 no longer has 4,096 inputs, but 256."),
        (_CONVOLUTIONS, "fc8 is missing."),
        (_CONVOLUTIONS + 1000 * 256, "The 1,000 biases of fc8 are missing."),
    ),
)
