"""Whether operators, Hall symbol, Hermann-Mauguin symbol and number of a CIF name the same space group."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np

from adit.errors import DataError
from adit.readers.symmetry.hall import Operators, hall_operators, operator_key
from adit.readers.symmetry.operators import parse_operators
from adit.readers.symmetry.spacegroups import Setting, settings_of_number, settings_of_symbol

_GRID: Final = 24
"""Origins are compared at fractions of the cell with this denominator, as are translations."""


def hall_agreement(hall: str, name: str, number: str, candidates: Sequence[Setting]) -> tuple[Operators | None, str]:
    """Return the operators of a Hall symbol beside other symbols, and a note.

    Args:
        hall: the Hall symbol.
        name: Hermann-Mauguin symbol; empty if there is none.
        number: number of the space group; empty if there is none.
        candidates: settings that name and number may mean.

    Returns:
        The operators, ``None`` if the Hall symbol is invalid and another symbol names the group; and the note, empty if
        all agree.

    Raises:
        DataError: the symbols belong to different groups or settings, or the only symbol is invalid.
    """
    label = f"'{name}'" if name else f"number {number}"
    try:
        operators = hall_operators(hall)
    except DataError:
        if candidates:
            return None, f"Hall symbol '{hall}' is not valid: space group {label} is used"
        raise
    if any(operator_key(each.operators) == operator_key(operators) for each in candidates):
        return operators, ""
    own = _number_of(operators)
    stated = {each.number for each in candidates} or ({int(number)} if number else set())
    if own and stated and own not in stated:
        raise DataError(f"Hall symbol '{hall}' (space group {own}) and space group {label} are different groups")
    if not candidates and name:
        return operators, f"space group {label} is not in the table of settings: Hall symbol '{hall}' is used"
    if not name:
        return operators, ""
    if ":" in name or all(len(each.operators[0]) != len(operators[0]) for each in candidates):
        raise DataError(f"Hall symbol '{hall}' and space group {label} are different settings")
    if any(_is_other_origin(operators, each.operators) for each in candidates):
        return operators, ""
    return operators, f"contradiction: Hall symbol '{hall}' is another setting than space group {label}, and is used"


@lru_cache(maxsize=512)
def disagreement(texts: tuple[str, ...], hall: str, name: str, number: str) -> str:
    """Return how written operators contradict the symbols beside them; empty if they do not.

    Args:
        texts: the operators as written; they form a group.
        hall: Hall symbol; symbols that are not valid are ignored.
        name: Hermann-Mauguin symbol.
        number: number of the space group.
    """
    operators = parse_operators(texts)
    symbols = {f"'{name}'": settings_of_symbol(name) if name else [], f"number {number}": _of_number(number)}
    groups: dict[str, set[int]] = {}
    for label, candidates in symbols.items():
        counts = sorted({len(each.operators[0]) for each in candidates})
        if counts and len(operators[0]) not in counts:
            of_group = " or ".join(map(str, counts))
            return f"{len(operators[0])} symmetry operators, space group {label} has {of_group}"
        if candidates:
            groups[label] = {each.number for each in candidates}
    if hall and (of_hall := _number_of_hall(hall)):
        groups[f"of Hall symbol '{hall}'"] = {of_hall}
    own = _number_of(operators) if groups else 0
    if not own:
        return ""
    other = next((label for label, numbers in groups.items() if own not in numbers), "")
    return f"the symmetry operators are of space group number {own}, not of space group {other}" if other else ""


def _of_number(number: str) -> list[Setting]:
    return settings_of_number(int(number)) if number else []


def _number_of(operators: Operators) -> int:
    """Return the number of the space group of operators in any setting; 0 if spglib finds none."""
    import spglib

    kind = spglib.get_spacegroup_type_from_symmetry(*operators)
    return 0 if kind is None else int(kind.number)


def _number_of_hall(hall: str) -> int:
    """Return the number of the space group of a Hall symbol; 0 if it is not valid."""
    try:
        return _number_of(hall_operators(hall))
    except DataError:
        return 0


def _is_other_origin(one: Operators, other: Operators) -> bool:
    """Return whether two groups are equal but for the origin: w' = w + (1 - W) v for one shift v."""
    translations: dict[bytes, list[np.ndarray]] = {}
    for rotation, translation in zip(*other, strict=True):
        translations.setdefault(_bytes(rotation), []).append(_in_grid(translation))
    shifts = np.stack(np.meshgrid(*[np.arange(_GRID)] * 3), axis=-1).reshape(-1, 3)
    for rotation, translation in zip(*one, strict=True):
        allowed = translations.get(_bytes(rotation))
        if allowed is None or len(one[0]) != len(other[0]):
            return False
        moved = (_in_grid(translation) + shifts @ (np.eye(3, dtype=int) - np.rint(rotation).astype(int)).T) % _GRID
        shifts = shifts[(moved[:, None] == np.array(allowed)).all(axis=-1).any(axis=-1)]
    return len(shifts) > 0


def _bytes(rotation: np.ndarray) -> bytes:
    return np.rint(rotation).astype(np.int8).tobytes()


def _in_grid(translation: np.ndarray) -> np.ndarray:
    return np.rint(np.asarray(translation) * _GRID).astype(int) % _GRID
