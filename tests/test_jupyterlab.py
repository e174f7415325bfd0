"""The explorers in JupyterLab, with a kernel: what a reader moves arrives there, and comes back.

One JupyterLab serves all of them in one notebook, with settings and data folders of its own. A
second client of the same kernel asks it what it knows, and changes it.
"""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from types import SimpleNamespace

import nbformat.v4 as nbf
import pytest
from jupyter_client import BlockingKernelClient
from playwright.sync_api import expect

from alexnet_lib.teaching import widgets

expect.set_options(timeout=30_000)  # other work on the machine can keep a page waiting

TOKEN = "of-this-test-alone"

# What a reader would write; random weights do, for it is not the answers that are looked at.
CELL = """
import numpy as np
from alexnet_lib import architecture
from alexnet_lib.teaching import widgets
from alexnet_lib.model import build

random = np.random.default_rng(2012)
picture = random.integers(0, 256, (99, 99, 3), "uint8")
network = build(architecture.describe(fc_units=16, classes=2), (99, 99, 3))
pictures = {"noise": picture - np.float32(128)}
curve = [{"epoch": epoch, "loss": 1 / epoch} for epoch in range(1, 9)]
explorers = {
    "shape-calculator": widgets.ShapeCalculator(),
    "network-map": widgets.NetworkMap(picture),
    "feature-maps": widgets.FeatureMaps(network, pictures, layer="conv1"),
    "response-normalization": widgets.ResponseNormalization([1.0, 200.0, 3.0, 4.0]),
    "activations": widgets.Activations(),
    "pooling": widgets.Pooling(picture),
    "dropout-masks": widgets.Dropout(),
    "augmentation": widgets.Augmentation(picture),
    "occlusion": widgets.Occlusion(network, pictures, ["one", "two"], watched="one"),
    "flow": widgets.Flow(network, {"noise": picture}, ["one", "two"]),
    "one-number": widgets.OneNumber(network, {"noise": picture}, ["one", "two"], until="pool1"),
    "training-runs": widgets.TrainingRuns({"one": curve, "other": curve[:5]}),
}
display(*explorers.values())
"""

# For each explorer: a control and its trait; what the reader chooses there, and then the kernel.
CONTROLS = {
    "shape-calculator": ("Stride", "stride", 5, 2),
    "network-map": ("Network", "variant", "owt", "caffe"),
    "feature-maps": ("Map", "channel", 7, 95),
    "response-normalization": ("k", "k", 3.5, 1.0),
    "activations": ("x", "x", -0.5, 2.5),
    "pooling": ("Right", "right", 2, -3),
    "dropout-masks": ("Rate", "rate", 0.25, 0.75),
    "augmentation": ("α₁", "alpha1", 0.2, -0.1),
    "occlusion": ("Map of", "watched", "two", "one"),
    "flow": ("Layer", "layer", "conv3", "pool2"),
    "one-number": ("Row", "row", 7, 3),
    "training-runs": ("Target", "target", 0.25, 0.5),
}
EVERY = pytest.mark.parametrize("name", CONTROLS)


def test_every_explorer_is_in_the_notebook():
    assert set(re.findall(r"widgets\.(\w+)\(", CELL)) == set(widgets.__all__)


def settings(folder):
    """By itself JupyterLab asks for news and newer versions, and takes out cells out of sight."""
    wanted = {
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
        "notebook-extension/tracker": {"windowingMode": "none"},
    }
    for plugin, values in wanted.items():
        path = folder / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(values), "utf-8")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for(ready, process, log):
    """Waits for what `ready()` returns, as long as the server lives."""
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        found = ready()
        if found:
            return found
        time.sleep(0.1)
    pytest.fail(f"JupyterLab did not start. It says:\n{log.read_text('utf-8')[-3000:]}")


