"""Samples in tables: CSV and Parquet with a column of CIF texts, or of numbers, positions and cells."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from adit.errors import DataError
from adit.structure_texts import split_cif
from adit.systems import AtomicSystem, Failure

if TYPE_CHECKING:
    import pandas as pd

_CIF_COLUMNS: Final = ("cif", "structure_cif", "cif_string", "structure")
_ID_COLUMNS: Final = ("system_id", "material_id", "id", "name")

_MAX_FIELD: Final = 2_000_000_000
"""Characters of one field of a CSV file."""


@dataclass(frozen=True)
class Entry:
    """One sample, not parsed.

    Attributes:
        name: id, unique only after ``unique``.
        format: cif, xyz, mol, poscar or arrays; ``row`` for what is a system or a failure already.
        content: the text, or numbers, positions and cell, or the row.
    """

    name: str
    format: str
    content: Any


def csv_entries(text: str, name: str, source: str) -> Iterator[Entry]:
    """Return the rows of a CSV text; one with more fields than the header is a row with that reason.

    Raises:
        DataError: there is no header, or no column of structures.
    """
    import pandas as pd

    csv.field_size_limit(_MAX_FIELD)
    try:
        lines = [row for row in csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")) if row]
    except csv.Error as error:
        raise DataError(f"{source}: no readable CSV ({error})") from error
    if not lines:
        raise DataError(f"{source}: no readable CSV (it is empty)")
    columns, rows = _different(lines[0]), lines[1:]
    width = len(columns)
    broken = {
        number: f"row {number + 1} of {source} has {len(row)} fields, the header {width}"
        for number, row in enumerate(rows)
        if len(row) > width
    }
    if rows and _is_open(text):
        broken[len(rows) - 1] = f"a quote in row {len(rows)} of {source} is never closed: the rest of the file is in it"
    padded = [[*row[:width], *[""] * (width - len(row))] for row in rows]
    yield from frame_entries(pd.DataFrame(padded, columns=columns, dtype=object), name, source, broken)


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
    """Return names of columns, those that occur before with a number."""
    return [f"{name}.{seen}" if (seen := names[:n].count(name)) else name for n, name in enumerate(names)]


def frame_entries(
    frame: pd.DataFrame, name: str, source: str, broken: Mapping[int, str] | None = None
) -> Iterator[Entry]:
    """Return the rows of a table with a column of CIF texts, or of numbers, positions and cells.

    Args:
        frame: the table.
        name: of the file; opens the ids where no column has any.
        source: the file, for people.
        broken: by number, why a row is none.

    Raises:
        DataError: no column has structures.
    """
    broken = broken or {}
    contents = _contents(frame, source)
    columns = {str(column).lower(): column for column in frame.columns}
    key = next((columns[each] for each in _ID_COLUMNS if each in columns), None)
    names = [str(value) for value in frame[key]] if key is not None else [f"{name}-{n}" for n in range(len(frame))]
    for number, (system_id, content) in enumerate(zip(names, contents, strict=True)):
        if number in broken:
            yield Entry(system_id, "row", Failure(system_id, "read", broken[number]))
        elif isinstance(content, str):
            blocks = split_cif(content)
            for n, block in enumerate(blocks):
                yield Entry(system_id if len(blocks) == 1 else f"{system_id}-{n}", "cif", block)
        else:
            yield Entry(system_id, "arrays", content)


def _contents(frame: pd.DataFrame, source: str) -> list[str | tuple[Any, Any, Any]]:
    """Return the CIF text of each row, or its numbers, positions and cell."""
    columns = {str(column).lower(): column for column in frame.columns}
    column = next((columns[each] for each in _CIF_COLUMNS if each in columns), None)
    if column is None:
        column = next((each for each in frame.columns if _holds_cif(frame[each])), None)
    if column is not None:
        return [text if isinstance(text, str) else "" for text in frame[column]]
    numbers = next((columns[each] for each in ("numbers", "atomic_numbers") if each in columns), None)
    if numbers is None or "positions" not in columns:
        held = ", ".join(map(str, frame.columns)) or "none"
        raise DataError(f"{source}: no column of CIF texts, nor numbers and positions; columns: {held}")
    cells = frame[columns["cell"]] if "cell" in columns else [None] * len(frame)
    return list(zip(frame[numbers], frame[columns["positions"]], cells, strict=True))


def _holds_cif(values: Any) -> bool:
    first = next((value for value in values if isinstance(value, str) and value.strip()), "")
    return "_cell_length_a" in first


def plain_array(value: Any) -> np.ndarray | None:
    """Return numbers as they lie in a table, nested or flat, as one flat array; ``None`` where there are none."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    rows = np.asarray(value, dtype=object).ravel()
    parts = [np.asarray(row, dtype=float).ravel() for row in rows]
    return np.concatenate(parts) if parts else np.zeros(0)


def as_row(content: Any) -> AtomicSystem | Failure:
    """Return the row of an entry that is one already."""
    row: AtomicSystem | Failure = content
    return row
