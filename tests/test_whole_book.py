"""The book in one file, the PDF of `make pdf` and the EPUB of `make epub`, and pages on paper."""

import functools
import re
import zipfile
from io import BytesIO
from pathlib import PurePosixPath
from urllib.parse import unquote, urljoin, urlsplit
from xml.etree import ElementTree

import pytest
import yaml
from bs4 import BeautifulSoup
from conftest import BUILT, ROOT, documents, notebooks
from nbformat import read
from pypdf import PdfReader

FILES = {kind: ROOT / "_build" / f"alexnet-layer-by-layer.{kind}" for kind in ("pdf", "epub")}
ANSWERS = "Answers to the quizzes"


def file_of(kind):
    path = FILES[kind]
    if not path.exists():
        pytest.fail(f"there is no {path.name}: run `make {kind}` first")
    return path


@functools.cache
def page_of(name):
    return BeautifulSoup((BUILT / f"{name}.html").read_text("utf-8"), "html.parser")


def words(element):
    return " ".join(element.get_text().split()).removesuffix("#").strip()


def numbered(name, title):
    """The title of a chapter with its number, which its file begins with."""
    digits = re.match(r"\d+(?=_)", name)
    return f"{int(digits[0])} {title}" if digits else title


def questions():
    """How many questions the quizzes of all chapters have."""
    quizzes = (cell.source for path in notebooks() for cell in read(path, as_version=4).cells)
    return sum(
        len(re.findall(r"^\*\*\d+\.\*\* ", source, re.MULTILINE))
        for source in quizzes
        if ":::{quiz}" in source
    )


# ---- PDF -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pdf():
    return PdfReader(file_of("pdf"))


def entries(outline):
    """The outline as a list of a title, its page from 0, and the entries below it."""
    found = []
    for one in outline:
        if isinstance(one, list):
            found[-1][2].extend(entries(one))
        else:
            found.append((one.title, one, []))
    return found


@pytest.fixture(scope="module")
def chapters(pdf):
    """Title → page from 0 and titles of the sections, of everything that is a page of the book."""
    found = {}
    captions = [
        part["caption"] for part in yaml.safe_load((ROOT / "_toc.yml").read_text())["parts"]
    ]
    for title, place, below in entries(pdf.outline):
        inside = below if title in captions else [(title, place, below)]
        for chapter, where, sections in inside:
            page = pdf.get_destination_page_number(where)
            found[chapter] = (page, [section for section, _, _ in sections])
    return found


def test_outline_has_every_chapter_with_its_sections(chapters):
    expected = {}
    for name in documents()[1:]:
        article = page_of(name).select_one("article")
        sections = [
            words(section.find(re.compile(r"h\d")))
            for section in article.select("section > section")
            if len(section.find_parents("section")) == 1
        ]
        expected[numbered(name, words(article.h1))] = sections
    assert {title: chapters[title][1] for title in expected} == expected
    order = [chapters[title][0] for title in expected]
    assert order == sorted(order)
    assert next(iter(chapters)) == "About this book"
    assert list(chapters)[-1] == ANSWERS


# ---- EPUB ----------------------------------------------------------------------------------------

OPF = "{http://www.idpf.org/2007/opf}"
XHTML = "{http://www.w3.org/1999/xhtml}"


@pytest.fixture(scope="module")
def epub():
    with zipfile.ZipFile(file_of("epub")) as package:
        yield package


@pytest.fixture(scope="module")
def trees(epub):
    """The chapters, as XML: one that is not well-formed is an error here, as in every reader."""
    names = [name for name in epub.namelist() if name.endswith(".xhtml")]
    return {name: ElementTree.fromstring(epub.read(name)) for name in names}


@pytest.fixture(scope="module")
def opf(epub):
    container = ElementTree.fromstring(epub.read("META-INF/container.xml"))
    path = next(tag.get("full-path") for tag in container.iter() if tag.get("full-path"))
    return ElementTree.fromstring(epub.read(path))


def test_epub_says_first_what_it_is(epub):
    first = epub.infolist()[0]
    assert (first.filename, first.compress_type) == ("mimetype", zipfile.ZIP_STORED)
    assert epub.read("mimetype") == b"application/epub+zip"
    assert not first.extra


def test_epub_lists_what_it_holds_and_holds_what_it_lists(epub, opf, trees):
    items = {unquote(item.get("href")): item for item in opf.iter(f"{OPF}item")}
    packaging = {"mimetype", "META-INF/container.xml", "content.opf"}
    assert set(items) == set(epub.namelist()) - packaging
    assert not [name for name in items if name.endswith(".js")]
    for name, tree in trees.items():
        tags = {tag.tag.rpartition("}")[2] for tag in tree.iter()}
        properties = set((items[name].get("properties") or "").split())
        assert ("math" in tags) == ("mathml" in properties), name
        assert ("svg" in tags) == ("svg" in properties), name
        assert not tags & {"script", "form", "input", "button"}, name
    order = [item.get("idref") for item in opf.iter(f"{OPF}itemref")]
    spine = [name for key in order for name, item in items.items() if item.get("id") == key]
    assert [name for name in spine if name != "nav.xhtml"] == [f"{n}.xhtml" for n in documents()]
    metadata = {tag.tag.rpartition("}")[2]: tag.text for tag in opf.find(f"{OPF}metadata")}
    for key in ("title", "creator", "language", "identifier", "publisher", "rights"):
        assert metadata[key], key
    assert metadata["title"] == "AlexNet, Layer by Layer"


