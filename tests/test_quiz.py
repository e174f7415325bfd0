"""The quizzes: what the directive refuses, what the chapters ask, and what a reader gets to see.

The page is one of a small book of its own, opened as a file: a quiz needs no server either.
"""

import re
import shutil
import sys

import nbformat
import nbformat.v4 as nbf
import pytest
import quiz_answers
import yaml
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from conftest import BOOK, ROOT, notebooks
from explorer_pages import jupyter_book
from pages import AXE_OPTIONS, Tab
from playwright.sync_api import expect
from test_pages import THEMES, WIDTHS

sys.path.insert(0, str(BOOK / "_ext"))
import quiz

expect.set_options(timeout=20_000)  # other work on the machine can keep a page waiting

QUIZ = r"""
:::{quiz}
**1.** How many places has a window of 11 on 227 pixels, in steps of 4, by {eq}`eq-places`?

1. 54, or $\lfloor 216 / 4 \rfloor$
2. 55
3. 57

<details><summary>Answer</summary>

1. Wrong. There are 54 steps, and *one more* place than steps.
2. Right. The last window ends at the edge.
3. Wrong. 57 is the side divided by the step.

</details>

**2.** Which of these
has parameters?

1. `conv1`
2. pooling
3. `fc6`

<details><summary>Answer</summary>

1. Right. Its 96 filters are learned.
2. Wrong. A maximum has nothing
   that could be learned.
3. Right. It has the most of all.

</details>

**3.** How many numbers enter `fc6`?

<details><summary>Answer</summary>

- 9,216: Right. They are 6·6·256 numbers.
- 6,400: Wrong. That is with 224 pixels, rounded down.
- 0.25 ± 0.01: Wrong. That is a share, not a number.
- anything else: Wrong. Six places a side, squared, times the maps.

</details>
:::
"""
CHAPTER = f"# A chapter\n\n$$o = i - k$$ (eq-places)\n\n## Quiz\n{QUIZ}"
BROKEN = QUIZ.replace("2. Right. The last", "2. Yes. The last")
LINES = quiz.BLOCK.search(QUIZ)[1].splitlines()


# ---- What is read, and what is refused -----------------------------------------------------------


def test_questions_are_read():
    one, several, number = quiz.read(f"Before.\n{QUIZ}\nAfter.")
    assert [q.kind for q in (one, several, number)] == ["one", "several", "number"]
    assert [a.right for a in one.answers] == [False, True, False]
    assert one.answers[1].option == "55"
    assert one.answers[1].text == "Right. The last window ends at the edge."
    assert several.text == "Which of these has parameters?"
    assert several.answers[1].text == "Wrong. A maximum has nothing that could be learned."
    assert [a.value for a in number.answers] == [9216, 6400, 0.25, None]
    assert [a.tolerance for a in number.answers] == [0, 0, 0.01, 0]
    assert quiz.read("No quiz here.") == []


def test_numbers_are_read_as_they_are_written():
    lines = LINES[LINES.index("**3.** How many numbers enter `fc6`?") :]
    source = "\n".join(lines).replace("**3.**", "**1.**")
    for written, value in (
        ("9,216", 9216),
        ("−2.5", -2.5),
        ("1.2e-3", 0.0012),
        ("60,965,224", 60965224),
    ):
        (question,) = quiz.parse(source.replace("9,216", written).splitlines())
        assert question.answers[0].value == value


