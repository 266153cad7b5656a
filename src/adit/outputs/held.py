"""Lock of a verb's outputs: one process at a time writes them. A kernel lock, released when the process ends."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from adit.errors import ConfigError, ExternalToolError
from adit.outputs.parts import HIDDEN, forget_hidden, hidden_folder, lock, same_file
from adit.progress import log

PATIENCE_S: Final = 30.0
"""Longest wait for another process, s; a stage whose workflow was killed ends within seconds."""

STEP_S: Final = 0.1
"""Time between two attempts to take the lock, s."""


@contextmanager
def held(folder: Path, key: str, verb: str, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Within the block, be the only process that writes the outputs ``key`` of a folder.

    Args:
        folder: folder of the outputs.
        key: key of the manifest; see ``adit.outputs.manifest``.
        verb: command that writes, for messages.
        patience_s: longest wait for another process, s.

    Raises:
        ConfigError: a link is in the place of the lock.
        ExternalToolError: another process holds the lock for longer.
    """
    handle = _taken(folder, key)
    deadline = time.monotonic() + patience_s
    if handle is None:
        log.info("%s: another run works here (adit %s); waiting for up to %.0f s", folder, verb, patience_s)
    while handle is None:
        if time.monotonic() > deadline:
            raise ExternalToolError(f"{folder}: another run works here (adit {verb}); wait for it, or stop it")
        time.sleep(STEP_S)
        handle = _taken(folder, key)
    try:
        yield
    finally:
        (folder / HIDDEN / f"{key}.lock").unlink(missing_ok=True)
        os.close(handle)
        forget_hidden(folder)


def _taken(folder: Path, key: str) -> int | None:
    """Return the open and locked file; ``None`` if another process holds the lock."""
    path = hidden_folder(folder) / f"{key}.lock"
    if path.is_symlink():
        raise ConfigError(f"{path}: is a link, and this package follows none there; remove the link")
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    except FileNotFoundError:  # the empty hidden folder was removed
        return None
    if lock(handle) and same_file(handle, path):
        return handle
    os.close(handle)
    return None
