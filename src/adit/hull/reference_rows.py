"""The table of reference entries of a hull: one row per entry, absolute energies on one scale."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adit.columns import Col
from adit.errors import DataError

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


NEEDED = (Col.COMPOSITION, Col.ENERGY_PER_ATOM, Col.STATUS, Col.HULL_TAG)
"""Columns without which a table of reference entries makes no hull."""

_EXAMPLE = json.dumps({"Na": 1.0, "Cl": 1.0})
_WAY_OUT = "run `adit stage reference` again, or name a table of `adit relax`"


def need_columns(path: Path, frame: Any) -> None:
    """Check that a table of reference entries has the columns that make a hull.

    Args:
        path: the table, for the message.
        frame: its rows.

    Raises:
        DataError: a column is missing.
    """
    missing = [str(name) for name in NEEDED if name not in frame]
    if missing:
        raise DataError(f"{path}: is no table of reference entries, it lacks {', '.join(missing)}; {_WAY_OUT}")


def composition_of(path: Path, text: object) -> dict[str, float]:
    """Return the composition of a reference entry: element → amount.

    Args:
        path: the table, for the message.
        text: value of the column ``composition``.

    Raises:
        DataError: it is not JSON of elements with positive amounts.
    """
    try:
        amounts = json.loads(str(text))
    except (ValueError, RecursionError):
        amounts = None
    if not isinstance(amounts, dict) or not amounts or not all(map(_is_part, amounts, amounts.values())):
        raise DataError(
            f"{path}: composition '{text}' is not JSON of elements and amounts, as {_EXAMPLE} is; {_WAY_OUT}"
        )
    return {element: float(amount) for element, amount in amounts.items()}


def _is_part(element: str, amount: Any) -> bool:
    """Return whether an element and its amount can be part of a composition."""
    is_number = isinstance(amount, int | float) and not isinstance(amount, bool)
    return re.fullmatch(r"[A-Z][a-z]?", element) is not None and is_number and math.isfinite(amount) and amount > 0
