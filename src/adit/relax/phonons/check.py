"""Check of one crystal in a worker process: tight relaxation, phonons, bulk modulus."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from adit import convert
from adit.columns import Col
from adit.relax.phonons.bulk import NoModulusError, bulk_modulus
from adit.relax.phonons.modes import Modes, modes
from adit.relax.phonons.outcome import Checked, PhononLimits
from adit.relax.phonons.supercell import repeats
from adit.relax.potentials.chosen import Chosen
from adit.relax.potentials.evaluators import Evaluator, quiet
from adit.relax.potentials.outcome import Relaxed
from adit.systems import AtomicSystem


def check_phonons(task: tuple[AtomicSystem, PhononLimits, Chosen]) -> Checked:
    """Check one crystal; other systems, and cells with too many atoms, have the status ``refused``.

    Args:
        task: the crystal as given, the limits, and the potential.
    """
    system, limits, chosen = task
    started = time.perf_counter()
    if system.cell is None:
        return Checked("refused", "is not periodic")
    if (n_atoms := len(convert.primitive(system))) > limits.max_atoms:
        return Checked("refused", _too_many(n_atoms, limits))
    relaxed = chosen.relax((system, replace(limits.relax, keep_symmetry=True)))
    values = _of_relaxation(relaxed)
    if relaxed.status == "refused":
        return Checked("refused", relaxed.reason)
    if relaxed.status != "converged" or relaxed.system is None:
        wall_s = time.perf_counter() - started
        return Checked("failed", f"not relaxed tightly: {relaxed.reason}", values, wall_s=wall_s)
    checked = _of_crystal(relaxed.system, limits, chosen.evaluator(), values)
    return replace(checked, wall_s=time.perf_counter() - started)


def _too_many(n_atoms: int, limits: PhononLimits) -> str:
    return f"{n_atoms} atoms in the primitive cell, at most {limits.max_atoms} (stability.max_atoms)"


def _of_relaxation(relaxed: Relaxed) -> dict[str, Any]:
    values = {
        Col.ENERGY_PER_ATOM: relaxed.energy_per_atom,
        Col.FMAX: relaxed.fmax,
        Col.STEPS: relaxed.steps,
        Col.SPACEGROUP_AFTER: relaxed.spacegroup_after,
    }
    return {str(name): value for name, value in values.items() if np.isfinite(value)}


def _of_crystal(system: AtomicSystem, limits: PhononLimits, evaluator: Evaluator, values: dict[str, Any]) -> Checked:
    primitive = convert.primitive(system)
    cell = primitive.cell
    numbers = None if cell is None else repeats(cell, len(primitive), limits.length, limits.max_atoms)
    if numbers is None:
        return Checked("refused", _too_many(len(primitive), limits), values, system)

    def forces(systems: Sequence[AtomicSystem]) -> list[np.ndarray]:
        return [_forces(one, evaluator) for one in systems]

    with quiet():
        phonons = modes(primitive, numbers, limits.displacement, forces)
        values = (
            values | _of_modes(phonons, limits.tolerance) | {str(Col.PHONON_SUPERCELL): "×".join(map(str, numbers))}
        )
        try:
            values[str(Col.BULK_MODULUS)] = bulk_modulus(primitive, evaluator, limits.relax.fmax)
        except NoModulusError as error:
            values[str(Col.WARNINGS)] = str(error)
    return Checked("ok", "", values, system, phonons.dos)


def _forces(system: AtomicSystem, evaluator: Evaluator) -> np.ndarray:
    """Return the forces (n, 3) of a structure, eV/Å; supercells are evaluated one by one, since memory is limited."""
    (answer,) = evaluator.evaluate([convert.to_atoms(system)])
    if isinstance(answer, Exception):
        raise answer
    forces: np.ndarray = np.asarray(answer["forces"], dtype=float)
    return forces


def _of_modes(phonons: Modes, tolerance: float) -> dict[str, Any]:
    """Return the columns of frequencies; without a point of the boundary, only Γ decides."""
    values: dict[str, Any] = {
        Col.LOWEST_GAMMA: float(phonons.gamma.min()),
        Col.IMAGINARY_GAMMA: bool(phonons.gamma.min() < -tolerance),
        Col.BOUNDARY_POINTS: len(phonons.boundary),
        Col.DISPLACEMENTS: phonons.displacements,
    }
    if len(phonons.boundary):
        lowest = float(phonons.boundary.min())
        values |= {Col.LOWEST_BOUNDARY: lowest, Col.IMAGINARY_BOUNDARY: lowest < -tolerance}
    imaginary = values[Col.IMAGINARY_GAMMA] or values.get(Col.IMAGINARY_BOUNDARY, False)
    return {str(name): value for name, value in values.items()} | {str(Col.DYNAMICALLY_STABLE): not imaginary}
