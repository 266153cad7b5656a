"""The candidates' tables in a real browser, opened from disk with the network cut."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import expect

from adit.convert import from_cif, smiles_of_block
from adit.store import read_systems
from tests.browser.driver import Visit, choose, colours, column, picture, saved, sort
from tests.browser.runs import HTML, SMILES


def test_page_opens_from_disk_without_a_complaint(visit: Visit, report: Path) -> None:
    page = visit.open(report)
    expect(page.locator("#rows-crystal .count")).to_have_text("6 of 6 rows")
    expect(page.locator("#rows-molecule .count")).to_have_text("6 of 6 rows")
    choose(page, "crystal", "crystal-0-1")
    choose(page, "molecule", "molecule-0-0")
    assert visit.complaints == []


def test_a_title_sorts_both_ways_and_missing_values_stay_last(visit: Visit, report: Path) -> None:
    page = visit.open(report)
    head = sort(page, "crystal", "e_above_hull")
    assert column(page, "crystal", "e_above_hull") == ["−0.100", "0.050", "0.200", "0.300", "—", "—"]
    assert head.get_attribute("aria-sort") == "ascending"
    sort(page, "crystal", "e_above_hull")
    assert column(page, "crystal", "e_above_hull") == ["0.300", "0.200", "0.050", "−0.100", "—", "—"]


@pytest.mark.parametrize(
    ("name", "text", "left"),
    [
        ("e_above_hull", "<0.1", ["crystal-0-1", "crystal-0-2"]),
        ("e_above_hull", "0.1..0.25", ["crystal-0-3"]),
        ("e_above_hull", "−0.1", ["crystal-0-1"]),
        ("relax_status", "unconv", ["crystal-0-3"]),
        ("formula", "<b", ["crystal-0-4"]),
    ],
)
def test_fields_filter(visit: Visit, report: Path, name: str, text: str, left: list[str]) -> None:
    page = visit.open(report)
    page.locator(f'#rows-crystal [data-filter="{name}"]').fill(text)
    assert column(page, "crystal", "system_id") == left


def test_flags_presets_and_search_filter(visit: Visit, report: Path) -> None:
    page = visit.open(report)
    page.locator('#rows-crystal [data-filter="overall_validity"]').select_option("yes")
    assert len(column(page, "crystal", "system_id")) == 3
    page.locator("#rows-crystal .preset", has_text="below the hull").click()
    assert column(page, "crystal", "system_id") == ["crystal-0-1"]
    page.locator("#rows-crystal .clear").click()
    page.locator("#rows-crystal .anywhere").fill("crystal-0-3")
    assert column(page, "crystal", "system_id") == ["crystal-0-3"]


def test_a_condition_that_cannot_be_read_is_marked_and_filters_nothing(visit: Visit, report: Path) -> None:
    page = visit.open(report)
    page.locator('#rows-crystal [data-filter="e_above_hull"]').fill("low")
    expect(page.locator('#rows-crystal [data-filter="e_above_hull"]')).to_have_class("wrong")
    assert len(column(page, "crystal", "system_id")) == 6


def test_generated_text_is_shown_as_text(visit: Visit, report: Path) -> None:
    page = visit.open(report)
    title = page.title()
    assert HTML in column(page, "crystal", "formula")
    panel = choose(page, "crystal", f"crystal-{HTML}")
    assert HTML in panel.inner_text()
    choose(page, "molecule", "molecule-0-5")
    assert page.locator("b[onclick]").count() == 0
    assert page.title() == title


@pytest.mark.parametrize(("kind", "system_id"), [("crystal", "crystal-0-1"), ("molecule", "molecule-0-1")])
def test_a_structure_is_drawn_in_three_dimensions(visit: Visit, report: Path, kind: str, system_id: str) -> None:
    page = visit.open(report)
    canvas = choose(page, kind, system_id).locator("canvas")
    assert colours(canvas) > 100
    before = picture(canvas)
    box = canvas.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y + 30, steps=4)
    page.mouse.up()
    page.wait_for_timeout(300)
    assert (before != picture(canvas)).any(), "it turns with the mouse"


def test_cif_of_every_step_is_the_structure(visit: Visit, report: Path) -> None:
    page = visit.open(report)
    panel = choose(page, "crystal", "crystal-0-1")
    files = {"generated": "samples/crystal/0.arrow", "CHGNet": "relaxed/crystal/0.arrow"}
    for step, file in files.items():
        panel.locator(".steps button", has_text=step).click()
        _, text = saved(page, panel.locator('.files [data-format="cif"]'))
        original = read_systems(report.parent / file)[1]
        read = from_cif(text, "read")
        assert sorted(read.numbers) == sorted(original.numbers)
        np.testing.assert_allclose(read.lengths, original.lengths, atol=1e-4)
        np.testing.assert_allclose(read.fractional, original.fractional, atol=2e-5)


def test_sdf_has_the_bonds_and_charges(visit: Visit, report: Path) -> None:
    from rdkit import Chem

    page = visit.open(report)
    for number, smiles in enumerate(SMILES):
        panel = choose(page, "molecule", f"molecule-0-{number}")
        name, text = saved(page, panel.locator('.files [data-format="sdf"]'))
        assert name == f"molecule-0-{number}.sdf"
        assert smiles_of_block(text) == Chem.CanonSmiles(smiles)
        assert text.splitlines()[1][20:22] == "3D"
        expect(panel.locator(".flat svg")).to_be_visible()


def test_a_molecule_without_bonding_is_atoms_alone(visit: Visit, report: Path) -> None:
    from rdkit import Chem

    page = visit.open(report)
    panel = choose(page, "molecule", "molecule-0-5")
    expect(panel.locator(".flat")).to_be_hidden()
    _, text = saved(page, panel.locator('.files [data-format="sdf"]'))
    mol = Chem.MolFromMolBlock(text, sanitize=False, removeHs=False)
    assert (mol.GetNumAtoms(), mol.GetNumBonds()) == (3, 0)


def test_a_row_that_is_being_clicked_is_not_replaced(visit: Visit, report: Path) -> None:
    page = visit.open(report)
    choose(page, "molecule", "molecule-0-0")
    row = page.locator("#rows-molecule tbody tr", has=page.get_by_text("molecule-0-5", exact=True)).element_handle()
    choose(page, "molecule", "molecule-0-1")
    assert row.evaluate("element => element.isConnected")
    choose(page, "molecule", "molecule-0-5")
    assert row.get_attribute("class") == "shown active"
    assert page.locator("#rows-molecule tbody tr.shown").count() == 1


def test_a_selection_is_saved_in_the_order_of_the_table(visit: Visit, report: Path) -> None:
    page = visit.open(report)
    sort(page, "crystal", "e_above_hull")
    for system_id in ("crystal-0-3", "crystal-0-1"):
        page.locator("#rows-crystal tbody tr", has_text=system_id).locator("input").check()
    expect(page.locator("#rows-crystal .count")).to_have_text("6 of 6 rows, 2 selected")
    name, text = saved(page, page.locator('#rows-crystal .export[data-format="csv"]'))
    table = pd.read_csv(io.StringIO(text))
    assert name == "crystals-selected.csv"
    assert table["system_id"].tolist() == ["crystal-0-1", "crystal-0-3"]
    assert table["e_above_hull"].tolist() == [-0.1, 0.2]
    _, text = saved(page, page.locator('#rows-crystal .export[data-format="cif"]'))
    assert [line for line in text.splitlines() if line.startswith("data_")] == ["data_crystal-0-1", "data_crystal-0-3"]


def test_without_a_selection_all_listed_rows_are_saved(visit: Visit, report: Path) -> None:
    page = visit.open(report)
    _, text = saved(page, page.locator('#rows-crystal .export[data-format="csv"]'))
    table = pd.read_csv(io.StringIO(text))
    assert len(table) == 6
    assert HTML in table["formula"].tolist()
    assert set(table["nearest_id"]) == {"mp-22862"}, "columns that are not shown are saved too"
    saved(page, page.locator('#rows-molecule .export[data-format="sdf"]'))
    expect(page.locator("#rows-molecule .said")).to_have_text("6 structures written")


def test_the_table_is_worked_with_keys(visit: Visit, report: Path) -> None:
    page = visit.open(report)
    page.locator("#rows-crystal .rows").focus()
    for key in ("ArrowDown", "ArrowDown", "Enter", " "):
        page.keyboard.press(key)
    expected = column(page, "crystal", "system_id")[2]
    expect(page.locator("#rows-crystal .panel")).to_have_attribute("data-shown", expected)
    expect(page.locator("#rows-crystal tr[aria-selected=true] td.id")).to_have_text(expected)


def test_columns_are_chosen(visit: Visit, report: Path) -> None:
    page = visit.open(report)
    page.locator("#rows-crystal .chooser summary").click()
    page.locator("#rows-crystal .columns label", has_text="nearest").locator("input").check()
    assert set(column(page, "crystal", "nearest_id")) == {"mp-22862"}


def test_a_link_opens_a_candidate(visit: Visit, report: Path) -> None:
    page = visit.open(report, "#row=molecule-0-2")
    expect(page.locator("#rows-molecule .panel")).to_have_attribute("data-shown", "molecule-0-2")


def test_ten_thousand_rows_are_drawn_on_demand(visit: Visit, large_report: Path) -> None:
    page = visit.open(large_report)
    expect(page.locator("#rows-crystal .count")).to_have_text("10\u202f000 of 10\u202f000 rows")
    assert page.locator("#rows-crystal tbody tr").count() < 80
    values = column(page, "crystal", "e_above_hull")
    assert values == sorted(values, key=lambda text: float(text.replace("−", "-")))
    page.locator("#rows-crystal .rows").evaluate("box => box.scrollTop = box.scrollHeight")
    expect(page.locator("#rows-crystal tr[aria-rowindex='10002']")).to_be_visible()
    page.locator("#rows-crystal tr[aria-rowindex='10002']").click()
    assert page.locator("#rows-crystal .panel").get_attribute("data-shown") != ""
    page.locator('#rows-crystal [data-filter="e_above_hull"]').fill("<0")
    left = int(page.locator("#rows-crystal .count").inner_text().split(" of")[0].replace("\u202f", ""))
    assert 4000 < left < 6000
    assert visit.complaints == []


def test_ten_thousand_rows_fit_into_thirty_megabytes(large_report: Path) -> None:
    assert sum(path.stat().st_size for path in large_report.rglob("*") if path.is_file()) < 30e6
