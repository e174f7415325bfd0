"""The front page: the network in motion, four ways in, every explorer, every chapter.

What stands there comes from what it shows: pictures and titles of the explorers from the chapters'
outputs and the explorers' own sources, the questions from the chapters, the order from `_toc.yml`.
Only the flow cannot be made in a build, because it needs the network:
`python book/_ext/front_page.py` writes `front_page/flow.html`, and a test compares it with Keras.
"""

import html
import inspect
import json
import re
from pathlib import Path

import alexnet_lib.teaching.widgets
from alexnet_lib import files
from alexnet_lib.front_end import bundles
from alexnet_lib.front_end.sample_images import SAMPLE_IMAGES
from book_pages import colab_url, repository_url
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

HERE = Path(__file__).with_name("front_page")
FLOW = HERE / "flow.html"
PICTURE = "coffee"
"""Of `SAMPLE_IMAGES`: what the network is shown in the flow."""
LIVE = "live"
"""The page on which the network looks at a reader's own picture."""

BUTTONS = "<!-- front-buttons -->"
EXPLORER = re.compile(
    r'<div class="explorer" data-explorer="(?P<module>\w+)".*?'
    r"(?P<still><svg .*?</svg>)\n<p class=\"explorer-note\">",
    re.DOTALL,
)
LABEL = re.compile(r'aria-label="([^"]*)"')
TITLE = re.compile(r'title: "([^"]+)"')


def chapters(app):
    """Yield `(caption of the part, its documents)` in the order of `_toc.yml`."""
    for part in app.env.external_site_map.root.subtrees:
        yield part.caption, list(part.items)


def notebook(app, name):
    """The cells of a chapter; None where a page is no notebook."""
    path = Path(app.srcdir) / f"{name}.ipynb"
    if not path.exists():
        return None
    return json.loads(path.read_text("utf-8"))["cells"]


def question(cells):
    """The bold question with which a chapter opens."""
    text = "".join(cells[0]["source"])
    found = re.search(r"^\*\*(.+?)\*\*$", text, re.MULTILINE)
    return found[1] if found else ""


# ---- What the page is made of ----------------------------------------------------------------------


def buttons(app, context):
    """Say which ways in there are: `(text, address, is it the first)`; none without an address."""
    names = [name for _, part in chapters(app) for name in part]
    first = next((name for name in names if notebook(app, name)), None)
    address = context["pathto"]
    ways = [
        ("Start reading", first and address(first)),
        ("Your own picture", address(LIVE) if LIVE in names else None),
        ("Run in Colab", first and colab_url(repository_url(), first)),
        ("PDF", context.get("book_pdf")),
    ]
    return [(text, href) for text, href in ways if href]


def write_buttons(app, pagename, templatename, context, doctree):
    body = context.get("body", "")
    if BUTTONS not in body:
        return
    links = [
        f'<a class="book-button" href="{html.escape(href)}">{text}</a>'
        for text, href in buttons(app, context)
    ]
    context["body"] = body.replace(BUTTONS, "\n".join(links))
    app.add_css_file("front_page.css")


class FrontButtons(SphinxDirective):
    """Four ways into the book. Their addresses are known when the page is written."""

    def run(self):
        element = f'<p class="book-buttons">\n{BUTTONS}\n</p>'
        return [nodes.raw("", element, format="html")]


class FrontFlow(SphinxDirective):
    """The flow, with the pictures and the numbers that were computed for the front page."""

    def run(self):
        self.env.note_dependency(str(FLOW))
        return [nodes.raw("", FLOW.read_text("utf-8"), format="html")]


def explorers(app):
    """Yield the explorers of all chapters, each where it stands first.

    Yields:
        The module's name, the chapter's, the picture as SVG, what the picture says in words.
    """
    seen = set()
    for name in (name for _, part in chapters(app) for name in part):
        for cell in notebook(app, name) or ():
            for output in cell.get("outputs", ()):
                text = "".join(output.get("data", {}).get("text/html", ""))
                found = EXPLORER.search(text)
                if found and found["module"] not in seen:
                    seen.add(found["module"])
                    label = html.unescape(LABEL.search(found["still"])[1])
                    yield found["module"], name, found["still"], label


