"""Recorded passes: what a browser computes from one is what Keras computes, number by number."""

import json
import re

import numpy as np
import pytest
import skimage.data
from pages import Tab
from playwright.sync_api import expect

from alexnet_lib import AlexNet, architecture, inspection, preprocess_input, pretrained
from alexnet_lib.data.pictures import square_of_array
from alexnet_lib.formats import quantization
from alexnet_lib.front_end import bundles
from alexnet_lib.model import build
from alexnet_lib.preprocessing import with_preprocessing
from alexnet_lib.teaching.widgets import FeatureMaps, Flow, OneNumber, recordings
from alexnet_lib.teaching.widgets.recorded import CHAPTERS

# Every `apart`-th unit of the maps that are kept: what the browser makes of its parts, how the
# parts add up, and what it reads where it does not compute.
IN_BROWSER = """async ([source, network, recording, name, apart]) => {
    const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    const { Pass, dependences } = await import(address);
    const pass = await Pass.unpack(network, recording, name);
    const found = {};
    let slowest = 0;
    pass.layers.forEach((layer, place) => {
        found[layer.name] = [];
        for (const channel of recording.shown[layer.name]) {
            for (let unit = 0; unit < layer.rows * layer.columns; unit += apart) {
                const [row, column] = [Math.floor(unit / layer.columns), unit % layer.columns];
                const read = pass.value(place, channel, row, column);
                const start = performance.now();
                const parts = pass.parts(place, channel, row, column);
                slowest = Math.max(slowest, performance.now() - start);
                const { after, score, total, bias, sums, products } = parts;
                const added = (sums ?? products ?? []).reduce((sum, one) => sum + one, 0);
                const regions = dependences(pass, place, channel, row, column);
                found[layer.name].push(
                    { channel, row, column, read, after, score, total, bias, added, regions });
            }
        }
    });
    return { found, colours: [...pass.colours], slowest };
}"""


def computed(chromium, network, recording, name, apart=1):
    page = chromium.new_page()
    source = bundles.front_end("arithmetic")
    result = page.evaluate(IN_BROWSER, [source, network, recording, name, apart])
    page.close()
    return result


def by_keras(model, picture, layers, variant="paper"):
    pixels = recordings.rounded(picture)
    return inspection.activations(model, preprocess_input(pixels, variant), layers)


def agrees(found, activities):
    """Every number of every layer, to a thousandth of the layer's largest."""
    for name, units in found.items():
        maps = activities[name] if activities[name].ndim == 3 else activities[name][None, None]
        assert units, name
        expected = [maps[u["row"], u["column"], u["channel"]] for u in units]
        for how in ("after", "read"):
            np.testing.assert_allclose(
                [u[how] for u in units], expected, atol=1e-3 * maps.max(), rtol=0, err_msg=name
            )
        for unit in units:
            if unit.get("score") is not None:
                assert unit["total"] == pytest.approx(unit["added"], rel=1e-9, abs=1e-12)
                assert unit["score"] == pytest.approx(unit["total"] + unit["bias"], rel=1e-9)


def test_the_shipped_network_is_computed_as_keras_computes_it(chromium):
    model = AlexNet(weights="pocket")
    names = quantization.read(pretrained.POCKET)[1]["class_names"]
    pictures = {
        "cat": square_of_array(skimage.data.chelsea(), 227),
        "coffee": square_of_array(skimage.data.coffee(), 227),
    }
    flow = Flow(model, pictures, names)
    assert all(weights["bits"] == 8 for weights in flow.recording["weights"].values())
    for name, picture in pictures.items():
        result = computed(chromium, flow.network, flow.recording, name, apart=23)
        layers = list(flow.recording["shown"])
        assert list(result["found"]) == layers
        agrees(result["found"], by_keras(model, picture, layers))
        colours = np.reshape(result["colours"], (3, 227, 227)).transpose(1, 2, 0)
        np.testing.assert_array_equal(colours, recordings.rounded(picture))


