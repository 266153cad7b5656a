"""Molecules whose verdict is known: the strict test tells nonsense from chemistry, the PDB round trip hardly does."""

from __future__ import annotations

import numpy as np
import pytest

from adit import convert, seeds
from adit.posebusters import POSEBUSTERS_COLUMNS
from adit.score.common.controls import randomised
from adit.score.molecules.edm import bond_orders
from adit.score.molecules.names import geometry_names
from adit.score.molecules.validity import check_molecule
from adit.score.tools.posebusters import bust_one
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
    checks = check_molecule(system)
    assert checks.strict
    assert checks.neutral
    assert checks.pdb
    assert checks.names is not None
    assert checks.names.smiles == smiles
    assert checks.reason == ""


def test_a_zwitterion_is_strictly_valid_but_not_neutral() -> None:
    checks = check_molecule(conformer("C[N+](C)(C)CC(=O)[O-]"))
    assert checks.strict
    assert not checks.neutral


def test_a_radical_is_not_valid() -> None:
    methyl = molecule([6, 1, 1, 1], [[0, 0, 0], [1.079, 0, 0], [-0.5395, 0.9344, 0], [-0.5395, -0.9344, 0]])
    checks = check_molecule(methyl)
    assert not checks.strict
    assert checks.reason


def test_two_fragments_are_not_valid() -> None:
    far = molecule([*METHANE.numbers] * 2, np.concatenate([METHANE.positions, METHANE.positions + 8.0]))
    checks = check_molecule(far)
    assert not checks.strict
    assert checks.bonded
    assert checks.reason == "not connected"
    assert checks.pdb


def test_exploded_molecules_pass_the_pdb_test_alone() -> None:
    """All atoms three times too far apart: the PDB round trip still sees molecules."""
    for smiles in ("CCO", "c1ccccc1", "CC(=O)N", "C1CCNCC1"):
        real = conformer(smiles)
        exploded = molecule(list(real.numbers), real.positions * 3)
        checks = check_molecule(exploded)
        assert checks.pdb
        assert not checks.strict


def test_random_coordinates_often_pass_the_pdb_test_and_never_the_strict_one() -> None:
    strict, pdb = 0, 0
    for number in range(30):
        real = conformer("CC(=O)NC", f"m{number}")
        elements = real.numbers[seeds.generator("test", number).permutation(len(real))]
        checks = check_molecule(randomised(real, elements, seed=number))
        strict, pdb = strict + checks.strict, pdb + checks.pdb
    assert pdb >= 10
    assert strict == 0


def test_names_tell_mirror_images_apart_where_they_know_stereochemistry() -> None:
    left = conformer("C[C@H](O)N")
    right = molecule(list(left.numbers), left.positions * [1, 1, -1])
    one, other = geometry_names(left), geometry_names(right)
    assert one is not None
    assert other is not None
    assert one.smiles == other.smiles == "CC(N)O"
    assert {one.stereo_smiles, other.stereo_smiles} == {"C[C@H](N)O", "C[C@@H](N)O"}
    assert one.inchikey != other.inchikey
    assert one.inchikey[:14] == other.inchikey[:14]


def test_standard_inchikey_of_water() -> None:
    checks = check_molecule(molecule([8, 1, 1], [[0, 0, 0.119], [0, 0.763, -0.477], [0, -0.763, -0.477]]))
    assert checks.names is not None
    assert checks.names.inchikey == "XLYOFNOQVPJJNP-UHFFFAOYSA-N"


@pytest.mark.parametrize("smiles", ["C", "C#N", "CC(N)=O", "C=C"])
def test_edm_finds_the_orders_of_textbook_molecules(smiles: str) -> None:
    from rdkit import Chem

    stability = check_molecule(conformer(smiles)).edm
    assert stability.stable
    assert Chem.CanonSmiles(Chem.MolToSmiles(Chem.RemoveHs(Chem.MolFromSmiles(str(stability.smiles))))) == smiles


def test_edm_counts_the_atoms_that_lost_a_neighbour() -> None:
    far = METHANE.positions.copy()
    far[4] *= 3
    stability = check_molecule(molecule([6, 1, 1, 1, 1], far)).edm
    assert stability.n_stable == 3  # not the carbon, not the hydrogen that left
    assert not stability.stable


def test_edm_orders_by_distance() -> None:
    """C-C below 1.64 Å is a bond, below 1.39 a double one, below 1.23 a triple one; exactly as the margins say."""
    for distance, order in ((1.65, 0), (1.63, 1), (1.40, 1), (1.38, 2), (1.24, 2), (1.22, 3)):
        assert bond_orders(molecule([6, 6], [[0, 0, 0], [0, 0, distance]]))[0, 1] == order


def test_features_of_acetamide_and_benzene() -> None:
    amide, ring = check_molecule(conformer("CC(=O)N")).features, check_molecule(conformer("c1ccccc1")).features
    assert amide is not None
    assert ring is not None
    assert amide.n_rings == 0
    assert amide.functional_groups["fr_amide"] == 1
    assert set(amide.bond_lengths) == {"C-C", "C-H", "C-N", "C=O", "H-N"}
    assert ring.ring_sizes == {6: 1}
    assert ring.functional_groups == {"fr_benzene": 1}
    assert len(ring.bond_lengths["C:C"]) == 6
    assert all(1.3 < length < 1.5 for length in ring.bond_lengths["C:C"])


def test_posebusters_columns_by_name() -> None:
    columns = bust_one(conformer("CC(=O)N"))
    assert list(columns) == list(POSEBUSTERS_COLUMNS)
    assert all(columns.values())


def test_posebusters_sees_a_stretched_molecule() -> None:
    real = conformer("CCO")
    columns = bust_one(molecule(list(real.numbers), real.positions * 1.25))
    assert columns["bond_lengths"] is False
    assert columns["all_atoms_connected"] is True
