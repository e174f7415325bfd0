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
    """Rows that the first unit of conv5 sees: its field, less what lies above the picture."""
    above, jump = 0, 1
    for record in trace():
        above += (record.padding or 0) * jump
        jump = record.jump
        if record.name == "conv5":
            return record.receptive_field - above
    raise AssertionError("There is no conv5.")


check_corner_of_conv5 = NumberExercise(
    question="How many rows of the picture does the unit in the top left corner of conv5 see?",
    answer=_rows_of_the_corner(),
    hints=(
        "Its receptive field begins above the picture: every padding on the way moves it up.",
        "A padding of 1 at conv3, conv4 and conv5 is 16 pixels each; what is the 2 of conv2?",
        "163 rows, of which 2·8 + 1·16 + 1·16 + 1·16 lie above the picture.",
    ),
    mistakes=(
        (
            layer("conv5").receptive_field,
            "That is a unit in the middle. At the corner, part of the field is padding.",
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

check_memory_of_patches = NumberExercise(
    question=(
        "How many megabytes (10⁶ bytes) do the nine strongest patches of each of conv5's units "
        "take in float32?"
    ),
    answer=layer("conv5").output_shape[2] * 9 * layer("conv5").receptive_field ** 2 * 3 * 4 / 1e6,
    tolerance=0.01,
    hints=(
        "A patch is as large as the receptive field, and has three colours.",
        "256 units, 9 patches each, 163·163·3 numbers, 4 bytes.",
    ),
    mistakes=(
        (
            layer("conv5").output_shape[2] * 9 * layer("conv5").receptive_field ** 2 * 3 / 1e6,
            "Those are bytes at one byte a number; a float32 takes four.",
        ),
        (
            layer("conv5").output_shape[2] * 9 * layer("conv5").receptive_field ** 2 * 4 / 1e6,
            "A patch has three colours.",
        ),
        (
            layer("conv5").output_shape[2] * layer("conv5").receptive_field ** 2 * 3 * 4 / 1e6,
            "That is one patch a unit.",
        ),
    ),
)
