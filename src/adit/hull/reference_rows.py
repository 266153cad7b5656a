"""The table of reference entries that a hull is built from: one row each, absolute energies on one scale."""

from __future__ import annotations

import json
from collections.abc import Mapping

COLUMNS = (
    "entry_id",
    "formula",
    "composition",
    "n_atoms",
    "energy_per_atom",
    "is_element",
    "status",
    "reason",
    "hull_tag",
)


def reference_row(
    entry_id: str,
    formula: str,
    amounts: Mapping[str, float],
    energy_per_atom: float,
    tag: str,
    *,
    status: str = "converged",
    reason: str = "",
) -> dict[str, object]:
    """Return a row.

    Args:
        entry_id: of the entry.
        formula: for people.
        amounts: atoms of each element.
        energy_per_atom: eV/atom, absolute; NaN where there is none.
        tag: method of the energy.
        status: converged, unconverged, failed, timeout or refused.
        reason: one line where it is not converged.
    """
    return {
        "entry_id": entry_id,
        "formula": formula,
        "composition": json.dumps(dict(amounts), sort_keys=True),
        "n_atoms": round(sum(amounts.values())),
        "energy_per_atom": energy_per_atom,
        "is_element": len(amounts) == 1,
        "status": status,
        "reason": reason,
        "hull_tag": tag,
    }
