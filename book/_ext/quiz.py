"""Questions that a page can ask without a kernel: the directive `quiz`.

A quiz is written in plain Markdown between `:::{quiz}` and `:::`, so that it also reads well where
no directive is known: JupyterLab, Colab and GitHub show the questions and fold the answers away.

    **1.** How many places has a window of 11 on 227 pixels, in steps of 4?

    1. 54
    2. 55

    <details><summary>Answer</summary>

    1. Wrong. There are 54 steps, and one more place than steps.
    2. Right. 216 pixels of room, 54 steps, 55 places.

    </details>

A question without options asks for a number; its answers name the numbers:

    - 55: Right. ...
    - 54.25 ± 0.01: Wrong. ...
    - anything else: Wrong. ...

On a page each question becomes a form; `quiz.js` answers with the explanation of what was chosen,
and the browser keeps what was chosen for the next visit.
Without JavaScript the explanations stay what they are here, folded under their question.
"""

import re
import shutil
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

logger = logging.getLogger(__name__)

FILES = [Path(__file__).with_name(f"quiz.{kind}") for kind in ("css", "js")]

BLOCK = re.compile(r"^:::\{quiz\}\n(.*?)^:::$", re.MULTILINE | re.DOTALL)
QUESTION = re.compile(r"\*\*(\d+)\.\*\* +(.+)")
ITEM = re.compile(r"(\d+)\. +(.+)")
OPENING = "<details><summary>Answer</summary>"
CLOSING = "</details>"
VERDICT = re.compile(r"(Right|Wrong)\. +(.+)", re.DOTALL)
FIGURES = r"[−-]?[\d.]+(?:,\d{3})*(?:\.\d+)?(?:e-?\d+)?"
NUMBER = re.compile(
    rf"- +(?:(?P<value>{FIGURES})(?: ± (?P<tolerance>{FIGURES}))?|anything else): +(?P<text>.+)"
)
IN_TEXT = {
    "form": "div",
    "fieldset": "div",
    "legend": "p",
    "label": "span",
    "details": "div",
    "summary": "p",
}
NOT_IN_TEXT = {"input", "button", "quiz-number", "quiz-check"}
FEWEST_WORDS = 4  # "Wrong. No." explains nothing


class QuizError(ValueError):
    """A quiz that cannot be read; `line` counts the lines of its block from 0."""

    def __init__(self, line, message):
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class Answer:
    """What is said to one answer.

    `text` begins with "Right." or "Wrong.". `option` is what is chosen, in Markdown; for a number,
    it is None and `value` and `tolerance` say which numbers are meant; None means all others.
    """

    right: bool
    text: str
    line: int
    option: str | None = None
    value: float | None = None
    tolerance: float = 0.0


@dataclass(frozen=True)
class Question:
    """One question in Markdown, with its answers in the order in which they are written."""

    number: int
    text: str
    line: int
    answers: tuple[Answer, ...]

    @property
    def kind(self):
        """`"number"`, or `"one"` or `"several"` of the options are right."""
        if self.answers[0].option is None:
            return "number"
        right = sum(answer.right for answer in self.answers)
        return "one" if right == 1 else "several"


# ---- Reading -------------------------------------------------------------------------------------


def read(source):
    """Return the questions of every quiz in the Markdown of a page or a cell.

    Raises:
        QuizError: as `parse`.
    """
    return [
        question
        for block in BLOCK.findall(source)
        for question in parse(block.splitlines())
    ]


def parse(lines):
    """Read the lines of one quiz.

    Returns:
        A list of `Question`.

    Raises:
        QuizError: at the first line that is not as described above; the message says what was
            expected there.
    """
    starts = [i for i, line in enumerate(lines) if QUESTION.match(line)]
    first = next((i for i, line in enumerate(lines) if line.strip()), 0)
    if not starts or first < starts[0]:
        raise QuizError(
            first,
            "a quiz begins with `**1.** ` and a question; "
            f"found {lines[first] if lines else ''!r}",
        )
    ends = [*starts[1:], len(lines)]
    questions = [
        _question(lines, start, end, number)
        for number, (start, end) in enumerate(
            zip(starts, ends, strict=True), start=1
        )
    ]
    return questions


