"""How far the search for the closest contact reaches over periodic images."""

from __future__ import annotations

import numpy as np
import pytest

from adit.score.crystals.validity import closest_contacts
from adit.systems import AtomicSystem, Kind


def test_images_beyond_the_shortest_basis_vector_are_searched() -> None:
    """A wrapped difference reaches half a cell, so that images half a cell beyond the reach count too.

    In this sheared cell the closest image is 2.80 Å away; without the half cell the search ends at 3.44 Å.
    """
    cell = np.array([[4.0, 0.0, 0.0], [0.0, 4.4, 0.0], [2.0, 0.0, 5.6]])
    positions = np.array([[0.0, 0.0, 0.0], [0.25, 0.0, 0.5]]) @ cell
    contacts = closest_contacts(AtomicSystem("sheared", Kind.CRYSTAL, np.array([6, 6]), positions, cell))
    shifts = np.stack(np.meshgrid(*[np.arange(-3, 4)] * 3, indexing="ij"), axis=-1).reshape(-1, 3) @ cell
    expected = np.linalg.norm(positions[1] - positions[0] + shifts, axis=1).min()
    assert expected == pytest.approx(2.80, abs=0.005)
    assert contacts.distance == pytest.approx(expected)
