"""Graphs of a batch, against CHGNet's own converter and calculator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from adit.errors import DataError
from adit.relax.potentials.chgnet_calculator import network
from adit.relax.potentials.chgnet_graphs import graph_of
from adit.relax.potentials.evaluators import quiet


def crystals() -> list[Atoms]:
    """Return crystals of one to eight atoms: small, skewed, with atoms outside the cell."""
    salt = bulk("NaCl", "rocksalt", 5.7, cubic=True)
    rng = np.random.default_rng(3)
    moved = salt.copy()
    moved.positions += rng.normal(0.0, 0.1, (8, 3))
    skewed = Atoms(
        "SrTiO3", cell=[[3.9, 0, 0], [1.2, 3.8, 0], [-1.1, 0.9, 4.0]], scaled_positions=rng.random((5, 3)), pbc=True
    )
    outside = bulk("MgO", "rocksalt", 4.25)
    outside.positions += outside.cell[0] * 3.4 - outside.cell[1] * 1.7
    return [bulk("Fe", "bcc", 2.87), salt, moved, skewed, outside, bulk("Cs", "bcc", 6.2)]


def own(atoms: Atoms) -> dict[str, Any]:
    """Return energy (eV/atom), forces (eV/Å) and stress (GPa) by CHGNet's own way."""
    from chgnet.model.model import CHGNet
    from pymatgen.io.ase import AseAtomsAdaptor

    with quiet():
        model = CHGNet.load(use_device="cpu", verbose=False)
        return dict(model.predict_structure(AseAtomsAdaptor.get_structure(atoms), task="efs"))


def test_a_batch_has_chgnets_energies_forces_and_stress() -> None:
    from ase.stress import voigt_6_to_full_3x3_stress

    systems = crystals()
    answers = network("cpu").evaluate(systems)
    for atoms, answer in zip(systems, answers, strict=True):
        assert isinstance(answer, dict)
        expected = own(atoms)
        assert answer["energy"] / len(atoms) == pytest.approx(float(expected["e"]), abs=5e-6)
        np.testing.assert_allclose(answer["forces"], expected["f"], atol=5e-5)
        stress = voigt_6_to_full_3x3_stress(answer["stress"]) * 160.21766208
        np.testing.assert_allclose(stress, (expected["s"] + expected["s"].T) / 2, atol=5e-3)
    for alone, atoms in zip(network("cpu").energies(systems), systems, strict=True):
        assert alone == pytest.approx(float(own(atoms)["e"]) * len(atoms), abs=5e-5)


def test_bonds_and_angles_are_as_many_as_in_chgnets_graph() -> None:
    from chgnet.graph import CrystalGraphConverter
    from pymatgen.io.ase import AseAtomsAdaptor

    convert = CrystalGraphConverter(atom_graph_cutoff=6, bond_graph_cutoff=3, algorithm="legacy")
    for atoms in crystals():
        theirs = convert(AseAtomsAdaptor.get_structure(atoms))
        ours = graph_of(atoms, 6.0, 3.0)
        assert len(ours.bonds) == len(theirs.atom_graph)
        assert len(ours.directed) == len(theirs.undirected2directed)
        assert len(ours.angles) == len(theirs.bond_graph)
        angles = sorted(np.asarray(theirs.bond_graph)[:, 0].tolist()) if len(theirs.bond_graph) else []
        assert sorted(ours.angles[:, 0].tolist()) == angles


def test_the_two_directed_bonds_of_a_bond_are_opposite() -> None:
    for atoms in crystals():
        graph = graph_of(atoms, 6.0, 3.0)
        for bond in range(len(graph.directed)):
            one, other = np.flatnonzero(graph.undirected == bond)
            assert graph.bonds[one].tolist() == graph.bonds[other][::-1].tolist()
            assert graph.images[one].tolist() == (-graph.images[other]).tolist()
        assert graph.undirected[graph.directed].tolist() == list(range(len(graph.directed)))


def test_an_isolated_atom_is_an_error_of_its_structure_alone() -> None:
    far = Atoms("He", cell=[20.0, 20.0, 20.0], pbc=True)
    with pytest.raises(DataError, match="isolated"):
        graph_of(far, 6.0, 3.0)
    first, second = network("cpu").evaluate([far, bulk("Fe", "bcc", 2.87)])
    assert isinstance(first, DataError)
    assert isinstance(second, dict)
