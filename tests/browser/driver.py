"""A real browser without a network, and what one does with a page."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from workflow.site.pictures import ARGUMENTS, CHROMIUM

PATIENCE_MS = 180_000
"""Long: a busy machine shall not fail a test."""
expect.set_options(timeout=PATIENCE_MS)


@dataclass
class Visit:
    """An open page with everything it complained of."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def open(self, report: Path, part: str = "") -> Page:
        self.page.on("console", lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("requestfailed", lambda request: self.complaints.append(request.url))
        self.page.goto(f"{report.as_uri()}/index.html{part}")
        return self.page


def column(page: Page, kind: str, name: str) -> list[str]:
    table = page.locator(f"#rows-{kind} table")
    heads = table.locator("thead tr:first-child th")
    place = [heads.nth(k).get_attribute("data-column") for k in range(heads.count())].index(name)
    return table.locator(f"tbody tr:not(.spacer) td:nth-child({place + 1})").all_inner_texts()


def sort(page: Page, kind: str, name: str) -> Locator:
    head = page.locator(f'#rows-{kind} th[data-column="{name}"]')
    head.locator("button").click()
    return head


def choose(page: Page, kind: str, system_id: str) -> Locator:
    """Click the row of an id and wait until it is drawn; return its panel."""
    page.locator(f"#rows-{kind} tbody tr", has=page.get_by_text(system_id, exact=True)).click()
    panel = page.locator(f"#rows-{kind} .panel")
    expect(panel).to_have_attribute("data-shown", system_id)
    return panel


def saved(page: Page, button: Locator) -> tuple[str, str]:
    """Press a button; return name and text of the file that it saves."""
    with page.expect_download() as waiting:
        button.click()
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_text(encoding="utf-8")


def picture(canvas: Locator) -> np.ndarray:
    """Return what a canvas shows, (height, width, 3)."""
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(canvas.screenshot())).convert("RGB"))


def colours(canvas: Locator) -> int:
    """Return the number of colours that a canvas shows: shaded atoms have many, an empty one has one."""
    canvas.scroll_into_view_if_needed()
    canvas.page.wait_for_timeout(300)
    return len(np.unique(picture(canvas).reshape(-1, 3), axis=0))


@contextmanager
def started() -> Iterator[Browser]:
    """Start Chromium."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield chromium
        chromium.close()