def _question(lines, start, end, number):
    given, text = QUESTION.match(lines[start]).groups()
    if int(given) != number:
        raise QuizError(
            start,
            f"questions are numbered from 1; expected **{number}.**, found **{given}.**",
        )
    where = f"question {number}"
    opened = _find(lines, OPENING, start, end, where)
    closed = _find(lines, CLOSING, opened, end, where)
    for i in range(closed + 1, end):
        if lines[i].strip():
            raise QuizError(
                i,
                f"{where}: nothing may follow `{CLOSING}` but a blank line and the next question; "
                f"found {lines[i]!r}",
            )
    head = start + 1
    while head < opened and lines[head].strip():
        text += f" {lines[head].strip()}"
        head += 1
    options = _items(lines, head, opened, ITEM, where, "an option, `1. `")
    if options:
        answers = _chosen(lines, opened, closed, options, where)
    else:
        answers = _numbers(lines, opened, closed, where)
    return Question(number, text, start, tuple(answers))


def _find(lines, wanted, start, end, where):
    for i in range(start, end):
        if lines[i].strip() == wanted:
            return i
    raise QuizError(start, f"{where} needs a line `{wanted}`; found none")


def _items(lines, start, end, pattern, where, expected):
    """Return `(line, match, text)` of each item of a list; indented lines continue an item."""
    items = []
    for i in range(start, end):
        line = lines[i]
        if match := pattern.match(line):
            items.append((i, match, [match[match.lastindex]]))
        elif line.startswith("  ") and line.strip() and items:
            items[-1][2].append(line.strip())
        elif line.strip():
            raise QuizError(
                i,
                f"{where}: expected {expected} and a text; found {line!r}",
            )
    return [(i, match, " ".join(parts)) for i, match, parts in items]


def _chosen(lines, opened, closed, options, where):
    said = _items(
        lines,
        opened + 1,
        closed,
        ITEM,
        where,
        "what is said to an option, `1. `",
    )
    if len(options) < 2:
        raise QuizError(
            options[0][0], f"{where} has one option; expected two or more"
        )
    if len(said) != len(options):
        raise QuizError(
            opened,
            f"{where} has {len(options)} options and {len(said)} explanations; each option needs "
            "its own, in the same order",
        )
    for items in (options, said):
        for number, (i, match, _) in enumerate(items, start=1):
            if int(match[1]) != number:
                raise QuizError(
                    i,
                    f"{where}: expected `{number}. `, found `{match[1]}. `",
                )
    answers = [
        Answer(*_verdict(text, i, where), i, option=option)
        for (i, _, text), (_, _, option) in zip(said, options, strict=True)
    ]
    if len({answer.right for answer in answers}) == 1:
        raise QuizError(
            opened,
            f"{where}: all options are {'right' if answers[0].right else 'wrong'}; expected at "
            "least one that is right and one that is wrong",
        )
    return answers


def _numbers(lines, opened, closed, where):
    said = _items(
        lines, opened + 1, closed, NUMBER, where,
        "`- 55: `, `- 54.25 ± 0.01: ` or `- anything else: `",
    )  # fmt: skip
    answers = []
    for i, match, text in said:
        value, tolerance = (
            match[name]
            and float(match[name].replace(",", "").replace("−", "-"))
            for name in ("value", "tolerance")
        )
        answers.append(
            Answer(
                *_verdict(text, i, where),
                i,
                value=value,
                tolerance=tolerance or 0.0,
            )
        )
    _check_numbers(answers, opened, where)
    return answers


