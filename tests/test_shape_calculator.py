"""The shape calculator: its two halves, and what it shows. What all explorers have to do stands in
`test_explorers.py`, where it is one of them."""

import random
import re
from itertools import pairwise

import pytest
from bs4 import BeautifulSoup
from explorer_pages import DRAWN, build, in_browser, outputs, saved_state, served
from pages import Tab
from playwright.sync_api import expect
from traitlets import TraitError

from alexnet_lib.architecture import VARIANTS, InputTooSmallError, slide, trace
from alexnet_lib.front_end import bundles
from alexnet_lib.teaching.widgets import ShapeCalculator
from alexnet_lib.teaching.widgets.shape_calculator import LIMITS

SOURCE = bundles.front_end("shape_calculator")


# ---- Python ------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
def test_layers_come_from_the_description(variant):
    records = {r.name: r for r in trace(VARIANTS[variant].input_size, variant)}
    layers = ShapeCalculator().networks[variant]["layers"]
    assert [layer["name"] for layer in layers] == [
        r.name for r in records.values() if r.kind in ("convolution", "pooling")
    ]
    for layer in layers:
        record, widget = records[layer["name"]], ShapeCalculator(variant, layer["name"])
        steps = slide(
            widget.input_size, widget.kernel, widget.stride, widget.padding, widget.rounding
        )
        assert (steps.positions, steps.positions, layer["channels"]) == record.output_shape
        assert steps.unseen == record.unseen[0]
        assert steps.overhang == record.overhang[0]


@pytest.mark.parametrize("name", LIMITS)
def test_numbers_out_of_range_are_refused(name):
    low, high = LIMITS[name]
    for value in (low - 1, high + 1, "11", 2.5):
        with pytest.raises(TraitError, match=name):
            ShapeCalculator(**{name: value})
    assert getattr(ShapeCalculator(**{name: high}), name) == high


def test_unknown_names_are_explained():
    with pytest.raises(ValueError, match="Did you mean 'caffe'"):
        ShapeCalculator("cafe")
    with pytest.raises(ValueError, match=r"'norm1' of 'owt'; there are conv1, pool1, .*pool5"):
        ShapeCalculator("owt", "norm1")
    with pytest.raises(TraitError, match="rounding"):
        ShapeCalculator(rounding="round")


def test_saved_state_makes_the_same_widget():
    widget = ShapeCalculator("owt", "pool2", kernel=2, row=3)
    state = saved_state(widget)
    assert state == {name: getattr(widget, name) for name in state}
    del state["limits"], state["networks"]
    assert saved_state(ShapeCalculator(**state)) == saved_state(widget)


def test_settings_of_the_front_end_arrive_in_python():
    widget, seen = ShapeCalculator(), []
    widget.observe(lambda change: seen.append(change["new"]), "stride")
    widget.set_state({"stride": 2, "column": 7})  # what a message of the front end does
    assert (widget.stride, widget.column, seen) == (2, 7, [2])
    assert widget.get_state()["stride"] == 2
    assert widget.get_state()["_esm"] == SOURCE


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            {"input_size": 224},
            "= 54.25. A window of 11 × 11 on 224 × 224 pixels: 54 × 54 positions. 447",
        ),
        (
            {"input_size": 224, "rounding": "ceil"},
            "55 × 55 positions. The last windows hang over .* 3.",
        ),
        ({"input_size": 5}, ": 0 × 0 positions."),
    ],
)
def test_picture_says_what_it_shows(settings, says):
    html = BeautifulSoup(outputs(ShapeCalculator(**settings))["text/html"], "html.parser")
    assert re.search(says, html.svg["aria-label"])


# ---- The page ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    widgets = [ShapeCalculator(input_size=224), ShapeCalculator("caffe", "pool1", input_size=56)]
    return build(tmp_path_factory.mktemp("a book"), widgets)


@pytest.fixture(scope="module")
def address(pages):
    with served(pages) as address:
        yield address


class Calculator:
    """The first shape calculator of a page, as a reader handles it."""

    def __init__(self, page, number=0):
        self.page = page
        self.panel = page.locator(".ex-shape-calculator").nth(number)
        self.map = self.panel.get_by_role("application")
        self.result = self.panel.locator(".ex-result")
        self.key = self.panel.locator(".ex-key")
        self.where = self.panel.locator("[id$=-where]")

    def number(self, label):
        return self.panel.get_by_label(label, exact=True)

    def slider(self, label):
        return self.panel.get_by_label(f"{label}, slider")

    def layer(self, name):
        return self.panel.locator(f"[data-layer={name}]")

    def press(self, name):
        self.panel.get_by_role("button", name=name, exact=True).click()


