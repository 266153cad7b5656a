"""Identity of a potential: name, version, and hash of the weights."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Identity:
    """The potential that energies come from; energies of other identities are not comparable.

    Attributes:
        potential: name.
        version: of the weights.
        weights_sha256: SHA-256 of the file of weights.
    """

    potential: str
    version: str
    weights_sha256: str
