"""What the theme does not do for this book: ask no other host, name no repository it does not know.

The buttons that need the repository's address appear only where the environment names it:
`BOOK_REPOSITORY_URL` (for example `https://example.org/owner/name`) and `BOOK_REPOSITORY_BRANCH`.
"""

import os
from pathlib import Path

TEMPLATES = Path(__file__).with_name("templates")


def add_templates(app, config):
    config.templates_path.insert(0, str(TEMPLATES))


def add_repository(app, config):
    url = os.environ.get("BOOK_REPOSITORY_URL", "").rstrip("/")
    if not url:
        return
    options = config.html_theme_options
    options["repository_url"] = url
    options["repository_branch"] = os.environ.get(
        "BOOK_REPOSITORY_BRANCH", "main"
    )
    options["path_to_docs"] = "book"
    options["use_repository_button"] = True
    options["launch_buttons"] = {
        "colab_url": "https://colab.research.google.com"
    }


def drop_thebe(app, pagename, templatename, context, doctree):
    """Leave out sphinx-thebe, which Jupyter Book always loads.

    It declares the address of a script on another host, twice, which is an error on every page.
    """
    for kind in ("script_files", "css_files"):
        context[kind] = [
            file for file in context[kind] if not _is_thebe(file)
        ]


def _is_thebe(file):
    name = str(getattr(file, "filename", file) or "")
    body = getattr(file, "attributes", {}).get("body") or ""
    return "thebe" in name or "THEBE_JS_URL" in body


def mend_roles(app, pagename, templatename, context, doctree):
    """Correct what docutils and MyST-NB tell screen readers.

    `doc-biblioentry` is deprecated and not allowed inside the list that docutils puts it in; the
    label of a folded cell hides the words that it shows.
    """
    if "body" in context:
        body = context["body"].replace(
            'role="doc-biblioentry"', 'role="listitem"'
        )
        context["body"] = body.replace(
            '<summary aria-label="Toggle hidden content">', "<summary>"
        )


def setup(app):
    app.connect("config-inited", add_templates)
    app.connect("config-inited", add_repository)
    app.connect(
        "html-page-context", drop_thebe, priority=900
    )  # after those that add files
    app.connect("html-page-context", mend_roles)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
