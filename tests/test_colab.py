"""The notebooks that are published for Colab, as they are made; `make test-colab` executes them."""

import json
import re
import shutil
import subprocess
import sys

import nbformat
import pytest
from bs4 import BeautifulSoup
from conftest import BUILT, ROOT, notebooks

sys.path.insert(0, str(ROOT / ".ci"))
import colab

REPOSITORY = "https://github.com/a-publisher/a-fork"
PAGES = "https://a-publisher.github.io/a-fork"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
NAMES = [path.stem for path in notebooks()]
EVERY = pytest.mark.parametrize("name", NAMES)

MYST = re.compile(r"^(?:```+|:::+)\{|\{[a-z:]+\}`|\$ \(eq-", re.MULTILINE)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Chapter → the file that is pushed to the branch for Colab."""
    folder = tmp_path_factory.mktemp("published") / "colab"
    colab.publish(folder, REPOSITORY, COMMIT, PAGES)
    return {path.stem: path for path in folder.glob("*.ipynb")}


def test_every_chapter_is_published(published):
    assert sorted(published) == NAMES


@EVERY
def test_notebook_is_valid_and_asks_for_a_gpu(name, published):
    notebook = json.loads(published[name].read_text("utf-8"))
    nbformat.validate(notebook)
    assert notebook["metadata"]["accelerator"] == "GPU"
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert "widgets" not in notebook["metadata"]


@EVERY
def test_hidden_setup_cell_comes_first(name, published):
    first, *rest = nbformat.read(published[name], as_version=4).cells
    assert first.cell_type == "code"
    assert first.metadata["cellView"] == "form"
    assert first.source.startswith("# @title ")
    assert f"REPOSITORY = {REPOSITORY!r}\n" in first.source
    assert f"COMMIT = {COMMIT!r}\n" in first.source
    compile(first.source, "the setup cell", "exec")
    assert not any("colab-setup" in cell["id"] for cell in rest)


@EVERY
def test_no_output_is_kept_and_all_code_is(name, published):
    chapter = nbformat.read(ROOT / "book" / f"{name}.ipynb", as_version=4)
    code = [cell for cell in chapter.cells if cell.cell_type == "code"]
    new = nbformat.read(published[name], as_version=4).cells
    new_code = [cell for cell in new if cell.cell_type == "code"][1:]
    assert [cell["id"] for cell in new_code] == [cell["id"] for cell in code]
    for cell, original in zip(new_code, code, strict=True):
        assert cell.source.endswith(original.source)
        assert not cell.outputs
        assert cell.execution_count is None


@EVERY
def test_text_is_markdown_that_colab_understands(name, published):
    for cell in nbformat.read(published[name], as_version=4).cells:
        if cell.cell_type == "markdown":
            assert not MYST.search(cell.source), cell.source


@EVERY
def test_figures_and_equations_have_the_numbers_of_the_page(name, published):
    page = BeautifulSoup((BUILT / f"{name}.html").read_text("utf-8"), "html.parser")
    text = "\n".join(cell.source for cell in nbformat.read(published[name], as_version=4).cells)
    figures = [tag.get_text().strip() for tag in page.select("figure .caption-number")]
    assert re.findall(r"^\*\*(Fig\. \d+)\*\*", text, re.MULTILINE) == figures
    equations = re.findall(r"\((\d+)\)", " ".join(tag.get_text() for tag in page.select(".eqno")))
    assert re.findall(r"\\tag\{(\d+)\}", text) == equations


def test_another_publisher_is_named_nowhere(published, tmp_path):
    """Whoever publishes, all addresses of repositories and pages are theirs."""
    other = "https://github.com/somebody-else/copy"
    colab.publish(tmp_path / "other", other, COMMIT, "https://somebody-else.github.io/copy")
    for name, path in published.items():
        text = path.read_text("utf-8")
        assert "somebody-else" not in text
        new = (tmp_path / "other" / f"{name}.ipynb").read_text("utf-8")
        assert "a-publisher" not in new
        assert new.count("somebody-else/copy") == text.count("a-publisher/a-fork") > 0


def test_a_missing_address_is_explained(monkeypatch):
    monkeypatch.delenv("BOOK_REPOSITORY_URL", raising=False)
    command = [sys.executable, str(ROOT / ".ci" / "colab.py")]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode != 0
    assert "BOOK_REPOSITORY_URL" in run.stderr
    assert "Traceback" not in run.stderr


def test_without_an_address_no_link_is_made_up():
    book = colab.Book("https://example.org/somebody/book")
    assert book.link("02_convolution_arithmetic", "sizes") == "*sizes*"
    assert book.link("glossary", "terms") == "*terms*"


def test_roles_become_text():
    book = colab.Book(REPOSITORY, PAGES)
    link = "https://colab.research.google.com/github/a-publisher/a-fork/blob/colab/04_relu.ipynb"
    for myst, expected in {
        "{doc}`04_relu`": f"[ReLU]({link})",
        "{doc}`the list <glossary>`": f"[the list]({PAGES}/glossary.html)",
        "{term}`a mask <dropout mask>`": "a mask",
        "{cite:t}`krizhevsky2012`": "Krizhevsky et al. (2012)",
        "{cite:p}`nair2010,krizhevsky2012`": "(Nair and Hinton, 2010; Krizhevsky et al., 2012)",
    }.items():
        assert colab.plain(myst, book) == expected
    with pytest.raises(ValueError, match="download"):
        colab.plain("{download}`a file`", book)
    with pytest.raises(KeyError, match="fig-nowhere"):
        colab.plain("{numref}`fig-nowhere`", book)


def test_admonitions_become_quotations_and_solutions_stay_folded():
    book = colab.Book(REPOSITORY)
    quoted = colab.plain("```{admonition} Predict first\n:class: tip\nHow many?\n```", book)
    assert quoted == "> **Predict first**\n>\n> How many?"
    folded = colab.plain(
        "```{admonition} Solutions\n:class: note dropdown\nHere.\n```\nThen.", book
    )
    assert folded == ("<details><summary><b>Solutions</b></summary>\n\nHere.\n\n</details>\nThen.")


@pytest.mark.parametrize(
    ("repository", "expected"),
    [
        (REPOSITORY, f"{colab.colab_url(REPOSITORY, 'x')}"),
        (f"{REPOSITORY}.git", f"{colab.colab_url(REPOSITORY, 'x')}"),
        ("https://gitlab.com/a-publisher/a-fork", None),
        ("https://github.com.example.org/a/b", None),
        ("https://github.com/a/b/tree/main", None),
        ("", None),
    ],
)
def test_colab_opens_what_lies_on_github(repository, expected):
    assert colab.colab_url(repository, "x") == expected


def test_setup_cell_says_what_failed(tmp_path):
    """A repository that cannot be fetched: the reader learns which, and no half folder is left."""
    source = colab.setup_cell((tmp_path / "nowhere").as_uri(), COMMIT).source
    run = subprocess.run(
        [sys.executable, "-c", source], cwd=tmp_path, capture_output=True, text=True
    )
    assert run.returncode != 0
    assert "nowhere" in run.stderr.splitlines()[-1]
    assert "run this cell again" in run.stderr
    assert not (tmp_path / f"alexnet-{COMMIT[:12]}").exists()


def test_colabs_pins_are_within_the_bounds_of_the_library():
    """What the setup cell installs leaves Colab's versions alone only if they suit."""
    import tomllib

    from packaging.requirements import Requirement

    lines = (ROOT / ".ci" / "colab-requirements.txt").read_text("utf-8").splitlines()
    pins = {
        (pin := Requirement(line)).name: str(pin.specifier).removeprefix("==")
        for line in lines
        if line and not line.startswith("#")
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    installed = project["dependencies"] + project["optional-dependencies"]["teaching"]
    for requirement in map(Requirement, installed):
        if requirement.name in pins:
            version = pins[requirement.name]
            assert requirement.specifier.contains(version), f"{requirement}: Colab has {version}"


def git(*arguments, folder):
    identity = ["-c", "user.name=A test", "-c", "user.email=test@localhost"]
    command = ["git", *identity, *arguments]
    run = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return run.stdout.strip()


def test_branch_for_colab_holds_the_notebooks_and_no_past(tmp_path):
    """The workflow's last step, on a repository of its own, twice: a second push replaces."""
    origin, tree = tmp_path / "origin", tmp_path / "a tree"
    for folder in (origin, tree / ".ci", tree / "_build" / "colab"):
        folder.mkdir(parents=True)
    git("init", "--quiet", "--bare", folder=origin)
    git("init", "--quiet", folder=tree)
    git("remote", "add", "origin", str(origin), folder=tree)
    (tree / ".gitignore").write_text("_build/\n")
    shutil.copy(ROOT / ".ci" / "push_colab", tree / ".ci")
    git("add", "--all", folder=tree)
    git("commit", "--quiet", "-m", "A book", folder=tree)
    for name in ("first", "second"):
        for path in (tree / "_build" / "colab").glob("*"):
            path.unlink()
        (tree / "_build" / "colab" / f"{name}.ipynb").write_text("{}")
        subprocess.run(["sh", tree / ".ci" / "push_colab"], check=True, capture_output=True)
        assert git("ls-tree", "--name-only", "colab", folder=origin) == f"{name}.ipynb"
        assert git("rev-list", "--count", "colab", folder=origin) == "1"
    assert not git("status", "--short", folder=tree)
