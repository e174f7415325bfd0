"""What the quizzes' questions that ask for a number have to hold, computed anew.

For each chapter and question: the right number, then the mistakes in the order in which the quiz
explains them. `test_quiz.py` compares them with the quiz; `test_prose.py` lets the prose of a quiz
name them.
"""

import math
from dataclasses import replace

import numpy as np

from alexnet_lib.architecture import PAPER, Convolution, slide, trace, trace_layers

LAYERS = {record.name: record for record in trace()}
MACS = sum(record.macs for record in LAYERS.values())
LRN = next(layer for layer in PAPER if layer.name == "norm1")


def convolution(channels, filters, kernel, groups=1):
    """Parameters of a convolution, its biases included."""
    layer = Convolution("c", filters, kernel=kernel, groups=groups, padding=kernel // 2)
    return trace_layers([layer], (8, 8, channels))[0].parameters


def sees(layers, name, input_size=227):
    records = trace_layers(layers, (input_size, input_size, 3))
    return next(record.receptive_field for record in records if record.name == name)


def lrn_divisor(activity, alpha=LRN.alpha):
    return (LRN.k + alpha * activity**2) ** LRN.beta


def maxima(row, window, stride):
    return np.lib.stride_tricks.sliding_window_view(row, window)[::stride].max(1).sum()


def used(name):
    """How often each weight of a convolution is used for one picture."""
    record = LAYERS[name]
    return record.macs // (record.parameters - record.output_shape[-1])


def standard_error(error, pictures, of=2):
    return 100 * math.sqrt(of * error * (1 - error) / pictures)


def stacked(layers):
    """What a unit sees behind so many convolutions of 3×3."""
    return sees([Convolution(f"c{i}", 1, kernel=3) for i in range(layers)], f"c{layers - 1}", 50)


def layers_that_see(pixels):
    return next(layers for layers in range(1, 20) if stacked(layers) == pixels)


WIDER = [replace(x, kernel=5, padding=2) if x.name == "conv4" else x for x in PAPER]
ROW = np.array([3, 1, 4, 1, 5])
CONV1 = LAYERS["conv1"]
CROPS = 256 - 250 + 1
OCCLUDED = slide(227, 32, 16)

NUMBERS = {
    ("01", 3): [math.log(10), math.log(1000), -math.log(10), math.log10(10), 1 / 10],
    ("01", 4): [3 * 2 * MACS / 1e9, 3 * MACS / 1e9, 2 * MACS / 1e9, MACS / 1e9],
    ("02", 1): [
        slide(200, 11, 4).positions,
        (200 - 11) // 4,
        (200 - 11) / 4 + 1,
        slide(200, 11, 4, rounding="ceil").positions,
        200 / 4,
    ],
    ("02", 3): [
        sees(WIDER, "conv4"),
        sees(PAPER, "conv4"),
        LAYERS["conv3"].receptive_field + 4,
        LAYERS["conv3"].receptive_field + 5 * LAYERS["conv3"].jump,
    ],
    ("03", 2): [
        convolution(96, 256, 5),
        LAYERS["conv2"].parameters,
        convolution(96, 256, 5) - 256,
        convolution(96, 1, 5),
    ],
    ("03", 3): [used("conv1"), used("conv2"), CONV1.units, CONV1.output_shape[0], 1],
    ("04", 2): [0.25**5, 0.5**5, 0.25, 5 * 0.25],
    ("04", 4): [0.5 ** (4 / 2), 0.5**0.5, 4 * 0.5**0.5, 0.5**4, 1],
    ("05", 1): [
        lrn_divisor(200),
        LRN.k + LRN.alpha * 200**2,
        lrn_divisor(0),
        (LRN.k + LRN.alpha * 200) ** LRN.beta,
        lrn_divisor(200, LRN.alpha / LRN.n),
    ],
    ("05", 4): [LRN.n // 2 + 1, LRN.n, LRN.n // 2, LRN.n + 1],
    ("06", 1): [
        slide(13, 3, 2).positions,
        slide(13, 3, 2).positions - 1,
        13 / 2,
        math.ceil(13 / 2),
        slide(13, 3, 1).positions,
    ],
    ("06", 3): [
        maxima(ROW, 3, 2),
        maxima(ROW, 2, 2),
        ROW[:3].mean() + ROW[2:].mean(),
        maxima(ROW, 3, 1),
    ],
    ("07", 1): [1 / (1 - 0.2), 1 / 0.2, 1 - 0.2, 1 / (1 - 0.5), 1 + 0.2],
    ("07", 3): [(1 - 0.25) ** 2, 1 - 0.25, 0.25**2, 1 - 2 * 0.25],
    ("08", 3): [
        convolution(256, 256, 3, groups=4) - 256,
        convolution(256, 256, 3) - 256,
        convolution(256, 256, 3, groups=2) - 256,
        convolution(64, 64, 3) - 64,
    ],
    ("08", 4): [
        numbers * 4 * 128 / 1e6
        for half in [LAYERS["pool2"].units / 2]
        for numbers in (half, 2 * half, half / 4, half / 128)
    ],
    ("09", 2): [LRN.n // 2, LRN.n, LRN.n / 2, LRN.n // 2 + 1],
    ("09", 3): [
        LAYERS["conv3"].output_shape[-1] // 2,
        LAYERS["conv3"].output_shape[-1],
        LAYERS["conv2"].output_shape[-1],
        LAYERS["conv3"].output_shape[-1] // 4,
    ],
    ("10", 1): [2 * CROPS**2, 2 * (CROPS - 1) ** 2, CROPS**2, (CROPS - 1) ** 2],
    ("11", 1): [1 / (1 - 0.99), 1 / (1 - 0.9), 0.99 / (1 - 0.99), 1 + 0.99],
    ("12", 1): [(512 + 1) * 20, 512 * 20, (4096 + 1) * 20, 512 + 1],
    ("12", 2): [100 / (2 * 10), 90 / 10, 100 / 10, 10 / 100],
    ("13", 1): [11 * 11 * 3, 11 * 11, 11 * 11 * 3 + 1, CONV1.parameters - 96],
    ("14", 1): [
        OCCLUDED.positions**2,
        (OCCLUDED.positions - 1) ** 2,
        OCCLUDED.positions,
        slide(227, 32, 16, rounding="ceil").positions ** 2,
    ],
    ("15", 4): [
        standard_error(0.4, 10_000),
        standard_error(0.4, 10_000, of=1),
        standard_error(0.4, 10_000) / 100,
        2 * standard_error(0.4, 10_000, of=1),
    ],
    ("16", 1): [layers_that_see(11), layers_that_see(9), layers_that_see(7), layers_that_see(13)],
    ("16", 2): [
        convolution(64, 64, 3, groups=64) - 64,
        convolution(64, 64, 3) - 64,
        convolution(64, 64, 1) - 64,
        3 * 3,
    ],
}

# What a question gives, or an explanation names on the way, and no chapter prints.
STEPS = {
    "01": {CONV1.units},
    "02": {
        200,
        200 - 11,  # room for the window
        (200 - 11) // 4,
        224 + 2 * 1,
        224 + 2 * 2,
        slide(224, 11, 3).positions,
    },
    "06": {250},  # test pictures, one of which is the whole gain of the paper
    "08": {256 // 4},
    "10": {250},
    "11": {0.99},
    "12": {90, 30, (90 + 10) // 2},
    "14": {227 - 32, 32},
    "15": {0.4, 40, 10_000, LAYERS["conv4"].output_shape[-1]},
}


def computed(chapter: str) -> set[float]:
    """What the prose of a chapter's quiz may name though the chapter does not."""
    known = set(map(float, STEPS.get(chapter, ())))
    for (of, _), values in NUMBERS.items():
        if of == chapter:
            known |= set(map(float, values))
    return known
