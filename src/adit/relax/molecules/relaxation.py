"""Relaxation of one molecule with GFN2-xTB, and the columns of its row."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, Final

import numpy as np

from adit import convert
from adit.columns import Col
from adit.convert import Perceived, perceive
from adit.elements import symbol
from adit.errors import ExternalToolError
from adit.labels.gaps import METHOD
from adit.relax.molecules.conformers import lowest_conformer
from adit.relax.molecules.gfn2 import LAST_ELEMENT, Gfn2, NoEnergyError, free_atom, tblite_version
from adit.relax.molecules.properties import descriptors, electronic
from adit.relax.molecules.settings import MoleculeLimits
from adit.relax.potentials.divergence import DivergedError, Watch
from adit.relax.potentials.outcome import Relaxed
from adit.relax.potentials.screen import distance_below
from adit.systems import AtomicSystem

SDF: Final = "sdf"
"""Name of the SDF text in the details of a relaxed molecule."""


@dataclass(frozen=True)
class Gfn2Relaxer:
    """The relaxer of molecules for ``batch.relax_all``."""

    label: str = METHOD

    @property
    def energy_tag(self) -> str:
        """Return the energy tag."""
        return f"gfn2-xtb-{tblite_version() or 'unknown'}/{METHOD}/none"

    def check(self) -> None:
        """Check that tblite is installed.

        Raises:
            ExternalToolError: tblite is not installed.
        """
        if tblite_version() is None:
            raise ExternalToolError("tblite is not installed, which relaxes molecules; pip install tblite")

    def evaluator(self) -> None:
        """Import the modules of a relaxation, so that this does not count for the wall time of a molecule."""
        for module in ("ase.optimize", "rdkit.Chem.rdDetermineBonds", "rdkit.Chem.QED", "tblite.interface"):
            import_module(module)

    def relax(self, task: tuple[AtomicSystem, MoleculeLimits]) -> Relaxed:
        """Relax one molecule on one thread; other systems have the status ``refused``."""
        return relax_molecule(*task)


def relax_molecule(system: AtomicSystem, limits: MoleculeLimits) -> Relaxed:
    """Relax a molecule to its nearest minimum, with the charge and the unpaired electrons of its geometry.

    Args:
        system: any system; one that is no molecule has the status ``refused``.
        limits: limits of the relaxation, and properties that are computed afterwards.

    Returns:
        The result; its ``details`` are the columns of molecules.
    """
    started = time.perf_counter()
    reason = refusal(system, limits.min_distance)
    if reason is not None:
        return Relaxed("refused", reason)
    before = perceive(system)
    details: dict[str, Any] = {
        Col.CHARGE: before.charge,
        Col.UNPAIRED: before.unpaired,
        Col.VALIDITY: before.valid,
    }
    try:
        result = _relaxed(system, before, limits)
    except (DivergedError, NoEnergyError) as error:
        result = Relaxed("failed", str(error))
    return replace(result, wall_s=time.perf_counter() - started, details={**details, **result.details})


def refusal(system: AtomicSystem, min_distance: float) -> str | None:
    """Return why a system is not relaxed as a molecule, or ``None``.

    Args:
        system: any system.
        min_distance: smallest distance between atoms, Å.
    """
    if system.cell is not None:
        return "is periodic"
    unknown = sorted({symbol(int(z)) for z in system.numbers if z > LAST_ELEMENT})
    if unknown:
        return f"{METHOD} has no parameters of {', '.join(unknown)}"
    distance = distance_below(system, min_distance)
    return None if distance is None else f"atoms overlap: {distance:.2f} Å apart, at least {min_distance:g}"


def _relaxed(system: AtomicSystem, before: Perceived, limits: MoleculeLimits) -> Relaxed:
    from ase.optimize import LBFGS

    atoms = convert.to_atoms(system)
    atoms.calc = _watched(before, system.numbers)
    first = float(atoms.get_potential_energy())
    steps = 0
    if len(atoms) > 1:
        optimizer = LBFGS(atoms, logfile=None)
        optimizer.run(fmax=limits.fmax, steps=limits.max_steps)
        steps = optimizer.nsteps
    energy = float(atoms.get_potential_energy())
    fmax = float(np.linalg.norm(atoms.get_forces(), axis=1).max())
    relaxed = convert.from_atoms(atoms, system.system_id, system.kind, dict(system.info))
    converged = len(atoms) == 1 or fmax < limits.fmax
    after = perceive(relaxed, before.charge if before.mol is not None else None)
    details = {Col.RELAXATION_ENERGY: first - energy, **_comparison(before, after)}
    same_state = (after.charge, after.unpaired) == (before.charge, before.unpaired)
    missing: list[str] = []
    if same_state:
        values, missing = electronic(atoms, before.charge, before.unpaired, energy, ions=limits.ions)
        details |= values
    details |= descriptors(after)
    if same_state and after.mol is not None and limits.conformers and after.fragments == 1:
        details |= lowest_conformer(after, energy, limits)
    if after.mol is not None:
        details[SDF] = _entry(after, system.system_id, {**details, Col.ENERGY: energy})
    return Relaxed(
        "converged" if converged else "unconverged",
        "; ".join([*_reasons(before, after, fmax, steps, converged=converged), *missing]),
        system=relaxed,
        energy=energy,
        fmax=fmax,
        steps=steps,
        rmsd_moved=aligned_rmsd(system.positions, relaxed.positions),
        details=details,
    )


def _watched(before: Perceived, numbers: np.ndarray) -> Gfn2:
    """Return the calculator of a molecule with these atomic numbers, which ends a diverged relaxation."""
    zero = _binding_zero(numbers)
    watch = Watch(lambda _numbers: zero)

    class Watched(Gfn2):
        def calculate(self, *arguments: Any, **named: Any) -> None:
            super().calculate(*arguments, **named)
            results: dict[str, Any] = self.results
            watch.leave(self.atoms, results["energy"], results["forces"])

    return Watched(before.charge, before.unpaired)


def _binding_zero(numbers: np.ndarray) -> float | None:
    """Return the energy (eV) of the free atoms; ``None`` if one of them has none."""
    try:
        return sum(free_atom(int(number)) for number in numbers)
    except NoEnergyError:
        return None


def _comparison(before: Perceived, after: Perceived) -> dict[str, Any]:
    return {
        Col.BONDING_KEPT: bool(before.smiles) and before.smiles == after.smiles,
        Col.STEREO_KEPT: bool(before.inchikey) and before.inchikey == after.inchikey,
        Col.FRAGMENTS: after.fragments,
        Col.VALIDITY_AFTER: after.valid,
        Col.RELAXED_SMILES: after.smiles,
    }


def _reasons(before: Perceived, after: Perceived, fmax: float, steps: int, *, converged: bool) -> list[str]:
    reasons = [] if converged else [f"fmax {fmax:.3f} eV/Å after {steps} steps"]
    if before.mol is None:
        reasons.append(f"relaxed as neutral with lowest spin: {before.problem}")
    elif before.smiles != after.smiles:
        reasons.append(f"bonding changed: {before.smiles} to {after.smiles or after.problem}")
    if after.fragments > max(1, before.fragments):
        reasons.append(f"fell apart into {after.fragments} fragments")
    elif before.fragments > 1:
        reasons.append(f"{before.fragments} fragments")
    return reasons


def _entry(after: Perceived, system_id: str, values: Mapping[str, Any]) -> str:
    fields = {str(name): value for name, value in values.items() if value is not None and value == value}
    return convert.to_sdf_entry(after.mol, system_id, fields)  # type: ignore[arg-type]


def aligned_rmsd(one: np.ndarray, other: np.ndarray) -> float:
    """Return the root mean square distance of two geometries (n, 3) after the best proper rotation, in their unit.

    Source: Kabsch, Acta Cryst. A 32, 922 (1976).
    """
    one, other = one - one.mean(axis=0), other - other.mean(axis=0)
    left, sizes, right = np.linalg.svd(one.T @ other)
    sizes[-1] *= np.sign(np.linalg.det(left @ right))
    squared = (one**2).sum() + (other**2).sum() - 2 * sizes.sum()
    return float(np.sqrt(max(0.0, squared) / len(one)))
