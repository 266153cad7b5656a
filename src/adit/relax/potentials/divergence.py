"""Bounds on energy, forces and cell beyond which a relaxation has diverged, for every engine.

Semi-empirical and learned potentials have spurious minima where atoms are closer than in their training data, and so
have plane-wave codes where PAW spheres overlap. A relaxation that falls into one would use up its whole time limit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

MAX_BINDING = 40.0
"""Largest binding energy, eV/atom below free atoms. The strongest known one is 9 eV/atom (tungsten). Energies of PBE
codes, whose zero is an atom without spin, and of potentials trained on them, reach −15 (gadolinium). Failures of
GFN1-xTB are at −10² to −10⁷."""

MAX_FORCE = 1e3
"""Largest force on an atom after ``PARTING_STEPS``, eV/Å. Bonds break below 20; at half a bond length it is 10²."""

PARTING_STEPS = 10
"""Number of steps after which ``MAX_FORCE`` applies: a step is at most 0.2 Å, and close atoms have larger forces."""

MAX_FORCE_AT_ALL = 1e6
"""Largest force on an atom at any step, eV/Å: twice the repulsion of two bare nuclei of Z = 90 at 0.5 Å, the smallest
distance that an engine computes."""

MIN_VOLUME_PER_ATOM, MAX_VOLUME_PER_ATOM = 1.0, 500.0
"""Smallest and largest volume per atom, Å³ (diamond: 5.7). The latter is twice the default limit for samples."""


class DivergedError(Exception):
    """A relaxation diverged; the text says why."""


def divergence(energy_per_atom: float, force: float, steps: int) -> str | None:
    """Return why an energy or a force shows that a relaxation diverged (``diverged: …``), or ``None``.

    Args:
        energy_per_atom: energy relative to free atoms, eV/atom.
        force: largest force on an atom, eV/Å.
        steps: number of steps done before.
    """
    if not (np.isfinite(energy_per_atom) and np.isfinite(force)):
        return f"diverged: energy or forces are not finite after {steps} steps"
    if energy_per_atom < -MAX_BINDING:
        return f"diverged: {-energy_per_atom:.4g} eV/atom below free atoms after {steps} steps"
    if force > (MAX_FORCE if steps >= PARTING_STEPS else MAX_FORCE_AT_ALL):
        return f"diverged: a force of {force:.2g} eV/Å after {steps} steps"
    return None


def cell_divergence(volume_per_atom: float, steps: int, largest: float = MAX_VOLUME_PER_ATOM) -> str | None:
    """Return why a cell shows that a relaxation diverged, or ``None``; called before its energy is computed.

    Args:
        volume_per_atom: volume per atom, Å³.
        steps: number of steps done before.
        largest: largest volume per atom, Å³.
    """
    if MIN_VOLUME_PER_ATOM <= volume_per_atom <= largest:
        return None  # NaN does not satisfy this
    return f"diverged: {volume_per_atom:.3g} Å³ per atom after {steps} steps"


def largest_force(forces: Any) -> float:
    """Return the length of the longest of the forces (n, 3), in their unit; 0 if there is none."""
    lengths = np.linalg.norm(np.asarray(forces, dtype=float).reshape(-1, 3), axis=1)
    return float(lengths.max()) if len(lengths) else 0.0


class Watch:
    """Checks each geometry of an ASE calculator, before and after its computation; raises if the relaxation diverged.

    Args:
        free_atoms: returns the energy (eV) of the free atoms of some atomic numbers on the calculator's scale, or
            ``None`` if it is unknown: then the binding energy is not checked; without a function, it is 0.
    """

    def __init__(self, free_atoms: Callable[[Any], float | None] | None = None) -> None:
        self._free_atoms = free_atoms
        self._steps = 0

    def enter(self, atoms: Any) -> None:
        """Check a geometry before it is computed.

        Raises:
            DivergedError: the volume per atom is outside the bounds, or the cell is flat.
        """
        if atoms.cell.rank:
            _refuse(cell_divergence(atoms.get_volume() / len(atoms) if atoms.cell.rank == 3 else 0.0, self._steps))

    def leave(self, atoms: Any, energy: float, forces: Any) -> None:
        """Check the results of a geometry.

        Args:
            atoms: the geometry, ASE ``Atoms``.
            energy: energy, eV.
            forces: (n, 3) eV/Å.

        Raises:
            DivergedError: energy or forces are outside the bounds, or not finite.
        """
        zero = 0.0 if self._free_atoms is None else self._free_atoms(atoms.numbers)
        binding = float(energy) - (float(energy) if zero is None else zero)  # NaN of an energy that is not finite
        _refuse(divergence(binding / len(atoms), largest_force(forces), self._steps))
        self._steps += 1


def _refuse(reason: str | None) -> None:
    if reason is not None:
        raise DivergedError(reason)
