"""Members of archives, read as a stream: nothing is unpacked to disk, and dangerous members are refused."""

from __future__ import annotations

import io
import pickle
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from adit.errors import DataError

LARGEST = 4 << 30
"""Largest unpacked size of a member, bytes."""


def safe_name(name: str, archive: Path) -> str:
    """Return a member's name unchanged, after checking it.

    Raises:
        DataError: it is absolute, or points outside the folder of the archive.
    """
    pure = PurePosixPath(name.replace("\\", "/"))
    if pure.is_absolute() or ".." in pure.parts or (pure.parts and pure.parts[0].endswith(":")):
        raise DataError(f"{archive}: holds the path '{name}', which leaves its folder; do not use this archive")
    return name


def tar_members(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each plain file of a tar archive (any compression), in its order.

    Raises:
        DataError: a name points outside the folder of the archive, a member is a link or device, or is larger than
            ``LARGEST``.
    """
    with tarfile.open(archive, "r|*") as tar:
        for member in tar:
            safe_name(member.name, archive)
            if member.isdir():
                continue
            if not member.isreg():
                raise DataError(f"{archive}: '{member.name}' is a link or device; do not use this archive")
            _check_size(member.name, member.size, archive)
            file = tar.extractfile(member)
            if file is not None:
                yield member.name, file.read()


def zip_members(archive: Path, suffixes: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each file of a zip archive with one of the suffixes, in its order.

    Raises:
        DataError: a name points outside the folder of the archive, or a member is larger than ``LARGEST``.
    """
    with zipfile.ZipFile(archive) as opened:
        for member in opened.infolist():
            safe_name(member.filename, archive)
            if member.is_dir() or not member.filename.endswith(suffixes):
                continue
            _check_size(member.filename, member.file_size, archive)
            yield member.filename, opened.read(member)


def _check_size(name: str, size: int, archive: Path) -> None:
    if size > LARGEST:
        raise DataError(f"{archive}: '{name}' unpacks to {size} bytes, more than {LARGEST}; do not use this archive")


class _Restricted(pickle.Unpickler):
    """An unpickler that creates only plain values and the given classes."""

    def __init__(self, data: bytes, allowed: frozenset[tuple[str, str]]) -> None:
        super().__init__(io.BytesIO(data))
        self._allowed = allowed

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._allowed:
            raise pickle.UnpicklingError(f"it needs {module}.{name}")
        return super().find_class(module, name)


def unpickle(data: bytes, allowed: frozenset[tuple[str, str]], where: str) -> Any:
    """Return a pickled value; it may create only the ``allowed`` classes.

    Args:
        data: the pickle.
        allowed: (module, name) of classes.
        where: file and member, for messages.

    Raises:
        DataError: the pickle is broken or needs another class.
    """
    try:
        return _Restricted(data, allowed).load()
    except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError, ValueError, TypeError) as error:
        raise DataError(f"{where}: is not a pickle that may be read ({error})") from None
