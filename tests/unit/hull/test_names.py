"""A surrogate keeps its name in every table; crystals outside the hull are no headline."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from adit import store
from adit.columns import ENERGIES, energies_name
from adit.report.candidates.data import ordered
from adit.report.candidates.fields import fields
from adit.report.run.inputs import Run, with_plain_energies
from adit.report.words import outcome
from adit.score.common.inputs import Energies, read_energies
from adit.score.crystals.table import add_energies
from adit.score.matching.matcher import Matches

CHGNET, DFT = "chgnet-0.3.0/PBE(+U)/MP2020", "vasp/PBE(+U)/MP2020"


def hull_table(folder: Path, *, surrogate: bool) -> Path:
    prefix = energies_name("", "chgnet") if surrogate else ""
    table = pd.DataFrame(
        {
            "system_id": ["a", "b"],
            **{prefix + name: [-0.5, 0.1] for name in ENERGIES},
            "hull_covers_chemistry": [False, True],
            "hull_gaps": ["Fe-Zr", ""],
            "energy_tag": CHGNET,
            "hull_tag": DFT if surrogate else CHGNET,
            "surrogate": surrogate,
            "reason": "",
        }
    )
    store.write_frame(folder / "hull.parquet", table)
    return folder / "hull.parquet"


@pytest.mark.parametrize("surrogate", [False, True])
def test_the_scores_keep_the_name(tmp_path: Path, surrogate: bool) -> None:
    energies = read_energies([], hull_table(tmp_path, surrogate=surrogate), [])
    assert energies.surrogate is surrogate
    rows = [{"system_id": "a", "n_elements": 2}, {"system_id": "b", "n_elements": 2}]
    add_energies(rows, Energies(hull=energies.hull, potential=energies.potential), Matches({}, {}))
    named = energies_name("", "chgnet") if surrogate else ""
    assert [row[f"{named}e_above_hull"] for row in rows] == [-0.5, 0.1]
    assert [row["hull_covers_chemistry"] for row in rows] == [False, True]
    assert rows[0]["hull_gaps"] == "Fe-Zr"
    assert ("e_above_hull" in rows[0]) is not surrogate


def scores(*, surrogate: bool) -> pd.DataFrame:
    prefix = energies_name("", "chgnet") if surrogate else ""
    return pd.DataFrame(
        {
            "system_id": ["a", "b"],
            "formula": ["FeZr", "ClNa"],
            f"{prefix}e_above_hull": [-0.5, 0.1],
            f"{prefix}formation_energy_per_atom": [-0.5, -1.0],
            "hull_covers_chemistry": [False, True],
            "hull_gaps": ["Fe-Zr", ""],
            "relax_status": "converged",
        }
    )


def test_the_page_shows_a_surrogate_under_its_name_alone() -> None:
    shown = {
        surrogate: {
            field.name
            for field in fields("crystal", ordered("crystal", with_plain_energies(scores(surrogate=surrogate))))
        }
        for surrogate in (False, True)
    }
    named = {energies_name("", "chgnet") + name for name in ENERGIES}
    assert set(ENERGIES) <= shown[False]
    assert not named & shown[False]
    assert named <= shown[True]
    assert not set(ENERGIES) & shown[True]


def test_an_energy_below_a_gap_is_no_headline(tmp_path: Path) -> None:
    run = Run(tmp_path, {}, [], [], {"crystal": with_plain_energies(scores(surrogate=True))})
    assert outcome.hull_energies(run) == [-0.5, 0.1]
    assert outcome.best_energy(run) == 0.1
