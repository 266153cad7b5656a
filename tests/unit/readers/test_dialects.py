"""Files as other programs and people write them: each is read, flagged or refused, and never wrong in silence."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from adit import convert
from adit.elements import composition
from adit.errors import DataError
from adit.readers import CONTRADICTION, ReadSettings, read_structures
from adit.readers.formats.cif import parse_cif
from adit.readers.formats.labels import label_of
from adit.readers.formats.molfile import parse_mol
from adit.readers.formats.poscar import parse_poscar
from adit.readers.formats.registry import format_of
from adit.systems import AtomicSystem, Failure
from tests.unit.readers import cases

CHLORIDE = cases.cif(
    (4.12,) * 3, cases.CUBIC, cases.name("P 1"), [("Cs1", "Cs", "0", "0", "0"), ("Cl1", "Cl", "0.3", "0.5", "0.5")]
)
ROCK_SALT = cases.cif(
    (5.64,) * 3, cases.CUBIC, cases.name("F m -3 m"), [("Na1", "Na", "0", "0", "0"), ("Cl1", "Cl", *("0.5",) * 3)]
)
FRAME = '2\nLattice="{cell}" {keys}Properties=species:S:1:pos:R:3\nCs 0 0 0\nCl 2.06 2.06 2.06\n'
WATER = cases.WATER.format(h="H")
MOL = (
    "\n  x               3D\n\n  3  0  0  0  0  0  0  0  0  0999 V2000\n"
    "    0.0000    0.0000    0.1173 O   0  0\n    0.0000    0.7572   -0.4692 H   0  0\n"
    "    0.0000   -0.7572   -0.4692 H   0  0\nM  END\n"
)


def rows_of(folder: Path, name: str, content: str | bytes) -> list[str]:
    """Return of each row its composition and kind, or its reason; then its notes."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    texts = []
    for each in read_structures([path], ReadSettings(workers=0)):
        row = each.row
        if isinstance(row, AtomicSystem):
            counts = "".join(f"{symbol}{count}" for symbol, count in composition(row.numbers).items())
            volume = "" if row.cell is None else f" {row.volume:.2f}"
            texts.append(" | ".join([f"{counts} {row.kind}{volume}", *each.notes]))
        else:
            texts.append(row.reason)
    return texts


def site(text: str) -> str:
    """Return a CIF whose second site is another one."""
    return CHLORIDE.replace("Cl1 Cl 0.3 0.5 0.5", text)


def with_operators(*operators: str) -> str:
    lines = ["loop_", "_symmetry_equiv_pos_as_xyz", *(f"'{each}'" for each in operators)]
    return CHLORIDE.replace("_symmetry_space_group_name_H-M 'P 1'", "\n".join(lines))


@pytest.mark.parametrize("sign", ["\u2212", "\u2013", "-"])
def test_a_minus_sign_of_a_word_processor_keeps_its_meaning(tmp_path: Path, sign: str) -> None:
    (tmp_path / "x.cif").write_text(site(f"Cl1\u00a0Cl {sign}0.3 0.5 0.5"), encoding="utf-8")
    (tmp_path / "w.xyz").write_text(WATER.replace("-0.7572", f"{sign}0.7572"), encoding="utf-8")
    crystal, molecule = (each.row for each in read_structures([tmp_path], ReadSettings(workers=0))[::-1])
    assert isinstance(crystal, AtomicSystem)
    assert isinstance(molecule, AtomicSystem)
    assert crystal.positions[1, 0] == pytest.approx(-1.236)
    assert molecule.positions[2, 1] == -0.7572


