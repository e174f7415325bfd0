"""The reference of the library's public names, made from its docstrings when the book is built."""

import re

from alexnet_lib.startup import load_tensorflow

SETTINGS = {
    "autodoc_typehints": "signature",
    "autodoc_member_order": "bysource",
    "napoleon_numpy_docstring": False,
    "napoleon_use_rtype": False,
    "codeautolink_concat_default": True,  # a chapter imports once, at its beginning
}
"""Here and not in _config.yml, where a book without this extension would not know them."""


def examples_as_code(app, what, name, obj, options, lines):
    """Docstrings indent an example, as Markdown does; reStructuredText wants to be told of code."""
    marked = []
    for number, line in enumerate(lines):
        starts = (
            line.startswith("    ")
            and number
            and not lines[number - 1].strip()
        )
        before = next((one for one in reversed(marked) if one.strip()), "")
        # Below a heading of Google's style ("Args:") and within a block, indentation is no code.
        if (
            starts
            and re.match(r"\S", before)
            and not re.fullmatch(r"\w+:", before)
        ):
            marked += ["::", ""]
        marked.append(line)
    lines[:] = marked


def setup(app):
    load_tensorflow()  # autodoc imports what it describes; this keeps TensorFlow's log out of sight
    app.setup_extension("sphinx.ext.autodoc")
    # Before napoleon, which turns the headings into fields.
    app.connect("autodoc-process-docstring", examples_as_code, priority=100)
    app.setup_extension("sphinx.ext.napoleon")
    # A name of the library in a chapter's code leads to its place in the reference.
    app.setup_extension("sphinx_codeautolink")
    for setting, value in SETTINGS.items():
        setattr(app.config, setting, value)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
