"""Identity of a potential: name, version, and hash of the weights."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Identity:
    """A potential with its weights; energies of different identities are not comparable.

    Attributes:
        potential: name of the potential.
        version: version of the weights.
        weights_sha256: SHA-256 of the file of weights; empty for a potential without weights.
    """

    potential: str
    version: str
    weights_sha256: str