@pytest.mark.parametrize(
    ("change", "at", "says"),
    [
        (("**1.** How", "How"), "How many places", "a quiz begins with `**1.** `.*found 'How"),
        (("**2.**", "**4.**"), "**4.**", "expected **2.**, found **4.**"),
        (("1. Wrong. There", "1. No. There"), "1. No.", "begins with `Right. ` or `Wrong. `"),
        (
            ("2. Right. The last window ends at the edge.", "2. Right. Yes."),
            "2. Right. Yes.",
            "say why it is right; 'Yes.' explains nothing",
        ),
        (
            ("3. Wrong. 57 is the side divided by the step.\n", ""),
            "<details>",
            "question 1 has 3 options and 2 explanations",
        ),
        (("3. Wrong. 57", "4. Wrong. 57"), "4. Wrong. 57", "expected `3. `, found `4. `"),
        (("2. 55\n3. 57\n", ""), "1. 54", "question 1 has one option; expected two or more"),
        (("2. Right. The", "2. Wrong. The"), "<details>", "all options are wrong; expected"),
        (
            ("\n</details>\n\n**2.**", "\n**2.**"),
            "<details>",
            "question 1 needs a line `</details>`",
        ),
        (
            ("<details><summary>Answer</summary>\n\n1. Wrong", "1. Wrong"),
            "**1.**",
            "needs a line `<details><summary>Answer</summary>`",
        ),
        (
            ("3. 57\n", "3. 57\n\nor so\n"),
            "or so",
            "expected an option, `1. ` and a text; found 'or so'",
        ),
        (
            ("</details>\n\n**2.**", "</details>\n\nSo it is.\n\n**2.**"),
            "So it is.",
            "nothing may follow `</details>`.*'So it is.'",
        ),
        (
            ("- 6,400: Wrong", "- 6,400: Right"),
            "<details>",
            "expected one line with the right one, found 2",
        ),
        (
            ("- anything else: Wrong", "- 7: Wrong"),
            "- 7: Wrong",
            "the last line has to be `- anything else",
        ),
        (("± 0.01", "± 7000"), "- 0.25", "6400 ± 0 overlap"),
        (
            ("- 6,400:", "- six:"),
            "- six",
            "expected `- 55: `, `- 54.25 ± 0.01: ` or `- anything else: `",
        ),
    ],
)
def test_a_quiz_that_cannot_be_read_says_where_and_what_was_expected(change, at, says):
    source = "\n".join(LINES)
    assert source.count(change[0]) >= 1
    lines = source.replace(*change, 1).splitlines()
    if at == "<details>" and "6,400" in change[0]:
        first = len(lines) - 1 - lines[::-1].index(quiz.OPENING)
    else:
        first = next(i for i, line in enumerate(lines) if line.startswith(at))
    with pytest.raises(quiz.QuizError) as caught:
        quiz.parse(lines)
    parts = [re.escape(part) for part in says.split(".*")]
    assert re.search(".*".join(parts), str(caught.value))
    assert caught.value.line == first


# ---- The chapters' quizzes -----------------------------------------------------------------------


def place_and_quiz(path):
    cells = nbformat.read(path, as_version=4).cells
    places = [i for i, cell in enumerate(cells) if quiz.BLOCK.search(cell.source)]
    assert len(places) == 1, f"{path.name} has {len(places)} quizzes; expected one"
    return cells, places[0], quiz.read(cells[places[0]].source)


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_every_chapter_has_a_quiz_before_its_summary(path):
    cells, place, questions = place_and_quiz(path)
    assert cells[place].source.startswith("## Quiz\n\n:::{quiz}\n"), "its cell begins ## Quiz"
    assert cells[place + 1].source.startswith("## Summary\n"), "the next cell begins ## Summary"
    number = len(questions)
    assert 3 <= number <= 5, f"{number} questions; expected three to five"
    kinds = {question.kind for question in questions}
    assert "number" in kinds, "one question at least is to be computed"
    assert len(kinds) > 1, "all questions are to be computed; expected two kinds at least"
    for question in questions:
        said = [answer.text for answer in question.answers]
        assert len(set(said)) == len(said), f"question {question.number} says the same twice"


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_numbers_that_are_asked_for_are_computed_anew(path):
    for question in place_and_quiz(path)[2]:
        if question.kind == "number":
            key = path.stem[:2], question.number
            assert key in quiz_answers.NUMBERS, f"put {key} into NUMBERS of tests/quiz_answers.py"
            computed = quiz_answers.NUMBERS[key]
            *named, _ = question.answers  # without "anything else"
            assert named[0].right
            assert len(named) == len(computed)
            for answer, expected in zip(named, computed, strict=True):
                allowed = max(answer.tolerance, 1e-9 * abs(expected))
                assert abs(answer.value - expected) <= allowed, (question.number, answer)


def test_no_number_is_computed_for_a_question_that_is_gone():
    asked = {
        (path.stem[:2], question.number)
        for path in notebooks()
        for question in place_and_quiz(path)[2]
        if question.kind == "number"
    }
    assert set(quiz_answers.NUMBERS) == asked


# ---- The page ------------------------------------------------------------------------------------


