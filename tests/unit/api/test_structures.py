"""Structures of the public interface: from and to files and objects of other packages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from pymatgen.core import Lattice, Molecule, Structure
from rdkit import Chem
from rdkit.Chem import AllChem

from adit import api

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
