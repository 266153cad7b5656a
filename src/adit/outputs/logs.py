"""Log files: an existing file is overwritten only if it is a log of this package and not in use."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from adit.errors import ConfigError, from_os_error
from adit.outputs.check import adopting
from adit.outputs.parts import is_hidden

HEADER: Final = "# log of adit {stage}\n"
"""First line of every log."""

SUFFIX: Final = ".log"
"""Suffix of logs, which no output has."""

_START: Final = re.compile(rb"# log of adit [a-z][a-z-]*\n")

_TIMES: Final = b"s\th:m:s\t"
"""Beginning of the header of Snakemake's times."""


def own_log(path: Path, used: Iterable[Path] = (), written: Iterable[Path] = ()) -> Path:
    """Return the path of a log file, which is created if it does not exist; an existing file has to be a log of adit.

    Args:
        path: path of the log.
        used: files and folders that the command reads or writes; the log may be none of the files, and needs the suffix
            ``.log`` in the folders.
        written: files and folders that the command writes; a log in or beside them needs the suffix ``.log``.

    Raises:
        ConfigError: it is a file that the command uses, may become one of its outputs, lies in a folder of manifests,
            is not a plain file, or is a file that is not a log of this package.
        DataError: it cannot be written.
    """
    for other in used:
        if _is_same(path, other):
            raise ConfigError(f"--log {path}: is {other}, which this command reads or writes; name another file")
    if path.suffix != SUFFIX:
        for out in written:
            if _may_become(path, out):
                raise ConfigError(f"--log {path}: may be the name of a result of {out}; let it end with {SUFFIX}")
        for folder in used:
            if folder.is_dir() and _lies_in(path, folder):
                raise ConfigError(f"--log {path}: lies in {folder}, which this command uses; let it end with {SUFFIX}")
    if is_hidden(path):
        raise ConfigError(f"--log {path}: lies in a folder of manifests; name another file")
    try:
        if os.path.lexists(path):
            if path.is_symlink() or not path.is_file():
                raise ConfigError(f"--log {path}: is not a plain file; name another")
            adopted = adopting() and path.suffix == SUFFIX  # of an earlier version: never another kind of file
            if path.stat().st_size and not is_own_log(path) and not adopted:
                raise ConfigError(f"--log {path}: exists and is not a log of adit; name another file")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab"):
            return path
    except OSError as error:
        raise from_os_error(error, f"writing {path}") from error


def _may_become(path: Path, out: Path) -> bool:
    """Return whether a path may be an output: in the folder ``out``, or with the name of the file and a suffix."""
    place, out = Path(os.path.realpath(path)), Path(os.path.realpath(out))
    beside = place.parent == out.parent and (place.name == out.stem or place.name.startswith(f"{out.stem}."))
    return beside or place.is_relative_to(out) or place.is_relative_to(out.parent / out.stem)


def _lies_in(path: Path, folder: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _is_same(path: Path, other: Path) -> bool:
    """Return whether two paths are, or will be, the same file."""
    try:
        if path.exists() and other.exists():
            return path.samefile(other)
        return os.path.realpath(path) == os.path.realpath(other)
    except (OSError, ValueError):
        return False


def is_own_log(path: Path) -> bool:
    """Return whether a file is a log of this package.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return _START.match(file.read(64)) is not None


def is_own_benchmark(path: Path) -> bool:
    """Return whether a file holds times that Snakemake measured.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return file.read(len(_TIMES)) == _TIMES
