"""A real browser without a network, and runs to look at. Without Chromium these tests are skipped."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.runs import large_run, mixed_run, write_report

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
ARGUMENTS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


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


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        pytest.skip("no Chromium: install the package chromium")
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield made
        made.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    context = browser.new_context(offline=True, viewport={"width": 1400, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    yield Visit(context.new_page())
    context.close()


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run with crystals, their relaxation paths, and molecules; its texts are full of HTML."""
    return write_report(mixed_run(tmp_path_factory.mktemp("mixed")))


@pytest.fixture(scope="session")
def large_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 10,000 crystals of up to 20 atoms and 10,000 molecules."""
    return write_report(large_run(tmp_path_factory.mktemp("large"), 10_000))
