"""Tables: CSV and Parquet with a column of structures (CIF, pymatgen JSON, …), or of numbers, positions and cells."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count as counting
from pathlib import Path
from typing import Any, Final

import numpy as np

from adit.errors import DataError
from adit.progress import log
from adit.readers.formats.base import CutSettings, Format, NoStructuresError, Parsed, ParseSettings, Piece
from adit.readers.formats.geometry import check_numbers, flat, is_periodic, need_geometry
from adit.readers.formats.parquet import parquet_columns
from adit.readers.formats.pymatgen_json import is_structure
from adit.readers.formats.texts import decode, split_cif
from adit.readers.formats.units import other_unit
from adit.systems import AtomicSystem, Kind

_STRUCTURES: Final = ("cif", "structure_cif", "cif_string", "structure", "structures", "molecule", "xyz", "sdf", "mol")
_IDS: Final = ("system_id", "material_id", "id", "name")
_NUMBERS: Final = ("numbers", "atomic_numbers")
_CELLS: Final = ("cell", "lattice", "lattice_vectors", "lattice_matrix", "lattice_mat")
_LIKE_CELLS: Final = (
    *("box", "box_vectors", "unit_cell", "unitcell", "cell_vectors", "cellpar", "cell_parameters", "cell_lengths"),
    *("lattice_parameters", "lattice_constants", "lengths", "supercell", "simulation_cell", "simulation_box"),
)
"""Columns that may be a cell, but in no form that is read."""

_MAX_FIELD: Final = 2_000_000_000
"""Largest number of characters of a field of a CSV file."""

_SPREADSHEET: Final = 32_767
"""Largest number of characters of a cell of a spreadsheet; longer texts are cut there silently."""

_LOOKED_AT: Final = 50
"""Rows that are used to detect the content of a column."""


# --- columns ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ColumnTable:
    """A table, by columns.

    Attributes:
        names: names of the columns, each once.
        count: number of rows.
        column: returns the values of a column, one per row, by its name.
        source: the file, for display.
    """

    names: Sequence[str]
    count: int
    column: Callable[[str], Sequence[Any]]
    source: str

    def find(self, names: Sequence[str]) -> str | None:
        """Return the first of some names (in lower case) that is a column, as spelled in the table; else ``None``."""
        lower = {name.lower(): name for name in reversed(self.names)}
        return next((lower[name] for name in names if name in lower), None)


def cut_table(table: ColumnTable, settings: CutSettings, problems: Mapping[int, str] | None = None) -> Iterator[Piece]:
    """Yield the rows of a table.

    Args:
        table: the table.
        settings: columns named by the user.
        problems: row number, from 0 → why the row cannot be read.

    Raises:
        NoStructuresError: no column has structures, nor are there numbers and positions.
        DataError: a named column is missing, or the column of the cells has an unknown form.
    """
    problems = problems or {}
    used, contents = _contents(table, settings)
    id_column = _named(table, settings.id_column, "id") or table.find(_IDS)
    titles = table.column(id_column) if id_column else [""] * table.count
    taken = {_id_text(each) for each in titles}
    others = {name: table.column(name) for name in table.names if name not in used}
    for number, content in enumerate(map(_as_text, contents)):
        title = _id_text(titles[number])
        values = {name: column[number] for name, column in others.items()}
        if number in problems:
            yield Piece("", title, values, problems[number], own_id=True)
            continue
        if isinstance(content, str) and len(content) == _SPREADSHEET:
            reason = f"its text has {_SPREADSHEET:,} characters, where spreadsheets cut it; export it in another way"
            yield Piece("", title, values, reason, own_id=True)
            continue
        format_, content = _as_format(content)
        column, unit = other_unit(values) if format_ in ("arrays", "XYZ") else ("", "")
        if unit:
            reason = f"has coordinates in {unit}, by its column '{column}'; write them in Å"
            yield Piece("", title, values, reason, own_id=True)
            continue
        blocks = split_cif(content) if format_ == "CIF" else [content]
        several = (name for n in counting(1) if (name := f"{title}-{n}") not in taken)
        for block in blocks:
            name = next(several) if title and len(blocks) > 1 else title
            yield Piece(block, name, values, format=format_, own_id=True)


def _id_text(value: Any) -> str:
    if value is None or (isinstance(value, float) and value != value):
        return ""
    return str(value).strip()


def _named(table: ColumnTable, name: str, what: str) -> str | None:
    if not name:
        return None
    if name not in table.names:
        held = ", ".join(map(str, table.names)) or "none"
        raise DataError(f"{table.source}: has no column '{name}' ({what}); columns: {held}")
    return name


def _contents(table: ColumnTable, settings: CutSettings) -> tuple[set[str], Sequence[Any]]:
    """Return the columns of the structures, and the content of each row's structure."""
    column = _named(table, settings.structure_column, "structures") or _structure_column(table)
    if column is not None:
        return {column}, table.column(column)
    numbers, positions = table.find(_NUMBERS), table.find(("positions",))
    if numbers is None or positions is None:
        held = ", ".join(map(str, table.names)) or "none"
        smiles = "; SMILES have no geometry" if any("smiles" in str(name).lower() for name in table.names) else ""
        raise NoStructuresError(
            f"{table.source}: no column of CIF texts or of other structures, nor numbers and positions; "
            f"columns: {held}{smiles}"
        )
    cell, periodic = table.find(_CELLS), table.find(("pbc",))
    if cell is None and (other := table.find(_LIKE_CELLS)):
        raise DataError(
            f"{table.source}: has numbers and positions but no column 'cell' (3 × 3, Å), "
            f"though '{other}' says that there is one"
        )
    cells = [None] * table.count if cell is None else table.column(cell)
    pbc = [None] * table.count if periodic is None else table.column(periodic)
    used = {numbers, positions, *([cell] if cell else []), *([periodic] if periodic else [])}
    return used, list(zip(table.column(numbers), table.column(positions), cells, pbc, strict=True))


