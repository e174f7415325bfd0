"""What the theme does not do for this book: ask no other host, name no repository it does not know.

The buttons that need the repository's address appear only where the environment names it:
`BOOK_REPOSITORY_URL` (for example `https://example.org/owner/name`) and `BOOK_REPOSITORY_BRANCH`.
`BOOK_PAGES_URL` is the address that the built book will have. With it, a link to a page is shown
with a picture, and `404.html` works at any depth below it.
"""

import os
import re
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import book_drawings
from docutils import nodes
from markupsafe import Markup

TEMPLATES = Path(__file__).with_name("templates")
COLAB = "https://colab.research.google.com/github"
COLAB_BRANCH = "colab"
"""Where the publishing workflow puts the notebooks that `.ci/colab.py` makes."""

WHOLE_BOOK = {"pdf": "Book, .pdf", "epub": "Book, .epub"}
BOOK_FILE = "alexnet-layer-by-layer"
"""The name that the Makefile gives these files."""

CARD = "card.png"
LONGEST = 200
"""Characters of a page's description; who shows a link cuts longer ones."""


def repository_url():
    return os.environ.get("BOOK_REPOSITORY_URL", "").rstrip("/")


def pages_url():
    """The address of the built book with a slash at its end, or an empty text."""
    url = os.environ.get("BOOK_PAGES_URL", "").rstrip("/")
    return f"{url}/" if url else ""


def colab_url(repository, name):
    """Where Colab opens a published chapter; None where it cannot, which is outside GitHub."""
    match = re.fullmatch(
        r"https://github\.com/([^/]+/[^/]+?)(?:\.git)?/?", repository
    )
    return (
        f"{COLAB}/{match[1]}/blob/{COLAB_BRANCH}/{name}.ipynb"
        if match
        else None
    )


def add_templates(app, config):
    config.templates_path.insert(0, str(TEMPLATES))


def add_repository(app, config):
    url = repository_url()
    if not url:
        return
    options = config.html_theme_options
    options["repository_url"] = url
    options["repository_branch"] = os.environ.get(
        "BOOK_REPOSITORY_BRANCH", "main"
    )
    options["path_to_docs"] = "book"
    options["use_repository_button"] = True


def add_colab_button(app, pagename, templatename, context, doctree):
    """Open a chapter in Colab; the theme's own button knows no branch of published notebooks."""
    source = str(context.get("page_source_suffix"))
    url = colab_url(repository_url(), pagename)
    if source == ".ipynb" and url:
        button = {
            "type": "link",
            "url": url,
            "text": "Colab",
            "tooltip": "Run this chapter in Colab, on a GPU",
            "icon": "fas fa-rocket",
            "label": "colab-button",
        }
        context["header_buttons"].insert(0, button)


def offer_whole_book(app):
    """Put the whole book as PDF and EPUB beside the pages, where the build has made them.

    `make pdf` and `make epub` leave the files beside the folder of the pages. Templates find the
    address, relative to the title page, as `book_pdf` and `book_epub`; there is none without a file.
    """
    if app.builder.name != "html":
        return
    outdir = Path(app.outdir)
    for kind in WHOLE_BOOK:
        file = outdir.parent / f"{BOOK_FILE}.{kind}"
        if file.is_file():
            outdir.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, outdir)
            app.config.html_context[f"book_{kind}"] = file.name


def add_whole_book(app, pagename, templatename, context, doctree):
    """List the whole book with the other downloads of a page."""
    here = context["pathto"]
    links = [
        {
            "type": "link",
            "url": here(context[f"book_{kind}"], 1),
            "text": text,
            "tooltip": f"Download the whole book as {kind.upper()}",
            "icon": "fas fa-book",
            "label": f"download-book-{kind}-button",
        }
        for kind, text in WHOLE_BOOK.items()
        if context.get(f"book_{kind}")
    ]
    groups = [
        button["buttons"]
        for button in context.get("header_buttons", [])
        if button.get("label") == "download-buttons"
    ]
    for buttons in groups:
        buttons.extend(links)