def notebook(source):
    return nbf.writes(nbf.new_notebook(cells=[nbf.new_markdown_cell(s) for s in source]))


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """A small book with this repository's settings; and what was said while it was built."""
    folder = tmp_path_factory.mktemp("book")
    config = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
    wanted = ("book_mathml", "book_pages", "quiz")
    config["sphinx"]["local_extensions"] = dict.fromkeys(wanted, "book/_ext")
    (folder / "_config.yml").write_text(yaml.safe_dump(config), "utf-8")
    chapters = "".join(f"  - file: {name}\n" for name in ("chapter", "broken", "broken_page"))
    (folder / "_toc.yml").write_text(f"format: jb-book\nroot: index\nchapters:\n{chapters}")
    for part in ("_ext", "_static"):
        shutil.copytree(BOOK / part, folder / "book" / part)
    shutil.copy(BOOK / "references.bib", folder / "book")
    pages = {
        "index.md": "# A book\n",
        "chapter.ipynb": notebook([CHAPTER]),
        "broken.ipynb": notebook(["# Broken\n\nA first cell.", f"## Quiz\n{BROKEN}"]),
        "broken_page.md": f"# Broken\n{BROKEN}",
    }
    for name, text in pages.items():
        (folder / "book" / name).write_text(text, "utf-8")
    said = jupyter_book(folder, "-q")
    return folder / "_build" / "html", re.sub(r"\x1b\[[\d;]*m", "", said)


def test_errors_name_the_file_and_the_line(book):
    warnings = [line for line in book[1].splitlines() if "WARNING" in line]
    expected = "question 1: an explanation begins with `Right. ` or `Wrong. `; found 'Yes. The last"
    in_cell = BROKEN.splitlines().index("2. Yes. The last window ends at the edge.") + 2
    assert len(warnings) == 2, book[1]
    assert f"broken.ipynb:cell 2, line {in_cell}: WARNING: {expected}" in warnings[0]
    assert f"broken_page.md:{in_cell}: WARNING: {expected}" in warnings[1]


@pytest.fixture
def opened(book, chromium):
    """Open the chapter as a file; a tab for each call."""
    tabs = []

    def open_chapter(width=1280, theme="light"):
        tab = Tab(chromium, width, theme)
        tabs.append(tab)
        tab.open((book[0] / "chapter.html").as_uri())
        return tab

    yield open_chapter
    for tab in tabs:
        assert not tab.complaints
        tab.context.close()


def question(page, number):
    return page.locator("form.quiz-question").nth(number - 1)


def said(page, number):
    return question(page, number).get_by_role("status")


def focused(page):
    """Type, value and text of what has the focus."""
    return page.evaluate(
        "(({ type, value, innerText }) => [type, value, innerText].map(String))"
        "(document.activeElement)"
    )


def test_one_right_option_by_keyboard_alone(opened):
    page = opened().page
    question(page, 1).locator("input").first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    assert focused(page)[::2] == ["submit", "Check"]
    page.keyboard.press("Enter")
    expect(said(page, 1)).to_have_text("Wrong. There are 54 steps, and one more place than steps.")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowDown")
    expect(said(page, 1)).to_be_empty()  # it belonged to the other option
    page.keyboard.press("Enter")  # as in any form
    expect(said(page, 1)).to_have_text("Right. The last window ends at the edge.")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert focused(page)[::2] == ["button", "Clear"]
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # the folded answers
    expect(question(page, 1).get_by_text("57 is the side divided by the step.")).to_be_visible()


def test_several_right_options_by_keyboard_alone(opened):
    page = opened().page
    question(page, 2).locator("input").first.focus()
    for key in ("Space", "Tab", "Space", "Tab", "Tab", "Enter"):
        page.keyboard.press(key)
    expect(said(page, 2)).to_have_text(
        re.compile(
            r"Not yet. Decided wrongly: 2 of 3.\s*"
            r"Chosen: pooling Wrong. A maximum has nothing that could be learned.\s*"
            r"Not chosen: fc6 Right. It has the most of all."
        )
    )
    for key in ("Shift+Tab", "Space", "Shift+Tab", "Space", "Enter"):
        page.keyboard.press(key)
    expect(said(page, 2)).to_contain_text("Right, all 3 of them.")


