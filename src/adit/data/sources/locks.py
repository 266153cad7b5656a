"""Locks between processes: kernel locks, which are released when their process ends."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adit.errors import from_os_error
from adit.outputs.parts import hidden_folder
from adit.progress import log


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Within the block, be the only process that makes ``path``; wait for another one to end. The lock file is kept.

    Raises:
        DataError: the lock file cannot be created.
    """
    try:
        handle = (hidden_folder(path.parent) / f"{path.name}.lock").open("a")
    except OSError as error:
        raise from_os_error(error, f"writing {path}") from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("%s: another process is writing it; waiting", path.name)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
