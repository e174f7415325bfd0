"""Exercises that check themselves.

Each `check_…` takes your answer and says whether it is right; if it is not, it says which mistake
leads there, as far as it knows one. `check_….hint(1)`, `.hint(2)` … help in small steps. The right
answers are computed from the description of the network, here as everywhere.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import isclose, log
from numbers import Integral, Real
from textwrap import fill

from . import architecture
from .architecture import NATIVE_INPUT_SIZE, slide, trace

_HELP = "Call .hint(1) for a hint."


def _say(text: str) -> None:
    """Prints lines that fit beside a page's margin, and on a telephone with little scrolling."""
    print(fill(text, 72))


def _say_hint(hints: Sequence[str], number: int) -> None:
    if not 1 <= number <= len(hints):
        raise ValueError(f"There are hints 1 to {len(hints)}; you asked for hint {number}.")
    _say(f"Hint {number} of {len(hints)}: {hints[number - 1]}")


@dataclass(frozen=True)
class NumberExercise:
    """An exercise whose answer is one number.

    `mistakes` holds pairs of a wrong number and the sentence that says how one gets there.
    """

    question: str
    answer: float
    hints: tuple[str, ...]
    mistakes: tuple[tuple[float, str], ...] = ()
    tolerance: float = 0.0
    """How far off an answer may be, as a share of the right one; 0 asks for the exact number."""

    def __call__(self, answer) -> None:
        """Prints what is right or wrong about `answer`."""
        if answer is Ellipsis or answer is None:
            _say(f"No answer yet. {self.question} {_HELP}")
        elif isinstance(answer, bool) or not isinstance(answer, Real):
            _say(f"Your answer is {answer!r}, a {type(answer).__name__}; give one number.")
        elif isclose(answer, self.answer, rel_tol=self.tolerance):
            _say(f"Right: {self._show(self.answer)}.")
        else:
            for wrong, sentence in self.mistakes:
                if isclose(answer, wrong, rel_tol=self.tolerance):
                    _say(f"Not {self._show(answer)}. {sentence}")
                    return
            direction = "too large" if answer > self.answer else "too small"
            _say(f"{self._show(answer)} is {direction}. {_HELP}")

    def hint(self, number: int = 1) -> None:
        """Prints the `number`-th hint, from 1; each says more than the one before."""
        _say_hint(self.hints, number)

    @staticmethod
    def _show(number: float) -> str:
        return f"{number:,}" if isinstance(number, Integral) else f"{number:,.4g}"


@dataclass(frozen=True)
class FunctionExercise:
    """An exercise whose answer is a function, tried on cases against one known to be right."""

    question: str
    solution: Callable
    cases: tuple[tuple, ...]
    hints: tuple[str, ...]
    mistakes: dict[str, Callable] = field(default_factory=dict)
    """Sentence → a function that makes this mistake."""

    def __call__(self, function) -> None:
        """Prints the first case that `function` gets wrong, and why, or that all are right."""
        if function is Ellipsis or function is None:
            _say(f"No answer yet. {self.question} {_HELP}")
            return
        if not callable(function):
            _say(f"Give the function itself, without calling it; this is {function!r}.")
            return
        for case in self.cases:
            arguments = ", ".join(map(str, case))
            try:
                answer = function(*case)
            except Exception as error:  # whatever a reader's function raises is an answer to it
                _say(f"For ({arguments}) your function raised {type(error).__name__}: {error}")
                return
            expected = self.solution(*case)
            if answer is Ellipsis or answer is None:
                _say(f"No answer yet. {self.question} {_HELP}")
                return
            if answer != expected:
                why = next(
                    (
                        sentence
                        for sentence, wrong in self.mistakes.items()
                        if self._agrees(function, wrong)
                    ),
                    _HELP,
                )
                _say(f"For ({arguments}) your function gives {answer}, not {expected}. {why}")
                return
        _say(f"Right in all {len(self.cases)} cases.")

    def _agrees(self, function: Callable, wrong: Callable) -> bool:
        try:
            return all(function(*case) == wrong(*case) for case in self.cases)
        except Exception:  # a function that fails on some case makes another mistake
            return False

    def hint(self, number: int = 1) -> None:
        """Prints the `number`-th hint, from 1; each says more than the one before."""
        _say_hint(self.hints, number)


def _layer(name: str, size: int = 227, variant: str = "paper") -> architecture.LayerTrace:
    return next(record for record in trace(size, variant) if record.name == name)


