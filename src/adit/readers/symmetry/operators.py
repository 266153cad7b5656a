"""Symmetry operators as in CIFs, e.g. ``-x+1/2, y, z``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np

from adit.errors import DataError
from adit.readers.symmetry.hall import Operators

_TERM: Final = re.compile(r"([+-]?)(?:(\d+(?:\.\d*)?|\.\d+)(?:/(\d+))?\*?)?([xyz]?)")
_SNAP: Final = 2e-3
"""A translation this close to a 24th is rounded to it: 0.333 means 1/3."""


@lru_cache(maxsize=4096)
def parse_operator(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Return rotation (3, 3) and translation (3,), in fractions of the cell, of an operator.

    Args:
        text: three expressions in x, y and z, separated by commas; a fourth one (time reversal) is left out.

    Raises:
        DataError: the text is not an operator.
    """
    parts = text.lower().replace(" ", "").replace("'", "").replace('"', "").split(",")
    if len(parts) not in (3, 4):
        raise DataError(f"'{text}' is not a symmetry operator")
    rotation, translation = np.zeros((3, 3)), np.zeros(3)
    for row, part in enumerate(parts[:3]):
        if not part:
            raise DataError(f"'{text}' is not a symmetry operator")
        _add_expression(part, rotation[row], translation, row, text)
    if abs(abs(np.linalg.det(rotation)) - 1) > 1e-6:
        raise DataError(f"'{text}' is not a symmetry operator: it changes the volume")
    snapped = np.rint(translation * 24) / 24
    translation = np.where(np.abs(translation - snapped) < _SNAP, snapped, translation)
    rotation.setflags(write=False)
    translation.setflags(write=False)
    return rotation, translation


def _add_expression(part: str, row: np.ndarray, translation: np.ndarray, number: int, text: str) -> None:
    place = 0
    while place < len(part):
        term = _TERM.match(part, place)
        if term is None or term.end() == place or not (term[2] or term[4]):
            raise DataError(f"'{text}' is not a symmetry operator")
        if term[3] is not None and int(term[3]) == 0:
            raise DataError(f"'{text}' is not a symmetry operator: it divides by zero")
        value = float(term[2] or 1) / float(term[3] or 1)
        value = -value if term[1] == "-" else value
        if term[4]:
            row["xyz".index(term[4])] += value
        else:
            translation[number] += value
        place = term.end()


def parse_operators(texts: Sequence[str]) -> Operators:
    """Return rotations (n, 3, 3) and translations (n, 3), in fractions of the cell, of operators, each once.

    Raises:
        DataError: a text is not an operator.
    """
    parsed = [parse_operator(text) for text in texts]
    different = {(r.tobytes(), np.rint((t % 1.0) * 1e6).tobytes()): (r, t) for r, t in parsed}
    return (
        np.array([rotation for rotation, _ in different.values()]),
        np.array([translation for _, translation in different.values()]),
    )


def is_group(operators: Operators) -> bool:
    """Return whether operators hold the identity and all their products, up to translations of the lattice.

    Operators whose rotations are not integers, or whose translations are not 24ths, are taken as a group unchecked.
    """
    rotations, translations = (np.asarray(each, dtype=float) for each in operators)
    whole, shifts = np.rint(rotations).astype(np.int64), np.rint(translations * 24).astype(np.int64)
    if np.abs(whole - rotations).max() > 1e-9 or np.abs(shifts - translations * 24).max() > 1e-6:
        return True
    products = np.einsum("aij,bjk->abik", whole, whole).reshape(-1, 3, 3)
    moved = (np.einsum("aij,bj->abi", whole, shifts) + shifts[:, None]).reshape(-1, 3)
    keys = _keys(whole, shifts)
    identity = _keys(np.eye(3, dtype=np.int64)[None], np.zeros((1, 3), dtype=np.int64))
    return bool(np.isin(identity, keys).all() and np.isin(_keys(products, moved), keys).all())


def _keys(rotations: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Return a number (n,) for each operator: of rotations (n, 3, 3) and translations (n, 3) in 24ths."""
    digits = rotations.reshape(-1, 9).clip(-3, 3) + 3
    turned = digits @ (7 ** np.arange(9, dtype=np.int64))
    keys: np.ndarray = turned * 24**3 + (shifts % 24) @ (24 ** np.arange(3, dtype=np.int64))
    return keys