def _check_numbers(answers, opened, where):
    if sum(answer.right for answer in answers) != 1:
        raise QuizError(
            opened,
            f"{where} asks for a number; expected one line with the right one, found "
            f"{sum(answer.right for answer in answers)}",
        )
    others = [answer for answer in answers if answer.value is None]
    if len(others) != 1 or others[0] is not answers[-1] or others[0].right:
        raise QuizError(
            answers[-1].line,
            f"{where}: the last line has to be `- anything else: Wrong. ` and a way to the right "
            "number",
        )
    named = sorted(answers[:-1], key=lambda answer: answer.value)
    for low, high in pairwise(named):
        if low.value + low.tolerance >= high.value - high.tolerance:
            raise QuizError(
                max(low.line, high.line),
                f"{where}: {low.value:g} ± {low.tolerance:g} and {high.value:g} ± "
                f"{high.tolerance:g} overlap; a number can have one explanation only",
            )


def _verdict(text, line, where):
    match = VERDICT.match(text)
    if not match:
        raise QuizError(
            line,
            f"{where}: an explanation begins with `Right. ` or `Wrong. `; found {text!r}",
        )
    if len(match[2].split()) < FEWEST_WORDS:
        raise QuizError(
            line,
            f"{where}: say why it is {match[1].lower()}; {match[2]!r} explains nothing",
        )
    return match[1] == "Right", text


# ---- On the page ---------------------------------------------------------------------------------


class tag(nodes.General, nodes.Element):
    """An HTML element that docutils has no node for."""


def element(name, /, *children, **attributes):
    """Make a `tag`; in the names of attributes `_` stands for `-`, True for one without a value."""
    given = {
        key.strip("_").replace("_", "-"): ""
        if value is True
        else str(value)
        for key, value in attributes.items()
    }
    return tag("", *children, name=name, attributes=given)


def visit_tag(translator, node):
    attributes = "".join(
        f' {key}="{escape(value)}"'
        for key, value in node["attributes"].items()
    )
    end = "/" if node["name"] == "input" else ""
    translator.body.append(f"<{node['name']}{attributes}{end}>")


def depart_tag(translator, node):
    if node["name"] != "input":
        translator.body.append(f"</{node['name']}>")


