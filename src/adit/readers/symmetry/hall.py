"""Hall symbols: the operators of a space group in the setting of the symbol.

Source: S. R. Hall, Acta Cryst. A 37, 517 (1981); International Tables B (2001), appendix A1.4.2.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import cache
from typing import Final

import numpy as np

from adit.errors import DataError

Operators = tuple[np.ndarray, np.ndarray]
"""Rotations (n, 3, 3), integers, and translations (n, 3) in fractions of the cell: x' = R x + t."""

_CENTRINGS: Final[dict[str, tuple[tuple[int, int, int], ...]]] = {
    "P": (),
    "A": ((0, 12, 12),),
    "B": ((12, 0, 12),),
    "C": ((12, 12, 0),),
    "I": ((12, 12, 12),),
    "R": ((16, 8, 8), (8, 16, 16)),
    "H": ((16, 8, 0), (8, 16, 0)),
    "F": ((0, 12, 12), (12, 0, 12), (12, 12, 0)),
}
"""Centring translations in 24ths."""

_TRANSLATIONS: Final = {
    "a": (12, 0, 0),
    "b": (0, 12, 0),
    "c": (0, 0, 12),
    "n": (12, 12, 12),
    "u": (6, 0, 0),
    "v": (0, 6, 0),
    "w": (0, 0, 6),
    "d": (6, 6, 6),
}
"""In 24ths."""

_ABOUT_Z: Final = {
    1: ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    2: ((-1, 0, 0), (0, -1, 0), (0, 0, 1)),
    3: ((0, -1, 0), (1, -1, 0), (0, 0, 1)),
    4: ((0, -1, 0), (1, 0, 0), (0, 0, 1)),
    6: ((1, -1, 0), (1, 0, 0), (0, 0, 1)),
}
_TWOFOLD_PRIME: Final = ((0, -1, 0), (-1, 0, 0), (0, 0, -1))
_TWOFOLD_SECOND: Final = ((0, 1, 0), (1, 0, 0), (0, 0, -1))
_THREEFOLD_DIAGONAL: Final = ((0, 0, 1), (1, 0, 0), (0, 1, 0))
_CYCLE: Final = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]])
"""Permutes the axes x → y → z → x."""

_GENERATOR: Final = re.compile(r"(-?)([12346])([xyz'\"*=]?)([1-5]?)([abcnuvwd]*)")
_LARGEST_ORDER: Final = 192
_Integers = tuple[tuple[int, ...], ...]
_Operator = tuple[_Integers, tuple[int, int, int]]


@cache
def hall_operators(symbol: str) -> Operators:
    """Return the operators that a Hall symbol generates, the identity first.

    Args:
        symbol: e.g. ``-F 4vw 2vw 3``; underscores count as spaces.

    Raises:
        DataError: the symbol is not a Hall symbol.
    """
    text = re.sub(r"[\s_]+", " ", symbol).strip()
    text, _, change = text.partition("(")
    words = text.split()
    lattice = re.fullmatch(r"(-?)([PABCIRHF])", words[0].upper()) if words else None
    if lattice is None or len(words) > 5:
        raise DataError(f"'{symbol}' is not a Hall symbol")
    generators = [_operator(np.eye(3, dtype=int), shift) for shift in _CENTRINGS[lattice[2]]]
    if lattice[1]:
        generators.append(_operator(-np.eye(3, dtype=int), (0, 0, 0)))
    orders: list[int] = []
    axes: list[str] = []
    generators += [_generator(word, orders, axes, symbol) for word in words[1:]]
    if change:
        generators = [_changed(each, change.rstrip(") "), symbol) for each in generators]
    return _as_arrays(_closed(generators, symbol))


def _generator(word: str, orders: list[int], axes: list[str], symbol: str) -> _Operator:
    """Return the operator of one word, and append its order and axis, which later words use."""
    parts = _GENERATOR.fullmatch(word.lower())
    if parts is None:
        raise DataError(f"'{symbol}' is not a Hall symbol: '{word}' is not read")
    sign, order, axis, screw, letters = parts[1], int(parts[2]), parts[3], parts[4], parts[5]
    axis = axis or _implied_axis(order, orders, axes)
    previous = next((each for each in reversed(axes) if each in "xyz"), "z")
    rotation = _rotation(order, axis, previous, symbol)
    shift = np.zeros(3, dtype=int)
    if screw:
        if axis not in "xyz":
            raise DataError(f"'{symbol}' is not a Hall symbol: '{word}' has a screw along a diagonal")
        shift["xyz".index(axis)] += 24 * int(screw) // order
    for letter in letters:
        shift += np.array(_TRANSLATIONS[letter])
    orders.append(order)
    axes.append(axis)
    return _operator(-rotation if sign else rotation, shift)


