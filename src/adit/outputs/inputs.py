"""Comparison of output files with the inputs, under any name."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from pathlib import Path

_read: ContextVar[tuple[Path, ...]] = ContextVar("read", default=())


def reads_only(paths: Iterable[Path]) -> None:
    """Set the files that this call reads; every ``Inputs`` contains them."""
    _read.set(tuple(paths))


def also_reads(paths: Iterable[Path]) -> None:
    """Add files that this call reads; see ``reads_only``."""
    _read.set((*_read.get(), *paths))


class Inputs:
    """Files and folders that a verb reads, with the files on its command line (``reads_only``).

    Args:
        paths: files and folders; missing ones are ignored.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._files: dict[tuple[int, int], Path] = {}
        self._folders: dict[tuple[int, int], Path] = {}
        for path in paths:
            identity = _identity(path)
            if identity is not None:
                (self._folders if path.is_dir() else self._files)[identity] = path
        for path in _read.get():
            identity = _identity(path)
            if identity is not None and not path.is_dir():
                self._files.setdefault(identity, path)
        self._inside: dict[tuple[int, int], Path] | None = None

    def holding(self, path: Path) -> Path | None:
        """Return the input that is the same file as ``path``, or the input folder that contains it; else ``None``.

        A new file in an input folder counts too, since the next run would read it. Files, also those inside input
        folders, are compared by device and inode, so that links, other cases and relative paths are recognised.
        """
        identity = _identity(path)
        if identity is not None:
            source = self._files.get(identity) or self._files_inside().get(identity)
            if source is not None:
                return source
        folder = path.parent.resolve()
        for parent in (path, folder, *folder.parents):
            above = _identity(parent)
            if above in self._folders:
                return self._folders[above]
        return None

    def _files_inside(self) -> dict[tuple[int, int], Path]:
        """Return the files in the input folders that have another name elsewhere, or are links to one."""
        if self._inside is None:
            self._inside = dict(entry for folder in self._folders.values() for entry in _linked(folder))
        return self._inside


def _linked(folder: Path) -> Iterator[tuple[tuple[int, int], Path]]:
    for below, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(below, name)
            with contextlib.suppress(OSError):
                status = os.stat(path)
                if status.st_nlink > 1 or os.path.islink(path):
                    yield (status.st_dev, status.st_ino), Path(path)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
