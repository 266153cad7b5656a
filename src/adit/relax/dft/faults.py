"""Distinguishes faults of the machine from failures of a structure."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import shlex
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from adit.errors import DataError, ExternalToolError
from adit.outputs.parts import hidden_folder

LOCK = "dft.lock"
"""Name of the lock file in a structure's hidden folder."""

MIN_FREE_BYTES = 16 * 2**20
"""Free disk space below which a failure is a fault of the machine, bytes."""

_ERRNOS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENOMEM, errno.EMFILE}
)


class MachineFaultError(ExternalToolError):
    """A fault of the machine or of an installation; the same command computes the structure again."""


MACHINE_FAULT = MachineFaultError.__name__
"""Prefix of the reason in a worker's ``Outcome``, which names the class of the error."""


def machine_fault(error: BaseException, folder: Path, command: str | None = None) -> MachineFaultError | None:
    """Return the fault of the machine if an error (or its cause) shows one, else ``None``.

    Args:
        error: exception of an engine.
        folder: folder in which the engine runs.
        command: command that starts VASP; ``None``: ``vasp_std``. A missing program is a fault of the machine.
    """
    seen: BaseException | None = error
    while seen is not None:
        message = " ".join(str(seen).split())[:200] or type(seen).__name__
        if isinstance(seen, MachineFaultError):
            return seen
        if isinstance(seen, OSError) and seen.errno in _ERRNOS:
            return MachineFaultError(f"{seen.filename or folder}: {seen.strerror}")
        if isinstance(seen, FileNotFoundError) and seen.filename in shlex.split(command or "vasp_std"):
            return MachineFaultError(f"{seen.filename}: no such program")
        if isinstance(seen, FileNotFoundError) and "POTCAR" in message:
            return MachineFaultError(f"{message}; set PMG_VASP_PSP_DIR to the folder of the licensed POTCARs")
        if isinstance(seen, DataError) and ("no space left" in message or "no permission" in message):
            return MachineFaultError(message)
        if isinstance(seen, ImportError):
            return MachineFaultError(f"{message}; install what is missing")
        if isinstance(seen, sqlite3.OperationalError):
            return MachineFaultError(f"{folder}: the store of job documents: {message}")
        seen = seen.__cause__ or seen.__context__
    if shutil.disk_usage(folder).free < MIN_FREE_BYTES:
        return MachineFaultError(f"{folder}: no space left on the device")
    return None


@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Lock a folder for this process; the kernel releases the lock when the process ends.

    Raises:
        MachineFaultError: another process holds the lock.
    """
    with (hidden_folder(folder) / LOCK).open("a", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise MachineFaultError(
                f"{folder}: another process computes this structure; wait for it or end it"
            ) from error
        yield
