"""Pages that are light: of what the theme brings, only what the book uses; pictures made smaller.

The theme replaces each icon by a drawing, with a script of 1.5 MB that holds all of Font Awesome.
Its style sheet can show the same icons from a font, so the script is left out (the template
`static/webpack-macros.html`) and the fonts are cut down to the icons that occur. Its style sheets
hold all of Bootstrap; the rules for classes that no page and no script knows are left out. Scripts
and style sheets lose their comments and indentation. Pictures become WebP, those of line art
without any loss.
"""

import base64
import io
import re
from itertools import pairwise
from pathlib import Path

import rcssmin
import tinycss2
from alexnet_lib import files
from fontTools import subset
from PIL import Image
from pygments.lexers import JavascriptLexer
from pygments.token import Comment, Whitespace
from sphinx.errors import ExtensionError

THEME = "styles/pydata-sphinx-theme.css"
THEMES_STYLES = (THEME, "styles/sphinx-book-theme.css", "basic.css")
"""What the themes bring for all that a page could hold. In our own style sheets all rules stay."""
MADE_IN_SCRIPTS = "bs-"
"""Bootstrap puts the names of these classes together, from the kind of a tooltip and its side."""
WRITTEN_FOR_PEOPLE = (".", "explorers", "quiz")
"""Folders of scripts and style sheets with comments and indentation; the others have none."""
SCRIPT = "scripts/pydata-sphinx-theme.js"
FONTS = "vendor/fontawesome/webfonts"
# What is in the theme's folders and asked for by no page: sources of its scripts, older formats of
# its fonts, the script of the icons, translations.
UNUSED = (
    "scripts/fontawesome.js*",
    "scripts/*.map",
    "scripts/*.LICENSE.txt",
    "styles/*.map",
    f"{FONTS}/*.ttf",
    f"{FONTS}/*.woff2",
)

ICON_RULE = re.compile(
    r'(?P<names>(?:\.fa-[\w-]+:before,?)+)\{content:"(?P<sign>[^"]+)"\}'
)
TERMINAL_COLOUR = re.compile(r"div\.highlight \.-Color\[[^{]*\{[^}]*\}\s*")
"""MyST-NB's 512 rules for outputs that are coloured as in a terminal."""
ICON_CLASS = re.compile(r"\bfa-[a-z0-9-]+")
FONT_FILES = re.compile(
    r"(url\([^)]*\.)(?:woff2|ttf)\)(?: format\([^)]*\))?"
    r"(?:,url\([^)]*\.ttf\)(?: format\([^)]*\))?)?"
)
"""What a style sheet says of one font: WOFF2, or TrueType, or the one and then the other."""
CLASSES = re.compile(r"""\bclass=(?:"([^"]*)"|'([^']*)')""")
NAME = re.compile(r"[\w-]+")
GROUPS = ("media", "supports")
"""At-rules that hold other rules."""
SIGN = re.compile(r"\\([ef][0-9a-f]{3})\b|([\ue000-\uf8ff])")

PICTURE = re.compile(
    r'<img(?P<attributes>[^>]*) src="(?P<path>_images/[^"]+\.png)"'
)
PICTURE_IN_SVG = re.compile(
    r'(<image\b[^>]* href=")data:image/(?:png|jpeg);base64,([\w+/=]+)"'
)
QUALITY = 80
"""Of WebP, up to 100. Line art is kept exactly."""

ONLY_WITH = {
    r"sd-": ("sphinx-design", "design-tabs"),
    r"highlight": ("pygments", "clipboard", "copybutton"),
    r"cell\b": ("mystnb",),
    r"(?:toggle|dropdown)\b": ("togglebutton",),
    r"sphinx-codeautolink": ("sphinx-codeautolink",),
}
"""The beginning of a class that is in the body of every page that needs these files."""


# ---- Icons -----------------------------------------------------------------------------------------


def keep_used_icons(style, used):
    """Take from a style sheet the rules of icons that are not used.

    The others get an empty text for screen readers, which would spell out a private character;
    browsers that do not know the notation keep the first of the two.
    """

    def keep(match):
        names = [
            name
            for name in ICON_CLASS.findall(match["names"])
            if name in used
        ]
        if not names:
            return ""
        selectors = ",".join(f".{name}:before" for name in names)
        sign = match["sign"]
        return f'{selectors}{{content:"{sign}";content:"{sign}"/""}}'

    return FONT_FILES.sub(
        r'\1woff) format("woff")', ICON_RULE.sub(keep, style)
    )


