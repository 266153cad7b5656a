"""Energies in other people's files: total and per atom are compared, and units other than eV are refused."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from adit.columns import Col
from adit.readers.formats.labels import label_of

TOLERANCE: Final = 1e-3
"""Largest difference of the two energies of one structure that is no contradiction, eV/atom."""

NO_ENERGY: Final = "no energy"
"""Reason of a structure without an energy in its file."""

_UNITS: Final = ("energy_unit", "energy_units", "energyunit", "energyunits", "unit_energy", "units_energy")
_UNITS_PER_ATOM: Final = ("energy_per_atom_unit", "energy_per_atom_units")
_GENERAL: Final = ("unit", "units")
"""Keys of a unit that may be that of lengths: only units of energy alone count."""

_PER_ATOM: Final = r"\s*(?:(?:/|_?per_?|\s|_)\s*atoms?|\s*[*·]?\s*atom\^?-1)"
_EV: Final = re.compile(rf"(?:ev|electron[ _]?volts?)(?P<atom>{_PER_ATOM})?", re.IGNORECASE)
_OTHER: Final = re.compile(
    r"(?:[km]?j|k?cal|m?e?h|m?ha|m?hartrees?|m?ry|m?rydbergs?|[mk]ev|cm\^?-1|kelvin)"
    rf"(?:\s*(?:/|_?per_?|\s|_)\s*mol(?:e|es)?|\s*mol\^?-1|{_PER_ATOM})?",
    re.IGNORECASE,
)
"""Units of energy other than eV."""

_NAMED: Final = re.compile(
    r"(?:total_?|potential_?|free_?)?energy(?:_per_atom)?\s*[_ (\[/]\s*(?P<unit>.+?)[)\]]?\s*", re.IGNORECASE
)
"""Name of a column of energies with its unit."""


def energy_of(properties: Mapping[str, Any], n_atoms: int) -> tuple[float, str]:
    """Return the energy of a structure, eV/atom, and an empty text; or NaN and the reason why there is none.

    Args:
        properties: columns, keys or data fields: ``energy_per_atom`` (eV/atom) or ``energy`` (eV), and their units.
        n_atoms: number of its atoms.
    """
    per_atom, total = _given(properties)
    if math.isnan(per_atom) and math.isnan(total):
        others = other_units(properties)
        return math.nan, f"no energy in eV: {others}" if others else NO_ENERGY
    if problem := energy_problem(properties, n_atoms):
        return math.nan, problem
    return (total / n_atoms if math.isnan(per_atom) else per_atom), ""


def energy_problem(properties: Mapping[str, Any], n_atoms: int | None) -> str:
    """Return why the energies of a structure are refused: their unit, or a contradiction; empty if they are not.

    Args:
        properties: columns, keys or data fields.
        n_atoms: number of its atoms; ``None``: not known, and total energies are not compared.
    """
    per_atom, total = _given(properties)
    if problem := _unit_problem(properties, total=math.isnan(per_atom)):
        return problem
    if not n_atoms or math.isnan(per_atom) or math.isnan(total) or abs(per_atom - total / n_atoms) <= TOLERANCE:
        return ""
    return (
        f"{Col.ENERGY} ({total:g} eV, {n_atoms} atoms: {total / n_atoms:g} eV/atom) and {Col.ENERGY_PER_ATOM} "
        f"({per_atom:g} eV/atom) contradict each other"
    )


def other_units(names: Iterable[str]) -> str:
    """Return a text that names the columns of energies in units other than eV, by their names; empty if none is."""
    matches = {str(name): _NAMED.fullmatch(str(name)) for name in names}
    units = {name: match["unit"] for name, match in matches.items() if match and _OTHER.fullmatch(match["unit"])}
    named = ", ".join(f"'{name}' is in {unit}" for name, unit in units.items())
    return f"{named}; convert it to {Col.ENERGY} in eV or {Col.ENERGY_PER_ATOM} in eV/atom" if units else ""


def _given(properties: Mapping[str, Any]) -> tuple[float, float]:
    """Return ``energy_per_atom`` and ``energy`` as given; NaN for what is missing or no number."""
    per_atom, total = (label_of(properties.get(name)) for name in (Col.ENERGY_PER_ATOM, Col.ENERGY))
    return _number(per_atom), _number(total)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else math.nan


def _unit_problem(properties: Mapping[str, Any], *, total: bool) -> str:
    """Return why the unit beside an energy is not the one that is read; empty if it is, or none is given.

    Args:
        properties: columns, keys or data fields.
        total: whether the energy is ``energy`` (eV) rather than ``energy_per_atom`` (eV/atom, also said as eV).
    """
    column, wanted = (Col.ENERGY, "eV") if total else (Col.ENERGY_PER_ATOM, "eV/atom")
    keys = (*_UNITS, *_GENERAL) if total else (*_UNITS, *_UNITS_PER_ATOM, *_GENERAL)
    for name, value in properties.items():
        unit = str(value).strip().strip("()[]")
        if str(name).lower() not in keys or label_of(value) is None:
            continue
        if str(name).lower() in _GENERAL and not (_OTHER.fullmatch(unit) or _EV.fullmatch(unit)):
            continue
        ev = _EV.fullmatch(unit)
        if ev is None or (total and ev["atom"]):
            return f"{name} is {unit[:40]}, and {column} is read in {wanted}: convert it"
    return ""
