"""The kind of structures in a file: crystal, molecule or MOF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from adit.readers.read import ReadRow
from adit.systems import AtomicSystem, Failure, Kind

MOF_ATOMS: Final = 30
"""Smallest number of atoms of a MOF (with carbon, hydrogen and a metal), if no kind is given."""

_NONMETAL_NUMBERS: Final = (1, 2, *range(5, 11), *range(14, 19), *range(32, 37), *range(51, 55), 85, 86)


def by_kind(rows: Sequence[ReadRow], kind: Kind | None) -> dict[Kind, list[ReadRow]]:
    """Return rows by kind; a row that cannot be of the given kind is a failure.

    Args:
        rows: the rows that were read.
        kind: kind of all rows; ``None``: systems with a cell are crystals, or MOFs if most of them look like MOFs; the
            others are molecules. Failures get the kind of their format, or the most frequent one.
    """
    if kind is not None:
        return {kind: [as_kind(row, kind) for row in rows]}
    systems = [each.row for each in rows if isinstance(each.row, AtomicSystem)]
    periodic = [row for row in systems if row.cell is not None]
    mofs = sum(row.kind is Kind.MOF or looks_like_mof(row) for row in periodic)
    solid = Kind.MOF if 2 * mofs > len(periodic) else Kind.CRYSTAL
    kinds = [_kind_of(each, solid) for each in rows]
    specific = [each for each in kinds if each is not None]
    most = max(dict.fromkeys(specific), key=specific.count) if specific else Kind.CRYSTAL
    sorted_rows: dict[Kind, list[ReadRow]] = {}
    for row, each in zip(rows, kinds, strict=True):
        sorted_rows.setdefault(each or most, []).append(as_kind(row, each or most))
    return {each: sorted_rows[each] for each in Kind if each in sorted_rows}


def looks_like_mof(system: AtomicSystem) -> bool:
    """Return whether a periodic system has carbon, hydrogen, a metal and at least ``MOF_ATOMS`` atoms."""
    held = set(system.numbers.tolist())
    return len(system) >= MOF_ATOMS and {1, 6} <= held and bool(held - set(_NONMETAL_NUMBERS))


def _kind_of(read: ReadRow, solid: Kind) -> Kind | None:
    row = read.row
    if isinstance(row, AtomicSystem):
        return solid if row.cell is not None else Kind.MOLECULE
    if row.kind is not None or read.periodic is None:
        return row.kind
    return solid if read.periodic else Kind.MOLECULE


def as_kind(read: ReadRow, kind: Kind) -> ReadRow:
    """Return a row with a kind; a failure row if its structure lacks the cell of that kind, or has one too many."""
    row = read.row
    if row.kind is kind:
        return read
    if isinstance(row, Failure):
        return replace(read, row=replace(row, kind=kind))
    if kind.periodic != (row.cell is not None):
        reason = "has a cell" if row.cell is not None else "has no cell, or is not periodic"
        way_out = "" if kind.periodic else '; of a molecule in a box, write it as extended XYZ with pbc="F F F"'
        return replace(read, row=Failure(row.system_id, "read", f"{reason}: it is no {kind}{way_out}", kind))
    return replace(read, row=replace(row, kind=kind))
