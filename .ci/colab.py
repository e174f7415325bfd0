"""Make the notebooks that Colab opens, as `make colab` does, into `_build/colab`.

A published notebook is a committed chapter with one cell in front, which fetches the publisher's
repository and installs the library from it, and with its text in what Colab understands: plain
Markdown instead of MyST. Outputs are left out. They would answer each *Predict first* before the
reader has predicted; the saved state of a widget belongs to a kernel that is gone, and Colab shows
an empty box for it; and they are nineteen twentieths of the size, pushed anew on every publication.

The repository's address is what the environment says, as for the pages: `BOOK_REPOSITORY_URL`, and
`BOOK_PAGES_URL` for links to the glossary and the like.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
import yaml
from pybtex.database import parse_file

sys.path.insert(0, str(Path(__file__).parents[1] / "book" / "_ext"))
from book_pages import colab_url

ROOT = Path(__file__).resolve().parent.parent
BOOK = ROOT / "book"
SETUP = Path(__file__).with_name("colab_setup.py")
FENCE = re.compile(
    r"^(?P<fence>`{3,})\{admonition\} (?P<title>.*)\n(?::class: (?P<classes>.*)\n)?"
    r"(?P<body>(?:.*\n)*?)(?P=fence)[ \t]*$",
    re.MULTILINE,
)
QUIZ = re.compile(r"^:::\{quiz\}\n(?P<body>(?:.*\n)*?):::[ \t]*$", re.MULTILINE)
EQUATION = re.compile(r"\$\$(?P<latex>[^$]+)\$\$ \((?P<label>eq-[\w-]+)\)")
ROLE = re.compile(
    r"\{(?P<role>[\w:]+)\}`(?:(?P<text>[^`<]+?)\s*<(?P<of>[^`>]+)>|(?P<target>[^`]+))`"
)


class Book:
    """What the text of one chapter refers to in others: titles, numbers of figures, sources.

    Args:
        repository: the address of the repository.
        pages: the address of the built book, or "" where it is not known.
    """

    def __init__(self, repository: str, pages: str = ""):
        self.repository, self.pages = repository, pages and pages.rstrip("/") + "/"
        self.chapters = {path.stem: nbformat.read(path, as_version=4) for path in chapters()}
        self.sources = parse_file(str(BOOK / "references.bib"), bib_format="bibtex").entries
        self.figures, self.equations = {}, {}
        for name, notebook in self.chapters.items():
            for cell in notebook.cells:
                self._number(name, cell)

    def _number(self, chapter, cell) -> None:
        """Counts as the pages do: through the whole book, figures that have a caption."""
        figure = cell.metadata.get("mystnb", {}).get("figure", {})
        if "caption" in figure:
            if "name" not in figure:
                raise ValueError(f"{chapter}: the figure {figure['caption']!r} needs a name")
            self.figures[figure["name"]] = len(self.figures) + 1
        for match in EQUATION.finditer(cell.source if cell.cell_type == "markdown" else ""):
            self.equations[match["label"]] = len(self.equations) + 1

    def title(self, name: str) -> str:
        if name in self.chapters:
            text = "\n".join(cell.source for cell in self.chapters[name].cells)
        else:
            text = (BOOK / f"{name}.md").read_text("utf-8")
        return re.search(r"^# (.+)$", text, re.MULTILINE)[1]

    def link(self, name: str, text: str) -> str:
        """Link to another page of the book: in Colab where it is a chapter, else to the pages."""
        url = colab_url(self.repository, name) if name in self.chapters else None
        url = url or (self.pages and f"{self.pages}{name}.html")
        return f"[{text}]({url})" if url else f"*{text}*"

    def cite(self, keys: str, in_text: bool) -> str:
        """Cite by author and year, as the pages do."""
        labels = []
        for key in map(str.strip, keys.split(",")):
            entry = self.sources[key]
            people = entry.persons["author"]
            names = [" ".join([*p.prelast_names, *p.last_names]).strip("{}") for p in people]
            authors = f"{names[0]} et al." if len(names) > 2 else " and ".join(names)
            year = entry.fields["year"]
            labels.append(f"{authors} ({year})" if in_text else f"{authors}, {year}")
        return ", ".join(labels) if in_text else f"({'; '.join(labels)})"


def chapters() -> list[Path]:
    """The notebooks in the order of the table of contents."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    files = [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    return [path for name in files if (path := BOOK / f"{name}.ipynb").exists()]


# ---- From MyST to plain Markdown -----------------------------------------------------------------


def plain(text: str, book: Book) -> str:
    """Rewrite admonitions, numbered equations and roles; a quiz is questions and folded answers.

    Raises:
        ValueError: if a role is not foreseen here; the message names it.
        KeyError: if a figure, an equation or a source is not in the book.
    """
    text = QUIZ.sub(lambda match: match["body"].strip("\n"), FENCE.sub(_admonition, text))
    text = EQUATION.sub(lambda m: rf"$${m['latex']} \tag{{{book.equations[m['label']]}}}$$", text)
    return ROLE.sub(lambda match: _role(match, book), text)