def describe(doctree):
    """The first paragraph of a page, as plain text, cut at a word."""
    paragraph = next(doctree.findall(nodes.paragraph), None)
    text = (
        " ".join(paragraph.astext().split())
        if paragraph is not None
        else ""
    )
    if len(text) > LONGEST:
        text = text[:LONGEST].rsplit(" ", 1)[0] + " …"
    return text


def add_card(app, pagename, templatename, context, doctree):
    """Say what is to be shown beside a link to this page (Open Graph)."""
    title = Markup(context.get("title") or "").striptags()
    card = [
        ("og:site_name", app.config.project),
        ("og:type", "website" if pagename == "index" else "article"),
        ("og:title", title or app.config.project),
    ]
    if doctree is not None and (text := describe(doctree)):
        card += [("description", text), ("og:description", text)]
    if url := pages_url():
        width, height = book_drawings.CARD
        card += [
            ("og:url", f"{url}{pagename}.html"),
            ("og:image", f"{url}_static/{CARD}"),
            ("og:image:width", str(width)),
            ("og:image:height", str(height)),
            ("og:image:alt", "The layers of AlexNet in two towers"),
            ("twitter:card", "summary_large_image"),
        ]
    context["book_card"] = card
    context["book_logo"] = Markup(book_drawings.logo())


def add_missing_page(app):
    if app.builder.name == "html":
        yield "404", {}, "404.html"


RELATIVE = re.compile(
    r'(?P<before>\b(?:href|src|action|data-content_root)=")(?!#|/|[a-z]+:)(?:\./)?'
)


def finish(app, exception):
    """Draw the card; let the links of `404.html` start at the root, wherever it is shown."""
    if exception or app.builder.name != "html":
        return
    outdir = Path(app.outdir)
    (outdir / "_static" / CARD).write_bytes(
        book_drawings.card(app.config.project)
    )
    if pages_url():
        root = urlsplit(pages_url()).path
        page = outdir / "404.html"
        text = RELATIVE.sub(rf"\g<before>{root}", page.read_text("utf-8"))
        page.write_text(text, "utf-8")


def drop_thebe(app, pagename, templatename, context, doctree):
    """Leave out sphinx-thebe, which Jupyter Book always loads.

    It declares the address of a script on another host, twice, which is an error on every page.
    """
    for kind in ("script_files", "css_files"):
        context[kind] = [
            file for file in context[kind] if not _is_thebe(file)
        ]


def _is_thebe(file):
    name = str(getattr(file, "filename", file) or "")
    body = getattr(file, "attributes", {}).get("body") or ""
    return "thebe" in name or "THEBE_JS_URL" in body


def mend_roles(app, pagename, templatename, context, doctree):
    """Correct what docutils and MyST-NB tell screen readers.

    `doc-biblioentry` is deprecated and not allowed inside the list that docutils puts it in; the
    label of a folded cell hides the words that it shows.
    """
    if "body" in context:
        body = context["body"].replace(
            'role="doc-biblioentry"', 'role="listitem"'
        )
        context["body"] = body.replace(
            '<summary aria-label="Toggle hidden content">', "<summary>"
        )


def setup(app):
    app.connect("config-inited", add_templates)
    app.connect("config-inited", add_repository)
    app.connect("html-collect-pages", add_missing_page)
    app.connect("builder-inited", offer_whole_book)
    app.connect(
        "html-page-context", add_whole_book, priority=900
    )  # after the theme has made its list of buttons
    app.connect("html-page-context", add_card)
    app.connect(
        "html-page-context", add_colab_button, priority=900
    )  # after the theme has made its list of buttons
    app.connect("build-finished", finish)
    app.setup_extension("book_search")
    app.setup_extension("book_weight")
    app.connect(
        "html-page-context", drop_thebe, priority=900
    )  # after those that add files
    app.connect("html-page-context", mend_roles)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
