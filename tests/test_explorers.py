"""Every explorer: its formulas against Python, and its use by readers.

What all have to do (keyboard, touch, address, reset, speed, a picture without JavaScript) is one
test for all of them on one page of a book; what each shows is a test of its own.
"""

import base64
import colorsys
import contextlib
import functools
import io
import json
import queue
import re
from itertools import pairwise

import keras
import matplotlib.colors
import numpy as np
import pytest
import skimage.data
import tensorflow as tf
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from conftest import fields_of
from explorer_pages import (
    DRAWN,
    NAMES,
    SMALL_TEXT,
    VIEW,
    assert_a_drag_is_answered,
    assert_a_finger_drags,
    assert_nothing_jumps,
    assert_reached_by_keyboard,
    build,
    contrast,
    eventually,
    in_browser,
    outputs,
    saved_state,
    served,
    swipe,
    tiny_network,
    tiny_picture,
)
from jupyter_client.manager import start_new_kernel
from pages import AXE_OPTIONS, Tab
from PIL import Image
from playwright.sync_api import expect
from scipy import stats
from traitlets import TraitError

from alexnet_lib import AlexNet, LocalResponseNormalization, architecture, augmentation, pretrained
from alexnet_lib.data.pictures import square_of_array
from alexnet_lib.formats import quantization
from alexnet_lib.front_end import bundles, photographs
from alexnet_lib.teaching import colours, plots
from alexnet_lib.teaching.widgets import (
    Activations,
    Augmentation,
    Dropout,
    FeatureMaps,
    Flow,
    NetworkMap,
    Occlusion,
    OneNumber,
    Pooling,
    ResponseNormalization,
    ShapeCalculator,
    TrainingRuns,
    activations,
    random_numbers,
)
from alexnet_lib.teaching.widgets.activations import DERIVATIVES, FUNCTIONS, gradient_through_depth
from alexnet_lib.teaching.widgets.dropout_masks import masks, sums
from alexnet_lib.teaching.widgets.pooling import max_pool
from alexnet_lib.teaching.widgets.response_normalization import normalize
from alexnet_lib.teaching.widgets.training_runs import first_reaching, shared_target

expect.set_options(timeout=20_000)  # other work on the machine can keep a page waiting

RANDOM = np.random.default_rng(2012)


def photograph():
    """The face of scikit-image's cat, square."""
    return skimage.data.chelsea()[:, 75:375]


def some_maps():
    """Numbers in the shape of conv1's maps, about as many silent as there are after a ReLU."""
    return np.maximum(np.random.default_rng(7).normal(0, 80, (55, 55, 96)), 0)


def some_runs():
    """Three curves of different lengths with a gap, as `history.csv` holds them."""

    def rows(rate, length):
        for epoch in range(1, length + 1):
            progress = 1 - np.exp(-rate * epoch) + 0.02 * np.sin(3 * epoch)
            row = {"epoch": epoch, "loss": 2.3 - 2 * progress, "val_accuracy": 0.8 * progress}
            yield row | {"seconds": 10 * rate + epoch % 3, "stopped": "no number"}

    runs = {name: list(rows(*curve)) for name, curve in CURVES.items()}
    runs["tanh"][3]["val_accuracy"] = None
    return runs


@functools.cache
def recorded():
    """What an explorer takes that shows a pass through the network: model, pictures, names."""
    model = AlexNet(weights="pocket")
    pictures = {"cat": square_of_array(photograph(), 227)}
    return model, pictures, quantization.read(pretrained.POCKET)[1]["class_names"]


@functools.cache
def tiny():
    """The same, small: those that compute many passes take seconds with it."""
    pictures = {"first": tiny_picture(1), "second": tiny_picture(2)}
    return tiny_network()[1], pictures, NAMES


CURVES = {"ReLU": (0.3, 20), "tanh": (0.1, 24), "sigmoid, slow": (0.03, 20)}

# For each explorer: how a reader of the book gets it; what shows its answer; what can be dragged.
SAMPLES = {
    "response-normalization": (
        lambda: ResponseNormalization(some_maps(), photograph()),
        ".ex-result",
        ".ex-channels",
    ),
    "pooling": (lambda: Pooling(photograph(), right=1), ".ex-result", "[id$=-pixels]"),
    "network-map": (
        lambda: NetworkMap(photograph(), layer="conv2"),
        "[id$=-where]",
        ".ex-photo",
    ),
    "augmentation": (lambda: Augmentation(photograph()), "[id$=-where]", ".ex-photo"),
    "training-runs": (lambda: TrainingRuns(some_runs()), ".ex-table", ".ex-curves"),
    "dropout-masks": (Dropout, "[id$=-about]", ".ex-units"),
    "activations": (Activations, ".ex-table", ".ex-functions"),
    "feature-maps": (
        lambda: FeatureMaps(*tiny()[:2], layer="conv3", channel=200),
        "[id$=-unit]",
        ".ex-photo",
    ),
    "occlusion": (lambda: Occlusion(*tiny(), size=30, stride=10), "[id$=-where]", ".ex-photo"),
    "shape-calculator": (lambda: ShapeCalculator(input_size=224), "[id$=-where]", ".ex-input"),
    "flow": (lambda: Flow(*recorded()), ".ex-flow-words", ".ex-flow-one svg"),
    "one-number": (
        lambda: OneNumber(*recorded(), until="conv1"),
        ".ex-number-title",
        ".ex-map-box svg",
    ),
}
LARGEST = {"flow": 500_000, "one-number": 90_000, "feature-maps": 450_000}
"""Characters of those that bring the network's numbers; the others have room in 70,000."""
HELD = {"feature-maps": (".ex-field", "d"), "occlusion": (".ex-cover", "x")}
"""Where a finger takes hold of one thing on a picture, and the attribute that moves it."""
SHAPES = {"feature-maps": ["Layer"]}
"""Choices that show something of another shape, so that what follows moves."""
CONTROL = "input[type=range], [data-layer=fc6]"
"""Whose first is changed; an explorer without one has a list to choose from."""
EVERY = pytest.mark.parametrize("name", SAMPLES)


# ---- Python ------------------------------------------------------------------------------------


@EVERY
def test_output_is_the_same_on_every_run_and_small(name):
    first, second = (outputs(SAMPLES[name][0]()) for _ in range(2))
    assert first.pop(VIEW) != second.pop(VIEW)
    assert first == second
    largest = LARGEST.get(name, 70_000)
    assert len(first["text/html"]) < largest, "a notebook holds this, and the state once more"


@EVERY
def test_settings_of_the_front_end_arrive_in_python(name):
    widget, seen = SAMPLES[name][0](), []
    widget.observe(lambda change: seen.append(change.name), list(widget.limits))
    for key, (low, high, _) in widget.limits.items():
        widget.set_state({key: high if getattr(widget, key) == low else low})
        assert getattr(widget, key) in (low, high)
        with pytest.raises(TraitError, match=key):
            setattr(widget, key, high + 1)
    assert seen == list(widget.limits)
    assert widget.still(), "there is a picture of the extremes, too"


