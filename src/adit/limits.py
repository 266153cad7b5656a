"""Limits on input files, for every reader: bytes of a file and of an archive, structures, atoms.

A reader never decides a limit itself: it is given a ``LimitsConfig`` and uses these functions. An input beyond a limit
raises ``LimitError``, whose one line names the key to raise; a reader makes it one failure row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Final, Protocol, TypeVar

from adit.config.limits import LimitsConfig
from adit.errors import DataError, from_os_error

T = TypeVar("T")

DEFAULTS: Final = LimitsConfig()
"""The limits if no configuration is given."""

LIMITS: ContextVar[LimitsConfig] = ContextVar("LIMITS", default=DEFAULTS)
"""The limits of this command, for tables and downloads; see ``limited`` and ``set_limits``."""

PAIRWISE_ATOMS: Final = 2000
"""Largest number of atoms of a structure for bonds, pictures and matching, whose memory grows with its square."""

BLOCK: Final = 1 << 20
"""Number of bytes that are read at a time."""


@contextmanager
def limited(limits: LimitsConfig) -> Iterator[None]:
    """Within the block, tables and downloads have the limits of a configuration."""
    token = LIMITS.set(limits)
    try:
        yield
    finally:
        LIMITS.reset(token)


def set_limits(limits: LimitsConfig) -> None:
    """Set the limits of tables and downloads, to the end of the block of ``limited`` around it."""
    LIMITS.set(limits)


class LimitError(DataError):
    """An input is larger than the configuration allows; the message names the limit."""


class Stream(Protocol):
    """A source of bytes: an open file, a member of an archive, a decompressor."""

    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes; an empty value at the end."""


def check_file(path: Path, limits: LimitsConfig = DEFAULTS) -> None:
    """Check the size of a file before it is read.

    Raises:
        LimitError: it is larger than ``limits.file_bytes``.
        DataError: it is missing or not accessible.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise from_os_error(error, f"reading {path}") from error
    if size > limits.file_bytes:
        raise LimitError(_file_message(f"{path}: has {size:,} bytes", limits))


def read_text(path: Path, limits: LimitsConfig = DEFAULTS) -> str:
    """Return the text of a file as UTF-8; invalid bytes become U+FFFD.

    Raises:
        LimitError: it is larger than ``limits.file_bytes``.
        DataError: it cannot be read.
    """
    check_file(path, limits)
    try:
        with path.open("rb") as stream:
            return read_bounded(stream, limits, str(path)).decode("utf-8", errors="replace")
    except OSError as error:
        raise from_os_error(error, f"reading {path}") from error


def read_bounded(stream: Stream, limits: LimitsConfig, name: str, archive: Archive | None = None) -> bytes:
    """Return all bytes of a stream; the size in its header is not trusted.

    Args:
        stream: open file, member of an archive, or decompressor (``gzip.open`` …).
        limits: ``file_bytes`` is the largest size of this stream, bytes.
        name: name of the file, for the message.
        archive: the archive that contains it, which counts the bytes too.

    Raises:
        LimitError: it has more bytes than ``limits.file_bytes``, or the archive more than ``limits.archive_bytes``.
    """
    blocks: list[bytes] = []
    size = 0
    while block := stream.read(BLOCK):
        size += len(block)
        if size > limits.file_bytes:
            raise LimitError(_file_message(f"{name}: has more than {limits.file_bytes:,} bytes unpacked", limits))
        if archive is not None:
            archive.take(len(block))
        blocks.append(block)
    return b"".join(blocks)


class Archive:
    """Counts the unpacked bytes of one archive.

    Args:
        name: name of the archive, for the message.
        limits: ``archive_bytes`` is the largest size of all its members together, bytes.

    Attributes:
        size: bytes that were unpacked so far.
    """

    def __init__(self, name: str, limits: LimitsConfig = DEFAULTS) -> None:
        self.name, self.limits, self.size = name, limits, 0

    @property
    def full(self) -> bool:
        """Return whether the limit is exceeded: nothing more of the archive is read."""
        return self.size > self.limits.archive_bytes

    def take(self, size: int) -> None:
        """Count ``size`` bytes that were unpacked.

        Raises:
            LimitError: all together are more than ``limits.archive_bytes``.
        """
        self.size += size
        if self.full:
            raise LimitError(
                f"{self.name}: has more than {self.limits.archive_bytes:,} bytes unpacked; the rest is not read: "
                "unpack it and give the folder, or raise limits.archive_bytes"
            )


def check_atoms(count: int, limits: LimitsConfig = DEFAULTS) -> None:
    """Check the number of atoms that a file states, before the atoms are parsed.

    Raises:
        LimitError: there are more than ``limits.atoms``.
    """
    if count > limits.atoms:
        raise LimitError(f"has {count:,} atoms, more than {limits.atoms:,} (limits.atoms)")


def names_limit(reason: str) -> bool:
    """Return whether the reason of a failure names a limit; the structure itself may then be valid."""
    return any(f"limits.{name}" in reason for name in LimitsConfig.model_fields)


def check_pairwise(count: int) -> None:
    """Check a number of atoms before an allocation that grows with its square.

    Raises:
        LimitError: there are more than ``PAIRWISE_ATOMS``.
    """
    if count > PAIRWISE_ATOMS:
        raise LimitError(f"has {count:,} atoms; bonds and matching are for at most {PAIRWISE_ATOMS:,}")


def capped(items: Iterable[T], limits: LimitsConfig, rest: Callable[[str], T]) -> Iterator[T]:
    """Yield at most ``limits.entries`` items; if there are more, ``rest(reason)`` is the last one.

    Args:
        items: entries or rows; at most one more than is yielded is created.
        limits: ``entries`` is the largest number of items.
        rest: returns the row for all items left out, with this reason.
    """
    for number, item in enumerate(items):
        if number == limits.entries:
            yield rest(f"more than {limits.entries:,} structures; the rest is not read: raise limits.entries")
            return
        yield item


def _file_message(what: str, limits: LimitsConfig) -> str:
    return f"{what}, more than {limits.file_bytes:,} are not read: split it, or raise limits.file_bytes"
