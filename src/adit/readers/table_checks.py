"""A structure compared with the columns, keys or data fields beside it: number of atoms and formula."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from adit.elements import ATOMIC_NUMBER, composition
from adit.errors import DataError
from adit.readers.formats.pymatgen_json import loads
from adit.readers.formulas import parse_formula
from adit.systems import AtomicSystem

_COUNTS: Final = ("nsites", "n_atoms", "num_atoms", "natoms")
"""Columns with the number of atoms of a structure."""

_FORMULAS: Final = (
    *("formula", "composition", "chemical_formula", "molecular_formula", "formula_sum", "chemical_formula_sum"),
    *("formula_pretty", "pretty_formula", "full_formula", "formula_reduced", "reduced_formula", "hill_formula"),
)
"""Columns with the formula of a structure, reduced or not."""

_EXACT, _ROUNDED = 1e-3, 2e-2
"""Relative differences of amounts that are no contradiction: of whole amounts, and of decimal ones."""


def table_contradictions(properties: Mapping[str, Any], system: AtomicSystem) -> list[str]:
    """Return the contradictions between a structure and the values beside it, one line each.

    Args:
        properties: columns, keys or data fields of the structure.
        system: the structure.
    """
    reasons = []
    for name, value in properties.items():
        if name.lower() in _COUNTS:
            reasons.append(_of_count(name, value, len(system)))
        elif name.lower() in _FORMULAS:
            reasons.append(_of_formula(name, value, system))
    return [reason for reason in reasons if reason]


def _of_count(name: str, value: Any, n_atoms: int) -> str:
    try:
        stated = float(value)
    except (TypeError, ValueError, OverflowError):
        return ""
    differs = stated == stated and abs(stated) != float("inf") and round(stated) != n_atoms
    return f"{n_atoms} atoms, {name} says {stated:g}" if differs else ""


def _of_formula(name: str, value: Any, system: AtomicSystem) -> str:
    """Return the contradiction of a formula; a multiple of it is none: reduced formulas and other cells are common."""
    stated = _amounts(value)
    if not stated:
        return ""
    counts = composition(system.numbers)
    if set(counts) == set(stated):
        ratios = [counts[element] / stated[element] for element in counts]
        whole = all(float(amount).is_integer() for amount in stated.values())
        larger = system.cell is None and whole and max(ratios) < 1 - _EXACT  # a molecule is no part of its formula
        if max(ratios) - min(ratios) <= (_EXACT if whole else _ROUNDED) * max(ratios) and not larger:
            return ""
    spelled = " ".join(f"{element}{count}" for element, count in counts.items())
    shown = value if isinstance(value, str) else " ".join(f"{element}{n:g}" for element, n in stated.items())
    return f"sites give {spelled}, {name} says {shown.strip()[:80]}"


def _amounts(value: Any) -> dict[str, float]:
    """Return the amounts of a formula, or of a dictionary by element; empty if it is neither.

    Elements joined by hyphens, as of a chemical system, are no formula.
    """
    try:
        value = loads(value) if isinstance(value, str) and value.lstrip().startswith("{") else value
        if isinstance(value, str):
            return {} if re.search(r"[A-Za-z\d]-[A-Z]", value) else parse_formula(value)
        if not isinstance(value, Mapping):
            return {}
        amounts = {str(each): float(n) for each, n in value.items() if n is not None and float(n) > 0}
    except (DataError, TypeError, ValueError, OverflowError):
        return {}
    return amounts if all(element in ATOMIC_NUMBER for element in amounts) else {}
