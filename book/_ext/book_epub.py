"""The book as an EPUB, by Sphinx's own builder, made to keep to the standard.

Sphinx packs everything that it has: the scripts of pages too, and it does not say in which chapters
formulas and drawings stand, as EPUB 3 asks for. What no chapter refers to is left out here, and the
list of contents is completed. An explorer is its picture; a quiz is text, with the answers at the
end of its chapter.
"""

import re
import zipfile
from importlib.metadata import version
from pathlib import Path
from posixpath import dirname, join, normpath
from urllib.parse import unquote

from alexnet_lib import files
from book_mathml import FONT, FONT_FILE

IDENTIFIER = "alexnet-layer-by-layer"
AUTHORS = "The authors of AlexNet, Layer by Layer"

STATE = re.compile(r' data-(?:explorer|state|measured)="[^"]*"')
NOTE = re.compile(r'(<p class="explorer-note">).*?(</p>)', re.DOTALL)
SCRIPT = re.compile(r"<script\b.*?</script>", re.DOTALL)
FOLDED = re.compile(
    r'<p class="(collapsed|expanded) admonition-title">(.*?)</p>'
)
"""MyST-NB's two names of a folded cell; the standard allows no paragraph where they stand."""
WRITTEN_LATE = re.compile("mystnb|codeautolink")
"""Style sheets that other extensions write after everything has been packed."""
STILL = "In the built book this picture can be moved."

ITEM = re.compile(r'\s*<item id="[^"]*" href="(?P<href>[^"]*)"[^>]*/>')
REFERENCE = re.compile(r'(?:href|src)="([^"#?]+)|url\("?([^")]+)"?\)')
SHOWN_AS = {"mathml": "<math", "svg": "<svg"}
"""Property of a chapter in the list of contents, and the element that asks for it."""


def describe(app, config):
    config.epub_author = config.epub_publisher = AUTHORS
    config.epub_identifier = config.epub_uid = IDENTIFIER
    config.epub_description = (
        "How AlexNet works, in arithmetic, in code and in pictures"
    )
    config.epub_show_urls = "no"
    config.epub_use_index = False  # the book has a glossary
    config.epub_tocscope = (
        "includehidden"  # the front page lists the chapters its own way
    )
    config.version = config.version or version("alexnet-lib")


def begin(app):
    """The whole font: which part of it is needed is known only after the EPUB has been packed."""
    if app.builder.name == "epub":
        app.config.html_domain_indices = False
        static = Path(app.outdir, "_static")
        static.mkdir(parents=True, exist_ok=True)
        (static / FONT_FILE).write_bytes(FONT.read_bytes())


def still(app, pagename, templatename, context, doctree):
    """Leave an explorer its picture; the state that it moves with is as long as the chapter."""
    if app.builder.name == "epub" and "body" in context:
        body = SCRIPT.sub("", STATE.sub("", context["body"]))
        body = FOLDED.sub(
            lambda match: match[2] if match[1] == "collapsed" else "", body
        )
        context["body"] = NOTE.sub(rf"\1{STILL}\2", body)
        context["book_card"] = context["script_files"] = []
        context["css_files"] = [
            file
            for file in context["css_files"]
            if not WRITTEN_LATE.search(str(getattr(file, "filename", file)))
        ]


def references(name, text):
    """The files that one file of the EPUB refers to, by their names in it."""
    for link, address in REFERENCE.findall(text):
        target = unquote(link or address.partition("#")[0])
        if not re.match(r"[a-z]+:", target):
            yield normpath(join(dirname(name), target))


def needed(files):
    """The names of the files that are read, beginning with the chapters.

    Args:
        files: name → contents.
    """
    found = set()
    waiting = [name for name in files if name.endswith((".xhtml", ".ncx"))]
    while waiting:
        name = waiting.pop()
        if name in found or name not in files:
            continue
        found.add(name)
        if name.endswith((".xhtml", ".ncx", ".css")):
            waiting += references(name, files[name].decode("utf-8"))
    return found


def listed(opf, files, keep):
    """The list of contents with what is kept, and with what each chapter shows."""

    def item(match):
        name = unquote(match["href"])
        if name not in keep:
            return ""
        text = (
            files[name].decode("utf-8") if name.endswith(".xhtml") else ""
        )
        shown = [
            kind for kind, element in SHOWN_AS.items() if element in text
        ]
        if not shown:
            return match[0]
        return match[0].replace("/>", f'properties="{" ".join(shown)}"/>')

    return ITEM.sub(item, opf)


def finish(app, exception):
    """Pack the EPUB anew, its type first and uncompressed, as the standard wants it."""
    if exception or app.builder.name != "epub":
        return
    path = Path(app.outdir) / f"{app.config.epub_basename}.epub"
    with zipfile.ZipFile(path) as package:
        members = {name: package.read(name) for name in package.namelist()}
    keep = needed(members)
    opf = members["content.opf"].decode("utf-8")
    members["content.opf"] = listed(opf, members, keep).encode("utf-8")
    keep |= {"mimetype", "META-INF/container.xml", "content.opf"}

    def pack(unfinished):
        with zipfile.ZipFile(
            unfinished, "w", zipfile.ZIP_DEFLATED
        ) as package:
            package.writestr(
                "mimetype", members["mimetype"], zipfile.ZIP_STORED
            )
            for name in sorted(keep - {"mimetype"}):
                package.writestr(name, members[name])

    files.write(path, pack)


def setup(app):
    app.connect("config-inited", describe)
    app.connect("builder-inited", begin)
    app.connect("html-page-context", still, priority=900)
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
