"""The built-in sets against published facts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from adit import convert, store
from adit.config import ChosenDataset, PrepareStage
from adit.data.datasets import builtin_molecules
from adit.data.prepare.stage import prepare
from adit.elements import reduced_formula, symbol
from adit.systems import AtomicSystem
from tests.systems import same_systems


def _prepared(name: str, folder: Path) -> store.SystemTable:
    stage = PrepareStage(dataset=ChosenDataset(name=name), custom=None, seed=0, max_atoms=256, max_atomic_number=100)
    prepare(stage, folder / f"{name}.arrow", folder / f"{name}.stats.json")
    return store.read_systems(folder / f"{name}.arrow")


@pytest.fixture(scope="module")
def crystals(tmp_path_factory) -> store.SystemTable:
    return _prepared("builtin-crystals", tmp_path_factory.mktemp("crystals"))


@pytest.fixture(scope="module")
def molecules(tmp_path_factory) -> store.SystemTable:
    return _prepared("builtin-molecules", tmp_path_factory.mktemp("molecules"))


def _find(table: store.SystemTable, formula: str, n_atoms: int, spacegroup: int) -> AtomicSystem:
    fits = [
        system
        for system in table.systems()
        if reduced_formula(system.numbers) == formula
        and len(system) == n_atoms
        and convert.spacegroup_number(system) == spacegroup
    ]
    assert fits, f"no {formula} with {n_atoms} atoms in spacegroup {spacegroup}"
    return fits[0]


def test_rock_salt_is_there_with_its_bond_length(crystals):
    halite = _find(crystals, "ClNa", 2, 225)
    assert halite.lengths == pytest.approx(np.full(3, 5.6402 / np.sqrt(2)), abs=0.01)
    assert halite.angles == pytest.approx(np.full(3, 60.0), abs=0.01)
    assert convert.to_atoms(halite).get_distance(0, 1, mic=True) == pytest.approx(5.6402 / 2, abs=0.01)


@pytest.mark.parametrize(
    ("formula", "n_atoms", "spacegroup"),
    [
        ("C", 2, 227),
        ("SZn", 2, 216),
        ("SZn", 4, 186),
        ("CaF2", 3, 225),
        ("ClCs", 2, 221),
        ("O2Ti", 6, 136),
        ("O2Si", 9, 152),
    ],
    ids=["diamond", "zincblende", "wurtzite", "fluorite", "caesium chloride", "rutile", "quartz"],
)
def test_textbook_structures_are_there(crystals, formula, n_atoms, spacegroup):
    _find(crystals, formula, n_atoms, spacegroup)


@pytest.mark.parametrize(
    ("element", "bond"),
    [("H", 0.74), ("F", 1.404), ("S", 2.057), ("Cl", 2.02), ("Br", 2.27), ("Te", 2.835), ("Cu", 2.556), ("Al", 2.863)],
)
def test_elements_have_their_bond_length(crystals, element, bond):
    phases = [system for system in crystals.systems() if set(map(symbol, system.numbers)) == {element}]
    assert any(_shortest(phase) == pytest.approx(bond, abs=0.02) for phase in phases)


def _shortest(system: AtomicSystem) -> float:
    from ase.neighborlist import neighbor_list

    return float(neighbor_list("d", convert.to_atoms(system), 4.5).min(initial=9.0))


def test_every_element_of_the_crystals_has_an_elemental_reference(crystals):
    compositions = [frozenset(map(int, system.numbers)) for system in crystals.systems()]
    single = {z for c in compositions if len(c) == 1 for z in c}
    assert set().union(*compositions) == single
    assert len(single) >= 85


def test_numbers_of_crystals(crystals):
    assert len(crystals) == 316
    misprinted = {failure.system_id: failure.reason for failure in crystals.failures()}
    assert "aflow-ABC_cP12_198_a_a_a-NiSSb" in misprinted
    assert len(misprinted) == 5
    assert all("misprinted" in reason for reason in misprinted.values())
    assert crystals.n_atoms.max() <= 20
    assert set(crystals.splits) == {"train", "val", "test"}
    assert 0.7 < crystals.splits.count("train") / len(crystals) < 0.9
    assert all(system.info["source"] for system in crystals.systems())


def test_list_holds_hundreds_of_distinct_small_molecules():
    from rdkit import Chem

    listed = builtin_molecules.smiles_list()
    canonical = [builtin_molecules.canonical(smiles) for smiles, _ in listed]
    assert len(set(canonical)) == len(canonical) >= 450
    assert max(Chem.MolFromSmiles(smiles).GetNumHeavyAtoms() for smiles in canonical) <= 9


def test_molecules_are_all_different_and_none_fails(molecules):
    smiles = [system.info["smiles"] for system in molecules.systems()]
    assert not molecules.failures()
    assert len(set(smiles)) == len(smiles) >= 800


def test_benzene_has_its_bond_lengths(molecules):
    benzene = next(s for s in molecules.systems() if s.info["smiles"] == "c1ccccc1")
    distances = np.linalg.norm(benzene.positions[:, None] - benzene.positions[None], axis=-1)
    carbon = benzene.numbers == 6
    bonds = distances[np.ix_(carbon, carbon)]
    assert bonds[(bonds > 0) & (bonds < 1.6)] == pytest.approx(np.full(12, 1.395), abs=0.01)
    hydrogen = distances[np.ix_(carbon, ~carbon)].min(axis=1)
    assert hydrogen == pytest.approx(np.full(6, 1.087), abs=0.01)


def test_conformers_of_the_list_are_the_molecules_it_names(molecules):
    listed = [system for system in molecules.systems() if system.system_id.startswith("smi-")][::40]
    for system in listed:
        assert convert.canonical_smiles(convert.to_rdkit(system)) == system.info["smiles"]


def test_same_bytes_when_run_twice(crystals, tmp_path):
    again = _prepared("builtin-crystals", tmp_path)
    assert again.path.read_bytes() == crystals.path.read_bytes()
    first, second = (path.with_name("builtin-crystals.stats.json") for path in (crystals.path, again.path))
    assert first.read_bytes() == second.read_bytes()


def test_conformer_is_the_same_on_every_call():
    first = builtin_molecules.conformer("CC(O)C(=O)O", "a")
    assert same_systems(first, builtin_molecules.conformer("CC(O)C(=O)O", "a"))
