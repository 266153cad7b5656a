"""One test for each kind of fault that public reports of this field describe."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from adit import convert
from adit.errors import DataError
from adit.readers import ParseSettings, ReadRow, ReadSettings, read_structures
from adit.readers.formats.base import CutSettings
from adit.readers.formats.cif import parse_cif
from adit.readers.formats.molfile import parse_mol
from adit.readers.formats.xyz import parse_xyz
from adit.systems import AtomicSystem, Failure, Kind
from tests.systems import same_systems
from tests.unit.readers import cases

HERE = ReadSettings(workers=0)
"""In this process: no worker to start."""


def read(*paths: Path) -> list[ReadRow]:
    return read_structures(list(paths), HERE)


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def density(system: AtomicSystem) -> float:
    """Return g/cm³."""
    from ase.data import atomic_masses

    return float(np.asarray(atomic_masses)[system.numbers].sum()) / system.volume * 1.66053906660


@pytest.mark.parametrize(
    ("text", "atoms", "grams"),
    [
        (cases.HALL_ONLY, 8, 2.16),
        (cases.BISMUTH, 2, 9.80),
        (cases.SILICON, 8, 2.33),
        (cases.WURTZITE, 4, 5.67),
        (cases.HYDRIDE, 8, 0.78),
    ],
    ids=["Hall symbol alone", "rhombohedral axes", "second origin", "three digits", "oxidation states"],
)
def test_symmetry_and_precision(text: str, atoms: int, grams: float) -> None:
    system = parse_cif(text).system
    assert len(system) == atoms
    assert density(system) == pytest.approx(grams, rel=0.005)


def test_merged_copies_are_said_and_stand_at_their_mean() -> None:
    parsed = parse_cif(cases.WURTZITE)
    assert convert.to_structure(parsed.system).composition.reduced_formula == "ZnO"
    np.testing.assert_allclose(parsed.system.fractional[0, :2], [1 / 3, 2 / 3], atol=1e-9)
    assert len(parsed.notes) == 2
    assert "symmetry copies of Zn1 are one site" in parsed.notes[0]


def test_sites_that_do_not_give_the_files_own_formula_are_flagged_or_refused() -> None:
    parsed = parse_cif(cases.BRUCITE)
    assert len(parsed.system) == 3
    assert parsed.notes == ("contradiction: sites give Mg1 O2, the file's formula is H2 Mg O2",)


def test_contradictions_can_be_failures(tmp_path: Path) -> None:
    write(tmp_path / "b.cif", cases.BRUCITE)
    (row,) = read_structures([tmp_path / "b.cif"], ReadSettings(0, ParseSettings(refuse_contradictions=True)))
    assert isinstance(row.row, Failure)
    assert "H2 Mg O2" in row.row.reason


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ("_cell_formula_units_Z 8", "Z is 8"),
        ("_exptl_crystal_density_diffrn 4.66", "density is 0.78 g/cm³, 4.66"),
        ("_cell_volume 99.0", "volume is 67.42 Å³, 99"),
    ],
)
def test_other_contradictions(item: str, text: str) -> None:
    formula = "_chemical_formula_sum 'Li H'\n"
    (note,) = parse_cif(cases.HYDRIDE.replace("loop_", f"{formula}{item}\nloop_", 1)).notes
    assert text in note
    agreeing = formula + "_cell_formula_units_Z 4\n_exptl_crystal_density_diffrn 0.78(1)\n_cell_volume 67.4\nloop_"
    assert parse_cif(cases.HYDRIDE.replace("loop_", agreeing, 1)).notes == ()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_loses_nothing(tmp_path: Path, encoding: str) -> None:
    structure = convert.to_structure(parse_cif(cases.HYDRIDE).system)
    quoted = cases.HYDRIDE.replace('"', '""')
    for name, text in {
        "a.cif": cases.HYDRIDE,
        "b.extxyz": f'1\nLattice="{cases.LATTICE}" Properties=species:S:1:pos:R:3\nPo 0 0 0\n',
        "c.csv": f'cif,id\n"{quoted}",c\n',
        "d.json": json.dumps(structure.as_dict()),
        "e.sdf": cases.glycine(charges=True),
        "f.vasp": cases.poscar("CsCl"),
    }.items():
        write(tmp_path / name, text.encode(encoding))
    rows = read(tmp_path)
    assert [type(each.row) for each in rows] == [AtomicSystem] * 6


def test_a_byte_order_mark_in_a_configuration(tmp_path: Path) -> None:
    from adit import config

    write(tmp_path / "c.yaml", "seed: 7\n".encode("utf-8-sig"))
    assert config.load(str(tmp_path / "c.yaml")).seed == 7


@pytest.mark.parametrize("suffix", ["cif", "extxyz"])
def test_overlapping_sites_are_decoded_whatever_the_format(tmp_path: Path, suffix: str) -> None:
    from adit.score.crystals.validity import closest_contacts, structurally_valid

    system = parse_cif(cases.CLOSE_SITES).system
    assert len(system) == 3
    text = convert.to_cif(system)
    if suffix == "extxyz":
        atoms = "\n".join(f"{s} {x} {x} {z}" for s, x, z in (("Cs", 0, 0), ("Cl", 2.1, 2.1), ("Cl", 2.1, 2.1002)))
        text = f'3\nLattice="4.2 0 0 0 4.2 0 0 0 4.2" Properties=species:S:1:pos:R:3\n{atoms}\n'
    (each,) = read(write(tmp_path / f"x.{suffix}", text))
    assert isinstance(each.row, AtomicSystem)
    assert len(each.row) == 3
    assert not structurally_valid(closest_contacts(each.row), each.row.volume)


def test_sites_without_coordinates_are_named() -> None:
    with pytest.raises(DataError, match="sites without coordinates: O1, O2, O3"):
        parse_cif(cases.UNKNOWN_SITES)


@pytest.mark.parametrize("spelled", [json.dumps, str], ids=["JSON", "Python"])
def test_tables_of_pymatgen_dictionaries(tmp_path: Path, spelled: object) -> None:
    dictionaries = [convert.to_structure(parse_cif(text).system).as_dict() for text in (cases.HYDRIDE, cases.SILICON)]
    frame = pd.DataFrame({"id": ["a", "b"], "structure": [spelled(each) for each in dictionaries]})  # type: ignore[operator]
    frame.to_csv(tmp_path / "t.csv", index=False)
    rows = read(tmp_path / "t.csv")
    assert [each.row.system_id for each in rows] == ["a", "b"]
    assert [len(each.row) for each in rows if isinstance(each.row, AtomicSystem)] == [8, 8]


def test_half_a_character_in_json_is_an_id_that_can_be_stored(tmp_path: Path) -> None:
    text = json.dumps(convert.to_structure(parse_cif(cases.SILICON).system).as_dict())
    rows = read(write(tmp_path / "x.json", f'{{"a\\ud83d": {text}, "\\ud83d\\ude00": {text}}}'))
    assert [each.row.system_id for each in rows] == ["a\\ud83d", "\U0001f600"]


def test_of_two_columns_of_structures_the_first_that_is_known_is_taken_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    system = parse_cif(cases.SILICON).system
    frame = {"structure": [json.dumps(convert.to_structure(system).as_dict())], "cif_relaxed": [cases.HYDRIDE]}
    pd.DataFrame(frame).to_csv(tmp_path / "t.csv", index=False)
    with caplog.at_level("INFO"):
        (each,) = read(tmp_path / "t.csv")
    assert isinstance(each.row, AtomicSystem)
    assert set(each.row.numbers.tolist()) == {14}
    assert "column 'structure' (also in: cif_relaxed)" in caplog.text


def test_positions_under_another_name_are_an_error() -> None:
    text = f'1\nLattice="{cases.LATTICE}" Properties=species:S:1:scaled_positions:R:3\nPo 0 0 0\n'
    with pytest.raises(DataError, match="columns: species, scaled_positions"):
        parse_xyz(text)


@pytest.mark.parametrize("key", ["lattice", "LATTICE", "cell"])
def test_a_lattice_in_other_letters_is_one(key: str) -> None:
    parsed = parse_xyz(f'1\n{key}="{cases.LATTICE}" Properties=species:S:1:pos:R:3\nPo 0 0 0\n')
    assert parsed.system.kind is Kind.CRYSTAL
    assert "spelled Lattice=" in parsed.notes[0]


def test_a_raw_qm9_file_is_one_molecule(tmp_path: Path) -> None:
    rows = read(write(tmp_path / "q.xyz", cases.METHANE_QM9 * 2 + cases.WATER.format(h="H")))
    assert [each.row.system_id for each in rows] == ["q-1", "q-2", "q-3"]
    (first, _, water) = (each.row for each in rows)
    assert isinstance(first, AtomicSystem)
    assert isinstance(water, AtomicSystem)
    assert (first.numbers.tolist(), len(water)) == ([6, 1, 1, 1, 1], 3)
    assert first.positions[1, 1] == -6e-3
    assert rows[0].properties["gap"] == 0.5


@pytest.mark.parametrize("symbol", ["D", "T", "H"])
def test_heavy_hydrogen_is_hydrogen(symbol: str) -> None:
    assert parse_xyz(cases.WATER.format(h=symbol)).system.numbers.tolist() == [8, 1, 1]


def test_valences_of_the_file_decide_nothing() -> None:
    with_charges, without = (parse_mol(cases.glycine(charges=charges)).system for charges in (True, False))
    assert same_systems(with_charges, without)
    molecule = convert.to_rdkit(without)
    assert molecule.GetNumAtoms() == 10
    assert convert.inchikey(molecule) == convert.inchikey(convert.to_rdkit(with_charges)) != ""


@pytest.mark.parametrize("drawing", [{"zero": True}, {"zero": True, "dimension": "2D"}])
def test_a_molecule_without_coordinates_has_no_geometry(drawing: dict[str, object]) -> None:
    with pytest.raises(DataError, match="no geometry"):
        parse_mol(cases.glycine(charges=True, **drawing))  # type: ignore[arg-type]


def test_several_poscars_in_a_file_and_their_names(tmp_path: Path) -> None:
    write(tmp_path / "m.vasp", cases.poscar("first") + cases.poscar("second", "Br"))
    for end, potential in (("CsCl", "Cl_h"), ("CsBr", "Br/9a8b")):
        write(tmp_path / f"POSCAR.{end}", cases.poscar("x", potential))
    rows = {each.row.system_id: each for each in read(*tmp_path.iterdir())}
    assert set(rows) == {"m-1", "m-2", "POSCAR.CsCl", "POSCAR.CsBr"}
    second = rows["m-2"].row
    assert isinstance(second, AtomicSystem)
    assert sorted(second.numbers.tolist()) == [35, 55]
    assert rows["POSCAR.CsCl"].source == str(tmp_path / "POSCAR.CsCl")


def test_a_poscar_keeps_its_velocities(tmp_path: Path) -> None:
    velocities = "\n0.1 0.2 0.3\n0.4 0.5 0.6\n"
    text = cases.poscar("first") + velocities + cases.poscar("second") + velocities
    assert [each.row.system_id for each in read(write(tmp_path / "CONTCAR", text))] == ["CONTCAR-1", "CONTCAR-2"]


def test_a_broken_frame_costs_one_row(tmp_path: Path) -> None:
    frame = cases.WATER.format(h="H")
    rows = read(write(tmp_path / "w.xyz", frame * 3 + frame.replace("3\n", "4\n", 1) + frame))
    assert [isinstance(each.row, Failure) for each in rows] == [False, False, False, True, False]


def test_energies_and_other_keys_of_a_frame_are_kept(tmp_path: Path) -> None:
    keys = 'energy=-3.5 mid=0007 note="two words" gap=n/a'
    text = f'1\nLattice="{cases.LATTICE}" Properties=species:S:1:pos:R:3:forces:R:3 {keys}\nPo 0 0 0 0 0 0\n'
    (each,) = read(write(tmp_path / "x.extxyz", text))
    assert dict(each.properties) == {"energy": -3.5, "mid": "0007", "note": "two words", "gap": None}


def test_cell_items_in_another_order_are_the_same_cell(tmp_path: Path) -> None:
    text = convert.to_cif(parse_cif(cases.BISMUTH).system)
    lines = text.splitlines()
    cell = [line for line in lines if line.startswith(("_cell_length", "_cell_angle"))]
    turned = text.replace("\n".join(cell), "\n".join([*cell[3:], *cell[:3]]))
    assert turned != text
    assert same_systems(parse_cif(turned).system, parse_cif(text).system)


def test_mmcif_is_refused_by_name(tmp_path: Path) -> None:
    columns = "\n".join(f"_atom_site.{name}" for name in ("id", "type_symbol", "Cartn_x", "Cartn_y", "Cartn_z"))
    cell = "\n".join(f"_cell.{n} {v}" for n, v in (("length_a", 50), ("length_b", 50), ("length_c", 50)))
    with pytest.raises(DataError, match="is mmCIF"):
        parse_cif(f"data_1ABC\n{cell}\nloop_\n{columns}\n1 C 0 0 0\n")
    with pytest.raises(DataError, match="mmCIF"):
        read(write(tmp_path / "x.mmcif", "data_1ABC\n"))


def sites(*labels: str) -> Sequence[cases.Site]:
    return [(f"{label}{n}", label, str(n / 7), "0", "0") for n, label in enumerate(labels)]


@pytest.mark.parametrize("symbol", ["OH", "Wat", "H2O", "Xx", "?"])
def test_sites_that_are_no_element_are_named(symbol: str) -> None:
    with pytest.raises(DataError, match=f"'{symbol.replace('?', '[?]')}' is no"):
        parse_cif(cases.cif((5,) * 3, (90,) * 3, cases.name("P 1"), sites("Na", symbol)))


def test_partly_filled_and_listed_copies_are_refused() -> None:
    halves = cases.HYDRIDE.replace("_atom_site_fract_z", "_atom_site_fract_z\n_atom_site_occupancy")
    with pytest.raises(DataError, match=r"disordered sites: H1 \(0.5\)"):
        parse_cif(halves.replace("Li1 Li1+ 0 0 0", "Li1 Li1+ 0 0 0 1").replace("0.5 0.5 0.5", "0.5 0.5 0.5 0.5"))
    listed = cases.HYDRIDE + "H2 H1- 0 0 0.5\n"
    with pytest.raises(DataError, match="H1 and H2 are symmetry copies"):
        parse_cif(listed)


def test_packed_files_are_read(tmp_path: Path) -> None:
    write(tmp_path / "a.cif.gz", gzip.compress(cases.SILICON.encode()))
    write(tmp_path / "b.gz.cif", cases.SILICON)
    assert [each.row.system_id for each in read(tmp_path)] == [f"{tmp_path.name}/a", f"{tmp_path.name}/b.gz"]


def test_records_and_entries_of_pymatgen_keep_their_labels(tmp_path: Path) -> None:
    from pymatgen.entries.computed_entries import ComputedStructureEntry

    structure = convert.to_structure(parse_cif(cases.SILICON).system)
    entry = ComputedStructureEntry(structure, -43.0, correction=-1.5, entry_id="mp-149")
    records = [{"mid": f"00{n}", "structure": structure.as_dict(), "energy": -43.0} for n in range(2)]
    for name, value in {"entries": [entry.as_dict()], "records": records}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(value))
    (row,) = read(tmp_path / "entries.json")
    assert (row.row.system_id, row.properties["energy"]) == ("mp-149", -44.5)
    rows = read_structures([tmp_path / "records.json"], ReadSettings(0, cut=CutSettings(id_column="mid")))
    assert [(each.row.system_id, each.properties["energy"]) for each in rows] == [("000", -43.0), ("001", -43.0)]


@pytest.mark.parametrize(("units", "notes"), [("4", 0), ("2", 0), ("3", 1)])
def test_a_formula_of_the_whole_cell_and_any_z_that_divides_it(units: str, notes: int) -> None:
    """pymatgen writes Cl8 with Z 4 for elements of two atoms, Li4 O4 with Z 2 for peroxides."""
    text = cases.HYDRIDE.replace("loop_", f"_chemical_formula_sum 'Li4 H4'\n_cell_formula_units_Z {units}\nloop_", 1)
    assert len(parse_cif(text).notes) == notes