@pytest.fixture
def opened(chromium, address):
    """Opens the chapter; afterwards, nothing may have been complained about."""
    tabs = []

    def open_tab(url=address, width=1280, theme="light"):
        tabs.append(Tab(chromium, width, theme))
        return Calculator(tabs[-1].open(url))

    yield open_tab
    for tab in tabs:
        assert not tab.complaints
        tab.context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_control_answers(opened, width, theme):
    it = opened(width=width, theme=theme)
    expect(it.result).to_contain_text("54.25")
    expect(it.result).to_contain_text("rounded down: 54 × 54")
    expect(it.key).to_contain_text("1 row and 1 column, 447 pixels")
    expect(it.layer("pool5")).to_have_text("pool5 5 instead of 6")
    expect(it.panel).to_contain_text("5 · 5 · 256 = 6,400 numbers instead of 9,216")

    it.number("Input size").fill("227")
    expect(it.result).to_contain_text("it tiles: 55 × 55")
    expect(it.slider("Input size")).to_have_value("227")
    expect(it.key).not_to_contain_text("no window")
    expect(it.panel).to_contain_text("6 · 6 · 256 = 9,216 numbers.")

    it.slider("Kernel").press("ArrowRight")
    expect(it.number("Kernel")).to_have_value("12")
    it.slider("Stride").fill("5")
    it.slider("Padding").fill("2")
    steps = slide(227, 12, 5, 2)
    expect(it.result).to_contain_text(f"{steps.positions} × {steps.positions}")
    expect(it.key).to_contain_text("padding: 2 zeros at each end")
    it.panel.get_by_label("up", exact=True).check()
    steps = slide(227, 12, 5, 2, "ceil")
    expect(it.result).to_contain_text(f"rounded up: {steps.positions} × {steps.positions}")
    expect(it.key).to_contain_text(f"overhang: {steps.overhang} pixel ")

    it.panel.get_by_label("Network", exact=True).select_option("original")
    expect(it.number("Input size")).to_have_value("224")
    expect(it.result).to_contain_text("rounded up: 55 × 55")
    expect(it.key).to_contain_text("overhang: 3 pixels past the edge")
    it.layer("pool2").click()
    expect(it.layer("pool2")).to_have_attribute("aria-pressed", "true")
    expect(it.layer("pool2")).to_be_focused()
    expect(it.result).to_contain_text("it tiles: 13 × 13")

    it.press("Next place")
    expect(it.where).to_contain_text(
        "Row 0, column 1 of the output depends on rows 0 to 2 and columns 2 to 4"
    )
    it.press("Last place")
    expect(it.where).to_contain_text("Row 12, column 12")
    it.press("Place before")
    expect(it.where).to_contain_text("Row 12, column 11")
    it.press("First place")
    expect(it.where).to_contain_text("Row 0, column 0")

    it.number("Input size").fill("2")
    expect(it.result).to_contain_text("A window of 3 does not fit on 2 + 2·0 = 2 pixels.")
    expect(it.where).to_have_text("The window does not fit.")
    expect(it.panel).to_contain_text("pool2 has no place for its window")

    it.press("Reset")
    expect(it.result).to_contain_text("54.25")
    expect(it.panel.get_by_label("Network", exact=True)).to_have_value("paper")
    assert it.page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_number_that_cannot_be_is_refused_in_words(opened):
    it = opened()
    field = it.number("Kernel")
    for nonsense in ("999", "0", "2.5", ""):
        field.fill(nonsense)
        expect(it.panel.get_by_role("alert")).to_have_text(
            "Kernel: a whole number from 1 to 31, please."
        )
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(it.result).to_contain_text("54.25")
    field.blur()
    expect(field).to_have_value("11")
    expect(it.panel.get_by_role("alert")).to_be_empty()


LANES = """(lens) => [...lens.querySelectorAll(".ex-bar-now, .ex-bar-other")].map((bar) =>
    ["x", "y", "width"].map((name) => Number(bar.getAttribute(name))))"""


