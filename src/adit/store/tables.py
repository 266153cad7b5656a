"""Tables: Arrow files, and pandas frames as Parquet or CSV."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet

from adit.columns import Col
from adit.limits import LIMITS, LimitError, read_bounded
from adit.outputs.cells import escaped, unescaped
from adit.store.arrow_sizes import unpacked_size
from adit.store.files import atomic_path, require_file, unreadable
from adit.store.parquet import read_parquet

if TYPE_CHECKING:
    import pandas as pd


CSV: Final = (".csv", ".csv.gz")
"""Suffixes of text tables."""

CELL: Final = 32
"""Memory that a cell of a text table takes in addition to its characters, bytes."""


def provenance_metadata(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Return provenance as the metadata of an Arrow schema; values must be storable as JSON."""
    return {"adit": json.dumps(dict(metadata), sort_keys=True)}


def write_arrow(path: Path | str, table: pa.Table) -> None:
    """Write a table as an uncompressed Arrow file, which can be memory-mapped.

    Raises:
        DataError: the file cannot be written.
    """
    with arrow_writer(path, table.schema) as write:
        write(table)


@contextmanager
def arrow_writer(path: Path | str, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    """Yield a function that appends tables to an Arrow file, which appears if the block ends without error.

    Args:
        path: the file.
        schema: schema of all tables.

    Raises:
        DataError: the file cannot be written.
    """
    with (
        atomic_path(path) as temporary,
        pa.OSFile(str(temporary), "wb") as sink,
        pa.ipc.new_file(sink, schema) as out,
    ):
        yield out.write_table


@contextmanager
def parquet_writer(path: Path | str, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    """Yield a function that appends tables to a Parquet file, which appears if the block ends without error.

    Args:
        path: the file.
        schema: schema of all tables.

    Raises:
        DataError: the file cannot be written.
    """
    with atomic_path(path) as temporary, pa.parquet.ParquetWriter(temporary, schema) as out:
        yield out.write_table


def read_arrow(path: Path | str) -> pa.Table:
    """Return the table of an Arrow file, memory-mapped.

    Raises:
        LimitError: it would be larger than ``limits.archive_bytes`` unpacked.
        DataError: the file is missing or broken.
    """
    path = require_file(path)
    try:
        size, most = unpacked_size(path), LIMITS.get().archive_bytes
        if size > most:
            raise LimitError(
                f"{path}: has {size:,} bytes unpacked, more than {most:,}: write it without compression, or raise "
                "limits.archive_bytes"
            )
        return pa.ipc.open_file(pa.memory_map(str(path), "r")).read_all()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise unreadable(path, error) from error


def write_frame(path: Path | str, frame: pd.DataFrame, metadata: Mapping[str, Any] | None = None) -> None:
    """Write a pandas frame as Parquet, or as CSV if the suffix is ``.csv``.

    Args:
        path: the file.
        frame: the table; in CSV, texts that a spreadsheet would take for formulas are escaped.
        metadata: provenance, see ``read_metadata``; not stored in CSV.

    Raises:
        DataError: the file cannot be written.
    """
    with atomic_path(path) as temporary:
        if Path(path).suffix == ".csv":
            escaped(frame).to_csv(temporary, index=False)
            return
        table = pa.Table.from_pandas(frame, preserve_index=False)
        extra = {"adit": json.dumps(dict(metadata or {}), sort_keys=True)}
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), **extra})
        pa.parquet.write_table(table, temporary)


NAMES_IN_TABLES = (Col.SYSTEM_ID, Col.FORMULA, Col.SMILES, "material_id")
"""Columns of CSV files that are always text."""


def _typed(values: pd.Series[Any]) -> Any:
    """Return a column of a CSV file as numbers if all its values are numbers; "" is missing."""
    import pandas as pd

    if values.dtype != object and not pd.api.types.is_string_dtype(values.dtype):
        return values
    missing = values.isin(["", "nan", "NaN", "None", "NA", "null"])
    if missing.all():
        return pd.to_numeric(values.where(~missing), errors="coerce")
    numbers = pd.to_numeric(values.where(~missing), errors="coerce")
    return numbers if numbers[~missing].notna().all() else values.where(values != "")


def read_frame(path: Path | str) -> pd.DataFrame:
    """Return a Parquet file, or a CSV file (``.csv`` or ``.csv.gz``), as a pandas frame.

    Raises:
        LimitError: it is larger than ``limits.archive_bytes`` unpacked; a CSV file: than ``limits.file_bytes``.
        DataError: the file is missing or broken.
    """
    path = require_file(path)
    try:
        return _read_csv(path) if path.name.endswith(CSV) else read_parquet(path, LIMITS.get()).to_pandas()
    except (pa.ArrowException, OSError, ValueError, EOFError, zlib.error) as error:
        raise unreadable(path, error) from error


def _read_csv(path: Path) -> pd.DataFrame:
    """Return a text table; names stay text, whatever they look like ("nan", or "NaN" of sodium and nitrogen)."""
    import pandas as pd

    names = dict.fromkeys(NAMES_IN_TABLES, str)
    text = io.BytesIO(_bounded(path))
    frame = unescaped(pd.read_csv(text, dtype=names, keep_default_na=False, na_values={}))
    for column in frame.columns.difference(list(names)):
        frame[column] = _typed(frame[column])
    return frame


def _bounded(path: Path) -> bytes:
    """Return the unpacked bytes of a text table.

    Raises:
        LimitError: they, or the table made from them, take too much memory.
    """
    limits = LIMITS.get()
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
        text = read_bounded(stream, limits, str(path))
    cells = text.count(b",") + text.count(b"\n")
    if len(text) + CELL * cells > limits.archive_bytes:
        raise LimitError(
            f"{path}: has about {cells:,} cells, more than {limits.archive_bytes:,} bytes in memory: write it as "
            "Parquet, or raise limits.archive_bytes"
        )
    return text


def read_metadata(path: Path | str) -> dict[str, Any]:
    """Return the provenance in a Parquet file of ``write_frame``; empty if there is none, or for CSV.

    Raises:
        DataError: the file is missing or broken.
    """
    path = require_file(path)
    if path.name.endswith(CSV):
        return {}
    try:
        metadata = pa.parquet.read_schema(path).metadata or {}
        return dict(json.loads(metadata.get(b"adit", b"{}")))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise unreadable(path, error) from error
