"""What a DFT relaxation is likely to cost: good for an order, not for a bill."""

from __future__ import annotations

import numpy as np

from adit.systems import AtomicSystem

_CORES = (2, 10, 18, 36, 54, 86)
SECONDS = 2e-3
OPEN_SHELL = 3.0
OVERHEAD_S = 5.0
KPOINT_DENSITY = 2.0
SYMPREC = 0.1


def core_seconds(system: AtomicSystem) -> float:
    """Return the predicted core-seconds of a relaxation with GPAW's preset ``demo``.

    Plane-wave DFT on small cells costs (irreducible k-points) x (bands) x (plane waves): valence electrons stand for
    the bands, the volume for the plane waves; a term in electrons squared stands for orthogonalisation in larger cells.
    Open d and f shells take more SCF and ionic steps. The scale is fitted to seven runs of 1-2 atoms (6-130 s; the
    prediction was within a factor of 4 of each).
    """
    electrons = sum(valence_electrons(int(z)) for z in system.numbers)
    steps = OPEN_SHELL if any(open_shell(int(z)) for z in system.numbers) else 1.0
    return OVERHEAD_S + SECONDS * steps * kpoints(system) * electrons * system.volume * (1 + electrons / 100)


def open_shell(number: int) -> bool:
    """Return whether an element has an open d or f shell (groups 3-11, lanthanides, actinides)."""
    return 21 <= number <= 29 or 39 <= number <= 47 or 57 <= number <= 79 or number >= 89


def valence_electrons(number: int) -> int:
    """Return the electrons outside the noble-gas core, without filled d and f shells below the p block.

    Args:
        number: atomic number.
    """
    electrons = number - max((core for core in _CORES if core < number), default=0)
    if electrons > 14 and number > 54:
        return electrons - 24 if electrons > 26 else electrons - 14
    return electrons - 10 if electrons > 12 else electrons


def kpoints(system: AtomicSystem, density: float = KPOINT_DENSITY) -> int:
    """Return the number of irreducible k-points of a grid; of the whole grid where there is no symmetry.

    Args:
        system: a crystal.
        density: k-points per Å⁻¹, as in ASE.
    """
    import spglib

    if system.cell is None:
        return 1
    reciprocal = np.linalg.norm(np.linalg.inv(system.cell).T, axis=1)
    mesh = np.maximum(1, np.ceil(2 * np.pi * reciprocal * density)).astype(int)
    try:
        found = spglib.get_ir_reciprocal_mesh(
            mesh, (system.cell, system.fractional, system.numbers), is_shift=[0, 0, 0], symprec=SYMPREC
        )
    except Exception:  # noqa: BLE001 - spglib signals "no symmetry" by an exception or by None, depending on its version
        found = None
    return int(mesh.prod()) if found is None else len(np.unique(found[0]))
