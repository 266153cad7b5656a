"""Frequencies and density of states by finite displacements (phonopy: Togo 2023, doi 10.7566/JPSJ.92.012001)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from adit.relax.phonons.outcome import PhononDos
from adit.relax.phonons.supercell import Repeats, boundary_points
from adit.systems import AtomicSystem

MESH_LENGTH: Final = 50.0
"""Points of the mesh of the density of states: this over the length of the lattice vector, Å."""

SMEARING: Final = 0.1
"""Width of the Gaussian of each frequency in the density of states, THz."""

POINTS: Final = 201
"""Frequencies of the density of states."""

SYMPREC: Final = 1e-4
"""Tolerance of the symmetry that saves displacements, Å; the cell was symmetrised."""

Forces = Callable[[Sequence[AtomicSystem]], list[np.ndarray]]
"""Returns the forces (n, 3) of structures, eV/Å."""


@dataclass(frozen=True)
class Modes:
    """Phonons of a crystal.

    Attributes:
        gamma: (3 n,) frequencies at Γ, THz; imaginary ones are negative.
        boundary: (points, 3 n) frequencies at the points of the zone boundary that the supercell holds, THz.
        displacements: number of displaced supercells.
        dos: density of states.
    """

    gamma: np.ndarray
    boundary: np.ndarray
    displacements: int
    dos: PhononDos


def modes(primitive: AtomicSystem, numbers: Repeats, displacement: float, forces: Forces) -> Modes:
    """Return the phonons of a crystal.

    The forces of the supercell without displacement are subtracted, and translations do not change the energy (the
    acoustic sum rule is imposed), so that the three acoustic modes at Γ are zero.

    Args:
        primitive: the crystal, in its primitive cell.
        numbers: repeats of the supercell.
        displacement: of an atom, Å.
        forces: returns forces.
    """
    phonons = _of(primitive, numbers)
    phonons.generate_displacements(distance=displacement)
    cells = [_system(primitive, one) for one in (phonons.supercell, *phonons.supercells_with_displacements)]
    residual, *displaced = forces(cells)
    phonons.forces = np.array([each - residual for each in displaced])
    phonons.produce_force_constants()
    phonons.symmetrize_force_constants()
    points = boundary_points(numbers)
    phonons.run_qpoints(np.concatenate([np.zeros((1, 3)), points]))
    frequencies = np.array(phonons.get_qpoints_dict()["frequencies"])
    return Modes(frequencies[0], frequencies[1:], len(displaced), _dos(phonons, primitive))


def _of(primitive: AtomicSystem, numbers: Repeats) -> Any:
    from phonopy import Phonopy
    from phonopy.structure.atoms import PhonopyAtoms

    atoms = PhonopyAtoms(cell=primitive.cell, scaled_positions=primitive.fractional, numbers=primitive.numbers)
    return Phonopy(atoms, np.diag(numbers), primitive_matrix=np.eye(3), symprec=SYMPREC, log_level=0)


def _system(primitive: AtomicSystem, atoms: Any) -> AtomicSystem:
    return AtomicSystem(primitive.system_id, primitive.kind, atoms.numbers, atoms.positions, atoms.cell)


def _dos(phonons: Any, primitive: AtomicSystem) -> PhononDos:
    mesh = [max(1, round(MESH_LENGTH / length)) for length in primitive.lengths]
    phonons.run_mesh(mesh)
    frequencies = np.array(phonons.get_mesh_dict()["frequencies"])
    low, high = frequencies.min() - 5 * SMEARING, frequencies.max() + 5 * SMEARING
    pitch = (high - low) / (POINTS - 1)
    phonons.run_total_dos(sigma=SMEARING, freq_min=low, freq_max=high + pitch / 2, freq_pitch=pitch)
    dos = phonons.get_total_dos_dict()
    densities = np.array(dos["total_dos"]) / len(primitive)
    return PhononDos(tuple(map(float, dos["frequency_points"])), tuple(map(float, densities)))
