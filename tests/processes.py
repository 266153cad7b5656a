"""Processes that a test started or that should have ended."""

from __future__ import annotations

import time
from pathlib import Path


def runs(pid: int) -> bool:
    """Return whether a process runs; one that ended but was not waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def ends(pid: int, within_s: float = 30.0) -> bool:
    """Return whether a process has ended; a killed one may need a moment on a busy machine."""
    deadline = time.monotonic() + within_s
    while runs(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
