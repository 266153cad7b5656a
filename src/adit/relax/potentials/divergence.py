"""When a relaxation has run away: the one place of its bounds, for every engine.

Semi-empirical and learned potentials have holes where atoms are closer than any they were made for, and so have
plane-wave codes where PAW spheres overlap. A relaxation that falls into one never comes back; it spends its whole time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

MAX_BINDING = 40.0
"""eV/atom below free atoms. The strongest known binding is 9 eV/atom (tungsten); the energies of PBE codes, whose zero
is an atom without spin, and of potentials trained on them, reach −15 (gadolinium). GFN1-xTB's failures stand at −10² to
−10⁷."""

MAX_FORCE = 1e3
"""eV/Å on one atom, once atoms had time to part. Bonds break below 20; atoms at half a bond length repel with 10²."""

PARTING_STEPS = 10
"""Steps after which ``MAX_FORCE`` holds: a step is 0.2 Å at most, and a heap of atoms starts with larger forces."""

MAX_FORCE_AT_ALL = 1e6
"""eV/Å at any step: twice the repulsion of two bare nuclei of Z = 90 at 0.5 Å, the closest that any engine is given."""

MIN_VOLUME_PER_ATOM, MAX_VOLUME_PER_ATOM = 1.0, 500.0
"""Å³ (diamond has 5.7). The upper one is twice what a sample may have to be relaxed at all, by default."""


class DivergedError(Exception):
    """A relaxation ran away; the text is its reason."""


def divergence(energy_per_atom: float, force: float, steps: int) -> str | None:
    """Return why an energy or a force belongs to a relaxation that has run away (``diverged: …``), or ``None``.

    Args:
        energy_per_atom: eV/atom above free atoms.
        force: largest force on an atom, eV/Å.
        steps: steps done before.
    """
    if not (np.isfinite(energy_per_atom) and np.isfinite(force)):
        return f"diverged: energy or forces are not finite after {steps} steps"
    if energy_per_atom < -MAX_BINDING:
        return f"diverged: {-energy_per_atom:.4g} eV/atom below free atoms after {steps} steps"
    if force > (MAX_FORCE if steps >= PARTING_STEPS else MAX_FORCE_AT_ALL):
        return f"diverged: a force of {force:.2g} eV/Å after {steps} steps"
    return None


def cell_divergence(volume_per_atom: float, steps: int, largest: float = MAX_VOLUME_PER_ATOM) -> str | None:
    """Return why a cell belongs to a relaxation that has run away, or ``None``; to ask before computing in it.

    Args:
        volume_per_atom: Å³.
        steps: steps done before.
        largest: Å³; emptier cells are none.
    """
    if MIN_VOLUME_PER_ATOM <= volume_per_atom <= largest:
        return None  # what is not a number is not between them
    return f"diverged: {volume_per_atom:.3g} Å³ per atom after {steps} steps"


def largest_force(forces: Any) -> float:
    """Return the length of the longest force (n, 3); 0 if there is none."""
    lengths = np.linalg.norm(np.asarray(forces, dtype=float).reshape(-1, 3), axis=1)
    return float(lengths.max()) if len(lengths) else 0.0


class Watch:
    """Sees each geometry of an ASE calculator, before and after it is computed; raises once the relaxation ran away.

    Args:
        free_atoms: gives the energy (eV) of the free atoms of atomic numbers on the calculator's scale; ``None``: the
            scale's zero is theirs.
    """

    def __init__(self, free_atoms: Callable[[Any], float] | None = None) -> None:
        self._free_atoms = free_atoms
        self._steps = 0

    def enter(self, atoms: Any) -> None:
        """Look at a geometry before it is computed.

        Raises:
            DivergedError: its cell is not a valid cell.
        """
        if atoms.cell.rank:
            _refuse(cell_divergence(atoms.get_volume() / len(atoms) if atoms.cell.rank == 3 else 0.0, self._steps))

    def leave(self, atoms: Any, energy: float, forces: Any) -> None:
        """Look at the results of a geometry: energy in eV, forces in eV/Å.

        Raises:
            DivergedError: the relaxation has run away.
        """
        zero = 0.0 if self._free_atoms is None else self._free_atoms(atoms.numbers)
        _refuse(divergence((float(energy) - zero) / len(atoms), largest_force(forces), self._steps))
        self._steps += 1


def _refuse(reason: str | None) -> None:
    if reason is not None:
        raise DivergedError(reason)
