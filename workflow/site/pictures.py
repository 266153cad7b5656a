"""Pictures of a run's report for the documentation: ``python -m workflow.site.pictures results/demo docs/tutorial``.

Needs Chromium (workflow/scripts/browser.sh) and Playwright, which is one of the tools of developers.
"""

from __future__ import annotations

import argparse
import io
import shutil
from pathlib import Path
from typing import Final

from PIL import Image
from playwright.sync_api import Page, sync_playwright

MOST_BYTES: Final = 200_000
"""Largest size of a picture."""

SIZE: Final = (1100, 720)
"""Width and height of the window, px."""

ARGUMENTS: Final = ("--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
"""Options of Chromium: 3D views without a graphics card."""

CHROMIUM: Final = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
"""Path of Chromium; empty where there is none."""


def main() -> None:
    """Write the pictures of a report."""
    parser = argparse.ArgumentParser(prog="python -m workflow.site.pictures", description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a run with its report")
    parser.add_argument("out", type=Path, help="folder of the pictures, *.png")
    options = parser.parse_args()
    if not CHROMIUM:
        parser.error("no Chromium; run workflow/scripts/browser.sh")
    options.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        page = browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]}, color_scheme="light")
        page.goto((options.run / "report/index.html").resolve().as_uri())
        for name, picture in pictures(page).items():
            path = options.out / f"{name}.png"
            path.write_bytes(small(picture))
        browser.close()


def pictures(page: Page) -> dict[str, bytes]:
    """Return PNG pictures of the parts of a report that the tutorial speaks of, by name."""
    parts = {"top": page.screenshot()}
    for name in ("funnel", "best"):
        parts[name] = _at(page, f"#{name}")
    row = page.locator("#rows-crystal tbody tr:not(.spacer)").first
    page.locator("#rows-crystal .preset", has_text="below the hull").or_(row).first.scroll_into_view_if_needed()
    row.click()
    panel = page.locator("#rows-crystal .panel")
    panel.locator("canvas").first.wait_for()
    page.wait_for_timeout(2000)  # the viewer draws
    parts["candidate"] = _at(page, "#rows-crystal .panel")
    return parts


def _at(page: Page, selector: str) -> bytes:
    """Return what the window shows when an element is at its top."""
    page.locator(selector).evaluate("element => window.scrollTo(0, element.getBoundingClientRect().top + scrollY - 60)")
    page.wait_for_timeout(500)
    return page.screenshot()


def small(picture: bytes, most: int = MOST_BYTES) -> bytes:
    """Return a PNG picture of at most so many bytes, with fewer colours and then fewer pixels if needed."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    while True:
        buffer = io.BytesIO()
        image.quantize(128, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
        if buffer.tell() <= most:
            return buffer.getvalue()
        image = image.resize((image.width * 9 // 10, image.height * 9 // 10), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
