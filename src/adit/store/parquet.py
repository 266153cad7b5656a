"""Parquet tables in bounded memory: a few hundred bytes of one may stand for gigabytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet

from adit.config.limits import LimitsConfig
from adit.limits import LimitError

OBJECT: Final = 32
"""Smallest size of a text or a list as a Python object, and of a number in a list of objects, bytes."""

_ROWS: Final = 1 << 16
"""Number of rows that are read at a time; each time costs as much as the dictionary is large."""


def parquet_batches(path: Path, source: str, limits: LimitsConfig, number: int) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a Parquet table in batches; texts are dictionaries, so that a repeated one is in memory once.

    Args:
        path: the file.
        source: name of the file for messages.
        limits: ``archive_bytes`` is the largest unpacked size, bytes.
        number: bytes that a number takes in addition to its own: ``OBJECT`` if it becomes an object, otherwise 0.

    Raises:
        LimitError: the table is larger.
        pa.ArrowException: the file is not Parquet.
    """
    metadata = pyarrow.parquet.read_metadata(path)
    _check_stated(metadata, source, limits, number)
    size = 0
    with pyarrow.parquet.ParquetFile(path, read_dictionary=_texts(metadata)) as file:
        for batch in file.iter_batches(batch_size=_ROWS, use_threads=False):
            size += sum(_size(column, number) for column in batch.columns)
            _check(size, source, limits)
            yield batch


def read_parquet(path: Path, limits: LimitsConfig) -> pa.Table:
    """Return a Parquet table.

    Raises:
        LimitError: it is larger than ``limits.archive_bytes`` unpacked.
        pa.ArrowException: the file is not Parquet.
    """
    batches = list(parquet_batches(path, str(path), limits, 0))
    schema = pyarrow.parquet.read_schema(path)
    return pa.Table.from_batches(batches).cast(schema) if batches else schema.empty_table()


def _check_stated(metadata: Any, source: str, limits: LimitsConfig, number: int) -> None:
    """Check the size that the file's own metadata states."""
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    parts = [group.column(index) for group in groups for index in range(group.num_columns)]
    _check(sum(part.total_uncompressed_size for part in parts), source, limits)
    _check(number * (metadata.num_rows + sum(part.num_values for part in parts)), source, limits)


def _texts(metadata: Any) -> list[str]:
    """Return the columns of texts; read as dictionaries, a text that occurs often is in memory once."""
    columns = [metadata.schema.column(index) for index in range(len(metadata.schema))]
    return [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]


def _check(size: int, source: str, limits: LimitsConfig) -> None:
    if size > limits.archive_bytes:
        raise LimitError(
            f"{source}: has more than {limits.archive_bytes:,} bytes unpacked: split it, or raise limits.archive_bytes"
        )


def _size(column: Any, number: int) -> int:
    """Return the approximate size of the values of an array as objects, bytes; a dictionary counts as its values."""
    kind, objects = column.type, OBJECT * len(column)
    if pa.types.is_dictionary(kind):
        if not pa.types.is_string(kind.value_type) and not pa.types.is_binary(kind.value_type):
            return objects + len(column) * _size(column.dictionary, number)
        lengths = pa.compute.binary_length(column.dictionary).take(column.indices)
        return objects + (pa.compute.sum(lengths.cast(pa.int64())).as_py() or 0)
    if pa.types.is_map(kind):
        return objects + _size(column.keys, number) + _size(column.items, number)
    if pa.types.is_struct(kind):
        return objects + sum(_size(each, number) for each in column.flatten())
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return objects + _size(column.flatten(), number)
    return number * len(column) + int(column.nbytes)
