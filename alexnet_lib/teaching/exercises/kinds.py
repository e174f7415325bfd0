"""The kinds of exercise, and what all of them share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import isclose
from numbers import Integral, Real
from textwrap import fill

from ... import architecture
from ...architecture import trace

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


def layer(name: str, size: int = 227, variant: str = "paper") -> architecture.LayerTrace:
    """The record of one layer, from which an exercise computes its answer."""
    return next(record for record in trace(size, variant) if record.name == name)