@pytest.mark.parametrize(
    "text",
    [
        ROCK_SALT.replace("loop_", "LOOP_"),
        ROCK_SALT.replace("_atom_site", "_ATOM_SITE"),
        ROCK_SALT.replace("\n", "\r"),
        ROCK_SALT.replace("\n", "\r\n"),
        ROCK_SALT + "\0" * 500,
        ROCK_SALT.encode("utf-16-le"),
        ROCK_SALT.encode("utf-16-be"),
        ("# \u00c5ngstr\u00f6m\n" + ROCK_SALT).encode("latin-1"),
        ROCK_SALT + "loop_\n_geom_bond_a\n_geom_bond_b\n",
        ROCK_SALT.replace("loop_", "loop_\n_geom_bond_a\n\nloop_", 1),
        ROCK_SALT.replace("loop_", "_publ_author_name\nloop_", 1),
        ROCK_SALT.replace("_cell_length_a", "_audit_creation_method\n_cell_length_a"),
        ROCK_SALT.replace("loop_", "_x\n;\n_cell_length_a 9\nloop_\n_atom_site_fract_x\n;\nloop_", 1),
        ROCK_SALT.replace("_atom_site_label\n", "_atom_site_label # of the site\n# a remark\n"),
    ],
)
def test_rock_salt_as_others_lay_it_out(tmp_path: Path, text: str | bytes) -> None:
    assert rows_of(tmp_path, "x.cif", text) == ["Cl4Na4 crystal 179.41"]


