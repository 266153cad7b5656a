"""The table of reference entries of a hull: one row per entry, absolute energies on one scale."""

from __future__ import annotations

import json
from collections.abc import Mapping

from adit.columns import Col

COLUMNS = (
    Col.ENTRY_ID,
    Col.FORMULA,
    Col.COMPOSITION,
    Col.N_ATOMS,
    Col.ENERGY_PER_ATOM,
    Col.IS_ELEMENT,
    Col.STATUS,
    Col.REASON,
    Col.HULL_TAG,
)
"""Columns of a table of reference entries. Energies are in eV/atom; ``composition`` is element → amount as JSON."""


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
    """Return a row of a table of reference entries.

    Args:
        entry_id: id of the entry.
        formula: reduced formula, for display.
        amounts: element → number of atoms.
        energy_per_atom: eV/atom, absolute; NaN if there is none.
        tag: energy tag, the method of the energy.
        status: ``converged``, ``unconverged``, ``failed``, ``timeout``, ``refused``, or ``searched`` of a pair.
        reason: one line of text if it is not converged.
    """
    return {
        Col.ENTRY_ID: entry_id,
        Col.FORMULA: formula,
        Col.COMPOSITION: json.dumps(dict(amounts), sort_keys=True),
        Col.N_ATOMS: round(sum(amounts.values())),
        Col.ENERGY_PER_ATOM: energy_per_atom,
        Col.IS_ELEMENT: len(amounts) == 1,
        Col.STATUS: status,
        Col.REASON: reason,
        Col.HULL_TAG: tag,
    }
