"""Names of PoseBusters' checks, in its tables and in those of this package."""

from __future__ import annotations

from typing import Final

POSEBUSTERS_COLUMNS: Final = (
    "mol_pred_loaded",
    "sanitization",
    "inchi_convertible",
    "all_atoms_connected",
    "no_radicals",
    "bond_lengths",
    "bond_angles",
    "internal_steric_clash",
    "aromatic_ring_flatness",
    "non-aromatic_ring_non-flatness",
    "double_bond_flatness",
    "internal_energy",
)
"""Columns of PoseBusters 0.6 with ``config="mol"``; other versions have others, so they are named one by one."""

POSEBUSTERS_SEVEN: Final = (
    "all_atoms_connected",
    "bond_lengths",
    "bond_angles",
    "aromatic_ring_flatness",
    "double_bond_flatness",
    "internal_energy",
    "internal_steric_clash",
)
"""The columns that the paper reports, in its order."""


def posebusters_name(column: str) -> str:
    """Return the column and metric name of a PoseBusters check."""
    return f"posebusters_{column}"