def _implied_axis(order: int, orders: list[int], axes: list[str]) -> str:
    if not orders:
        return "z"
    if len(orders) == 1 and order == 2:
        return "x" if orders[0] in (2, 4) else "'" if orders[0] in (3, 6) else "z"
    return "*" if order == 3 else "z"


def _rotation(order: int, axis: str, previous: str, symbol: str) -> np.ndarray:
    """Return a rotation matrix; ``previous`` is the axis to which ``'`` and ``"`` are perpendicular."""
    if axis == "*":
        if order != 3:
            raise DataError(f"'{symbol}' is not a Hall symbol: only 3 lies along *")
        return np.array(_THREEFOLD_DIAGONAL)
    if axis in "'\"=":
        if order != 2:
            raise DataError(f"'{symbol}' is not a Hall symbol: only 2 lies along {axis}")
        base, along = np.array(_TWOFOLD_PRIME if axis == "'" else _TWOFOLD_SECOND), previous
    else:
        base, along = np.array(_ABOUT_Z[order]), axis
    for _ in range({"z": 0, "x": 1, "y": 2}[along]):
        base = _CYCLE @ base @ _CYCLE.T
    return base


def _changed(operator: _Operator, change: str, symbol: str) -> _Operator:
    """Return an operator in the basis given in brackets: a shift in 12ths, or three expressions in x, y, z."""
    if "," in change:
        from adit.readers.symmetry.operators import parse_operator

        matrix, shift = parse_operator(change)
    else:
        values = change.split()
        if len(values) != 3 or not all(re.fullmatch(r"-?\d+", value) for value in values):
            raise DataError(f"'{symbol}' is not a Hall symbol: ({change}) is not read")
        matrix, shift = np.eye(3), np.array([int(value) / 12 for value in values])
    rotation, translation = np.array(operator[0]), np.array(operator[1]) / 24
    inverse = np.linalg.inv(matrix)
    rotated = matrix @ rotation @ inverse
    moved = matrix @ translation + shift - rotated @ shift
    if np.abs(rotated - np.rint(rotated)).max() > 1e-6 or np.abs(moved * 24 - np.rint(moved * 24)).max() > 1e-6:
        raise DataError(f"'{symbol}': the change of basis ({change}) gives no whole numbers")
    return _operator(np.rint(rotated).astype(int), np.rint(moved * 24).astype(int))


def _operator(rotation: np.ndarray, shift: object) -> _Operator:
    """Return an operator as a hashable key: integers, with the translation in 24ths within the cell."""
    x, y, z = (int(value) % 24 for value in np.asarray(shift))
    return tuple(tuple(int(value) for value in row) for row in rotation), (x, y, z)


def _closed(generators: list[_Operator], symbol: str) -> list[_Operator]:
    """Return the group that operators generate.

    Raises:
        DataError: it has more operators than any space group has.
    """
    identity = _operator(np.eye(3, dtype=int), (0, 0, 0))
    members = [identity]
    seen = {identity}
    for member, generator in ((m, g) for m in members for g in generators):
        new = _product(generator, member)
        if new not in seen:
            seen.add(new)
            members.append(new)
        if len(members) > _LARGEST_ORDER:
            raise DataError(f"'{symbol}' is not a Hall symbol: its operators form no group")
    return members


def _product(second: _Operator, first: _Operator) -> _Operator:
    rotation = np.array(second[0])
    return _operator(rotation @ np.array(first[0]), rotation @ np.array(first[1]) + np.array(second[1]))


def _as_arrays(members: list[_Operator]) -> Operators:
    rotations = np.array([rotation for rotation, _ in members])
    translations = np.array([[float(Fraction(value, 24)) for value in shift] for _, shift in members])
    for array in (rotations, translations):
        array.setflags(write=False)
    return rotations, translations


def operator_key(operators: Operators) -> frozenset[tuple[int, ...]]:
    """Return a key that is equal for equal sets of operators: rotations and translations in 24ths."""
    rotations, translations = operators
    shifts = np.rint(np.asarray(translations) * 24).astype(int) % 24
    return frozenset(
        (*(int(v) for v in rotation.ravel()), *(int(v) for v in shift))
        for rotation, shift in zip(np.asarray(rotations), shifts, strict=True)
    )
