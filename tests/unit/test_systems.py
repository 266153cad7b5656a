"""Systems: what is refused, cells, and seeds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adit.errors import DataError
from adit.seeds import derive_seed, generator
from adit.systems import AtomicSystem, Kind, cell_angles, cell_from_parameters
from tests.conftest import random_crystal


@pytest.mark.parametrize(
    ("numbers", "positions", "cell", "problem"),
    [
        ([], np.zeros((0, 3)), None, "no atoms"),
        ([1, 1], np.zeros((1, 3)), None, "positions of shape"),
        ([0], np.zeros((1, 3)), None, "not an element"),
        ([119], np.zeros((1, 3)), None, "not an element"),
        ([1], np.full((1, 3), np.nan), None, "not finite"),
        ([1], np.zeros((1, 3)), np.eye(3), "molecule with a cell"),
    ],
)
def test_what_is_no_system_is_refused(numbers, positions, cell, problem) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DataError, match=problem):
        AtomicSystem("s", Kind.MOLECULE, np.array(numbers), positions, cell)


def test_a_crystal_needs_a_cell_with_a_volume() -> None:
    with pytest.raises(DataError, match="crystal without a cell"):
        AtomicSystem("s", Kind.CRYSTAL, np.array([1]), np.zeros((1, 3)))
    with pytest.raises(DataError, match="zero volume"):
        AtomicSystem("s", Kind.CRYSTAL, np.array([1]), np.zeros((1, 3)), np.ones((3, 3)))


def test_a_system_cannot_be_changed() -> None:
    system = random_crystal(np.random.default_rng(0), 3)
    with pytest.raises(ValueError, match="read-only"):
        system.positions[0, 0] = 1.0


@given(st.lists(st.floats(2, 20), min_size=3, max_size=3), st.lists(st.floats(65, 115), min_size=3, max_size=3))
def test_cell_parameters_round_trip(lengths: list[float], angles: list[float]) -> None:
    cell = cell_from_parameters(np.array(lengths), np.array(angles))
    assert np.allclose(np.linalg.norm(cell, axis=1), lengths)
    assert np.allclose(cell_angles(cell), angles, atol=1e-6)


@pytest.mark.parametrize("angles", [(10, 10, 90), (170, 170, 170), (0, 90, 90), (np.nan, 90, 90)])
def test_angles_that_span_no_cell_are_refused(angles: tuple[float, ...]) -> None:
    with pytest.raises(DataError):
        cell_from_parameters(np.array([3.0, 3.0, 3.0]), np.array(angles))


def test_seeds_are_fixed_for_ever() -> None:
    assert derive_seed("noise", 0, "crystal", 7) == derive_seed("noise", 0, "crystal", 7)
    assert derive_seed("a", 1) != derive_seed("a", "1")
    assert derive_seed("x") == 8241060997383741946
    assert generator("a", 1).random() == generator("a", 1).random()
