"""What a relaxation of molecules is asked for."""

from __future__ import annotations

from dataclasses import dataclass

from adit.config import MoleculeRelaxConfig
from adit.relax.potentials.outcome import Limits


@dataclass(frozen=True)
class MoleculeLimits(Limits):
    """How the relaxation of a molecule goes, when it ends, and what else is computed.

    Attributes:
        ions: whether cation and anion are computed at the relaxed geometry.
        conformers: conformers that the strain is measured against; 0: no strain.
    """

    ions: bool = False
    conformers: int = 0


def molecule_limits(config: MoleculeRelaxConfig) -> MoleculeLimits:
    """Return what a configuration asks for."""
    return MoleculeLimits(
        fmax=config.fmax,
        max_steps=config.max_steps,
        min_distance=config.min_distance,
        max_volume_per_atom=float("inf"),
        optimizer="lbfgs",
        ions=config.ions,
        conformers=config.conformers,
    )