def test_a_number_by_keyboard_alone(opened):
    page = opened().page
    for typed, answer in {
        "9216": "Right.",
        "9,216": "Right.",
        " 9 216 ": "Right.",
        "9.216e3": "Right.",
        "9.216·10^3": "Right.",
        "6400": "Wrong. That is with 224 pixels",
        "0,25": "Wrong. That is a share",
        "25 %": "Wrong. That is a share",
        "0.2401": "Wrong. That is a share",
        "0.2399": "Wrong. Six places a side",
        "−6400": "Wrong. Six places a side",
        "nine": "“nine” is not a number.",
        " ": "Write a number first.",
    }.items():
        question(page, 3).locator("input").focus()
        page.keyboard.press("Control+A")
        page.keyboard.type(typed)
        expect(said(page, 3)).to_be_empty()
        page.keyboard.press("Enter")
        expect(said(page, 3)).to_contain_text(answer)
        assert focused(page)[0] == "text"


def test_nothing_chosen_is_no_answer(opened):
    page = opened().page
    question(page, 1).get_by_role("button", name="Check").press("Enter")
    expect(said(page, 1)).to_have_text("Choose an answer first.")


def answer_all(page):
    question(page, 1).locator("input").first.check()
    question(page, 2).locator("input").first.check()
    question(page, 3).locator("input").fill("9216")
    for number in (1, 3):
        question(page, number).get_by_role("button", name="Check").click()


def test_answers_survive_a_reload_and_can_be_cleared(opened):
    page = opened().page
    answer_all(page)
    page.reload()
    assert question(page, 1).locator("input").first.is_checked()
    expect(said(page, 1)).to_contain_text("Wrong. There are 54 steps")
    assert question(page, 2).locator("input").first.is_checked()
    expect(said(page, 2)).to_be_empty()  # it was not checked
    assert question(page, 3).locator("input").input_value() == "9216"
    expect(said(page, 3)).to_have_text("Right. They are 6·6·256 numbers.")
    for number in (1, 2, 3):
        clear = question(page, number).get_by_role("button", name="Clear")
        clear.click()
        expect(clear).to_be_hidden()
        expect(said(page, number)).to_be_empty()
    page.reload()
    assert not page.locator(".quiz input:checked").count()
    assert page.locator(".quiz-number input").input_value() == ""
    assert not page.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('quiz:'))")


def test_an_answer_is_not_given_to_a_question_that_was_changed(opened):
    page = opened().page
    answer_all(page)
    page.evaluate("""() => {
        const place = `quiz:${location.pathname}`;
        const kept = localStorage.getItem(place);
        localStorage.setItem(place, kept.replace("in steps of 4", "in steps of 5"));
    }""")
    page.reload()
    assert not question(page, 1).locator("input:checked").count()
    assert question(page, 2).locator("input:checked").count() == 1


@pytest.mark.parametrize("kept", ["null", "17", '{"a": 1}', "no JSON", None])
def test_a_quiz_works_whatever_the_browser_has_kept(kept, book, chromium):
    """None: the browser keeps nothing and says so by an error."""
    tab = Tab(chromium, 1280, "light")
    if kept is None:
        tab.page.add_init_script(
            "Object.defineProperty(window, 'localStorage', { get() { throw new Error('no'); } })"
        )
    page = tab.open((book[0] / "chapter.html").as_uri())
    if kept is not None:
        page.evaluate("kept => localStorage.setItem(`quiz:${location.pathname}`, kept)", kept)
        page.reload()
    answer_all(page)
    expect(said(page, 3)).to_have_text("Right. They are 6·6·256 numbers.")
    # Without storage the theme's own scripts have something to say.
    assert not [said for said in tab.complaints if "quiz" in said]
    tab.context.close()


