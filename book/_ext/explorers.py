"""Explorers on the book's pages: the front end of `alexnet_lib/widgets`, without a kernel.

The output of an explorer holds, as `text/html`, an element with the module's name, its state and a
picture of it (`alexnet_lib/widgets/explorer.py`). This extension prefers that over the view for
notebooks, and gives the pages that have one the scripts that bring it to life. They are classic
scripts, because a browser loads no modules into a page that was opened as a file.
"""

import re
import shutil
from pathlib import Path

WIDGETS = Path(__file__).resolve().parents[2] / "alexnet_lib" / "widgets"
HOST = Path(__file__).with_name("explorers.js")
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"

SHARED = "explorer"

IMPORT = re.compile(
    r'^import (\{[^}]*\}) from "\./explorer\.js";$', re.MULTILINE
)
EXPORTED = re.compile(
    r"^export (?:async )?(?:function|const|class) (\w+)", re.MULTILINE
)
EXPORT_DEFAULT = re.compile(r"^export default (\{.*\});$", re.MULTILINE)
EXPORT = re.compile(
    r"^export (?=(?:async )?function\b|const\b|class\b)", re.MULTILINE
)
LEFT_OVER = re.compile(
    r"^\s*(?:export\b|import\b(?!\s*\()).*", re.MULTILINE
)
MOUNTED = re.compile(r'<div class="explorer" data-explorer="(\w+)"')


def as_script(name, source):
    """Turn a front-end module into a classic script that registers it under its name.

    The shared module offers what it exports to those that import it.

    Raises:
        ValueError: if the module imports something else, or exports in a form that is not foreseen.
    """
    if name == SHARED:
        offered = ", ".join(EXPORTED.findall(source))
        script = f"{source}window.explorerParts = {{ {offered} }};\n"
        defaults = 1
    else:
        script, defaults = EXPORT_DEFAULT.subn(
            rf"(window.explorers ??= {{}}).{name} = \1;", source
        )
        script = IMPORT.sub(r"const \1 = window.explorerParts;", script)
    script = EXPORT.sub("", script)
    left = LEFT_OVER.search(script)
    if defaults != 1 or left:
        raise ValueError(
            f"{name}.js: an explorer imports names from ./explorer.js alone, exports functions, "
            "constants and classes where it declares them, and has one line "
            "`export default { render };`. "
            + (
                f"Found: {left[0].strip()}"
                if left
                else f"Found {defaults} such lines."
            )
        )
    return f"(() => {{\n{script}}})();\n"


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
    for path in WIDGETS.glob("*.js"):
        script = as_script(path.stem, path.read_text("utf-8"))
        (folder / path.name).write_text(script, "utf-8")
    shutil.copy(WIDGETS / "explorer.css", folder)
    shutil.copy(HOST, folder / "host.js")


def add_scripts(app, pagename, templatename, context, doctree):
    if app.builder.name != "html":
        return  # an explorer is its picture there
    names = sorted(set(MOUNTED.findall(context.get("body", ""))))
    if names:
        app.add_css_file("explorers/explorer.css")
        for name in (SHARED, *names, "host"):
            app.add_js_file(f"explorers/{name}.js", loading_method="defer")


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
        "html-page-context", drop_saved_state, priority=900
    )  # after those that add files
    return {"parallel_read_safe": True, "parallel_write_safe": True}
