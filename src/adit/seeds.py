"""Random generators that depend only on names and numbers, not on the order of work."""

from __future__ import annotations

import hashlib

import numpy as np


def derive_seed(*parts: str | int) -> int:
    """Return a 63-bit seed that depends only on ``parts``, equal on every machine and Python version."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(*parts: str | int) -> np.random.Generator:
    """Return an independent counter-based generator for ``parts``, e.g. ``generator("noise", seed, kind, index)``."""
    return np.random.Generator(np.random.Philox(derive_seed(*parts)))