def answers(address):
    try:
        return urllib.request.urlopen(f"{address}/api?token={TOKEN}", timeout=5).status == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a JupyterLab on this machine alone, and where it says what its kernels are."""
    folder = tmp_path_factory.mktemp("jupyterlab")
    parts = ("config", "data", "runtime", "settings", "workspaces", "ipython", "notebooks")
    own = {part: folder / part for part in parts}
    for part in own.values():
        part.mkdir()
    settings(own["settings"])
    notebook = nbf.new_notebook(
        cells=[nbf.new_code_cell(CELL.strip())],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    (own["notebooks"] / "explorers.ipynb").write_text(nbf.writes(notebook), "utf-8")
    port, log = free_port(), folder / "log"
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}"]
    command += ["--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}"]
    command += [f"--ServerApp.root_dir={own['notebooks']}", "--LabApp.extension_manager=readonly"]
    environment = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(own["config"]),
        "JUPYTER_DATA_DIR": str(own["data"]),
        "JUPYTER_RUNTIME_DIR": str(own["runtime"]),
        "JUPYTERLAB_SETTINGS_DIR": str(own["settings"]),
        "JUPYTERLAB_WORKSPACES_DIR": str(own["workspaces"]),
        "IPYTHONDIR": str(own["ipython"]),
    }
    with log.open("wb") as says:
        process = subprocess.Popen(command, env=environment, stdout=says, stderr=says)
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(lambda: answers(address), process, log)
        yield SimpleNamespace(address=address, runtime=own["runtime"], process=process, log=log)
    finally:
        process.terminate()  # it ends its kernels, too
        process.wait(30)


class Kernel:
    """The kernel of the notebook, asked by another client than the page."""

    def __init__(self, connection_file):
        self.client = BlockingKernelClient(connection_file=str(connection_file))
        self.client.load_connection_file()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def run(self, code):
        heard = []
        reply = self.client.execute_interactive(code, timeout=60, output_hook=heard.append)
        assert reply["content"]["status"] == "ok", reply["content"].get("traceback")
        return "".join(message["content"].get("text", "") for message in heard)

    def get(self, name, trait):
        code = f"import json; print(json.dumps(explorers[{name!r}].{trait}))"
        return json.loads(self.run(code))

    def set(self, name, trait, value):
        self.run(f"explorers[{name!r}].{trait} = {value!r}")


@pytest.fixture(scope="module")
def lab(chromium, server):
    """The notebook in JupyterLab, its one cell run."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    page = context.new_page()
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request",
        lambda request: (
            request.url.startswith((server.address, "data:", "blob:"))
            or complaints.append(request.url)
        ),
    )
    page.goto(f"{server.address}/doc/tree/explorers.ipynb?token={TOKEN}")
    expect(page.get_by_text("| Idle")).to_be_visible(timeout=120_000)  # the kernel is there
    page.locator(".jp-CodeCell .cm-content").click()
    page.keyboard.press("Control+Enter")
    output = page.locator(".jp-OutputArea")
    expect(output.locator(".explorer-panel")).to_have_count(len(CONTROLS), timeout=120_000)
    (file,) = server.runtime.glob("kernel-*.json")
    kernel = Kernel(file)
    yield SimpleNamespace(page=page, kernel=kernel)
    kernel.client.stop_channels()
    context.close()
    assert not complaints


def shown(panel):
    """What a reader sees; the sentence for screen readers comes later, once things are at rest."""
    return panel.evaluate(
        """(panel) => {
            const copy = panel.cloneNode(true);
            copy.querySelectorAll("[role=status]").forEach((e) => e.remove());
            return copy.innerHTML;
        }"""
    )


def eventually(read, expected):
    end = time.monotonic() + 30
    while read() != expected and time.monotonic() < end:
        time.sleep(0.05)
    assert read() == expected


@EVERY
def test_changes_travel_both_ways(lab, name):
    label, trait, readers, kernels = CONTROLS[name]
    panel = lab.page.locator(f".ex-{name}")
    control = panel.get_by_label(label, exact=True)
    saved, before = lab.kernel.get(name, trait), shown(panel)
    if isinstance(readers, str):
        control.select_option(readers)
    else:
        control.fill(str(readers))
    eventually(lambda: lab.kernel.get(name, trait), readers)
    after = shown(panel)
    assert after != before

    lab.kernel.set(name, trait, kernels)
    expect(control).to_have_value(str(kernels).removesuffix(".0"))
    assert shown(panel) != after

    panel.get_by_role("button", name="Reset", exact=True).click()
    eventually(lambda: lab.kernel.get(name, trait), saved)


#: A region with a tab stop is a box that the arrow keys scroll: it changes nothing.
STEERED = "[tabindex='0']:not([role='region']):visible, input[type=range]:visible"
#: A key asks for a drawing in the next frame; the frame after that shows it.
DRAWN = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
MARKUP = "(element) => element.outerHTML.slice(0, 200)"


@EVERY
def test_keys_move_the_explorer_and_not_the_notebook(lab, name):
    """JupyterLab has uses for arrow keys and letters, outside of text fields."""
    panel = lab.page.locator(f".ex-{name}")
    for target in panel.locator(STEERED).all():
        target.focus()
        seen = {shown(panel)}
        for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp", "x"):
            lab.page.keyboard.press(key)  # "x" cuts a cell out, where the notebook hears it
            expect(target).to_be_focused()
            lab.page.evaluate(DRAWN)
            seen.add(shown(panel))
        assert len(seen) > 1, f"{name}: arrow keys move nothing in {target.evaluate(MARKUP)}"
    expect(lab.page.locator(".explorer-panel")).to_have_count(len(CONTROLS))
