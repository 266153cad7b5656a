"""SDF and MOL files, V2000 and V3000: the atoms as written; the bonds are not used."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from adit import convert
from adit.columns import Col
from adit.errors import DataError
from adit.readers.formats.base import CutSettings, Format, Parsed, ParseSettings, Piece
from adit.readers.formats.geometry import need_geometry
from adit.systems import AtomicSystem, Kind

_V3000_ATOM: Final = re.compile(r"M\s+V30\s+\d+\s+(?:\"[^\"]*\"|(?:NOT)?\s*\[[^\]]*\]|\S+)\s+(\S+)\s+(\S+)\s+(\S+)")
"""Number, element (or a list of elements) and coordinates of an atom."""

_ID_FIELDS: Final = ("system_id", "id", "ID", "name", "mol_id", "molecule_id", "_Name")


def parse_mol(block: str, settings: ParseSettings | None = None) -> Parsed:
    """Return the molecule of a MOL block, hydrogens as written, and its charge (e); bonds and valences are ignored.

    Raises:
        DataError: RDKit does not read the atoms, there are none, one is not an element, a coordinate is not a number,
            or the coordinates are missing, all equal, or a drawing in two dimensions.
    """
    from rdkit import Chem, rdBase

    _check_coordinates(block)
    with rdBase.BlockLogs():
        mol = Chem.MolFromMolBlock(block, sanitize=False, removeHs=False, strictParsing=False)
    if mol is None:
        raise DataError("RDKit does not read the MOL block")
    if mol.GetNumAtoms() == 0:
        raise DataError("has no atoms")
    dummies = [f"atom {atom.GetIdx() + 1}" for atom in mol.GetAtoms() if atom.GetAtomicNum() == 0]
    if dummies:
        raise DataError(f"holds atoms that are no element: {', '.join(dummies[:6])}")
    if mol.GetNumConformers() == 0:
        raise DataError("no geometry: the MOL block has no coordinates")
    positions = np.asarray(mol.GetConformer().GetPositions())
    need_geometry(positions)
    if _is_drawing(block, positions):
        raise DataError("no geometry: the MOL block is a drawing in two dimensions (2D)")
    numbers = np.array([atom.GetAtomicNum() for atom in mol.GetAtoms()])
    charge = sum(atom.GetFormalCharge() for atom in mol.GetAtoms())
    properties = {str(Col.CHARGE): charge} if charge else {}
    return Parsed(AtomicSystem("mol", Kind.MOLECULE, numbers, positions), _missing_hydrogens(mol), properties)


def _check_coordinates(block: str) -> None:
    """Check that the coordinates of a block are numbers: RDKit reads 0 where they are none.

    Raises:
        DataError: a coordinate is not a number.
    """
    for number, fields in enumerate(_coordinates(block.split("\n")), start=1):
        for field in fields:
            try:
                float(field)
            except ValueError as error:
                raise DataError(f"atom {number} has the coordinate '{field.strip()}', which is not a number") from error


def _coordinates(lines: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield the three coordinates of each atom, as written."""
    counts = lines[3] if len(lines) > 3 else ""
    if "V3000" in counts:
        yield from _coordinates_v3000(lines)
    elif counts[:3].strip().isdigit():
        for line in lines[4 : 4 + int(counts[:3])]:
            yield line[:10], line[10:20], line[20:30]


def _coordinates_v3000(lines: Sequence[str]) -> Iterator[Sequence[str]]:
    inside = False
    for line in lines:
        words = line.split()
        if words[:2] != ["M", "V30"]:
            continue
        if words[3:] == ["ATOM"] and words[2] in ("BEGIN", "END"):
            inside = words[2] == "BEGIN"
        elif inside and (match := _V3000_ATOM.match(line)):
            yield match.groups()


def _missing_hydrogens(mol: Any) -> tuple[str, ...]:
    """Return a note if a molecule is written without any of its hydrogens."""
    if any(atom.GetAtomicNum() == 1 for atom in mol.GetAtoms()):
        return ()
    mol.UpdatePropertyCache(strict=False)
    missing = sum(atom.GetTotalNumHs() for atom in mol.GetAtoms())
    return (f"{missing} hydrogens are not atoms in the file, and not in the structure",) if missing else ()


def _is_drawing(block: str, positions: np.ndarray) -> bool:
    """Return whether the header says 2D and all atoms have z = 0."""
    header = [*block.split("\n", 2), "", ""][1]
    return header[20:22] == "2D" and bool((positions[:, 2] == 0).all()) and len(positions) > 2


def cut_sdf(text: str, source: str, settings: CutSettings) -> Iterator[Piece]:
    """Yield the entries of an SDF text; the title is the first line of an entry, else a data field with an id."""
    names = (settings.id_column,) if settings.id_column else _ID_FIELDS
    for block, fields in convert.split_sdf(text):
        title = "" if settings.id_column else re.sub(r"\s+", " ", block.partition("\n")[0]).strip()
        title = title or next((fields[name] for name in names if fields.get(name)), "")
        yield Piece(block, title, fields, own_id=bool(settings.id_column))


SDF: Final = Format(
    "SDF",
    (".sdf", ".sd", ".mol"),
    cut_sdf,
    parse_mol,
    periodic=False,
    remark="V2000 and V3000; atoms and the total charge only, bonds are perceived anew; drawings in 2D are refused",
)