class Quiz(SphinxDirective):
    """Turn the block into one form for each question."""

    has_content = True

    def run(self):
        try:
            questions = parse(list(self.content))
            serial = self.env.new_serialno("quiz")
            forms = [
                self._form(q, f"quiz-{serial}-{q.number}")
                for q in questions
            ]
        except QuizError as error:
            logger.warning(
                "%s", error, location=self._place(error.line), type="quiz"
            )
            return []
        return [element("div", *forms, class_="quiz")]

    def _place(self, line):
        """Name a line of the block as an editor shows it.

        In a notebook MyST-NB counts 10,000 lines for each cell, and one too many in it.
        """
        line += self.lineno + 1 + self.content_offset
        cell, line = divmod(line, 10_000)
        path = self.env.doc2path(self.env.docname)
        return (
            f"{path}:cell {cell}, line {line - 1}"
            if cell
            else f"{path}:{line}"
        )

    def _form(self, question, name):
        if question.kind == "number":
            field = [self._number_field(name)]
        else:
            field = [self._options(question, name)]
        return element(
            "form",
            element("fieldset", self._legend(question), *field),
            element(
                "div",
                # Enabled and shown by the script. Disabled, it also keeps Enter from sending.
                element("button", nodes.Text("Check"), type="submit", disabled=True, hidden=True),
                element("button", nodes.Text("Clear"), type="button", disabled=True, hidden=True),
                element("div", class_="quiz-verdict", id=f"{name}-verdict", role="status"),
                class_="quiz-check",
            ),
            self._answers(question),
            class_="quiz-question",
            data_kind=question.kind,
            autocomplete="off",
        )  # fmt: skip

    def _legend(self, question):
        words = [
            nodes.Text(f"{question.number}. "),
            self._inline(question.text, question),
        ]
        if question.kind == "several":
            words.append(nodes.Text(" Choose all that apply."))
        return element("legend", *words)

    def _options(self, question, name):
        kind = "radio" if question.kind == "one" else "checkbox"

        def option(place, text):
            field = element("input", type=kind, name=name, value=place)
            words = self._inline(text, question)
            return element("li", element("label", field, words))

        return element(
            "ol",
            *(
                option(place, answer.option)
                for place, answer in enumerate(question.answers)
            ),
            class_="quiz-options",
            type="a",
        )

    def _number_field(self, name):
        return element(
            "label",
            nodes.Text("Your number: "),
            element(
                "input",
                type="text",
                inputmode="decimal",
                name=name,
                size=14,
            ),
            class_="quiz-number",
        )

    def _answers(self, question):
        numbers = question.kind == "number"
        return element(
            "details",
            element("summary", nodes.Text(f"Answer {question.number}")),
            element(
                "ul" if numbers else "ol",
                *(self._said(answer) for answer in question.answers),
                **({} if numbers else {"type": "a"}),
            ),
            class_="quiz-answers",
        )

    def _said(self, answer):
        said = element("div", class_="quiz-said")
        self.state.nested_parse(
            StringList([answer.text], "quiz"),
            self.content_offset + answer.line,
            said,
        )
        children, named = [said], {}
        if answer.option is None and answer.value is None:
            children.insert(
                0, element("strong", nodes.Text("anything else"))
            )
        elif answer.option is None:
            children.insert(
                0, element("strong", nodes.Text(f"{answer.value:,.10g}"))
            )
            named = {
                "data_value": repr(answer.value),
                "data_tolerance": answer.tolerance,
            }
        return element(
            "li", *children, data_right=str(answer.right).lower(), **named
        )

    def _inline(self, text, question):
        """Parse the Markdown of one paragraph, for a place where HTML allows no block."""
        parsed = nodes.container()
        self.state.nested_parse(
            StringList([text], "quiz"),
            self.content_offset + question.line,
            parsed,
        )
        if len(parsed) != 1 or not isinstance(parsed[0], nodes.paragraph):
            raise QuizError(
                question.line,
                f"question {question.number}: a question and an option are one paragraph each; "
                f"{text!r} is something else",
            )
        return nodes.inline("", "", *parsed[0].children)


# ---- Sphinx --------------------------------------------------------------------------------------


def as_text(app, doctree, docname):
    """In an EPUB, whose readers may have no forms: the questions, and the answers after the chapter."""
    if app.builder.name != "epub":
        return
    answers = []
    for node in list(doctree.findall(tag)):
        kind, attributes = node["name"], node["attributes"]
        if kind in NOT_IN_TEXT or attributes.get("class") in NOT_IN_TEXT:
            node.parent.remove(node)
            continue
        node["name"] = IN_TEXT.get(kind, kind)
        node["attributes"] = {
            key: value
            for key, value in attributes.items()
            if key in ("class", "type")
        }
        if kind == "details":
            node.parent.remove(node)
            answers.append(node)
    if answers:
        section = nodes.section("", nodes.title("", "Answers"), *answers)
        section["ids"] = ["answers"]
        doctree[0].append(section)


def copy_files(app):
    if app.builder.format == "html":
        folder = Path(app.outdir) / "_static" / "quiz"
        folder.mkdir(parents=True, exist_ok=True)
        for path in FILES:
            shutil.copy(path, folder)


def add_files(app, pagename, templatename, context, doctree):
    if 'class="quiz"' in context.get("body", ""):
        app.add_css_file("quiz/quiz.css")
        app.add_js_file("quiz/quiz.js", loading_method="defer")


def setup(app):
    app.connect("doctree-resolved", as_text)
    app.add_node(tag, html=(visit_tag, depart_tag))
    app.add_directive("quiz", Quiz)
    app.connect("builder-inited", copy_files)
    app.connect("html-page-context", add_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