def test_operators_behind_an_item_without_a_value_are_read(tmp_path: Path) -> None:
    text = with_operators("x,y,z", "-x,-y,-z").replace("loop_", "_symmetry_space_group_name_H-M\nloop_", 1)
    assert rows_of(tmp_path, "x.cif", text)[0].startswith("Cl2Cs1 crystal")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (CHLORIDE + "loop_\n_atom_site_label\n_atom_site_fract_x\nNa1 0.2\n", "_atom_site_fract_x twice"),
        (CHLORIDE.replace("_cell_length_b", "_cell_length_a 9\n_cell_length_b"), "_cell_length_a twice"),
        (site("Va1 Va 0.5 0.5 0.5"), "'Va' is not an element"),
        (site("X1 Bq 0.5 0.5 0.5"), "'Bq' is not an element"),
        (site("X1 Uuo 0.5 0.5 0.5"), "'Uuo' is not an element"),
        (site("Cl1 Cl 0,3 0,5 0,5"), "no numbers: Cl1 (0,3 0,5 0,5)"),
        (site("Cl1 Cl 1/3 0.5 0.5"), "no numbers: Cl1 (1/3 0.5 0.5)"),
        (site("Cl1 Cl 0\u00b73 0.5 0.5"), "no numbers: Cl1"),
        (CHLORIDE.replace(" 90.0", " 1.5708"), "write degrees"),
        (with_operators("-x,-y,-z"), "form no group"),
        (with_operators("x,y,z", "y,z,x"), "form no group"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    (row,) = rows_of(tmp_path, "x.cif", text)
    assert reason in row


@pytest.mark.parametrize("groups", ["1 2", ". -1"])
def test_sites_that_are_not_there_at_once_are_disordered(tmp_path: Path, groups: str) -> None:
    first, second = groups.split()
    text = CHLORIDE.replace("_atom_site_fract_z", "_atom_site_fract_z\n_atom_site_disorder_group")
    text = text.replace("0 0 0\n", f"0 0 0 {first}\n").replace("0.3 0.5 0.5", f"0.3 0.5 0.5 {second}")
    assert "disordered" in rows_of(tmp_path, "x.cif", text)[0]
    assert (
        "disordered"
        not in rows_of(tmp_path, "y.cif", text.replace("0 2", "0 1").replace("5 2", "5 1").replace("-1", "1"))[0]
    )


@pytest.mark.parametrize(
    ("text", "note"),
    [
        (
            CHLORIDE.replace("'P 1'", "'F m -3 m'\nloop_\n_symmetry_equiv_pos_as_xyz\nx,y,z"),
            f"{CONTRADICTION}1 symmetry",
        ),
        (site("Cl1 Cl 30 50 50"), f"{CONTRADICTION}fractional coordinates beyond"),
        (site("OW1 OW 0.5 0.5 0.5"), "not spelled out: OW as O"),
        (CHLORIDE.replace("loop_", "stray words\nloop_", 1), "belong to no item are not read: stray words"),
    ],
)
def test_what_is_flagged(tmp_path: Path, text: str, note: str) -> None:
    (row,) = rows_of(tmp_path, "x.cif", text)
    assert note in row.partition(" | ")[2]


def test_one_operator_and_another_space_group_are_a_contradiction_in_pymatgens_layout_too(tmp_path: Path) -> None:
    text = convert.to_cif(parse_cif(CHLORIDE).system)
    assert rows_of(tmp_path, "x.cif", text) == ["Cl1Cs1 crystal 69.93"]
    (row,) = rows_of(tmp_path, "x.cif", text.replace("'P 1'", "Pm-3m"))
    assert f"{CONTRADICTION}1 symmetry operators, space group 'Pm-3m' has 48" in row


def test_elements_of_labels_that_may_be_two_are_said(tmp_path: Path) -> None:
    text = cases.cif((4.12,) * 3, cases.CUBIC, cases.name("P 1"), [("CO1", "X", "0", "0", "0")])
    text = text.replace("_atom_site_type_symbol\n", "").replace("CO1 X", "CO1")
    assert "not spelled out: CO1 as Co" in rows_of(tmp_path, "x.cif", text)[0]
    with_formula = text.replace("loop_", "_chemical_formula_sum 'C'\nloop_", 1)
    assert rows_of(tmp_path, "x.cif", with_formula) == ["C1 crystal 69.93"]


@pytest.mark.parametrize(
    ("keys", "row"),
    [
        ('pbc="TTT" ', "Cl1Cs1 crystal 69.93"),
        ("pbc=True ", "Cl1Cs1 crystal 69.93"),
        ('pbc="FFF" ', "Cl1Cs1 molecule"),
        ("pbc=yes ", "pbc='yes' is not three times T or F"),
        ('note="a\x0cb\u2028c" ', "Cl1Cs1 crystal 69.93"),
    ],
)
def test_periodicity_of_frames(tmp_path: Path, keys: str, row: str) -> None:
    assert rows_of(tmp_path, "x.extxyz", FRAME.format(cell=cases.LATTICE, keys=keys)) == [row]


def test_a_nested_list_is_the_whole_cell(tmp_path: Path) -> None:
    text = FRAME.format(cell="", keys="").replace('Lattice=""', "Lattice=[[4.12, 1, 1], [0, 4.12, 0], [0, 0, 4.12]]")
    assert rows_of(tmp_path, "x.extxyz", text) == ["Cl1Cs1 crystal 69.93"]


@pytest.mark.parametrize(
    ("text", "row"),
    [
        (
            WATER.replace("water", "Atoms. Timestep: 0").replace("O ", "1 ").replace("H ", "2 "),
            "LAMMPS's numbers of types",
        ),
        (WATER.replace("O ", "8 ").replace("H ", "1 "), "H2O1 molecule | numbers in place of elements"),
        (WATER.replace("water", "coordinates in bohr"), "coordinates in bohr"),
        (WATER.replace("water", "units=au"), "coordinates in bohr"),
        (WATER.replace("water", "E = -76.3 a.u., forces in Ha/bohr"), "H2O1 molecule"),
        (WATER.replace("0.1173", "1.173D-01"), "H2O1 molecule"),
        (WATER.replace("0.1173", "0,1173"), "a coordinate is not a number"),
        (WATER.replace("\n", "\r") + "\0" * 9, "H2O1 molecule"),
    ],
)
def test_molecules_of_other_programs(tmp_path: Path, text: str, row: str) -> None:
    (read,) = rows_of(tmp_path, "x.xyz", text)
    assert row in read


def test_coordinates_of_sdf_are_numbers_and_missing_hydrogens_are_said(tmp_path: Path) -> None:
    assert rows_of(tmp_path, "x.sdf", MOL.replace("\n", "\r\n")) == ["H2O1 molecule"]
    assert rows_of(tmp_path, "x.sdf", MOL.replace("0.7572", "0,7572")) == [
        "atom 2 has the coordinate '0,7572', which is not a number"
    ]
    bare = MOL.replace("  3  0", "  2  1").replace(" H   0", " C   0").replace("M  END", "  1  2  1  0\nM  END")
    lines = bare.split("\n")
    (row,) = rows_of(tmp_path, "x.sdf", "\n".join([*lines[:6], *lines[7:]]))
    assert row == "C1O1 molecule | 4 hydrogens are not atoms in the file, and not in the structure"


def test_the_charge_of_a_molecule_is_read_where_its_file_says_it(tmp_path: Path) -> None:
    from pymatgen.core import Molecule

    charged = MOL.replace("M  END", "M  CHG  1   1  -1\nM  END")
    ion = Molecule(["O", "H"], [[0, 0, 0], [0, 0, 0.97]], charge=-1, spin_multiplicity=1).as_dict()
    frame = "1\nProperties=species:S:1:pos:R:3 total_charge={}\nO 0 0 0\n"
    crystal = FRAME.format(cell="4.12 0 0 0 4.12 0 0 0 4.12", keys="total_charge=1 ")
    files = {
        "a.sdf": charged,
        "b.xyz": frame.format("-2 unpaired_electrons=0"),
        "c.json": json.dumps(ion),
        "d.csv": 'id,xyz,total_charge\n1,"1\n\nO 0 0 0\n",\n',
        "e.xyz": crystal,
        "f.xyz": frame.format("0.5"),
    }
    given = {}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        (read,) = read_structures([tmp_path / name], ReadSettings(workers=0))
        row = read.kept()
        if isinstance(row, AtomicSystem):
            assert row.info["source"] == str(tmp_path / name)
        given[name[0]] = row.reason if isinstance(row, Failure) else {**row.info, "source": ""}
    assert given == {
        "a": {"total_charge": -1, "source": ""},
        "b": {"total_charge": -2, "unpaired_electrons": 0, "source": ""},
        "c": {"total_charge": -1, "unpaired_electrons": 0, "source": ""},
        "d": {"source": ""},
        "e": {"source": ""},
        "f": "total_charge is 0.5, which is not an integer",
    }


@pytest.mark.parametrize("name", ["POSCAR_1", "POSCAR-a", "CONTCAR.x"])
def test_names_of_poscars(name: str) -> None:
    match = format_of(Path(name))
    assert match is not None
    assert match[0].name == "POSCAR"


def arrays(column: str, value: object, **others: object) -> str:
    record = {"id": 1, "numbers": [55, 17], "positions": [[0, 0, 0], [2, 2, 2]], column: value, **others}
    return json.dumps([record])


def test_cells_of_tables_by_other_names(tmp_path: Path) -> None:
    cell = [[4, 0, 0], [0, 4, 0], [0, 0, 4]]
    assert rows_of(tmp_path, "x.json", arrays("lattice", cell)) == ["Cl1Cs1 crystal 64.00"]
    assert rows_of(tmp_path, "x.json", arrays("cell", cell, pbc=[False] * 3)) == ["Cl1Cs1 molecule"]
    assert rows_of(tmp_path, "x.json", arrays("cell", cell, pbc="T T T")) == ["Cl1Cs1 crystal 64.00"]
    assert rows_of(tmp_path, "x.json", arrays("pbc", [False] * 3)) == ["Cl1Cs1 molecule"]
    assert rows_of(tmp_path, "x.json", arrays("pbc", [True] * 3)) == ["is periodic (pbc) but has no cell"]
    for name in ("box", "lengths"):
        with pytest.raises(DataError, match=f"no column 'cell'.*'{name}'"):
            rows_of(tmp_path, "x.json", arrays(name, cell))


def test_tables_of_spreadsheets(tmp_path: Path) -> None:
    assert rows_of(tmp_path, "x.csv", f'sep=;\r\nid;cif;gap\r\na;"{CHLORIDE}";1,5\r\n') == ["Cl1Cs1 crystal 69.93"]
    assert rows_of(tmp_path, "x.csv", f'id\tcif\na\t"{CHLORIDE}"\n'.encode("utf-16")) == ["Cl1Cs1 crystal 69.93"]
    cut = (CHLORIDE + "# " + "x" * 40_000)[:32_767]
    (row,) = rows_of(tmp_path, "x.csv", f'id,cif\na,"{cut}"\n')
    assert "where spreadsheets cut it" in row
    with pytest.raises(DataError, match="SMILES have no geometry"):
        rows_of(tmp_path, "x.csv", "smiles,gap\nCCO,1\n")


def test_numbers_of_fortran_are_labels() -> None:
    assert [label_of(text) for text in ("-1.5D+02", "1d3", "D", "1,5")] == [-150.0, 1000.0, "D", "1,5"]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("\n1 1\n", "\n1\n", "names 2 elements, but 1 numbers"),
        ("\n1 1\n", "\n1 1 1\n", "names 2 elements, but 3 numbers"),
        ("\n1 1\n", "\n1 2\n", "says 3 atoms, but 2 lines"),
        ("0 0 0\n", "0 0 0 T T F\n0.1 0.1 0.1 Cs\n", "says 2 atoms, but more lines"),
        ("0.5 0.5 0.5\n", "0.5 0.5 0.5\nDirect configuration= 2\n0 0 0\n0.4 0.4 0.4\n", "trajectory"),
    ],
)
def test_poscar_whose_numbers_do_not_fit_is_refused(old: str, new: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        parse_poscar(cases.poscar("x").replace(old, new, 1))


def test_poscars_with_more_than_coordinates_are_read() -> None:
    text = (
        cases.poscar("x").replace("Direct", "Selective dynamics\nDirect").replace("0 0 0\n", "0 0 0 T T T Cs ! first\n")
    )
    text = text.replace("0.5 0.5 0.5\n", "0.5 0.5 0.5 F F F Cl\nCartesian\n0.1 0.2 0.3\n0.4 0.5 0.6\n")
    assert parse_poscar(text).system.numbers.tolist() == [55, 17]
    many = "x\n9\n1 0 0\n0 1 0\n0 0 1\nCs\nCl\n1\n1\nDirect\n0 0 0\n0.5 0.5 0.5\n"
    assert parse_poscar(many).system.numbers.tolist() == [55, 17]


def test_columns_of_bytes_are_texts(tmp_path: Path) -> None:
    pd.DataFrame({"id": ["a"], "cif": [CHLORIDE.encode()]}).to_parquet(tmp_path / "t.parquet")
    assert rows_of(tmp_path, "t.parquet", (tmp_path / "t.parquet").read_bytes()) == ["Cl1Cs1 crystal 69.93"]


@pytest.mark.parametrize("column", ["cif", "gen"])
def test_a_column_of_structures_may_begin_with_a_failure(tmp_path: Path, column: str) -> None:
    rows = [("a", "failed", ""), ("b", CHLORIDE, ROCK_SALT)]
    pd.DataFrame(rows, columns=["id", column, "cif_relaxed"]).to_csv(tmp_path / "t.csv", index=False)
    failed, read = rows_of(tmp_path, "t.csv", (tmp_path / "t.csv").read_bytes())
    assert "no data block" in failed
    assert read == "Cl1Cs1 crystal 69.93"


@pytest.mark.parametrize("symbol", ["C", "'C'", '"C"'])
def test_a_coordinate_of_a_v3000_block_that_is_no_number_is_a_failure(symbol: str) -> None:
    atoms = f"M  V30 1 {symbol} 0.0 0.0 0.0 0\nM  V30 2 O 1.2 0.0x 0.1 0\n"
    text = (
        "co\n     RDKit          3D\n\n  0  0  0  0  0  0  0  0  0  0999 V3000\nM  V30 BEGIN CTAB\n"
        f"M  V30 COUNTS 2 0 0 0 0\nM  V30 BEGIN ATOM\n{atoms}M  V30 END ATOM\nM  V30 END CTAB\nM  END\n"
    )
    with pytest.raises(DataError, match=r"atom 2 has the coordinate '0\.0x', which is not a number"):
        parse_mol(text)