def test_photographs_fit_into_a_notebook():
    address = photographs.data_url(photograph())
    assert address.startswith("data:image/jpeg;base64,")
    assert 15_000 < len(address) <= photographs.LARGEST
    noise = RANDOM.integers(0, 256, (300, 400, 3), "uint8")
    assert len(photographs.data_url(noise)) <= photographs.LARGEST
    with pytest.raises(ValueError, match=r"from -1\.0 to 1\.0"):
        photographs.data_url(np.array([[[-1.0, 0.0, 1.0]]]))
    with pytest.raises(ValueError, match=r"\(2, 2\)"):
        photographs.data_url(np.zeros((2, 2)))


@pytest.mark.parametrize("variant", architecture.VARIANTS)
def test_receptive_fields_agree_with_walking_back_to_the_picture(variant):
    fields = fields_of(variant)
    records = architecture.trace(architecture.VARIANTS[variant].input_size, variant)
    for depth, record in enumerate(records):
        if len(record.output_shape) == 1:
            assert fields[record.name] == (records[0].input_shape[0], 0, 0)
            continue
        for unit in (0, 3):
            first = last = unit
            for layer in reversed(records[: depth + 1]):
                if not layer.kernel:
                    continue
                within_map = layer.stride is None
                padding = layer.kernel // 2 if within_map else layer.padding
                first = first * (layer.stride or 1) - padding
                last = last * (layer.stride or 1) - padding + layer.kernel - 1
            field = fields[record.name]
            assert field.start + unit * field.jump == first, record.name
            assert field.size == last - first + 1, record.name


