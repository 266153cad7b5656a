"""Parquet tables as columns of values, in bounded memory: a few hundred bytes can unpack to gigabytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from adit.config.limits import LimitsConfig
from adit.errors import DataError
from adit.limits import LimitError

_ROWS: Final = 1 << 16
"""Rows read at a time; each read decodes the whole dictionary."""

_VALUE: Final = 32
"""Smallest size of a value as an object, bytes."""


def read_parquet(path: Path, source: str, limits: LimitsConfig) -> dict[str, list[Any]]:
    """Return the columns of a Parquet table by name.

    Args:
        path: the file.
        source: name for messages.
        limits: ``archive_bytes`` bounds the unpacked size.

    Raises:
        DataError: the file is not Parquet.
        LimitError: it is larger.
    """
    import pyarrow as pa
    import pyarrow.parquet

    try:
        metadata = pyarrow.parquet.read_metadata(path)
        _check_stated(metadata, source, limits)
        with pyarrow.parquet.ParquetFile(path, read_dictionary=_texts(metadata)) as file:
            return _columns(file, source, limits)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{source}: not readable ({error})") from error


def _check_stated(metadata: Any, source: str, limits: LimitsConfig) -> None:
    """Check the size that the file itself states."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    parts = [group.column(n) for group in groups for n in range(group.num_columns)]
    _check(sum(part.total_uncompressed_size for part in parts), source, limits)
    _check(_VALUE * (metadata.num_rows + sum(part.num_values for part in parts)), source, limits)


def _texts(metadata: Any) -> list[str]:
    """Return the columns of texts; read as dictionaries, each distinct text is in memory once."""
    columns = [metadata.schema.column(n) for n in range(len(metadata.schema))]
    return [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]


def _columns(file: Any, source: str, limits: LimitsConfig) -> dict[str, list[Any]]:
    names = file.schema_arrow.names
    if len(set(names)) < len(names):
        raise DataError(f"{source}: not readable (two columns have the same name)")
    columns: dict[str, list[Any]] = {name: [] for name in names}
    size = 0
    for batch in file.iter_batches(batch_size=_ROWS, use_threads=False):
        for name, column in zip(names, batch.columns, strict=True):
            size += _size(column)
            _check(size, source, limits)
            columns[name] += column.to_pylist()
    return columns


def _check(size: int, source: str, limits: LimitsConfig) -> None:
    if size > limits.archive_bytes:
        raise LimitError(
            f"{source}: has more than {limits.archive_bytes:,} bytes unpacked: split it, or raise limits.archive_bytes"
        )


def _size(column: Any) -> int:
    """Return the approximate bytes of an array's values as objects; a dictionary counts as its decoded values."""
    import pyarrow as pa
    import pyarrow.compute

    own, kind = _VALUE * len(column), column.type
    if pa.types.is_dictionary(kind):
        if not pa.types.is_string(kind.value_type) and not pa.types.is_binary(kind.value_type):
            return own + len(column) * _size(column.dictionary)
        lengths = pa.compute.binary_length(column.dictionary).take(column.indices)
        return own + (pa.compute.sum(lengths.cast(pa.int64())).as_py() or 0)
    if pa.types.is_map(kind):
        return own + _size(column.keys) + _size(column.items)
    if pa.types.is_struct(kind):
        return own + sum(map(_size, column.flatten()))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return own + _size(column.flatten())
    return own + int(column.nbytes)
