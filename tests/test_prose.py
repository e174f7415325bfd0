"""Every number in the prose is one that the code beside it holds or printed.

A number that comes from a source and that no code can compute is named in the metadata of its cell
(`"cited_numbers": ["5.1"]`); such a cell has to cite the source.

In a quiz the wrong options are mistakes, which no code has to hold. All else there is prose like
any other; what no chapter prints, `quiz_answers.py` computes.

And the prose is English as a native teacher writes it: `STYLE` has the patterns of a translation.
"""

import ast
import re
import sys

import nbformat
import pytest
import quiz_answers
from conftest import BOOK, ROOT, notebooks
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


# Patterns of a translated book, each with a sentence that has it and one that does not. What a
# reader meets as prose is searched: Markdown cells, captions, alternative texts, exercises, pages.
_PER = r"picture|class|epoch|side|unit|map|channel|seed|second|time|step|place|layer"
_LAYER = r"(?:network|layer|filter|unit|kernel|(?:conv|pool|norm|fc)\d`?)"
STYLE = {
    '"per", not "a"': (
        rf"\b(?:once|one|\d+|weights|numbers?|crops|pictures|MACs|short|missing|window)"
        rf" an? (?:{_PER})\b",
        "a line, one a seed",
        "a line, one per seed",
    ),
    "a clause needs its head: if you ..., anyone who ...": (
        r"\b[Ww]hoever\b|(?:^|[.;] )Who \w+s [^?\n]*\.",
        "whoever passes 5 normalizes over 11 channels",
        "if you pass 5, you normalize over 11 channels",
    ),
    'a question has its "do": how many X does Y have?': (
        r"\b[Hh]ow many [\w ×,*`%]+? has (?:an?|the|its?|this|each|[A-Z]\w+)\b",
        "How many parameters has AlexNet?",
        "How many parameters does AlexNet have?",
    ),
    "an infinitive is no subject": (
        r"(?:^|[.:;] )To \w+ [^.,:;?]*\b(?:is|was|takes|means)\b(?!,)",
        "To lay the fine detail over the coarse pictures was tried",
        "To compare two networks, we need some input",
    ),
    "billion, not the long scale": (
        r"\bthousand million\b",
        "0.25 thousand million operations",
        "0.25 billion operations",
    ),
    "layers are no persons": (
        rf"\b{_LAYER}s?`? (?:sees?|says?|notices?|wants?|thinks?|looks?|ha[sd] seen|is shown)\b"
        r"|\b(?:one|Three|Four|Six) sees?\b",
        "the channels that one filter sees",
        "the channels that one filter is connected to",
    ),
    "activation, the glossary's term": (
        r"(?<!big )\bactivit(?:y|ies)\b",  # the paper's own words have big ones
        "MB of activities",
        "MB of activations",
    ),
    "position, the field's term": (
        r"\b(?:at|of|has|have) (?:each|every|one|all|\d+|so many) places?\b|\bplaces? more\b",
        "a window of 3 has 6 places",
        "a window of 3 has 6 positions",
    ),
    "stride, the glossary's term": (
        r"\bin steps of \d",
        "filters of 11×11 in steps of 4",
        "filters of 11×11 with a stride of 4",
    ),
    "training loss or training pictures, not one's own": (
        r"\b(?:its|the) own (?:\d+ )?pictures\b",
        "a third of its own pictures wrong",
        "a third of its training pictures wrong",
    ),
    '"after", not "behind"': (
        r"\bone behind the other\b"
        r"|\b[Bb]ehind (?:`?(?:conv|pool|fc)\d|each\b|the last map|it\b|an? ReLU)",
        "three windows, one behind the other",
        "three windows in a row",
    ),
    '"is nowhere" is no result': (
        r"\bis nowhere\b",
        "A factor of six is nowhere.",
        "We never see the factor of six.",
    ),
    "readers cannot see the notes that the book grew out of": (
        r"\b[Ss]tudy notes\b",
        "The study notes give the formula",
        "The formula is",
    ),
    "a comparison has its verb: can do no more than": (
        r"\bcan no more than\b",
        "eight layers can no more than one",
        "eight linear layers can do no more than one",
    ),
}

