"""Tables: Arrow files, and pandas frames as Parquet or CSV."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet

from adit.errors import DataError
from adit.outputs.cells import escaped, unescaped
from adit.store.arrow_sizes import unpacked_size
from adit.store.files import atomic_path, require_file, unreadable

if TYPE_CHECKING:
    import pandas as pd


UNPACKED: Final = 1_000_000_000
"""Largest unpacked size of a compressed Arrow file, bytes; files of this package are not compressed."""


def provenance_metadata(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Return provenance as the metadata of a schema."""
    return {"adit": json.dumps(dict(metadata), sort_keys=True)}


def write_arrow(path: Path | str, table: pa.Table) -> None:
    """Write a table as an uncompressed Arrow file, so that it can be memory-mapped."""
    with arrow_writer(path, table.schema) as write:
        write(table)


@contextmanager
def arrow_writer(path: Path | str, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    """Yield a function that appends tables to an Arrow file, which appears if the block ends without error."""
    with (
        atomic_path(path) as temporary,
        pa.OSFile(str(temporary), "wb") as sink,
        pa.ipc.new_file(sink, schema) as out,
    ):
        yield out.write_table


@contextmanager
def parquet_writer(path: Path | str, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    """Yield a function that appends tables to a Parquet file, which appears if the block ends without error."""
    with atomic_path(path) as temporary, pa.parquet.ParquetWriter(temporary, schema) as out:
        yield out.write_table


def read_arrow(path: Path | str) -> pa.Table:
    """Open an Arrow file, memory-mapped.

    Raises:
        DataError: it is missing or broken, or its unpacked size is above ``UNPACKED``.
    """
    path = require_file(path)
    try:
        size = unpacked_size(path)
        if size > UNPACKED:
            raise DataError(
                f"{path}: has {size:,} bytes unpacked, more than {UNPACKED:,}; write it without compression"
            )
        return pa.ipc.open_file(pa.memory_map(str(path), "r")).read_all()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise unreadable(path, error) from error


def write_frame(path: Path | str, frame: pd.DataFrame, metadata: Mapping[str, Any] | None = None) -> None:
    """Write a pandas frame as Parquet, or as CSV by the file's suffix (with formulas escaped for spreadsheets)."""
    with atomic_path(path) as temporary:
        if Path(path).suffix == ".csv":
            escaped(frame).to_csv(temporary, index=False)
            return
        table = pa.Table.from_pandas(frame, preserve_index=False)
        extra = {"adit": json.dumps(dict(metadata or {}), sort_keys=True)}
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), **extra})
        pa.parquet.write_table(table, temporary)


NAMES_IN_TABLES = ("system_id", "formula", "smiles", "material_id")
"""Columns of CSV files that are always text."""


def _typed(values: pd.Series[Any]) -> Any:
    """Return a column of a CSV file as numbers or booleans if all its values are such; "" is missing."""
    import pandas as pd

    if values.dtype != object and not pd.api.types.is_string_dtype(values.dtype):
        return values
    missing = values.isin(["", "nan", "NaN", "None", "NA", "null"])
    if missing.all():
        return pd.to_numeric(values.where(~missing), errors="coerce")
    numbers = pd.to_numeric(values.where(~missing), errors="coerce")
    return numbers if numbers[~missing].notna().all() else values.where(values != "")


def read_frame(path: Path | str) -> pd.DataFrame:
    """Read a Parquet (or CSV) file as a pandas frame.

    Raises:
        DataError: it is missing or broken.
    """
    import pandas as pd

    path = require_file(path)
    try:
        if path.suffix != ".csv":
            return pd.read_parquet(path)
        # Names stay text: "nan" may be the name of a structure, and "NaN" a formula of Na and N.
        names = dict.fromkeys(NAMES_IN_TABLES, str)
        frame = unescaped(pd.read_csv(path, dtype=names, keep_default_na=False, na_values={}))
        for column in frame.columns.difference(list(names)):
            frame[column] = _typed(frame[column])
        return frame
    except (pa.ArrowException, OSError, ValueError) as error:
        raise unreadable(path, error) from error


def read_metadata(path: Path | str) -> dict[str, Any]:
    """Return the provenance in a Parquet file of ``write_frame``; empty if there is none, or for CSV."""
    path = require_file(path)
    if path.suffix == ".csv":
        return {}
    try:
        metadata = pa.parquet.read_schema(path).metadata or {}
        return dict(json.loads(metadata.get(b"adit", b"{}")))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise unreadable(path, error) from error
