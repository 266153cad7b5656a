"""Known structures: where each comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from adit.systems import AtomicSystem


@dataclass(frozen=True)
class Disordered:
    """A crystal whose sites are shared by elements, or are not full.

    Attributes:
        cell: (3, 3) rows are lattice vectors, Å.
        positions: (n, 3) Cartesian, Å.
        occupancies: occupancy of each element (0 to 1) on each of the n sites.
    """

    cell: Sequence[Sequence[float]]
    positions: Sequence[Sequence[float]]
    occupancies: Sequence[dict[str, float]]

    @property
    def amounts(self) -> dict[str, float]:
        """Return the share of each element among the atoms."""
        elements = sorted({symbol for site in self.occupancies for symbol in site})
        amounts = {symbol: sum(site.get(symbol, 0.0) for site in self.occupancies) for symbol in elements}
        total = sum(amounts.values())
        return {symbol: amount / total for symbol, amount in amounts.items()}


@dataclass(frozen=True)
class KnownPhase:
    """A known structure.

    Attributes:
        source: host of the provider, or ``files``.
        entry_id: id of the structure there.
        address: address of the entry, or name of the file.
        date: when the source was asked, UTC, ISO 8601; empty for files.
        structure: the structure, ordered or disordered.
    """

    source: str
    entry_id: str
    address: str
    date: str
    structure: AtomicSystem | Disordered


@dataclass
class Response:
    """Answer of one source to one query.

    Attributes:
        source: host of the server, or ``files``.
        phases: known structures.
        dates: dates of the answers, UTC, ISO 8601.
        faults: why the answer is not complete, one line each; a structure without a match is then ``unknown``, and not
            ``not-found``.
        remarks: other notes, one line each.
    """

    source: str
    phases: list[KnownPhase] = field(default_factory=list)
    dates: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
