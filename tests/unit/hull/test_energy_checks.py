"""Energies of files: total and per atom that contradict each other, and units other than eV."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from adit import store
from adit.errors import DataError
from adit.hull.energy_checks import energy_of, energy_problem, other_units
from adit.hull.energy_tables import EnergyTable, read_energy_tables
from adit.readers import ReadSettings
from tests.unit.readers import cases

TAG = "vasp/PBE(+U)/MP2020"
FRAME = '2\nLattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3 id={} {}\nCs 0 0 0\nCl 2 2 2\n'
BOTH = "energy ({} eV, 2 atoms: {} eV/atom) and energy_per_atom ({} eV/atom) contradict each other"


def read(path: Path) -> EnergyTable:
    (table,) = read_energy_tables([path], TAG, ReadSettings(workers=0))
    return table


def test_energies_of_frames_that_contradict_each_other_are_a_row_with_the_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys = {
        "f0": "energy=-6.6",
        "f1": "energy=-6.6 energy_per_atom=-3.3005",
        "f2": "energy=-6.6 energy_per_atom=-1",
        "f3": "energy=-6.6 energy_unit=kJ/mol",
        "f4": "energy=-6.6 energy_unit=eV unit=Angstrom",
        "f5": '"energy (Ha)"=-6.6',
        "f6": "energy_hartree=-6.6",
    }
    (tmp_path / "e.extxyz").write_text("".join(FRAME.format(*each) for each in keys.items()))
    frame = read(tmp_path / "e.extxyz").frame.set_index("system_id")
    assert frame.loc[["f0", "f1", "f4"], "energy_per_atom"].tolist() == [-3.3, -3.3005, -3.3]
    assert frame["reason"].to_dict() == {
        **dict.fromkeys(["f0", "f1", "f4"], ""),
        "f2": BOTH.format(-6.6, -3.3, -1),
        "f3": "energy_unit is kJ/mol, and energy is read in eV: convert it",
        "f5": "no energy",
        "f6": "no energy in eV: 'energy_hartree' is in hartree; "
        "convert it to energy in eV or energy_per_atom in eV/atom",
    }
    assert frame.loc[["f2", "f3", "f5", "f6"], "energy_per_atom"].isna().all()
    assert "3 energies not used (f2: " in caplog.text


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"energy": -6.0, "energy_per_atom": -6.0}, "contradict each other"),
        ({"energy": -600.0, "energy_unit": "kJ/mol"}, "energy_unit is kJ/mol"),
        ({"energy": -3.3, "energy_unit": "eV/atom"}, "energy_unit is eV/atom, and energy is read in eV"),
        ({"energy_kJ_mol": -600.0}, "'energy_kJ_mol' is in kJ_mol"),
        ({"energy (Ha)": -600.0}, r"'energy \(Ha\)' is in Ha"),
    ],
)
def test_a_file_whose_every_energy_is_refused_is_an_error_of_one_line(
    tmp_path: Path, columns: dict[str, Any], reason: str
) -> None:
    pd.DataFrame([{"id": "a", "xyz": FRAME.format("a", ""), **columns}]).to_csv(tmp_path / "e.csv", index=False)
    with pytest.raises(DataError, match=reason) as caught:
        read(tmp_path / "e.csv")
    assert "\n" not in str(caught.value)


def test_tables_of_energies_are_checked_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = pd.DataFrame(
        {
            "system_id": ["a", "b", "c", "d"],
            "formula": ["CsCl"] * 4,
            "n_atoms": [2, 2, math.nan, 2],
            "energy": [-6.0, -6.0, -6.0, -6.0],
            "energy_per_atom": [-3.0, -6.0, -6.0, -3.0],
            "energy_per_atom_unit": ["eV/atom", "", None, "kcal/mol"],
        }
    )
    store.write_frame(tmp_path / "t.parquet", rows)
    frame = read(tmp_path / "t.parquet").frame
    assert frame["energy_per_atom"].isna().tolist() == [False, True, False, True]
    assert frame["reason"].tolist() == [
        "",
        BOTH.format(-6, -3, -6),
        "",
        "energy_per_atom_unit is kcal/mol, and energy_per_atom is read in eV/atom: convert it",
    ]
    assert "t.parquet: 2 energies not used (b: " in caplog.text


@pytest.mark.parametrize("unit", ["eV", "ev", "EV/atom", "eV per atom", "eV_per_atom", "(eV/atom)", "electronvolt", ""])
def test_units_of_an_energy_per_atom_that_are_read(unit: str) -> None:
    assert energy_of({"energy_per_atom": -3.0, "Energy_Unit": unit}, 2) == (-3.0, "")


@pytest.mark.parametrize("unit", ["Ha", "Hartree", "Eh", "Ry", "meV", "kcal/mol", "kJ mol-1", "J", "cm-1", "meV/atom"])
def test_units_that_are_refused_in_names_and_values(unit: str) -> None:
    assert unit in energy_problem({"energy": -3.0, "energy_unit": unit}, 2)
    assert unit in energy_problem({"energy": -3.0, "units": unit}, 2)
    assert f"is in {unit};" in other_units([f"energy [{unit}]", "energy", "x"])


@pytest.mark.parametrize("name", ["energy_above_hull", "energy", "energy_per_atom", "energy (eV)", "energy_correction"])
def test_names_of_columns_without_another_unit(name: str) -> None:
    assert other_units([name]) == ""
    assert energy_problem({"energy": -3.0, "units": "angstrom", "unit": "metal"}, 2) == ""


def test_a_molecule_counts_its_atoms(tmp_path: Path) -> None:
    text = cases.WATER.format(h="H").replace("water", "energy=-14.1 energy_per_atom=-4.7")
    (tmp_path / "w.xyz").write_text(text)
    assert read(tmp_path / "w.xyz").frame["energy_per_atom"].tolist() == [pytest.approx(-4.7)]
