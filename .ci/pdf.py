"""Make one PDF of the book, as `make pdf` does: from its built pages, by Chromium.

The pages are put one after the other into a single file, with title and contents before them and
the answers to the quizzes after them. Chromium prints it. Where the links of the contents lead says
on which page each chapter came out: a second printing writes these numbers into the contents, and
the outline is made of them (Chromium's own repeats the words of headings that go to the next page).

    python .ci/pdf.py FOLDER_OF_THE_PAGES FILE.pdf
"""

import copy
import os
import re
import sys
import tempfile
from html import escape
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml
from bs4 import BeautifulSoup
from playwright.sync_api import sync_playwright
from pypdf import PdfReader, PdfWriter
from pypdf.generic import Fit

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import browser

ROOT = Path(__file__).resolve().parent.parent
STYLE = Path(__file__).with_name("pdf.css")
ABOUT = "About this book"
ANSWERS, ANSWERS_HEADING = "answers-to-the-quizzes", "Answers to the quizzes"
MINUTES = 60_000  # milliseconds, which is what Playwright counts in

# What only a screen can use. Explorers are left as their pictures, which the pages carry.
FOR_SCREENS = (
    "script, .headerlink, .copybtn, .quiz-check, .hide > summary, .toctree-wrapper, .screen-only"
)
UNFOLDED = {"details": "div", "summary": "p"}
STILL = "In the built book this picture can be moved."


# ---- The pages as one ----------------------------------------------------------------------------


