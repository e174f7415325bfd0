"""Chapter 14, What is it looking at?"""

from ...architecture import slide
from .kinds import FunctionExercise, NumberExercise, layer

check_occlusion_passes = NumberExercise(
    question=(
        "How many covered pictures go through the network for an occlusion map of a 227×227 "
        "picture with a square of 48 pixels in steps of 8?"
    ),
    answer=slide(227, 48, 8).positions ** 2,
    hints=(
        "Along one side, the square is a window that slides: the formula of chapter 2.",
        "(227 - 48) / 8 + 1, rounded down; and there are two sides.",
    ),
    mistakes=(
        (slide(227, 48, 8).positions, "That is along one side."),
        (
            (slide(227, 48, 8).positions - 1) ** 2,
            "The + 1 for the first place of the square is missing.",
        ),
        ((227 // 8) ** 2, "The square itself is 48 wide: it has to fit."),
    ),
)


def _cam(activities, gradients):
    """The map of Grad-CAM for units listed place by place."""
    weights = [sum(gradient) / len(gradient) for gradient in gradients]
    return [
        max(0, sum(w * unit[place] for w, unit in zip(weights, activities, strict=True)))
        for place in range(len(activities[0]))
    ]


def _cam_without_relu(activities, gradients):
    weights = [sum(gradient) / len(gradient) for gradient in gradients]
    return [
        sum(w * unit[place] for w, unit in zip(weights, activities, strict=True))
        for place in range(len(activities[0]))
    ]


def _cam_with_sums(activities, gradients):
    return [value * len(activities[0]) for value in _cam(activities, gradients)]


def _gradient_times_activity(activities, gradients):
    pairs = list(zip(activities, gradients, strict=True))
    return [
        max(0, sum(unit[place] * gradient[place] for unit, gradient in pairs))
        for place in range(len(activities[0]))
    ]


def _cam_rectified_too_early(activities, gradients):
    weights = [max(0, sum(gradient) / len(gradient)) for gradient in gradients]
    return [
        sum(w * unit[place] for w, unit in zip(weights, activities, strict=True))
        for place in range(len(activities[0]))
    ]


check_cam = FunctionExercise(
    question=(
        "Write cam(activities, gradients) for two maps, each a list of its places: the list of the "
        "values of Grad-CAM."
    ),
    solution=_cam,
    cases=(
        ([[1, 2, 0, 4], [0, 1, 3, 0]], [[1, 1, 1, 1], [2, 0, 0, -2]]),
        ([[1, 2, 0, 4], [0, 1, 3, 0]], [[4, 0, 0, 0], [0, 0, 0, -8]]),
        ([[5, 0], [1, 6]], [[2, 2], [-2, -2]]),
    ),
    hints=(
        "One weight for each map: the mean of its gradients over the places.",
        "At each place: the sum over the maps of weight times activity.",
        "At the end, what is negative becomes 0.",
    ),
    mistakes={
        "What speaks against the class counts as 0; yours is negative.": _cam_without_relu,
        "The weight is the mean of the gradients, not their sum.": _cam_with_sums,
        "That is gradient times activity; Grad-CAM first takes the mean of each map's gradients.": (
            _gradient_times_activity
        ),
        "The sum is rectified, not the weights: a map may speak against a place.": (
            _cam_rectified_too_early
        ),
    },
)

check_cam_distance = NumberExercise(
    question="How many pixels lie between two neighbouring values of a Grad-CAM map of conv5?",
    answer=layer("conv5").jump,
    hints=(
        "It is the distance between two units of conv5.",
        "Strides multiply: conv1 has 4, pool1 and pool2 have 2 each.",
    ),
    mistakes=(
        (227 / 13, "That is the picture divided by the map; the units are spaced by the strides."),
        (layer("conv5").receptive_field, "That is how far one unit sees."),
        (layer("pool5").jump, "That is pool5, after one more stride of 2."),
    ),
)
