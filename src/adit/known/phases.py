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
        occupancies: of each site, the amount of each element.
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
        source: what has it: a provider, or the name of a file.
        entry_id: its id there.
        address: its address or file.
        date: when the source was asked, UTC; empty for files.
        structure: ordered or disordered.
    """

    source: str
    entry_id: str
    address: str
    date: str
    structure: AtomicSystem | Disordered


@dataclass
class Response:
    """What one source says of one question.

    Attributes:
        source: what was asked.
        phases: known structures.
        dates: of the answers, UTC.
        faults: why the answer is not complete, one line each; a structure is then not ``not-found``.
        remarks: what else is to be said.
    """

    source: str
    phases: list[KnownPhase] = field(default_factory=list)
    dates: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
