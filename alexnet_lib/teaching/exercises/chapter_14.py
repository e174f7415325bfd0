"""Chapter 14, What is it looking at?"""

from ...architecture import slide
from .kinds import FunctionExercise, NumberExercise, layer

check_occlusion_passes = NumberExercise(
    question=(
        "How many covered pictures go through the network for an occlusion map of a 227×227 "
        "picture with a square of 48 pixels and a stride of 8?"
    ),
    answer=slide(227, 48, 8).positions ** 2,
    hints=(
        "Along one side, the square is a sliding window: use the formula of chapter 2.",
        "(227 - 48) / 8 + 1, rounded down; and there are two sides.",
    ),
    mistakes=(
        (slide(227, 48, 8).positions, "That is along one side."),
        (
            (slide(227, 48, 8).positions - 1) ** 2,
            "The + 1 for the first position of the square is missing.",
        ),
        ((227 // 8) ** 2, "The square itself is 48 wide: it has to fit."),
    ),
)


def _cam(activations, gradients):
    """The map of Grad-CAM for units listed position by position."""
    weights = [sum(gradient) / len(gradient) for gradient in gradients]
    return [
        max(0, sum(w * unit[position] for w, unit in zip(weights, activations, strict=True)))
        for position in range(len(activations[0]))
    ]


def _cam_without_relu(activations, gradients):
    weights = [sum(gradient) / len(gradient) for gradient in gradients]
    return [
        sum(w * unit[position] for w, unit in zip(weights, activations, strict=True))
        for position in range(len(activations[0]))
    ]


def _cam_with_sums(activations, gradients):
    return [value * len(activations[0]) for value in _cam(activations, gradients)]


def _gradient_times_activation(activations, gradients):
    pairs = list(zip(activations, gradients, strict=True))
    return [
        max(0, sum(unit[position] * gradient[position] for unit, gradient in pairs))
        for position in range(len(activations[0]))
    ]


def _cam_rectified_too_early(activations, gradients):
    weights = [max(0, sum(gradient) / len(gradient)) for gradient in gradients]
    return [
        sum(w * unit[position] for w, unit in zip(weights, activations, strict=True))
        for position in range(len(activations[0]))
    ]


check_cam = FunctionExercise(
    question=(
        "Write grad_cam(activations, gradients) for two maps, each a list of the values at its "
        "positions. It returns the list of the values of Grad-CAM."
    ),
    solution=_cam,
    cases=(
        ([[1, 2, 0, 4], [0, 1, 3, 0]], [[1, 1, 1, 1], [2, 0, 0, -2]]),
        ([[1, 2, 0, 4], [0, 1, 3, 0]], [[4, 0, 0, 0], [0, 0, 0, -8]]),
        ([[5, 0], [1, 6]], [[2, 2], [-2, -2]]),
    ),
    hints=(
        "One weight for each map: the mean of its gradients over all positions.",
        "At each position: the sum over the maps of weight times activation.",
        "At the end, negative sums become 0.",
    ),
    mistakes={
        "Where the sum is negative, Grad-CAM has 0; yours is negative.": _cam_without_relu,
        "The weight is the mean of the gradients, not their sum.": _cam_with_sums,
        "That is gradient times activation; Grad-CAM first averages the gradients of each map.": (
            _gradient_times_activation
        ),
        "The sum is rectified, not the weights: the weight of a map may be negative.": (
            _cam_rectified_too_early
        ),
    },
)

check_cam_distance = NumberExercise(
    question="How many pixels lie between two neighbouring values of a Grad-CAM map of conv5?",
    answer=layer("conv5").jump,
    hints=(
        "It is the distance between the receptive fields of two neighbouring units of conv5.",
        "Strides multiply: conv1 has 4, pool1 and pool2 have 2 each.",
    ),
    mistakes=(
        (227 / 13, "That is the picture divided by the map; the strides set the distance."),
        (layer("conv5").receptive_field, "That is the size of one unit's receptive field."),
        (layer("pool5").jump, "That is pool5, after one more stride of 2."),
    ),
)
