"""Systems to pymatgen, ASE and RDKit, and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adit import convert
from adit.errors import DataError
from adit.systems import AtomicSystem, Kind
from tests.conftest import random_crystal, random_molecule
from tests.systems import same_systems


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 8))
def test_pymatgen_and_ase_round_trips(seed: int, n: int) -> None:
    crystal = random_crystal(np.random.default_rng(seed), n)
    back = convert.from_structure(convert.to_structure(crystal), "crystal")
    assert np.allclose(back.positions, crystal.positions)
    assert np.allclose(back.cell, crystal.cell)
    molecule = random_molecule(np.random.default_rng(seed), n)
    assert same_systems(molecule, convert.from_atoms(convert.to_atoms(molecule), "molecule", Kind.MOLECULE))
    assert same_systems(crystal, convert.from_atoms(convert.to_atoms(crystal), "crystal", Kind.CRYSTAL))


def test_cif_round_trip() -> None:
    crystal = random_crystal(np.random.default_rng(3), 4)
    back = convert.from_cif(convert.to_cif(crystal), "crystal")
    assert np.allclose(back.volume, crystal.volume, rtol=1e-4)
    assert sorted(back.numbers) == sorted(crystal.numbers)


def test_a_cif_that_does_not_parse_is_a_data_error() -> None:
    with pytest.raises(DataError, match="CIF"):
        convert.from_cif("data_x\n_cell_length_a nonsense\n", "x")


def test_a_molecule_that_rdkit_refuses_is_a_data_error() -> None:
    spheres = np.array([[0, 0, 0], [1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]])
    crowded = AtomicSystem("x", Kind.MOLECULE, np.array([6] + [9] * 6), spheres * 1.4)
    with pytest.raises(DataError, match="x: "):
        convert.to_rdkit(crowded)


@pytest.mark.parametrize("kind", ["crystal", "molecule"])
def test_nothing_that_a_site_names_is_imported(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pymatgen.core import Lattice, Molecule, Structure

    (tmp_path / "planted.py").write_text("open('PWNED', 'w')\nmade = {}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    crystal = Structure(Lattice.cubic(4.2), ["Mg", "O"], [[0, 0, 0], [0.5] * 3], site_properties={"magmom": [1, 2]})
    structure = crystal if kind == "crystal" else Molecule(["C", "O"], [[0, 0, 0], [0, 0, 1.1]])
    value = structure.as_dict()
    value["sites"][1]["properties"] = {"x": {"@module": "planted", "@callable": "made"}}
    value["properties"] = {"x": {"@module": "planted", "@callable": "made"}}
    system = convert.from_pymatgen_dict(value, "x")
    assert sorted(system.numbers.tolist()) == ([8, 12] if kind == "crystal" else [6, 8])
    assert not (tmp_path / "PWNED").exists()
