"""The report beside a model: what it says, that it asks for nothing, and that names are data."""

import re
from html.parser import HTMLParser

import browser
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import sync_playwright

from alexnet_lib import report, training

EVIL = '</title><script>alert(1)</script><img src=x onerror="alert(2)">$body\x1b[31m'
NAMES = ("cat", EVIL, "dog")


def evaluation(tmp_path, names=NAMES, confusion=None):
    """Nine pictures, of which the third, the cat that is named dog, is the worst mistake."""
    probabilities = np.full((9, len(names)), 0.02)
    labels = np.arange(9) % len(names)
    answers = labels.copy()
    answers[[2, 3, 4]] = (labels[[2, 3, 4]] + 1) % len(names)
    sure = np.array([0.9, 0.8, 0.96, 0.5, 0.4, 0.9, 0.9, 0.9, 0.35])
    probabilities[np.arange(9), answers] = sure
    paths = []
    for place in range(9):
        paths.append(str(tmp_path / f"<b>{place}&.png"))
        Image.new("RGB", (30, 30), (place * 20, 0, 0)).save(paths[-1])
    if confusion is None:
        confusion = np.zeros((len(names), len(names)), int)
        np.add.at(confusion, (labels, answers), 1)
    return training.Evaluation(
        names, 1, 0.5, 6 / 9, None, confusion, probabilities, labels, tuple(paths)
    )


def written(tmp_path, **changes):
    history = [
        {"epoch": 1, "loss": 1.0, "accuracy": 0.4, "val_loss": 0.9, "val_accuracy": 0.5},
        {"epoch": 2, "loss": 0.5, "accuracy": 0.8, "val_loss": 0.6, "val_accuracy": 0.7},
    ]
    settings = {
        "model": tmp_path / f"a{EVIL.replace('/', '-')}.keras",
        "command": f"alexnet finetune '{EVIL}'",
        "evaluation": changes.get("evaluation") or evaluation(tmp_path),
        "history": history,
        "left_out": [(f"{EVIL}.jpg", f"empty {EVIL}")],
        "notes": [f"pets: 3 classes {EVIL}"],
        "caveats": ["The best of many."],
    }
    path = tmp_path / "a.report.html"
    report.write(report.Report(**settings | changes), path)
    return path.read_text("utf-8")


class Parser(HTMLParser):
    """Collects tags, attributes and text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


def test_names_are_escaped_and_nothing_is_asked_for(tmp_path):
    page = written(tmp_path)
    parsed = Parser(page)
    kinds = {tag for tag, _ in parsed.tags}
    assert not kinds & {"script", "link", "iframe", "object", "embed", "form", "base"}
    for _, attributes in parsed.tags:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "xlink:href", "data"):
            assert (attributes.get(name) or "data:").startswith(("data:", "#"))
    assert "default-src 'none'" in page
    assert "\x1b" not in page
    assert parsed.text.count("<script>alert(1)</script>") >= 5


def test_it_says_what_was_measured(tmp_path):
    page = written(tmp_path)
    text = " ".join(Parser(page).text.split())
    low, high = training.wilson_interval(6, 9)
    for part in ("66.7% of 9 held-out pictures", f"between {low:.1%} and {high:.1%}"):
        assert part in text
    assert "The best of many." in text
    assert "Named wrong: 3 pictures" in text
    mistakes = text[text.index("The worst mistakes") : text.index("The least sure")]
    assert re.findall(r"<b>(\d)&", mistakes) == ["2", "3", "4"]
    assert "cat 96.0%, but it is dog" in mistakes
    # Closest to each other: the probabilities 0.35 and 0.02, then 0.4 and 0.02.
    assert re.findall(r"<b>(\d)&", text[text.index("The least sure") :])[:3] == ["8", "4", "3"]
    assert page.count('src="data:image/jpeg;base64,') == 3 + 9


def test_many_classes_are_pairs_rather_than_a_matrix(tmp_path):
    names = tuple(f"class {number}" for number in range(40))
    confusion = np.diag(np.full(40, 3))
    confusion[7, 9] = 5
    text = Parser(written(tmp_path, evaluation=evaluation(tmp_path, names, confusion))).text
    assert "The commonest confusions of 40 classes" in text
    assert "class 7class 95" in text


def test_pictures_that_are_gone_are_named_without_being_shown(tmp_path):
    measured = evaluation(tmp_path)
    (tmp_path / "<b>2&.png").unlink()
    page = written(tmp_path, evaluation=measured)
    assert "2&amp;.png" in page
    assert page.count('src="data:image/jpeg;base64,') == 2 + 8


def test_a_browser_runs_nothing_and_asks_for_nothing(tmp_path):
    path = browser.find()
    if not path:
        pytest.skip("no Chromium here")
    written(tmp_path)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for width in (1280, 390):
            page = chromium.new_page(viewport={"width": width, "height": 800})
            heard = []
            page.on("console", lambda message, heard=heard: heard.append(message.text))
            page.on("dialog", lambda dialog, heard=heard: heard.append(dialog.message))
            page.on(
                "request",
                lambda request, heard=heard: (
                    heard.append(request.url)
                    if not request.url.startswith(("file:", "data:"))
                    else None
                ),
            )
            page.goto((tmp_path / "a.report.html").as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            smallest = page.evaluate(
                "Math.min(...[...document.querySelectorAll('body *')].filter(e => e.innerText)"
                ".map(e => parseFloat(getComputedStyle(e).fontSize)))"
            )
            assert smallest >= 12
            assert heard == []
        chromium.close()
