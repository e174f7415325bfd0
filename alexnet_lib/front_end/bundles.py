"""The front ends as browsers take them: one module for anywidget, classic scripts for a page.

A front end is `NAME.js` in `teaching/widgets`, an ECMAScript module that imports names from others
there and nothing else; that of the live page, `live.js`, stands here. anywidget wants one module
that imports nothing; a page that was opened as a file loads no modules at all, only classic
scripts.
"""

import re
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
FOLDER = HERE.parent / "teaching" / "widgets"

_IMPORT = re.compile(r'^import (\{[^}]*\}) from "\./(\w+)\.js";\n', re.MULTILINE)
_EXPORTED = re.compile(r"^export (?:async )?(?:function|const|class) (\w+)", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?function\b|const\b|class\b)", re.MULTILINE)
_EXPORT_DEFAULT = re.compile(r"^export default (\{.*\});$", re.MULTILINE)
_LEFT_OVER = re.compile(r"^\s*(?:export\b|import\b(?!\s*\()).*", re.MULTILINE)


def source(name: str) -> str:
    """The module `NAME.js` as it was written."""
    path = FOLDER / f"{name}.js"
    return (path if path.exists() else HERE / path.name).read_text("utf-8")


def modules(name: str) -> list[str]:
    """The modules that `NAME.js` needs, each after those that it imports, itself last."""
    found: list[str] = []
    for _, imported in _IMPORT.findall(source(name)):
        found += [module for module in modules(imported) if module not in found]
    return [*found, name]


@cache
def shared() -> frozenset[str]:
    """The modules that others import from."""
    texts = (path.read_text("utf-8") for path in FOLDER.glob("*.js"))
    return frozenset(imported for text in texts for _, imported in _IMPORT.findall(text))


def style(name: str) -> str:
    """The style sheet of `NAME.js`: that of all explorers, and those of its modules' own."""
    paths = [FOLDER / f"{module}.css" for module in modules(name)]
    return "".join(path.read_text("utf-8") for path in paths if path.exists())


def front_end(name: str) -> str:
    """The source of `NAME.js` as one module that imports nothing: what it imports stands before."""
    return "".join(_IMPORT.sub("", source(module)) for module in modules(name))


def as_script(name: str, text: str) -> str:
    """A module as a classic script, which registers a front end under its name.

    A shared module offers what it exports to those that import it.

    Args:
        name: of the module.
        text: its source.

    Raises:
        ValueError: if it imports something else, or exports in a form that is not foreseen.
    """
    if name in shared():
        offered = ", ".join(_EXPORTED.findall(text))
        script = f"{text}Object.assign((window.explorerParts ??= {{}}), {{ {offered} }});\n"
        defaults = 1
    else:
        script, defaults = _EXPORT_DEFAULT.subn(rf"(window.explorers ??= {{}}).{name} = \1;", text)
    for _, imported in _IMPORT.findall(script):
        if imported not in shared():
            raise ValueError(f"{name}.js imports from ./{imported}.js, which is not here.")
    script = _IMPORT.sub(r"const \1 = window.explorerParts;\n", script)
    script = _EXPORT.sub("", script)
    left = _LEFT_OVER.search(script)
    if defaults != 1 or left:
        raise ValueError(
            f"{name}.js: an explorer imports names in braces from modules here alone, exports "
            "functions, constants and classes where it declares them, and has one line "
            "`export default { render };`. "
            + (f"Found: {left[0].strip()}" if left else f"Found {defaults} such lines.")
        )
    return f"(() => {{\n{script}}})();\n"