# Chapter 1

check_uniform_loss = NumberExercise(
    question="What cross-entropy loss has a network that finds all 1,000 classes equally likely?",
    answer=log(_layer("fc8").units),
    tolerance=0.005,
    hints=(
        "Each class gets the probability 1/1000.",
        "The loss is minus the natural logarithm of the probability of the right class.",
    ),
    mistakes=(
        (3.0, "That is the logarithm to base 10; losses use the natural one."),
        (9.966, "That is the logarithm to base 2; losses use the natural one."),
        (-log(1000), "The sign: the logarithm of a probability is negative, the loss is minus it."),
        (0.001, "That is the probability of a class; the loss is minus its logarithm."),
    ),
)

check_images_seen = NumberExercise(
    question="How many pictures went through the network in 90 passes over 1.2 million pictures?",
    answer=108_000_000,
    hints=("One pass shows every picture once.", "Multiply the two."),
    mistakes=(
        (10_800_000, "A zero is missing: 1.2 million is 1,200,000."),
        (843_750, "That is the number of batches of 128; you were asked for pictures."),
        (108, "In millions, yes. Write out the number."),
    ),
)

check_gpu_memory = NumberExercise(
    question=(
        "How many megabytes (10⁶ bytes) do weights, gradients and momentum of the paper's network "
        "need in float32?"
    ),
    answer=3 * sum(record.parameter_bytes for record in trace()) / 1e6,
    tolerance=0.01,
    hints=(
        "The network has as many gradients as parameters, and as many momenta.",
        "A float32 takes 4 bytes.",
        "3 × 4 bytes × the parameters that the last cell of the section printed.",
    ),
    mistakes=(
        (
            sum(record.parameter_bytes for record in trace()) / 1e6,
            "That is the weights alone; gradients and momentum are as large again, each.",
        ),
        (
            2 * sum(record.parameter_bytes for record in trace()) / 1e6,
            "One of the three is missing: weights, gradients, momentum.",
        ),
        (
            3 * sum(record.parameters for record in trace()) / 1e6,
            "Those are numbers in millions; each takes 4 bytes.",
        ),
    ),
)

# Chapter 2

_SLIDES = (
    (227, 11, 4, 0),
    (224, 11, 4, 0),
    (27, 5, 1, 2),
    (13, 3, 1, 1),
    (55, 3, 2, 0),
    (224, 11, 4, 2),
    (56, 3, 2, 0),
)