def test_numbers_of_maps_are_computed_as_keras_computes_them(chromium):
    """Every map of the first convolution; of others, a few of each tower, and nothing that only
    layers between them need."""
    bare = AlexNet(weights="pocket")
    model = with_preprocessing(bare, pretrained.class_names("pocket"))
    picture = square_of_array(skimage.data.chelsea(), 227)
    maps = FeatureMaps(model, {"cat": picture}, layers=("conv1", "conv5"), numbers=True)
    shown = maps.recording["shown"]
    assert shown["conv1"] == list(range(96))
    assert {channel // 128 for channel in shown["conv5"]} == {0, 1}
    assert set(maps.recording["weights"]) == {"conv1", "conv5"}
    assert "conv1" not in maps.maps["cat"], "the browser computes it"
    found = computed(chromium, maps.network, maps.recording, "cat", apart=53)["found"]
    assert {name for name, units in found.items() if units} == {"conv1", "conv5"}
    opened = {name: units for name, units in found.items() if units}
    agrees(opened, by_keras(bare, picture, list(opened)))

    page = chromium.new_page()
    source = bundles.front_end("feature_maps")
    computed_maps = page.evaluate(ALL_MAPS, [source, maps.network, maps.recording])
    page.close()
    expected = by_keras(bare, picture, ["conv1"])["conv1"]
    np.testing.assert_allclose(
        computed_maps, expected.ravel()[::41], atol=1e-3 * expected.max(), rtol=0
    )


ALL_MAPS = """async ([source, network, recording]) => {
    const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    const { Pass, computedMaps } = await import(address);
    const maps = await computedMaps(await Pass.unpack(network, recording, "cat"), 0);
    return [...maps].filter((_, at) => at % 41 === 0);
}"""


def test_numbers_need_pictures_as_they_are_and_convolutions():
    bare = AlexNet(weights="pocket")
    picture = {"cat": square_of_array(skimage.data.chelsea(), 227)}
    with pytest.raises(ValueError, match=r"a model that preprocesses them: with_preprocessing\("):
        FeatureMaps(bare, picture, numbers=True)
    model = with_preprocessing(bare, pretrained.class_names("pocket"))
    with pytest.raises(ValueError, match="pool1: no convolution; with numbers=True"):
        FeatureMaps(model, picture, layers=("conv1", "pool1"), numbers=True)


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (390, "dark")])
def test_numbers_of_chapter_13_open_on_its_page(width, theme, chromium, built_book):
    tab = Tab(chromium, width, theme)
    page = tab.open(
        f"{built_book}13_filters_and_feature_maps.html#feature-maps?layer=conv1&channel=7"
    )
    panel = page.locator(".ex-feature-maps")
    words = panel.locator("[id$=-unit]")
    # All maps of the layer are computed first, which takes a while on a busy machine.
    expect(words).to_contain_text("of map 7", timeout=60_000)
    opener = panel.get_by_role("button", name="Take this number to pieces")
    one = panel.get_by_label("The chosen map. Arrow keys choose a unit.")
    one.focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    number = panel.locator(".ex-number-box")
    equation = number.locator(".ex-equation strong")

    def opened():
        expect(equation.last).to_be_visible(timeout=20_000)
        products, bias, score, after = (
            float(text.replace("−", "-").replace(",", "")) for text in equation.all_inner_texts()
        )
        assert products + bias == pytest.approx(score, abs=1e-9)
        assert after == max(score, 0)
        said = float(words.inner_text().partition(": ")[2].split(". ")[0].replace(",", ""))
        assert said == pytest.approx(after, rel=6e-3, abs=1e-3)

    opened()
    panel.get_by_label("Layer", exact=True).select_option("conv5")
    note = panel.get_by_text("can be taken to pieces here")
    expect(note).to_contain_text("Of conv5, the numbers of the maps", timeout=60_000)
    kept = [int(number) for number in re.findall(r"\b\d+\b", note.inner_text())]
    assert len(kept) == 4
    other = next(channel for channel in range(256) if channel not in kept)
    panel.get_by_label("Map", exact=True).fill(str(other))
    expect(opener).to_be_disabled()
    expect(number).to_be_hidden()
    panel.get_by_label("Map", exact=True).fill(str(kept[-1]))
    opened()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert not tab.complaints
    tab.context.close()


def random_network(variant, size):
    layers = architecture.describe(variant, classes=5, fc_units=12)
    model = build(layers, (size, size, 3), name=f"alexnet_{variant}")
    random = np.random.default_rng(2012)
    for layer in model.layers:
        if layer.weights:
            kernel, bias = (np.shape(values) for values in layer.get_weights())
            # A softmax of large scores would show their smallest errors, and nothing else.
            spread = (2 / np.prod(kernel[:-1])) ** 0.5 / (30 if layer.name == "fc8" else 1)
            layer.set_weights([random.normal(0, spread, kernel), random.normal(0, 0.1, bias)])
    return model