def _structure_column(table: ColumnTable) -> str | None:
    """Return the column of the structures: the first with a known name and structures, else the first with any."""
    by_name = [name for each in _STRUCTURES for name in table.names if name.lower() == each]
    holding = [
        name
        for name in [*by_name, *(n for n in table.names if n not in by_name)]
        if holds_structures(table.column(name))
    ]
    if len(holding) > 1:
        log.info("%s: structures from the column '%s' (also in: %s)", table.source, holding[0], ", ".join(holding[1:]))
    return holding[0] if holding else next(iter(by_name), None)


def holds_structures(values: Sequence[Any]) -> bool:
    """Return whether one of the first cells contains a structure; others may be empty or failures."""
    return any(
        is_structure(value) if isinstance(value, Mapping) else isinstance(value, str) and _format_of(value) != ""
        for value in map(_as_text, values[:_LOOKED_AT])
    )


def _as_text(value: Any) -> Any:
    """Return bytes, as Parquet may hold texts, as text; other values unchanged."""
    return decode(value) if isinstance(value, bytes) else value


def _format_of(text: str) -> str:
    """Return the format of a cell by its content; empty if it is unknown."""
    head = text.lstrip('\ufeff \t\r\n"')
    if "_cell_length_a" in text:
        return "CIF"
    if head.startswith("{") and re.search(r"""['"]sites['"]""", text):
        return "pymatgen JSON"
    if "V2000" in text or "V3000" in text:
        return "SDF"
    return "XYZ" if re.match(r"\d+[ \t]*\r?\n[^\n]*\n\s*[A-Za-z]{1,3}\d*\s+[-+.\d]", head) else ""


def _as_format(content: Any) -> tuple[str, Any]:
    """Return the format of a cell and the input of its reader."""
    if isinstance(content, str):
        return _format_of(content) or "CIF", content
    if isinstance(content, Mapping):
        return "pymatgen JSON", {name: _listed(value) for name, value in content.items() if value is not None}
    if isinstance(content, tuple):
        return "arrays", content
    return "CIF", ""


