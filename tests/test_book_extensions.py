"""What the book's Sphinx extensions do by themselves, without a book around them."""

import base64
import io
import re
import shutil
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pydata_sphinx_theme
import pytest
from bs4 import BeautifulSoup
from conftest import BOOK, BUILT, documents
from fontTools.ttLib import TTFont
from PIL import Image
from sphinx.errors import ExtensionError

from alexnet_lib.front_end.sample_images import SAMPLE_IMAGES

sys.path.insert(0, str(BOOK / "_ext"))
import book_mathml
import book_search
import book_weight

# ---- The icons -----------------------------------------------------------------------------------

THEME = Path(pydata_sphinx_theme.__file__).parent / "theme" / "pydata_sphinx_theme" / "static"
MAGNIFIER = 0xF002


def icon_fonts(folder, *kinds):
    for kind in kinds:
        shutil.copy(THEME / book_weight.FONTS / f"fa-solid-900.{kind}", folder)
    return folder


def test_an_icon_font_is_cut_to_what_is_shown(tmp_path):
    book_weight.cut_fonts(icon_fonts(tmp_path, "ttf", "woff2"), {MAGNIFIER})
    assert MAGNIFIER in TTFont(tmp_path / "fa-solid-900.woff").getBestCmap()
    assert (tmp_path / "fa-solid-900.woff").stat().st_size < 5_000


def test_icons_that_are_nowhere_stop_the_build(tmp_path):
    """Else they would all vanish without a word, for the fonts that were not cut are removed."""
    with pytest.raises(ExtensionError, match="no font of icons"):
        book_weight.cut_fonts(tmp_path, {MAGNIFIER})


def test_icons_in_woff2_alone_are_read_or_stop_the_build(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "brotli", None)
    monkeypatch.setitem(sys.modules, "brotlicffi", None)
    with pytest.raises(ExtensionError, match=r"fa-solid-900\.woff2.*pip install brotli"):
        book_weight.cut_fonts(icon_fonts(tmp_path, "woff2"), {MAGNIFIER})


@pytest.mark.parametrize(
    "sources",
    [
        'url(../fonts/a.woff2) format("woff2"),url(../fonts/a.ttf) format("truetype")',
        'url(../fonts/a.woff2) format("woff2")',
        "url(../fonts/a.woff2)",
        'url(../fonts/a.ttf) format("truetype")',
    ],
)
def test_style_sheet_leads_to_the_cut_font(sources):
    style = book_weight.keep_used_icons(f"@font-face{{src:{sources}}}", set())
    assert style == '@font-face{src:url(../fonts/a.woff) format("woff")}'


# ---- Style sheets, scripts, pictures -------------------------------------------------------------

RULES = {
    ".a{color:red}": ".a{color:red}",
    ".gone{color:red}": "",
    ".gone,.a .b,p{color:red}": ".a .b,p{color:red}",
    ".a.gone>p{color:red}": "",
    ".a:not(.gone){color:red}": ".a:not(.gone){color:red}",
    ".a:is(.gone,.b){color:red}": ".a:is(.gone,.b){color:red}",
    ".b-2\\.5{color:red}": ".b-2\\.5{color:red}",
    '#gone[data-x=".gone"]{color:red}': '#gone[data-x=".gone"]{color:red}',
    ".bs-tooltip-top{color:red}": ".bs-tooltip-top{color:red}",
    ".made-by-script{color:red}": ".made-by-script{color:red}",
    "@media (width>9px){.gone{color:red}}": "",
    "@media (width>9px){.gone{top:0}.a{top:0}}": "@media (width>9px){.a{top:0}}",
    "@font-face{font-family:gone}": "@font-face{font-family:gone}",
    "@keyframes gone{to{top:0}}": "@keyframes gone{to{top:0}}",
    '@import "gone.css";': '@import "gone.css";',
}


@pytest.mark.parametrize("rule", RULES)
def test_rules_stay_whose_classes_an_element_can_have(rule):
    known = book_weight.known_names(
        ["<p class='b-2.5 b'><i class=\"a\">"], ["p.classList.add('made-by-script')"]
    )
    assert book_weight.keep_used_selectors(f"/* a note */ {rule}", known) == RULES[rule]


@pytest.mark.parametrize(
    ("body", "file", "stays"),
    [
        ('<p class="book-highlights">', "pygments.css", False),
        ('<div class="highlight-ipython3 notranslate">', "pygments.css", True),
        ('<div class="a highlight">', "copybutton.js", True),
        ("<p>a cell</p>", "mystnb.1.css", False),
        ('<div class="cell docutils container">', "mystnb.1.css", True),
        ('<div class="admonition dropdown">', "togglebutton.js", True),
        ("<p>", "book.css", True),
    ],
)
def test_a_page_asks_for_the_files_of_what_is_on_it(body, file, stays):
    context = {"body": body, "script_files": [file], "css_files": [file]}
    book_weight.drop_unused_files(None, "a", "page.html", context, None)
    assert context["script_files"] == context["css_files"] == ([file] if stays else [])


