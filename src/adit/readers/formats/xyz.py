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
from adit.readers.formats.geometry import is_periodic, need_geometry
from adit.readers.formats.labels import label_of
from adit.readers.formats.texts import LINES, split_xyz
from adit.readers.formats.units import other_unit, unit_in_words
from adit.systems import AtomicSystem, Kind

ID_KEYS: Final = ("system_id", "material_id", "mol_id", "structure_id", "id", "name", "title")
"""Keys of the comment line with the id of a frame."""

_KEY: Final = re.compile(
    r"""(?:^|\s)([A-Za-z_][\w.:\-]*)\s*=\s*"""
    r"""("(?:[^"\\]|\\.)*"|'[^']*'|\{[^}]*\}|\[(?:[^\[\]]|\[[^\[\]]*\])*\]|[^\s"']+)"""
)
_ESCAPE: Final = re.compile(r'\\(["\\])')
_VECTOR: Final = re.compile(r"\s*VEC([1-3])\s+(.*)")
_QM9: Final = re.compile(r"\s*gdb\s+(\d+)\s+(.*)")
_QM9_NAMES: Final = (*("A", "B", "C", "mu", "alpha", "homo", "lumo", "gap", "r2", "zpve", "U0", "U", "H", "G", "Cv"),)
"""Values of the second line of a raw QM9 file, in the units of the file.

Source: R. Ramakrishnan et al., Sci. Data 1, 140022 (2014), table 3.
"""

_POSITIONS: Final = ("pos", "positions")
_SPECIES: Final = ("species", "symbols", "element", "elements", "z", "numbers", "atomic_numbers")
_TRUE, _FALSE = ("t", "true", "1"), ("f", "false", "0")
_LAMMPS: Final = re.compile(r"\s*Atoms\. Timestep")
_OF_FORMAT: Final = ("lattice", "properties", "pbc", "cell")
"""Keys of the format, in lower case."""

_LIKE_CELL: Final = (
    r"(?:unit_?cell|super_?cell|(?:sim(?:ulation)?_?)?(?:cell|box)|lattice)"
    r"(?:_?(?:vectors?|par|parameters?|params?|constants?|lengths?(?:_[abc])?|matrix|mat|dimensions?|dims?|size))?"
)
"""Keys, in lower case, that may be a cell; only those of the format are read."""

_VECTORS: Final = "VEC1, VEC2, VEC3"
_SAME_CELL: Final = 1e-3
"""Largest difference between two notations of one cell, Å."""

_UNREAD: Final = re.compile(rf"(?<![\w.])({'|'.join(_OF_FORMAT)}|{_LIKE_CELL})\s*=", re.IGNORECASE)
_FORTRAN: Final = re.compile(r"([-+]?[0-9]*\.?[0-9]+|[0-9]+\.)[dD]([-+]?[0-9]+)")
"""A number with the exponent of Fortran's double precision."""

_MINUS: Final = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-"))
"""Signs of word processors."""


def parse_xyz(text: str, settings: ParseSettings | None = None) -> Parsed:
    """Return the system of one frame: a crystal if any direction is periodic, else a molecule without its box.

    ``pbc`` in the comment line decides; without it a ``Lattice`` makes all three directions periodic.

    Raises:
        DataError: the text is not a frame, has no positions or positions in another unit than Å, or is periodic without
            a cell that has a volume; its comment line has a key that cannot be read, a key with two values, or a cell
            under an unknown key.
        LimitError: it has more atoms than ``settings.limits.atoms``.
    """
    lines = LINES.split(text.removeprefix("\ufeff"))
    count, comment = int(lines[0]), lines[1] if len(lines) > 1 else ""
    if count == 0:
        raise DataError("has no atoms")
    check_atoms(count, (settings or ParseSettings()).limits)
    words = [line.split() for line in lines[2 : 2 + count]]
    if qm9 := _QM9.fullmatch(comment):
        return _qm9(qm9, words)
    keys = comment_keys(comment)
    lower = {name.lower(): value for name, value in keys.items()}
    _check_keys(comment, lower)
    _refuse_units(comment)
    numbers, positions, said = _atoms(words, lower.get("properties"), comment)
    cell, notes = _cell(comment, lines[2 + count :])
    periodic, partly = _periodic(lower.get("pbc"), cell is not None)
    if cell is None and "pbc" not in lower:
        _refuse_unknown_cell(keys)
    if periodic and cell is None:
        raise DataError(f"is periodic (pbc) but has no cell; keys of its comment line: {', '.join(keys) or 'none'}")
    if not periodic:
        need_geometry(positions)
    system = AtomicSystem(
        "xyz", Kind.CRYSTAL if periodic else Kind.MOLECULE, numbers, positions, cell if periodic else None
    )
    return Parsed(system, (*said, *notes, *partly), {name: label_of(value) for name, value in labels(keys).items()})