def test_links_of_the_epub_lead_somewhere(epub, trees):
    names = set(epub.namelist())
    anchors = {name: {tag.get("id") for tag in tree.iter()} for name, tree in trees.items()}
    for name, tree in trees.items():
        assert len([tag for tag in tree.iter() if tag.get("id")]) == len(anchors[name] - {None}), (
            f"{name}: an anchor stands there twice"
        )
        for tag in tree.iter():
            for target in filter(None, (tag.get("href"), tag.get("src"))):
                parts = urlsplit(target)
                if parts.scheme:
                    assert tag.tag == f"{XHTML}a" or parts.scheme == "data", f"{name}: {target}"
                    continue
                path = str(PurePosixPath(name).parent / unquote(parts.path)) if parts.path else name
                assert path in names, f"{name}: {target}"
                if parts.fragment:
                    assert unquote(parts.fragment) in anchors[path], f"{name}: {target}"


def test_epub_has_pictures_formulas_and_answers(trees):
    answers = 0
    for name in documents():
        tree, page = trees[f"{name}.xhtml"], page_of(name)
        for tag in ("img", "figure"):
            there = len(list(tree.iter(f"{XHTML}{tag}")))
            assert there == len(page.select(f"article {tag}")), f"{name}: {tag}"
        formulas = len(list(tree.iter("{http://www.w3.org/1998/Math/MathML}math")))
        assert formulas == len(page.select("article math")), name
        stills = len(list(tree.iter("{http://www.w3.org/2000/svg}svg")))
        assert stills >= len(page.select("article .explorer > svg")), name
        classes = [tag.get("class") or "" for tag in tree.iter()]
        answers += classes.count("quiz-answers")
    assert answers == questions()
    titles = {" ".join("".join(link.itertext()).split()) for link in trees["nav.xhtml"].iter()}
    for name in documents()[1:]:
        assert words(page_of(name).select_one("article h1")) in titles


# ---- Both, beside the pages ----------------------------------------------------------------------


def test_pages_offer_what_is_there():
    """The pages are built after the files; each lists with its downloads those that it finds."""
    for name in documents():
        hrefs = {link.get("href") for link in page_of(name).select(".dropdown-download-buttons a")}
        for kind in FILES:
            copy = BUILT / f"alexnet-layer-by-layer.{kind}"
            assert (copy.name in hrefs) == copy.exists(), f"{name}: {copy.name}"


# ---- A page on paper -----------------------------------------------------------------------------

SEEN = """() => {
    window.seen = [];
    const colours = (one) => [getComputedStyle(one).color, getComputedStyle(one).backgroundColor];
    addEventListener("beforeprint", () => {
        const article = document.querySelector(".bd-article");
        window.seen = {
            theme: document.documentElement.dataset.theme,
            body: colours(document.body),
            text: colours(article.querySelector("p"))[0],
            filters: [...article.querySelectorAll("img")]
                .map((one) => getComputedStyle(one).filter),
        };
    });
}"""


@pytest.mark.parametrize("page_name", [f"{path.stem}.html" for path in notebooks()])
def test_a_dark_page_is_printed_black_on_white(page_name, chromium, built_book):
    page = chromium.new_page(color_scheme="dark")
    page.goto(urljoin(built_book, page_name), wait_until="load")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.evaluate(SEEN)
    page.emulate_media(media="print", color_scheme="dark")
    printed = PdfReader(BytesIO(page.pdf(prefer_css_page_size=True)))
    seen = page.evaluate("window.seen")
    assert seen["theme"] == "light"
    assert seen["body"] == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    assert seen["text"] == "rgb(0, 0, 0)"
    assert set(seen["filters"]) <= {"none"}
    assert page.evaluate("document.documentElement.dataset.theme") == "dark", "as it was before"
    page.close()
    assert len(printed.pages) >= 5


WHOLE = """() => [...document.querySelectorAll(".bd-article :is(figure, img, svg, canvas)")]
    .filter((one) => one.getBoundingClientRect().height && !one.parentElement.closest("svg"))
    .map((one) => {
        const box = one.getBoundingClientRect();
        let kept = one;
        while (kept && !getComputedStyle(kept).breakInside.startsWith("avoid")) {
            kept = kept.parentElement.closest(".bd-article *");
        }
        const article = one.closest(".bd-article").getBoundingClientRect();
        return [one.outerHTML.slice(0, 80), Boolean(kept), box.height, box.right - article.right];
    })"""


@pytest.mark.parametrize("page_name", [f"{path.stem}.html" for path in notebooks()])
def test_no_chart_is_cut_by_the_end_of_a_sheet_or_leaves_it(page_name, chromium, built_book):
    page = chromium.new_page(viewport={"width": 672, "height": 986})  # what A4 leaves inside
    page.goto(urljoin(built_book, page_name), wait_until="load")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    found = page.evaluate(WHOLE)
    page.close()
    assert found
    for element, whole, height, over in found:
        assert whole, f"may be cut: {element}"
        assert height <= 986, f"{height} px high: {element}"
        assert over <= 1, f"{over} px beyond the text: {element}"
