"""Rows of relaxed molecules: the columns of every relaxation, and those of molecules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from adit.columns import Col
from adit.config import MoleculeRelaxConfig
from adit.relax.molecules.relaxation import Gfn2Relaxer
from adit.relax.molecules.settings import molecule_limits
from adit.relax.potentials import batch
from adit.relax.potentials.outcome import Relaxed
from adit.systems import AtomicSystem

FLAGS: Final = (Col.VALIDITY, Col.VALIDITY_AFTER, Col.BONDING_KEPT, Col.STEREO_KEPT)
"""Columns with true or false."""

COUNTS: Final = (Col.CHARGE, Col.UNPAIRED, Col.FRAGMENTS, Col.CONFORMERS, Col.RINGS)
"""Columns with whole numbers."""

NUMBERS: Final = (
    Col.RELAXATION_ENERGY,
    Col.GAP,
    Col.DIPOLE,
    Col.IONISATION,
    Col.AFFINITY,
    Col.ATOMISATION,
    Col.STRAIN,
    Col.QED,
    Col.SA_SCORE,
    Col.LOGP,
    Col.TPSA,
)
"""Columns with other numbers; energies in eV, see ``adit.columns``."""

PROPERTIES: Final = (*NUMBERS, Col.RINGS)
"""Columns that are properties of a relaxed molecule."""

COLUMNS: Final = (
    *FLAGS,
    Col.CHARGE,
    Col.UNPAIRED,
    Col.FRAGMENTS,
    Col.RELAXED_SMILES,
    *NUMBERS,
    Col.RINGS,
    Col.CONFORMERS,
)
"""Columns of molecules, in addition to those of every relaxation."""


def relax_molecules(
    config: MoleculeRelaxConfig,
    systems: Sequence[AtomicSystem],
    workers: int,
    cache: Path | None = None,
    what: str = "molecules",
) -> list[Relaxed]:
    """Relax molecules with GFN2-xTB and return the results in order; other arguments as of ``batch.relax_all``.

    Raises:
        ExternalToolError: tblite is not installed, or does not load.
    """
    return batch.relax_all(
        systems,
        molecule_limits(config),
        wall_limit_s=config.wall_limit_s,
        workers=workers,
        cache=cache,
        what=what,
        chosen=Gfn2Relaxer(),
    )


def columns_of(details: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of molecules of one result; a missing value is false, NaN, ``None`` or an empty text.

    Args:
        details: details of the result.
    """
    values: dict[str, Any] = {name: bool(details.get(name, False)) for name in FLAGS}
    values |= {name: float(details.get(name, float("nan"))) for name in NUMBERS}
    values |= {name: details.get(name) for name in COUNTS}
    return {**values, Col.RELAXED_SMILES: details.get(Col.RELAXED_SMILES, "")}
