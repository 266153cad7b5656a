"""Limits of a pre-relaxation, and the result of one structure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from adit.isolate import Outcome
from adit.systems import AtomicSystem

Status = Literal["converged", "unconverged", "failed", "timeout", "refused"]
"""Status of a relaxation; ``unconverged``: the number of steps was not enough; ``refused``: it was not tried."""
Optimizer = Literal["bfgs", "lbfgs", "fire"]
"""Names of ASE's optimisers."""


@dataclass(frozen=True)
class Limits:
    """Limits of a relaxation.

    Attributes:
        fmax: limit of convergence: largest force and largest row of the cell's gradient, eV/Å.
        max_steps: largest number of steps of the optimiser.
        min_distance: smallest distance between atoms, Å, see ``screen.refuse``.
        max_volume_per_atom: largest volume per atom, Å³, see ``screen.refuse``.
        optimizer: ``bfgs``, ``lbfgs`` or ``fire``.
        push_apart: whether overlapping atoms are first pushed apart if possible, instead of being refused.
        keep_symmetry: whether forces and stress are symmetrised, which keeps the symmetry of the start (at 0.01 Å).
    """

    fmax: float
    max_steps: int
    min_distance: float
    max_volume_per_atom: float
    optimizer: Optimizer = "bfgs"
    push_apart: bool = False
    keep_symmetry: bool = False


@dataclass(frozen=True)
class Relaxed:
    """Result of one structure.

    Attributes:
        status: see ``Status``.
        reason: one line of text if it is not converged.
        system: the relaxed structure, for converged and unconverged.
        energy: energy with its correction, eV per cell; NaN if there is none.
        fmax: largest force or row of the cell's gradient at the end, eV/Å; NaN if there is none.
        steps: number of steps done.
        wall_s: wall time, s; in a batch, its share in proportion to its atoms.
        rmsd_moved: root mean square displacement of the atoms, common drift removed, Å; NaN if there is none.
        spacegroup_before: international number of the structure as given, 0 if there is none.
        spacegroup_after: international number of the relaxed structure, 0 if there is none.
        pushed_apart: whether overlapping atoms were pushed apart before the first step.
        details: column → value, for further columns; columns without a value are not there.
    """

    status: Status
    reason: str
    system: AtomicSystem | None = None
    energy: float = float("nan")
    fmax: float = float("nan")
    steps: int = 0
    wall_s: float = 0.0
    rmsd_moved: float = float("nan")
    spacegroup_before: int = 0
    spacegroup_after: int = 0
    pushed_apart: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def energy_per_atom(self) -> float:
        """Return the energy in eV/atom; NaN if there is none."""
        return float("nan") if self.system is None else self.energy / len(self.system)


def of_outcome(outcome: Outcome) -> Relaxed:
    """Return the result of a worker's outcome, also of one that was killed or crashed."""
    if outcome.status == "ok":
        relaxed: Relaxed = outcome.value
        return relaxed
    return Relaxed("timeout" if outcome.status == "timeout" else "failed", outcome.reason, wall_s=outcome.wall_s)
