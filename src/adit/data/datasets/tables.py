"""Parquet tables of systems: one row per system, with list columns of numbers and coordinates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from adit.errors import DataError
from adit.systems import AtomicSystem, Kind


@dataclass(frozen=True)
class SystemColumns:
    """Columns of a table of systems.

    Attributes:
        ids: id of each row.
        numbers: list column of atomic numbers.
        positions: list column of n × 3 coordinates in Å, atom after atom.
        cell: list column of 9 numbers in Å, rows of the cell are lattice vectors; ``None`` for molecules.
    """

    ids: Sequence[str]
    numbers: pa.Array
    positions: pa.Array
    cell: pa.Array | None

    def system(self, row: int, kind: Kind, info: Mapping[str, Any]) -> AtomicSystem:
        """Return the system of a row, of the given kind and with the given ``info``.

        Raises:
            DataError: numbers, coordinates and cell do not fit together, or are not a valid system.
        """
        name = self.ids[row]
        z, x = (np.asarray(column[row].as_py() or [], dtype=float) for column in (self.numbers, self.positions))
        if x.size != 3 * z.size:
            raise DataError(f"{name}: {z.size} atoms but {x.size} coordinates")
        cell = None
        if self.cell is not None:
            values = np.asarray(self.cell[row].as_py() or [], dtype=float)
            if values.size != 9:
                raise DataError(f"{name}: its cell has {values.size} numbers, not 9")
            cell = values.reshape(3, 3)
        return AtomicSystem(name, kind, z.astype(np.int64), x.reshape(-1, 3), cell, info)


def system_columns(path: Path, id_column: str | None, *, periodic: bool) -> SystemColumns:
    """Return the columns ``atomic_numbers``, ``positions`` and, for periodic systems, ``cell`` of a Parquet file.

    Args:
        path: the Parquet file.
        id_column: column of the ids; ``None``: the index of the row.
        periodic: whether cells are required.

    Raises:
        DataError: a column is missing.
    """
    table = pyarrow.parquet.read_table(path)
    wanted = [*([id_column] if id_column else []), "atomic_numbers", "positions", *(["cell"] if periodic else [])]
    missing = [name for name in wanted if name not in table.column_names]
    if missing:
        raise DataError(f"{path}: lacks the column {', '.join(missing)}")
    ids = (
        [str(name) for name in table.column(id_column).to_pylist()] if id_column else list(map(str, range(len(table))))
    )
    numbers, positions = (table.column(name).combine_chunks() for name in ("atomic_numbers", "positions"))
    return SystemColumns(ids, numbers, positions, table.column("cell").combine_chunks() if periodic else None)
