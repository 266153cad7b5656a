"""The convex hull of reference entries: its energy at a composition, and the pairs of elements that it lacks."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain, combinations
from typing import Any, Final

import numpy as np

from adit.errors import DataError

MAX_QHULL_ELEMENTS: Final = 6
"""Largest number of elements for which the hull is pymatgen's ``PhaseDiagram``. Qhull's cost grows steeply with the
dimension, so for more elements the same lower envelope is found by linear programming at the requested composition."""


@dataclass(frozen=True)
class ReferenceEntry:
    """One reference entry.

    Attributes:
        counts: element → amount (atoms, in any unit).
        energy_per_atom: eV/atom, absolute.
    """

    counts: Mapping[str, float]
    energy_per_atom: float

    @property
    def elements(self) -> frozenset[str]:
        """Return the symbols of its elements."""
        return frozenset(self.counts)

    def fractions(self, elements: Iterable[str]) -> list[float]:
        """Return the atomic fractions in the order of ``elements``."""
        total = sum(self.counts.values())
        return [self.counts.get(element, 0.0) / total for element in elements]


@dataclass
class Hull:
    """The reference entries of one energy tag, indexed by chemical system.

    Attributes:
        tag: energy tag of all entries.
        entries: set of elements → its entries.
        elements: element → lowest energy of its entries, eV/atom; elements without an entry are not there.
        complete: whether the reference holds all known compounds: a pair without a compound is then no gap.
        whole: chemical systems of which the reference holds all known compounds: pairs inside one are no gap.
        completed: pairs that were searched for compounds, e.g. ``Fe-Zr``; they are no gaps.
    """

    tag: str
    entries: dict[frozenset[str], list[ReferenceEntry]]
    elements: dict[str, float]
    complete: bool = False
    whole: frozenset[frozenset[str]] = frozenset()
    completed: frozenset[str] = frozenset()
    _diagrams: dict[frozenset[str], Any] = field(default_factory=dict, repr=False)

    @classmethod
    def from_entries(cls, tag: str, entries: Iterable[ReferenceEntry]) -> Hull:
        """Return the hull of entries of one energy tag."""
        index: dict[frozenset[str], list[ReferenceEntry]] = {}
        for entry in entries:
            index.setdefault(entry.elements, []).append(entry)
        lone = {key: alternatives for key, alternatives in index.items() if len(key) == 1}
        elements = {
            next(iter(key)): min(entry.energy_per_atom for entry in alternatives) for key, alternatives in lone.items()
        }
        return cls(tag, index, elements)

    def within(self, elements: frozenset[str]) -> list[ReferenceEntry]:
        """Return the entries of a chemical system and of all its subsystems."""
        if 2 ** len(elements) > len(self.entries):
            return [entry for key, entries in self.entries.items() if key <= elements for entry in entries]
        subsets = chain.from_iterable(combinations(sorted(elements), n) for n in range(1, len(elements) + 1))
        return [entry for subset in subsets for entry in self.entries.get(frozenset(subset), ())]

    def gaps(self, elements: frozenset[str]) -> list[str]:
        """Return the gaps of a chemical system: elements without an entry, and pairs of elements without a compound.

        A pair, e.g. ``Fe-Zr``, is a gap if no entry within the chemical system contains both elements. The hull between
        them is then a straight line, and an energy below that line says little about stability.
        """
        lone = [element for element in sorted(elements) if element not in self.elements]
        if self.complete or any(elements <= system for system in self.whole):
            return lone
        contained = {
            pair
            for entry in self.within(elements)
            if len(entry.elements) > 1
            for pair in combinations(sorted(entry.elements), 2)
        }
        pairs = [pair for pair in combinations(sorted(elements), 2) if pair not in contained]
        return lone + [name for name in map("-".join, pairs) if name not in self.completed]

    def energy_at(self, counts: Mapping[str, float]) -> float:
        """Return the energy of the hull at a composition, eV/atom.

        Args:
            counts: element → amount.

        Raises:
            DataError: an element has no reference entry.
        """
        missing = sorted(element for element in counts if element not in self.elements)
        if missing:
            raise DataError(f"no reference energy of element {', '.join(missing)}")
        elements = frozenset(counts)
        if len(elements) > MAX_QHULL_ELEMENTS:
            return lower_envelope(self.within(elements), counts)
        from pymatgen.core import Composition

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # noble gases have no electronegativity, which only orders formulas
            return float(self._diagram(elements).get_hull_energy_per_atom(Composition(counts)))

    def _diagram(self, elements: frozenset[str]) -> Any:
        if elements not in self._diagrams:
            from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
            from pymatgen.core import Composition

            self._diagrams[elements] = PhaseDiagram(
                [
                    PDEntry(Composition(e.counts), e.energy_per_atom * sum(e.counts.values()))
                    for e in self.within(elements)
                ]
            )
        return self._diagrams[elements]


def lower_envelope(entries: list[ReferenceEntry], counts: Mapping[str, float]) -> float:
    """Return the least energy (eV/atom) of any mixture of ``entries`` with the given composition (element → amount).

    Raises:
        DataError: no mixture has this composition.
    """
    from scipy.optimize import linprog

    elements = sorted(counts)
    target = ReferenceEntry(counts, 0.0).fractions(elements)
    result = linprog(
        [entry.energy_per_atom for entry in entries],
        A_eq=np.array([entry.fractions(elements) for entry in entries]).T,
        b_eq=target,
        bounds=(0, None),
        method="highs",
    )
    if not result.success:
        raise DataError(f"no hull at this composition ({result.message})")
    return float(result.fun)
