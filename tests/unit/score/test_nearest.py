"""The nearest known crystal of a sample."""

from __future__ import annotations

import numpy as np
import pytest

from adit.score.matching.nearest import nearest_known
from adit.systems import AtomicSystem, Kind


def salt(system_id: str, numbers: list[int], a: float, repeat: int = 1) -> AtomicSystem:
    """Return caesium chloride of some elements, or a supercell of it."""
    shifts = np.stack(np.meshgrid(*[np.arange(repeat)] * 3, indexing="ij"), -1).reshape(-1, 3) * a
    positions = np.concatenate([shifts, shifts + a / 2])
    types = np.repeat(numbers, len(shifts))
    return AtomicSystem(system_id, Kind.CRYSTAL, types, positions, np.eye(3) * a * repeat)


REFERENCES = [
    salt("CsCl", [55, 17], 4.12),
    salt("CsCl-wide", [55, 17], 5.0),
    salt("NaCl", [11, 17], 3.5),
    AtomicSystem("Na2Cl", Kind.CRYSTAL, np.array([11, 11, 17]), np.diag([0.0, 1.5, 3.0]), np.eye(3) * 6),
]


def test_the_nearest_of_the_same_formula_is_found_whatever_the_cell() -> None:
    neighbours = nearest_known([salt("one", [55, 17], 4.12, repeat=2), salt("two", [17, 55], 4.9)], REFERENCES)
    assert (neighbours["one"].system_id, neighbours["one"].formula) == ("CsCl", "ClCs")
    assert neighbours["one"].distance == pytest.approx(0.0, abs=1e-9)
    assert neighbours["two"].system_id == "CsCl-wide"
    assert 0.01 < neighbours["two"].distance < 0.5


def test_else_the_nearest_of_the_same_elements_and_else_none() -> None:
    places = np.random.default_rng(0).random((4, 3)) * 5
    crystal = AtomicSystem("Na3Cl", Kind.CRYSTAL, np.array([11, 11, 11, 17]), places, np.eye(3) * 5.5)
    neighbours = nearest_known([crystal, salt("KBr", [19, 35], 4.0)], REFERENCES)
    assert set(neighbours) == {"Na3Cl"}
    assert neighbours["Na3Cl"].system_id in {"NaCl", "Na2Cl"}