def test_screen_readers_get_question_options_and_verdict(opened):
    page = opened().page
    group = page.get_by_role("group", name=re.compile(r"^1\. How many places"))
    expect(group.get_by_role("radio")).to_have_count(3)
    expect(group.get_by_role("radio", name="55")).to_have_count(1)
    expect(
        page.get_by_role("group", name=re.compile(r"^2\..*Choose all that apply\.$"))
    ).to_have_count(1)
    expect(page.get_by_role("textbox", name="Your number")).to_have_count(1)
    # The place that speaks is there before it has anything to say, else nothing is announced.
    for number in (1, 2, 3):
        expect(said(page, number)).to_have_count(1)
        expect(said(page, number)).to_be_empty()


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_an_answered_quiz_fits_and_is_accessible(width, theme, opened):
    page = opened(width, theme).page
    question(page, 1).locator("input").first.check()
    question(page, 2).locator("input").first.check()
    question(page, 3).locator("input").fill("9216")
    for number in (1, 2, 3):
        question(page, number).get_by_role("button", name="Check").click()
        question(page, number).locator("summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    violations = Axe().run(page, options=AXE_OPTIONS).response["violations"]
    assert not [(v["id"], [n["html"][:200] for n in v["nodes"]]) for v in violations]
    heights = page.locator(".quiz button, .quiz-options label").evaluate_all(
        "all => all.map((one) => one.getBoundingClientRect().height)"
    )
    assert min(heights) >= 24  # WCAG 2.2, size of targets


def test_without_javascript_questions_are_read_and_answers_unfold(book, chromium):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((book[0] / "chapter.html").as_uri())
    first = question(page, 1)
    expect(first.get_by_text("How many places has a window")).to_be_visible()
    expect(first.get_by_text("55", exact=True)).to_be_visible()
    expect(page.locator(".quiz button").first).to_be_hidden()  # it could not answer
    explanation = first.get_by_text("57 is the side divided by the step.")
    expect(explanation).to_be_hidden()
    first.locator("summary").press("Enter")
    expect(explanation).to_be_visible()
    number = page.locator(".quiz-number input")
    assert number.evaluate("(one) => getComputedStyle(one).borderTopStyle") == "solid"
    address = page.url
    number.fill("55")
    number.press("Enter")
    assert page.url == address  # nothing is sent anywhere
    context.close()


@pytest.mark.parametrize("scripts", [True, False])
def test_on_paper_all_questions_come_before_all_answers(scripts, book, chromium):
    context = chromium.new_context(java_script_enabled=scripts)
    page = context.new_page()
    page.goto((book[0] / "chapter.html").as_uri())
    page.emulate_media(media="print")
    places = {
        kind: [box.bounding_box() for box in page.locator(kind).all()]
        for kind in (".quiz fieldset", ".quiz-answers", ".quiz-said")
    }
    last_question = max(box["y"] + box["height"] for box in places[".quiz fieldset"])
    assert min(box["y"] for box in places[".quiz-answers"]) >= last_question
    assert all(box["height"] > 0 for box in places[".quiz-said"])  # unfolded
    expect(page.locator(".quiz-check").first).to_be_hidden()
    context.close()


def test_printing_leaves_the_page_as_it_was(opened):
    page = opened().page
    opened_answers = page.locator(".quiz-answers[open]")
    question(page, 2).locator("summary").click()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(opened_answers).to_have_count(3)
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(opened_answers).to_have_count(1)


def test_search_finds_a_question_and_pages_without_quiz_load_nothing(book):
    index = (book[0] / "searchindex.js").read_text("utf-8")
    assert '"learn' in index or "learn:" in index
    page = BeautifulSoup((book[0] / "index.html").read_text("utf-8"), "html.parser")
    assert not page.select('[src*="quiz"], [href*="quiz/"]')
    page = BeautifulSoup((book[0] / "chapter.html").read_text("utf-8"), "html.parser")
    assert page.select('script[src*="quiz/quiz.js"]')
    assert page.select('link[href*="quiz/quiz.css"]')
    assert page.select_one("legend .math, legend math, legend a")  # the reference was resolved


def test_where_no_directive_is_known_the_answers_are_folded():
    """As JupyterLab, Colab and GitHub read it: CommonMark, with HTML let through."""
    from markdown_it import MarkdownIt

    page = BeautifulSoup(MarkdownIt("commonmark").render(QUIZ), "html.parser")
    assert len(page.select("details")) == 3
    for folded in page.select("details"):
        assert folded.summary.string == "Answer"
        assert len(folded.select("li")) >= 3
        folded.extract()
    shown = page.get_text()
    assert "Right." not in shown
    assert "Wrong." not in shown
    assert [item.get_text() for item in page.select("ol li")][1:3] == ["55", "57"]
