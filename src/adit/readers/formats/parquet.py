"""Parquet tables as columns of values, in bounded memory: a few hundred bytes may stand for gigabytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from adit.config.limits import LimitsConfig
from adit.errors import DataError
from adit.limits import LimitError

_ROWS: Final = 64
"""Rows that are unpacked at a time."""

_VALUE: Final = 32
"""Bytes that a value and a row take at least, as objects."""


def read_parquet(path: Path, source: str, limits: LimitsConfig) -> dict[str, list[Any]]:
    """Return the columns of a Parquet table by name.

    Args:
        path: the file.
        source: for messages.
        limits: ``archive_bytes`` bounds what it takes unpacked.

    Raises:
        DataError: the file is not Parquet.
        LimitError: it takes more.
    """
    import pyarrow as pa
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            return _columns(file, source, limits)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{source}: not readable ({error})") from error


def _columns(file: Any, source: str, limits: LimitsConfig) -> dict[str, list[Any]]:
    metadata, names = file.metadata, file.schema_arrow.names
    if len(set(names)) < len(names):
        raise DataError(f"{source}: not readable (two columns have the same name)")
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    size = sum(group.column(n).total_uncompressed_size for group in groups for n in range(group.num_columns))
    _check(max(size, _VALUE * metadata.num_rows * (1 + len(names))), source, limits)
    columns: dict[str, list[Any]] = {name: [] for name in names}
    size = 0
    for batch in file.iter_batches(batch_size=_ROWS, use_threads=False):
        for name, column in zip(names, batch.columns, strict=True):
            plain = column.cast(_plain(column.type))
            size += plain.nbytes + _VALUE * len(plain)
            _check(size, source, limits)
            columns[name] += plain.to_pylist()
    return columns


def _check(size: int, source: str, limits: LimitsConfig) -> None:
    if size > limits.archive_bytes:
        raise LimitError(
            f"{source}: has more than {limits.archive_bytes:,} bytes unpacked: split it, or raise limits.archive_bytes"
        )


def _plain(kind: Any) -> Any:
    """Return a type without dictionaries, so that its bytes are those of its values."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.large_list(_plain(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([kind.field(n).with_type(_plain(kind.field(n).type)) for n in range(kind.num_fields)])
    return kind
