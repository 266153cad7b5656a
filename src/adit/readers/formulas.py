"""Chemical formulas in tables: read completely or refused."""

from __future__ import annotations

import re
from typing import Final

from adit.elements import ATOMIC_NUMBER, reduced_formula
from adit.errors import DataError

_SUBSCRIPTS: Final = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_DOTS: Final = "·•⋅*"
_AMOUNT: Final = re.compile(r"\d+(?:\.\d+)?")
_FULL_STOP: Final = re.compile(r"\.(?!\d)|(?<!\d)\.|\.\d+\.|\.\d*[(\[]?[HD]2O")
"""A full stop that joins two parts, or may do so: before water, or if it is not the decimal point of one number."""

_OPEN, _CLOSE = "([{", ")]}"


def parse_formula(text: str) -> dict[str, float]:
    """Return the amount of each element of a formula with brackets, subscripts, decimals, and parts after a middle dot.

    A full stop that joins parts (``NaCl.2H2O``) is refused, since it is also a decimal point. Deuterium and tritium are
    hydrogen.

    Raises:
        DataError: the text is not a formula, can be read in two ways, or has an amount that is not positive.
    """
    bare = re.sub(r"[\s_$]|(?<=[A-Za-z\d])[+-](?=[A-Z]|$)", "", text.translate(_SUBSCRIPTS))
    if not bare:
        raise DataError("formula is empty")
    if _FULL_STOP.search(bare):
        raise DataError(f"'{text}' can be read in two ways: write a middle dot (·) where a full stop joins two parts")
    amounts: dict[str, float] = {}
    for part in re.split(f"[{re.escape(_DOTS)}]", bare):
        leading = re.match(r"\d+(?=[A-Z(\[])", part)
        factor = float(leading[0]) if leading else 1.0
        counts, place = _group(part, leading.end() if leading else 0, text)
        if place != len(part) or not counts:
            raise DataError(f"'{text}' is not a formula")
        for element, amount in counts.items():
            amounts[element] = amounts.get(element, 0.0) + factor * amount
    if min(amounts.values()) <= 0:
        raise DataError(f"'{text}' has an amount that is not positive")
    return amounts


def _group(text: str, place: int, whole: str) -> tuple[dict[str, float], int]:
    """Return the amounts up to the end or a closing bracket, and its position."""
    counts: dict[str, float] = {}
    while place < len(text) and text[place] not in _CLOSE:
        if text[place] in _OPEN:
            inner, place = _group(text, place + 1, whole)
            if place >= len(text) or not inner:
                raise DataError(f"'{whole}' is not a formula: a bracket is not closed")
            place += 1
        else:
            inner, place = _element(text, place, whole)
        number, place = _amount(text, place, whole)
        for element, amount in inner.items():
            counts[element] = counts.get(element, 0.0) + number * amount
    return counts, place


def _element(text: str, place: int, whole: str) -> tuple[dict[str, float], int]:
    symbol = re.match(r"[A-Z][a-z]?", text[place:])
    if symbol is None:
        raise DataError(f"'{whole}' is not a formula: '{text[place : place + 4]}' is not an element")
    for name in (symbol[0], symbol[0][:1]):
        element = "H" if name in ("D", "T") else name
        if element in ATOMIC_NUMBER and (len(name) == 2 or len(symbol[0]) == 1):
            return {element: 1.0}, place + len(name)
    raise DataError(f"'{whole}' is not a formula: '{symbol[0]}' is not an element")


def _amount(text: str, place: int, whole: str) -> tuple[float, int]:
    number = _AMOUNT.match(text, place)
    if number is None:
        return 1.0, place
    end = number.end()
    return float(number[0]), end


def reduced_from_text(text: str) -> str | None:
    """Return the reduced formula of a text with integer amounts; ``None`` for any other."""
    try:
        amounts = parse_formula(text)
    except DataError:
        return None
    if any(abs(amount - round(amount)) > 1e-6 or amount > 100_000 for amount in amounts.values()):
        return None
    return reduced_formula([ATOMIC_NUMBER[element] for element, n in amounts.items() for _ in range(round(n))])
