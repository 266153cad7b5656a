"""Phonons of the best crystals on the page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from adit import store
from adit.config import Config
from adit.report.page import citations
from adit.report.run.inputs import load_run
from tests.unit.report.test_page import HOSTILE, Tags, quick, write_page, write_run

__all__ = ["quick"]


def with_phonons(folder: Path, text: str = "") -> Path:
    table = {
        "system_id": ["crystal-0-0", "crystal-0-1", "crystal-0-2"],
        "status": ["ok", "ok", "timeout"],
        "reason": ["", "", text or "killed at the wall limit of 600 s"],
        "formula": ["ClNa", "ClNa", text],
        "dynamically_stable": pd.array([True, False, None], dtype="boolean"),
        "lowest_frequency_at_gamma": [0.0, -2.345, np.nan],
        "bulk_modulus": [23.6, np.nan, np.nan],
        "energy_tag": "chgnet-0.3.0/PBE(+U)/MP2020",
    }
    store.write_frame(folder / "stability/stability.parquet", pd.DataFrame(table))
    frequencies = np.linspace(-3, 6, 10)
    parts = [
        pd.DataFrame({"system_id": name, "frequency": frequencies, "density_of_states": np.ones(10)})
        for name in ("crystal-0-0", "crystal-0-1")
    ]
    store.write_frame(folder / "stability/dos.parquet", pd.concat(parts))
    return folder


def test_the_page_has_table_and_figure(tmp_path: Path) -> None:
    run = with_phonons(write_run(tmp_path))
    page = write_page(run, config=Config.model_validate({"stability": {"top": 3}}).model_dump_json())
    section = page[page.index('<section id="stability">') : page.index('<section id="dft">')]
    text = " ".join(" ".join(Tags(section).text).split())
    for wanted in ("below −0.1 THz", "−2.35", "24", "killed at the wall limit of 600 s", "yes", "no"):
        assert wanted in text, wanted
    assert "<svg" in section
    numbers = store.read_frame(tmp_path / "report/figures/phonon-dos.csv")
    assert set(numbers["system_id"]) == {"crystal-0-0", "crystal-0-1"}
    assert "Togo2023phonopy" in citations.used(load_run(run, "{}"))


@pytest.mark.usefixtures("quick")
def test_a_run_without_phonons_has_no_section(tmp_path: Path) -> None:
    page = write_page(write_run(tmp_path))
    assert '<section id="stability">' not in page
    assert "Togo2023phonopy" not in citations.used(load_run(tmp_path, "{}"))


@pytest.mark.usefixtures("quick")
def test_hostile_text_of_it_is_shown_as_text(tmp_path: Path) -> None:
    page = write_page(with_phonons(write_run(tmp_path), HOSTILE))
    assert not [attributes for tag, attributes in Tags(page).items if tag == "img"]