def contents() -> tuple[str, list[tuple[str, list[str]]]]:
    """The name of the first page, and each part's caption with the names of its pages."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    parts = [(part["caption"], [c["file"] for c in part["chapters"]]) for part in toc["parts"]]
    return toc["root"], parts


def number(name: str) -> str:
    """The number of a chapter, which its file begins with; other pages have none."""
    digits = re.match(r"(\d+)_", name)
    return str(int(digits[1])) if digits else ""


class Book:
    """All pages in one document, in which every anchor carries the name of its page.

    Args:
        folder: of the built pages.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.first, self.parts = contents()
        self.names = [self.first, *(name for _, names in self.parts for name in names)]
        pages = {name: self._read(name) for name in self.names}
        self.title = pages[self.first].select_one(".logo__title").get_text().strip()
        self.mark = str(pages[self.first].select_one(".book-mark"))
        self.styles = list(
            dict.fromkeys(
                link["href"]
                for page in pages.values()
                for link in page.select("link[rel=stylesheet]")
            )
        )
        self.articles = {name: self._article(name, page) for name, page in pages.items()}
        coloured = re.findall(r"\.highlight \.(\w+) \{", self._style("pygments.css"))
        for article in self.articles.values():
            # A third of the file would be tags of words that look like all others.
            for span in article.select(".highlight span"):
                if not set(span.get("class", [])) & set(coloured):
                    span.unwrap()
        self.answers = {
            name: answers for name in self.names if (answers := self._take_answers(name))
        }
        self.headings = {
            name: " ".join(article.h1.get_text().split()) for name, article in self.articles.items()
        }

    def _style(self, name: str) -> str:
        return (self.folder / "_static" / name).read_text("utf-8")

    def _read(self, name: str) -> BeautifulSoup:
        return BeautifulSoup((self.folder / f"{name}.html").read_text("utf-8"), "html.parser")

    def _article(self, name, page):
        article = page.select_one("article.bd-article")
        for part in article.select(FOR_SCREENS):
            part.decompose()
        for tag in article.find_all(True):
            if tag.get("id"):
                tag["id"] = f"{name}--{tag['id']}"
            for key in [key for key in tag.attrs if key.startswith("data-")]:
                del tag[key]  # the state of an explorer, which is as long as a chapter
            if tag.name in UNFOLDED:
                tag.name = UNFOLDED[tag.name]
            if tag.name == "a" and tag.get("href"):
                self._lead_inside(name, tag)
            if tag.name == "img":
                tag.attrs.pop("loading", None)
        for note in article.select(".explorer-note"):
            note.string = STILL
        for section in article.select("section section"):
            if len(section.find_all(True, recursive=False)) == 1:
                section.decompose()  # a heading without its list of links
        return article

    def _lead_inside(self, name, link):
        """A link to a page of the book becomes one to its place here; others stay, or are plain."""
        parts = urlsplit(link["href"])
        if parts.scheme or parts.netloc:
            return
        page = Path(unquote(parts.path)).stem if parts.path else name
        if page in self.names:
            link["href"] = f"#{page}--{parts.fragment}" if parts.fragment else f"#{page}"
        else:
            link.unwrap()

    def _take_answers(self, name):
        """Take the answers out of a page, for the end of the book; leave a word where they are."""
        article = self.articles[name]
        taken = [answers.extract() for answers in article.select(".quiz-answers")]
        for quiz in article.select(".quiz") if taken else ():
            note = BeautifulSoup(
                f'<p class="quiz-where"><a href="#{ANSWERS}--{name}">The answers</a> stand at the '
                "end of the book.</p>",
                "html.parser",
            )
            quiz.append(note)
        return taken

    def _heading(self, name: str) -> str:
        """The heading of a page with its number, as text."""
        return f"{number(name)} {self.headings[name]}".strip()

    def sections(self, name: str) -> list[tuple[str, str]]:
        """Anchor and heading of each section of a page; of each chapter, where it has answers."""
        if name == ANSWERS:
            return [(f"{ANSWERS}--{name}", self._heading(name)) for name in self.answers]
        return [
            (section["id"], " ".join(section.find(re.compile(r"h\d")).get_text().split()))
            for section in self.articles[name].select("section > section")
            if len(section.find_parents("section")) == 1
        ]

    def outline(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """The parts: a caption, or "", and the anchors and headings of the pages."""
        parts = [
            (caption, [(name, self._heading(name)) for name in names])
            for caption, names in self.parts
        ]
        return [("", [(self.first, ABOUT)]), *parts, ("", [(ANSWERS, ANSWERS_HEADING)])]

    def _contents(self, numbers: dict[str, int]) -> str:
        def lines(anchor, heading):
            sections = " · ".join(
                f'<a href="#{place}">{escape(text)}</a>' for place, text in self.sections(anchor)
            )
            return (
                f'<li><div><a href="#{anchor}">{escape(heading)}</a><span class="pdf-dots"></span>'
                f'<span class="pdf-page">{numbers.get(anchor, "")}</span></div>'
                f'<p class="pdf-sections">{sections}</p></li>'
            )

        parts = "".join(
            f"<h2>{escape(caption)}</h2><ol>{''.join(lines(*page) for page in pages)}</ol>"
            for caption, pages in self.outline()
        )
        return f'<nav class="pdf-contents"><h1>Contents</h1>{parts}</nav>'

    def _page(self, name: str) -> str:
        article = copy.copy(self.articles[name])
        article.h1.insert(0, f"{number(name)} ".lstrip())
        return self._framed(name, article.decode_contents())

    def _answers(self) -> str:
        sections = [
            f'<h2 id="{ANSWERS}--{name}">{escape(self._heading(name))}</h2>'
            + "".join(map(str, answers))
            for name, answers in self.answers.items()
        ]
        return self._framed(ANSWERS, f"<h1>{ANSWERS_HEADING}</h1>{''.join(sections)}")

    def _framed(self, name: str, body: str) -> str:
        return f'<article class="bd-article" id="{name}" style="page: page-{name}">{body}</article>'

    def html(self, numbers: dict[str, int]) -> str:
        """The document.

        Args:
            numbers: for each page of the book, the page of the paper on which it begins, as far as
                known.
        """
        styles = "".join(f'<link rel="stylesheet" href="{style}">' for style in self.styles)
        running = "".join(
            f'@page page-{name} {{ @top-center {{ content: "{heading}"; }} }}\n'
            for name, heading in {**self.headings, ANSWERS: ANSWERS_HEADING}.items()
        )
        return (
            '<!DOCTYPE html><html lang="en" data-theme="light" data-mode="light"><head>'
            f'<meta charset="utf-8"><title>{self.title}</title>{styles}'
            f"<style>{STYLE.read_text('utf-8')}{running}</style></head>"
            '<body><div class="bd-main"><div class="bd-content"><div class="bd-article-container">'
            f'<header class="pdf-title">{self.mark}<p>{self.title}</p></header>'
            f"{self._contents(numbers)}"
            f"{''.join(map(self._page, self.names))}{self._answers()}"
            "</div></div></div></body></html>"
        )


# ---- Printing ------------------------------------------------------------------------------------


def places(pdf: PdfReader) -> dict[str, tuple[int, float]]:
    """Where each anchor that a link leads to came out: on which page, from 0, and how high."""
    return {
        # Chromium writes the names of places as PDF names, of which pypdf keeps the slash.
        name.removeprefix("/"): (pdf.get_destination_page_number(place), float(place.top))
        for name, place in pdf.named_destinations.items()
    }


def with_outline(book: Book, pdf: PdfReader) -> PdfWriter:
    """The PDF with what readers show beside it: parts, chapters, sections."""
    writer = PdfWriter(clone_from=pdf)
    found = places(pdf)

    def add(anchor, heading, parent):
        page, top = found[anchor]
        fit = Fit.xyz(left=0, top=top)
        return writer.add_outline_item(title=heading, page_number=page, parent=parent, fit=fit)

    for caption, pages in book.outline():
        part = add(pages[0][0], caption, None) if caption else None
        for name, heading in pages:
            chapter = add(name, heading, part)
            for section in book.sections(name):
                add(*section, chapter)
    return writer


def printed(tab, book: Book, numbers: dict[str, int], pdf: Path) -> None:
    """Print the book; without numbers only to find them, and without tags, which take a while."""
    handle, file = tempfile.mkstemp(dir=book.folder, suffix=".html")  # beside what it links to
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as page:
            page.write(book.html(numbers))
        tab.goto(Path(file).as_uri(), wait_until="load", timeout=10 * MINUTES)
        tab.evaluate("() => document.fonts.ready")
        tab.pdf(path=pdf, prefer_css_page_size=True, print_background=True, tagged=bool(numbers))
    finally:
        os.unlink(file)


def main(folder: Path, pdf: Path) -> None:
    program = browser.find()
    if program is None:
        sys.exit("A PDF is printed by Chromium or Chrome, and none was found: sh .ci/browser")
    book = Book(folder)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu"]
        )
        tab = chromium.new_page(java_script_enabled=False)
        tab.set_default_timeout(10 * MINUTES)
        numbers: dict[str, int] = {}
        unfinished = pdf.with_suffix(".unfinished")
        for _ in range(3):
            printed(tab, book, numbers, unfinished)
            found = {name: page + 1 for name, (page, _) in places(PdfReader(unfinished)).items()}
            if found == numbers:
                break
            numbers = found
        else:
            sys.exit("The pages move whenever their numbers are written into the contents.")
        chromium.close()
    with_outline(book, PdfReader(unfinished)).write(unfinished)
    os.replace(unfinished, pdf)
    print(f"{pdf}: {len(PdfReader(pdf).pages)} pages, {pdf.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
