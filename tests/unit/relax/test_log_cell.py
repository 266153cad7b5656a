"""The coordinates of atoms and cell are those of ASE's ``FrechetCellFilter``, step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.constraints import FixSymmetry
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS, FIRE

from adit.relax.potentials.log_cell import log_cell

SHEAR = np.array([[0.03, 0.02, 0.0], [0.0, -0.04, 0.01], [0.02, 0.0, 0.05]])


def copper(*, strain: np.ndarray, rattle: float, symmetric: bool = False) -> Any:
    atoms = bulk("Cu", "fcc", a=3.7, cubic=True)
    atoms.rattle(rattle, seed=3)
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    atoms.calc = EMT()
    if symmetric:
        atoms.set_constraint(FixSymmetry(atoms))
    return atoms


@pytest.mark.parametrize("optimizer", [BFGS, FIRE])
def test_forces_and_steps_are_those_of_the_filter_of_ase(optimizer: Any) -> None:
    theirs, ours = (copper(strain=SHEAR, rattle=0.1) for _ in range(2))
    expected, actual = FrechetCellFilter(theirs), log_cell(ours)
    one, other = optimizer(expected, logfile=None), optimizer(actual, logfile=None)
    for _ in range(15):
        np.testing.assert_allclose(actual.get_forces(), expected.get_forces(), atol=1e-9)
        np.testing.assert_allclose(actual.stress, expected.stress, atol=1e-9)
        one.step()
        other.step()
    np.testing.assert_allclose(ours.cell.array, theirs.cell.array, atol=1e-9)
    np.testing.assert_allclose(ours.positions, theirs.positions, atol=1e-9)


def test_positions_are_read_as_they_were_set() -> None:
    coordinates = log_cell(copper(strain=SHEAR, rattle=0.1))
    new = coordinates.get_positions() + np.random.default_rng(0).normal(0, 0.1, (7, 3))
    coordinates.set_positions(new)
    np.testing.assert_allclose(coordinates.get_positions(), new, atol=1e-10)


def test_a_cell_that_a_constraint_adjusts_is_followed() -> None:
    theirs, ours = (copper(strain=np.eye(3) * 0.04, rattle=0.0, symmetric=True) for _ in range(2))
    expected, actual = FrechetCellFilter(theirs), log_cell(ours)
    one, other = BFGS(expected, logfile=None), BFGS(actual, logfile=None)
    for _ in range(6):
        one.step()
        other.step()
    np.testing.assert_allclose(ours.cell.array, theirs.cell.array, atol=1e-8)
    assert (
        abs(actual.get_forces()).max() < abs(log_cell(copper(strain=np.eye(3) * 0.04, rattle=0.0)).get_forces()).max()
    )
