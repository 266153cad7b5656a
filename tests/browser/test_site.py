"""The documentation site opens from disk without a network, and its search works there."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.driver import Visit

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(find_spec("mkdocs") is None, reason="the tools of the site are missing: make docs")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built strictly."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environ = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


def requests(page: Page) -> list[str]:
    """Return a list that collects the addresses of everything that a page requests."""
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    return addresses


def test_pages_need_no_network_and_search_works_on_disk(visit: Visit, site: Path) -> None:
    addresses = requests(visit.page)
    page = visit.open(site)
    page.locator(".md-search__input").first.fill("spacegroup")
    expect(page.locator(".md-search-result__item").first).to_be_visible()
    page.goto((site / "api.html").as_uri())
    expect(page.locator("#adit\\.api\\.relax")).to_be_visible()
    assert visit.complaints == []
    assert [each for each in addresses if not each.startswith(("file:", "data:", "blob:", "about:"))] == []


def test_no_page_is_wider_than_a_telephone(visit: Visit, site: Path) -> None:
    visit.page.set_viewport_size({"width": 400, "height": 800})
    for name in ("index", "configuration", "commands", "errors", "troubleshooting", "api", "paper"):
        visit.page.goto((site / f"{name}.html").as_uri())
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= 400, name