@pytest.mark.parametrize(
    ("kernel", "stride", "column"), [(31, 1, 0), (31, 1, 6), (11, 4, 0), (5, 1, 9)]
)
def test_side_view_has_four_windows_that_do_not_hide_each_other(
    opened, address, kernel, stride, column
):
    query = f"input_size=100&kernel={kernel}&stride={stride}&column={column}"
    it = opened(f"{address}#shape-calculator?{query}")
    bars = it.panel.locator("svg.ex-lens").evaluate(LANES)
    lanes = min(-(-kernel // stride), 4)
    assert len({y for _, y, _ in bars}) == lanes
    assert len(bars) >= lanes
    for y in {y for _, y, _ in bars}:
        row = sorted((x, x + width) for x, at, width in bars if at == y)
        assert all(end <= start for (_, end), (start, _) in pairwise(row))
    expect(it.panel.locator(".ex-bar-now")).to_have_count(1)
    few = it.panel.get_by_text("windows overlap; of each")
    expect(few).to_have_count(int(kernel > 4 * stride))


def test_a_last_window_wholly_outside_is_not_taken(opened, address):
    it = opened(address + "#shape-calculator?input_size=10&kernel=1&stride=5&rounding=ceil")
    assert slide(10, 1, 5, 0, "ceil").positions == 2
    expect(it.result).to_contain_text("rounded down: 2 × 2")
    expect(it.result).to_contain_text("wholly outside")


def test_window_follows_the_mouse(opened):
    it = opened()
    box = it.map.bounding_box()
    scale = box["width"] / 224
    it.page.mouse.move(box["x"] + 5 * scale, box["y"] + 5 * scale)  # inside the window
    it.page.mouse.down()
    it.page.mouse.move(box["x"] + 105 * scale, box["y"] + 45 * scale, steps=8)
    expect(it.where).to_contain_text("Row 10, column 25 of the output")
    it.page.mouse.move(box["x"] + 900, box["y"] - 300)
    it.page.mouse.up()
    expect(it.where).to_contain_text("Row 0, column 53 of the output")
    it.page.mouse.move(box["x"], box["y"])  # no longer held
    expect(it.where).to_contain_text("Row 0, column 53 of the output")

    it.panel.locator("svg.ex-output").click(position={"x": 1, "y": 1})
    expect(it.where).to_contain_text("Row 0, column 0 of the output")


def test_window_follows_a_finger_and_the_page_still_scrolls(chromium, address):
    context = chromium.new_context(viewport={"width": 390, "height": 800}, has_touch=True)
    page = context.new_page()
    page.goto(address)
    it = Calculator(page)
    it.map.scroll_into_view_if_needed()
    box = it.map.bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] - 2, box["y"] + box["height"] - 2)
    expect(it.where).to_contain_text("Row 53, column 53")

    touch = context.new_cdp_session(page)

    def swipe(x, y, dx, dy):
        for kind, share in [("touchStart", 0), *[("touchMove", k / 10) for k in range(1, 11)]]:
            point = {"x": x + share * dx, "y": y + share * dy}
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    swipe(box["x"] + box["width"] - 8, box["y"] + box["height"] - 8, -box["width"] / 2, -100)
    expect(it.where).not_to_contain_text("column 53")
    window = it.panel.locator(".ex-window").first.bounding_box()
    scrolled = page.evaluate("window.scrollY")
    before = it.where.text_content()
    swipe(window["x"] + 5, window["y"] + 5, 0, -60)  # held, also up and down
    expect(it.where).not_to_have_text(before)
    assert page.evaluate("window.scrollY") == scrolled
    before = it.where.text_content()
    swipe(box["x"] + 30, box["y"] + box["height"] / 2, 0, -200)
    page.wait_for_function("y => window.scrollY > y + 50", arg=scrolled)
    assert it.where.text_content() == before
    context.close()


def test_the_window_moves_by_keyboard(opened):
    it = opened()
    keyboard = it.page.keyboard
    it.map.focus()
    for key, where in [
        ("ArrowRight", "Row 0, column 1 "),
        ("ArrowDown", "Row 1, column 1 "),
        ("End", "Row 1, column 53 "),
        ("ArrowRight", "Row 1, column 53 "),
        ("PageDown", "Row 53, column 53 "),
        ("ArrowUp", "Row 52, column 53 "),
        ("Home", "Row 52, column 0 "),
        ("PageUp", "Row 0, column 0 "),
    ]:
        keyboard.press(key)
        expect(it.where).to_contain_text(where)
    expect(it.map).to_be_focused()
    expect(it.panel.get_by_role("status")).to_contain_text("Row 0, column 0")


def test_playing_steps_on_and_pauses(chromium, address):
    context = chromium.new_context(reduced_motion="no-preference")
    page = context.new_page()
    page.goto(address + "#shape-calculator?input_size=27")
    it = Calculator(page)
    where = it.where.element_handle()

    def comes_to(start):  # looks at every frame: what is played does not wait for a slow look
        page.wait_for_function(
            "([e, start]) => e.textContent.startsWith(start)", arg=[where, start]
        )

    def assert_still():
        page.evaluate(DRAWN)
        before = where.text_content()  # with the last step before the pause drawn
        page.wait_for_timeout(500)
        assert where.text_content() == before

    it.press("Play")
    comes_to("Row 1, column")  # along the row of five, then down
    it.press("Pause")
    assert_still()
    it.press("Last place")
    it.press("Play")
    comes_to("Row 0, column 1 ")
    page.emulate_media(reduced_motion="reduce")
    expect(it.panel.locator(".ex-play")).to_be_hidden()
    assert_still()
    context.close()


