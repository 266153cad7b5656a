"""A fast reader for CIFs that pymatgen writes in P 1; other texts are read by the general reader.

Both give exactly the same structure, which ``tests/unit/readers/test_p1_cif.py`` checks.
"""

from __future__ import annotations

import re
from typing import Final

import numpy as np

from adit.elements import ATOMIC_NUMBER
from adit.errors import DataError
from adit.readers.formats.base import CONTRADICTION, Parsed
from adit.readers.formats.cif_checks import formula_contradiction
from adit.systems import AtomicSystem, Kind, cell_from_parameters

_CELL: Final = re.compile(r"^_cell_(length_[abc]|angle_(?:alpha|beta|gamma))\s+([0-9.]+)\s*$", re.MULTILINE)
_CELL_NAMES: Final = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
_OPERATIONS: Final = re.compile(r"^\s*\d+\s+'([^']*)'\s*$", re.MULTILINE)
_FORMULA: Final = re.compile(r"^_chemical_formula_sum\s+(?:'([^'\n]*)'|([A-Za-z0-9]+))\s*$", re.MULTILINE)
_UNITS: Final = re.compile(r"^_cell_formula_units_Z\s+(\d+)\s*$", re.MULTILINE)
_OTHER_GROUP: Final = re.compile(r"^_symmetry_space_group_name_H-M(?!\s+(?:'P 1'|'P1'|P1)\s*$)", re.MULTILINE)
_VOLUME: Final = re.compile(r"^_cell_volume\s+([0-9.]+)\s*$", re.MULTILINE)
_ITEMS: Final = re.compile(
    r"^(?:_cell_(?:length_[abc]|angle_(?:alpha|beta|gamma)|volume|formula_units_Z)|_symmetry_space_group_name_H-M"
    r"|_symmetry_Int_Tables_number|_chemical_formula_s(?:um|tructural))\b"
)
"""Items that pymatgen writes outside loops; a text with others is not pymatgen's."""

_SITE_COLUMNS: Final = (
    "_atom_site_type_symbol",
    "_atom_site_label",
    "_atom_site_symmetry_multiplicity",
    "_atom_site_fract_x",
    "_atom_site_fract_y",
    "_atom_site_fract_z",
    "_atom_site_occupancy",
)
_VOLUME_TOLERANCE: Final = 0.01
_MIN_THICKNESS: Final = 0.01


def read_p1(text: str) -> Parsed | None:
    """Return the crystal of an ordered P 1 CIF in pymatgen's own layout; ``None`` for any other text."""
    rows = _site_rows(text)
    if not rows or _OPERATIONS.findall(text) != ["x, y, z"] or _OTHER_GROUP.search(text):
        return None
    cell_texts = _CELL.findall(text)
    parameters = dict(cell_texts)
    if len(cell_texts) != 6 or set(parameters) != set(_CELL_NAMES):
        return None
    if any(len(row) != len(_SITE_COLUMNS) or row[0] not in ATOMIC_NUMBER or row[2] != "1" for row in rows):
        return None
    try:
        values = np.array([row[3:] for row in rows], dtype=float)
        lengths_and_angles = np.array([float(parameters[name]) for name in _CELL_NAMES])
        cell = cell_from_parameters(lengths_and_angles[:3], lengths_and_angles[3:])
    except (ValueError, DataError):
        return None
    if (values[:, 3] != 1.0).any() or not np.isfinite(values).all():
        return None
    volume = abs(np.linalg.det(cell))
    if volume < 1e-6 or (1 / np.linalg.norm(np.linalg.inv(cell), axis=0)).min() < _MIN_THICKNESS:
        return None
    numbers = np.array([ATOMIC_NUMBER[row[0]] for row in rows])
    system = AtomicSystem("cif", Kind.CRYSTAL, numbers, values[:, :3] @ cell, cell)
    return Parsed(system, _contradictions(text, numbers, volume))


def _contradictions(text: str, numbers: np.ndarray, volume: float) -> tuple[str, ...]:
    formula, units, stated = _FORMULA.search(text), _UNITS.search(text), _VOLUME.search(text)
    reasons = []
    if formula:
        known_units = float(units[1]) if units else None
        reasons.append(formula_contradiction(formula[1] or formula[2], known_units, numbers))
    if stated:
        value = _float(stated[1])
        if value and abs(volume - value) > _VOLUME_TOLERANCE * value:
            reasons.append(f"cell volume is {volume:.2f} Å³, {value:g} in the file")
    return tuple(f"{CONTRADICTION}{each}" for each in reasons if each)


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _site_rows(text: str) -> list[list[str]]:
    """Return the rows of the atom sites; none if the text does not have pymatgen's layout."""
    lines = [line.strip() for line in text.strip().splitlines()]
    if _SITE_COLUMNS[0] not in lines:
        return []
    start = lines.index(_SITE_COLUMNS[0])
    end = start + len(_SITE_COLUMNS)
    if tuple(lines[start:end]) != _SITE_COLUMNS:
        return []
    items = [line for line in lines[:start] if line.startswith("_")]
    loops = [line for line in items if line.startswith("_symmetry_equiv_pos_")]
    if len(loops) != 2 or not all(_ITEMS.match(line) for line in items if line not in loops):
        return []
    return [line.split() for line in lines[end:]]
