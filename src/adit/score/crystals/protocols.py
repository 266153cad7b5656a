"""The named protocols of crystals: definitions of stable, unique and novel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from adit.columns import Protocol
from adit.score.matching.matcher import DEFAULT, LOOSE, TIGHT, Match, MatcherSettings

TIE: Final = 1e-6
"""Energies closer than this to a threshold are equal to it, eV/atom: a copy of a reference is not below the hull."""


@dataclass(frozen=True)
class CrystalProtocol:
    """Definitions of one protocol.

    Attributes:
        name: name of the protocol.
        matcher: matcher settings for uniqueness and novelty.
        train_only: novel means not in the training split; otherwise not in any split of the data.
        stable_at: threshold of "stable", eV/atom.
        stable_inclusive: whether an energy on the threshold is stable.
        metastable_at: threshold of "metastable", eV/atom; ``None`` if the protocol has none.
        metastable_excludes_stable: whether stable structures are not metastable.
        min_elements: structures with fewer elements are never stable.
        differs: what differs from the source of the protocol, for display.
    """

    name: Protocol
    matcher: MatcherSettings
    train_only: bool
    stable_at: float
    stable_inclusive: bool
    metastable_at: float | None
    metastable_excludes_stable: bool
    min_elements: int
    differs: str = ""

    def stable(self, e_above_hull: float, n_elements: int) -> bool:
        """Return whether a structure is stable; ``e_above_hull`` in eV/atom, NaN is not stable."""
        if n_elements < self.min_elements:
            return False
        if self.stable_inclusive:
            return e_above_hull <= self.stable_at + TIE
        return e_above_hull < self.stable_at - TIE

    def metastable(self, e_above_hull: float, n_elements: int) -> bool:
        """Return whether a structure is metastable; ``e_above_hull`` in eV/atom, NaN is not metastable."""
        if self.metastable_at is None or n_elements < self.min_elements:
            return False
        if self.metastable_excludes_stable and self.stable(e_above_hull, n_elements):
            return False
        if self.stable_inclusive:
            return e_above_hull <= self.metastable_at + TIE
        return e_above_hull < self.metastable_at - TIE

    def novel(self, match: Match) -> bool:
        """Return whether a structure matches no reference of the protocol."""
        return not (match.in_train if self.train_only else match.in_reference)

    @property
    def reference(self) -> str:
        """Return the reference of novelty, for display."""
        return "the training split" if self.train_only else "all splits of the data"

    @property
    def rule(self) -> str:
        """Return the rule of stability, for display."""
        sign = "<=" if self.stable_inclusive else "<"
        elements = f", at least {self.min_elements} elements" if self.min_elements > 1 else ""
        return f"E above hull {sign} {self.stable_at:g} eV/atom{elements}"

    @property
    def metastable_rule(self) -> str:
        """Return the rule of metastability, for display."""
        sign = "<=" if self.stable_inclusive else "<"
        elements = f", at least {self.min_elements} elements" if self.min_elements > 1 else ""
        without = ", stable ones excluded" if self.metastable_excludes_stable else ", stable ones included"
        return f"E above hull {sign} {self.metastable_at:g} eV/atom{elements}{without}"


ADIT: Final = CrystalProtocol(Protocol.ADIT, LOOSE, False, 0.0, False, 0.1, False, 2)
"""Source: the paper, Section 4 and App. B."""

FLOWMM: Final = CrystalProtocol(Protocol.FLOWMM, DEFAULT, True, 0.0, False, 0.1, False, 2)
"""Source: B. K. Miller et al., FlowMM, ICML 2024."""

MATTERGEN: Final = CrystalProtocol(Protocol.MATTERGEN, DEFAULT, False, 0.1, True, None, False, 1)
"""Its "stable" is the "metastable" of other protocols. Source: C. Zeni et al., MatterGen, Nature 639, 624 (2025)."""

LEMAT: Final = CrystalProtocol(
    *(Protocol.LEMAT, TIGHT, False, 0.0, True, 0.1, True, 1),
    differs="one potential, there the mean of ORB, MACE and UMA; the hull of this run, there each potential's own hull "
    "of LeMat-Bulk; novel against the data of this run, there against LeMat-Bulk; all samples, there the valid ones of "
    "2,500; adit export writes samples for the benchmark itself",
)
"""LeMat-GenBench's thresholds and its leaderboard's matcher.

Differs: see ``differs``."""

CRYSTALITE: Final = CrystalProtocol(
    *(Protocol.CRYSTALITE, DEFAULT, False, 0.1, True, None, False, 1),
    differs="novel against all splits of the data of this run",
)
"""Stable up to 0.1 eV/atom by a potential, as papers of 2026 report it.

Differs: novel against all splits of the run's own data."""

CRYSTAL_PROTOCOLS: Final = [ADIT, FLOWMM, MATTERGEN, LEMAT, CRYSTALITE]
