"""Relaxations of molecules with GFN2-xTB for the scores: the stage's, and those of control rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from adit.columns import Col
from adit.config import MoleculeRelaxConfig
from adit.relax.molecules.rows import COLUMNS, FLAGS, PROPERTIES, columns_of, relax_molecules
from adit.systems import AtomicSystem

Relaxation = Mapping[str, Any]
"""Columns of a relaxed molecule: status, reason, ``rmsd_moved`` (Å), and those of ``adit.relax.molecules.rows``."""

COMPARED: Final = (Col.GAP, Col.DIPOLE, Col.LOGP)
"""Properties whose distribution is compared with the data's."""


def relaxations(systems: Sequence[AtomicSystem], *, workers: int, wall_limit_s: float) -> list[Relaxation]:
    """Relax molecules with GFN2-xTB and the default settings of the stage; return their columns in order.

    Args:
        systems: molecules.
        workers: largest number of processes.
        wall_limit_s: limit on the wall time of one molecule, s.
    """
    config = MoleculeRelaxConfig(wall_limit_s=wall_limit_s)
    results = relax_molecules(config, systems, workers, what="molecules relaxed with GFN2-xTB")
    return [
        {**columns_of(r.details), Col.STATUS: r.status, Col.REASON: r.reason, Col.RMSD_MOVED: r.rmsd_moved}
        for r in results
    ]


def relaxation_columns(relaxation: Relaxation | str | None, *, bonded: bool) -> dict[str, Any]:
    """Return the columns about the relaxation of a scored molecule: energy in eV, displacement in Å.

    Args:
        relaxation: columns of a relaxed molecule, a reason why there is none, or ``None`` where it was not sent.
        bonded: whether bonds were found in the generated geometry; without them no bonds can be kept.
    """
    if relaxation is None or isinstance(relaxation, str):
        status = "not_sent" if relaxation is None else "failed"
        blank: Mapping[str, Any] = columns_of({}) if relaxation is not None else dict.fromkeys(COLUMNS)
        return {
            Col.XTB_STATUS: status,
            Col.XTB_REASON: relaxation or "",
            Col.XTB_ENERGY: math.nan,
            Col.XTB_RMSD: math.nan,
            Col.XTB_SAME: False,
            **_own(blank),
        }
    return {
        Col.XTB_STATUS: str(relaxation[Col.STATUS]),
        Col.XTB_REASON: str(relaxation[Col.REASON] or ""),
        Col.XTB_ENERGY: relaxation[Col.RELAXATION_ENERGY],
        Col.XTB_RMSD: relaxation[Col.RMSD_MOVED],
        Col.XTB_SAME: bonded and relaxation[Col.BONDING_KEPT] in (True, 1),
        **_own({name: relaxation.get(name) for name in COLUMNS}),
    }


def _own(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns that the scores do not have in another place."""
    left = (Col.VALIDITY, Col.RELAXATION_ENERGY)
    values = {str(name): value for name, value in columns.items() if name not in left}
    return {
        name: value in (True, 1) if name in FLAGS and value is not None else value for name, value in values.items()
    }


def property_values(table: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Return the known values of each property of the molecules that are strictly valid after relaxation.

    Units are those of the columns, e.g. eV for the HOMO-LUMO gap and D for the dipole moment.
    """
    rows = [row for row in table if row[Col.VALIDITY_AFTER]]
    return {str(name): [float(row[name]) for row in rows if is_number(row.get(name))] for name in PROPERTIES}


def is_number(value: Any) -> bool:
    """Return whether a cell of a table holds a finite number."""
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError):
        return False
