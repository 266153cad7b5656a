"""Entries of OPTIMADE as structures; for an entry that is not a structure, the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from adit.elements import ATOMIC_NUMBER
from adit.errors import DataError, one_line
from adit.known.phases import Disordered
from adit.systems import AtomicSystem, Kind

FULL: Final = 0.999
"""Occupancy from which a site counts as full."""

LARGEST: Final = 1e6
"""Largest absolute value of a coordinate or of a component of a lattice vector, Å."""

INCOMPLETE: Final = frozenset({"implicit_atoms", "site_attachments", "assemblies"})
"""Structure features of entries whose sites are not all atoms of the structure."""


class EntryError(DataError):
    """An entry of a provider is not a structure, or not one that was asked for."""


def read_entry(entry: Any, atoms: int) -> tuple[AtomicSystem | Disordered | None, str]:
    """Return the structure of an entry, and its reduced formula as the provider states it (empty if it does not).

    Args:
        entry: an item of the list ``data`` of an answer.
        atoms: largest number of sites.

    Returns:
        ``None`` instead of a structure if the entry is not periodic in three directions.

    Raises:
        EntryError: the entry is not a structure; the message is to be put after "entry ID".

    Source: OPTIMADE specification 1.2, structures entries.
    """
    attributes = entry.get("attributes") if isinstance(entry, dict) else None
    if not isinstance(attributes, dict) or not isinstance(entry.get("id"), str | int):
        raise EntryError("has no id or no attributes")
    formula = attributes.get("chemical_formula_reduced")
    formula = formula if isinstance(formula, str) else ""
    if attributes.get("dimension_types") not in (None, [1, 1, 1]):
        return None, formula
    features = attributes.get("structure_features")
    if isinstance(features, list) and (left_out := sorted(INCOMPLETE & {each for each in features if _text(each)})):
        raise EntryError(f"does not give all sites ({', '.join(left_out)})")
    names = attributes.get("species_at_sites")
    if not isinstance(names, list) or not names:
        raise EntryError("has no sites")
    if len(names) > atoms:
        raise EntryError(f"has {len(names):,} sites, more than {atoms:,} (limits.atoms)")
    cell = _numbers(attributes.get("lattice_vectors"), 3, "lattice")
    positions = _numbers(attributes.get("cartesian_site_positions"), len(names), "positions")
    occupancies = _occupancies(names, attributes.get("species"))
    if abs(np.linalg.det(cell)) < 1e-3:
        raise EntryError("has a flat cell")
    numbers = [ATOMIC_NUMBER[next(iter(site))] if _is_full(site) else 0 for site in occupancies]
    if not all(numbers):
        return Disordered(cell.tolist(), positions.tolist(), occupancies), formula
    try:
        return AtomicSystem(str(entry["id"]), Kind.CRYSTAL, np.array(numbers), positions, cell), formula
    except DataError as error:
        raise EntryError(f"is no crystal: {error}") from None


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _numbers(value: Any, rows: int, what: str) -> np.ndarray:
    """Return (rows, 3) finite numbers."""
    try:
        numbers = np.array(value, dtype=float)
    except (TypeError, ValueError, OverflowError):
        numbers = np.empty(0)
    if numbers.shape != (rows, 3) or not np.isfinite(numbers).all() or np.abs(numbers).max() > LARGEST:
        raise EntryError(f"has no {what} of {rows} × 3 finite numbers below {LARGEST:g} Å")
    return numbers


def _occupancies(names: Sequence[Any], species: Any) -> list[dict[str, float]]:
    """Return the amount of each element on each site; a species that is not described is an element."""
    described: dict[str, dict[str, float]] = {}
    for one in species if isinstance(species, list) else ():
        if isinstance(one, dict) and _text(one.get("name")):
            described[one["name"]] = _amounts(one)
    sites = []
    for name in names:
        if not _text(name) or (name not in described and name not in ATOMIC_NUMBER):
            raise EntryError(f"has the species '{one_line(str(name), 20)}', which is not described")
        site = described.get(name) or {name: 1.0}
        if site is not described.get(name) and name not in ATOMIC_NUMBER:
            raise EntryError(f"has the species '{one_line(str(name), 20)}' without an element")
        sites.append(site)
    return sites


def _amounts(species: Mapping[str, Any]) -> dict[str, float]:
    symbols, amounts = species.get("chemical_symbols"), species.get("concentration")
    if not isinstance(symbols, list) or not symbols or not all(map(_text, symbols)):
        raise EntryError("has a species without elements")
    if amounts is None and len(symbols) == 1:
        amounts = [1.0]
    if not isinstance(amounts, list) or len(amounts) != len(symbols):
        raise EntryError("has a species without concentrations")
    site: dict[str, float] = {}
    for symbol, amount in zip(symbols, amounts, strict=True):
        if symbol != "vacancy" and symbol not in ATOMIC_NUMBER:
            raise EntryError(f"has the element '{one_line(symbol, 20)}', which is not an element")
        if isinstance(amount, bool) or not isinstance(amount, int | float) or not 0 <= amount <= 1.001:
            raise EntryError("has a concentration that is not between 0 and 1")
        if symbol != "vacancy" and amount > 0:
            site[symbol] = site.get(symbol, 0.0) + float(amount)
    if not site or sum(site.values()) > 1.01:
        raise EntryError("has a species without elements, or with more than one atom on a site")
    return site


def _is_full(site: Mapping[str, float]) -> bool:
    return len(site) == 1 and next(iter(site.values())) >= FULL
