"""Random crystals and molecules, written by ASE, pymatgen and RDKit in every format, are read back as they were."""

from __future__ import annotations

import gzip
import io
import json
import warnings
from pathlib import Path

import ase.io
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adit import convert
from adit.readers import ReadSettings, read_structures
from adit.systems import AtomicSystem, Kind
from tests.conftest import random_crystal, random_molecule

SETTINGS = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SYMMETRIC = [(225, ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]], (5.6,) * 3, (90,) * 3)]
SYMMETRIC += [(227, ["Si"], [[0.125, 0.125, 0.125]], (5.4,) * 3, (90,) * 3)]
SYMMETRIC += [(62, ["Fe", "B"], [[0.18, 0.25, 0.125], [0.036, 0.25, 0.61]], (5.5, 4.06, 2.95), (90,) * 3)]
SYMMETRIC += [(194, ["Mg"], [[1 / 3, 2 / 3, 0.25]], (3.2, 3.2, 5.2), (90, 90, 120))]
SYMMETRIC += [(167, ["Al", "O"], [[0, 0, 0.352], [0.306, 0, 0.25]], (4.76, 4.76, 12.99), (90, 90, 120))]


def parquet(columns: dict[str, list[object]]) -> bytes:
    stream = io.BytesIO()
    pd.DataFrame(columns).to_parquet(stream, index=False)
    return stream.getvalue()


def crystal_text(system: AtomicSystem, form: str) -> tuple[str, str | bytes]:
    """Return the suffix of a file and its content."""
    program, _, format_ = form.partition("-")
    if form == "arrays-parquet":
        assert system.cell is not None
        numbers, positions, cell = (each.tolist() for each in (system.numbers, system.positions, system.cell))
        return ".parquet", parquet({"numbers": [numbers], "positions": [positions], "cell": [cell]})
    if program == "pymatgen":
        structure = convert.to_structure(system)
        if format_ == "json":
            return ".json", json.dumps(structure.as_dict())
        if format_ in ("csv", "python-csv"):
            cell = str(structure.as_dict()) if format_ == "python-csv" else structure.to(fmt="cif")
            return ".csv", pd.DataFrame({"id": ["x"], "cif": [cell]}).to_csv(index=False)
        if format_ == "parquet":
            return ".parquet", parquet({"id": ["x"], "cif": [str(structure.to(fmt="cif"))]})
        return {"cif": ".cif", "poscar": ".vasp"}[format_], str(structure.to(fmt=format_))
    atoms = convert.to_atoms(system)
    if format_ == "cif":
        raw = io.BytesIO()
        ase.io.write(raw, atoms, format="cif")
        return ".cif", raw.getvalue().decode()
    text = io.StringIO()
    ase.io.write(text, atoms[atoms.numbers.argsort()] if format_ == "vasp" else atoms, format=format_)
    return {"extxyz": ".extxyz", "vasp": ".vasp"}[format_], text.getvalue()


def read_back(folder: Path, suffix: str, content: str | bytes) -> AtomicSystem:
    path = folder / f"x{suffix}.gz"
    path.write_bytes(gzip.compress(content if isinstance(content, bytes) else content.encode()))
    (row,) = read_structures([path], ReadSettings(workers=0))
    assert isinstance(row.row, AtomicSystem), row.row
    allowed = () if row.row.cell is not None else ("hydrogens are not atoms in the file",)  # random atoms have no bonds
    assert [note for note in row.notes if not any(words in note for words in allowed)] == []
    return row.row


def distances(system: AtomicSystem) -> np.ndarray:
    """Return all sorted distances with the elements they are between, whatever the order of atoms."""
    atoms = convert.to_atoms(system)
    pairs = atoms.get_all_distances(mic=system.cell is not None)
    products = np.outer(system.numbers, system.numbers)
    order = np.lexsort((pairs.ravel(), products.ravel()))
    return np.stack([products.ravel()[order], pairs.ravel()[order]])


