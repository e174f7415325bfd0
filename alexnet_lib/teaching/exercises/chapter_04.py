"""Chapter 4, ReLU."""

from .kinds import FunctionExercise, NumberExercise

_LAYERS = 8
_STEEPEST = {"sigmoid": 0.25, "tanh": 1.0}

check_sigmoid_bound = NumberExercise(
    question=(
        f"What is the largest factor by which the slopes of {_LAYERS} sigmoids, one after the "
        "other, can multiply a gradient?"
    ),
    answer=_STEEPEST["sigmoid"] ** _LAYERS,
    tolerance=0.01,
    hints=(
        "One sigmoid multiplies the gradient by its slope. How large is that at most?",
        "The slope is s(z) · (1 - s(z)), and s(z) lies between 0 and 1.",
        "The factors of successive layers are multiplied.",
    ),
    mistakes=(
        (_STEEPEST["sigmoid"], "That is one layer; there are eight."),
        (
            _STEEPEST["sigmoid"] * _LAYERS,
            "You added the slopes. By the chain rule they are multiplied.",
        ),
        (
            _STEEPEST["sigmoid"] ** (_LAYERS - 1),
            "One layer is missing: eight sigmoids have eight slopes.",
        ),
        (0.5**_LAYERS, "You took the sigmoid's value at 0; its slope there is half as large."),
        (_STEEPEST["tanh"] ** _LAYERS, "That holds for tanh, whose slope at 0 is 1."),
    ),
)

check_layers_to_a_millionth = NumberExercise(
    question=(
        "How many sigmoids in a row does it take to make sure that their slopes shrink a gradient "
        "to less than a millionth?"
    ),
    answer=10,
    hints=(
        "Each one multiplies by 1/4 at most.",
        "Look for the smallest n with 0.25 ** n < 1e-6.",
        "log(1e-6) / log(0.25) is a little less than the answer.",
    ),
    mistakes=(
        (20, "That is for a slope of 1/2; the sigmoid's is 1/4 at most."),
        (9, "Nine still let through 3.8 millionths."),
        (6, "That would take a slope of 1/10."),
        (250_000, "Slopes are multiplied, not added."),
    ),
)


def _relu_backward(z, upstream):
    return upstream if z > 0 else 0


check_relu_backward = FunctionExercise(
    question=(
        "Write relu_backward(z, upstream): the gradient with respect to the input z of one ReLU, "
        "where upstream is the gradient with respect to its output."
    ),
    solution=_relu_backward,
    cases=((2, 5), (-2, 5), (3, -4), (-3, -4), (0.5, 1), (0, 7), (-1, 0)),
    hints=(
        "The slope is 1 where z is above 0, and 0 where it is below.",
        "The result is slope · upstream. The sign of upstream does not matter.",
        "At exactly 0 there is no slope; TensorFlow takes 0.",
    ),
    mistakes={
        "That is the ReLU's own value; you were asked for the gradient.": (
            lambda z, upstream: max(0, z)
        ),
        "That is the slope; it still has to be multiplied by upstream.": (
            lambda z, upstream: 1 if z > 0 else 0
        ),
        "It sets negative gradients to 0. What counts is the sign of z.": (
            lambda z, upstream: max(0, upstream)
        ),
        "It tests both signs. What counts is the sign of z alone.": (
            lambda z, upstream: upstream if z > 0 and upstream > 0 else 0
        ),
        "It also lets the gradient through at z = 0; TensorFlow does not.": (
            lambda z, upstream: upstream if z >= 0 else 0
        ),
        "It lets everything through. Where z is negative, the ReLU is flat.": (
            lambda z, upstream: upstream
        ),
    },
)

_ACTIVATIONS = (
    ([[1, 0, 2], [3, 0, 0]],),
    ([[0, 0], [0, 0], [0, 0]],),
    ([[5, 0.1, 7]],),
    ([[0, 1, 0, 0], [0, 0, 0, 2]],),
)

check_dead_units = FunctionExercise(
    question=(
        "Write dead_units(activations): how many units are 0 for every picture? "
        "activations[p][u] is the activation of unit u for picture p, 0 or above."
    ),
    solution=lambda activations: sum(not any(unit) for unit in zip(*activations, strict=True)),
    cases=_ACTIVATIONS,
    hints=(
        "A unit is a column: its activations for all pictures.",
        "zip(*activations) gives the columns; any(column) is True if one of its numbers is not 0.",
    ),
    mistakes={
        "It counts zeros. A unit that is 0 for one picture may still work for another.": (
            lambda activations: sum(number == 0 for picture in activations for number in picture)
        ),
        "It counts units that are 0 for some picture; a dead one is 0 for all.": (
            lambda activations: sum(not all(unit) for unit in zip(*activations, strict=True))
        ),
        "It counts pictures. Units are the columns.": (
            lambda activations: sum(not any(picture) for picture in activations)
        ),
        "It counts the units that are not dead.": (
            lambda activations: sum(any(unit) for unit in zip(*activations, strict=True))
        ),
    },
)
