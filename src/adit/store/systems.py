"""Files of systems and failures (Arrow), memory-mapped; extended XYZ."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from adit.columns import Col
from adit.elements import symbol
from adit.errors import DataError, printable
from adit.store.files import require_file, write_text
from adit.store.tables import provenance_metadata, read_arrow, write_arrow
from adit.systems import AtomicSystem, Failure, Kind, SystemArrays

Row = AtomicSystem | Failure
"""A row of a file of systems."""

SYSTEM_SCHEMA = pa.schema(
    [
        pa.field(Col.SYSTEM_ID, pa.string(), nullable=False),
        pa.field("kind", pa.string()),
        pa.field("split", pa.string()),
        pa.field("numbers", pa.list_(pa.uint8())),
        pa.field("positions", pa.list_(pa.float64())),
        pa.field("cell", pa.list_(pa.float64(), 9)),
        pa.field("info", pa.string()),
        pa.field("failed_stage", pa.string()),
        pa.field("failed_reason", pa.string()),
    ]
)
"""Columns of a file of systems: positions (n × 3) and cell (9 numbers, vectors as rows) in Å, ``info`` as JSON."""


def _record(row: Row, split: str | None) -> dict[str, Any]:
    if isinstance(row, Failure):
        kind = None if row.kind is None else str(row.kind)
        return {
            Col.SYSTEM_ID: row.system_id,
            "kind": kind,
            "split": split,
            "failed_stage": row.stage,
            "failed_reason": row.reason,
        }
    return {
        Col.SYSTEM_ID: row.system_id,
        "kind": str(row.kind),
        "split": split,
        "numbers": row.numbers.astype(np.uint8),
        "positions": row.positions.ravel(),
        "cell": None if row.cell is None else row.cell.ravel(),
        "info": json.dumps(dict(row.info), sort_keys=True),
    }


def write_systems(
    path: Path | str,
    rows: Iterable[Row],
    *,
    splits: Sequence[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Write systems and failures as an Arrow file.

    Args:
        path: the file.
        rows: systems and failures, one row each.
        splits: split of each row; ``None`` for none.
        metadata: provenance, stored as JSON in the schema; see ``SystemTable.metadata``.

    Raises:
        DataError: the number of splits is not that of the rows, or the file cannot be written.
    """
    rows = list(rows)
    if splits is not None and len(splits) != len(rows):
        raise DataError(f"{path}: {len(rows)} rows but {len(splits)} splits")
    write_arrow(path, systems_table(rows, splits).replace_schema_metadata(provenance_metadata(metadata or {})))


def systems_table(rows: Sequence[Row], splits: Sequence[str] | None = None) -> pa.Table:
    """Return systems and failures as a table of ``SYSTEM_SCHEMA``."""
    labels: Sequence[str | None] = splits if splits is not None else [None] * len(rows)
    records = [_record(row, label) for row, label in zip(rows, labels, strict=True)]
    return pa.Table.from_pylist(records, schema=SYSTEM_SCHEMA)


class SystemTable(Sequence[Row]):
    """A memory-mapped file of systems and failures; rows are created when they are accessed.

    Attributes:
        path: path of the file.
    """

    def __init__(self, table: pa.Table, path: Path) -> None:
        self._table = table
        self.path = path

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def encoded(self) -> list[str]:
        """Return the names of columns with encodings that can unpack to many bytes: dictionaries and run lengths."""
        is_encoded = (pa.types.is_dictionary, pa.types.is_run_end_encoded)
        return [each.name for each in self._table.schema if any(check(each.type) for check in is_encoded)]

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self._row(i) for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self._row(index % len(self))

    def _row(self, index: int) -> Row:
        record = {name: self._table.column(name)[index] for name in self._table.column_names}
        kind = record["kind"].as_py()
        if not record["numbers"].is_valid:
            return Failure(
                record[Col.SYSTEM_ID].as_py(),
                record["failed_stage"].as_py() or "unknown",
                record["failed_reason"].as_py() or "unknown",
                None if kind is None else Kind(kind),
            )
        cell = record["cell"]
        return AtomicSystem(
            system_id=record[Col.SYSTEM_ID].as_py(),
            kind=Kind(kind),
            numbers=record["numbers"].values.to_numpy(zero_copy_only=False),
            positions=record["positions"].values.to_numpy(zero_copy_only=False).reshape(-1, 3),
            cell=cell.values.to_numpy(zero_copy_only=False).reshape(3, 3) if cell.is_valid else None,
            info=json.loads(record["info"].as_py() or "{}"),
        )

    @property
    def metadata(self) -> dict[str, Any]:
        """Return the provenance written with the file."""
        raw = (self._table.schema.metadata or {}).get(b"adit", b"{}")
        loaded: dict[str, Any] = json.loads(raw)
        return loaded

    @property
    def splits(self) -> list[str | None]:
        """Return the split of each row; ``None`` for none."""
        return list(self._table.column("split").to_pylist())

    @property
    def ids(self) -> list[str]:
        """Return the id of each row."""
        return list(self._table.column(Col.SYSTEM_ID).to_pylist())

    @property
    def n_atoms(self) -> np.ndarray:
        """Return the number of atoms of each row, (rows,) int; 0 for failures."""
        lengths = pa.compute.list_value_length(self._table.column("numbers")).to_pylist()
        return np.array([length or 0 for length in lengths], dtype=np.int64)

    def systems(self, split: str | None = None) -> list[AtomicSystem]:
        """Return the systems (not the failures) of one split, or of all if ``split`` is ``None``."""
        labels = self.splits
        rows = (self._row(i) for i in range(len(self)) if split is None or labels[i] == split)
        return [row for row in rows if isinstance(row, AtomicSystem)]

    def arrays(self, split: str) -> SystemArrays:
        """Return the systems of a split as flat arrays (Å, float32), in order, without creating objects."""
        table = self._table.filter(self._wanted(split)).combine_chunks()
        numbers, positions = (_flat_list(table, name) for name in ("numbers", "positions"))
        sizes = np.asarray(pa.compute.list_value_length(table.column("numbers")), dtype=np.int64)
        cells = np.zeros((table.num_rows, 9), dtype=np.float32)
        periodic = np.asarray(table.column("cell").is_valid(), dtype=bool)
        cells[periodic] = _flat_list(table.filter(pa.array(periodic)), "cell").reshape(-1, 9)
        kinds = pa.compute.index_in(table.column("kind"), pa.array([str(kind) for kind in Kind]))
        return SystemArrays(
            numbers=numbers.astype(np.uint8),
            positions=positions.reshape(-1, 3).astype(np.float32),
            cell=cells.reshape(-1, 3, 3),
            offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            kind=np.asarray(kinds, dtype=np.int64),
        )

    def _wanted(self, split: str) -> pa.ChunkedArray:
        """Return a mask of the rows that are systems (not failures) of a split."""
        return pa.compute.and_(
            pa.compute.equal(self._table.column("split"), split), self._table.column("numbers").is_valid()
        )

    def infos(self, split: str) -> list[dict[str, Any]]:
        """Return the annotations (``info``) of the systems of a split, in the order of ``arrays``."""
        return [json.loads(text or "{}") for text in self._table.column("info").filter(self._wanted(split)).to_pylist()]

    def split_ids(self, split: str) -> list[str]:
        """Return the ids of the systems of a split, in the order of ``arrays``."""
        return list(self._table.column(Col.SYSTEM_ID).filter(self._wanted(split)).to_pylist())

    def failures(self) -> list[Failure]:
        """Return all failures, in order."""
        return [row for row in self if isinstance(row, Failure)]


