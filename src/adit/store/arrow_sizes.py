"""Unpacked size of an Arrow file, computed from its headers alone.

Files of this package are not compressed, since they are memory-mapped. In other files a few bytes can unpack to
gigabytes, and pyarrow unpacks whole record batches. The headers are flatbuffers; only the fields below are read
(https://arrow.apache.org/docs/format/Columnar.html).
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

MAGIC: Final = b"ARROW1"
"""First and last bytes of an Arrow file."""

_BLOCK: Final = 24
"""Size of an entry of the footer, bytes: offset, length of the header, length of the body."""

_DICTIONARIES, _BATCHES = 2, 3
"""Fields of the footer."""

_HEADER_TYPE, _HEADER, _DICTIONARY_TYPE, _DATA = 1, 2, 2, 1
"""Fields of a message; type of a message with a dictionary; field of a dictionary with its record batch."""

_BUFFERS, _COMPRESSION = 2, 3
"""Fields of a record batch."""


def unpacked_size(path: Path) -> int:
    """Return the unpacked size of all compressed buffers of an Arrow file, bytes; 0 if none is compressed.

    Raises:
        ValueError: the file is not an Arrow file, or is damaged.
    """
    with path.open("rb") as file:
        try:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return sum(map(sum, (_sizes(data, *block) for block in _blocks(data))))
        except (struct.error, IndexError, OverflowError) as error:
            raise ValueError(f"damaged headers: {error}") from error


def _blocks(data: mmap.mmap) -> Iterator[tuple[int, int]]:
    """Yield the offsets of the headers and bodies of dictionaries and record batches."""
    end = len(data) - len(MAGIC)
    if end < 10 or data[end:] != MAGIC:
        raise ValueError("not an Arrow file")
    start = end - 4 - _number(data, "<i", end - 4)
    footer = start + _number(data, "<I", start)
    for field in (_DICTIONARIES, _BATCHES):
        place = _field(data, footer, field)
        if place is None:
            continue
        vector = place + _number(data, "<I", place)
        for number in range(_number(data, "<I", vector)):
            block = vector + 4 + _BLOCK * number
            offset = _number(data, "<q", block)
            yield offset, offset + _number(data, "<i", block + 8)


def _sizes(data: mmap.mmap, header: int, body: int) -> Iterator[int]:
    """Yield the unpacked sizes of the buffers of a record batch, bytes; nothing if they are not compressed."""
    start = header + (8 if data[header : header + 4] == b"\xff" * 4 else 4)
    message = start + _number(data, "<I", start)
    kind, place = _field(data, message, _HEADER_TYPE), _field(data, message, _HEADER)
    if kind is None or place is None:
        raise ValueError("a message without a header")
    batch = place + _number(data, "<I", place)
    if data[kind] == _DICTIONARY_TYPE:
        place = _field(data, batch, _DATA)
        if place is None:
            return
        batch = place + _number(data, "<I", place)
    place = _field(data, batch, _BUFFERS)
    if _field(data, batch, _COMPRESSION) is None or place is None:
        return
    vector = place + _number(data, "<I", place)
    for number in range(_number(data, "<I", vector)):
        offset, length = struct.unpack_from("<qq", data, vector + 4 + 16 * number)
        if length >= 8:
            yield max(_number(data, "<q", body + offset), 0)


def _field(data: mmap.mmap, table: int, number: int) -> int | None:
    """Return the offset of a field of a flatbuffer's table; ``None`` if it is left out."""
    entries = table - _number(data, "<i", table)
    if 4 + 2 * number >= _number(data, "<H", entries):
        return None
    offset = _number(data, "<H", entries + 4 + 2 * number)
    return table + offset if offset else None


def _number(data: mmap.mmap, kind: str, place: int) -> int:
    if place < 0:
        raise IndexError(place)
    return int(struct.unpack_from(kind, data, place)[0])
