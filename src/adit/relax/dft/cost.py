"""Predicted cost of a DFT relaxation, for ranking and for budgets; accurate to a factor of a few."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adit.relax.dft.engines.presets import GpawMoleculePreset, GpawPreset, Preset, XtbPreset
from adit.systems import AtomicSystem

_CORES = (2, 10, 18, 36, 54, 86)
SECONDS = 2e-3
"""Core-seconds per k-point, valence electron and Å³, fitted to GPAW's preset ``demo``."""

OPEN_SHELL = 3.0
"""Factor for elements with open d or f shells."""

OVERHEAD_S = 5.0
"""Time that every relaxation takes besides, core-seconds."""

SYMPREC = 0.1
"""Tolerance of the symmetry for the number of irreducible k-points, Å."""

DEMO_ENCUT, DEMO_FMAX = 600.0, 0.1
"""Plane-wave cutoff (eV) and largest force (eV/Å) of GPAW's preset ``demo``."""

XTB_SECONDS = 0.05
"""Core-seconds of GFN1-xTB per square of the number of atoms."""


@dataclass(frozen=True)
class Effort:
    """Cost of an engine under a preset, relative to GPAW's preset ``demo``.

    Attributes:
        kpoint_density: k-points per Å⁻¹ of reciprocal length, as in ASE.
        factor: ratio of its cost to that of GPAW's preset ``demo`` at equal k-points; 0 for GFN1-xTB (no plane waves).
    """

    kpoint_density: float
    factor: float


DEMO = Effort(2.0, 1.0)
"""GPAW's preset ``demo``."""

VASP = Effort(4.0, 4.0)
"""VASP with the Materials Project's settings: 520 eV, spin, 64 k-points per Å⁻³ (4 per Å⁻¹), two relaxations and a
static run."""


def effort_of(preset: Preset) -> Effort:
    """Return the effort of a preset: proportional to cutoff^(3/2) and 1/√fmax, doubled with spin."""
    if isinstance(preset, GpawPreset):
        factor = (preset.encut / DEMO_ENCUT) ** 1.5 * (2 if preset.spin else 1) * (DEMO_FMAX / preset.fmax) ** 0.5
        return Effort(preset.kpoint_density, factor)
    return Effort(0.0, 0.0) if isinstance(preset, XtbPreset) else VASP


def core_seconds(system: AtomicSystem, effort: Effort = DEMO) -> float:
    """Return the predicted cost of a relaxation, core-seconds.

    Plane-wave DFT on small cells costs (irreducible k-points) x (bands) x (plane waves): valence electrons stand for
    the bands, the volume for the plane waves; a term in electrons squared stands for orthogonalisation in larger cells.
    Open d and f shells take more SCF and ionic steps. The scale is fitted to seven runs of 1-2 atoms with GPAW's preset
    ``demo`` (6-130 s; the prediction was within a factor of 4 of each); other presets are scaled from it.

    Args:
        system: a crystal.
        effort: effort of the engine with its preset.
    """
    if effort.factor == 0:
        return OVERHEAD_S + XTB_SECONDS * len(system) ** 2
    electrons = sum(valence_electrons(int(z)) for z in system.numbers)
    steps = OPEN_SHELL if any(open_shell(int(z)) for z in system.numbers) else 1.0
    points = kpoints(system, effort.kpoint_density)
    work = SECONDS * steps * points * electrons * system.volume * (1 + electrons / 100)
    return OVERHEAD_S + effort.factor * work


MOLECULE_EFFORT = {"lcao": 2.0e-3, "pw": 4.0e-2}
"""Mode of GPAW → core-seconds per electron, atom and Å of the mean edge of the box."""


def molecule_core_seconds(system: AtomicSystem, preset: Preset) -> float:
    """Return the predicted cost of a molecule's relaxation, core-seconds: accurate to a factor of a few, for ranking.

    Args:
        system: a molecule.
        preset: settings of the engine.
    """
    if isinstance(preset, XtbPreset):
        return OVERHEAD_S + XTB_SECONDS * len(system) ** 2
    electrons = sum(valence_electrons(int(z)) for z in system.numbers)
    mode, vacuum = (preset.mode, preset.vacuum) if isinstance(preset, GpawMoleculePreset) else ("pw", 6.0)
    volume = float(np.prod(np.ptp(system.positions, axis=0) + 2 * vacuum))
    return OVERHEAD_S + MOLECULE_EFFORT[mode] * electrons * volume ** (1 / 3) * len(system)


def open_shell(number: int) -> bool:
    """Return whether an element has an open d or f shell (groups 3-11, lanthanides, actinides)."""
    return 21 <= number <= 29 or 39 <= number <= 47 or 57 <= number <= 79 or number >= 89


def valence_electrons(number: int) -> int:
    """Return the number of electrons outside the noble-gas core, without filled d and f shells in the p block.

    Args:
        number: atomic number.
    """
    electrons = number - max((core for core in _CORES if core < number), default=0)
    if electrons > 14 and number > 54:
        return electrons - 24 if electrons > 26 else electrons - 14
    return electrons - 10 if electrons > 12 else electrons


def kpoints(system: AtomicSystem, density: float = DEMO.kpoint_density) -> int:
    """Return the number of irreducible k-points of a grid; without symmetry, of the complete grid.

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
        irreducible = spglib.get_ir_reciprocal_mesh(
            mesh, (system.cell, system.fractional, system.numbers), is_shift=[0, 0, 0], symprec=SYMPREC
        )
    except Exception:  # noqa: BLE001 - spglib signals "no symmetry" by an exception or by None, depending on its version
        irreducible = None
    return int(mesh.prod()) if irreducible is None else len(np.unique(irreducible[0]))
