"""Chapter 13, Filters and feature maps."""

from ...architecture import trace
from .kinds import FunctionExercise, NumberExercise, layer


def _colourfulness(red, green, blue):
    grey = (red + green + blue) / 3
    colour = (red - grey) ** 2 + (green - grey) ** 2 + (blue - grey) ** 2
    return round(colour / (red**2 + green**2 + blue**2), 2)


def _colourfulness_of_grey(red, green, blue):
    return round(1 - _colourfulness(red, green, blue), 2)


def _colourfulness_unsquared(red, green, blue):
    grey = (red + green + blue) / 3
    colour = abs(red - grey) + abs(green - grey) + abs(blue - grey)
    return round(colour / (abs(red) + abs(green) + abs(blue)), 2)


def _colourfulness_by_grey(red, green, blue):
    grey = (red + green + blue) / 3
    colour = (red - grey) ** 2 + (green - grey) ** 2 + (blue - grey) ** 2
    return round(colour / (3 * grey**2), 2)


check_colourfulness = FunctionExercise(
    question=(
        "Write colourfulness(red, green, blue): the share of a tap's energy that is colour, "
        "rounded to two digits."
    ),
    solution=_colourfulness,
    cases=((1, 1, 1), (2, 1, 0), (3, 0, 0), (2, -1, 0), (1, 2, 4)),
    hints=(
        "What the tap answers to grey is the mean of its three weights.",
        "Take the mean away from each weight; square what is left, and sum.",
        "Divide by the sum of the squares of the three weights themselves.",
    ),
    mistakes={
        "That is the share that is grey; you were asked for the rest.": _colourfulness_of_grey,
        "Energy is a sum of squares; yours sums absolute values.": _colourfulness_unsquared,
        "Divide by all of the energy, not by the grey part of it.": _colourfulness_by_grey,
    },
)


def _rows_of_the_corner():
    """Rows in the receptive field of conv5's first unit that lie in the picture, not above it."""
    above, jump = 0, 1
    for record in trace():
        above += (record.padding or 0) * jump
        jump = record.jump
        if record.name == "conv5":
            return record.receptive_field - above
    raise AssertionError("There is no conv5.")


check_corner_of_conv5 = NumberExercise(
    question=(
        "How many rows of the picture lie in the receptive field of the unit in the top left "
        "corner of conv5?"
    ),
    answer=_rows_of_the_corner(),
    hints=(
        "Its receptive field begins above the picture: every padding on the way moves it up.",
        "A padding of 1 at conv3, conv4 and conv5 is 16 pixels each; what is the 2 of conv2?",
        "163 rows, of which 2·8 + 1·16 + 1·16 + 1·16 lie above the picture.",
    ),
    mistakes=(
        (
            layer("conv5").receptive_field,
            "That holds for a unit in the middle. At the corner, part of the field is padding.",
        ),
        (
            layer("conv5").receptive_field - 3 * layer("conv5").jump,
            "The padding of conv2 is missing.",
        ),
        (
            layer("conv5").receptive_field - 5,
            "A zero of padding is as wide as the distance between two units: 8 or 16 pixels.",
        ),
    ),
)

check_finest_wave = NumberExercise(
    question=(
        "Photographs of 32 pixels a side are enlarged to 227. How many periods of the finest wave "
        "in such a photograph fit into the taps of a filter of conv1?"
    ),
    answer=layer("conv1").kernel * 32 / trace()[0].input_shape[0] / 2,
    tolerance=0.01,
    hints=(
        "How many pixels of the small photograph does a filter of 11 taps cover?",
        "It covers 11 · 32 / 227 of them. How many pixels does one period of a wave need?",
        "One period needs two pixels, a bright one and a dark one.",
    ),
    mistakes=(
        (
            layer("conv1").kernel * 32 / trace()[0].input_shape[0],
            "Those are pixels of the small photograph; a period takes two of them.",
        ),
        (
            layer("conv1").kernel / 2,
            "That is what the taps could hold if the photograph had not been enlarged.",
        ),
        (
            2 * trace()[0].input_shape[0] / 32,
            "That is the length of a period after enlarging, in pixels.",
        ),
    ),
)
