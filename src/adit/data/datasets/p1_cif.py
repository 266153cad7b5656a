"""A fast reader of the CIFs that pymatgen writes in P1 (as MP20 holds them); everything else goes to pymatgen."""

from __future__ import annotations

import re

import numpy as np

from adit import convert
from adit.elements import ATOMIC_NUMBER
from adit.errors import DataError
from adit.systems import AtomicSystem, Kind, cell_from_parameters

_CELL = re.compile(r"^_cell_(?:length_[abc]|angle_(?:alpha|beta|gamma))\s+([0-9.]+)\s*$", re.MULTILINE)
_OPERATIONS = re.compile(r"^\s*\d+\s+'([^']*)'\s*$", re.MULTILINE)
_SITE_COLUMNS = (
    "_atom_site_type_symbol",
    "_atom_site_label",
    "_atom_site_symmetry_multiplicity",
    "_atom_site_fract_x",
    "_atom_site_fract_y",
    "_atom_site_fract_z",
    "_atom_site_occupancy",
)


def read_cif(text: str, system_id: str) -> AtomicSystem:
    """Return the crystal of a CIF, as written (no reduction, no rounding of coordinates).

    Raises:
        DataError: the text does not parse.
    """
    fast = _read_p1(text, system_id)
    return convert.from_cif(text, system_id) if fast is None else fast


def _read_p1(text: str, system_id: str) -> AtomicSystem | None:
    """Return the crystal of an ordered P1 CIF in pymatgen's own layout; ``None`` for any other text."""
    parameters = _CELL.findall(text)
    rows = _site_rows(text)
    if len(parameters) != 6 or not rows or _OPERATIONS.findall(text) != ["x, y, z"]:
        return None
    if any(len(row) != len(_SITE_COLUMNS) or row[0] not in ATOMIC_NUMBER or row[2] != "1" for row in rows):
        return None
    try:
        values = np.array([row[3:] for row in rows], dtype=float)
        numbers = np.array([float(value) for value in parameters])
        cell = cell_from_parameters(numbers[:3], numbers[3:])
    except (ValueError, DataError):
        return None
    if (values[:, 3] != 1.0).any():
        return None
    return AtomicSystem(
        system_id=system_id,
        kind=Kind.CRYSTAL,
        numbers=np.array([ATOMIC_NUMBER[row[0]] for row in rows]),
        positions=values[:, :3] @ cell,
        cell=cell,
    )


def _site_rows(text: str) -> list[list[str]]:
    """Return the rows of the atom sites; none where the columns are not the expected ones in their order."""
    lines = [line.strip() for line in text.strip().splitlines()]
    if _SITE_COLUMNS[0] not in lines:
        return []
    start = lines.index(_SITE_COLUMNS[0])
    end = start + len(_SITE_COLUMNS)
    if tuple(lines[start:end]) != _SITE_COLUMNS:
        return []
    return [line.split() for line in lines[end:]]
