"""Parquet tables as columns of values, in bounded memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from adit.config.limits import LimitsConfig
from adit.errors import DataError


def parquet_columns(path: Path, source: str, limits: LimitsConfig) -> dict[str, list[Any]]:
    """Return the columns of a Parquet table by name.

    Args:
        path: the file.
        source: name for messages.
        limits: ``archive_bytes`` bounds the unpacked size.

    Raises:
        DataError: the file is not readable as Parquet, or two columns have the same name.
        LimitError: its unpacked size is above ``limits.archive_bytes``.
    """
    import pyarrow as pa
    import pyarrow.parquet

    from adit.store.parquet import OBJECT, parquet_batches

    try:
        names = pyarrow.parquet.read_schema(path).names
        if len(set(names)) < len(names):
            raise DataError(f"{source}: not readable (two columns have the same name)")
        columns: dict[str, list[Any]] = {name: [] for name in names}
        for batch in parquet_batches(path, source, limits, OBJECT):
            for name, column in zip(names, batch.columns, strict=True):
                columns[name] += column.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{source}: not readable ({error})") from error
    return columns
