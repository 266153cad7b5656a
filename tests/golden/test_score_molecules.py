"""Molecules whose verdict is known: the strict test tells nonsense from chemistry, the PDB round trip hardly does."""

from __future__ import annotations

import numpy as np
import pytest

from adit import convert, seeds
from adit.score.controls import randomised
from adit.score.molecules import check_molecule, unique_ids
from adit.score.names import POSEBUSTERS_COLUMNS
from adit.score.posebusters import bust_one
from adit.systems import AtomicSystem, Kind


def conformer(smiles: str, system_id: str = "m") -> AtomicSystem:
    from rdkit import Chem
    from rdkit.Chem import AllChem

    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert AllChem.EmbedMolecule(mol, randomSeed=7) == 0
    AllChem.MMFFOptimizeMolecule(mol)
    return convert.from_rdkit(mol, system_id)


def molecule(numbers: list[int], positions: object) -> AtomicSystem:
    return AtomicSystem("m", Kind.MOLECULE, np.array(numbers), np.array(positions, dtype=float))


METHANE = molecule(
    [6, 1, 1, 1, 1],
    np.array([[0, 0, 0], [1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) * 0.6293,
)


@pytest.mark.parametrize(
    ("system", "smiles"),
    [
        (molecule([8, 1, 1], [[0, 0, 0.119], [0, 0.763, -0.477], [0, -0.763, -0.477]]), "O"),
        (METHANE, "C"),
        (conformer("c1ccccc1"), "c1ccccc1"),
        (conformer("CC(=O)N"), "CC(N)=O"),
    ],
)
def test_real_molecules_are_strictly_valid(system: AtomicSystem, smiles: str) -> None:
    found = check_molecule(system)
    assert found.strict
    assert found.neutral
    assert found.pdb
    assert found.smiles == smiles
    assert found.reason == ""


def test_a_zwitterion_is_strictly_valid_but_not_neutral() -> None:
    found = check_molecule(conformer("C[N+](C)(C)CC(=O)[O-]"))
    assert found.strict
    assert not found.neutral


def test_a_radical_is_not_valid() -> None:
    methyl = molecule([6, 1, 1, 1], [[0, 0, 0], [1.079, 0, 0], [-0.5395, 0.9344, 0], [-0.5395, -0.9344, 0]])
    found = check_molecule(methyl)
    assert not found.strict
    assert found.reason


def test_two_fragments_are_not_valid() -> None:
    far = molecule([*METHANE.numbers] * 2, np.concatenate([METHANE.positions, METHANE.positions + 8.0]))
    found = check_molecule(far)
    assert not found.strict
    assert found.bonded
    assert found.reason == "not connected"
    assert found.pdb


def test_exploded_molecules_pass_the_pdb_test_alone() -> None:
    """All atoms three times too far apart: the PDB round trip still sees molecules."""
    for smiles in ("CCO", "c1ccccc1", "CC(=O)N", "C1CCNCC1"):
        real = conformer(smiles)
        exploded = molecule(list(real.numbers), real.positions * 3)
        found = check_molecule(exploded)
        assert found.pdb
        assert not found.strict


def test_random_coordinates_often_pass_the_pdb_test_and_never_the_strict_one() -> None:
    strict, pdb = 0, 0
    for number in range(30):
        real = conformer("CC(=O)NC", f"m{number}")
        elements = real.numbers[seeds.generator("test", number).permutation(len(real))]
        found = check_molecule(randomised(real, elements, seed=number))
        strict, pdb = strict + found.strict, pdb + found.pdb
    assert pdb >= 10
    assert strict == 0


def test_unique_ids_take_the_smallest_of_each() -> None:
    assert unique_ids({"b": "CC", "a": "CC", "c": "O"}) == {"a", "c"}


def test_posebusters_columns_by_name() -> None:
    found = bust_one(conformer("CC(=O)N"))
    assert list(found) == list(POSEBUSTERS_COLUMNS)
    assert all(found.values())


def test_posebusters_sees_a_stretched_molecule() -> None:
    real = conformer("CCO")
    found = bust_one(molecule(list(real.numbers), real.positions * 1.25))
    assert found["bond_lengths"] is False
    assert found["all_atoms_connected"] is True
