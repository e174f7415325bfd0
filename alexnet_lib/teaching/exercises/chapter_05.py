"""Chapter 5, Local response normalization."""

from ...architecture import describe
from .kinds import FunctionExercise, NumberExercise, layer

_NORM = next(norm for norm in describe() if norm.name == "norm1")
_LONE = 100


def _lone(activation: float, alpha: float = _NORM.alpha) -> float:
    """The normalized activation of a unit whose neighbours are all 0."""
    return activation / (_NORM.k + alpha * activation**2) ** _NORM.beta


check_lone_unit = NumberExercise(
    question=(
        f"A unit has the activation {_LONE}, and its neighbours are at 0. What comes out of the "
        "paper's normalization (k = 2, α = 1e-4, β = 0.75)?"
    ),
    answer=_lone(_LONE),
    tolerance=0.002,
    hints=(
        "The sum runs over the unit's neighbours and includes the unit itself.",
        "Its square is 10,000; times α that is 1.",
        "100 / 3 ** 0.75.",
    ),
    mistakes=(
        (
            _LONE / _NORM.k**_NORM.beta,
            "You left the unit's own square out of the sum; the unit is part of its neighbourhood.",
        ),
        (
            _LONE / (_NORM.k + _NORM.alpha * _LONE) ** _NORM.beta,
            "You added the activation; the sum is of squares.",
        ),
        (_LONE / (_NORM.k + _NORM.alpha * _LONE**2), "The exponent β is missing."),
        (_lone(_LONE, _NORM.alpha / _NORM.n), "You divided α by n; the paper's formula does not."),
        (_LONE, "It is divided by something, even if no neighbour is active."),
    ),
)

check_turning_point = NumberExercise(
    question=(
        "The neighbours of a unit are all at 0. At which activation is the output of the paper's "
        "normalization largest?"
    ),
    answer=(_NORM.k / (_NORM.alpha * (2 * _NORM.beta - 1))) ** 0.5,
    tolerance=0.01,
    hints=(
        "Set the derivative of a / (k + α·a²) ** β to zero, or draw the curve.",
        "The derivative is zero where k + α·a² = 2·β·α·a².",
        "a² = k / (α · (2·β - 1)).",
    ),
    mistakes=(
        (
            _NORM.k / (_NORM.alpha * (2 * _NORM.beta - 1)),
            "That is the square of the activation.",
        ),
        (
            (_NORM.k / _NORM.alpha) ** 0.5,
            "There k and α·a² are equal; the output is largest beyond that.",
        ),
        (
            _lone((_NORM.k / (_NORM.alpha * (2 * _NORM.beta - 1))) ** 0.5),
            "That is the largest output; the question asks for the input.",
        ),
    ),
)

check_lrn_window = FunctionExercise(
    question=(
        "Write lrn_window(channel, channels, n): the first and the last channel, counted from 0, "
        "that the sum for `channel` runs over, as a pair."
    ),
    solution=lambda channel, channels, n: (
        max(0, channel - n // 2),
        min(channels - 1, channel + n // 2),
    ),
    cases=((50, 96, 5), (0, 96, 5), (1, 96, 5), (95, 96, 5), (94, 96, 5), (1, 3, 5), (10, 16, 3)),
    hints=(
        "n = 5 means two on each side and the channel itself.",
        "There is no channel below 0, and none after channels - 1.",
        "max and min cut the window off at both ends.",
    ),
    mistakes={
        "It runs off the ends: there is no channel below 0, and none after the last.": (
            lambda channel, channels, n: (channel - n // 2, channel + n // 2)
        ),
        "It stops at 0 but runs past the last channel.": (
            lambda channel, channels, n: (max(0, channel - n // 2), channel + n // 2)
        ),
        "Its last channel does not exist: counted from 0, the last one is channels - 1.": (
            lambda channel, channels, n: (
                max(0, channel - n // 2),
                min(channels, channel + n // 2),
            )
        ),
        "n is the whole window; yours has n channels on each side.": (
            lambda channel, channels, n: (max(0, channel - n), min(channels - 1, channel + n))
        ),
        "It wraps around from the last channel to the first; the paper's sum ends there.": (
            lambda channel, channels, n: (
                (channel - n // 2) % channels,
                (channel + n // 2) % channels,
            )
        ),
    },
)

check_divided_alpha = NumberExercise(
    question=(
        "PyTorch's LocalResponseNorm(size=5, alpha=...) divides alpha by size. Which alpha must "
        "you pass to get the paper's formula with α = 1e-4?"
    ),
    answer=_NORM.alpha * _NORM.n,
    tolerance=0.001,
    hints=(
        "The factor of the sum of squares has to be 1e-4 in the end.",
        "alpha / 5 = 1e-4.",
    ),
    mistakes=(
        (_NORM.alpha, "Then the sum of squares is multiplied by 2e-5: five times too little."),
        (
            _NORM.alpha / _NORM.n,
            "PyTorch divides already, and you divided once more. Compensate for its division.",
        ),
    ),
)

_TOWER = layer("conv1").output_shape[-1] // 2

check_seam = NumberExercise(
    question=(
        "In the source of 2012 no sum of norm1 crosses from one tower of 48 channels to the other. "
        "For how many of the 96 channels does that leave out a neighbour?"
    ),
    answer=sum(
        (channel < _TOWER) != (neighbour < _TOWER)
        for channel in range(2 * _TOWER)
        for neighbour in (channel - _NORM.n // 2, channel + _NORM.n // 2)
        if 0 <= neighbour < 2 * _TOWER
    ),
    hints=(
        "The seam lies between channel 47 and channel 48.",
        "Which windows of two on each side reach across?",
        "46 and 47 on one side; and on the other?",
    ),
    mistakes=(
        (2, "Those are the ones next to the seam, but the windows reach over two channels."),
        (5, "That is the length of a window, not the number of windows that are cut."),
        (1, "Windows are cut on both sides of the seam."),
        (8, "At the two outer ends windows are cut in the paper as well; those do not count here."),
        (96, "Most windows lie within their tower."),
    ),
)
