"""The exercises: the solution passes, the stub does not, and every known mistake is named."""

import re

import nbformat
import numpy as np
import pytest
from conftest import notebooks

from alexnet_lib.teaching import exercises

CHECKS = {name: check for name, check in vars(exercises).items() if name.startswith("check_")}
NUMBERS = {n: c for n, c in CHECKS.items() if isinstance(c, exercises.NumberExercise)}
FUNCTIONS = {n: c for n, c in CHECKS.items() if isinstance(c, exercises.FunctionExercise)}


def said(capsys) -> str:
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("name", CHECKS)
def test_the_stub_is_no_answer(name, capsys):
    CHECKS[name](...)
    assert said(capsys).startswith("No answer yet. ")


@pytest.mark.parametrize("name", NUMBERS)
def test_a_right_number_passes_and_its_neighbours_do_not(name, capsys):
    check = NUMBERS[name]
    check(check.answer)
    assert said(capsys).startswith("Right: ")
    check(np.float64(check.answer))
    assert said(capsys).startswith("Right: ")
    for wrong in (check.answer * 1.5, check.answer / 2, -check.answer, 0):
        check(wrong)
        assert "Right" not in said(capsys)


@pytest.mark.parametrize("name", NUMBERS)
def test_each_known_mistake_gets_its_own_sentence(name, capsys):
    check = NUMBERS[name]
    assert len({wrong for wrong, _ in check.mistakes}) == len(check.mistakes)
    for wrong, sentence in check.mistakes:
        check(wrong)
        assert said(capsys).endswith(sentence)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_right_function_passes_and_each_known_mistake_is_named(name, capsys):
    check = FUNCTIONS[name]
    check(check.solution)
    assert said(capsys) == f"Right in all {len(check.cases)} cases."
    for sentence, wrong in check.mistakes.items():
        check(wrong)
        message = said(capsys)
        assert message.startswith("For (")
        assert message.endswith(sentence)


def test_a_function_that_fails_is_told_on_which_case(capsys):
    exercises.check_output_size(lambda size, kernel, stride, padding: size // 0)
    assert re.match(r"For \(227, 11, 4, 0\) your function raised ZeroDivisionError", said(capsys))
    exercises.check_output_size(55)
    assert "without calling it" in said(capsys)
    exercises.check_output_size(lambda size, kernel, stride, padding: None)
    assert said(capsys).startswith("No answer yet")
    exercises.check_output_size(lambda size, kernel, stride, padding: 7)
    assert "gives 7, not 55" in said(capsys)


@pytest.mark.parametrize("answer", ["55", True, [55]])
def test_an_answer_that_is_no_number_is_said_to_be_none(answer, capsys):
    exercises.check_conv2_parameters(answer)
    assert "give one number" in said(capsys)


@pytest.mark.parametrize("name", CHECKS)
def test_hints_come_one_by_one(name, capsys):
    hints = CHECKS[name].hints
    for number, hint in enumerate(hints, start=1):
        CHECKS[name].hint(number)
        assert said(capsys) == f"Hint {number} of {len(hints)}: {hint}"
    with pytest.raises(ValueError, match=rf"hints 1 to {len(hints)}"):
        CHECKS[name].hint(len(hints) + 1)


def test_every_exercise_stands_in_a_chapter_with_stub_and_solution():
    asked, solved = set(), set()
    for path in notebooks():
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type != "code":
                continue
            names = set(re.findall(r"exercises\.(check_\w+)\(", cell.source))
            text = "".join(output.get("text", "") for output in cell.outputs)
            if "hide-cell" in cell.metadata.get("tags", []):
                solved |= names
                assert "No answer" not in text
                assert "Not " not in text
            else:
                asked |= names
    assert asked == solved, "each is asked once, and solved in a cell with the tag hide-cell"
    assert asked == set(CHECKS)
