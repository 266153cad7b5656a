"""The symmetry of a CIF: its operators, however they are given, and the orbit of a site."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np

from adit.errors import DataError
from adit.readers.symmetry.agreement import disagreement, hall_agreement
from adit.readers.symmetry.hall import Operators
from adit.readers.symmetry.operators import is_group, parse_operators
from adit.readers.symmetry.spacegroups import Setting, choose, fits_cell, settings_of_number, settings_of_symbol

MERGE_DISTANCE: Final = 0.2
"""Symmetry copies of one site closer than this are one site, Å."""

_OPERATORS: Final = ("_symmetry_equiv_pos_as_xyz", "_space_group_symop_operation_xyz")
_MAGNETIC: Final = ("_space_group_symop_magn_operation_xyz", "_space_group_symop_magn_centering_xyz")
_HALL: Final = ("_space_group_name_hall", "_symmetry_space_group_name_hall")
_NAMES: Final = (
    "_space_group_name_h-m_full",
    "_symmetry_space_group_name_h-m",
    "_space_group_name_h-m_alt",
    "_space_group_name_h-m_ref",
    "_space_group_name_h-m",
    "_symmetry_space_group_name_h_m",
)
_NUMBERS: Final = ("_space_group_it_number", "_symmetry_int_tables_number")
_LOOSE: Final = 0.02
"""Relative difference of metric tensors above which a cell does not have the symmetry of its operators."""

_EXACT: Final = 1e-3
"""Copies closer than this differ by rounding and need no note, Å."""


@dataclass(frozen=True)
class Symmetry:
    """Operators and notes about them.

    Attributes:
        operators: rotations (n, 3, 3) and translations (n, 3), in fractions of the cell.
        notes: notes for the row.
    """

    operators: Operators
    notes: tuple[str, ...] = ()


def _text(data: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """Return the first value of some items that is not empty."""
    for name in names:
        value = data.get(name)
        value = value[0] if isinstance(value, list) and value else value
        if isinstance(value, str) and value.strip() not in ("", "?", "."):
            return value.strip()
    return ""


def _texts(data: Mapping[str, Any], names: tuple[str, ...]) -> list[str]:
    for name in names:
        value = data.get(name) or data.get(f"{name}_")
        values = [value] if isinstance(value, str) else value or []
        given = [each.strip() for each in values if each.strip() not in ("", "?", ".")]
        if given:
            return given
    return []


def symmetry_of(data: Mapping[str, Any], cell: np.ndarray) -> Symmetry:
    """Return the operators of a CIF block: as written, else from the Hall symbol, else from the H-M symbol.

    Args:
        data: items by name in lower case.
        cell: (3, 3), Å.

    Raises:
        DataError: the symmetry is invalid, contradicts itself, or is ambiguous.
    """
    if magnetic := _texts(data, _MAGNETIC[:1]):
        return Symmetry(_with_centring(magnetic, _texts(data, _MAGNETIC[1:])))
    hall, name, number = _text(data, _HALL), _text(data, _NAMES), _text(data, _NUMBERS)
    number = number if re.fullmatch(r"\d+", number) and 1 <= int(number) <= 230 else ""
    if written := tuple(_texts(data, _OPERATORS)):
        operators = group_of(written)
        against = disagreement(written, hall, name, number)
        return Symmetry(operators, (*_cell_note(operators, cell), *([f"contradiction: {against}"] if against else [])))
    if not (hall or name or number):
        return Symmetry(parse_operators(["x,y,z"]), ("no symmetry in the file: read as P 1",))
    candidates = _candidates(name, number)
    of_hall, note = hall_agreement(hall, name, number, candidates) if hall else (None, "")
    label = f"'{name}'" if name else f"number {number}"
    label += f" (beside Hall symbol '{hall}', which is not valid)" if hall and of_hall is None else ""
    operators = choose(candidates, cell, label).operators if of_hall is None else of_hall
    return Symmetry(operators, (*([note] if note else []), *_cell_note(operators, cell)))


@lru_cache(maxsize=512)
def group_of(texts: tuple[str, ...]) -> Operators:
    """Return the operators of texts such as ``-x+1/2, y, z``, which must form a group.

    Raises:
        DataError: a text is not an operator, or operators of the group are missing.
    """
    operators = parse_operators(texts)
    if not is_group(operators):
        raise DataError(f"the {len(texts)} symmetry operators form no group: some are missing; write all of them")
    return operators


def _candidates(name: str, number: str) -> list[Setting]:
    if not name:
        return settings_of_number(int(number)) if number else []
    named = settings_of_symbol(name)
    if not number:
        return named
    agreeing = [setting for setting in named if setting.number == int(number)]
    if named and not agreeing:
        raise DataError(f"space group '{name}' is not number {number}: the file contradicts itself")
    return agreeing


def _with_centring(operations: list[str], centring: list[str]) -> Operators:
    """Return the operators of a magnetic CIF without their time reversal."""
    rotations, translations = parse_operators([_spatial(text) for text in operations])
    shifts = parse_operators([_spatial(text) for text in centring])[1] if centring else np.zeros((1, 3))
    operations_of = {
        (r.tobytes(), np.rint(((t + s) % 1.0) * 1e6).tobytes()): (r, (t + s) % 1.0)
        for r, t in zip(rotations, translations, strict=True)
        for s in shifts
    }
    return np.array([r for r, _ in operations_of.values()]), np.array([t for _, t in operations_of.values()])


def _spatial(text: str) -> str:
    return ",".join(text.split(",")[:3])


def _cell_note(operators: Operators, cell: np.ndarray) -> tuple[str, ...]:
    if fits_cell(operators, cell, _LOOSE):
        return ()
    return ("contradiction: the cell does not have the symmetry of the space group",)


# --- sites ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Orbit:
    """The orbit of a site under the symmetry operators.

    Attributes:
        fractional: (m, 3), fractional coordinates of the m different copies.
        merged: number of copies merged into one site.
        spread: largest distance of a merged copy from the site, Å.
    """

    fractional: np.ndarray
    merged: int
    spread: float


def orbit(site: np.ndarray, operators: Operators, cell: np.ndarray, merge_distance: float) -> Orbit:
    """Return the orbit of a site; copies closer than a bound are merged at their mean.

    Args:
        site: (3,), fractional.
        operators: rotations (n, 3, 3) and translations (n, 3).
        cell: (3, 3), Å.
        merge_distance: the bound, Å.

    Raises:
        DataError: some distances are too near the bound to decide which copies are the same site.
    """
    rotations, translations = operators
    if len(rotations) == 1:
        return Orbit(site[None], 1, 0.0)
    site, merged, spread = _on_special_position(site, operators, cell, merge_distance)
    copies = (rotations @ site + translations) % 1.0
    bound = merge_distance if merged == 1 else max(_EXACT, min(merge_distance, 1e-2))
    places: list[np.ndarray] = []
    counts: list[int] = []
    for copy in copies:
        if places:
            distances = _distances(np.array(places) - copy, cell)
            nearest = int(distances.argmin())
            if distances[nearest] < bound:
                counts[nearest] += 1
                continue
        places.append(copy)
        counts.append(1)
    if len(set(counts)) > 1:
        raise DataError(
            f"symmetry copies of a site lie about {merge_distance:g} Å apart: whether they are one site cannot be said"
        )
    return Orbit(np.array(places) % 1.0, merged, spread)


def _on_special_position(
    site: np.ndarray, operators: Operators, cell: np.ndarray, merge_distance: float
) -> tuple[np.ndarray, int, float]:
    """Return a site moved to the mean of its near copies, their number, and their largest distance from it, Å."""
    rotations, translations = operators
    moved, merged = site, 1
    for _ in range(3):  # the copies of the mean may be closer than those of the site
        offsets = rotations @ moved + translations - moved
        offsets -= np.rint(offsets)
        near = _distances(offsets, cell) < merge_distance
        merged = int(near.sum())
        moved = moved + offsets[near].mean(axis=0)
        if np.abs(offsets[near]).max(initial=0.0) < 1e-9:
            break
    shift = float(_distances((moved - site)[None], cell)[0])
    return moved, max(1, merged), shift if merged > 1 else 0.0


def _distances(offsets: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Return the lengths (n,), Å, of the shortest images of fractional offsets (n, 3); exact for short ones."""
    wrapped = offsets - np.rint(offsets)
    lengths: np.ndarray = np.linalg.norm(wrapped @ cell, axis=-1)
    return lengths


def merge_note(label: str, orbit_: Orbit) -> str:
    """Return a note about merged copies; empty if they differed only by rounding."""
    if orbit_.merged == 1 or orbit_.spread < _EXACT:
        return ""
    return f"{orbit_.merged} symmetry copies of {label} are one site, {orbit_.spread:.3f} Å from the place in the file"