def _listed(value: Any) -> Any:
    """Return a value of a Parquet cell as plain lists and dictionaries."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list):
        return [_listed(each) for each in value]
    if isinstance(value, Mapping):
        return {name: _listed(each) for name, each in value.items() if each is not None}
    return value


# --- arrays -----------------------------------------------------------------------------------------------------------


def parse_arrays(content: Any, settings: ParseSettings | None = None) -> Parsed:
    """Return the system of atomic numbers (n,), positions (n, 3), Å, and a cell (3, 3), Å, nested or flat.

    The cell is ignored if a fourth value, ``pbc``, says that no direction is periodic.

    Raises:
        DataError: numbers or positions are missing, the sizes do not fit together, rows of nested positions or cells
            are not three numbers, atomic numbers are no integers, ``pbc`` is not three truth values or is true without
            a cell, or all atoms of a molecule are at one point.
    """
    numbers, positions, cell = flat(content[0]), flat(content[1], "positions"), flat(content[2], "cell")
    pbc = flat(_as_list(content[3])) if len(content) > 3 else None
    notes: tuple[str, ...] = ()
    if pbc is not None and pbc.size:
        periodic, notes = is_periodic([bool(each) for each in pbc])
        if not periodic:
            cell = None
        elif cell is None or not cell.size:
            raise DataError("is periodic (pbc) but has no cell")
    if numbers is None or positions is None:
        raise DataError("has no numbers" if numbers is None else "has no positions")
    check_numbers(numbers)
    if positions.size != 3 * numbers.size:
        raise DataError(f"has {numbers.size} atoms but {positions.size} coordinates")
    if cell is not None and cell.size not in (0, 9):
        raise DataError(f"its cell has {cell.size} numbers, not 9")
    box = None if cell is None or not cell.size else cell.reshape(3, 3)
    kind = Kind.MOLECULE if box is None else Kind.CRYSTAL
    if box is None:
        need_geometry(positions.reshape(-1, 3))
    return Parsed(AtomicSystem("row", kind, numbers.astype(np.int64), positions.reshape(-1, 3), box), notes)


def _as_list(value: Any) -> Any:
    """Return truth values as a list, also from a text as Python or ASE writes them (``True False``, ``T F``)."""
    if not isinstance(value, str):
        return value
    words = [word.lower() for word in re.split(r"[\s,\[\]()]+", value) if word]
    if any(word not in ("t", "f", "true", "false", "1", "0") for word in words):
        raise DataError(f"pbc='{value}' is not three times true or false")
    return [word in ("t", "true", "1") for word in words]


# --- CSV --------------------------------------------------------------------------------------------------------------


def cut_csv(text: str, source: str, settings: CutSettings) -> Iterator[Piece]:
    """Yield the rows of a CSV text; a row with more fields than the header has that as its problem.

    Raises:
        DataError: there is no header, or no column of structures.
    """
    names, rows, problems = read_csv(text, source)
    places = {name: n for n, name in enumerate(names)}
    table = ColumnTable(names, len(rows), lambda name: [row[places[name]] for row in rows], source)
    yield from cut_table(table, settings, problems)


def read_csv(text: str, source: str) -> tuple[list[str], list[list[str]], dict[int, str]]:
    """Return the names of the columns of a CSV text, its rows as texts, and the problems of rows by number, from 0.

    Raises:
        DataError: it is not CSV, or is empty.
    """
    csv.field_size_limit(_MAX_FIELD)
    text = text.removeprefix("\ufeff")
    first, _, rest = text.partition("\n")
    named = re.fullmatch(r"sep=([,;\t|])\r?", first)
    text = rest if named else text
    delimiter = named[1] if named else _delimiter(text)
    try:
        lines = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row]
    except csv.Error as error:
        raise DataError(f"{source}: no readable CSV ({error})") from error
    if not lines:
        raise DataError(f"{source}: no readable CSV (it is empty)")
    names, rows = _different([name.strip() for name in lines[0]]), lines[1:]
    width = len(names)
    problems = {
        number: f"row {number + 1} of {source} has {len(row)} fields, the header {width}"
        for number, row in enumerate(rows)
        if len(row) > width
    }
    if rows and _is_open(text):
        problems[len(rows) - 1] = f"a quote in row {len(rows)} of {source} is never closed: the rest is in it"
    return names, [[*row[:width], *[""] * (width - len(row))] for row in rows], problems


def _delimiter(text: str) -> str:
    """Return the separator of the header: a comma, or a tab or semicolon if there is no comma."""
    header = text.partition("\n")[0]
    return next((mark for mark in (",", "\t", ";") if mark in header), ",")


def _is_open(text: str) -> bool:
    """Return whether a quoted field is still open at the end of a CSV text."""
    if text.count('"') % 2 == 0:
        return False
    try:
        for _ in csv.reader(io.StringIO(text, newline=""), strict=True):
            pass
    except csv.Error as error:
        return "end of data" in str(error)
    return False


def _different(names: Sequence[str]) -> list[str]:
    """Return the names of columns; repeated names get a number with which they are no other column's name."""
    taken = set(names)
    seen: Counter[str] = Counter()
    different = []
    for name in names:
        chosen = name
        if seen[name]:
            chosen = next(each for n in counting(seen[name]) if (each := f"{name}.{n}") not in taken)
            taken.add(chosen)
        seen[name] += 1
        different.append(chosen)
    return different


# --- Parquet and records ----------------------------------------------------------------------------------------------


def cut_parquet(path: Path, source: str, settings: CutSettings) -> Iterator[Piece]:
    """Yield the rows of a Parquet table.

    Raises:
        DataError: the file is not Parquet, or has no column of structures.
        LimitError: its unpacked size is above ``limits.archive_bytes``.
    """
    columns = parquet_columns(path, source, settings.limits)
    count = len(next(iter(columns.values()), ()))
    yield from cut_table(ColumnTable(list(columns), count, columns.__getitem__, source), settings)


def cut_records(records: Sequence[Mapping[str, Any]], source: str, settings: CutSettings) -> Iterator[Piece]:
    """Yield the rows of a list of records.

    Raises:
        DataError: there are no structures under any key.
    """
    names = list(dict.fromkeys(str(name) for record in records for name in record))
    yield from cut_table(
        ColumnTable(names, len(records), lambda name: [record.get(name) for record in records], source), settings
    )


CSV: Final = Format(
    "CSV",
    (".csv", ".tsv"),
    cut_csv,
    parse_arrays,
    remark="a column of CIF, pymatgen JSON, XYZ or SDF texts, or of numbers, positions (Å) and cell (Å)",
)
PARQUET: Final = Format(
    "Parquet", (".parquet",), cut_parquet, parse_arrays, binary=True, remark="columns as in CSV; also lists of numbers"
)
ARRAYS: Final = Format("arrays", (), cut_parquet, parse_arrays, binary=True, remark="rows of numbers in tables")