def _check_keys(comment: str, lower: Mapping[str, str]) -> None:
    """Check that the keys of the format, and those that may be a cell, can be read and are not ambiguous.

    Raises:
        DataError: the value of one cannot be read, as after a quote without its end, or one has two values.
    """
    rest = _KEY.sub(" ", comment)
    unread = _UNREAD.search(rest)
    if unread is None and '"' in rest and not any(name in lower for name in ("lattice", "cell")):
        unread = _UNREAD.search(comment)  # a quote without its end, whose text goes on to the next quote
    if unread is not None:
        raise DataError(
            f'{unread[1]}= in its comment line cannot be read (is a quote not closed?); write it as {unread[1]}="…"'
        )
    pairs = [(name, _unquoted(value)) for name, value in _KEY.findall(comment)]
    for name, value in pairs:
        if name.lower() in ("properties", "pbc") and lower[name.lower()].split() != value.split():
            raise DataError(f"its comment line has two {name}= that differ")


def _refuse_units(comment: str) -> None:
    """Refuse a frame whose comment line says that its coordinates are not in Å.

    Raises:
        DataError: the comment line says so, by a key of units or in words.
    """
    stated = (other_unit({name: _unquoted(value)})[1] for name, value in _KEY.findall(comment))
    if unit := next(filter(None, stated), "") or unit_in_words(comment):
        raise DataError(f"has coordinates in {unit}, by its comment line; write them in Å")


def _refuse_unknown_cell(keys: Mapping[str, str]) -> None:
    """Refuse a frame without a cell and without ``pbc`` if a key may be its cell.

    Raises:
        DataError: a key has the name of a cell, and numbers.
    """
    for name, value in keys.items():
        words = [word for word in re.split(r"[\s,\[\]{}()]+", value) if word]
        if re.fullmatch(_LIKE_CELL, name.lower()) and words and all(map(_is_number, words)):
            raise DataError(
                f'has {name}= but no Lattice=; write the cell as Lattice="…" (nine numbers, Å), or pbc="F F F" for none'
            )


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def comment_keys(comment: str) -> dict[str, str]:
    """Return the keys of a comment line and their values as text, without quotes."""
    if "=" not in comment:
        return {}
    return {name: _unquoted(value) for name, value in _KEY.findall(comment)}


def _unquoted(value: str) -> str:
    r"""Return a value without its quotes; within double quotes, ``\"`` is a quote and two backslashes are one."""
    if value[:1] == '"':
        return _ESCAPE.sub(r"\1", value[1:-1])
    return value[1:-1] if value[:1] == "'" else value


def labels(keys: Mapping[str, str]) -> dict[str, str]:
    """Return the keys that describe the structure, without those of the format."""
    return {name: value for name, value in keys.items() if name.lower() not in _OF_FORMAT}


