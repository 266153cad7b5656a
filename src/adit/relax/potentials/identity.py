"""Which potential energies come from: its name, its version, and the hash of its weights."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Identity:
    """What parts the energies of one potential from those of another.

    Attributes:
        potential: name.
        version: of the weights.
        weights_sha256: of the file of the weights.
    """

    potential: str
    version: str
    weights_sha256: str
