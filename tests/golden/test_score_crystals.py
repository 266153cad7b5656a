"""Crystals whose verdict is known."""

from __future__ import annotations

import numpy as np
import pytest

from adit.columns import Col
from adit.elements import composition
from adit.score.crystals.composition import compositionally_valid, element_data, smact_native_valid
from adit.score.crystals.table import check_crystal
from adit.score.crystals.validity import closest_contacts
from adit.systems import AtomicSystem, Kind


def crystal(numbers: list[int], fractional: list[list[float]], cell: np.ndarray, system_id: str = "c") -> AtomicSystem:
    return AtomicSystem(system_id, Kind.CRYSTAL, np.array(numbers), np.array(fractional) @ cell, cell)


def rock_salt(cation: int, anion: int, a: float) -> AtomicSystem:
    face = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    other = [[x + 0.5, y, z] for x, y, z in face]
    return crystal([cation] * 4 + [anion] * 4, face + other, np.eye(3) * a)


NACL = rock_salt(11, 17, 5.64)
MGO = rock_salt(12, 8, 4.212)
BATIO3 = crystal(
    [56, 22, 8, 8, 8],
    [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]],
    np.eye(3) * 4.0,
)


@pytest.mark.parametrize(
    ("system", "distance", "density"), [(NACL, 2.82, 2.165), (MGO, 2.106, 3.58), (BATIO3, 2.0, 6.05)]
)
def test_real_compounds_pass_every_check(system: AtomicSystem, distance: float, density: float) -> None:
    checks = check_crystal(system)
    assert checks[Col.STRUCTURAL_VALIDITY]
    assert checks[Col.COMPOSITIONAL_VALIDITY]
    assert checks[Col.OVERALL_VALIDITY]
    assert checks[Col.DISTANCE_RATIO_VALIDITY]
    assert checks[Col.DENSITY_VALIDITY]
    assert checks[Col.SMACT_NATIVE_VALIDITY]
    assert checks[Col.MIN_DISTANCE] == pytest.approx(distance, abs=1e-9)
    assert checks[Col.DENSITY] == pytest.approx(density, rel=0.01)


def test_spacegroups() -> None:
    assert check_crystal(NACL)[Col.SPACEGROUP] == 225
    assert check_crystal(BATIO3)[Col.SPACEGROUP] == 221


def test_an_atom_on_its_own_image_is_caught() -> None:
    cell = np.diag([0.3, 8.0, 8.0])
    checks = check_crystal(crystal([26], [[0.2, 0.3, 0.4]], cell))
    assert checks[Col.MIN_DISTANCE] == pytest.approx(0.3)
    assert not checks[Col.STRUCTURAL_VALIDITY]


def test_an_own_image_in_a_skewed_cell_is_caught() -> None:
    """The lattice holds (0.3, 0, 0), although each cell vector is longer than 6 Å."""
    straight = np.diag([0.3, 7.0, 8.0])
    skewed = np.array([[23, 1, 0], [22, 1, 0], [40, 2, 1]]) @ straight
    assert np.linalg.norm(skewed, axis=1).min() > 6
    assert np.linalg.det(skewed) == pytest.approx(np.linalg.det(straight))
    checks = check_crystal(crystal([26], [[0, 0, 0]], skewed))
    assert checks[Col.MIN_DISTANCE] == pytest.approx(0.3)
    assert not checks[Col.STRUCTURAL_VALIDITY]


def test_atoms_across_the_cell_boundary_meet() -> None:
    contacts = closest_contacts(crystal([11, 17], [[0.02, 0.5, 0.5], [0.98, 0.5, 0.5]], np.eye(3) * 10))
    assert contacts.distance == pytest.approx(0.4)
    assert contacts.ratio == pytest.approx(0.4 / (1.66 + 1.02))


@pytest.mark.parametrize(
    ("formula", "valid"),
    [
        ({"Na": 1, "Cl": 1}, True),
        ({"Na": 4, "Cl": 4}, True),
        ({"Ba": 1, "Ti": 1, "O": 3}, True),
        ({"Fe": 3, "Al": 1}, True),  # metals alone
        ({"C": 60}, True),  # one element
        ({"He": 2}, True),
        ({"Na": 7, "Cl": 1}, False),
        ({"Na": 1, "O": 3, "F": 5}, False),
        ({"He": 1, "O": 1}, False),  # helium has no oxidation state
        ({"Ar": 1, "Na": 1, "Cl": 1}, False),
    ],
)
def test_compositions(formula: dict[str, int], valid: bool) -> None:
    assert compositionally_valid(formula) is valid


def test_a_missing_electronegativity_passes_paulings_test() -> None:
    assert element_data("Pm").electronegativity is None
    assert compositionally_valid({"Pm": 2, "O": 3})


def test_too_many_combinations_fail() -> None:
    counts = dict.fromkeys(("O", "Mn", "V", "Cr", "Fe", "Cl", "Br", "S", "N", "C", "P", "Os", "Re"), 1)
    assert not compositionally_valid(counts)
    assert not smact_native_valid(counts)


def test_random_elements_beyond_smact_are_not_valid() -> None:
    assert not compositionally_valid({"Og": 1, "O": 2})
    assert composition([118, 8]) == {"O": 1, "Og": 1}