check_output_size = FunctionExercise(
    question="Write output_size(size, kernel, stride, padding), rounding down.",
    solution=lambda size, kernel, stride, padding: slide(size, kernel, stride, padding).positions,
    cases=_SLIDES,
    hints=(
        "The first window stands at the left edge. How far is the last one from it at most?",
        "Padding adds to the size at both ends.",
        "In Python, // divides and rounds down.",
    ),
    mistakes={
        "It forgets the padding.": lambda size, kernel, stride, padding: (
            (size - kernel) // stride + 1
        ),
        "Padding comes at both ends; yours counts it once.": lambda size, kernel, stride, padding: (
            (size + padding - kernel) // stride + 1
        ),
        "The + 1 for the first window is missing.": lambda size, kernel, stride, padding: (
            (size + 2 * padding - kernel) // stride
        ),
        "It rounds up: a last step that does not fit is dropped here.": (
            lambda size, kernel, stride, padding: -(-(size + 2 * padding - kernel) // stride) + 1
        ),
        "It gives a fraction; a window stands in a place or does not. Round down with //.": (
            lambda size, kernel, stride, padding: (size + 2 * padding - kernel) / stride + 1
        ),
    },
)

check_flatten_224 = NumberExercise(
    question=(
        "How many numbers enter fc6 when the picture is 224×224, nothing is padded but as in the "
        "paper, and every division rounds down?"
    ),
    answer=_layer("flatten", 224).units,
    hints=(
        "conv1 gives 54, not 55.",
        "Follow 54 through three poolings of 3/2, rounding down each time.",
        "54 → 26 → 12 → 5, and 256 channels.",
    ),
    mistakes=(
        (_layer("flatten").units, "That is the number for 227."),
        (
            _layer("flatten", 224, "caffe").units,
            "You rounded up in a pooling layer, as Caffe does; here every division rounds down.",
        ),
        (5 * 5, "That is one map; there are 256 of them."),
    ),
)

check_pool2_receptive_field = NumberExercise(
    question="How many pixels a side does one unit of pool2 see?",
    answer=_layer("pool2").receptive_field,
    hints=(
        "Each layer adds (kernel - 1) × the distance, in pixels, between two units of its input.",
        "The distance between two units is 4 after conv1, 8 after pool1.",
        "11, then + 2·4, then + 4·8, then + 2·8.",
    ),
    mistakes=(
        (
            11 + 3 + 5 + 3,
            "You added the kernels; a step of one in a deep map is many pixels in the picture.",
        ),
        (_layer("conv2").receptive_field, "That is conv2; pool2 comes after it."),
        (11 * 3 * 5 * 3, "Kernels do not multiply; only strides do."),
    ),
)

check_dense_conv1 = NumberExercise(
    question=(
        "How many weights would conv1 have if each of its 55·55·96 units had weights of its own "
        "for every number of the 227×227×3 picture (no biases)?"
    ),
    answer=_layer("conv1").units * 227 * 227 * 3,
    hints=(
        "Every unit would look at the whole picture.",
        "Multiply the units by the numbers in the picture.",
    ),
    mistakes=(
        (
            _layer("conv1").macs,
            "That is with a window of 11×11×3 for each unit; here each sees all.",
        ),
        (96 * 227 * 227 * 3, "That is one weight set a channel; here every position has its own."),
        (_layer("conv1").units * 227 * 227, "The picture has three colours."),
    ),
)

# Chapter 3

check_conv2_parameters = NumberExercise(
    question="How many parameters has conv2, its biases included?",
    answer=_layer("conv2").parameters,
    hints=(
        "256 filters of 5×5 taps; how many channels does each see?",
        "Each filter sees the 48 channels of its own tower.",
        "256 · (5·5·48 + 1).",
    ),
    mistakes=(
        (
            _layer("conv2", variant="one_tower").parameters,
            "That is without groups: each filter sees 48 channels, not 96.",
        ),
        (_layer("conv2").parameters - 256, "The 256 biases are missing."),
        (_layer("conv2").parameters + 256, "You counted the biases twice."),
        (_layer("conv2").macs, "That is the number of multiplications for one picture."),
    ),
)

check_neurons_conv1 = NumberExercise(
    question="How many neurons has conv1, by its own output shape?",
    answer=_layer("conv1").units,
    hints=("A neuron is one number of the output.", "55 · 55 · 96."),
    mistakes=(
        (253_440, "That is what the paper prints; no shape of this network gives it."),
        (96, "Those are the channels; each has a neuron at every place."),
        (55 * 55, "That is one map; there are 96."),
        (224 * 224 * 3, "Those are the numbers of the input."),
    ),
)

check_batch_activations = NumberExercise(
    question=(
        "How many megabytes (10⁶ bytes) do the outputs of all layers of the table take for a batch "
        "of 128 in float32?"
    ),
    answer=128 * sum(record.activation_bytes for record in trace()) / 1e6,
    tolerance=0.01,
    hints=(
        "Sum the units over all rows of the table, flatten and dropout included.",
        "4 bytes a number, 128 pictures.",
    ),
    mistakes=(
        (sum(record.activation_bytes for record in trace()) / 1e6, "That is one picture."),
        (
            128 * sum(record.units for record in trace()) / 1e6,
            "Those are numbers in millions; each takes 4 bytes.",
        ),
    ),
)

check_halved_fc = NumberExercise(
    question="How many parameters has the whole network if fc6 and fc7 have 2,048 units each?",
    answer=sum(record.parameters for record in trace(fc_units=2048)),
    hints=(
        "Three layers change: fc6, fc7, and fc8, whose input is narrower.",
        "trace(fc_units=2048) knows.",
    ),
    mistakes=(
        (
            sum(record.parameters for record in trace())
            - (_layer("fc6").parameters + _layer("fc7").parameters) // 2,
            "Halving both layers' counts is not enough: fc7 has half the units and half the "
            "inputs, and fc8 has half the inputs.",
        ),
    ),
)

check_original_input = NumberExercise(
    question="What input size was the network of the released source fed with, in pixels a side?",
    answer=NATIVE_INPUT_SIZE["original"],
    hints=("Its windows may hang over the edge.", "alexnet summary --variant original"),
    mistakes=((227, "With windows that may overhang, 227 is not needed."),),
)