PAGES = (
    "README.md",
    *(f"book/{name}.md" for name in ("index", "imagenet", "teaching", "live", "notation")),
)
GLOSSARY = "book/glossary.md"
EXERCISES = ROOT / "alexnet_lib" / "teaching" / "exercises"


def faults_of_style(text: str) -> list[str]:
    """What the rules object to, and where. Code and the addresses of links are left out."""
    prose = re.sub(
        r"```\{?(?:python|sh|code)[^`]*```|\]\([^)]*\)|\{\w+(?::\w+)?\}`[^`<]*`", " ", text
    )
    found = []
    for rule, (pattern, _, _) in STYLE.items():
        for match in re.finditer(pattern, prose, re.MULTILINE):
            around = prose[max(0, match.start() - 40) : match.end() + 20].replace("\n", " ")
            found.append(f"{rule}: ... {around} ...")
    return found


def prose_of(notebook) -> str:
    """What stands in a chapter as prose: cells, captions, alternative texts."""
    parts = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
        shown = cell.metadata.get("mystnb", {})
        parts += [shown.get("figure", {}).get("caption", ""), shown.get("image", {}).get("alt", "")]
    return "\n\n".join(filter(None, parts))


def told_by_exercises(chapter: str) -> str:
    """Questions, hints and what mistakes are told: the texts of a chapter's exercises."""
    tree = ast.parse((EXERCISES / f"chapter_{chapter}.py").read_text("utf-8"))
    return "\n\n".join(
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


@pytest.mark.parametrize("rule", STYLE)
def test_a_rule_of_style_finds_its_fault_and_nothing_else(rule):
    pattern, wrong, right = STYLE[rule]
    assert re.search(pattern, wrong, re.MULTILINE)
    assert not re.search(pattern, right, re.MULTILINE)
    assert not faults_of_style(right)


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_a_chapter_reads_as_a_native_teacher_writes(path):
    assert not faults_of_style(prose_of(nbformat.read(path, as_version=4)))
    assert not faults_of_style(told_by_exercises(path.stem[:2]))


@pytest.mark.parametrize("page", PAGES)
def test_a_page_reads_as_a_native_teacher_writes(page):
    assert not faults_of_style((ROOT / page).read_text("utf-8"))


def test_the_glossary_uses_its_own_terms():
    """The paper's word for an activation stands there once, as a second name."""
    text = (ROOT / GLOSSARY).read_text("utf-8")
    second_name = "\nactivity\n  The output"
    assert second_name in text
    text = text.replace(second_name, "").replace("says activity", "")
    assert not faults_of_style(text)
    # Terms that chapters use without explaining them.
    for term in ("XLA", "checkpoint", "warm-up", "label smoothing", "transformer", "token", "GELU"):
        assert f"\n{term}\n" in text, term


def test_the_glossary_is_in_alphabetical_order():
    entries = (ROOT / GLOSSARY).read_text("utf-8").split("```{glossary}\n")[1].split("\n\n")
    terms = [entry.strip().splitlines()[0].casefold() for entry in entries]
    assert len(terms) > 90
    assert terms == sorted(terms)


def test_every_entry_of_the_bibliography_is_cited():
    keys = re.findall(r"^@\w+\{(\w+),", (BOOK / "references.bib").read_text("utf-8"), re.MULTILINE)
    text = "\n".join(prose_of(nbformat.read(path, as_version=4)) for path in notebooks())
    text += "\n".join(path.read_text("utf-8") for path in BOOK.glob("*.md"))
    cited = ",".join(re.findall(r"\{cite:\w+\}`([^`]+)`", text))
    assert set(keys) - {key.strip() for key in cited.split(",")} == set()
