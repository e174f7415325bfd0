"""Explorers on the book's pages: the front ends of `teaching/widgets`, without a kernel.

The output of an explorer holds, as `text/html`, an element with the module's name, its state and a
picture of it (`explorer.py` there). This extension prefers that over the view for
notebooks, and gives the pages that have one the scripts that bring it to life. They are classic
scripts, because a browser loads no modules into a page that was opened as a file.
"""

import re
import shutil
from pathlib import Path

from alexnet_lib.front_end import bundles

HOST = Path(bundles.__file__).with_name("host.js")
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"

MOUNTED = re.compile(r'<div class="explorer" data-explorer="(\w+)"')


def prefer_pages_view(app, config):
    config.nb_mime_priority_overrides = [
        *config.nb_mime_priority_overrides,
        ("*", WIDGET_VIEW, None),
    ]


def write_scripts(app):
    if app.builder.name != "html":
        return
    folder = Path(app.outdir) / "_static" / "explorers"
    folder.mkdir(parents=True, exist_ok=True)
    for path in bundles.FOLDER.glob("*.js"):
        script = bundles.as_script(path.stem, path.read_text("utf-8"))
        (folder / path.name).write_text(script, "utf-8")
    for path in bundles.FOLDER.glob("*.css"):
        shutil.copy(path, folder)
    shutil.copy(HOST, folder / "host.js")


def add_scripts(app, pagename, templatename, context, doctree):
    if app.builder.name != "html":
        return  # an explorer is its picture there
    names = sorted(set(MOUNTED.findall(context.get("body", ""))))
    if not names:
        return
    modules = dict.fromkeys(
        module for name in names for module in bundles.modules(name)
    )
    for module in modules:
        if (bundles.FOLDER / f"{module}.css").exists():
            app.add_css_file(f"explorers/{module}.css")
    for module in (*modules, "host"):
        app.add_js_file(f"explorers/{module}.js", loading_method="defer")


def name_explorers(app, pagename, templatename, context, doctree):
    """Give each explorer the anchor under which its front end answers to an address."""
    seen = {}

    def anchored(match):
        name = match[1].replace("_", "-")
        seen[name] = seen.get(name, 0) + 1
        anchor = name if seen[name] == 1 else f"{name}-{seen[name]}"
        return match[0].replace("<div ", f'<div id="{anchor}" ', 1)

    if "body" in context:
        context["body"] = MOUNTED.sub(anchored, context["body"])


def drop_saved_state(app, pagename, templatename, context, doctree):
    """Leave out the state of all widgets, front ends included: only html-manager would read it."""
    context["script_files"] = [
        file
        for file in context["script_files"]
        if getattr(file, "attributes", {}).get("type") != WIDGET_STATE
    ]


def setup(app):
    app.connect("config-inited", prefer_pages_view)
    app.connect("builder-inited", write_scripts)
    app.connect("html-page-context", add_scripts)
    app.connect(
        "html-page-context", name_explorers, priority=600
    )  # after those that look for explorers
    app.connect(
        "html-page-context", drop_saved_state, priority=900
    )  # after those that add files
    return {"parallel_read_safe": True, "parallel_write_safe": True}
