"""The pages as a whole in a real browser: every section, both themes, small tables, and the comparison of runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import expect

from adit import store
from adit.columns import energies_name
from adit.report.compare.runs import compare_runs
from tests.browser.driver import Visit
from tests.browser.runs import write_report
from tests.unit.report.test_page import HOSTILE, write_run


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with every section, its texts full of HTML."""
    return write_report(write_run(tmp_path_factory.mktemp("full"), HOSTILE))


def test_every_section_is_reached_and_nothing_complains(visit: Visit, full: Path) -> None:
    page = visit.open(full)
    for link in page.locator("nav a").all():
        link.click()
        expect(page.locator(str(link.get_attribute("href")))).to_be_in_viewport()
    assert visit.complaints == []


def test_colours_change_with_the_button(visit: Visit, full: Path) -> None:
    page = visit.open(full)
    colour = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(colour)
    page.locator("#theme").click()
    assert page.evaluate(colour) != light
    page.locator("#theme").click()
    assert page.evaluate(colour) == light


def test_a_narrow_window_does_not_scroll_sideways(visit: Visit, full: Path) -> None:
    page = visit.open(full)
    page.set_viewport_size({"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    link = page.locator('nav a[href="#manifest"]')
    link.click()
    expect(page.locator("#manifest")).to_be_in_viewport()


def test_numbers_of_a_card_stand_in_one_line_beside_long_names(visit: Visit, tmp_path: Path) -> None:
    run = write_run(tmp_path)
    scores = store.read_frame(run / "scores/crystal.parquet")
    names = {"e_above_hull": energies_name("e_above_hull", "chgnet")}
    store.write_frame(run / "scores/crystal.parquet", scores.rename(columns=names))
    page = visit.open(write_report(run))
    card = page.locator("#best .card").first
    expect(card.locator("dt").first).to_have_text("E above hull (CHGNet surrogate)")
    lines = card.locator("dd").first.evaluate(
        "dd => dd.getClientRects()[0].height / parseFloat(getComputedStyle(dd).fontSize)"
    )
    assert lines < 4, "two lines at most: a number and its unit"


def test_small_tables_sort_with_the_keyboard(visit: Visit, full: Path) -> None:
    page = visit.open(full)
    head = page.locator("#manifest table.sortable th").first
    head.focus()
    page.keyboard.press("Enter")
    expect(head).to_have_attribute("aria-sort", "ascending")
    page.keyboard.press(" ")
    expect(head).to_have_attribute("aria-sort", "descending")


def test_comparison_of_runs_opens_without_a_complaint(visit: Visit, full: Path, tmp_path: Path) -> None:
    other = shutil.copytree(full.parent, tmp_path / "other")
    summary = store.read_json(other / "scores/summary.json")
    store.write_json(other / "scores/summary.json", summary[:2])
    compare_runs([full.parent, other], tmp_path / "out")
    page = visit.open(tmp_path / "out")
    expect(page.locator("#numbers tbody tr")).not_to_have_count(0)
    expect(page.locator("#figures svg").first).to_be_visible()
    assert visit.complaints == []