def _admonition(match) -> str:
    title, body = match["title"], match["body"].strip("\n")
    if "dropdown" in (match["classes"] or ""):
        return f"<details><summary><b>{title}</b></summary>\n\n{body}\n\n</details>"
    quoted = "\n".join(f"> {line}".rstrip() for line in body.split("\n"))
    return f"> **{title}**\n>\n{quoted}"


def _role(match, book: Book) -> str:
    role, target, text = match["role"], match["of"] or match["target"], match["text"]
    if role == "doc":
        return book.link(target, text or book.title(target))
    if role == "term":
        return text or target
    if role == "numref":
        return f"Fig. {book.figures[target]}"
    if role == "eq":
        if target not in book.equations:
            raise ValueError(f"{match[0]}: no such equation; their labels begin with eq-")
        return f"({book.equations[target]})"
    if role in ("cite:p", "cite:t"):
        return book.cite(target, in_text=role == "cite:t")
    raise ValueError(f"{match[0]}: Colab's text has no form for the role {role!r}; add one here")


# ---- From a chapter to a published notebook ------------------------------------------------------


def setup_cell(repository: str, commit: str):
    """The first cell: `.ci/colab_setup.py` with the publisher's address in it."""
    source = SETUP.read_text("utf-8").partition('"""\n\n')[2]
    for name, value in (("REPOSITORY", repository), ("COMMIT", commit)):
        source, found = re.subn(
            rf'^{name} = ""$', f"{name} = {value!r}", source, flags=re.MULTILINE
        )
        if found != 1:
            raise ValueError(f'{SETUP.name} needs one line `{name} = ""`; found {found}')
    cell = nbformat.v4.new_code_cell(source.strip(), metadata={"cellView": "form"})
    cell["id"] = "colab-setup"
    return cell


def _published_cells(cell, book: Book):
    """A cell without outputs and MyST; after one that draws a figure, its number and caption."""
    metadata = {}
    if cell.cell_type == "markdown":
        new = nbformat.v4.new_markdown_cell(plain(cell.source, book), metadata=metadata)
    else:
        source = cell.source
        if "hide-cell" in cell.metadata.get("tags", []):
            metadata["cellView"] = "form"
            source = f'# @title Solutions {{ display-mode: "form" }}\n{source}'
        new = nbformat.v4.new_code_cell(source, metadata=metadata)
    new["id"] = cell["id"]
    yield new
    figure = cell.metadata.get("mystnb", {}).get("figure", {})
    if "caption" in figure:
        number = book.figures[figure["name"]]
        caption = nbformat.v4.new_markdown_cell(
            f"**Fig. {number}** {plain(figure['caption'], book)}"
        )
        caption["id"] = figure["name"]
        yield caption


def published(name: str, book: Book, commit: str):
    """Make the published notebook of a chapter.

    Args:
        name: the chapter's file without suffix.
        commit: the commit whose library, data and results the notebook fetches.
    """
    cells = [setup_cell(book.repository, commit)]
    for cell in book.chapters[name].cells:
        cells.extend(_published_cells(cell, book))
    notebook = nbformat.v4.new_notebook(
        cells=cells,
        metadata={
            "accelerator": "GPU",
            "colab": {"name": f"{name}.ipynb", "provenance": [], "toc_visible": True},
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
    )
    nbformat.validate(notebook)
    return notebook


def publish(folder: Path, repository: str, commit: str, pages: str = "") -> None:
    """Write all published notebooks into a folder, which they replace as a whole."""
    book = Book(repository, pages)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        new = Path(temporary, "new")
        new.mkdir()
        for name in book.chapters:
            nbformat.write(published(name, book, commit), new / f"{name}.ipynb")
        for file in ("LICENSE", "LICENSE-text"):
            shutil.copy(ROOT / file, new)
        if folder.exists():
            os.replace(folder, Path(temporary, "old"))
        os.replace(new, folder)


def main() -> None:
    repository = os.environ.get("BOOK_REPOSITORY_URL", "").rstrip("/")
    if not repository:
        sys.exit(
            "Where is the repository that readers are to install from? Set BOOK_REPOSITORY_URL to "
            "its address, for example BOOK_REPOSITORY_URL=https://github.com/owner/name."
        )
    head = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    commit = subprocess.run(head, check=True, capture_output=True, text=True).stdout.strip()
    folder = ROOT / "_build" / "colab"
    publish(folder, repository, commit, os.environ.get("BOOK_PAGES_URL", ""))
    print(f"{len(list(folder.glob('*.ipynb')))} notebooks for Colab in {folder.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