def _atoms(
    words: Sequence[Sequence[str]], properties: str | None, comment: str = ""
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Return atomic numbers (n,), positions (n, 3), Å, and notes."""
    columns = _columns(properties) if properties else {"species": (0, "S", 1), "pos": (1, "R", 3)}
    held = ", ".join(columns)
    place = next((columns[name] for name in _POSITIONS if name in columns), None)
    if place is None or place[1:] != ("R", 3):
        raise DataError(f"has no column pos:R:3 of positions; columns: {held}")
    spelled = next((name for name in _SPECIES if name in columns), None)
    if spelled is None:
        raise DataError(f"has no column species:S:1 of elements; columns: {held}")
    width = max(start + size for start, _, size in columns.values())
    for number, row in enumerate(words, start=1):
        if len(row) < width:
            raise DataError(f"atom {number} has {len(row)} columns, {width} are named: {held}")
    symbols = [row[columns[spelled][0]] for row in words]
    notes: tuple[str, ...] = ()
    if spelled in _SPECIES[:4] and all(symbol.isdigit() for symbol in symbols):
        if _LAMMPS.match(comment):
            raise DataError("has LAMMPS's numbers of types and no elements; write elements (dump_modify element)")
        notes = ("numbers in place of elements are read as atomic numbers",)
    return np.array([element(symbol) for symbol in symbols]), _positions(words, place[0]), notes


def _positions(words: Sequence[Sequence[str]], start: int) -> np.ndarray:
    """Return positions (n, 3), Å, that stand from a column on.

    Raises:
        DataError: a coordinate is not a number.
    """
    rows = [row[start : start + 3] for row in words]
    try:
        return np.array(rows, dtype=float)
    except ValueError:
        rows = [[_FORTRAN.sub(r"\1e\2", word.translate(_MINUS)) for word in row] for row in rows]
    try:
        return np.array(rows, dtype=float)
    except ValueError as error:
        raise DataError(f"a coordinate is not a number ({error})") from error


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
    """Return the atomic number of an element's symbol, such as ``Na`` or ``Na1``; deuterium and tritium are hydrogen.

    A number is returned as it is; ``AtomicSystem`` checks that it is an element's.

    Raises:
        DataError: the word is neither the symbol of an element nor a number.
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


def _cell(comment: str, behind: Sequence[str]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Return the cell (3, 3), Å, of vectors behind the atoms or of keys, and notes about its key.

    Raises:
        DataError: a cell is not nine numbers (or three lengths), or two cells differ.
    """
    cells: list[tuple[str, np.ndarray]] = []
    vectors = {match[1]: match[2].split()[:3] for line in behind if (match := _VECTOR.match(line))}
    if len(vectors) == 3:
        cells.append((_VECTORS, _matrix([word for number in "123" for word in vectors[number]], _VECTORS)))
    for name in ("lattice", "cell"):
        for key, value in _KEY.findall(comment):
            words = [word for word in re.split(r"[\s,\[\]{}]+", _unquoted(value)) if word]
            is_label = name == "cell" and cells and not (len(words) == 9 and all(map(_is_number, words)))
            if key.lower() == name and not is_label:
                cells.append((f"{key}=", _matrix(words, key)))
    if not cells:
        return None, ()
    spelled, cell = cells[0]
    for other, matrix in cells[1:]:
        if not np.allclose(matrix, cell, rtol=0.0, atol=_SAME_CELL):
            raise DataError(f"has two cells that differ: {spelled} and {other}; write one, as Lattice=")
    usual = spelled in ("Lattice=", _VECTORS)
    return cell, () if usual else (f"cell read from {spelled}, which is spelled Lattice=",)


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


def _periodic(pbc: str | None, has_cell: bool) -> tuple[bool, tuple[str, ...]]:
    """Return whether any direction is periodic, and a note if not all are.

    Raises:
        DataError: the value of ``pbc`` says neither.
    """
    if pbc is None:
        return has_cell, ()
    words = [word.lower() for word in re.split(r"[\s,\[\]{}()]+", pbc) if word]
    if len(words) == 1 and re.fullmatch(r"[tf01]{3}", words[0]):
        words = list(words[0])
    if len(words) not in (1, 3) or any(word not in (*_TRUE, *_FALSE) for word in words):
        raise DataError(f"pbc='{pbc}' is not three times T or F")
    return is_periodic([word in _TRUE for word in words])


def _qm9(comment: re.Match[str], words: Sequence[Sequence[str]]) -> Parsed:
    """Return the molecule of a raw QM9 file; exponents are written ``*^`` there."""
    rows = [[word.replace("*^", "e") for word in row] for row in words]
    numbers, positions, _ = _atoms(rows, None)
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