def signs(texts):
    """The private characters that style sheets show, as numbers."""
    found = set()
    for text in texts:
        for escaped, plain in SIGN.findall(text):
            found.add(int(escaped, 16) if escaped else ord(plain))
    return found


def cut_fonts(folder, characters):
    """Write as WOFF, for which fontTools needs no other package, what is shown of each font.

    Of a font that is there twice the TrueType file is read, for the same reason.

    Raises:
        ExtensionError: if there is no font, or only one that cannot be read. The fonts are removed
            afterwards (`UNUSED`), and a page without them shows no icon and no message.
    """
    options = subset.Options(
        flavor="woff", layout_features=[], hinting=False
    )
    fonts = {
        path.stem: path
        for kind in ("woff2", "ttf")
        for path in sorted(folder.glob(f"*.{kind}"))
    }
    if not fonts:
        raise ExtensionError(
            f"{folder}: the theme has no font of icons there, so that the pages would show none. "
            "Name the folder that it has them in, in book/_ext/book_weight.py."
        )
    for path in fonts.values():
        try:
            font = subset.load_font(str(path), options)
        except ImportError as error:
            raise ExtensionError(
                f"{path.name}: fontTools reads WOFF2 only with another package. Install it: "
                "pip install brotli"
            ) from error
        subsetter = subset.Subsetter(options)
        subsetter.populate(unicodes=characters)
        subsetter.subset(font)
        subset.save_font(font, str(path.with_suffix(".woff")), options)


def keep_used_rules(static, pages):
    texts = [*pages, (static / SCRIPT).read_text("utf-8")]
    used = {name for text in texts for name in ICON_CLASS.findall(text)}
    style = static / THEME
    files.write_text(style, keep_used_icons(style.read_text("utf-8"), used))
    if not any(
        'class=" -Color' in text or 'class="-Color' in text
        for text in texts
    ):
        for path in static.glob("mystnb.*.css"):
            files.write_text(
                path, TERMINAL_COLOUR.sub("", path.read_text("utf-8"))
            )
    styles = [path.read_text("utf-8") for path in static.rglob("*.css")]
    cut_fonts(static / FONTS, signs(styles))


# ---- Style sheets and scripts -----------------------------------------------------------------------


def known_names(pages, scripts):
    """The classes that elements of the pages have or that a script may give them."""
    names = {
        name
        for page in pages
        for first, second in CLASSES.findall(page)
        for name in (first or second).split()
    }
    return names.union(*(NAME.findall(script) for script in scripts))


def keep_used_selectors(style, known):
    """Take from a style sheet what is said of classes that nothing can have.

    A selector stays if each class that it asks for is known. What it asks for inside a pair of
    brackets, as in `:not(.a)`, is not looked at, so that it stays.
    """

    def can_match(selector):
        return all(
            name.value in known or name.value.startswith(MADE_IN_SCRIPTS)
            for dot, name in pairwise(selector)
            if dot == "." and name.type == "ident"
        )

    def used(rule):
        if rule.type == "qualified-rule":
            selectors = [[]]
            for token in rule.prelude:
                if token == ",":
                    selectors.append([])
                else:
                    selectors[-1].append(token)
            kept = [
                tinycss2.serialize(selector).strip()
                for selector in selectors
                if can_match(selector)
            ]
            content = tinycss2.serialize(rule.content)
            return f"{','.join(kept)}{{{content}}}" if kept else ""
        if rule.type == "at-rule" and rule.lower_at_keyword in GROUPS:
            inside = rules(rule.content)
            head = f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude)}"
            return f"{head}{{{inside}}}" if inside else ""
        return rule.serialize()

    def rules(source):
        parse = (
            tinycss2.parse_stylesheet
            if isinstance(source, str)
            else tinycss2.parse_rule_list
        )
        return "".join(
            used(rule)
            for rule in parse(
                source, skip_comments=True, skip_whitespace=True
            )
        )

    return rules(style)


