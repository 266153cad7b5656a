"""CIF: one data block as a crystal, exactly as written, or the reason of a failure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from adit.errors import DataError
from adit.limits import check_atoms
from adit.readers.formats.base import CONTRADICTION, CutSettings, Format, Parsed, ParseSettings, Piece
from adit.readers.formats.cif_checks import FAR, MIN_THICKNESS, RADIANS, contradictions
from adit.readers.formats.cif_elements import atomic_number, guess_note
from adit.readers.formats.cif_text import read_block
from adit.readers.formats.p1_cif import read_p1
from adit.readers.formats.texts import split_cif
from adit.readers.symmetry.sites import merge_note, orbit, symmetry_of
from adit.systems import AtomicSystem, Kind, cell_from_parameters

_CELL: Final = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
_FRACTIONAL: Final = ("_atom_site_fract_x", "_atom_site_fract_y", "_atom_site_fract_z")
_NUMBER: Final = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?:\(\d*\))?\.?")
_FULL: Final = 1e-6
_SHOWN: Final = 6


@dataclass(frozen=True)
class _Site:
    label: str
    number: int
    fractional: np.ndarray
    multiplicity: int | None


def parse_cif(text: str, settings: ParseSettings | None = None) -> Parsed:
    """Return the crystal of a CIF block, as written: no reduction, no rounding of coordinates.

    Atoms have the order of the file, each site followed by its symmetry copies. In P 1, coordinates are not wrapped.

    Args:
        text: one data block.
        settings: settings of parsing.

    Raises:
        DataError: the block is not an ordered crystal, with the reason.
        LimitError: it has more atoms than ``settings.limits.atoms``.
    """
    settings = settings or ParseSettings()
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise DataError("CIF is empty")
    fast = read_p1(text)
    if fast is not None:
        return fast
    data, said = read_block(text)
    if any(name.startswith("_atom_site_cartn_") for name in data) and "_atom_site_fract_x" not in data:
        if re.search(r"^\s*_atom_site\.", text, flags=re.MULTILINE | re.IGNORECASE):
            raise DataError("is mmCIF (macromolecules), which is not read; write it as CIF")
        raise DataError("sites have Cartesian coordinates only; write fractional ones (_atom_site_fract_x, …)")
    cell = _cell(data)
    symmetry = symmetry_of(data, cell)
    sites, notes = _sites(data)
    check_atoms(len(sites), settings.limits)
    numbers: list[int] = []
    fractional: list[np.ndarray] = []
    multiplicities: list[str] = []
    for site in sites:
        copies = orbit(site.fractional, symmetry.operators, cell, settings.merge_distance)
        numbers += [site.number] * len(copies.fractional)
        check_atoms(len(numbers), settings.limits)
        fractional.append(copies.fractional)
        if note := merge_note(site.label, copies):
            notes.append(note)
        if site.multiplicity is not None and site.multiplicity != len(copies.fractional):
            multiplicities.append(f"{site.label} {len(copies.fractional)} for {site.multiplicity}")
    if len(symmetry.operators[0]) > 1:
        _refuse_listed_copies(sites, fractional, cell)
    positions = np.concatenate(fractional) @ cell
    system = AtomicSystem("cif", Kind.CRYSTAL, np.array(numbers), positions, cell)
    against = contradictions(data, system, multiplicities)
    return Parsed(system, (*said, *symmetry.notes, *notes, *against))


def _value(text: Any) -> float | None:
    """Return a number without its uncertainty; ``None`` if it is unknown or not a number."""
    match = _NUMBER.fullmatch(str(text).strip())
    return None if match is None else float(match[1])


def _cell(data: Mapping[str, Any]) -> np.ndarray:
    values = []
    for name in _CELL:
        given = data.get(f"_cell_{name}")
        if given is None:
            raise DataError(f"CIF has no cell: _cell_{name} is missing")
        value = _value(given[0] if isinstance(given, list) and given else given)
        if value is None:
            raise DataError(f"CIF has no cell: _cell_{name} is '{given}'")
        values.append(value)
    if max(values[3:]) < RADIANS:
        raise DataError(f"cell has angles of {', '.join(f'{value:g}' for value in values[3:])}: write degrees")
    cell = cell_from_parameters(np.array(values[:3]), np.array(values[3:]))
    normals = np.linalg.norm(np.linalg.inv(cell), axis=0)
    if (1 / normals).min() < MIN_THICKNESS:
        raise DataError(f"cell is only {(1 / normals).min():.2g} Å thick")
    return cell


def _column(data: Mapping[str, Any], name: str) -> list[str] | None:
    value = data.get(name)
    return [value] if isinstance(value, str) else value


def _sites(data: Mapping[str, Any]) -> tuple[list[_Site], list[str]]:
    """Return the sites, and notes about sites left out.

    Raises:
        DataError: a site has no coordinates, no element, or partial occupancy.
    """
    columns = [_column(data, name) for name in _FRACTIONAL]
    symbols, labels = _column(data, "_atom_site_type_symbol"), _column(data, "_atom_site_label")
    if symbols is None and labels is None:
        raise DataError("CIF has no atom sites (_atom_site_label)")
    if any(column is None for column in columns):
        raise DataError("sites have no fractional coordinates (_atom_site_fract_x, …)")
    count = len(symbols or labels or [])
    names = labels or [f"{symbol}{n + 1}" for n, symbol in enumerate(symbols or [])]
    occupancies = _column(data, "_atom_site_occupancy")
    flags = _column(data, "_atom_site_calc_flag")
    multiplicities = _column(data, "_atom_site_symmetry_multiplicity") or _column(
        data, "_atom_site_site_symmetry_multiplicity"
    )
    notes: list[str] = []
    kept = []
    for n in range(count):
        occupancy = 1.0 if occupancies is None else _value(occupancies[n])
        if occupancy is not None and occupancy <= 0:
            notes.append(f"site {names[n]} has occupancy {occupancy:g} and is left out")
        elif flags is not None and flags[n].lower() == "dum":
            notes.append(f"site {names[n]} is a dummy and is left out")
        else:
            kept.append((n, 1.0 if occupancy is None else occupancy))
    _check_filled(names, kept, columns)
    _refuse_alternatives(data, names, [n for n, _ in kept])
    if occupancies is not None and (unknown := [names[n] for n, _ in kept if occupancies[n].strip() == "?"]):
        notes.append(f"sites of unknown occupancy are taken as full: {_listed(unknown)}")
    formula = _formula_elements(data)
    sites = [
        _Site(
            names[n],
            atomic_number(symbols[n] if symbols else names[n], names[n], formula if symbols is None else ()),
            np.array([_value(column[n]) for column in columns if column is not None]),
            None if multiplicities is None or not multiplicities[n].isdigit() else int(multiplicities[n]),
        )
        for n, _ in kept
    ]
    spelled = [(symbols or names)[n] for n, _ in kept]
    numbers = [site.number for site in sites]
    if note := guess_note(spelled, numbers, typed=symbols is not None, formula=formula):
        notes.append(note)
    if any(np.abs(site.fractional).max() > FAR for site in sites):
        notes.append(f"{CONTRADICTION}fractional coordinates beyond {FAR:g} cells")
    attached = [_value(each) for each in _column(data, "_atom_site_attached_hydrogens") or []]
    if any(attached):
        notes.append("hydrogens attached to sites are not in the structure")
    return sites, notes


def _check_filled(names: Sequence[str], kept: Sequence[tuple[int, float]], columns: Sequence[list[str] | None]) -> None:
    texts = {n: [column[n] for column in columns if column is not None] for n, _ in kept}
    bare = [names[n] for n, given in texts.items() if any(each in ("?", ".", "") for each in given)]
    if bare:
        raise DataError(f"sites without coordinates: {_listed(bare)}")
    wrong = [f"{names[n]} ({' '.join(given)})" for n, given in texts.items() if None in map(_value, given)]
    if wrong:
        raise DataError(f"sites whose coordinates are no numbers: {_listed(wrong)}")
    partly = [f"{names[n]} ({occupancy:g})" for n, occupancy in kept if abs(occupancy - 1) > _FULL]
    if partly:
        raise DataError(f"has disordered sites: {_listed(partly)}")
    if not kept:
        raise DataError("CIF has no atom sites")


def _refuse_alternatives(data: Mapping[str, Any], names: Sequence[str], kept: Sequence[int]) -> None:
    """Refuse alternative sites: several groups of one assembly, or a group disordered about a special position.

    Raises:
        DataError: there are such sites.
    """
    groups = _column(data, "_atom_site_disorder_group")
    assemblies = _column(data, "_atom_site_disorder_assembly")
    if groups is None:
        return
    held: dict[str, dict[str, str]] = {}
    for n in kept:
        if groups[n] not in (".", "?", "", "0"):
            held.setdefault("." if assemblies is None else assemblies[n], {}).setdefault(groups[n], names[n])
    several = [name for each in held.values() if len(each) > 1 or min(each).startswith("-") for name in each.values()]
    if several:
        raise DataError(f"has disordered sites: {_listed(several)} (groups of _atom_site_disorder_group)")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _formula_elements(data: Mapping[str, Any]) -> tuple[str, ...]:
    formula = data.get("_chemical_formula_sum")
    return tuple(re.findall(r"[A-Z][a-z]?", formula)) if isinstance(formula, str) else ()


def _refuse_listed_copies(sites: Sequence[_Site], places: Sequence[np.ndarray], cell: np.ndarray) -> None:
    """Refuse a block that lists symmetry copies as separate sites, which would occur twice."""
    for second in range(1, len(sites)):
        for first in range(second):
            if sites[first].number != sites[second].number:
                continue
            offset = places[first] - sites[second].fractional
            near = np.linalg.norm((offset - np.rint(offset)) @ cell, axis=1)
            same = sites[first].fractional - sites[second].fractional
            own = float(np.linalg.norm((same - np.rint(same)) @ cell))
            if near.min() < _LISTED and own >= _LISTED:
                raise DataError(
                    f"sites {sites[first].label} and {sites[second].label} are symmetry copies, listed twice"
                )


_LISTED: Final = 1e-2
"""Distance up to which two sites are the same, Å."""


def cut_cif(text: str, source: str, settings: CutSettings) -> Iterator[Piece]:
    """Yield the data blocks with a structure."""
    for block in split_cif(text):
        yield Piece(block)


CIF: Final = Format(
    "CIF",
    (".cif", ".mcif"),
    cut_cif,
    parse_cif,
    energies=False,
    periodic=True,
    remark="every data block with a structure; symmetry from operators, Hall symbol, or H-M symbol with its setting",
)
