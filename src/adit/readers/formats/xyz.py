"""XYZ, extended XYZ and raw QM9 XYZ: one frame as a molecule or a crystal, or the reason of a failure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from adit.elements import ATOMIC_NUMBER
from adit.errors import DataError
from adit.limits import check_atoms
from adit.readers.formats.base import CutSettings, Format, Parsed, ParseSettings, Piece
from adit.readers.formats.geometry import need_geometry
from adit.readers.formats.labels import label_of
from adit.readers.formats.texts import split_xyz
from adit.systems import AtomicSystem, Kind

ID_KEYS: Final = ("system_id", "material_id", "mol_id", "structure_id", "id", "name", "title")
"""Keys of the comment line with the id of a frame."""

_KEY: Final = re.compile(
    r"""(?:^|\s)([A-Za-z_][\w.:\-]*)\s*=\s*("(?:[^"\\]|\\.)*"|'[^']*'|\{[^}]*\}|\[[^\]]*\]|[^\s"']+)"""
)
_VECTOR: Final = re.compile(r"\s*VEC([1-3])\s+(.*)")
_QM9: Final = re.compile(r"\s*gdb\s+(\d+)\s+(.*)")
_QM9_NAMES: Final = (*("A", "B", "C", "mu", "alpha", "homo", "lumo", "gap", "r2", "zpve", "U0", "U", "H", "G", "Cv"),)
"""Values of the second line of a raw QM9 file, in the units of the file.

Source: R. Ramakrishnan et al., Sci. Data 1, 140022 (2014), table 3.
"""

_POSITIONS: Final = ("pos", "positions")
_SPECIES: Final = ("species", "symbols", "element", "elements", "z", "numbers", "atomic_numbers")
_TRUE: Final = ("t", "true", "1")


def parse_xyz(text: str, settings: ParseSettings | None = None) -> Parsed:
    """Return the system of one frame: a crystal if any direction is periodic, else a molecule without its box.

    ``pbc`` in the comment line decides; without it a ``Lattice`` makes all three directions periodic.

    Raises:
        DataError: the text is not a frame, has no positions, or is periodic without a cell that has a volume.
    """
    lines = text.removeprefix("\ufeff").splitlines()
    count, comment = int(lines[0]), lines[1] if len(lines) > 1 else ""
    if count == 0:
        raise DataError("has no atoms")
    check_atoms(count, (settings or ParseSettings()).limits)
    words = [line.split() for line in lines[2 : 2 + count]]
    if qm9 := _QM9.fullmatch(comment):
        return _qm9(qm9, words)
    keys = comment_keys(comment)
    lower = {name.lower(): value for name, value in keys.items()}
    numbers, positions = _atoms(words, lower.get("properties"))
    cell, notes = _cell(keys, lower, lines[2 + count :])
    periodic = _periodic(lower.get("pbc"), cell is not None)
    if periodic and cell is None:
        raise DataError(f"is periodic (pbc) but has no cell; keys of its comment line: {', '.join(keys) or 'none'}")
    if not periodic:
        need_geometry(positions)
    system = AtomicSystem(
        "xyz", Kind.CRYSTAL if periodic else Kind.MOLECULE, numbers, positions, cell if periodic else None
    )
    return Parsed(system, notes, {name: label_of(value) for name, value in labels(keys).items()})


def comment_keys(comment: str) -> dict[str, str]:
    """Return the keys of a comment line and their values as text, without quotes."""
    if "=" not in comment:
        return {}
    return {name: value[1:-1] if value[:1] in "\"'" else value for name, value in _KEY.findall(comment)}


def labels(keys: Mapping[str, str]) -> dict[str, str]:
    """Return the keys that describe the structure, without those of the format."""
    return {name: value for name, value in keys.items() if name.lower() not in ("lattice", "properties", "pbc", "cell")}


