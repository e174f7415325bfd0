"""Every number in the prose is one that the code beside it holds or printed.

A number that comes from a source and that no code can compute is named in the metadata of its cell
(`"cited_numbers": ["5.1"]`); such a cell has to cite the source.

In a quiz the wrong options are mistakes, which no code has to hold. All else there is prose like
any other; what no chapter prints, `quiz_answers.py` computes.
"""

import re
import sys

import nbformat
import pytest
import quiz_answers
from conftest import BOOK, notebooks
from test_notebooks import texts

sys.path.insert(0, str(BOOK / "_ext"))
import quiz

SMALL = 12  # "five layers", "3×3": small whole numbers are words, not measurements

NOT_NUMBERS = re.compile(
    r"```\{(?:math|code)[^`]*```"  # formulas and listings
    r"|\$[^$]*\$"
    r"|`[^`]*`"
    r"|\{\w+(?::\w+)?\}`[^`]*`"  # roles: citations, references
    r"|\]\([^)]*\)"  # addresses of links
    r"|\b[Ss]ections? \d(?:\.\d)?(?:(?:,| to| and) \d(?:\.\d)?)*"
    r"|\b(?:figure|table|equation|ILSVRC-?) ?\d+"
    r"|\b(?:19|20)\d\d\b"  # years
    r"|\b(?:GTX|float|conv|norm|pool|fc|drop|relu|chapter|Chapter|mapnorm)[ -]?\d+"
    r"|\*\*\d+\.\*\*"  # the number of an exercise
)
NUMBER = re.compile(r"\d+(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?")


def numbers(text: str) -> set[float]:
    return {float(match.replace(",", "")) for match in NUMBER.findall(text)}


def in_code(notebook) -> set[float]:
    found = set()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            found |= numbers(cell.source.replace("_", ""))
            found |= numbers("\n".join(texts(cell)))
    return found


def claims(source: str, computed: set[float]):
    """Pieces of a cell's prose, each with the numbers that it may hold though no code here does.

    The explanation of a wrong option may repeat that option.
    """
    yield quiz.BLOCK.sub("", source), set()
    for question in quiz.read(source):
        yield question.text, computed
        for answer in question.answers:
            named = answer.option or (f"{answer.value:,.10g}" if answer.value is not None else "")
            if answer.right:
                # A right number is compared with what was computed, in test_quiz.py.
                yield f"{answer.option or ''} {answer.text}", computed
            else:
                yield answer.text, computed | numbers(named)


def unsupported(notebook, computed: set[float] = frozenset()) -> list[str]:
    known = in_code(notebook)
    problems = []
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        cited = set(map(float, cell.metadata.get("cited_numbers", [])))
        if cited and not re.search(r"\{cite:|paper", cell.source):
            problems.append(f"{cell.source[:60]!r} has cited numbers but no citation")
        for text, allowed in claims(cell.source, computed):
            stray = numbers(NOT_NUMBERS.sub(" ", text)) - known - cited - allowed
            stray = {number for number in stray if number > SMALL or number % 1}
            if stray:
                problems.append(f"{text[:60]!r}: no code here holds {sorted(stray)}")
    return problems


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_numbers_in_the_prose_come_from_the_code(path):
    computed = quiz_answers.computed(path.stem[:2])
    assert not unsupported(nbformat.read(path, as_version=4), computed)


def test_a_wrong_number_is_found():
    code = nbformat.v4.new_code_cell("print(60_965_224)")
    right = nbformat.v4.new_markdown_cell("It has 60,965,224 parameters (section 3.2).")
    wrong = nbformat.v4.new_markdown_cell("It has 60,965,225 parameters.")
    assert not unsupported(nbformat.v4.new_notebook(cells=[code, right]))
    assert unsupported(nbformat.v4.new_notebook(cells=[code, wrong]))


QUIZ = """
:::{quiz}
**1.** How many parameters has the network?

1. 60,965,224
2. 60,965,225

<details><summary>Answer</summary>

1. Right. The description says so: 60,965,224.
2. Wrong. Not 60,965,225: you counted one bias twice.

</details>
:::
"""


def test_a_wrong_number_of_a_quiz_is_found():
    code = nbformat.v4.new_code_cell("print(60_965_224)")

    def stray(quiz_source):
        quiz_cell = nbformat.v4.new_markdown_cell(quiz_source)
        return unsupported(nbformat.v4.new_notebook(cells=[code, quiz_cell]))

    assert not stray(QUIZ)
    for claim, error in (
        ("1. 60,965,224", "1. 60,965,226"),
        ("says so: 60,965,224", "says so: 60,965,226"),
        ("Not 60,965,225", "Not 60,965,226"),
        ("has the network", "have 77 networks"),
    ):
        assert stray(QUIZ.replace(claim, error)), error
