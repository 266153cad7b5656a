"""Bulk modulus of a crystal by a potential: energies of scaled cells and an equation of state."""

from __future__ import annotations

import warnings
from typing import Any, Final

import numpy as np

from adit import convert
from adit.relax.potentials.evaluators import Evaluator, fed
from adit.systems import AtomicSystem
from adit.units import EV_PER_ANGSTROM3_IN_GPA

CHANGES: Final = (-0.045, -0.03, -0.015, 0.0, 0.015, 0.03, 0.045)
"""Relative changes of the volume."""

STEPS: Final = 100
"""Steps in which the atoms of a scaled cell must relax."""


class NoModulusError(Exception):
    """The energies give no bulk modulus."""


def bulk_modulus(system: AtomicSystem, evaluator: Evaluator, fmax: float) -> float:
    """Return the bulk modulus, GPa.

    All lattice vectors are scaled by the same factor, and the atoms are relaxed with the symmetry kept. The energies
    are fitted with the third-order Birch-Murnaghan equation.

    Args:
        system: a relaxed crystal.
        evaluator: of the potential.
        fmax: largest force at the end of these relaxations, eV/Å.

    Raises:
        NoModulusError: the atoms do not relax, or the energies have no minimum within these volumes.
    """
    from ase.eos import EquationOfState

    points = [_point(system, evaluator, change, fmax) for change in CHANGES]
    volumes, energies = np.array(points).T
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            lowest, _, modulus = EquationOfState(volumes, energies, eos="birchmurnaghan").fit(warn=False)
    except (ValueError, RuntimeError) as error:
        raise NoModulusError(f"no bulk modulus: {' '.join(str(error).split())[:200]}") from error
    if not volumes.min() < lowest < volumes.max() or not modulus > 0:
        raise NoModulusError("no bulk modulus: the energies have no minimum within ±4.5 % of the volume")
    return float(modulus) * EV_PER_ANGSTROM3_IN_GPA


def _point(system: AtomicSystem, evaluator: Evaluator, change: float, fmax: float) -> tuple[float, float]:
    """Return volume (Å³) and energy (eV) of a scaled cell with relaxed atoms."""
    from ase.constraints import FixSymmetry
    from ase.optimize import BFGS

    atoms: Any = convert.to_atoms(system)
    atoms.set_cell(atoms.cell[:] * (1 + change) ** (1 / 3), scale_atoms=True)
    atoms.calc = fed(evaluator)
    atoms.set_constraint(FixSymmetry(atoms, symprec=0.01))
    if not BFGS(atoms, logfile=None).run(fmax=fmax, steps=STEPS):
        raise NoModulusError(f"no bulk modulus: atoms not relaxed in {STEPS} steps, volume changed by {change:.1%}")
    return float(atoms.get_volume()), float(atoms.get_potential_energy())