SCRIPTS = {
    "a = 1; // note\n  b = 2;": "a = 1;\nb = 2;",
    "a /* note */ + b": "a + b",
    "return /* a\n note */ b": "return\nb",
    "/*! licence */\n\n\na": "/*! licence */\na",
    "a = 'http://x'; // note": "a = 'http://x'; ",
    "a = /\\/\\/ b/;": "a = /\\/\\/ b/;",
    # One template inside of another, and a text that begins with a space.
    "`a` + `${b ? `, of  // c` : `,`} d\n  e`": "`a` + `${b ? `, of  // c` : `,`} d\n  e`",
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_lose_comments_and_indentation_and_no_text(script):
    assert book_weight.without_comments(script) == SCRIPTS[script]


def test_pictures_inside_of_drawings_become_smaller():
    photograph, small = io.BytesIO(), io.BytesIO()
    Image.fromarray(SAMPLE_IMAGES["cat"].square()).save(photograph, "JPEG", quality=95)
    noise = np.random.default_rng(1).integers(0, 2, (40, 40)).astype(bool)
    Image.fromarray(noise).save(small, "PNG")
    old, kept = (base64.b64encode(file.getvalue()).decode() for file in (photograph, small))
    drawing = (
        f'<svg><image x="1" href="data:image/jpeg;base64,{old}"/>'
        f'<image href="data:image/png;base64,{kept}"/></svg>'
    )
    new = book_weight.with_smaller_pictures(drawing)
    (data,) = re.findall(r'x="1" href="data:image/webp;base64,([^"]+)"', new)
    assert len(data) < 0.8 * len(old)
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))), float)
    before = np.asarray(Image.open(photograph).convert("RGB"), float)
    assert np.abs(pixels - before).mean() < 4
    assert f"data:image/png;base64,{kept}" in new, "WebP would be more"


# ---- The mathematical font -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("letter", "shown"),
    [("A", "𝐴"), ("Z", "𝑍"), ("a", "𝑎"), ("h", "ℎ"), ("z", "𝑧"), ("Ω", "𝛺"), ("α", "𝛼"), ("ω", "𝜔"),
     ("ϵ", "𝜖"), ("∂", "𝜕"), ("7", "7"), ("+", "+")],
)  # fmt: skip
def test_a_variable_of_one_letter_is_shown_in_italics(letter, shown):
    assert book_mathml.italic(letter) == shown
    if shown != letter:  # unicodedata says from which letter a character is made
        assert unicodedata.normalize("NFKC", shown) == unicodedata.normalize("NFKC", letter)


def test_formulas_of_a_page_need_their_characters_and_the_italic_ones(tmp_path):
    page = tmp_path / "page.html"
    page.write_text(
        "β <math><mi>ζ</mi><mo>&lt;</mo><mi mathvariant='normal'>Λ</mi></math>", "utf-8"
    )
    shown = book_mathml.characters_shown([page])
    assert {ord(sign) for sign in "ζ𝜁<Λ"} <= shown
    assert ord(";") in shown, "what explorers may write is always there"
    assert shown <= set(TTFont(book_mathml.FONT).getBestCmap())


# ---- The search ----------------------------------------------------------------------------------

# What may end a British word; and the words that end so and are spelled alike everywhere.
BRITISH = re.compile(
    r"\w+our(s|ed|ing|ful|fulness|hoods?|ites?|able)?|\w+[iy]s(e[ds]?|ing|ers?|ations?)"
    r"|\w*(cent|fib|lit|met|theat)re[ds]?|grey\w*|licences?|judgements?|\w+ell(ed|ing)"
)
SPELLED_ALIKE = {
    *("four", "hour", "hours", "your", "yours"),
    *("advise", "advises", "arise", "arises", "noise", "raise", "raised", "raises"),
    *("rise", "rises", "rising"),
    "kaiser",  # an author
}


def words_of_the_book():
    for name in documents():
        page = BeautifulSoup((BUILT / f"{name}.html").read_text("utf-8"), "html.parser")
        yield from re.findall(r"[a-z]+", page.select_one("article").get_text(" ").lower())


def test_every_british_word_of_the_book_is_found_by_its_american_spelling():
    """A new one fails here: it belongs into the table of book_search.py."""
    words = set(words_of_the_book())
    british = {word for word in words - SPELLED_ALIKE if BRITISH.fullmatch(word)}
    assert {"colour", "neighbours", "centre", "grey"} <= british
    assert not sorted(word for word in british if book_search.american(word) == word)


def test_no_two_words_of_the_book_become_one_but_spellings_of_one_word():
    spelled = {}
    for word in set(words_of_the_book()):
        spelled.setdefault(book_search.american(word), set()).add(word)
    merged = {american: words for american, words in spelled.items() if len(words) > 1}
    for american, words in merged.items():
        assert american in words
        assert len(words) == 2
        (british,) = words - {american}
        assert BRITISH.fullmatch(british)


@pytest.mark.parametrize(
    "pair", [("colours", "colors"), ("normalised", "normalized"), ("centred", "centered"),
             ("greyscale", "grayscale"), ("neighbourhood", "neighborhood"),
             ("visualising", "visualizing"), ("Analyse", "Analyze")],
)  # fmt: skip
def test_two_spellings_have_one_stem(pair):
    language = book_search.BookEnglish({})
    one, other = map(language.stem, pair)
    assert one == other
