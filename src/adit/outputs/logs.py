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

_START: Final = re.compile(rb"# log of adit [a-z][a-z-]*\n")

_TIMES: Final = b"s\th:m:s\t"
"""Beginning of the header of Snakemake's times."""


def own_log(path: Path, used: Iterable[Path] = ()) -> Path:
    """Return the path of a log file to write; an existing file must be a log of this package.

    Args:
        path: the log.
        used: files that the command reads and writes, which cannot be the log.

    Raises:
        ConfigError: it is a file that the command uses, a foreign file, or not a plain file.
    """
    for other in used:
        if _is_same(path, other):
            raise ConfigError(f"--log {path}: is {other}, which this command reads or writes; name another file")
    if is_hidden(path):
        raise ConfigError(f"--log {path}: lies in a folder of manifests; name another file")
    try:
        if os.path.lexists(path):
            if path.is_symlink() or not path.is_file():
                raise ConfigError(f"--log {path}: is not a plain file; name another")
            if path.stat().st_size and not is_own_log(path) and not adopting():
                raise ConfigError(f"--log {path}: exists and is not a log of adit; name another file")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab"):
            return path
    except OSError as error:
        raise from_os_error(error, f"writing {path}") from error


def _is_same(path: Path, other: Path) -> bool:
    """Return whether two paths are, or will be, the same file."""
    try:
        if path.exists() and other.exists():
            return path.samefile(other)
        return os.path.realpath(path) == os.path.realpath(other)
    except (OSError, ValueError):
        return False


def is_own_log(path: Path) -> bool:
    """Return whether a file is a log of this package."""
    with path.open("rb") as file:
        return _START.match(file.read(64)) is not None


def is_own_benchmark(path: Path) -> bool:
    """Return whether a file holds times that Snakemake measured."""
    with path.open("rb") as file:
        return file.read(len(_TIMES)) == _TIMES
