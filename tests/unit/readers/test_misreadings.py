"""Cells, units, shapes and elements of other people's files that would be wrong in silence: each is refused or said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from adit import store
from adit.errors import DataError
from adit.readers import CONTRADICTION, ParseSettings, ReadSettings, read_structures
from adit.readers.formats.poscar import parse_poscar
from adit.readers.formats.xyz import parse_xyz
from adit.systems import AtomicSystem, Failure, Kind
from tests.unit.readers import cases

PROPERTIES = "Properties=species:S:1:pos:R:3"
FIVE, SIX = (f"{edge} 0 0 0 {edge} 0 0 0 {edge}" for edge in (5, 6))
CELL = [[5.64, 0, 0], [0, 5.64, 0], [0, 0, 5.64]]
SALT = [[0, 0, 0], [2.8, 2.8, 2.8]]


def frame(comment: str) -> str:
    return f"2\n{comment}\nNa 0 0 0\nCl 2.8 2.8 2.8\n"


def rows_of(path: Path) -> list[str]:
    """Return of each row its kind and notes, or its reason."""
    rows = read_structures([path], ReadSettings(workers=0))
    return [
        " | ".join([str(each.row.kind), *each.notes]) if isinstance(each.row, AtomicSystem) else each.row.reason
        for each in rows
    ]


def table(folder: Path, suffix: str = "csv", **values: object) -> Path:
    record = {"numbers": [11, 17], "positions": SALT, "cell": CELL, **values}
    path = folder / f"t.{suffix}"
    if suffix == "csv":
        pd.DataFrame({k: [v if isinstance(v, str) else json.dumps(v)] for k, v in record.items()}).to_csv(path)
    elif suffix == "json":
        path.write_text(json.dumps([record]))
    else:
        pd.DataFrame({name: [value] for name, value in record.items()}).to_parquet(path)
    return path


@pytest.mark.parametrize(
    ("comment", "reason"),
    [
        (f'Lattice="{FIVE} {PROPERTIES}', "Lattice= in its comment line cannot be read"),
        (f"Lattice='{FIVE} {PROPERTIES}", "Lattice= in its comment line cannot be read"),
        (f'title="salt Lattice="{FIVE}" {PROPERTIES}', "Lattice= in its comment line cannot be read"),
        (f'Lattice="{FIVE}" pbc="F F F {PROPERTIES}', "pbc= in its comment line cannot be read"),
        (f'Lattice="{FIVE}"{PROPERTIES}:force:R:3', "Properties= in its comment line cannot be read"),
        *(
            (f'{name}="{FIVE}" {PROPERTIES}', f'has {name}= but no Lattice=; write the cell as Lattice="…"')
            for name in ("box", "unit_cell", "Supercell", "cell_vectors", "simulation_box", "lattice_parameters")
        ),
        (f"box=9 {PROPERTIES}", "has box= but no Lattice="),
        (f'box="{FIVE} {PROPERTIES}', "box= in its comment line cannot be read"),
        (f'Lattice="{FIVE}" Lattice="{SIX}"', "two cells that differ: Lattice= and Lattice="),
        (f'lattice="{FIVE}" Lattice="{SIX}"', "two cells that differ: lattice= and Lattice="),
        (f'Lattice="{FIVE}" cell="{SIX}"', "two cells that differ: Lattice= and cell="),
        (f'Lattice="{FIVE}" pbc="T T T" pbc="F F F"', "two pbc= that differ"),
    ],
)
def test_a_cell_that_cannot_be_read_is_not_dropped(comment: str, reason: str) -> None:
    with pytest.raises(DataError) as error:
        parse_xyz(frame(comment))
    assert reason in str(error.value)


@pytest.mark.parametrize(
    ("comment", "kind"),
    [
        (f'Lattice="{FIVE}" lattice="5 5 5" Lattice="{FIVE.replace("5", "5.0")}"', Kind.CRYSTAL),
        (f'Lattice="{FIVE}" cell=primitive box="{SIX}"', Kind.CRYSTAL),
        (f'cell="{FIVE}" {PROPERTIES}', Kind.CRYSTAL),
        (f'box="{FIVE}" pbc="F F F"', Kind.MOLECULE),
        ("unit_cell=hexagonal cell_volume=120 lattice_system=cubic", Kind.MOLECULE),
        ('note="see Lattice= of the paper" salt', Kind.MOLECULE),
        ("O'Brien's salt, energy=-5", Kind.MOLECULE),
    ],
)
def test_cells_that_are_clear_are_read(comment: str, kind: Kind) -> None:
    system = parse_xyz(frame(comment)).system
    assert system.kind is kind
    assert kind is Kind.MOLECULE or np.allclose(np.asarray(system.cell), 5 * np.eye(3))


def test_vectors_behind_the_atoms_and_a_lattice_must_agree() -> None:
    vectors = "VEC1 6 0 0\nVEC2 0 6 0\nVEC3 0 0 6\n"
    with pytest.raises(DataError, match="two cells that differ: VEC1, VEC2, VEC3 and Lattice="):
        parse_xyz(frame(f'Lattice="{FIVE}"') + vectors)
    assert parse_xyz(frame(f'Lattice="{SIX}"') + vectors).notes == ()


@pytest.mark.parametrize(
    ("comment", "unit"),
    [
        *((f"units={word}", "nm") for word in ("nm", "NM", '"eV, nm"', "nanometers", "kJ/mol/nm")),
        *((text, "pm") for text in ('unit="pm"', "Length-Unit=pm", "geometry in picometers")),
        *((f"{key}=nm", "nm") for key in ("pos_unit", "coordinates_unit", "units_length", "Distance_Units")),
        *((text, "nm") for text in ("coordinates in nm", "salt (nm)", "positions [nm]", "Units: nm", "in nanometres")),
        *((f"units={word}", "bohr") for word in ("a.u.", "au", "atomic", "Hartree/Bohr", '"atomic units"')),
        *((text, "bohr") for text in ("geometry in atomic units", "Coordinates (a.u.)", "structure of NaCl in au")),
        *((text, "bohr") for text in ("atomic units", "units: a.u.", "units=Angstrom units=bohr")),
        *((text, "fractions of the cell") for text in ("units=fractional", "scaled=T", "fractional=True")),
        ("length_unit=furlong", "'furlong'"),
        (f'Lattice="{FIVE}" {PROPERTIES} pos_unit=nm', "nm"),
    ],
)
def test_coordinates_in_other_units_are_refused(comment: str, unit: str) -> None:
    with pytest.raises(DataError) as error:
        parse_xyz(frame(comment))
    assert str(error.value).endswith(f"has coordinates in {unit}, by its comment line; write them in Å")


@pytest.mark.parametrize(
    "comment",
    [
        *("units=Angstrom", "units=Å", "pos_unit=\u212b", 'units="eV, Angstrom"', "units=eV", "units=eV/Å"),
        *("energy in atomic units: -76", "E = -76.3 a.u.", "molecule energy in a.u.", "velocities in nm/ps"),
        *(
            "adsorbed in Au",
            "structure in Au",
            "in nm-sized pores",
            "PM7 (PM7)",
            "wavelength=300 nm",
            "cell_units=4",
            "scaled=F",
        ),
    ],
)
def test_units_of_other_values_and_angstroms_are_read(comment: str) -> None:
    assert parse_xyz(frame(comment)).system.positions[1].tolist() == [2.8] * 3


@pytest.mark.parametrize("suffix", ["csv", "json", "parquet"])
@pytest.mark.parametrize(("column", "unit"), [("units", "bohr"), ("Length_Unit", "nm"), ("position_units", "pm")])
def test_a_column_of_units_counts_as_in_xyz(tmp_path: Path, suffix: str, column: str, unit: str) -> None:
    (row,) = rows_of(table(tmp_path, suffix, **{column: unit}))
    assert row == f"has coordinates in {unit}, by its column '{column}'; write them in Å"
    (row,) = rows_of(table(tmp_path, suffix, frac=1))
    assert row == "has coordinates in fractions of the cell, by its column 'frac'; write them in Å"
    for other in ("Angstrom", "eV", ""):
        assert rows_of(table(tmp_path, suffix, **{column if other != "eV" else "unit": other})) == ["crystal"]


def test_a_column_of_units_counts_beside_texts_of_xyz_and_not_of_cif(tmp_path: Path) -> None:
    texts = {"xyz": frame("salt"), "cif": cases.HYDRIDE}
    rows = []
    for name, text in texts.items():
        pd.DataFrame({name: [text], "units": ["nm"]}).to_csv(tmp_path / f"{name}.csv")
        rows += rows_of(tmp_path / f"{name}.csv")
    assert "coordinates in nm, by its column 'units'" in rows[0]
    assert rows[1].startswith("crystal")


@pytest.mark.parametrize("suffix", ["csv", "json", "parquet"])
def test_nested_vectors_are_rows_of_three_numbers(tmp_path: Path, suffix: str) -> None:
    turned = [[0, 2.8], [0, 2.8], [0, 2.8]]
    assert rows_of(table(tmp_path, suffix, positions=turned)) == [
        "each row of its positions must be three numbers, one is 2"
    ]
    assert rows_of(table(tmp_path, suffix, cell=[[5, 0, 0, 0, 5, 0, 0, 0, 5]])) == [
        "each row of its cell must be three numbers, one is 9"
    ]
    assert rows_of(table(tmp_path, suffix, positions=[0, 0, 0, 2.8, 2.8, 2.8])) == ["crystal"]
    assert rows_of(table(tmp_path, suffix)) == ["crystal"]


def test_rows_of_positions_of_different_lengths_are_refused(tmp_path: Path) -> None:
    for positions in ([[0, 0, 0, 2.8], [2.8, 2.8]], [[[0, 0, 0], [2.8, 2.8, 2.8]]], [0, 0, 0, [2.8, 2.8, 2.8]]):
        (row,) = rows_of(table(tmp_path, "json", positions=positions))
        assert row.startswith("each row of its positions must be three numbers")


@pytest.mark.parametrize("suffix", ["csv", "json", "parquet"])
def test_atomic_numbers_are_integers(tmp_path: Path, suffix: str) -> None:
    assert rows_of(table(tmp_path, suffix, numbers=[11.7, 17])) == [
        "has the atomic number 11.7, which is not an integer"
    ]
    assert rows_of(table(tmp_path, suffix, numbers=[11.0, 17.0])) == ["crystal"]


def test_elements_behind_coordinates_of_a_poscar_are_compared_with_its_sixth_line(tmp_path: Path) -> None:
    text = cases.poscar("x").replace("0 0 0\n", "0 0 0 Cl1\n").replace("0.5 0.5 0.5\n", "0.5 0.5 0.5 Cs\n")
    note = "its sixth line makes atom 1 Cs, its line of coordinates ends in Cl"
    assert parse_poscar(text).notes == (f"{CONTRADICTION}{note}",)
    flags = text.replace("Direct", "Selective\nDirect").replace(" Cl1", " T T F Cl").replace("0.5 Cs", "0.5 F F F Cs")
    assert parse_poscar(flags).notes == (f"{CONTRADICTION}{note}",)
    (tmp_path / "x.vasp").write_text(text)
    (row,) = read_structures([tmp_path / "x.vasp"], ReadSettings(0, ParseSettings(refuse_contradictions=True)))
    assert isinstance(row.row, Failure)
    assert row.row.reason == note


@pytest.mark.parametrize(
    ("first", "second"), [("Cs", "Cl"), ("Cs1", "Cl1"), ("", "Cs"), ("a", "b"), ("F F F", "T T T")]
)
def test_elements_that_agree_and_other_words_are_no_contradiction(first: str, second: str) -> None:
    text = cases.poscar("x").replace("0 0 0\n", f"0 0 0 {first}\n").replace("0.5 0.5 0.5\n", f"0.5 0.5 0.5 {second}\n")
    assert parse_poscar(text).notes == ()


@pytest.mark.parametrize(
    ("scale", "reason"),
    [
        ("2 3 4", "POSCAR's second line has three scale factors, of which none is read ('2 3 4'); write 1.0"),
        ("4.12 ! scale", "POSCAR's second line has more than a scale ('4.12 ! scale'); write only the number"),
    ],
)
def test_the_scale_of_a_poscar_is_one_number(scale: str, reason: str) -> None:
    with pytest.raises(DataError) as error:
        parse_poscar(cases.poscar("x").replace("4.12", scale))
    assert str(error.value).startswith(reason)


def test_labels_with_names_of_units_are_no_units_of_our_own_files(tmp_path: Path) -> None:
    system = AtomicSystem("a", Kind.MOLECULE, np.array([11, 17]), np.array(SALT), info={"units": "nm"})
    store.write_extxyz(tmp_path / "x.extxyz", [system])
    assert rows_of(tmp_path / "x.extxyz") == ["molecule"]
