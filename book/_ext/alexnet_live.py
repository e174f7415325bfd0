"""AlexNet live: the page on which the shipped network runs in the reader's browser.

The directive `alexnet-live` puts the explorer there. What it is told and what it computes with are
made by `alexnet_lib.front_end.live_page`, which has the front end beside it and which exports
models of the library's users as such pages. All of it stands in `_static/live/`, and no other page
loads any.
"""

import json
from pathlib import Path

import alexnet_lib
from alexnet_lib import architecture, calibration, files
from alexnet_lib.front_end import live_page
from alexnet_lib.front_end.live_page import (
    MARK,
    describe,
    tensorflow_js,
    with_policy,
)
from docutils import nodes
from safetensors import safe_open
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

logger = logging.getLogger(__name__)

WEIGHTS = (
    Path(alexnet_lib.__file__).with_name("weights") / "pocket.safetensors"
)
PICTURES = (*live_page.PICTURES, "flower")
"""Whoever builds the book has scikit-learn, too, which brings the last one."""


def page_state(weights):
    """Collect what the explorer reads about the network that a file of weights is for."""
    with safe_open(weights, framework="numpy") as file:
        metadata = file.metadata()
    network = json.loads(metadata["description"])
    layers = architecture.describe(
        network["variant"],
        classes=network["classes"],
        fc_units=network["fc_units"],
    )
    shape = network["input_shape"]
    return live_page.page_state(
        describe(layers, shape),
        live_page.fields(layers, shape),
        json.loads(metadata["class_names"]),
        judge_of(weights),
        calibration_of(weights),
        PICTURES,
    )


def judge_of(weights):
    """Read when answers are unsure, as `results/unsure.py` measured it for these weights.

    Returns:
        What the front end reads; None where nothing was measured, or where pictures of anything else
        are called unsure no more often than those of its classes, so that to say it says nothing.
    """
    path = weights.with_suffix(".unsure.json")
    if not path.is_file():
        return None
    judge = json.loads(path.read_text("utf-8"))
    if judge["weights"] != files.sha256(weights):
        logger.warning(
            "%s was measured with other weights than %s, so that AlexNet live does not use it. "
            "Run results/unsure.py again.",
            path,
            weights,
        )
        return None
    if judge["unknown"]["unsure"] <= judge["known"]["unsure"]:
        return None
    wanted = ("coefficients", "least", "threshold", "known", "unknown")
    return {name: judge[name] for name in wanted}


def calibration_of(weights):
    """Read how often the network is right when it is so sure, as it was measured for these weights.

    Returns:
        `Calibration.curve`; empty where nothing was measured.
    """
    try:
        measured = calibration.read(weights)
    except ValueError as error:
        logger.warning("AlexNet live does not use it: %s", error)
        return ()
    return measured.curve if measured else ()


class AlexNetLive(SphinxDirective):
    """Put the explorer here; without JavaScript, a sentence says what is missing."""

    def run(self):
        weights = Path(self.config.alexnet_live_weights)
        measured = (
            weights.with_suffix(".unsure.json"),
            calibration.path_beside(weights),
        )
        for path in (weights, *measured):
            self.env.note_dependency(str(path))
        if not weights.is_file():
            logger.warning(
                "AlexNet live needs the shipped weights, and there are none at %s.",
                weights,
                location=self.get_location(),
            )
            return []
        element = live_page.element(page_state(weights))
        return [nodes.raw("", element, format="html")]


def add_scripts(app, pagename, templatename, context, doctree):
    if app.builder.name != "html":
        return  # an explorer is its picture there
    if MARK in context.get("body", ""):
        # After the look of all explorers, which it changes in places.
        app.add_css_file("live/live.css", priority=600)
        for name in ("files", "network"):
            app.add_js_file(f"live/{name}.js", loading_method="defer")


def write_files(app, exception):
    """Write the scripts, and tell browsers what the pages that use them may do."""
    if exception or app.builder.name != "html":
        return
    pages = [
        path
        for path in Path(app.outdir).glob("*.html")
        if MARK in path.read_text("utf-8")
    ]
    if not pages:
        return
    static = Path(app.outdir) / "_static"
    folder = static / "live"
    folder.mkdir(parents=True, exist_ok=True)
    weights = Path(app.config.alexnet_live_weights).read_bytes()
    live_page.write_network(weights, folder)
    (static / "explorers" / "live.js").write_text(
        live_page.program(), "utf-8"
    )
    try:
        runtime = tensorflow_js()
    except OSError as error:
        logger.warning(
            "AlexNet live has no TensorFlow.js, so that its page can only say so: npm could not "
            "fetch it. Build again where a package registry for npm can be reached. npm said:\n%s",
            error,
        )
    else:
        live_page.write_runtime(runtime, folder)
    live_page.write_sizes(folder)
    for page in pages:
        text = page.read_text("utf-8")
        page.write_text(with_policy(text), "utf-8")


def setup(app):
    app.add_config_value("alexnet_live_weights", str(WEIGHTS), "env")
    app.add_directive("alexnet-live", AlexNetLive)
    app.connect("html-page-context", add_scripts)
    app.connect("build-finished", write_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
