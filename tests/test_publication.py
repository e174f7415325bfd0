"""A small book built as the publishing workflow builds the large one: it knows where it will be."""

import functools
import http.server
import threading

import pytest
from bs4 import BeautifulSoup
from explorer_pages import build
from pages import Tab
from PIL import Image

from alexnet_lib.teaching.widgets import ShapeCalculator

REPOSITORY = "https://github.com/a-publisher/a-fork"
SITE = "https://a-publisher.github.io"
ROOT_OF_SITE = "/a-fork/"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BOOK_REPOSITORY_URL", REPOSITORY)
        patch.setenv("BOOK_REPOSITORY_BRANCH", "main")
        patch.setenv("BOOK_PAGES_URL", SITE + ROOT_OF_SITE.rstrip("/"))
        return build(tmp_path_factory.mktemp("a published book"), [ShapeCalculator()])


@pytest.fixture(scope="module")
def site(pages):
    """The book in a folder of a server that shows `404.html` for what is missing, like GitHub."""

    class Site(http.server.SimpleHTTPRequestHandler):
        def translate_path(self, path):
            inside = path.removeprefix(ROOT_OF_SITE) if path.startswith(ROOT_OF_SITE) else "nowhere"
            return super().translate_path(f"/{inside}")

        def send_error(self, code, *arguments):
            contents = (pages / "404.html").read_bytes()
            self.send_response(code)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(contents)

        def log_message(self, *arguments):
            pass

    handler = functools.partial(Site, directory=str(pages))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def parsed(path):
    return BeautifulSoup(path.read_text("utf-8"), "html.parser")


def card(page):
    return {tag["property"]: tag["content"] for tag in page.select("meta[property^='og:']")}


def test_chapter_opens_in_colab_from_the_branch_of_published_notebooks(pages):
    [button] = parsed(pages / "chapter.html").select("a[href*='colab.research.google.com']")
    path = "github/a-publisher/a-fork/blob/colab/chapter.ipynb"
    assert button["href"] == f"https://colab.research.google.com/{path}"
    assert button.get_text().strip() == "Colab"
    assert "colab.research" not in (pages / "index.html").read_text("utf-8"), "no notebook"


def test_card_has_absolute_addresses_and_a_picture(pages):
    for name in ("index", "chapter"):
        shown = card(parsed(pages / f"{name}.html"))
        assert shown["og:url"] == f"{SITE}{ROOT_OF_SITE}{name}.html"
        assert shown["og:image"] == f"{SITE}{ROOT_OF_SITE}_static/card.png"
        size = int(shown["og:image:width"]), int(shown["og:image:height"])
        with Image.open(pages / "_static" / "card.png") as picture:
            assert picture.size == size
    assert shown["og:title"] == "A chapter"


@pytest.mark.parametrize("path", ["missing.html", "a/b/c/missing", "_static/nothing.js"])
def test_missing_page_works_at_any_depth(path, site, chromium):
    tab = Tab(chromium, 1280, "light")
    page = tab.open(f"{site}{ROOT_OF_SITE}{path}")
    own = f"404 for {site}{ROOT_OF_SITE}{path}"
    others = [c for c in tab.complaints if c != own and "status of 404" not in c]
    assert not others
    assert page.locator("h1:visible").inner_text() == "There is no such page"
    page.locator("article a", has_text="The title page").click()
    page.wait_for_load_state("load")
    assert page.url == f"{site}{ROOT_OF_SITE}index.html"
    tab.context.close()