def described(module):
    """The title of an explorer, from its front end, and the first sentence of what Python says."""
    title = TITLE.search(bundles.source(module))[1]
    for name in alexnet_lib.teaching.widgets.__all__:
        explorer = getattr(alexnet_lib.teaching.widgets, name)
        if explorer._module == module:
            return title, inspect.getdoc(explorer).splitlines()[0]
    raise LookupError(
        f"No explorer of alexnet_lib.teaching.widgets has the module {module!r}."
    )


class ExplorerGallery(SphinxDirective):
    """All explorers with their pictures, each a link to where it stands."""

    def run(self):
        cards = []
        folder = Path(self.env.app.outdir) / "_static" / "gallery"
        html_pages = self.env.app.builder.format == "html"
        suffix = getattr(self.env.app.builder, "out_suffix", ".html")
        if html_pages:
            folder.mkdir(parents=True, exist_ok=True)
        for module, chapter, still, label in explorers(self.env.app):
            title, sentence = described(module)
            if html_pages:
                # Alone in a file, the picture has no page to take its font from.
                alone = still.replace(
                    'font-family="inherit"', 'font-family="sans-serif"'
                )
                (folder / f"{module}.svg").write_text(alone, "utf-8")
            anchor = module.replace("_", "-")
            cards.append(
                f'<li><a href="{chapter}{suffix}#{anchor}">'
                f'<img src="_static/gallery/{module}.svg" loading="lazy" '
                f'alt="{html.escape(label)}"/>'
                f"<strong>{html.escape(title)}</strong></a>"
                f"<span>{html.escape(sentence)}</span></li>"
            )
        element = (
            '<ul class="book-gallery">\n' + "\n".join(cards) + "\n</ul>"
        )
        return [nodes.raw("", element, format="html")]


class ChapterList(SphinxDirective):
    """All pages, part by part; under a chapter the question that it answers."""

    def run(self):
        lines = []
        for caption, names in chapters(self.env.app):
            lines += [f"**{caption}**", ""]
            for name in names:
                cells = notebook(self.env.app, name)
                asked = question(cells) if cells else ""
                lines += [
                    f"- {{doc}}`{name}`"
                    + (f"  \n  {asked}" if asked else "")
                ]
            lines += [""]
        container = nodes.container(classes=["book-chapters"])
        self.content = type(self.content)(lines, source="front_page")
        self.state.nested_parse(
            self.content, self.content_offset, container
        )
        return [container]


def setup(app):
    app.add_directive("front-buttons", FrontButtons)
    app.add_directive("front-flow", FrontFlow)
    app.add_directive("explorer-gallery", ExplorerGallery)
    app.add_directive("chapter-list", ChapterList)
    app.connect("html-page-context", write_buttons, priority=800)
    app.connect("builder-inited", copy_style)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def copy_style(app):
    if app.builder.format == "html":
        static = Path(app.outdir) / "_static"
        static.mkdir(parents=True, exist_ok=True)
        style = HERE / "front_page.css"
        (static / style.name).write_bytes(style.read_bytes())


# ---- The flow of the front page --------------------------------------------------------------------


def flow():
    """The explorer of the front page: one of the book's pictures, in the network that it brings."""
    from alexnet_lib import AlexNet, pretrained
    from alexnet_lib.data.pictures import square_of_array

    picture = square_of_array(SAMPLE_IMAGES[PICTURE].pixels(), 227)
    class_names = pretrained.class_names("pocket")
    return alexnet_lib.teaching.widgets.Flow(
        AlexNet(weights="pocket"),
        {PICTURE: picture},
        class_names,
        density=0.13,
    )


if __name__ == "__main__":
    files.write_text(FLOW, flow().page_html() + "\n")
    print(f"{FLOW.name}: {FLOW.stat().st_size:,} bytes")