@pytest.mark.parametrize("variant", architecture.VARIANTS)
def test_every_variant_is_computed_as_keras_computes_it(chromium, variant, monkeypatch):
    """Whatever it is made of: random sums cancel out, so their parts are written down finely."""
    monkeypatch.setattr(recordings, "LEVELS", 65_535)
    size = 99
    model = random_network(variant, size)
    picture = np.random.default_rng(7).integers(0, 256, (size, size, 3), "uint8")
    network = recordings.describe_network(model)
    recording = recordings.record(model, network, {"noise": picture})
    result = computed(chromium, network, json.loads(json.dumps(recording)), "noise", apart=3)
    agrees(result["found"], by_keras(model, picture, list(recording["shown"]), variant))


def test_dependences_are_those_of_the_description(chromium):
    """Rows and columns against `inspection.receptive_boxes`, channels against the groups."""
    model = random_network("paper", 227)
    picture = np.random.default_rng(7).integers(0, 256, (227, 227, 3), "uint8")
    network = recordings.describe_network(model, until="conv4")
    recording = recordings.record(model, network, {"noise": picture}, density=0.1)
    found = computed(chromium, network, recording, "noise", apart=31)["found"]
    records = {record.name: record for record in architecture.trace()}
    for name, units in found.items():
        boxes = inspection.receptive_boxes(list(records.values()), name)
        for unit in units:
            top, left, bottom, right = np.clip(boxes[unit["row"], unit["column"]], 0, 227)
            region = unit["regions"][-1]
            assert region["place"] == -1
            assert (region["rows"], region["columns"]) == (
                [top, bottom - 1],
                [left, right - 1],
            ), (name, unit["row"], unit["column"])
    for unit in found["conv4"]:
        conv3, pool2 = unit["regions"][1:3]
        assert conv3["channels"] == ([0, 191] if unit["channel"] < 192 else [192, 383])
        assert pool2["channels"] == [0, 255]
    for unit in found["norm1"]:
        around = [max(unit["channel"] - 2, 0), min(unit["channel"] + 2, 95)]
        assert unit["regions"][1]["channels"] == around


def test_weights_of_any_precision_are_kept():
    model = random_network("one_tower", 99)
    network = recordings.describe_network(model)
    recording = recordings.record(model, network, {"black": np.zeros((99, 99, 3))})
    assert {weights["bits"] for weights in recording["weights"].values()} == {16}
    assert len(recording["shown"]["conv1"]) == round(recordings.DENSITY * 96**0.5)


def test_colours_are_rounded_and_stay_in_range():
    ramp = np.arange(256)[:, None, None].repeat(3, -1)
    rounded = recordings.rounded(ramp)
    assert np.abs(rounded.astype(int) - ramp).max() <= recordings.COLOUR_STEP / 2
    assert (rounded.min(), rounded.max()) == (0, 255)


def test_what_cannot_be_recorded_is_refused():
    model = random_network("paper", 99)
    picture = {"noise": np.zeros((99, 99, 3))}
    names = list("abcde")
    with pytest.raises(ValueError, match="Flow needs at least one picture"):
        Flow(model, {}, names)
    with pytest.raises(ValueError, match="5 classes, and there are 4 names"):
        Flow(model, picture, names[:4])
    with pytest.raises(ValueError, match="no picture 'cat'; there are noise"):
        Flow(model, picture, names, picture="cat")
    with pytest.raises(ValueError, match="no layer 'conv6'; there are conv1, norm1"):
        OneNumber(model, picture, names, until="conv6")
    with pytest.raises(ValueError, match="no layer 'conv2'; there are conv1"):
        OneNumber(model, picture, names, until="conv1", layer="conv2")
    with pytest.raises(ValueError, match=r"Channel 96 of conv1 is not kept; those are \d+"):
        OneNumber(model, picture, names, until="conv1", channel=96)
    negative = np.array([[[-1.0, 2.0]]])
    with pytest.raises(ValueError, match="conv9 has negative activities, down to -1"):
        recordings.written_down(negative, "conv9", np.array([0]), np.array([0, 1]), 1023)


def test_chapters_that_explain_a_layer_exist():
    from conftest import BOOK

    assert set(CHAPTERS) >= {
        layer.kind
        for variant in architecture.VARIANTS
        for layer in architecture.describe(variant)
        if layer.kind not in recordings.PASSES_ON
    }
    for name, title in CHAPTERS.values():
        cells = json.loads((BOOK / f"{name}.ipynb").read_text("utf-8"))["cells"]
        assert "".join(cells[0]["source"]).splitlines()[0] == f"# {title}"
