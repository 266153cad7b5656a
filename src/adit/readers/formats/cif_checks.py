"""Consistency of a CIF: the structure compared with the file's formula, Z, density, volume and multiplicities."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import reduce
from math import gcd
from typing import Any, Final

import numpy as np

from adit.elements import ATOMIC_NUMBER, composition
from adit.systems import AtomicSystem

MIN_THICKNESS: Final = 0.01
"""Smallest thickness of a cell, Å; neighbours in thinner cells cannot be searched."""

RADIANS: Final = 3.2
"""If all angles of a cell are smaller, they are taken to be radians, which is an error."""

FAR: Final = 10.0
"""Coordinates beyond this are probably not fractional."""

_FORMULA_TERM: Final = re.compile(r"([A-Z][a-z]?)\s*(\d+(?:\.\d+)?)?")
_DENSITY_TOLERANCE, _VOLUME_TOLERANCE = 0.05, 0.01
"""Relative tolerances of densities (rounding, isotopes) and volumes (rounding)."""

_GRAMS_PER_CM3: Final = 1.66053906660
"""One atomic mass unit per Å³, g/cm³."""


def parse_formula_sum(text: str) -> dict[str, float] | None:
    """Return the counts of a formula sum, e.g. of ``H2 Mg O2``; ``None`` for any other text."""
    bare = re.sub(r"[\s'\"]+", " ", text).strip()
    if not bare or not re.fullmatch(r"(?:[A-Z][a-z]?\s*(?:\d+(?:\.\d+)?)?\s*)+", bare):
        return None
    counts: dict[str, float] = {}
    for element, amount in _FORMULA_TERM.findall(bare):
        element = "H" if element in ("D", "T") else element
        if element not in ATOMIC_NUMBER:
            return None
        counts[element] = counts.get(element, 0.0) + float(amount or 1)
    return counts


def contradictions(data: Mapping[str, Any], system: AtomicSystem, multiplicities: Sequence[str]) -> tuple[str, ...]:
    """Return the contradictions between a CIF block and the structure that was read from it.

    Args:
        data: items by name in lower case.
        system: the structure.
        multiplicities: sites whose number of copies differs from that in the file.
    """
    from adit.readers.formats.base import CONTRADICTION

    reasons = [
        *_of_formula(_text(data, "_chemical_formula_sum"), _number(data, "_cell_formula_units_z"), system),
        *_of_density(_number(data, "_exptl_crystal_density_diffrn"), system),
        *_of_volume(_number(data, "_cell_volume"), system),
        *([f"copies of sites: {', '.join(multiplicities[:6])} in the file"] if multiplicities else []),
    ]
    return tuple(f"{CONTRADICTION}{each}" for each in reasons)


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    return value.strip() if isinstance(value, str) and value.strip() not in ("?", ".") else ""


def _number(data: Mapping[str, Any], name: str) -> float | None:
    try:
        return float(re.sub(r"\(\d*\)", "", _text(data, name)))
    except ValueError:
        return None


def formula_contradiction(text: str, units: float | None, numbers: np.ndarray) -> str:
    """Return the contradiction between atoms and a formula sum with Z; empty if there is none.

    Args:
        text: the formula sum; any other text is ignored. It may hold the whole cell, as pymatgen writes it: Cl8 with
            Z 4 is four Cl2.
        units: formula units in the cell, or ``None``.
        numbers: (n,) atomic numbers that were read.
    """
    formula = parse_formula_sum(text)
    if formula is None:
        return ""
    counts = composition(numbers)
    if set(counts) != set(formula) or min(formula.values()) <= 0:
        return f"sites give {_spelled(counts)}, the file's formula is {text}"
    ratios = [counts[element] / formula[element] for element in counts]
    if max(ratios) - min(ratios) > 1e-3 * max(ratios):
        return f"sites give {_spelled(counts)}, the file's formula is {text}"
    whole = reduce(gcd, counts.values())
    divides = whole % units == 0 if units and abs(ratios[0] - 1.0) < 1e-3 else whole == units
    if units and abs(ratios[0] - units) > 1e-3 * units and not divides:
        return f"cell holds {ratios[0]:g} formula units of {text}, the file's Z is {units:g}"
    return ""


def _of_formula(text: str, units: float | None, system: AtomicSystem) -> list[str]:
    reason = formula_contradiction(text, units, system.numbers)
    return [reason] if reason else []


def _spelled(counts: Mapping[str, int]) -> str:
    return " ".join(f"{element}{count}" for element, count in counts.items())


def _of_density(stated: float | None, system: AtomicSystem) -> list[str]:
    if not stated or stated <= 0:
        return []
    from ase.data import atomic_masses

    density = float(np.asarray(atomic_masses)[system.numbers].sum()) / system.volume * _GRAMS_PER_CM3
    if abs(density - stated) <= _DENSITY_TOLERANCE * stated:
        return []
    return [f"density is {density:.2f} g/cm³, {stated:g} in the file"]


def _of_volume(stated: float | None, system: AtomicSystem) -> list[str]:
    if not stated or stated <= 0 or abs(system.volume - stated) <= _VOLUME_TOLERANCE * stated:
        return []
    return [f"cell volume is {system.volume:.2f} Å³, {stated:g} in the file"]
