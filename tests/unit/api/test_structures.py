"""Structures of the public interface: from and to files and objects of other packages."""

from __future__ import annotations

import html
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from pymatgen.core import Lattice, Molecule, Structure
from rdkit import Chem
from rdkit.Chem import AllChem

from adit import api
from adit.api.view import _with_faces
from adit.systems import AtomicSystem, Failure, Kind

SALT = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])


def ethanol() -> Chem.Mol:
    mol = Chem.AddHs(Chem.MolFromSmiles("CCO"))
    AllChem.EmbedMolecule(mol, randomSeed=1)
    return mol


def test_objects_of_other_packages_come_back() -> None:
    water = molecule("H2O")
    pairs = Molecule(["O", "H", "H"], water.positions)
    rows = api.read([SALT, pairs, bulk("Si"), water, ethanol()])
    assert [row.system_id for row in rows] == ["0", "1", "2", "3", "4"]
    assert list(rows.table["formula"]) == ["Cl4Na4", "H2O", "Si2", "H2O", "C2H6O"]
    salt, pair, silicon, *_ = rows.to_pymatgen()
    assert salt == SALT
    assert isinstance(pair, Molecule)
    assert silicon is not None
    assert len(silicon) == 2
    atoms = rows.to_ase()[3]
    assert isinstance(atoms, Atoms)
    np.testing.assert_allclose(atoms.positions, water.positions)
    mols = rows.to_rdkit()
    assert mols[0] is None
    assert mols[4] is not None
    assert Chem.MolToSmiles(Chem.RemoveHs(mols[4])) == "CCO"


def test_files_come_back_with_failures(tmp_path: Path) -> None:
    SALT.to(str(tmp_path / "salt.cif"))
    (tmp_path / "broken.cif").write_text("data_\n_cell_length_a 3\n")
    rows = api.read([tmp_path / "salt.cif", tmp_path / "broken.cif"])
    assert {row.system_id: isinstance(row, api.Failure) for row in rows} == {"salt": False, "broken": True}
    assert len(rows.failures) == 1
    rows.write(tmp_path / "all.arrow")
    again = api.read(tmp_path / "all.arrow")
    assert [row.system_id for row in again] == [row.system_id for row in rows]
    assert again.failures[0].reason == rows.failures[0].reason
    with pytest.raises(api.ConfigError, match="exists and is kept"):
        rows.write(tmp_path / "all.arrow")
    with pytest.raises(api.ConfigError, match=r"ends with \.arrow or \.extxyz"):
        rows.write(tmp_path / "all.cif")


def test_slices_and_names_keep_rows_and_table_together() -> None:
    rows = api.read([SALT, bulk("Si"), molecule("H2O")])
    assert list(rows[1:].table["system_id"]) == [row.system_id for row in rows[1:]] == ["1", "2"]
    chosen = rows.named(["2", "0"])
    assert list(chosen.table["formula"]) == ["H2O", "Cl4Na4"]
    with pytest.raises(api.ConfigError, match="no structure has the id '9'"):
        rows.named(["9"])
    with pytest.raises(api.ConfigError, match="of other structures"):
        api.Structures.of(rows.rows, rows.table.iloc[::-1])


def test_what_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    slab = bulk("Si")
    slab.pbc = (True, True, False)
    for given, match in (
        ([3], "int is no structure"),
        ([slab], "periodic in some directions only"),
        ([SALT, str(tmp_path)], "paths and objects are mixed"),
        ([SALT.copy().replace_species({"Na": {"Na": 0.5, "K": 0.5}})], "disordered"),
    ):
        with pytest.raises(api.AditError, match=match):
            api.read(given)
    with pytest.raises(api.DataError):
        api.read(tmp_path / "none.cif")
    one = api.read([SALT])
    with pytest.raises(api.ConfigError, match="occurs twice"):
        api.Structures.of([*one.rows, *one.rows])


def test_a_view_has_the_first_structures_and_needs_no_network() -> None:
    html_of_others = "</script><b>x</b>"
    salt = AtomicSystem(
        html_of_others, Kind.CRYSTAL, np.array([11, 17]), np.array([[0.0] * 3, [2.8] * 3]), np.eye(3) * 5.6
    )
    water = AtomicSystem("w", Kind.MOLECULE, np.array([8, 1]), np.array([[0.0, 0, 0], [0, 0, 0.97]]))
    shown = api.Structures.of([Failure("f", "decode", "no", Kind.CRYSTAL), salt, water]).view(2)
    assert [system.system_id for system in shown.systems] == [html_of_others, "w"]
    frame = shown._repr_html_()
    assert frame.count("<iframe") == 1
    assert "</script><b>" not in html.unescape(frame).split("const STRUCTURES")[1].split("for (const")[0]
    assert "src=" not in html.unescape(frame).split("<script>")[0]
    assert api.Structures.of([]).view()._repr_html_()


def test_atoms_on_faces_of_the_cell_are_drawn_on_all_sides() -> None:
    cell = np.diag([4.0, 5.0, 6.0])
    places = np.array(
        [[-0.0005, 0, 0.0005], [0.5, 0.5, -1.0], [1.5, 0.25, 0.25]]
    )  # a corner, a face, inside; two in other cells
    shown = _with_faces(AtomicSystem("x", Kind.CRYSTAL, np.array([11, 17, 9]), places @ cell, cell))
    counts = {number: int((shown.numbers == number).sum()) for number in (11, 17, 9)}
    assert counts == {11: 8, 17: 2, 9: 1}
    inside = shown.positions @ np.linalg.inv(cell)
    assert ((inside > -0.01) & (inside < 1.01)).all()
