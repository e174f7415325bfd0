"""Take the pictures of the README from the built book: `make book` first, then run this.

The network on the front page, light and dark, one of its numbers, and the live page with three of
its pictures. A changed look or other weights make other pictures; nothing compares them.
"""

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect, sync_playwright

from alexnet_lib import files

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
import browser as installed  # noqa: E402
import pages  # noqa: E402

BUILT = ROOT / "_build" / "html"
PICTURES = ROOT / ".github" / "pictures"
SCALE = 1.5
"""Pixels of a picture to one of the page, for screens that have more."""
PATIENCE = 120_000
"""Milliseconds in which the live page has to answer."""


def keep(name, *shots):
    """Put screenshots side by side and write them as one PNG of 256 colours."""
    images = [Image.open(io.BytesIO(shot)).convert("RGB") for shot in shots]
    gap = 24 if len(images) > 1 else 0
    width = sum(image.width + gap for image in images) - gap
    sheet = Image.new("RGB", (width, max(image.height for image in images)), "white")
    left = 0
    for image in images:
        sheet.paste(image, (left, 0))
        left += image.width + gap
    path = PICTURES / f"{name}.png"
    colours = sheet.quantize(256, dither=Image.Dither.NONE)
    files.write(path, lambda unfinished: colours.save(unfinished, "PNG", optimize=True))
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")


def stacked(upper, lower):
    """Two screenshots, one above the other, as one."""
    parts = [Image.open(io.BytesIO(part)).convert("RGB") for part in (upper, lower)]
    size = max(part.width for part in parts), sum(part.height for part in parts) + 16
    column = Image.new("RGB", size, "white")
    column.paste(parts[0], (0, 0))
    column.paste(parts[1], (0, parts[0].height + 16))
    file = io.BytesIO()
    column.save(file, "PNG")
    return file.getvalue()


def opened(browser, address, width, theme="light"):
    page = browser.new_page(
        viewport={"width": width, "height": 1200},
        color_scheme=theme,
        reduced_motion="reduce",
        device_scale_factor=SCALE,
    )
    page.goto(address)
    # The theme's button lies over whatever stands below it.
    page.add_style_tag(content="#pst-back-to-top { display: none !important }")
    return page


def front_page(browser, address):
    for theme in ("light", "dark"):
        page = opened(browser, f"{address}index.html", 1280, theme)
        way = page.locator(".ex-way")
        expect(way).to_have_attribute("aria-busy", "false")
        keep(f"flow-{theme}", way.screenshot())
        if theme == "light":
            page.locator(".ex-flow [data-layer=conv2]").click()
            page.locator(".ex-flow .ex-open").click()
            keep("number", page.locator(".ex-number-box").screenshot())
        page.close()


def live_page(browser, address):
    page = opened(browser, f"{address}live.html", 420)
    panel = page.locator(".ex-live")
    answers = panel.locator(".ex-answers")
    shots, before = [], ""
    for choice in panel.get_by_role("button", name="Our picture").all()[:3]:
        choice.click()
        expect(answers.locator("li").first).to_contain_text("%", timeout=PATIENCE)
        expect(answers).not_to_have_text(before, use_inner_text=True, timeout=PATIENCE)
        before = answers.inner_text()
        picture = panel.get_by_role("application").first
        shots.append((picture.screenshot(), answers.screenshot()))
    page.close()
    keep("live", *(stacked(*parts) for parts in shots))


def main():
    path = installed.find()
    if path is None or not (BUILT / "index.html").exists():
        sys.exit("This needs Chromium or Chrome, and the built book: run `make book` first.")
    PICTURES.mkdir(parents=True, exist_ok=True)
    with pages.served(BUILT) as address, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        front_page(chromium, address)
        live_page(chromium, address)
        chromium.close()


if __name__ == "__main__":
    main()
