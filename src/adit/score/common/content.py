"""Content key of a system, independent of its id."""

from __future__ import annotations

import hashlib

import numpy as np

from adit.systems import AtomicSystem


def content_key(system: AtomicSystem) -> str:
    """Return a SHA-256 key of a system's elements, positions and cell, bit for bit; its id does not matter."""
    digest = hashlib.sha256(system.numbers.astype(np.int16).tobytes())
    digest.update(system.positions.tobytes())
    if system.cell is not None:
        digest.update(system.cell.tobytes())
    return digest.hexdigest()
