"""Chapter 10, Data augmentation."""

from math import sqrt

from .kinds import FunctionExercise, NumberExercise

_POSITIONS = 256 - 227 + 1

check_windows = NumberExercise(
    question=(
        "How many different 227×227 crops does a 256×256 picture have, mirror images included?"
    ),
    answer=2 * _POSITIONS**2,
    hints=(
        "In how many columns can the left edge of the crop be? Count the first and the last.",
        "As many rows; and each window counts twice, as it is and mirrored.",
    ),
    mistakes=(
        (_POSITIONS**2, "Each window counts twice: as it is, and mirrored."),
        (
            2 * (256 - 227) ** 2,
            "From 0 to 29 there are 30 positions: you are one short on each side.",
        ),
        (2 * (256 - 224 + 1) ** 2, "That is for crops of 224."),
        (
            2048,
            "That is the paper's number, for crops of 224, and one position short on each side.",
        ),
        (2 * _POSITIONS, "That is one side; rows and columns are chosen independently."),
    ),
)

check_shown_share = NumberExercise(
    question=(
        "Of the crops of exercise 1, mirror images included, what share can the network have "
        "received after 90 epochs, at most?"
    ),
    answer=90 / (2 * _POSITIONS**2),
    tolerance=0.001,
    hints=(
        "In each epoch the network receives one crop of a picture.",
        "At most 90 different ones, of how many?",
    ),
    mistakes=(
        (90 / _POSITIONS**2, "You left out the mirror images."),
        (90 / 2048, "The number of crops is not the paper's here; see exercise 1."),
        (1.0, "One crop per epoch is far from all of them."),
        (5, "As a share, not in percent: 5 % is 0.05."),
    ),
)

check_colour_shift = NumberExercise(
    question=(
        "The first eigenvalue is 0.2 (pixels from 0 to 1), the α that was drawn is 0.1, and the "
        "first eigenvector's entry for red is 0.58. By how many of 255 levels does red change?"
    ),
    answer=255 * 0.58 * 0.1 * 0.2,
    tolerance=0.01,
    hints=(
        "The shift of a colour is its entry of the eigenvector, times α, times the eigenvalue.",
        "The eigenvalue belongs to pixels from 0 to 1; convert to 255 levels at the end.",
    ),
    mistakes=(
        (0.58 * 0.1 * 0.2, "That is on the scale 0..1; you were asked for levels of 255."),
        (255 * 0.58 * 0.1 * sqrt(0.2), "That is with the standard deviation, √λ; here it is λ."),
        (
            255 * 0.1 * 0.2,
            "That is the length of the whole shift; red's entry in its direction is 0.58.",
        ),
        (255**2 * 0.58 * 0.1 * 0.2, "Multiply by 255 once: λ belongs to pixels from 0 to 1."),
    ),
)


def _corners(size: int, crop: int) -> list[tuple[int, int]]:
    last = size - crop
    return [(0, 0), (0, last), (last, 0), (last, last), (last // 2, last // 2)]


check_five_crops = FunctionExercise(
    question=(
        "Write five_crops(size, crop): the (top, left) corners of the five crops used in testing, "
        "as a list: top left, top right, bottom left, bottom right, centre. Round down."
    ),
    solution=_corners,
    cases=((256, 227), (256, 224), (76, 67), (10, 10), (9, 4)),
    hints=(
        "What is the last position at which a window of `crop` still fits into `size`?",
        "It is size - crop, and the centre crop starts halfway to it.",
    ),
    mistakes={
        "The last window starts at size - crop: the first one starts at 0, not at 1.": (
            lambda size, crop: [
                (0, 0),
                (0, size - crop - 1),
                (size - crop - 1, 0),
                (size - crop - 1, size - crop - 1),
                ((size - crop) // 2, (size - crop) // 2),
            ]
        ),
        "The centre crop starts halfway to the last position, not in the picture's middle.": (
            lambda size, crop: [*_corners(size, crop)[:4], (size // 2, size // 2)]
        ),
        "Top right and bottom left are the wrong way round: the top comes first.": (
            lambda size, crop: [_corners(size, crop)[place] for place in (0, 2, 1, 3, 4)]
        ),
    },
)
