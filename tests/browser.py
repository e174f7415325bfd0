"""Where a Chromium is on this machine; `.ci/browser` and the tests of the pages ask it alike."""

import os
import shutil
import subprocess
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def find() -> str | None:
    """Return the path of a browser that starts, or None.

    The variable CHROMIUM comes first, then the names that distributions use, then the browser that
    `playwright install chromium` fetches. Each is started once, because Ubuntu has a
    `chromium-browser` that is only a note about another package.
    """
    for path in (os.environ.get("CHROMIUM"), *map(shutil.which, NAMES)):
        if path and _starts(path):
            return path
    # Asked last: it starts Playwright, which cannot run twice in one process.
    path = _playwrights_own()
    return path if path and _starts(path) else None


def _starts(path: str) -> bool:
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _playwrights_own() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None
