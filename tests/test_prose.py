"""Every number in the prose is one that the code beside it holds or printed.

A number that comes from a source and that no code can compute is named in the metadata of its cell
(`"cited_numbers": ["5.1"]`); such a cell has to cite the source.
"""

import re

import nbformat
import pytest
from conftest import notebooks
from test_notebooks import texts

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


def unsupported(notebook) -> list[str]:
    known = in_code(notebook)
    problems = []
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        cited = set(map(float, cell.metadata.get("cited_numbers", [])))
        if cited and not re.search(r"\{cite:|paper", cell.source):
            problems.append(f"{cell.source[:60]!r} has cited numbers but no citation")
        stray = numbers(NOT_NUMBERS.sub(" ", cell.source)) - known - cited
        stray = {number for number in stray if number > SMALL or number % 1}
        if stray:
            problems.append(f"{cell.source[:60]!r}: no code here holds {sorted(stray)}")
    return problems


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_numbers_in_the_prose_come_from_the_code(path):
    assert not unsupported(nbformat.read(path, as_version=4))


def test_a_wrong_number_is_found():
    code = nbformat.v4.new_code_cell("print(60_965_224)")
    right = nbformat.v4.new_markdown_cell("It has 60,965,224 parameters (section 3.2).")
    wrong = nbformat.v4.new_markdown_cell("It has 60,965,225 parameters.")
    assert not unsupported(nbformat.v4.new_notebook(cells=[code, right]))
    assert unsupported(nbformat.v4.new_notebook(cells=[code, wrong]))