def _flat_list(table: pa.Table, name: str) -> np.ndarray:
    """Return the values of a list column as a flat array."""
    values = pa.compute.list_flatten(table.column(name))
    return np.asarray(values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values)


def read_systems(path: Path | str) -> SystemTable:
    """Return the rows of a file of systems, memory-mapped.

    Raises:
        LimitError: it would be larger than ``limits.archive_bytes`` unpacked.
        DataError: the file is missing, broken, or not a file of systems.
    """
    path = require_file(path)
    table = read_arrow(path)
    missing = [name for name in SYSTEM_SCHEMA.names if name not in table.column_names]
    if missing:
        raise DataError(f"{path}: is not a file of systems (lacks {', '.join(missing)})")
    return SystemTable(table, path)


def write_extxyz(path: Path | str, systems: Iterable[AtomicSystem]) -> None:
    """Write systems as extended XYZ (Å), with ids and those values of ``info`` that are numbers or text as comment.

    Texts with spaces or other signs are quoted. Empty ones are left out: ASE would read the next key as their value.
    Control characters, ends of lines among them, are written as escapes. In the keys of ``info``, characters that a key
    cannot have are written as ``_``; a key that has a meaning of its own in the format gets the prefix ``info_``.

    Raises:
        DataError: the file cannot be written.
    """
    lines: list[str] = []
    for system in systems:
        comment = [f'Lattice="{" ".join(f"{x:.10f}" for x in system.cell.ravel())}"'] if system.cell is not None else []
        comment.append("Properties=species:S:1:pos:R:3")
        comment.append(f'pbc="{"T T T" if system.cell is not None else "F F F"}"')
        comment += [f"{key}={value}" for key, value in _words(system.system_id, system.info).items()]
        lines += [str(len(system)), " ".join(comment)]
        lines += [
            f"{symbol(int(z)):<2s} {x:16.10f} {y:16.10f} {w:16.10f}"
            for z, (x, y, w) in zip(system.numbers, system.positions, strict=True)
        ]
    write_text(path, "\n".join(lines) + ("\n" if lines else ""))


_PLAIN = re.compile(r"[\w.:/+-]+")
"""A text that needs no quotes in the comment line of extended XYZ."""

_RESERVED = frozenset(
    {"lattice", "properties", "pbc", "cell", Col.SYSTEM_ID, "stress", "virial", "unit", "units", "length_unit"}
    | {
        f"{who}{word}"
        for who in ("", "is_", "coords_are_", "positions_are_")
        for word in ("scaled", "frac", "fractional")
    }
)
"""Keys of the comment line that have a meaning of their own, here or for a reader, in lower case."""


def _quoted(text: str) -> str:
    """Return a text as a value of the comment line, in quotes."""
    return '"' + printable(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _words(system_id: str, info: Mapping[str, Any]) -> dict[str, str]:
    """Return the id, and the numbers and texts among annotations, as keys and values of the comment line."""
    words: dict[str, str] = {}
    if system_id:
        words[Col.SYSTEM_ID] = system_id if _PLAIN.fullmatch(system_id) else _quoted(system_id)
    for name, value in info.items():
        if isinstance(value, (int, float, str)) and value != "":
            key = re.sub(r"[^\w.:-]|^(?![A-Za-z_])", "_", name)
            key = f"info_{key}" if key.lower() in _RESERVED else key
            while key in words:
                key += "_"
            words[key] = _quoted(value) if isinstance(value, str) else json.dumps(value)
    return words
