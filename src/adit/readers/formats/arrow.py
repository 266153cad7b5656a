"""This package's own Arrow files, whose rows are systems or failures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from adit import store
from adit.errors import DataError
from adit.readers.formats.base import CutSettings, Format, Parsed, ParseSettings, Piece
from adit.systems import AtomicSystem, Failure


def cut_arrow(path: Path, source: str, settings: CutSettings) -> Iterator[Piece]:
    """Yield the rows of a file of systems, failures included.

    Raises:
        DataError: the file is not readable, or has encoded columns.
    """
    try:
        table = store.read_systems(path)
    except DataError as error:
        raise DataError(str(error).replace(str(path), source)) from error
    if encoded := table.encoded():
        raise DataError(f"{source}: is not a file of systems: {', '.join(encoded)} are encoded; write plain columns")
    for number, system_id in enumerate(table.ids):
        try:
            row: AtomicSystem | Failure = table[number]
        except DataError as error:
            row = Failure(system_id, "read", str(error).removeprefix(f"{system_id}: "))
        properties = dict(row.info) if isinstance(row, AtomicSystem) else {}
        yield Piece(row, system_id, properties, own_id=True)


def parse_row(content: Any, settings: ParseSettings | None = None) -> Parsed:
    """Return a row, which needs no parsing.

    Raises:
        DataError: the row is a failure; the message is its reason.
    """
    if isinstance(content, Failure):
        raise DataError(content.reason)
    return Parsed(content)


ARROW: Final = Format("Arrow", (".arrow",), cut_arrow, parse_row, binary=True, remark="this package's own files")
