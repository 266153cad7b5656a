"""CIF: one data block as a crystal, exactly as written, or the reason of a failure."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from adit.elements import ATOMIC_NUMBER
from adit.errors import DataError
from adit.limits import check_atoms
from adit.readers.formats.base import CutSettings, Format, Parsed, ParseSettings, Piece
from adit.readers.formats.cif_checks import contradictions
from adit.readers.formats.p1_cif import read_p1
from adit.readers.formats.texts import split_cif
from adit.readers.symmetry.sites import merge_note, orbit, symmetry_of
from adit.systems import AtomicSystem, Kind, cell_from_parameters

_CELL: Final = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
_FRACTIONAL: Final = ("_atom_site_fract_x", "_atom_site_fract_y", "_atom_site_fract_z")
_NUMBER: Final = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?:\(\d*\))?\.?")
_GROUPS: Final = ("wat", "oh", "h2o", "oh2", "nh4", "no3", "ch3", "o-h")
"""Symbols of sites that represent several atoms."""

_MIN_THICKNESS: Final = 0.01
"""Smallest thickness of a cell, Å; neighbours in thinner cells cannot be searched."""

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
    """
    settings = settings or ParseSettings()
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise DataError("CIF is empty")
    fast = read_p1(text)
    if fast is not None:
        return fast
    data = read_block(text)
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
    return Parsed(system, (*symmetry.notes, *notes, *against))


def read_block(text: str) -> dict[str, Any]:
    """Return the items of a CIF block by their names in lower case; columns of loops are lists.

    Raises:
        DataError: the text is not a CIF.
    """
    from pymatgen.io.cif import CifBlock

    start = re.search(r"^\s*data_", text, flags=re.MULTILINE | re.IGNORECASE)
    if start is None:
        raise DataError("CIF holds no data block (data_…)")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            block = CifBlock.from_str(text[start.start() :].lstrip())
        except Exception as error:  # the parser raises many classes
            raise DataError(f"CIF does not parse ({type(error).__name__}: {error})") from error
    return {name.lower().replace(".", "_"): value for name, value in block.data.items()}


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
    cell = cell_from_parameters(np.array(values[:3]), np.array(values[3:]))
    normals = np.linalg.norm(np.linalg.inv(cell), axis=0)
    if (1 / normals).min() < _MIN_THICKNESS:
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
    attached = [_value(each) for each in _column(data, "_atom_site_attached_hydrogens") or []]
    if any(attached):
        notes.append("hydrogens attached to sites are not in the structure")
    return sites, notes


def _check_filled(names: Sequence[str], kept: Sequence[tuple[int, float]], columns: Sequence[list[str] | None]) -> None:
    bare = [names[n] for n, _ in kept if any(column is not None and _value(column[n]) is None for column in columns)]
    if bare:
        raise DataError(f"sites without coordinates: {_listed(bare)}")
    partly = [f"{names[n]} ({occupancy:g})" for n, occupancy in kept if abs(occupancy - 1) > _FULL]
    if partly:
        raise DataError(f"has disordered sites: {_listed(partly)}")
    if not kept:
        raise DataError("CIF has no atom sites")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _formula_elements(data: Mapping[str, Any]) -> tuple[str, ...]:
    formula = data.get("_chemical_formula_sum")
    return tuple(re.findall(r"[A-Z][a-z]?", formula)) if isinstance(formula, str) else ()


def atomic_number(symbol: str, label: str, formula: Sequence[str] = ()) -> int:
    """Return the atomic number of a site's symbol, e.g. of ``Na1+``, ``O2-``, ``CL3``, ``D``.

    Args:
        symbol: type symbol, or the label if there is none.
        label: of the site, for display.
        formula: elements of the file's formula: a label such as HO1 is hydrogen if the formula has no holmium.

    Raises:
        DataError: the symbol is not an element, or represents several atoms.
    """
    letters = re.match(r"[A-Za-z]+", symbol)
    lower = symbol.lower()
    if letters is None or any(re.fullmatch(rf"{group}\d*", lower) for group in _GROUPS):
        raise DataError(f"site {label}: '{symbol}' is not a single element")
    two, one = letters[0][:2].title(), letters[0][:1].upper()
    two, one = (re.sub(r"^[DT]$", "H", each) for each in (two, one))
    if formula and two in ATOMIC_NUMBER and two not in formula and one in formula:
        two = one
    for candidate in (two, one):
        if candidate in ATOMIC_NUMBER:
            return ATOMIC_NUMBER[candidate]
    raise DataError(f"site {label}: '{symbol}' is not an element")


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
    remark="every data block with a structure; symmetry from operators, Hall symbol, or H-M symbol with its setting",
)
