"""Chapter 16, After AlexNet."""

from ...architecture import trace
from .kinds import FunctionExercise, NumberExercise, layer

check_vgg_fc6 = NumberExercise(
    question=(
        "VGG-16 ends its convolutions with 512 maps of 7×7, and its first fully connected layer "
        "has 4,096 units. How many parameters has this layer, biases included?"
    ),
    answer=4096 * (7 * 7 * 512 + 1),
    hints=("How many numbers enter it?", "7·7·512 = 25,088 weights a unit, and a bias."),
    mistakes=(
        (4096 * 7 * 7 * 512, "The 4,096 biases are missing."),
        (4096 * (7 * 7 * 512 + 1) + 4096, "You counted the biases twice."),
        (layer("fc6").parameters, "That is AlexNet's fc6, which gets 6·6·256 numbers."),
        (4096 * (512 + 1), "That is with one number a map; here each map has 7×7."),
    ),
)

check_stacked_weights = FunctionExercise(
    question=(
        "Write weights(kernel, layers, channels): the weights of so many convolutions one behind "
        "the other, each kernel×kernel from channels to channels, biases not counted."
    ),
    solution=lambda kernel, layers, channels: layers * kernel**2 * channels**2,
    cases=((7, 1, 64), (3, 3, 64), (5, 1, 256), (3, 2, 256), (11, 1, 96)),
    hints=(
        "One filter has kernel · kernel · channels weights.",
        "A layer has as many filters as it has channels to make.",
    ),
    mistakes={
        "Each filter sees all channels, and there are as many filters: channels counts twice.": (
            lambda kernel, layers, channels: layers * kernel**2 * channels
        ),
        "A kernel has kernel × kernel taps.": (
            lambda kernel, layers, channels: layers * kernel * channels**2
        ),
        "Biases were not to be counted.": (
            lambda kernel, layers, channels: layers * (kernel**2 * channels + 1) * channels
        ),
        "It forgets how many layers there are.": (
            lambda kernel, layers, channels: kernel**2 * channels**2
        ),
    },
)

check_separable_macs = FunctionExercise(
    question=(
        "Write separable_macs(size, kernel, channels, filters): the multiplications of a depthwise "
        "convolution that keeps maps of size×size, and of the 1×1 convolution to filters maps "
        "after it."
    ),
    solution=lambda size, kernel, channels, filters: (
        size**2 * (kernel**2 * channels + channels * filters)
    ),
    cases=((14, 3, 512, 512), (112, 3, 32, 64), (7, 5, 96, 24), (1, 1, 8, 8)),
    hints=(
        "The depthwise part has one kernel×kernel filter for each channel.",
        "The 1×1 part has channels weights for each filter.",
        "Both are used at each of the size² places.",
    ),
    mistakes={
        "That is the ordinary convolution; here channels and places are treated one by one.": (
            lambda size, kernel, channels, filters: size**2 * kernel**2 * channels * filters
        ),
        "The 1×1 convolution is missing.": (
            lambda size, kernel, channels, filters: size**2 * kernel**2 * channels
        ),
        "The depthwise part is missing.": (
            lambda size, kernel, channels, filters: size**2 * channels * filters
        ),
        "Those are the weights; each is used at every one of the size² places.": (
            lambda size, kernel, channels, filters: kernel**2 * channels + channels * filters
        ),
    },
)

check_tokens = NumberExercise(
    question=(
        "How many tokens go through ViT-L/16 for a picture of 512×512 pixels, the class token "
        "included?"
    ),
    answer=(512 // 16) ** 2 + 1,
    hints=("The picture is cut into squares of 16 pixels.", "32 · 32 squares, and one token more."),
    mistakes=(
        ((512 // 16) ** 2, "The class token is missing."),
        (512 // 16, "That is one row of squares."),
        ((224 // 16) ** 2 + 1, "That is for 224 pixels."),
    ),
)

_CONVOLUTIONS = sum(record.parameters for record in trace() if record.kind == "convolution")

check_global_pooling = NumberExercise(
    question=(
        "Take fc6 and fc7 out of AlexNet; average each of the 256 maps behind conv5 to one number, "
        "as GoogLeNet does, and put fc8 on top. How many parameters are left?"
    ),
    answer=_CONVOLUTIONS + 1000 * (256 + 1),
    hints=(
        "The convolutions stay as they are.",
        "fc8 then has 256 inputs and 1,000 units.",
    ),
    mistakes=(
        (
            _CONVOLUTIONS + 1000 * (layer("flatten").units + 1),
            "That is without averaging: fc8 would see all 9,216 numbers of pool5.",
        ),
        (_CONVOLUTIONS + layer("fc8").parameters, "fc8 no longer gets 4,096 numbers, but 256."),
        (_CONVOLUTIONS, "fc8 is missing."),
        (_CONVOLUTIONS + 1000 * 256, "The 1,000 biases of fc8 are missing."),
    ),
)
