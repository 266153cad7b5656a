"""Relaxation of molecules with GFN2-xTB: relaxation energy and distance from the minimum.

Source: Bannwarth et al., J. Chem. Theory Comput. 15, 1652 (2019) (GFN2-xTB), as implemented in tblite.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from adit import convert
from adit.errors import DataError, ExternalToolError
from adit.isolate import map_isolated
from adit.progress import Progress
from adit.systems import AtomicSystem

METHOD: Final = "GFN2-xTB"

FMAX: Final = 0.02
"""Largest force of a relaxed molecule, eV/Å."""

MAX_STEPS: Final = 300


@dataclass(frozen=True)
class XtbRelaxation:
    """Relaxation of one molecule.

    Attributes:
        converged: the largest force fell below ``FMAX`` within ``MAX_STEPS``.
        energy: energy before minus energy after the relaxation, eV.
        rmsd: root mean square displacement of all atoms after the best rotation, Å.
        same: the relaxed geometry has the same bonds (canonical SMILES).
    """

    converged: bool
    energy: float
    rmsd: float
    same: bool


def relax_xtb(system: AtomicSystem) -> XtbRelaxation:
    """Relax one neutral molecule to its nearest minimum.

    Raises:
        ExternalToolError: tblite is not installed, or the self-consistent field does not converge.
    """
    from ase.optimize import LBFGS

    atoms = convert.to_atoms(system)
    atoms.calc = _calculator()
    try:
        before = float(atoms.get_potential_energy())
        converged = bool(LBFGS(atoms, logfile=None).run(fmax=FMAX, steps=MAX_STEPS))
        after = float(atoms.get_potential_energy())
    except Exception as error:  # tblite and ASE raise many classes
        text = " ".join(str(error).split())[:200]
        raise ExternalToolError(f"{METHOD} gives no energy ({text or type(error).__name__})") from error
    relaxed = convert.from_atoms(atoms, system.system_id, system.kind)
    return XtbRelaxation(
        converged=converged,
        energy=before - after,
        rmsd=aligned_rmsd(system.positions, relaxed.positions),
        same=_smiles(system) == _smiles(relaxed) != "",
    )


def _calculator() -> Any:
    try:
        from tblite.ase import TBLite
    except ImportError as error:
        raise ExternalToolError("tblite is not installed; pip install tblite, or set score.xtb to 0") from error
    return TBLite(method=METHOD, verbosity=0)


def aligned_rmsd(one: np.ndarray, other: np.ndarray) -> float:
    """Return the root mean square distance (Å) of two (n, 3) geometries after the best proper rotation.

    Source: Kabsch, Acta Cryst. A 32, 922 (1976).
    """
    one, other = one - one.mean(axis=0), other - other.mean(axis=0)
    left, sizes, right = np.linalg.svd(one.T @ other)
    sizes[-1] *= np.sign(np.linalg.det(left @ right))
    squared = (one**2).sum() + (other**2).sum() - 2 * sizes.sum()
    return float(np.sqrt(max(0.0, squared) / len(one)))


def _smiles(system: AtomicSystem) -> str:
    try:
        return convert.canonical_smiles(convert.to_rdkit(system, charge=0))
    except DataError:
        return ""


def relax_all(systems: Sequence[AtomicSystem], *, workers: int, wall_limit_s: float) -> list[XtbRelaxation | str]:
    """Relax molecules and return in order the result of each, or the reason why there is none.

    Args:
        systems: molecules.
        workers: processes at most.
        wall_limit_s: wall time of one molecule, s.
    """
    progress = Progress(f"molecules relaxed with {METHOD}", len(systems))
    outcomes = map_isolated(
        relax_xtb, systems, workers=workers, wall_limit_s=wall_limit_s, on_result=lambda _, __: progress.update()
    )
    return [outcome.value if outcome.status == "ok" else outcome.reason for outcome in outcomes]
