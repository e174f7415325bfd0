"""Chapter 15, Which ideas mattered?"""

from math import sqrt

from ...architecture import PAPER, slide, trace, trace_layers
from .kinds import NumberExercise, layer

_ALL = sum(record.parameters for record in trace())

check_conv3_share = NumberExercise(
    question="What percentage of the network's parameters does conv3 hold?",
    answer=100 * layer("conv3").parameters / _ALL,
    tolerance=0.005,
    hints=("trace() gives you both numbers.", "885,120 of 60,965,224, in percent."),
    mistakes=(
        (layer("conv3").parameters / _ALL, "That is the share; multiply by 100."),
        (
            100 * layer("conv3").macs / sum(record.macs for record in trace()),
            "That is its share of the arithmetic.",
        ),
        (
            100 * layer("conv4").parameters / _ALL,
            "That is conv4, whose filters are connected to one tower only.",
        ),
    ),
)

_WITHOUT_CONV3 = sum(
    record.parameters
    for record in trace_layers([x for x in PAPER if x.name != "conv3"], (227, 227, 3))
)

check_without_conv3 = NumberExercise(
    question="Remove conv3 from the description. How many parameters does the network then have?",
    answer=_WITHOUT_CONV3,
    hints=(
        "Two layers change: the one you remove, and the one that now receives other maps.",
        "conv4 now receives the 256 maps of pool2, 128 in each tower, instead of 384.",
        "trace_layers([layer for layer in PAPER if layer.name != 'conv3'], (227, 227, 3))",
    ),
    mistakes=(
        (
            _ALL - layer("conv3").parameters,
            "conv4 now gets 256 maps instead of 384, so it has fewer weights, too.",
        ),
        (_ALL, "That is the whole network."),
    ),
)

_POOL1 = slide(55, 2, 2, rounding="ceil").positions

check_source_conv2 = NumberExercise(
    question=(
        "In network 147 of the notes, the first pooling is 2/2 and rounds up, and conv2 has a "
        "padding of 1 instead of 2. How many rows do the maps of conv2 have?"
    ),
    answer=slide(_POOL1, 5, padding=1).positions,
    hints=(
        "conv1 has 55 rows; 2/2 leaves a remainder.",
        "Rounded up, pool1 has 28 rows.",
        "28 + 2·1 - 5 + 1.",
    ),
    mistakes=(
        (
            slide(slide(55, 2, 2).positions, 5, padding=1).positions,
            "You rounded down; the program of 2012 rounds up.",
        ),
        (_POOL1, "That is pool1. Or it is conv2 with the old padding of 2."),
        (slide(55, 2, 2).positions, "That is what pool1 would have if it rounded down."),
        (13, "That is the size after pool2."),
    ),
)

_ERROR, _PICTURES = 0.41, 50_000

check_standard_error = NumberExercise(
    question=(
        "Two networks have errors of about 41 %, each measured on a separate set of 50,000 "
        "pictures. What is the standard error of the difference, in percentage points?"
    ),
    answer=100 * sqrt(2 * _ERROR * (1 - _ERROR) / _PICTURES),
    tolerance=0.01,
    hints=(
        "A share p of n pictures has the variance p·(1 - p)/n.",
        "The variances of the two add up.",
        "100 · √(2 · 0.41 · 0.59 / 50,000).",
    ),
    mistakes=(
        (
            100 * sqrt(_ERROR * (1 - _ERROR) / _PICTURES),
            "That is the standard error of one of the two; a difference contains both.",
        ),
        (
            sqrt(2 * _ERROR * (1 - _ERROR) / _PICTURES),
            "That is a fraction; in percentage points it is 100 times as much.",
        ),
        (
            200 * sqrt(_ERROR * (1 - _ERROR) / _PICTURES),
            "Variances add up, standard errors do not.",
        ),
    ),
)
