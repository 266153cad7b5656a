"""Log files: one that is there is written over only if it is a log of this package."""

from __future__ import annotations

import os
import re
from pathlib import Path

from adit.errors import ConfigError, from_os_error

_START = re.compile(rb"\[[a-z][a-z-]*\] ")
"""How the first line of a log begins."""

_TIMES = b"s\th:m:s\t"
"""How the header of Snakemake's times begins."""


def own_log(path: Path) -> Path:
    """Return the path of a log file to write; one that is there has to be a log of this package.

    Raises:
        ConfigError: it is another file, or none that can be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(path):
            if path.is_symlink() or not path.is_file():
                raise ConfigError(f"--log {path}: is not a plain file; name another")
            with path.open("rb") as file:
                start = file.read(64)
            if start and not _START.match(start):
                raise ConfigError(f"--log {path}: is there, and no log of adit; name another file")
        with path.open("ab"):
            return path
    except OSError as error:
        raise from_os_error(error, f"writing {path}") from error


def is_own_log(path: Path) -> bool:
    """Return whether a file is a log of this package."""
    with path.open("rb") as file:
        return _START.match(file.read(64)) is not None


def is_own_benchmark(path: Path) -> bool:
    """Return whether a file holds times that Snakemake measured."""
    with path.open("rb") as file:
        return file.read(len(_TIMES)) == _TIMES
