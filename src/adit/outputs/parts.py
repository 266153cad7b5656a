"""Temporary files in the hidden folder ``.adit`` beside the outputs; remains of killed processes are removed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from adit.errors import ConfigError

HIDDEN: Final = ".adit"
"""Name of the folder beside outputs that only this package uses."""

PART: Final = ".part"
"""Suffix of temporary files."""

LINK: Final = ".link"
"""Suffix of temporary second names of files."""

_swept: set[Path] = set()
"""Folders that this process has swept."""


@contextmanager
def temporary_beside(path: Path) -> Iterator[Path]:
    """Yield an empty file on the file system of ``path``; it is removed when the block ends, unless it was moved.

    The file gets the permissions that the umask allows. It is locked while in use, so that no process removes it.

    Raises:
        OSError: the folder cannot be written to.
        ConfigError: a link is in the place of the hidden folder.
    """
    folder = path.parent
    if folder not in _swept:
        _swept.add(folder)
        sweep(folder)
    part, handle = _locked_part(folder)
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)
        os.close(handle)
        forget_hidden(folder)


def hidden_folder(folder: Path) -> Path:
    """Create the hidden folder of a folder if it is missing, and return it.

    Raises:
        ConfigError: a link is in its place, or a folder above it is a link to nothing.
        OSError: it cannot be created.
    """
    hidden = folder / HIDDEN
    if hidden.is_symlink():
        raise ConfigError(f"{hidden}: is a link, and this package follows none there; remove the link")
    while True:
        try:
            hidden.mkdir(parents=True, exist_ok=True)
            return hidden
        except FileExistsError as error:  # another process has removed it meanwhile, or it cannot be a folder
            place = Path(error.filename)
            if place.is_symlink() and not place.exists():
                to = os.readlink(place)
                raise ConfigError(f"{place}: is a link to {to}, which does not exist; make that folder") from error
            if os.path.lexists(place) and not place.is_dir():
                raise


def forget_hidden(folder: Path) -> None:
    """Remove the hidden folder if it is empty."""
    with contextlib.suppress(OSError):
        (folder / HIDDEN).rmdir()


def is_hidden(path: Path) -> bool:
    """Return whether a path is in a hidden folder of this package."""
    return HIDDEN in path.parts


def _locked_part(folder: Path) -> tuple[Path, int]:
    """Create and lock a temporary file; another process may remove it, or the folder, before it is locked."""
    while True:
        part = hidden_folder(folder) / f"{secrets.token_hex(8)}{PART}"
        try:
            handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        except FileNotFoundError:  # the empty hidden folder was removed
            continue
        lock(handle, wait=True)
        if same_file(handle, part):
            return part, handle
        os.close(handle)


def lock(handle: int, *, wait: bool = False) -> bool:
    """Lock an open file for this process; return whether that succeeded (always if the file system has no locks).

    Args:
        handle: descriptor of the file.
        wait: whether to wait for another process that holds the lock.
    """
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def same_file(handle: int, path: Path) -> bool:
    """Return whether ``path`` is still the open file with the descriptor ``handle``."""
    try:
        there = os.stat(path)
    except OSError:
        return False
    mine = os.fstat(handle)
    return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)


def sweep(folder: Path) -> None:
    """Remove the temporary files in a folder whose processes are gone."""
    if (folder / HIDDEN).is_symlink():
        return
    for part in [*(folder / HIDDEN).glob(f"*{PART}"), *(folder / HIDDEN).glob(f"*{LINK}")]:
        with contextlib.suppress(OSError):
            handle = os.open(part, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if same_file(handle, part):
                    part.unlink()
            finally:
                os.close(handle)
    forget_hidden(folder)


def link_into_place(source: Path, path: Path) -> bool:
    """Give a file a second name, replacing a file with this name; return whether the file system supports it."""
    name = hidden_folder(path.parent) / f"{secrets.token_hex(8)}{LINK}"
    try:
        os.link(source, name)
        name.replace(path)
    except OSError:
        return False
    finally:
        name.unlink(missing_ok=True)  # renaming a link to another link of the same file does nothing
        forget_hidden(path.parent)
    return True