@pytest.mark.parametrize("variant", architecture.VARIANTS)
def test_map_tells_which_tower_feeds_which(variant):
    network = NetworkMap(variant=variant).networks[variant]
    records = architecture.trace(network["input_size"], variant)
    described = {layer.name: layer for layer in architecture.describe(variant)}
    for record, on_map in zip(records, network["layers"], strict=True):
        entering, leaving = record.input_shape[-1], record.output_shape[-1]
        if record.kind in ("convolution", "dense"):
            weights = record.parameters // leaving - 1
            taken_in = weights / (record.kernel or 1) ** 2 / entering
            assert on_map["links"] == {1: "all", 0.5: "own"}[taken_in], record.name
        elif record.kind == "normalization":
            norm = described[record.name]
            layer = LocalResponseNormalization(
                norm.n // 2, norm.k, norm.alpha, norm.beta, norm.groups
            )
            one, other = np.ones((2, 1, 1, 1, entering))
            other[..., entering // 2] = 1e4  # the first channel of the second tower
            first_tower = np.asarray(layer(one) == layer(other))[..., : entering // 2]
            crosses = not first_tower.all() and network["towers"] == 2
            expected = "seam" if crosses else "own" if network["towers"] == 2 else "all"
            assert on_map["links"] == expected, record.name
        assert on_map["shape"] == list(record.output_shape)
        assert (on_map["parameters"], on_map["macs"]) == (record.parameters, record.macs)


# ---- The formulas of the two halves ------------------------------------------------------------


def both(chromium, module, call, inputs):
    return in_browser(chromium, call, inputs, bundles.front_end(module))


def test_normalization_agrees_with_python(chromium):
    inputs = []
    for n, groups in [(1, 1), (3, 1), (5, 1), (5, 2), (9, 2), (15, 1), (15, 2)]:
        constants = {"n": n, "k": 2.0, "alpha": 10 ** RANDOM.uniform(-5, 0), "groups": groups}
        constants["beta"] = float(RANDOM.choice([0.75, 0.5, 1.3]))
        inputs.append([RANDOM.normal(0, 60, 96).tolist(), constants])
    for (activities, c), found in zip(
        inputs, both(chromium, "response_normalization", "normalize", inputs), strict=True
    ):
        np.testing.assert_allclose(found, normalize(activities, **c), rtol=1e-9)
        keras_layer = LocalResponseNormalization(
            c["n"] // 2, c["k"], c["alpha"], c["beta"], c["groups"]
        )
        expected = np.asarray(keras_layer(np.array(activities, "float32")[None, None, None]))
        np.testing.assert_allclose(found, expected.ravel(), rtol=1e-5)


def test_random_numbers_agree_with_python(chromium):
    inputs = [[seed, 1000] for seed in (0, 1, 9999, 2**31 - 1)]
    for call, ours in (("uniforms", random_numbers.uniforms), ("normals", random_numbers.normals)):
        spread = (
            f"export const {call}List = (...a) => [...{call}(...a)];"  # typed arrays stay there
        )
        source = bundles.front_end("activations") + spread
        for (seed, length), found in zip(
            inputs, in_browser(chromium, f"{call}List", inputs, source), strict=True
        ):
            np.testing.assert_allclose(found, ours(seed, length), rtol=1e-12)
    assert stats.kstest(random_numbers.uniforms(5, 20_000), "uniform").pvalue > 0.01
    assert stats.kstest(random_numbers.normals(5, 20_000), "norm").pvalue > 0.01


def test_activations_agree_with_python(chromium):
    xs = RANDOM.normal(0, 4, 300)
    inputs = [[name, xs.tolist()] for name in FUNCTIONS]
    keras_functions = {name: getattr(keras.ops, name) for name in FUNCTIONS}
    for (name, _), found in zip(
        inputs, both(chromium, "activations", "values", inputs), strict=True
    ):
        np.testing.assert_allclose(found["f"], FUNCTIONS[name](xs), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(found["f"], keras_functions[name](xs), rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(found["slope"], DERIVATIVES[name](xs), rtol=1e-9, atol=1e-12)
        ahead, behind = FUNCTIONS[name](xs + 1e-6), FUNCTIONS[name](xs - 1e-6)
        np.testing.assert_allclose(found["slope"], (ahead - behind) / 2e-6, rtol=1e-5, atol=1e-8)


def test_pooling_agrees_with_python(chromium):
    inputs = [
        [RANDOM.normal(size=(rows, columns)).tolist(), kernel, stride]
        for rows, columns in [(15, 15), (8, 11)]
        for kernel, stride in [(3, 2), (2, 2), (3, 3), (1, 2)]
    ]
    found = both(chromium, "pooling", "maxPool", inputs)
    for (picture, kernel, stride), pooled in zip(inputs, found, strict=True):
        np.testing.assert_array_equal(pooled, max_pool(picture, kernel, stride))
        batch = np.array(picture)[None, ..., None]
        expected = keras.ops.max_pool(batch, kernel, stride, padding="valid")
        np.testing.assert_allclose(pooled, np.asarray(expected)[0, ..., 0], rtol=1e-5)


def test_gradient_through_depth_agrees_with_python(chromium):
    inputs = [
        [name, depth, gain, seed]
        for name in FUNCTIONS
        for depth, gain, seed in [(1, 1.0, 0), (12, 1.4, 3), (30, 0.5, 9999), (20, 2.0, 1)]
    ]
    found = both(chromium, "activations", "gradientThroughDepth", inputs)
    for arguments, sizes in zip(inputs, found, strict=True):
        np.testing.assert_allclose(sizes, gradient_through_depth(*arguments), rtol=1e-5)


def test_gradient_through_depth_is_the_derivative(monkeypatch):
    """The mean square that it propagates is that of differences of the network's output."""
    monkeypatch.setattr(activations, "WIDTH", 6)
    monkeypatch.setattr(activations, "EXAMPLES", 2)
    monkeypatch.setattr(activations, "DEEPEST", 3)
    draw = random_numbers.normals(4, 3 * 36 + 24)
    weights = draw[:108].reshape(3, 6, 6) * 1.2 / np.sqrt(6)
    inputs, ends = draw[108:].reshape(2, 6, 2)

    def output(inputs):
        for weight in weights:
            inputs = np.tanh(weight @ inputs)
        return (ends * inputs).sum()

    steps = np.eye(12).reshape(12, 6, 2) * 1e-6
    slopes = np.array([(output(inputs + d) - output(inputs - d)) / 2e-6 for d in steps])
    expected = np.sqrt((slopes**2).mean() / (ends**2).mean())
    assert gradient_through_depth("tanh", 3, 1.2, 4)[0] == pytest.approx(expected, rel=1e-6)


def test_where_units_look_agrees_with_python(chromium):
    """`seen` against a walk back to the picture; `unitAt` against the middles of all units."""
    records = architecture.trace(227)
    fields = {name: field._asdict() for name, field in fields_of("paper").items()}
    inputs, units = [], []
    for record in records[:10]:
        for unit in (0, 1, record.output_shape[0] // 2, record.output_shape[0] - 1):
            inputs.append([fields[record.name], unit, 1, 227])
            units.append((record, unit))
    for (record, unit), found in zip(
        units, both(chromium, "network_map", "seen", inputs), strict=True
    ):
        reached = {unit}
        for layer in reversed(records[: records.index(record) + 1]):
            if layer.kernel:
                starts = [place * layer.stride - layer.padding for place in reached]
                reached = {start + k for start in starts for k in range(layer.kernel)}
                reached &= set(range(layer.input_shape[0]))
        rows = (found["top"], found["bottom"])
        assert rows == (min(reached), max(reached) + 1), (record.name, unit)
    field = fields_of("paper")["conv3"]
    inputs = [[field._asdict(), float(pixel), 13] for pixel in range(-5, 240, 7)]
    for (_, pixel, _), found in zip(
        inputs, both(chromium, "network_map", "unitAt", inputs), strict=True
    ):
        distance = [abs(field.start + u * field.jump + field.size / 2 - pixel) for u in range(13)]
        assert distance[found] == min(distance)


def test_lighting_agrees_with_python(chromium):
    noise = RANDOM.integers(0, 256, (40, 30, 3))
    lighting = augmentation.PCALighting.fit([noise, photograph()])
    fitted = {
        "eigenvalues": lighting.eigenvalues.tolist(),
        "eigenvectors": lighting.eigenvectors.tolist(),
    }
    shifts = [np.asarray(lighting.shift((2012, seed)), "float64") for seed in range(20)]
    # The α that Python drew, from its shift: p₁, p₂, p₃ are orthonormal.
    alphas = [lighting.eigenvectors.T @ s / (255 * lighting.eigenvalues) for s in shifts]
    inputs = [[fitted, alpha.tolist()] for alpha in alphas]
    found = both(chromium, "augmentation", "lightingShift", inputs)
    np.testing.assert_allclose(found, shifts, rtol=1e-5, atol=1e-7)
    drawn = lighting.sigma * np.array(
        tf.random.stateless_normal([3], tf.random.fold_in([2012, 5], 1), alg="philox")
    )
    np.testing.assert_allclose(alphas[5], drawn, rtol=1e-4)

    opaque = np.concatenate([noise, np.full((40, 30, 1), 255)], -1)
    strong = [90.4, -120.3, 0.2]
    bytes_ = in_browser(
        chromium,
        "litList",
        [[opaque.ravel().tolist(), strong]],
        bundles.front_end("augmentation") + "export const litList = (...a) => [...lit(...a)];",
    )[0]
    expected = np.clip(np.rint(noise + strong), 0, 255)
    np.testing.assert_array_equal(np.reshape(bytes_, (40, 30, 4))[..., :3], expected)


@pytest.mark.parametrize("size", [224, 227])
def test_ten_crops_agree_with_python(chromium, size):
    picture = RANDOM.integers(0, 256, (256, 256, 3), "uint8")
    found = both(chromium, "augmentation", "tenCrops", [[256, size]])[0]
    expected = np.asarray(augmentation.ten_crop(picture, size))
    for crop, pixels in zip(found, expected, strict=True):
        ours = picture[crop["row"] : crop["row"] + size, crop["column"] : crop["column"] + size]
        np.testing.assert_array_equal(ours[:, ::-1] if crop["mirror"] else ours, pixels)
    different = {
        (row, column, mirror)
        for row in range(257 - size)
        for column in range(257 - size)
        for mirror in (False, True)
    }
    assert both(chromium, "augmentation", "crops", [[256, size]]) == [len(different)]


def test_dropout_agrees_with_python(chromium):
    activities, weights = RANDOM.normal(size=(2, 31))
    inputs = [
        [activities.tolist(), weights.tolist(), rate, seed, draws, inverted]
        for rate, seed, draws in [(0.5, 0, 300), (0.0, 3, 5), (0.9, 9999, 50)]
        for inverted in (False, True)
    ]
    measured = both(chromium, "dropout_masks", "sums", inputs)
    for arguments, found in zip(inputs, measured, strict=True):
        np.testing.assert_allclose(found, sums(*arguments), rtol=1e-9, atol=1e-12)
    expected = [0.5, 1.0, 0.1]
    for (_, _, rate, seed, _, _), share in zip(inputs[::2], expected, strict=True):
        assert masks(rate, seed, 2000, 31).mean() == pytest.approx(share, abs=0.01)
    # Keras silences or multiplies by the same factor.
    layer = keras.layers.Dropout(0.75, seed=1)
    after = np.asarray(layer(np.ones((1, 1000), "float32"), training=True))
    assert set(after.ravel()) == {0.0, 4.0}
    assert set(sums([1.0], [1.0], 0.75, 0, 100, True)) == {0.0, 4.0}


def test_targets_agree_with_python(chromium):
    curves = [RANDOM.normal(size=n).tolist() for n in (1, 8, 30)]
    curves[1][2] = None
    inputs = [[c, target, up] for c in curves for target in (-9, 0.3, 9) for up in (True, False)]
    found = both(chromium, "training_runs", "firstReaching", inputs)
    assert found == [first_reaching(*arguments) for arguments in inputs]
    assert None in found
    assert 0 in found
    both_ways = [[curves, True], [curves, False]]
    found = both(chromium, "training_runs", "sharedTarget", both_ways)
    assert found == [shared_target(*arguments) for arguments in both_ways]
    best = sorted(max(v for v in curve if v is not None) for curve in curves)
    assert found[0] == best[-2]


def test_a_run_that_learns_nothing_does_not_set_the_target():
    """Its best value is the chance level, which every other run passes in its first epoch."""
    chance_level = [2.3] * 6
    runs = [[2.0, 1.2, 0.7, 0.4, 0.3], [2.2, 2.0, 1.4, 1.1, 0.9], chance_level, chance_level]
    target = shared_target(runs, up=False)
    assert [first_reaching(run, target, up=False) for run in runs] == [2, 4, None, None]
    assert shared_target(runs[::2], up=False) == 2.3, "two runs: what both reach"
    assert shared_target([[], [None]], up=True) == 0


# ---- The page ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    return build(tmp_path_factory.mktemp("explorers"), [make() for make, *_ in SAMPLES.values()])


@pytest.fixture(scope="module")
def address(pages):
    with served(pages) as address:
        yield address


UNPACKED = "() => !document.querySelector('.explorer-panel [aria-busy=true]')"


class Explorer:
    """One explorer of a page, as a reader handles it."""

    def __init__(self, page, name):
        self.page = page
        self.panel = page.locator(f".ex-{name}")
        self.answer = self.panel.locator(SAMPLES[name][1]) if name in SAMPLES else None

    def number(self, label):
        return self.panel.get_by_label(label, exact=True)

    def press(self, name):
        self.panel.get_by_role("button", name=name, exact=True).click()


@pytest.fixture
def opened(chromium, address):
    """Opens the chapter; afterwards, nothing may have been complained about."""
    tabs = []

    def open_tab(name, query="", url=address, width=1280, theme="light"):
        tabs.append(Tab(chromium, width, theme))
        page = tabs[-1].open(url + query)
        page.wait_for_function(UNPACKED)
        return Explorer(page, name)

    yield open_tab
    for tab in tabs:
        assert not tab.complaints
        tab.context.close()


@pytest.fixture(scope="module")
def one_tab(chromium, address):
    tab = Tab(chromium, 1280, "light")
    tab.open(address)
    tab.page.wait_for_function(UNPACKED)
    yield tab
    tab.context.close()


@pytest.fixture
def visited(one_tab):
    """The explorers of one tab that stays open; a test leaves it as it was."""
    yield lambda name: Explorer(one_tab.page, name)
    assert not one_tab.complaints


# The other two combinations are judged on the chapters' own pages (test_pages.py).
@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (390, "dark")])
def test_page_fits_and_axe_finds_nothing(opened, width, theme):
    it = opened(next(iter(SAMPLES)), width=width, theme=theme)
    assert it.page.locator(".explorer-panel").count() == len(SAMPLES)
    assert it.page.evaluate("document.documentElement.scrollWidth") <= width
    violations = Axe().run(it.page, context="article", options=AXE_OPTIONS).response["violations"]
    assert not [(v["id"], [n["html"][:200] for n in v["nodes"]]) for v in violations]


@EVERY
def test_every_control_is_reached_by_keyboard_and_shows_it(visited, name):
    assert_reached_by_keyboard(visited(name).panel)


# What a reader sees; the sentence for screen readers comes later, once things have come to rest.
SHOWN = """(panel) => {
    const copy = panel.cloneNode(true);
    copy.querySelectorAll("[role=status]").forEach((e) => e.remove());
    return copy.innerHTML;
}"""
SHOWS = f"([panel, wanted, same]) => (({SHOWN})(panel) === wanted) === same"


@EVERY
def test_address_carries_the_settings_and_reset_takes_them_back(visited, address, name):
    it = visited(name)
    page, panel = it.page, it.panel.element_handle()
    before = panel.evaluate(SHOWN)
    controls = it.panel.locator(CONTROL)
    control = controls.first if controls.count() else it.panel.locator("select").first
    if control.get_attribute("type") == "range":
        most = control.input_value() == control.get_attribute("max")
        control.press("Home" if most else "End")
    elif control.get_attribute("data-layer"):
        control.click()
    else:
        control.select_option(index=1)
    page.wait_for_function(SHOWS, arg=[panel, before, False])
    page.wait_for_url(f"**#{name}?*")
    after, there = panel.evaluate(SHOWN), page.url

    it.press("Reset")
    page.wait_for_function(SHOWS, arg=[panel, before, True])
    page.wait_for_url(address + f"#{name}")

    page.evaluate("() => window.scrollTo(0, 0)")
    page.evaluate("(there) => { location.href = there; }", there)
    page.wait_for_function(SHOWS, arg=[panel, after, True])
    expect(it.panel).to_be_in_viewport()
    it.press("Reset")
    page.wait_for_function(SHOWS, arg=[panel, before, True])


@EVERY
def test_a_wrong_address_does_no_harm(visited, name):
    it = visited(name)
    panel = it.panel.element_handle()
    before = panel.evaluate(SHOWN)
    state = saved_state(SAMPLES[name][0]())
    simple = [key for key, value in state.items() if isinstance(value, int | float | str)]
    for nonsense in ("<b>", "-1e99", "1e99", ""):
        query = "&".join(f"{key}={nonsense}" for key in [*simple, "limits", "photograph"])
        it.page.evaluate("(hash) => { location.hash = hash; }", f"#{name}?{query}")
        it.page.evaluate(DRAWN)
        assert not re.search(r"NaN|undefined|Infinity", panel.evaluate(SHOWN)), nonsense
        it.press("Reset")
        it.page.wait_for_function(SHOWS, arg=[panel, before, True])


@pytest.mark.alone
@EVERY
def test_a_drag_is_answered_within_50_ms(visited, name):
    _, answer, target = SAMPLES[name]
    it = visited(name)
    assert_a_drag_is_answered(it.page, f".ex-{name} {target}", f".ex-{name} {answer}")
    it.press("Reset")


# The window of the shape calculator is taken hold of where it is; that has a test of its own.
@pytest.mark.parametrize("name", [name for name in SAMPLES if name != "shape-calculator"])
def test_a_finger_drags_and_the_page_still_scrolls(chromium, address, name):
    context = chromium.new_context(viewport={"width": 390, "height": 800}, has_touch=True)
    page = context.new_page()
    page.goto(address)
    page.wait_for_function(UNPACKED)
    it = Explorer(page, name)
    if name in HELD:
        held, attribute = HELD[name]
        photograph = it.panel.locator(".ex-photo")
        assert_a_finger_drags(page, it.panel.locator(held).first, attribute, photograph)
        context.close()
        return
    target = it.panel.locator(SAMPLES[name][2])
    target.evaluate("(e) => e.scrollIntoView({ block: 'center' })")
    box = target.bounding_box()
    before, scrolled = it.answer.inner_html(), page.evaluate("window.scrollY")
    middle = box["y"] + box["height"] / 2
    swipe(page, box["x"] + box["width"] * 0.4, middle, box["width"] * 0.4, 0)
    page.wait_for_function(
        "([e, before]) => e.innerHTML !== before", arg=[it.answer.element_handle(), before]
    )
    # What moves in both directions is held by a finger; it scrolls from right beside that.
    held = target.locator(".ex-grip").count() > 0
    shown = it.answer.inner_html()
    if held:
        swipe(page, box["x"] + box["width"] * 0.5, middle - 40, 0, 80)
        page.wait_for_function(
            "([e, before]) => e.innerHTML !== before", arg=[it.answer.element_handle(), shown]
        )
        assert page.evaluate("window.scrollY") == scrolled
    x = box["x"] + box["width"] + 20 if held else box["x"] + box["width"] * 0.4
    swipe(page, x, middle, 0, -200)
    page.wait_for_function("y => window.scrollY > y + 50", arg=scrolled)
    context.close()


@EVERY
@pytest.mark.parametrize("width", [1280, 390])
def test_no_text_is_smaller_than_12_pixels(opened, name, width):
    assert not opened(name, width=width).panel.evaluate(SMALL_TEXT)


@pytest.mark.parametrize("width", [1280, 390])
@EVERY
def test_nothing_jumps_whatever_is_changed(opened, name, width):
    assert_nothing_jumps(opened(name, width=width).panel, SHAPES.get(name, ()))


# Units of every layer, at several steps of their sum.
HEIGHTS = """async (panel) => {
    const drawn = () => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)));
    const enter = (control, value, kind) => {
        control.value = value;
        control.dispatchEvent(new Event(kind));
    };
    const layers = panel.querySelector("[id$=-layer]");
    const chooser = panel.querySelector("svg.ex-stage, .ex-map-box svg");
    const keys = ["ArrowRight", "PageDown", "ArrowDown", "ArrowRight", "PageUp", "ArrowLeft"];
    const heights = {};
    for (const layer of layers ? [...layers.options].map(({ value }) => value) : ["conv1"]) {
        if (layers) enter(layers, layer, "change");
        for (let k = 0; k < 8; k += 1) {
            for (let press = 0; press <= 5 * k; press += 1) {
                const key = keys[(press * (k + 1)) % keys.length];
                chooser.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
            }
            await drawn();
            const track = panel.querySelector("[aria-label='Step of the sum']");
            enter(track, Math.round((track.max * ((k * 5) % 8)) / 7), "input");
            await drawn();
            (heights[panel.offsetHeight] ??= []).push(`${layer}, step ${track.value}`);
        }
    }
    return heights;
}"""


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", ["flow", "one-number"])
def test_a_number_has_room_for_the_tallest(opened, name, width):
    """Whichever unit of whichever layer is taken to pieces, and however far."""
    panel = opened(name, query="#flow?opened=true" if name == "flow" else "", width=width).panel
    expect(panel.locator(".ex-number-title strong")).to_have_count(1)
    heights = panel.evaluate(HEIGHTS)
    assert sum(map(len, heights.values())) == (104 if name == "flow" else 8)
    assert len(heights) == 1, heights


BAND = """(band) => {
    const numbers = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map(Number);
    const surface = getComputedStyle(band.closest(".explorer-panel")).backgroundColor;
    return [getComputedStyle(band).stroke, surface].map(numbers);
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ["response-normalization", "dropout-masks"])
def test_a_band_can_be_told_from_what_is_behind_it(opened, name, theme):
    band = opened(name, theme=theme).panel.locator("svg.ex-plot .ex-band").first
    assert contrast(*band.evaluate(BAND)) >= 3


def test_without_javascript_there_are_pictures(chromium, address):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    for name in SAMPLES:
        element = page.locator(f".explorer[data-explorer={name.replace('-', '_')}]")
        expect(element.get_by_role("img")).to_be_visible()
        expect(element.locator(".explorer-note")).to_be_visible()
    context.close()


def test_works_in_a_page_opened_as_a_file(opened, pages):
    it = opened(next(iter(SAMPLES)), url=(pages / "chapter.html").as_uri())
    assert it.page.locator(".explorer-panel").count() == len(SAMPLES)


NOTEBOOK = """async ([source, state, first]) => {
    const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    const { default: front } = await import(address);
    const heard = new Map();
    const model = {
        get: (name) => state[name],
        set: (name, value) => { state[name] = value; heard.get(`change:${name}`)?.(); },
        on: (name, listener) => heard.set(name, listener),
        off: (name) => heard.delete(name),
        save_changes: () => { window.saved = (window.saved ?? 0) + 1; },
    };
    const close = front.render({ model, el: document.body });
    const control = document.querySelector(first) ?? document.querySelector("select");
    if (control.max) control.value = control.max;
    if (control.options) control.selectedIndex = 1;
    const kind = control.max ? "input" : control.options ? "change" : "click";
    control.dispatchEvent(new Event(kind));
    await new Promise(requestAnimationFrame);
    const panels = document.querySelectorAll(".explorer > .explorer-panel").length;
    close();
    return { panels, saved: window.saved, heard: heard.size };
}"""


@EVERY
def test_module_works_as_a_notebook_mounts_it(chromium, name):
    widget = SAMPLES[name][0]()
    page = chromium.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    got = page.evaluate(NOTEBOOK, [widget._esm, widget.page_state(), CONTROL])
    page.close()
    assert got == {"panels": 1, "saved": 1, "heard": 0}
    assert not errors


# ---- In a kernel -------------------------------------------------------------------------------


def test_changes_travel_both_ways_in_a_kernel():
    """What JupyterLab does over its connection: a change of a trait goes in, another comes out."""
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        replies = []

        def run(code):
            client.execute_interactive(code, timeout=60, output_hook=replies.append)
            opens = [m for m in replies if m["msg_type"] == "comm_open"]
            return opens[-1]["content"] if opens else None

        opened = run(
            "from alexnet_lib.teaching.widgets import ResponseNormalization\n"
            "widget = ResponseNormalization([1.0, 200.0, 3.0, 4.0])"
        )
        state = opened["data"]["state"]
        assert (state["channel"], state["limits"]["n"]) == (1, [1, 15, 2])
        assert "export default { render };" in state["_esm"]

        content = {
            "comm_id": opened["comm_id"],
            "data": {"method": "update", "state": {"n": 9, "beta": 0.5}, "buffer_paths": []},
        }
        client.shell_channel.send(client.session.msg("comm_msg", content))
        replies.clear()
        run("print(widget.n, widget.beta); widget.k = 3.5")
        assert "9 0.5\n" in [m["content"].get("text") for m in replies]
        updates = [m["content"]["data"] for m in replies if m["msg_type"] == "comm_msg"]
        assert {"k": 3.5} in [u.get("state") for u in updates]
    finally:
        client.stop_channels()
        with contextlib.suppress(queue.Empty):
            manager.shutdown_kernel(now=True)


def number(text):
    """What a reader understands: 1,234, −0.5, 4.4·10⁻⁷."""
    mantissa, _, power = text.replace(",", "").replace("−", "-").partition("·10")
    return float(mantissa) * 10.0 ** int(power.translate(SUPERSCRIPTS) or 0)


SUPERSCRIPTS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


# ---- Each by itself ----------------------------------------------------------------------------


def test_response_normalization_shows_the_arithmetic(opened):
    it = opened("response-normalization")
    maps = some_maps()
    middle = np.round(maps[27, 27])
    channel = int(middle.argmax())
    after = normalize(middle, 5, 2, 1e-4, 0.75)
    assert SAMPLES["response-normalization"][0]().activities[12] == list(middle)

    def shows(channel, values):
        expect(it.answer).to_contain_text(f"channel {channel}")
        strong = it.answer.locator("strong")
        eventually(lambda: number(strong.inner_text()), pytest.approx(values[channel], rel=5e-3))

    shows(channel, after)
    it.panel.get_by_label("Constants").select_option("original")
    expect(it.number("α")).to_have_value(f"{1e-4 / 5:.5f}")
    expect(it.panel.get_by_label("stay in a tower")).to_be_checked()
    shows(channel, normalize(middle, 5, 2, 2e-5, 0.75, 2))

    it.number("k").fill("0.5")
    expect(it.panel.get_by_label("Constants")).to_have_value("")  # "my own"
    shows(channel, normalize(middle, 5, 0.5, 2e-5, 0.75, 2))
    bars = it.panel.get_by_role("slider", name="Channel")
    bars.focus()
    it.page.keyboard.press("Home")
    shows(0, normalize(middle, 5, 0.5, 2e-5, 0.75, 2))
    assert it.panel.locator("tbody tr").count() == 3  # no channels before the first

    it.panel.get_by_role("application").focus()
    it.page.keyboard.press("ArrowDown")
    corner = np.round(maps[38, 27])
    shows(0, normalize(corner, 5, 0.5, 2e-5, 0.75, 2))


def test_response_normalization_says_who_suppresses_whom(opened):
    it = opened("response-normalization")
    middle = np.round(some_maps()[27, 27])
    channel = int(middle.argmax())
    with_it = normalize(middle, 5, 2, 1e-4, 0.75)
    silenced = middle.copy()
    silenced[channel] = 0
    without_it = normalize(silenced, 5, 2, 1e-4, 0.75)
    for row in it.panel.locator("tbody tr").all():
        cells = row.locator("th, td").all_inner_texts()
        j = int(cells[0].split(",")[0])
        if j == channel or not middle[j]:
            continue
        lost = 100 * (1 - with_it[j] / without_it[j])
        assert float(cells[3].split()[0]) == pytest.approx(lost, abs=0.6)


def test_response_normalization_refuses_what_it_cannot_show():
    with pytest.raises(ValueError, match=r"\(2, 3\)"):
        ResponseNormalization(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="not finite"):
        ResponseNormalization([1.0, np.nan])
    with pytest.raises(ValueError, match="odd number"):
        ResponseNormalization([1.0], n=4)
    with pytest.raises(ValueError, match=r"conv1 has \(55, 55\)"):
        ResponseNormalization(np.zeros((54, 54, 96)))
    with pytest.raises(ValueError, match="'owt' has no normalization"):
        ResponseNormalization([1.0], variant="owt")
    html = BeautifulSoup(ResponseNormalization([3.0, 40.0]).still(), "html.parser")
    assert "Channel 1: 40 before, " in html.svg["aria-label"]
    assert json.loads(json.dumps(ResponseNormalization([3.14159, 2]).activities)) == [[3.14, 2.0]]


def test_activations_show_values_and_what_depth_leaves(opened):
    it = opened("activations")
    it.number("x").fill("-0.5")
    it.number("Layers").fill("7")
    it.number("Gain").fill("1.5")

    def rows():
        for row in it.panel.locator("tbody tr").all():
            name, *cells = row.locator("th, td").all_inner_texts()
            yield name.strip().lower(), [number(cell) for cell in cells]

    for seed in (0, 1):
        expect(it.answer).to_contain_text("gradient at layer 1 of 7")
        for name, shown in rows():
            left = gradient_through_depth(name, 7, 1.5, seed)[0]
            expected = [float(f[name](-0.5)) for f in (FUNCTIONS, DERIVATIVES)] + [left]
            assert shown == pytest.approx(expected, rel=5e-3), (name, seed)
        before = it.answer.inner_text()
        it.press("Draw other weights")
        expect(it.answer).not_to_have_text(before, use_inner_text=True)
    outcome = it.panel.locator("[id$=-outcome]")
    it.number("Layers").fill("1")
    expect(outcome).to_contain_text("1 layer leaves ")
    it.number("Layers").fill("7")
    expect(outcome).to_contain_text("7 layers leave ")
    it.panel.get_by_role("slider", name="x, on the curves").focus()
    it.page.keyboard.press("PageUp")
    expect(it.number("x")).to_have_value("0.5")
    it.page.keyboard.press("Home")
    expect(it.answer).to_contain_text("at x = −6")
    assert "sigmoid " in BeautifulSoup(Activations().still(), "html.parser").svg["aria-label"]


def test_activations_open_on_what_their_chapter_says():
    """At the customary gain of the ReLU its gradient arrives, and the sigmoid's vanishes."""
    widget = Activations(depth=20)
    left = {
        name: gradient_through_depth(name, widget.depth, widget.gain, widget.seed)[0]
        for name in FUNCTIONS
    }
    assert 0.3 < left["relu"] < 3
    assert 0.3 < left["tanh"] < 30
    assert left["sigmoid"] < 1e-8
    assert "after 1 layer:" in Activations(depth=1).still()


HUES = """(panel) => Object.fromEntries([...panel.querySelectorAll("tbody tr")].map((row) => {
    const { stroke, strokeDasharray } = getComputedStyle(row.querySelector(".ex-curve"));
    const name = row.textContent.match(/^\\s*[A-Za-z]+/)[0].trim();
    return [name, [stroke, strokeDasharray !== "none"]];
}))"""


def hue(colour):
    return colorsys.rgb_to_hsv(*matplotlib.colors.to_rgb(colour))[0] * 360


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_functions_have_the_same_colours_in_figure_and_explorer(opened, theme):
    z = np.linspace(-2, 2, 5)
    curves = {name: FUNCTIONS[name.lower()](z) for name in ("sigmoid", "tanh", "ReLU")}
    points = {name: (z, curve) for name, curve in curves.items()}
    for figure in (
        plots.functions_and_slopes(z, curves, curves),
        plots.lines(points, "in", "out"),
    ):
        drawn = {line.get_label(): line for line in figure.axes[0].get_lines()}
        shown = opened("activations", theme=theme).panel.evaluate(HUES)
        assert set(shown) == set(curves)
        for name, (stroke, dashed) in shown.items():
            line = drawn[name]
            rgb = [float(part) / 255 for part in re.findall(r"[\d.]+", stroke)[:3]]
            apart = abs(hue(rgb) - hue(line.get_color()))
            assert min(apart, 360 - apart) < 20, name
            assert dashed == (line.get_linestyle() != "-"), name


def test_a_curve_that_is_no_function_takes_no_functions_colour():
    figure = plots.lines(
        {name: ([1, 2], [1, 2]) for name in ("ReLU", "ReLU, biases 0", *"abcdef")}, "in", "out"
    )
    drawn = {line.get_label(): line.get_color() for line in figure.axes[0].get_lines()}
    assert [name for name, colour in drawn.items() if colour == colours.BLUE] == ["ReLU"]
    assert len(drawn) == 8


@pytest.mark.parametrize("one_scale", [False, True])
def test_grey_pictures_of_a_row_can_share_a_scale(one_scale):
    rows = {"dim and bright": [np.eye(3), 5 * np.eye(3)], "another": [-np.eye(3), np.eye(3)]}
    figure = plots.picture_rows(rows, one_scale=one_scale)
    limits = [axes.images[0].get_clim() for axes in figure.axes]
    assert limits == (
        [(0, 5), (0, 5), (-1, 1), (-1, 1)] if one_scale else [(0, 1), (0, 5), (-1, 0), (0, 1)]
    )


IN_VIEW = """(map) => {
    const frame = map.getBoundingClientRect();
    const within = (low, middle, high) => low < middle && middle < high;
    return [...map.querySelectorAll("svg g > rect[fill]")].filter((pixel) => {
        const { left, right, top, bottom } = pixel.getBoundingClientRect();
        return within(frame.left, (left + right) / 2, frame.right)
            && within(frame.top, (top + bottom) / 2, frame.bottom);
    }).map((pixel) => Number(pixel.getAttribute("fill").match(/\\d+/)[0]));
}"""


def test_pooling_shows_how_the_maps_change(opened):
    it = opened("pooling")
    widget = Pooling(photograph())
    picture = np.array(widget.picture)

    def shows(right, down, chosen=(2, 2)):
        moved = np.roll(picture, (down, right), (0, 1))[4:-4, 4:-4]  # nothing rolls into view
        first = picture[4:-4, 4:-4]
        expected = [np.abs(moved - first).mean()]
        cells = it.panel.locator("svg.ex-cells")
        for index, (kernel, stride) in enumerate([(3, 2), (2, 2)]):
            now = max_pool(moved, kernel, stride)
            expected.append(np.abs(now - max_pool(first, kernel, stride)).mean())
            texts = cells.nth(index + 1).locator("text")
            eventually(texts.all_text_contents, [str(value) for value in now.ravel()])
            top, left = (stride * place for place in chosen)
            window = moved[top : top + kernel, left : left + kernel]
            seen = it.panel.locator(".ex-window").nth(index)
            assert seen.locator("text").all_text_contents() == [str(v) for v in window.ravel()]
            expect(seen.locator("strong")).to_have_text(str(window.max()))
        assert cells.first.evaluate(IN_VIEW) == moved.ravel().tolist()
        numbers = re.findall(r"by (\d+(?:\.\d+)?)", it.answer.inner_text())
        assert [float(n) for n in numbers] == pytest.approx(expected, rel=5e-3)

    expect(it.answer).to_contain_text("Shifted 1 right")
    shows(1, 0)
    it.number("Right").fill("2")
    expect(it.answer).to_contain_text("Shifted 2 right")
    shows(2, 0)
    moved = it.panel.get_by_text(": the first map, moved 1 right.")
    expect(moved).to_have_count(2)  # two pixels are one stride, for both windows

    it.panel.get_by_role("application", name="The picture").focus()
    it.page.keyboard.press("ArrowUp")
    expect(it.answer).to_contain_text("Shifted 2 right and 1 up")
    shows(2, -1)
    it.page.keyboard.press("Home")
    expect(it.answer).to_contain_text("Not shifted")
    shows(0, 0)

    it.panel.get_by_role("application", name="Pooled 3/2").focus()
    for _ in range(5):
        it.page.keyboard.press("ArrowDown")
    value = max_pool(picture[4:-4, 4:-4], 3, 2)[6, 2]
    expect(it.panel).to_contain_text(f"Row 6, column 2 of the pooled maps: {value} with 3/2")
    shows(0, 0, chosen=(6, 2))


def test_pooling_says_what_has_become_of_a_map(chromium):
    inputs = [[0, "", 0], [0.4, "2 right", 0], [0.4, "1 up", 1.5], [0.4, "", 3]]
    assert both(chromium, "pooling", "comparison", inputs) == [
        "as it was.",
        "the first map, moved 2 right.",
        "closest to the first map moved 1 up, 1.5 apart on average.",
        "closest to the first map where it was.",
    ]


def test_pooling_reads_no_heap_of_numbers_to_a_screen_reader(opened):
    it = opened("pooling")
    heard = it.panel.aria_snapshot()
    numbers = re.findall(r"\b\d+(?:\.\d+)?\b", heard)
    assert len(numbers) < 100, heard  # with those of the chart's axes; there used to be hundreds
    value = max_pool(np.array(Pooling(photograph(), right=1).picture)[4:-4, 3:-5], 3, 2)[2, 2]
    assert f"the largest is {value}" in heard


def test_pooling_takes_a_grey_picture_as_it_is():
    grey = RANDOM.integers(0, 256, (23, 23))
    assert Pooling(grey).picture == grey.tolist()
    with pytest.raises(ValueError, match=r"\(5, 5\) from 0\.0 to 0\.0"):
        Pooling(np.zeros((5, 5)))
    assert "2/2 plain: mean change 0.0" in Pooling(grey).still()


def test_network_map_says_what_a_layer_is_and_sees(opened):
    it = opened("network-map", width=390)
    records = {record.name: record for record in architecture.trace()}
    total = sum(record.parameters for record in records.values())
    for name in ("conv1", "norm1", "conv3", "pool5", "fc6"):
        record = records[name]
        it.panel.locator(f"[data-layer={name}]").click()
        expect(it.panel.locator(f"[data-layer={name}]")).to_have_attribute("aria-pressed", "true")
        table = it.panel.locator("table")
        expect(table).to_contain_text(" × ".join(f"{side:,}" for side in record.output_shape))
        share = f"{100 * record.parameters / total:.1f}"
        expect(table).to_contain_text(
            f"{record.parameters:,} ({share} %)" if record.parameters else "parameters0"
        )
        expect(table).to_contain_text(f"{record.macs:,}")
        side = record.receptive_field
        if len(record.output_shape) == 3:
            expect(it.answer).to_contain_text(f"receptive field is {side} × {side} pixels")
    expect(it.answer).to_have_text("The receptive field of a unit of fc6 is all 227 × 227 pixels.")
    expect(it.panel).to_contain_text("All layers: 60,965,224 parameters, 724,406,816 ")

    it.panel.locator("[data-layer=conv2]").click()
    it.panel.get_by_role("application").focus()
    it.page.keyboard.press("Home")
    expect(it.answer).to_contain_text(
        "Row 0, column 0 of 27 × 27: its receptive field is 51 × 51 pixels, "
        "of which the picture has rows 0 to 34"
    )
    photo = it.panel.locator(".ex-photo")
    box = photo.bounding_box()
    photo.click(position={"x": box["width"] - 2, "y": box["height"] / 2})
    expect(it.answer).to_contain_text("Row 13, column 26 of 27 × 27")

    it.panel.get_by_label("Network").select_option("one_tower")
    expect(it.panel).to_contain_text("This network has one tower.")
    crossing = it.panel.get_by_text("crosses between the towers")
    expect(crossing).to_be_hidden()
    it.panel.get_by_label("Network").select_option("owt")
    expect(it.panel.locator(".ex-key").get_by_text("normalization")).to_be_hidden()
    it.panel.get_by_label("Network").select_option("original")
    expect(crossing).to_be_visible()
    for row in it.panel.locator(".ex-layers button").all():
        boxes = [row.locator(part).bounding_box() for part in ("svg", ".ex-layer", ".ex-shape")]
        for one, other in pairwise(boxes):
            assert one["x"] + one["width"] <= other["x"] + 1, row.inner_text()
        assert boxes[-1]["x"] + boxes[-1]["width"] <= 390 - 16
    it.panel.get_by_label("Network").select_option("one_tower")
    expect(it.panel).to_contain_text("All layers: 62,378,344 parameters")
    with pytest.raises(ValueError, match="'owt' has no layer 'norm1'"):
        NetworkMap(variant="owt", layer="norm1")


def test_augmentation_shows_the_crop_and_counts(opened):
    it = opened("augmentation")
    expect(it.answer).to_have_text("Rows 14 to 240, columns 14 to 240 of 256 × 256.")
    for line in ("crops of 2242 · 33 · 33 = 2,178", "crops of 2272 · 30 · 30 = 1,800"):
        expect(it.panel.locator("table")).to_contain_text(line)
    expect(it.panel.locator("table")).to_contain_text("prints it2 · 32 · 32 = 2,048")

    it.panel.get_by_role("application").focus()
    it.page.keyboard.press("End")
    it.panel.get_by_label("mirror", exact=True).check()
    expect(it.answer).to_have_text("Rows 29 to 255, columns 29 to 255 of 256 × 256, mirrored.")
    corner = it.panel.get_by_role("button", name="bottom right, mirrored")
    expect(corner).to_have_attribute("aria-pressed", "true")
    it.panel.get_by_label("224", exact=True).check()
    it.panel.get_by_role("button", name="top right", exact=True).click()
    expect(it.answer).to_have_text("Rows 0 to 223, columns 32 to 255 of 256 × 256.")

    # The canvas holds the pixels that Python would cut out of the same JPEG, with the light added.
    it.number("α₁").fill("0.3")
    widget = Augmentation(photograph())
    fitted = {key: np.array(value) for key, value in widget.lighting.items()}
    shift = 255 * fitted["eigenvectors"] @ (fitted["eigenvalues"] * [0.3, 0, 0])
    expect(it.panel).to_contain_text(f"red +{shift[0]:.3g}")
    jpeg = base64.b64decode(widget.photograph["image"].partition(",")[2])
    decoded = np.asarray(Image.open(io.BytesIO(jpeg)), "float64")
    expected = np.clip(decoded[:224, 32:] + shift, 0, 255)
    shown = it.panel.locator("canvas.ex-crop").evaluate(
        "(c) => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
    )
    difference = np.reshape(shown, (224, 224, 4))[..., :3] - expected
    assert np.abs(difference).mean() < 1, "decoders of JPEG may round differently"

    before = it.answer.inner_text()
    it.press("Draw at random")
    expect(it.answer).not_to_have_text(before)


def test_training_runs_say_who_is_first(opened):
    it = opened("training-runs")
    runs = some_runs()
    table = it.panel.locator("table")

    def rows():
        return [row.locator("th, td").all_inner_texts() for row in table.locator("tbody tr").all()]

    curves = {name: [row["val_accuracy"] for row in rows] for name, rows in runs.items()}
    target = sorted(max(v for v in curve if v is not None) for curve in curves.values())[-2]
    expect(it.number("Target")).to_have_value(f"{target:.5g}")
    first = [
        first_reaching(curve, float(f"{target:.5g}") - 1e-5, True) for curve in curves.values()
    ]
    for (name, now, best, reaches, slower), place, curve in zip(
        rows(), first, curves.values(), strict=True
    ):
        assert float(now) == pytest.approx(curve[19], rel=1e-3), name
        assert float(best.split()[0]) == pytest.approx(max(v for v in curve if v), rel=1e-3)
        if place is None:
            assert (name, reaches, slower) == ("sigmoid, slow", "never", "–")
            continue
        assert reaches == f"epoch {place + 1}"
        assert float(slower.split()[0]) == pytest.approx((place + 1) / (first[0] + 1), rel=1e-2)

    it.panel.get_by_role("slider", name="Epoch").focus()
    it.page.keyboard.press("Home")
    expect(table).to_contain_text("epoch 1")
    it.page.keyboard.press("PageDown")
    for _ in range(3):
        it.page.keyboard.press("ArrowRight")
    expect(table).to_contain_text("epoch 4")
    assert rows()[1][1] == "–", "tanh has no value there"

    it.panel.get_by_label("sigmoid, slow").uncheck()
    expect(it.panel.locator("path.ex-run-2")).to_have_count(1)  # in the table only
    assert rows()[2][1:] == ["", "", "", ""]
    it.panel.get_by_label("Measure").select_option("loss")
    lowest = sorted(min(row["loss"] for row in rows) for rows in runs.values())[1]
    expect(it.number("Target")).to_have_value(f"{lowest:.5g}")
    it.number("Target").fill("-5")
    expect(table).to_contain_text("never")
    it.panel.get_by_label("seconds").check()
    expect(it.panel.locator("svg.ex-curves")).to_contain_text("seconds")
    it.press("Reset")
    expect(table).to_contain_text("epoch 20")


def test_training_runs_take_rows_and_say_what_they_miss():
    with pytest.raises(ValueError, match="'a' has no rows"):
        TrainingRuns({"a": []})
    with pytest.raises(ValueError, match="there are loss"):
        TrainingRuns({"a": [{"epoch": 1, "loss": 1}]}, metric="accuracy")
    with pytest.raises(ValueError, match="these are 9"):
        TrainingRuns({str(n): [{"loss": 1}] for n in range(9)})
    widget = TrainingRuns({"a": [{"loss": 1 / 3, "note": "x"}, {"loss": np.nan, "note": "y"}]})
    assert widget.runs == [{"name": "a", "columns": {"loss": [0.33333, None]}}]
    assert "a reaches 0.33333 at epoch 1" in widget.still()


def test_dropout_shows_one_draw_and_many(opened):
    it = opened("dropout-masks")
    widget = Dropout()
    answer = it.panel.locator(".ex-result")

    def shows(rate, seed, draws, inverted):
        found = sums(widget.activities, widget.weights, rate, seed, draws, inverted)
        stay = int(masks(rate, seed, 1, 24).sum())
        expect(answer).to_contain_text(f"This draw: {stay} of 24 units stay")
        whole = np.dot(widget.activities, widget.weights) * (1 if inverted else 1 - rate)
        words = r"receives (\S+)\. .*mean (\S+), spread (\S+)\. The test computes (\S+)\."
        eventually(
            lambda: [number(text) for text in re.search(words, answer.inner_text()).groups()],
            pytest.approx([found[0], found.mean(), found.std(), whole], rel=6e-3),
        )
        expect(it.panel.locator("rect.ex-kept")).to_have_count(stay)

    shows(0.5, 0, 200, False)
    it.press("Draw again")
    shows(0.5, 1, 200, False)
    it.number("Rate").fill("0.8")
    it.number("Draws").fill("2000")
    it.panel.get_by_label("in training (Keras)").check()
    shows(0.8, 1, 2000, True)
    it.panel.get_by_role("slider", name="Unit").focus()
    it.page.keyboard.press("Home")
    stays = masks(0.8, 1, 2000, 24)[:, 0].mean()
    expect(it.answer).to_contain_text(f"Unit 0: activation {widget.activities[0]:.3g}")
    expect(it.answer).to_contain_text(f"stays in {100 * stays:.0f} % of the draws")
    expect(it.answer).to_contain_text(f"{2**24:,} networks")

    # Where no unit is silenced, all draws are alike, and the axis tells its numbers apart.
    it.number("Rate").fill("0")
    whole = np.dot(widget.activities, widget.weights)
    expect(answer).to_contain_text("24 of 24 units stay")
    expect(answer).to_contain_text("spread 0.")
    mean = re.search(r"mean (\S+),", answer.inner_text())[1]
    assert number(mean) == pytest.approx(whole, rel=6e-3)
    ticks = it.panel.locator("svg.ex-histogram > text").all_text_contents()
    assert len(ticks) == len(set(ticks)) > 4
    assert "spread 0." in Dropout(rate=0.0).still()
    with pytest.raises(ValueError, match=r"\(2,\) weights and \(3,\) activations"):
        Dropout([1, 2, 3], [1, 2])


def test_the_flow_stands_on_the_page(opened):
    """Sheets of maps have a grey ground; the names beside the flow's maps are to be read."""
    canvas = opened("flow").panel.locator(".ex-way > canvas")
    assert canvas.evaluate("(e) => getComputedStyle(e).backgroundColor") == "rgba(0, 0, 0, 0)"