def test_a_wrong_address_does_no_harm(opened, address):
    query = (
        "kernel=9999&stride=-3&padding=x&rounding=<b>&variant=no&layer=no&row=1e99&nets=1&limits=1"
    )
    it = opened(f"{address}#shape-calculator?{query}")
    expect(it.number("Kernel")).to_have_value("31")
    expect(it.number("Stride")).to_have_value("1")
    expect(it.number("Padding")).to_have_value("0")
    expect(it.result).to_contain_text("194 × 194")
    expect(it.where).to_contain_text("Row 193, column 0")


def test_two_on_a_page_share_the_code_and_nothing_else(opened):
    first = opened()
    second = Calculator(first.page, 1)
    expect(second.result).to_contain_text("rounded up: 28 × 28")
    second.number("Kernel").fill("2")
    expect(second.result).to_contain_text("it tiles: 28 × 28")
    expect(first.number("Kernel")).to_have_value("11")
    first.page.wait_for_url("**#shape-calculator-2?kernel=2")
    assert first.page.locator("script[src*='explorers/shape_calculator']").count() == 1
    ids = first.page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))


def test_page_carries_no_other_front_end(pages):
    page = (pages / "chapter.html").read_text("utf-8")
    assert "widget-state+json" not in page
    assert "widget-view+json" not in page
    assert "explorers/" not in (pages / "index.html").read_text("utf-8")


# ---- The two halves agree ----------------------------------------------------------------------


def python_slide(*arguments):
    try:
        return slide(*arguments)
    except InputTooSmallError:
        return None


def test_slide_agrees_with_python(chromium):
    draw = random.Random(2012).randint
    inputs = [
        [draw(1, 60), draw(1, 14), draw(1, 18), draw(0, 9), draw.__self__.choice(["floor", "ceil"])]
        for _ in range(600)
    ]
    inputs += [[size, 11, 4, 0, rounding] for size in (224, 227) for rounding in ("floor", "ceil")]
    results = in_browser(chromium, "slide", inputs, SOURCE)
    too_small = 0
    for arguments, found in zip(inputs, results, strict=True):
        expected = python_slide(*arguments)
        if expected is None:
            too_small += 1
            assert found["positions"] == 0, arguments
            continue
        assert (found["positions"], found["unseen"], found["overhang"]) == expected, arguments
        size, kernel, stride, padding, _ = arguments
        windows = [range(start, start + kernel) for start in found["starts"]]
        assert [w.start + padding for w in windows] == [i * stride for i in range(len(windows))]
        seen = {pixel for window in windows for pixel in window}
        hatched = {pixel for run in found["runs"] for pixel in range(*run)}
        assert hatched == set(range(size)) - seen, arguments
    assert 0 < too_small < 60


def test_sizes_agree_with_python(chromium):
    networks = ShapeCalculator().networks
    inputs, expected = [], []
    for variant in VARIANTS:
        conv1 = networks[variant]["layers"][0]
        for size in range(60, 300, 7):
            inputs.append([networks[variant], "conv1", {**conv1, "input_size": size}])
            try:
                shapes = [r.output_shape for r in trace(size, variant) if r.padding is not None]
                expected.append([shape[0] for shape in shapes])
            except InputTooSmallError:
                expected.append(None)
        last = networks[variant]["layers"][-1]  # the layers before it are as published
        inputs.append([networks[variant], last["name"], last])
        records = trace(VARIANTS[variant].input_size, variant)
        expected.append([r.output_shape[0] for r in records if r.padding is not None])
    for found, shapes in zip(in_browser(chromium, "sizes", inputs, SOURCE), expected, strict=True):
        layers = [record["size"] for record in found]
        assert layers == (shapes or [*layers[:-1], 0])


def test_modules_that_cannot_become_scripts_are_refused():
    as_script = bundles.as_script
    with pytest.raises(ValueError, match=r"x\.js: .* Found: import a from"):
        as_script("x", 'import a from "./a.js";\nexport default { render };\n')
    with pytest.raises(ValueError, match=r"x.js: .* Found: import \* as all from"):
        as_script("x", 'import * as all from "./explorer.js";\nexport default { render };\n')
    with pytest.raises(ValueError, match="Found 0 such lines"):
        as_script("x", "function render() {}\n")
