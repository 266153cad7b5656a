"""CHGNet (Deng et al. 2023, doi 10.1038/s42256-023-00716-3): energies and relaxation of one crystal.

The weights 0.3.0 come with the package. Energies are the Materials Project's: PBE(+U) with the MP2020 corrections.
Everything runs on one CPU thread: small crystals gain nothing from a second one; structures are spread over processes.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from adit import convert
from adit.elements import symbol
from adit.errors import DataError
from adit.relax.chgnet_calculator import WEIGHTS, calculator, lazy_frechet, quiet
from adit.relax.screen import contact, refuse
from adit.systems import AtomicSystem

ENERGY_TAG = f"chgnet-{WEIGHTS}/PBE(+U)/MP2020"

_UNKNOWN = frozenset({84, 85, 86, 87, 88})
_LAST = 94

Status = Literal["converged", "unconverged", "failed", "timeout", "refused"]


@dataclass(frozen=True)
class Limits:
    """When a relaxation ends.

    Attributes:
        fmax: eV/Å; converged when no force and no row of the cell's gradient is longer.
        max_steps: steps of the optimiser.
        min_distance: Å, see ``screen.refuse``.
        max_volume_per_atom: Å³, see ``screen.refuse``.
    """

    fmax: float
    max_steps: int
    min_distance: float
    max_volume_per_atom: float


@dataclass(frozen=True)
class Relaxed:
    """What became of one structure.

    Attributes:
        status: converged, unconverged (steps ran out), failed, timeout or refused.
        reason: one line where it is not converged.
        system: the relaxed structure, for converged and unconverged.
        energy: eV for the cell; NaN where there is none.
        fmax: largest of the forces and the cell's gradient at the end, eV/Å; NaN where there is none.
        steps: steps taken.
        wall_s: wall time, s.
        rmsd_moved: root mean square displacement of the atoms, common drift removed, Å; NaN where there is none.
    """

    status: Status
    reason: str
    system: AtomicSystem | None = None
    energy: float = float("nan")
    fmax: float = float("nan")
    steps: int = 0
    wall_s: float = 0.0
    rmsd_moved: float = float("nan")

    @property
    def energy_per_atom(self) -> float:
        """Return the energy in eV/atom; NaN where there is none."""
        return float("nan") if self.system is None else self.energy / len(self.system)


def unsupported(numbers: Iterable[int]) -> list[str]:
    """Return the symbols of elements CHGNet has not been trained on (Po, At, Rn, Fr, Ra and beyond Pu)."""
    return sorted({symbol(int(z)) for z in numbers if int(z) > _LAST or int(z) in _UNKNOWN})


def energy_per_atom(system: AtomicSystem) -> float:
    """Return CHGNet's energy of a crystal as it stands, eV/atom.

    Raises:
        DataError: an element is unknown to CHGNet.
    """
    unknown = unsupported(system.numbers)
    if unknown:
        raise DataError(f"{system.system_id}: CHGNet does not know {', '.join(unknown)}")
    atoms = convert.to_atoms(system)
    atoms.calc = calculator()
    with quiet():
        return float(atoms.get_potential_energy()) / len(system)


def relax(task: tuple[AtomicSystem, Limits]) -> Relaxed:
    """Relax atoms and cell of one crystal; refuses what is none.

    BFGS in the log-cell coordinates of ``FrechetCellFilter``: on crystals near and far from equilibrium it took a third
    to two thirds of FIRE's steps and time, and converged where FIRE ran out of steps.
    """
    system, limits = task
    started = time.perf_counter()
    unknown = unsupported(system.numbers)
    reason = refuse(system, limits.min_distance, limits.max_volume_per_atom)
    if reason is None and unknown:
        reason = f"CHGNet does not know {', '.join(unknown)}"
    if reason is not None:
        return Relaxed("refused", reason)
    with quiet():
        try:
            result = _minimise(system, limits)
        except Exception as error:  # noqa: BLE001 - graph building and the optimiser raise many kinds; each is this row's
            result = Relaxed("failed", f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
    return Relaxed(**{**result.__dict__, "wall_s": time.perf_counter() - started})


def _minimise(system: AtomicSystem, limits: Limits) -> Relaxed:
    from ase.optimize import BFGS

    atoms = convert.to_atoms(system)
    before = atoms.get_scaled_positions(wrap=False)
    atoms.calc = calculator()
    filtered = lazy_frechet(atoms)
    optimizer = BFGS(filtered, logfile=None)
    for _ in optimizer.irun(fmax=limits.fmax, steps=limits.max_steps):
        volume = atoms.get_volume() / len(atoms)
        if not np.isfinite(volume) or volume > 2 * limits.max_volume_per_atom:
            return Relaxed("failed", f"cell ran away after {optimizer.nsteps} steps", steps=optimizer.nsteps)
    fmax = float(np.linalg.norm(filtered.get_forces(), axis=1).max())
    energy = float(atoms.get_potential_energy())
    if not (np.isfinite(energy) and np.isfinite(fmax)):
        return Relaxed("failed", "energy or forces are not finite", steps=optimizer.nsteps)
    relaxed = convert.from_atoms(atoms, system.system_id, system.kind, dict(system.info))
    reason = refuse(relaxed, limits.min_distance, limits.max_volume_per_atom) or contact(relaxed)
    if reason is not None:
        return Relaxed("failed", f"relaxed into no crystal: {reason}", steps=optimizer.nsteps)
    converged = fmax < limits.fmax
    return Relaxed(
        "converged" if converged else "unconverged",
        "" if converged else f"fmax {fmax:.3f} eV/Å after {optimizer.nsteps} steps",
        relaxed,
        energy,
        fmax,
        optimizer.nsteps,
        rmsd_moved=_moved(before, atoms.get_scaled_positions(wrap=False), relaxed),
    )


def _moved(before: np.ndarray, after: np.ndarray, relaxed: AtomicSystem) -> float:
    shift = after - before
    displacement = (shift - shift.mean(axis=0)) @ relaxed.cell
    return float(np.sqrt((displacement**2).sum(axis=1).mean()))
