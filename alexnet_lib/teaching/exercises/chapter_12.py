"""Chapter 12, Transfer learning on your own photographs."""

from ...architecture import PAPER
from .kinds import FunctionExercise, NumberExercise, layer

_FC7 = next(record.units for record in PAPER if record.name == "fc7")

check_new_head_parameters = NumberExercise(
    question=(
        "You put a new fc8 for 5 classes on the paper's own fc7. How many parameters does it have, "
        "its biases included?"
    ),
    answer=(_FC7 + 1) * 5,
    hints=(
        "The paper's fc7 has 4,096 units; each class has a weight for each of them.",
        "And one bias per class.",
    ),
    mistakes=(
        (_FC7 * 5, "The 5 biases are missing."),
        (_FC7 * 5 + 1, "Each class has a bias of its own."),
        (layer("fc8").parameters, "That is the old head, for 1,000 classes."),
    ),
)

check_class_weight = FunctionExercise(
    question=(
        "Write class_weight(examples, classes, count): the balanced weight of a class with count "
        "examples, where all classes together have that many examples."
    ),
    solution=lambda examples, classes, count: examples / (classes * count),
    cases=((100, 4, 50), (40, 4, 5), (90, 3, 30), (64, 2, 8), (48, 3, 4)),
    hints=(
        "If all classes had equally many examples, each would have examples / classes of them.",
        "A class with half as many as that gets the weight 2.",
    ),
    mistakes={
        "That is the inverse: rare classes have to count more, not less.": (
            lambda examples, classes, count: classes * count / examples
        ),
        "Without the number of classes, the weights of balanced data are not 1.": (
            lambda examples, classes, count: examples / count
        ),
        "That is the share of the class; its weight grows as the share shrinks.": (
            lambda examples, classes, count: count / examples
        ),
    },
)

check_test_pictures = NumberExercise(
    question=(
        "A model is right on about 80 % of new pictures. On how many test pictures do you have to "
        "measure it, for a 95 % interval of ±5 percentage points? Take 1.96·√(p(1−p)/n)."
    ),
    answer=1.96**2 * 0.8 * 0.2 / 0.05**2,
    tolerance=0.01,
    hints=(
        "Set 1.96·√(p(1−p)/n) equal to 0.05 and solve for n.",
        "n = 1.96²·0.8·0.2 / 0.05².",
    ),
    mistakes=(
        (
            1.96**2 * 0.8 * 0.2 / 0.1**2,
            "That gives an interval of ±10 points; ±5 takes four times as many.",
        ),
        (1.96 * 0.8 * 0.2 / 0.05**2, "The 1.96 stands before the root: square it as well."),
        (0.8 * 0.2 / 0.05**2, "That is one standard deviation, 68 %; for 95 % there is the 1.96."),
        (1.96**2 * 0.8 * 0.2 / 0.05, "The 0.05 has to be squared, too."),
    ),
)
