"""Mathematics as MathML, made at build time, with a font of the book's own.

Sphinx's renderers either fetch a script from another host or need a TeX installation. This one asks
`math-core` to turn each formula into MathML Core, which current browsers draw themselves, which
screen readers read, and which needs no script. The one thing browsers cannot be relied on to have
is a mathematical font, so the pages bring the glyphs they use, cut from STIX Two Math.

`fonts/stix-two-math.woff` is version 2.11 of that font (SIL Open Font License, `fonts/OFL.txt`),
cut once by fontTools, without hinting, to what formulas are written with: Latin and Greek, upright,
italic, bold, script and double-struck; punctuation, letterlike symbols, arrows, operators, fences.
"""

import html
import re
from pathlib import Path

from alexnet_lib import files
from docutils import nodes
from fontTools import subset
from math_core import LatexError, LatexToMathML
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

logger = logging.getLogger(__name__)

# Errors are one line, for the log.
CONVERTER = LatexToMathML(fancy_error=False)

# Sphinx numbers equations itself, so environments that would number them again become the
# unnumbered ones of the same layout.
LAYOUTS = {
    "equation": "",
    "align": "aligned",
    "alignat": "alignedat",
    "gather": "gathered",
    "multline": "gathered",
}
ENVIRONMENT = re.compile(
    r"\\(begin|end)\{(equation|align|alignat|gather|multline)\*?\}"
)

FONT = Path(__file__).parent / "fonts" / "stix-two-math.woff"
FONT_FILE = "math.woff"
NAMESPACE = "http://www.w3.org/1998/Math/MathML"
LEVEL = re.compile(r' scriptlevel="[^"]*"')
NAMED = re.compile(r"&(?!(?:amp|lt|gt|quot);)\w+;")
FORMULA = re.compile(r"<math.*?</math>", re.DOTALL)
# Widgets set formulas in the browser; these are there whatever the chapters use.
ALWAYS_IN_FONT = {
    *range(0x20, 0x7F),
    *range(0x3B1, 0x3CA),
    0x00D7,
    0x2212,
    0x2211,
    0x221A,
    0x2264,
}


def _without_numbering(latex):
    """Replace numbering environments, and give bare alignments an environment."""

    def replace(match):
        layout = LAYOUTS[match[2]]
        return rf"\{match[1]}{{{layout}}}" if layout else ""

    latex = ENVIRONMENT.sub(replace, latex).strip()
    if r"\\" in latex and r"\begin" not in latex:
        latex = rf"\begin{{aligned}}{latex}\end{{aligned}}"
    return latex


def _to_mathml(translator, node, display):
    latex = node.astext()
    try:
        formula = CONVERTER.convert_with_local_state(
            _without_numbering(latex) if display else latex,
            displaystyle=display,
        )
    except LatexError as error:
        logger.warning(
            "formula not understood: %s in %r", error, latex, location=node
        )
        return f"<code>{translator.encode(latex)}</code>"
    # An EPUB is read as XML, which has no names for characters, and to which MathML is foreign.
    formula = NAMED.sub(lambda match: html.unescape(match[0]), formula)
    if translator.builder.name == "epub":
        formula = formula.replace("<math", f'<math xmlns="{NAMESPACE}"', 1)
        formula = LEVEL.sub(
            "", formula
        )  # which its MathML 3 has in one place only
    return formula


def visit_inline(translator, node):
    translator.body.append(_to_mathml(translator, node, display=False))
    raise nodes.SkipNode


def visit_block(translator, node):
    # The formula scrolls in a box of its own on small screens; its number stays in view.
    translator.body.append(
        translator.starttag(node, "div", CLASS="math-block")
    )
    translator.body.append('<div class="math-scroll">')
    translator.body.append(_to_mathml(translator, node, display=True))
    translator.body.append("</div>")
    if node["number"]:
        number = get_node_equation_number(translator, node)
        translator.body.append(f'<span class="eqno">({number})')
        translator.add_permalink_ref(node, "Link to this equation")
        translator.body.append("</span>")
    translator.body.append("</div>\n")
    raise nodes.SkipNode


def italic(letter):
    """The character that browsers show for a variable of one letter (MathML's `math-auto`)."""
    if letter == "h":
        return (
            "\u210e"  # Planck's constant was there before the other italics
        )
    for first, last, start in (
        ("A", "Z", 0x1D434),
        ("a", "z", 0x1D44E),
        ("Α", "Ω", 0x1D6E2),
        ("α", "ω", 0x1D6FC),
    ):
        if first <= letter <= last:
            return chr(start + ord(letter) - ord(first))
    return {"ϵ": "\U0001d716", "∂": "\U0001d715"}.get(letter, letter)


def characters_shown(pages):
    """The characters of the formulas on built pages, as numbers, in every form a browser gives them."""
    shown = set(ALWAYS_IN_FONT)
    for page in pages:
        for formula in FORMULA.findall(page.read_text("utf-8")):
            text = html.unescape(re.sub(r"<[^>]*>", "", formula))
            shown.update(map(ord, text))
    return shown | {ord(italic(chr(code))) for code in shown}


def write_font(app, exception):
    """Write the part of the font that the built pages use."""
    if exception or app.builder.name != "html":
        return
    characters = characters_shown(Path(app.outdir).glob("**/*.html"))
    options = subset.Options(
        flavor="woff",
        layout_features=[
            "ssty"
        ],  # forms for small exponents: all that MathML asks for
        name_IDs=["*"],
        hinting=False,
    )
    font = subset.load_font(str(FONT), options)
    missing = characters - set(font.getBestCmap()) - set(range(0x20))
    if missing:
        logger.warning(
            "formulas need %s, which %s does not have",
            ", ".join(f"U+{code:04X}" for code in sorted(missing)),
            FONT.name,
        )
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=characters)
    subsetter.subset(font)
    files.write(
        Path(app.outdir, "_static", FONT_FILE),
        lambda unfinished: subset.save_font(font, str(unfinished), options),
    )


def setup(app):
    app.add_html_math_renderer(
        "mathml", (visit_inline, None), (visit_block, None)
    )
    app.connect("build-finished", write_font)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
