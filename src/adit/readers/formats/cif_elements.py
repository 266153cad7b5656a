"""Elements of CIF sites: by their type symbols, else by their labels; symbols of groups and vacancies are refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from adit.elements import ATOMIC_NUMBER
from adit.errors import DataError

_GROUPS: Final = ("wat", "oh", "h2o", "oh2", "nh4", "no3", "ch3", "o-h")
"""Symbols of sites that represent several atoms."""

_NO_ATOM: Final = ("va", "vac", "vacancy", "bq", "lp", "du", "dum", "xx", "cp", "ph", "bu", "bn", "py", "cy", "uu")
"""Symbols of vacancies, ghosts, groups and unnamed elements, whose first letter is an element by chance."""


def atomic_number(symbol: str, label: str, formula: Sequence[str] = ()) -> int:
    """Return the atomic number of a site's symbol, e.g. of ``Na1+``, ``O2-``, ``CL3``, ``D``.

    Args:
        symbol: type symbol of the site, or its label if there is none.
        label: label of the site, for display.
        formula: elements of the file's formula: a label such as HO1 is hydrogen if the formula has no holmium.

    Raises:
        DataError: the symbol is not an element, or represents several atoms.
    """
    letters = re.match(r"[A-Za-z]+", symbol)
    lower = symbol.lower()
    if letters is None or any(re.fullmatch(rf"{group}\d*", lower) for group in _GROUPS):
        raise DataError(f"site {label}: '{symbol}' is not a single element")
    whole = letters[0].lower()
    if whole in _NO_ATOM or re.fullmatch(r"u[unbtqphsoe]{2}", whole):
        raise DataError(f"site {label}: '{symbol}' is not an element")
    two, one = letters[0][:2].title(), letters[0][:1].upper()
    two, one = (re.sub(r"^[DT]$", "H", each) for each in (two, one))
    if formula and two in ATOMIC_NUMBER and two not in formula and one in formula:
        two = one
    for candidate in (two, one):
        if candidate in ATOMIC_NUMBER:
            return ATOMIC_NUMBER[candidate]
    raise DataError(f"site {label}: '{symbol}' is not an element")


def guess_note(symbols: Sequence[str], numbers: Sequence[int], *, typed: bool, formula: Sequence[str]) -> str:
    """Return a note that names the sites whose element the symbol does not spell; empty if there are none.

    Args:
        symbols: type symbols, or labels if there are none.
        numbers: atomic numbers that were read.
        typed: whether these are type symbols.
        formula: elements of the file's own formula.
    """
    names = {number: name for name, number in ATOMIC_NUMBER.items()}
    guessed = [
        f"{symbol} as {names[number]}"
        for symbol, number in zip(symbols, numbers, strict=True)
        if _is_guess(re.sub(r"[^A-Za-z].*", "", symbol), names[number], typed=typed, formula=formula)
    ]
    return f"elements are not spelled out: {', '.join(dict.fromkeys(guessed))}" if guessed else ""


def _is_guess(letters: str, element: str, *, typed: bool, formula: Sequence[str]) -> bool:
    if letters.title() in (element, "D", "T"):
        both = len(letters) == 2 and letters.isupper() and letters[0] in ATOMIC_NUMBER
        return both and not typed and not formula
    return typed or not formula