def without_comments(script):
    """A script without its comments and indentation; comments that begin with /*! stay.

    What is a comment is for a lexer to say: minifiers that know no grammar take the text of
    one template inside of another for code.
    """
    kept, blank = [], False
    lexer = JavascriptLexer(stripnl=False, ensurenl=False)
    for kind, text in lexer.get_tokens(script):
        before, blank = (
            blank,
            kind in Whitespace
            or (kind in Comment and not text.startswith("/*!")),
        )
        if blank:
            # A line break may end a statement, so that one of several stays.
            around = kept.pop() + text if before else text
            text = "\n" if "\n" in around else " "
        kept.append(text)
    return "".join(kept)


def without_notes(style):
    """A style sheet without comments and indentation; comments that begin with /*! stay."""
    return rcssmin.cssmin(style, keep_bang_comments=True)


SHORTENED = {".js": without_comments, ".css": without_notes}


def lighten_styles_and_scripts(static, pages):
    scripts = [path.read_text("utf-8") for path in static.rglob("*.js")]
    known = known_names(pages, scripts)
    for name in THEMES_STYLES:
        style = static / name
        files.write_text(
            style, keep_used_selectors(style.read_text("utf-8"), known)
        )
    for folder in WRITTEN_FOR_PEOPLE:
        for kind, shortened in SHORTENED.items():
            for path in (static / folder).glob(f"*{kind}"):
                text = path.read_text("utf-8")
                files.write_text(path, shortened(text))


# ---- Pictures --------------------------------------------------------------------------------------


def smaller(path, exact):
    """Write a picture as WebP beside itself; return the smaller of the two files."""
    new = path.with_suffix(".webp")
    if not new.exists():
        picture = Image.open(path).convert("RGB")

        def save(unfinished):
            picture.save(
                unfinished, "WEBP", lossless=exact, quality=QUALITY
            )

        files.write(new, save)
    return min(path, new, key=lambda file: file.stat().st_size)


def rewrite(paths, change):
    """Write those files anew whose text `change` changes."""
    for path in paths:
        text = path.read_text("utf-8")
        new = change(text)
        if new != text:
            files.write_text(path, new)


def show_smaller_pictures(outdir, pages):
    shown = set()

    def replace(match):
        exact = "line-art" in match["attributes"]
        path = smaller(outdir / match["path"], exact)
        shown.add(path)
        return f'<img{match["attributes"]} src="_images/{path.name}"'

    rewrite(pages, lambda text: PICTURE.sub(replace, text))
    for path in shown:
        for suffix in {".png", ".webp"} - {path.suffix}:
            path.with_suffix(suffix).unlink()


def with_smaller_pictures(text):
    """A page or a drawing in which the pictures inside of drawings are WebP, where that is less."""

    def smaller_picture(match):
        old = base64.b64decode(match[2])
        new = io.BytesIO()
        picture = Image.open(io.BytesIO(old)).convert("RGB")
        picture.save(new, "WEBP", quality=QUALITY)
        if new.tell() >= len(old):
            return match[0]
        data = base64.b64encode(new.getvalue()).decode("ascii")
        return f'{match[1]}data:image/webp;base64,{data}"'

    return PICTURE_IN_SVG.sub(smaller_picture, text)


# ---- What no page asks for -------------------------------------------------------------------------


def lighten(app, exception):
    if exception or app.builder.name != "html":
        return
    outdir = Path(app.outdir)
    static = outdir / "_static"
    pages = sorted(outdir.glob("**/*.html"))
    texts = [page.read_text("utf-8") for page in pages]
    keep_used_rules(static, texts)
    lighten_styles_and_scripts(static, texts)
    for pattern in UNUSED:
        for path in static.glob(pattern):
            path.unlink()
    show_smaller_pictures(outdir, pages)
    drawings = [*pages, *static.glob("gallery/*.svg")]
    rewrite(drawings, with_smaller_pictures)


def drop_unused_files(app, pagename, templatename, context, doctree):
    """Leave out the files of extensions on pages that use nothing of them."""
    body = context.get("body", "")
    unused = "|".join(
        file
        for name, needed in ONLY_WITH.items()
        if not re.search(rf'\bclass="(?:[^"]* )?{name}', body)
        for file in needed
    )
    if not unused:
        return
    for kind in ("script_files", "css_files"):
        context[kind] = [
            file
            for file in context[kind]
            if not re.search(
                unused, str(getattr(file, "filename", file) or "")
            )
        ]


def setup(app):
    app.connect("build-finished", lighten)
    app.connect(
        "html-page-context", drop_unused_files, priority=900
    )  # after those that add files
    return {"parallel_read_safe": True, "parallel_write_safe": True}