def assert_same(read: AtomicSystem, written: AtomicSystem, tolerance: float) -> None:
    assert (read.cell is None) == (written.cell is None)
    assert sorted(read.numbers.tolist()) == sorted(written.numbers.tolist())
    np.testing.assert_allclose(distances(read), distances(written), atol=tolerance)
    if written.cell is not None:
        np.testing.assert_allclose(read.lengths, written.lengths, atol=tolerance)
        np.testing.assert_allclose(read.angles, written.angles, atol=1e-3)


CRYSTAL_FORMS = ["pymatgen-cif", "pymatgen-poscar", "pymatgen-json", "pymatgen-csv", "pymatgen-python-csv"]
CRYSTAL_FORMS += ["pymatgen-parquet", "arrays-parquet", "ase-cif", "ase-extxyz", "ase-vasp"]
MOLECULE_FORMS = ["ase-xyz", "ase-extxyz", "rdkit-V2000", "rdkit-V3000", "rdkit-csv", "ase-csv", "pymatgen-json"]


@pytest.mark.parametrize("form", CRYSTAL_FORMS)
@SETTINGS
@given(seed=st.integers(0, 10_000), atoms=st.integers(1, 9))
def test_crystals(tmp_path: Path, form: str, seed: int, atoms: int) -> None:
    written = random_crystal(np.random.default_rng(seed), atoms, "x")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        suffix, text = crystal_text(written, form)
    assert_same(read_back(tmp_path, suffix, text), written, 2e-3 if form == "ase-cif" else 1e-4)


@pytest.mark.parametrize("form", MOLECULE_FORMS)
@SETTINGS
@given(seed=st.integers(0, 10_000), atoms=st.integers(2, 12))
def test_molecules(tmp_path: Path, form: str, seed: int, atoms: int) -> None:
    from pymatgen.core import Molecule
    from rdkit import Chem

    written = random_molecule(np.random.default_rng(seed), atoms, "x")
    if form == "pymatgen-json":
        molecule = Molecule([int(z) for z in written.numbers], written.positions)
        suffix, text = ".json", json.dumps(molecule.as_dict())
    elif form.startswith("rdkit"):
        mol = Chem.MolFromXYZBlock(convert.to_xyz(written))
        suffix, text = ".sdf", Chem.MolToMolBlock(mol, forceV3000=form.endswith("V3000"), kekulize=False) + "$$$$\n"
    else:
        stream = io.StringIO()
        ase.io.write(
            stream, convert.to_atoms(written), format="xyz" if form == "ase-csv" else form.removeprefix("ase-")
        )
        suffix, text = ".xyz", stream.getvalue()
    if form.endswith("csv"):
        suffix, text = ".csv", pd.DataFrame({"id": ["x"], "structure": [text]}).to_csv(index=False)
    assert_same(read_back(tmp_path, suffix, text), written, 1e-3)


@pytest.mark.parametrize("program", ["pymatgen", "ase"])
@pytest.mark.parametrize("number", [each[0] for each in SYMMETRIC])
def test_crystals_with_symmetry(tmp_path: Path, program: str, number: int) -> None:
    """CIFs with the operators that pymatgen writes, and with the symbols of ASE."""
    from pymatgen.io.cif import CifWriter

    group, species, places, lengths, angles = next(each for each in SYMMETRIC if each[0] == number)
    from ase.spacegroup import crystal as build

    setting = 2 if group == 227 else 1
    atoms = build(species, places, spacegroup=group, setting=setting, cellpar=[*lengths, *angles])
    written = convert.from_atoms(atoms, "x", Kind.CRYSTAL)
    if program == "pymatgen":
        text = str(CifWriter(convert.to_structure(written), symprec=1e-3))
    else:
        raw = io.BytesIO()
        ase.io.write(raw, atoms, format="cif")
        text = raw.getvalue().decode()
    read = read_back(tmp_path, ".cif", text)
    assert len(read) == len(written)
    assert read.volume == pytest.approx(written.volume, rel=1e-3)
    assert convert.spacegroup_number(read) == number
