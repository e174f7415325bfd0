"""A search that knows British and American spelling, and looks for numbers.

A reader who types "color" means the book's "colour", and the code's "color" as well. Both become
one word before Sphinx cuts off its ending: in the index when the book is built, and in the reader's
query in the browser, from one table.
"""

import json
import re
from pathlib import Path

from sphinx.search.en import SearchEnglish, js_porter_stemmer

BEGINNINGS = {
    "behaviour": "behavior",
    "cancell": "cancel",
    "centred": "centered",
    "centre": "center",
    "colour": "color",
    "favour": "favor",
    "grey": "gray",
    "judgement": "judgment",
    "labour": "labor",
    "labelled": "labeled",
    "labelling": "labeling",
    "licence": "license",
    "modelled": "modeled",
    "modelling": "modeling",
    "neighbour": "neighbor",
}
"""How a word begins in Britain, and how in America; the first that fits counts."""

ENDING = r"^(\w{4,}[iy])s(e[ds]?|ing|ers?|ations?)$"
"""-ise and -yse. That "promise" becomes "promize" does no harm: so does the reader's."""

STEMMER = """
/* British and American spelling become one (book/_ext/book_search.py). */
const spellings = %(beginnings)s;
const inAmerica = (word) => {
  const [british, american] = spellings.find(([british]) => word.startsWith(british)) ?? ["", ""];
  return (american + word.slice(british.length)).replace(new RegExp(%(ending)s), "$1z$2");
};
const inBritain = (word) =>
  spellings
    .filter(([, american]) => word.startsWith(american))
    .map(([british, american]) => british + word.slice(american.length));
Stemmer = ((Porter) => function () {
  const porter = new Porter();
  this.stemWord = (word) => porter.stemWord(inAmerica(word));
})(Stemmer);
"""

RESULTS = """
/* The lines shown with a result are those with the word, in either spelling. */
Search.makeSearchSummary = ((summary) => (text, words, anchor) =>
  summary(text, [...words].flatMap((word) => [word, ...inBritain(word)]), anchor)
)(Search.makeSearchSummary);

/* So are the names of the code, which no stemmer has seen. */
Search.performObjectSearch = ((find) => (object, words) => {
  const spelt = new Set([object, inAmerica(object), ...inBritain(inAmerica(object))]);
  const others = [...words].filter((word) => word !== object);
  return [...spelt].flatMap((name) => find(name, new Set([name, ...others])));
})(Search.performObjectSearch);
"""

SKIPS_NUMBERS = re.compile(r"\s*\|\|\s*queryTerm\.match\(/\^\\d\+\$/\)")


def american(word):
    """The spelling under which a word is indexed."""
    for british, beginning in BEGINNINGS.items():
        if word.startswith(british):
            word = beginning + word.removeprefix(british)
            break
    return re.sub(ENDING, r"\1z\2", word)


class BookEnglish(SearchEnglish):
    """Sphinx's English with one spelling."""

    js_stemmer_code = js_porter_stemmer + STEMMER % {
        "beginnings": json.dumps(list(BEGINNINGS.items())),
        "ending": json.dumps(ENDING),
    }

    def stem(self, word):
        return super().stem(american(word.lower()))


def mend(script):
    """Let the search look for numbers, which Sphinx indexes, and which its script then skips.

    What it shows of a page is looked for in both spellings.

    Raises:
        ValueError: if the script does not skip them in the form that is known here.
    """
    text, found = SKIPS_NUMBERS.subn("", script.read_text("utf-8"))
    if found != 1:
        raise ValueError(
            f"{script.name}: numbers are skipped in {found} places, not in one"
        )
    script.write_text(text + RESULTS, "utf-8")


def finish(app, exception):
    if not exception and app.builder.name == "html":
        mend(Path(app.outdir) / "_static" / "searchtools.js")


def setup(app):
    app.add_search_language(BookEnglish)
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
