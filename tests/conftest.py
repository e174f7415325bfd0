"""What all tests share: where things are, and an environment that is the same everywhere."""

import os
from pathlib import Path

import browser
import pages
import pytest
import yaml
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
BOOK = ROOT / "book"
BUILT = ROOT / "_build" / "html"

# The kernel "python3" is that of this environment, not one that the user has installed elsewhere.
os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
# TensorFlow says which instructions it could use, some of it as an error; set before any test
# imports it, to what `notebook.prepare` sets for a reader.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


# Files of tests that take seconds: the loop of work is `make test-fast`.
FAST = {
    "test_architecture", "test_augmentation", "test_quantization", "test_description",
    "test_differences", "test_exercises", "test_layers", "test_pictures", "test_plots",
    "test_prose", "test_quiz",
    "test_repository", "test_security",
}  # fmt: skip


def documents() -> list[str]:
    """The names of the book's pages in the order of `_toc.yml`, without suffix."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    chapters = [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    return [toc["root"], *chapters]


def notebooks() -> list[Path]:
    """The chapters, which are the notebooks of the folder `book`."""
    return sorted(BOOK.glob("*.ipynb"))


def fields_of(variant: str, input_size: int | None = None) -> dict:
    """Where the units of each layer of a variant look, as explorers take it."""
    from alexnet_lib.architecture import trace, variant_named
    from alexnet_lib.front_end.receptive_fields import field_of

    records = trace(input_size or variant_named(variant).input_size, variant)
    return {record.name: field_of(record) for record in records}


@pytest.fixture(scope="session")
def program():
    """The path of a Chromium."""
    path = browser.find()
    if path is None:
        pytest.fail("no Chromium: install one (Debian: apt-get install chromium) or set CHROMIUM")
    return path


@pytest.fixture(scope="module")
def chromium(program):
    """A browser. One for each file: where Playwright runs, no other event loop can."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=pages.BROWSER_ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="session")
def built_book():
    """The address of a server of the built book on this machine."""
    with pages.served(BUILT) as address:
        yield address


@pytest.fixture(scope="module")
def tabs(chromium):
    """One tab for each width and theme, used for every page in turn."""
    opened = {}

    def tab(width, theme):
        if (width, theme) not in opened:
            opened[width, theme] = pages.Tab(chromium, width, theme)
        return opened[width, theme]

    yield tab
    for tab in opened.values():
        tab.context.close()


def pytest_collection_modifyitems(items):
    """Work for several processes (`pytest -n 2 --dist loadgroup`): a file of tests stays together,
    for its fixtures' sake, but each chapter goes by itself."""
    for item in items:
        one_chapter = item.path.name == "test_notebooks.py"
        group = item.callspec.id if one_chapter else item.path.stem
        item.add_marker(pytest.mark.xdist_group(group))
        if item.path.stem in FAST:
            item.add_marker(pytest.mark.fast)
