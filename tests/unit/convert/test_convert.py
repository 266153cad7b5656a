"""Systems to pymatgen, ASE and RDKit, and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adit import convert
from adit.errors import DataError
from adit.systems import AtomicSystem, Kind
from tests.conftest import random_crystal, random_molecule


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 8))
def test_pymatgen_and_ase_round_trips(seed: int, n: int) -> None:
    crystal = random_crystal(np.random.default_rng(seed), n)
    back = convert.from_structure(convert.to_structure(crystal), "crystal")
    assert np.allclose(back.positions, crystal.positions)
    assert np.allclose(back.cell, crystal.cell)
    molecule = random_molecule(np.random.default_rng(seed), n)
    assert molecule.same_as(convert.from_atoms(convert.to_atoms(molecule), "molecule", Kind.MOLECULE))
    assert crystal.same_as(convert.from_atoms(convert.to_atoms(crystal), "crystal", Kind.CRYSTAL))


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
