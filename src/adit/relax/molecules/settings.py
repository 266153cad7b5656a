"""Limits and options of a relaxation of molecules."""

from __future__ import annotations

from dataclasses import dataclass

from adit.config import MoleculeRelaxConfig
from adit.relax.potentials.outcome import Limits


@dataclass(frozen=True)
class MoleculeLimits(Limits):
    """Limits of a molecule's relaxation, and properties that are computed afterwards.

    Attributes:
        ions: whether cation and anion are computed at the relaxed geometry.
        conformers: number of conformers that the molecule is compared with for its strain; 0: no strain.
    """

    ions: bool = False
    conformers: int = 0


def molecule_limits(config: MoleculeRelaxConfig) -> MoleculeLimits:
    """Return the configured limits and options."""
    return MoleculeLimits(
        fmax=config.fmax,
        max_steps=config.max_steps,
        min_distance=config.min_distance,
        max_volume_per_atom=float("inf"),
        optimizer="lbfgs",
        ions=config.ions,
        conformers=config.conformers,
    )
