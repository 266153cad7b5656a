"""A fast reader for CIFs that pymatgen writes in P 1; other texts are read by the general reader.

Both give exactly the same structure, which ``tests/unit/readers/test_p1_cif.py`` checks.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from adit.elements import ATOMIC_NUMBER
from adit.errors import DataError
from adit.readers.formats.base import CONTRADICTION, Parsed
from adit.readers.formats.cif_checks import FAR, MIN_THICKNESS, RADIANS, formula_contradiction
from adit.systems import AtomicSystem, Kind, cell_from_parameters

_CELL: Final = tuple(f"_cell_{name}" for name in ("length_a", "length_b", "length_c")) + tuple(
    f"_cell_angle_{name}" for name in ("alpha", "beta", "gamma")
)
_NUMBER: Final = re.compile(r"[0-9.]+")
_OPERATION: Final = re.compile(r"\d+\s+'([^']*)'")
_FORMULA: Final = re.compile(r"'([^'\n]*)'|([A-Za-z0-9]+)")
_GROUPS: Final = ("'P 1'", "'P1'", "P1")
_ITEMS: Final = frozenset(
    [
        "_chemical_formula_sum",
        "_chemical_formula_structural",
        *_CELL,
        "_cell_volume",
        "_cell_formula_units_Z",
        "_symmetry_space_group_name_H-M",
        "_symmetry_Int_Tables_number",
    ]
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


def read_p1(text: str) -> Parsed | None:
    """Return the crystal of an ordered P 1 CIF in pymatgen's own layout; ``None`` for any other text."""
    layout = _layout(text)
    if layout is None:
        return None
    items, rows = layout
    if items.get("_symmetry_space_group_name_H-M", "P1") not in _GROUPS:
        return None
    if items.get("_symmetry_Int_Tables_number", "1") != "1":
        return None
    parameters = [items.get(name, "") for name in _CELL]
    if not all(map(_NUMBER.fullmatch, parameters)):
        return None
    if any(len(row) != len(_SITE_COLUMNS) or row[0] not in ATOMIC_NUMBER or row[2] != "1" for row in rows):
        return None
    try:
        values = np.array([row[3:] for row in rows], dtype=float)
        lengths_and_angles = np.array([float(value) for value in parameters])
        cell = cell_from_parameters(lengths_and_angles[:3], lengths_and_angles[3:])
    except (ValueError, DataError):
        return None
    if (values[:, 3] != 1.0).any() or not np.isfinite(values).all() or np.abs(values[:, :3]).max() > FAR:
        return None
    if lengths_and_angles[3:].max() < RADIANS:
        return None
    volume = abs(float(cell[0, 0] * cell[1, 1] * cell[2, 2]))  # a along x, b in the xy plane
    if volume < 1e-6 or _thickness(lengths_and_angles, volume) < MIN_THICKNESS:
        return None
    numbers = np.array([ATOMIC_NUMBER[row[0]] for row in rows])
    system = AtomicSystem("cif", Kind.CRYSTAL, numbers, values[:, :3] @ cell, cell)
    return Parsed(system, _contradictions(items, numbers, volume))


def _thickness(lengths_and_angles: np.ndarray, volume: float) -> float:
    """Return the smallest distance between opposite faces of a cell (lengths, Å, and angles, degrees; volume, Å³)."""
    a, b, c, *angles = lengths_and_angles.tolist()
    alpha, beta, gamma = (math.sin(math.radians(angle)) for angle in angles)
    return float(volume / max(b * c * alpha, a * c * beta, a * b * gamma))


def _contradictions(items: Mapping[str, str], numbers: np.ndarray, volume: float) -> tuple[str, ...]:
    formula = _FORMULA.fullmatch(items.get("_chemical_formula_sum", ""))
    units, stated = items.get("_cell_formula_units_Z", ""), items.get("_cell_volume", "")
    reasons = []
    if formula:
        known_units = float(units) if units.isdigit() else None
        reasons.append(formula_contradiction(formula[1] or formula[2], known_units, numbers))
    if _NUMBER.fullmatch(stated):
        value = _float(stated)
        if value and abs(volume - value) > _VOLUME_TOLERANCE * value:
            reasons.append(f"cell volume is {volume:.2f} Å³, {value:g} in the file")
    return tuple(f"{CONTRADICTION}{each}" for each in reasons if each)


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _layout(text: str) -> tuple[dict[str, str], list[list[str]]] | None:
    """Return the items outside loops and the rows of the atom sites; ``None`` if it is not pymatgen's layout."""
    lines = [line.strip() for line in text.strip().splitlines()]
    if _SITE_COLUMNS[0] not in lines:
        return None
    start = lines.index(_SITE_COLUMNS[0])
    end = start + len(_SITE_COLUMNS)
    if tuple(lines[start:end]) != _SITE_COLUMNS:
        return None
    head = _head(lines[:start])
    if head is None:
        return None
    rows = [line.split() for line in lines[end:]]
    return (head, rows) if rows else None


def _head(lines: Sequence[str]) -> dict[str, str] | None:
    """Return the items before the sites; ``None`` if there is anything else than these and the one operator of P 1."""
    items: dict[str, str] = {}
    operations: list[str] = []
    loops, waiting = 0, ""
    for line in lines:
        if waiting:  # a long value stands in the next line
            items[waiting], waiting = line, ""
        elif line.startswith("_symmetry_equiv_pos_"):
            loops += 1
        elif line.startswith("_"):
            name, _, value = line.partition(" ")
            if name not in _ITEMS or name in items:
                return None
            items[name] = value.strip()
            waiting = "" if items[name] else name
        elif operation := _OPERATION.fullmatch(line):
            operations.append(operation[1])
        elif line and not line.startswith(("#", "data_", "loop_")):
            return None
    return items if loops == 2 and operations == ["x, y, z"] else None