def _atoms(words: Sequence[Sequence[str]], properties: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Return atomic numbers (n,) and positions (n, 3), Å."""
    columns = _columns(properties) if properties else {"species": (0, "S", 1), "pos": (1, "R", 3)}
    held = ", ".join(columns)
    place = next((columns[name] for name in _POSITIONS if name in columns), None)
    if place is None or place[1:] != ("R", 3):
        raise DataError(f"has no column pos:R:3 of positions; columns: {held}")
    species = next((columns[name] for name in _SPECIES if name in columns), None)
    if species is None:
        raise DataError(f"has no column species:S:1 of elements; columns: {held}")
    width = max(start + size for start, _, size in columns.values())
    for number, row in enumerate(words, start=1):
        if len(row) < width:
            raise DataError(f"atom {number} has {len(row)} columns, {width} are named: {held}")
    try:
        positions = np.array([row[place[0] : place[0] + 3] for row in words], dtype=float)
    except ValueError as error:
        raise DataError(f"a coordinate is not a number ({error})") from error
    return np.array([element(row[species[0]]) for row in words]), positions


def _columns(properties: str) -> dict[str, tuple[int, str, int]]:
    """Return first index, type and size of each column by its name in lower case."""
    parts = properties.split(":")
    if len(parts) % 3:
        raise DataError(f"Properties='{properties}' is not a list of name:type:size")
    columns: dict[str, tuple[int, str, int]] = {}
    start = 0
    for name, kind, size in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        if not size.isdigit():
            raise DataError(f"Properties='{properties}' is not a list of name:type:size")
        columns[name.lower()] = (start, kind.upper(), int(size))
        start += int(size)
    return columns


def element(word: str) -> int:
    """Return the atomic number of an element's symbol or number; deuterium and tritium are hydrogen.

    Raises:
        DataError: it is not an element.
    """
    if word.isdigit():
        return int(word)
    symbol = word[:1].upper() + word[1:].lower()
    symbol = "H" if symbol in ("D", "T") else symbol
    if symbol not in ATOMIC_NUMBER:
        bare = re.match(r"[A-Z][a-z]?", symbol)
        if bare is None or bare[0] not in ATOMIC_NUMBER or re.search(r"[A-Za-z]", symbol[bare.end() :]):
            raise DataError(f"'{word}' is not an element")
        symbol = bare[0]
    return ATOMIC_NUMBER[symbol]


def _cell(
    keys: Mapping[str, str], lower: Mapping[str, str], behind: Sequence[str]
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Return the cell (3, 3), Å, and notes about its key."""
    vectors = {match[1]: match[2].split()[:3] for line in behind if (match := _VECTOR.match(line))}
    if len(vectors) == 3:
        return _matrix([word for number in "123" for word in vectors[number]], "VEC1, VEC2, VEC3"), ()
    for name in ("lattice", "cell"):
        if name in lower:
            spelled = next(key for key in keys if key.lower() == name)
            note = () if spelled == "Lattice" else (f"cell read from {spelled}=, which is spelled Lattice=",)
            return _matrix(re.split(r"[\s,\[\]{}]+", lower[name].strip("[]{} ")), spelled), note
    return None, ()


def _matrix(words: Sequence[str], name: str) -> np.ndarray:
    try:
        values = np.array([float(word) for word in words if word])
    except ValueError as error:
        raise DataError(f"{name} is not a cell ({error})") from error
    if values.size == 3:
        return np.diag(values)
    if values.size != 9:
        raise DataError(f"{name} is not a cell: it has {values.size} numbers, not 9")
    return values.reshape(3, 3)


def _periodic(pbc: str | None, has_cell: bool) -> bool:
    if pbc is None:
        return has_cell
    return any(word.lower() in _TRUE for word in re.split(r"[\s,\[\]{}]+", pbc) if word)


def _qm9(comment: re.Match[str], words: Sequence[Sequence[str]]) -> Parsed:
    """Return the molecule of a raw QM9 file; exponents are written ``*^`` there."""
    rows = [[word.replace("*^", "e") for word in row] for row in words]
    numbers, positions = _atoms(rows, None)
    values = [float(word.replace("*^", "e")) for word in comment[2].split()]
    properties = {"gdb": int(comment[1]), **dict(zip(_QM9_NAMES, values, strict=False))}
    return Parsed(AtomicSystem("xyz", Kind.MOLECULE, numbers, positions), (), properties)


def cut_xyz(text: str, source: str, settings: CutSettings) -> Iterator[Piece]:
    """Yield the frames of a text."""
    names = (settings.id_column,) if settings.id_column else ID_KEYS
    for frame in split_xyz(text):
        problem = f"{source}: {frame.problem}" if frame.problem else ""
        keys = {} if problem else comment_keys(frame.comment)
        title = next((keys[name] for name in names if keys.get(name)), "")
        yield Piece(frame.text, title, labels(keys), problem, own_id=bool(settings.id_column) or "system_id" in keys)


XYZ: Final = Format(
    "XYZ",
    (".xyz", ".extxyz"),
    cut_xyz,
    parse_xyz,
    remark="plain, extended and raw QM9; every frame; a cell (Lattice) or pbc makes a crystal",
)
